//! Limits: what is refused and where, what is read on behind it, and that nothing is left of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod naive;

use std::collections::HashMap;

use _core::frame::{Format, Limits, PushOutcome, Stream};
use _core::line_protocol::{MAX_FIELDS, MAX_TAGS, Precision, Reason, describe_points};
use proptest::prelude::*;

const ROOMY: Limits = Limits {
    max_measurements: 1_000,
    max_columns: 1_000,
    max_path_bytes: 150,
    max_packet_bytes: 1 << 20,
    max_push_output_bytes: 1 << 24,
    max_rejections: 1_000,
};

fn push(stream: &mut Stream, body: &str) -> PushOutcome {
    stream.push(body.as_bytes(), 0, Precision::Nanoseconds)
}

/// Push the body and hold its refused lines against what the naive twin and `describe_points` say.
fn refused(body: &str) -> Vec<(usize, usize, &'static str)> {
    let outcome = push(&mut Stream::new(ROOMY), body);
    let places: Vec<_> = outcome
        .rejections
        .iter()
        .map(|rejection| {
            (
                rejection.place.line,
                rejection.place.column,
                rejection.reason.word(),
            )
        })
        .collect();
    let twin = naive::read(body.as_bytes(), |value| value);
    assert_eq!(places, twin.faults);
    assert_eq!(outcome.accepted, twin.points.len());
    let told = describe_points(body.as_bytes(), Precision::Nanoseconds);
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    let told = told["rejections"].as_array().map_or(0, Vec::len);
    assert_eq!(told, places.len());
    places
}

#[test]
fn a_line_has_as_many_fields_as_it_may_and_not_one_more() {
    let most = format!("m {}", vec!["a=1"; MAX_FIELDS].join(","));
    assert_eq!(refused(&format!("{most} 5\nm a=2")), []);
    let place = (1, most.len() + 2, "too_many_fields");
    assert_eq!(refused(&format!("{most},b=1 5\nm a=2")), [place]);
}

#[test]
fn a_line_has_as_many_tags_as_it_may_and_not_one_more() {
    let most = format!("m{}", ",t=1".repeat(MAX_TAGS));
    assert_eq!(refused(&format!("{most} a=1 5\nm a=2")), []);
    let place = (1, most.len() + 2, "too_many_tags");
    assert_eq!(refused(&format!("{most},u=1 a=1 5\nm a=2")), [place]);
}

#[test]
fn strings_of_a_line_with_too_much_are_not_read_as_lines() {
    let fields = format!("m {}", "a=1,".repeat(MAX_FIELDS));
    let tags = format!("m{},u=1 ", ",t=1".repeat(MAX_TAGS));
    for line in [&fields, &tags] {
        for (rest, refusals) in [
            ("s=\"x\nm b=1\nm c=1\",d=\"\n\" 5\nm a=2", 1),
            // What else is wrong with the line is not told, and what follows is read as behind any fault.
            ("s=\"x\nm b=1\",d=x 5\nm a=2", 1),
            ("s=\"x\nm b=1\" \"y\nm a=2", 1),
            ("s=\"x\nm b=1\" \"\nz\" 5\nm a=2", 2),
            ("s=1,\nm a=2", 1),
            ("s=\"x\nm a=2", 1),
        ] {
            let places = refused(&format!("{line}{rest}"));
            assert_eq!(places.len(), refusals, "{rest}");
            assert!(places[0].2.starts_with("too_many_"));
        }
    }
}

#[test]
fn a_line_with_too_much_leaves_no_trace() {
    let mut stream = Stream::new(ROOMY);
    let outcome = push(&mut stream, &format!("m {}b=1", "a=1,".repeat(MAX_FIELDS)));
    assert_eq!(outcome.reasons, [(Reason::TooManyFields, 1)]);
    assert_eq!((outcome.packets.len(), stream.measurements().count()), (0, 0));
}

/// A line with a string of so many bytes, which are its time too.
fn text_line(measurement: &str, key: &str, bytes: usize) -> String {
    format!("{measurement} {key}=\"{}\" {bytes}\n", "x".repeat(bytes))
}

#[test]
fn a_row_larger_than_a_packet_is_refused_and_its_neighbours_are_kept() {
    let mut stream = Stream::new(Limits {
        max_packet_bytes: 600,
        ..ROOMY
    });
    let rows = |outcome: &PushOutcome| -> Vec<usize> { outcome.packets.iter().map(|it| it.rows).collect() };
    let body = text_line("m", "s", 3) + &text_line("m", "s", 600) + &text_line("m", "s", 4);
    let outcome = push(&mut stream, &body);
    assert_eq!(outcome.reasons, [(Reason::RowLimit, 1)]);
    assert_eq!(rows(&outcome), [2]);
    let place = outcome.rejections[0].place;
    assert_eq!((place.line, place.column), (2, 1));
    // Nothing is kept of it: its column is not there, nor its measurement.
    let outcome = push(
        &mut stream,
        &(text_line("m", "t", 600) + &text_line("n", "s", 600)),
    );
    assert_eq!((outcome.accepted, stream.measurements().count()), (0, 1));
    assert!(push(&mut stream, "m s=\"y\" 1").packets[0].schema.is_none());
}

#[test]
fn the_largest_row_there_may_be_has_a_packet_with_schema() {
    let limits = Limits {
        max_packet_bytes: 600,
        ..ROOMY
    };
    let taken = |bytes| push(&mut Stream::new(limits), &text_line("m", "s", bytes));
    let most = (0..600).rev().find(|&bytes| taken(bytes).accepted == 1).unwrap();
    let payload = taken(most).packets.remove(0).payload;
    // What is counted is what may be needed: here there is no remainder, and no null.
    assert!(most > 450 && payload.len() > 600, "{most}");
    assert_eq!(taken(most + 1).reasons, [(Reason::RowLimit, 1)]);
}

#[test]
fn a_line_whose_columns_make_an_earlier_row_too_large_is_refused() {
    let mut stream = Stream::new(Limits {
        max_packet_bytes: 600,
        ..ROOMY
    });
    let body = text_line("m", "s", 470) + "m a=1,b=1,c=1 1\n" + &text_line("m", "s", 3);
    let outcome = push(&mut stream, &body);
    assert_eq!((outcome.accepted, outcome.rejections[0].place.line), (2, 2));
    assert_eq!(outcome.reasons, [(Reason::RowLimit, 1)]);
    // In a push of its own it has its place.
    assert_eq!(push(&mut stream, "m a=1,b=1,c=1 1\n").accepted, 1);
}

#[test]
fn a_schema_larger_than_a_packet_is_refused_and_the_columns_before_are_kept() {
    let mut stream = Stream::new(Limits {
        max_packet_bytes: 2_000,
        ..ROOMY
    });
    let outcome = push(&mut stream, "m a=1 1\n");
    let mut schema = outcome.packets[0].schema.clone().unwrap();
    for number in 0..100 {
        for packet in push(&mut stream, &format!("m k{number}=1 1")).packets {
            schema = packet.schema.unwrap();
        }
    }
    assert!((1_400..=2_000).contains(&schema.len()), "{}", schema.len());
    let outcome = push(&mut stream, "m a=1 1\nm a=1,z=1 1\nm a=2 1");
    assert_eq!((outcome.accepted, outcome.rejections[0].place.line), (2, 2));
    assert!(outcome.rejections[0].message.contains("\"z\""));
    assert_eq!(outcome.reasons, [(Reason::SchemaLimit, 1)]);
    assert_eq!(outcome.packets[0].schema, None);
    // A measurement's name counts too.
    let long = format!("{} a=1", "n".repeat(1_000));
    let limits = Limits {
        max_path_bytes: 2_000,
        max_packet_bytes: 2_000,
        ..ROOMY
    };
    let outcome = push(&mut Stream::new(limits), &long);
    assert_eq!(outcome.reasons, [(Reason::SchemaLimit, 1)]);
}

/// Lines of few measurements with long and awkward keys, tags and values: what makes rows and schemas grow.
fn growing_lines() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("-2.2250738585072014e-308".to_owned()),
        Just("t".to_owned()),
        (
            prop::sample::select(&["x", "\u{1}", "\\\\", "\\\"", "\n", "é"][..]),
            0_usize..500
        )
            .prop_map(|(piece, count)| format!("\"{}\"", piece.repeat(count))),
    ];
    let key = (
        prop::sample::select(&["a", "b", "\"", "\\"][..]),
        1_usize..40,
        "[a-f]",
    )
        .prop_map(|(piece, count, end)| piece.repeat(count) + &end);
    let fields = prop::collection::vec((key, value), 1..12);
    let tags = prop::collection::vec("\"{0,60}[a-c]", 0..4);
    (
        prop::sample::select(&["m", "n", "\"\"\""][..]),
        tags,
        fields,
        prop_oneof![any::<i64>(), 0..2_i64],
    )
        .prop_map(|(name, tags, fields, time)| {
            let tags: Vec<_> = tags.iter().map(|tag| format!(",{tag}={tag}")).collect();
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{name}{} {} {time}\n", tags.concat(), fields.join(","))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_schema_and_the_newest_packet_never_pass_twice_the_limit(
        pushes in prop::collection::vec(prop::collection::vec(growing_lines(), 1..12), 1..6),
        max_packet_bytes in 300_usize..4_000,
        max_push_output_bytes in 0_usize..40_000,
        format in prop::sample::select(&Format::ALL[..]),
    ) {
        let limits = Limits { max_packet_bytes, max_push_output_bytes, ..ROOMY };
        let mut stream = Stream::with_format(format, limits);
        let mut schemas = HashMap::new();
        for lines in pushes {
            let outcome = push(&mut stream, &lines.concat());
            prop_assert_eq!(outcome.accepted + outcome.rejected, lines.len());
            let rows = outcome.packets.iter().map(|packet| packet.rows).sum::<usize>();
            prop_assert!(rows <= outcome.accepted && (rows > 0 || outcome.accepted == 0));
            // What the cut adds: the brackets of each packet's columns, twelve for a line at most.
            let bytes: usize = outcome.packets.iter().map(|packet| packet.payload.len()).sum();
            prop_assert!(bytes <= max_push_output_bytes + outcome.packets.len() * 8 * (2 + 60 * 12));
            for packet in outcome.packets {
                let mut excess = 0;
                if let Some(schema) = &packet.schema {
                    schemas.insert(packet.path.clone(), schema.len());
                    prop_assert!(schema.len() <= max_packet_bytes);
                    excess = schema.len();
                } else {
                    prop_assert!(schemas[&packet.path] + packet.payload.len() <= 2 * max_packet_bytes);
                }
                // Its schema, and the brackets that go with it, are all that a packet may have beyond the
                // limit.
                prop_assert!(packet.payload.len() <= max_packet_bytes + excess);
            }
        }
    }
}
