//! The parser against its naive twin, and the frames against what the twin counts, on made and mangled
//! bodies.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod naive;

use std::collections::{HashMap, HashSet};

use _core::frame::{Limits, PushOutcome, Stream};
use _core::line_protocol::{Precision, Reason, describe_points};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What lines are made of, and what breaks them.
const PIECES: &[&[u8]] = &[
    b",",
    b",",
    b"=",
    b"=",
    b" ",
    b" ",
    b"\\",
    b"\"",
    b"\"",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"#",
    b"m",
    b"cpu",
    b"t",
    b"f",
    b"value",
    b"1",
    b"0",
    b"1i",
    b"2u",
    b"-",
    b".",
    b"e5",
    b"1.5",
    b"-0",
    b"true",
    b"F",
    b"\0",
    b"\t",
    b"\x7f",
    b"\xc3\xa9",
    b"\xff",
    b"\xc3",
    b"18446744073709551615u",
    b"9223372036854775808i",
    b"-9223372036854775808i",
    b"1e309",
    b"1e-7",
    b".5",
    b"7.",
    b"007",
    b"NaN",
    b"\"a b\"",
    b"\"x\\\"y\\\\\"",
    b"\"two\nlines\"",
    b"\\ ",
    b"\\,",
    b"\\=",
    b"1700000000000000000",
    b"9223372036854775808",
    b"m f=1\n",
    b"m,a=b f=1i,g=\"s\" 5\n",
    b" g=t",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        12 => prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// Good lines with a few bytes replaced, inserted or removed.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let value =
        prop::sample::select(&["1", "-2.5", "3i", "4u", "t", "\"s\"", "\"a\\\"\nb\"", "1e3", ".5"][..]);
    let field = ("[a-c]|\\\\ |é", value).prop_map(|(key, value)| format!("{key}={value}"));
    let tag = ("[a-c]|\\\\=", "[a-c]{1,3}|x\\\\,y").prop_map(|(key, value)| format!(",{key}={value}"));
    let time = prop_oneof![
        Just(String::new()),
        (any::<i64>(), 0..64).prop_map(|(time, shift)| format!(" {}", time >> shift))
    ];
    let line = (
        "[mn]",
        prop::collection::vec(tag, 0..4),
        prop::collection::vec(field, 1..5),
        time,
    )
        .prop_map(|(name, tags, fields, time)| {
            format!("{name}{} {}{time}\n", tags.concat(), fields.join(","))
        });
    let edit = (
        any::<prop::sample::Index>(),
        0..3,
        prop::sample::select(b",= \\\"\n\r\0\xff1imt.-#".as_slice()),
    );
    (
        prop::collection::vec(line, 0..12),
        prop::collection::vec(edit, 0..4),
    )
        .prop_map(|(lines, edits)| {
            let mut body = lines.concat().into_bytes();
            for (at, kind, byte) in edits {
                if !body.is_empty() {
                    let at = at.index(body.len());
                    match kind {
                        0 => body[at] = byte,
                        1 => body.insert(at, byte),
                        _ => drop(body.remove(at)),
                    }
                }
            }
            body
        })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![soup(), mangled()]
}

const PRECISIONS: [(Precision, naive::InNanoseconds); 7] = [
    (Precision::Nanoseconds, |value| value),
    (Precision::Microseconds, |value| value * 1_000),
    (Precision::Milliseconds, |value| value * 1_000_000),
    (Precision::Seconds, |value| value * 1_000_000_000),
    (Precision::Minutes, |value| value * 60_000_000_000),
    (Precision::Hours, |value| value * 3_600_000_000_000),
    (Precision::Auto, |value| {
        value
            * match value.abs() {
                size if size < 5_000_000_000 => 1_000_000_000,
                size if size < 5_000_000_000_000 => 1_000_000,
                size if size < 5_000_000_000_000_000 => 1_000,
                _ => 1,
            }
    }),
];

/// What `describe_points` says: points with floats as bits, and places and words of the refused lines.
fn described(body: &[u8], precision: Precision) -> (Vec<Value>, Vec<Value>) {
    let mut told: Value = serde_json::from_slice(&describe_points(body, precision)).unwrap();
    let list = |value: &mut Value| value.as_array_mut().map(std::mem::take);
    let mut points = list(&mut told["points"])
        .or_else(|| list(&mut told["points_ok"]))
        .unwrap();
    for field in points
        .iter_mut()
        .flat_map(|point| point["fields"].as_array_mut().unwrap())
    {
        if field[1] == "float" {
            let value: f64 = field[2].as_str().unwrap().parse().unwrap();
            field[2] = json!(value.to_bits());
        }
    }
    let mut faults = list(&mut told["rejections"]).unwrap_or_default();
    if let Some(first) = faults.first() {
        assert_eq!(
            [&told["line"], &told["column"]],
            [&first["line"], &first["column"]]
        );
    }
    for fault in &mut faults {
        assert!(fault["message"].as_str().unwrap().len() < 600);
        *fault = json!([fault["line"], fault["column"], fault["reason"]]);
    }
    (points, faults)
}

const LIMITS: Limits = Limits {
    max_measurements: 1_000,
    max_columns: 1_000,
    max_path_bytes: 150,
    max_packet_bytes: 1 << 14,
    max_push_output_bytes: 10_000_000,
    max_rejections: 1_000,
};

/// What must hold for every push; returns the rows.
fn check_packets(outcome: &PushOutcome, max_packet_bytes: usize) -> usize {
    let refused: usize = outcome.reasons.iter().map(|(_, count)| count).sum();
    assert_eq!(refused, outcome.rejected);
    let mut last_time: HashMap<&str, i64> = HashMap::new();
    let mut rows = 0;
    for packet in &outcome.packets {
        assert!(packet.payload.iter().all(|&byte| byte >= 0x20));
        let frame: Value = serde_json::from_slice(&packet.payload).unwrap();
        let schema = packet
            .schema
            .as_ref()
            .map(|schema| serde_json::from_slice(schema).unwrap());
        assert_eq!(frame.get("schema"), schema.as_ref());
        let schema_bytes = packet.schema.as_ref().map_or(0, Vec::len);
        let excess = if packet.rows == 1 { schema_bytes } else { 0 };
        assert!(packet.payload.len() <= max_packet_bytes + excess);
        let values = frame["data"]["values"].as_array().unwrap();
        for column in values {
            assert_eq!(column.as_array().unwrap().len(), packet.rows);
        }
        for time in values[1].as_array().unwrap() {
            let time = time.as_i64().unwrap();
            let last = last_time.insert(&packet.measurement, time);
            assert!(last.is_none_or(|last| last <= time));
        }
        rows += packet.rows;
    }
    rows
}

/// How many rows these points are: one for each measurement, tags and time.
fn count_rows(points: &[Value]) -> usize {
    let rows = points.iter().map(|point| {
        let mut tags = point["tags"].as_array().unwrap().clone();
        tags.sort_by_key(Value::to_string);
        let time = point["time_ns"].as_str().unwrap_or("0");
        (
            point["measurement"].to_string(),
            Value::from(tags).to_string(),
            time,
        )
    });
    rows.collect::<HashSet<_>>().len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parser_agrees_with_its_naive_twin(body in bodies(), precision in 0_usize..7) {
        let (precision, in_nanoseconds) = PRECISIONS[precision];
        let (points, faults) = described(&body, precision);
        let twin = naive::read(&body, in_nanoseconds);
        let twin_faults: Vec<_> = twin.faults.iter().map(|&(line, column, reason)| json!([line, column, reason])).collect();
        prop_assert_eq!(faults, twin_faults);
        prop_assert_eq!(points, twin.points);
    }

    #[test]
    fn every_line_is_accounted_for(bodies in prop::collection::vec(bodies(), 1..4)) {
        let mut stream = Stream::new(LIMITS);
        for body in bodies {
            let outcome = stream.push(&body, 0, Precision::Nanoseconds);
            let twin = naive::read(&body, |value| value);
            prop_assert_eq!(outcome.accepted, twin.points.len());
            prop_assert_eq!(outcome.rejected, twin.faults.len());
            for (rejection, (line, column, reason)) in outcome.rejections.iter().zip(twin.faults) {
                prop_assert_eq!((rejection.place.line, rejection.place.column), (line, column));
                prop_assert_eq!(rejection.reason.word(), reason);
            }
            prop_assert_eq!(check_packets(&outcome, LIMITS.max_packet_bytes), count_rows(&twin.points));
        }
    }

    #[test]
    fn lines_without_quotes_add_up(body in bodies()) {
        let body: Vec<u8> = body.into_iter().filter(|&byte| byte != b'"').collect();
        let silent = body.split(|&byte| byte == b'\n').filter(|line| {
            let line = line.iter().position(|&byte| byte != b' ').map_or(&[][..], |start| &line[start..]);
            line.is_empty() || line == b"\r" || line[0] == b'#'
        });
        let lines = body.split(|&byte| byte == b'\n').count();
        let outcome = Stream::new(LIMITS).push(&body, 0, Precision::Nanoseconds);
        prop_assert_eq!(outcome.accepted + outcome.rejected + silent.count(), lines);
    }

    #[test]
    fn tight_limits_hold(bodies in prop::collection::vec(bodies(), 1..4), output in 0_usize..4_000) {
        let limits = Limits {
            max_measurements: 2,
            max_columns: 3,
            max_path_bytes: 150,
            max_packet_bytes: 600,
            max_push_output_bytes: output,
            max_rejections: 2,
        };
        let mut stream = Stream::new(limits);
        for body in bodies {
            let outcome = stream.push(&body, 0, Precision::Nanoseconds);
            let twin = naive::read(&body, |value| value);
            prop_assert_eq!(outcome.accepted + outcome.rejected, twin.points.len() + twin.faults.len());
            prop_assert!(outcome.rejections.len() <= 2 && stream.measurements().count() <= 2);
            let rows = check_packets(&outcome, limits.max_packet_bytes);
            prop_assert!(rows <= outcome.accepted && (rows > 0 || outcome.accepted == 0));
            let bytes: usize = outcome.packets.iter().map(|packet| packet.payload.len()).sum();
            // What the cut adds: the brackets of each packet, for five columns at most.
            prop_assert!(bytes <= output + outcome.packets.len() * 100);
        }
    }
}

#[test]
fn tiny_lines_against_many_columns_stay_bounded() {
    let fields: Vec<String> = (0..1_000).map(|number| format!("f{number}=1")).collect();
    let mut stream = Stream::new(Limits {
        max_push_output_bytes: 1 << 20,
        max_packet_bytes: 1 << 18,
        ..LIMITS
    });
    stream.push(
        format!("m {}", fields.join(",")).as_bytes(),
        0,
        Precision::Nanoseconds,
    );
    let lines: Vec<String> = (0..100_000).map(|time| format!("m f0=1 {time}\n")).collect();
    let outcome = stream.push(lines.concat().as_bytes(), 0, Precision::Nanoseconds);
    let bytes: usize = outcome.packets.iter().map(|packet| packet.payload.len()).sum();
    assert!((1 << 19..=1 << 21).contains(&bytes), "{bytes}");
    assert_eq!(outcome.accepted + outcome.rejected, 100_000);
    assert_eq!(outcome.reasons, [(Reason::OutputLimit, outcome.rejected)]);
}
