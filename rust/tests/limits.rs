//! Limits: what is refused and where, what is read on behind it, and that nothing is left of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod naive;

use _core::frame::{Limits, PushOutcome, Stream};
use _core::line_protocol::{MAX_FIELDS, MAX_TAGS, Precision, Reason, describe_points};

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
    let twin = naive::read(body.as_bytes(), 1);
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
