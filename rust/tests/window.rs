//! The merge of packets, against a plain model of it, on payloads spelled in every way that JSON allows.
#![allow(missing_docs, clippy::unwrap_used)]

use _core::frame::{Window, merge_packets};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const SCHEMA: &[u8] = br#"{"fields":[{"type":"string"},{"type":"time"},{"type":"number"},{"type":"time"}]}"#;
const COLUMNS: usize = 4;
const TIME: usize = 1;
const ALL: Window = Window {
    with_schema: false,
    max_rows: usize::MAX,
    max_bytes: usize::MAX,
};

/// A row's remainder and its cells.
type Row = (u32, Vec<String>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let cells = prop::sample::select(
        &[
            "null",
            "1",
            "-1",
            "0",
            "-0",
            "1.0",
            "1e2",
            "true",
            r#""""#,
            r#"",""#,
            r#""]""#,
            r#""\\""#,
            r#""\"""#,
            r#""\u00e9 é""#,
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
        ][..],
    );
    let remainder = prop::sample::select(&[0, 1, 10, 999_999][..]);
    let cells = prop::collection::vec(cells.prop_map(str::to_owned), COLUMNS);
    prop::collection::vec((remainder, cells), 0..6)
}

/// The rows as a payload of so many columns, with `space` wherever there may be some.
fn payload(rows: &[Row], columns: usize, space: &str) -> String {
    let join = |items: Vec<String>| {
        format!(
            "{space}[{space}{}{space}]{space}",
            items.join(&format!("{space},{space}"))
        )
    };
    let column = |number: usize| join(rows.iter().map(|(_, cells)| cells[number].clone()).collect());
    let values = join((0..columns).map(column).collect());
    let remainders = join(rows.iter().map(|(nanos, _)| nanos.to_string()).collect());
    let nanos = |column| {
        if column == TIME {
            remainders.clone()
        } else {
            "null".to_owned()
        }
    };
    let nanos = join((0..columns).map(nanos).collect());
    format!(r#"{space}{{"x":[{{}}],{space}"data"{space}:{{"nanos":{nanos},{space}"values":{values}}}}}"#)
}

fn order((nanos, cells): &Row) -> (i64, u32) {
    (cells[TIME].parse().unwrap_or(i64::MIN), *nanos)
}

/// The cells of a frame as text, column by column.
fn columns(frame: &[u8]) -> Vec<Vec<String>> {
    let frame: std::collections::BTreeMap<&str, std::collections::BTreeMap<&str, &RawValue>> =
        serde_json::from_slice(frame).unwrap();
    let columns: Vec<Vec<&RawValue>> = serde_json::from_str(frame["data"]["values"].get()).unwrap();
    columns
        .into_iter()
        .map(|column| column.into_iter().map(|cell| cell.get().to_owned()).collect())
        .collect()
}

proptest! {
    #[test]
    fn a_merge_is_the_models(
        packets in prop::collection::vec((rows(), TIME + 1..=COLUMNS), 0..6),
        space in prop::sample::select(&["", " ", "\n\t"][..]),
        max_rows in 0..20_usize,
    ) {
        let payloads: Vec<_> = packets.iter().map(|(rows, columns)| payload(rows, *columns, space)).collect();
        let mut expected: Vec<Row> = Vec::new();
        for (rows, columns) in &packets {
            for (nanos, cells) in rows {
                let mut cells = cells.clone();
                cells[*columns..].fill("null".to_owned());
                expected.push((*nanos, cells));
            }
        }
        expected.sort_by_key(order);
        expected.drain(..expected.len().saturating_sub(max_rows));
        let window = Window { max_rows, ..ALL };
        let frame = merge_packets(SCHEMA, &payloads, window).unwrap();
        let cells = |column: usize| expected.iter().map(|(_, cells)| cells[column].clone()).collect();
        prop_assert_eq!(columns(&frame), (0..COLUMNS).map(cells).collect::<Vec<Vec<_>>>());
        let told: Value = serde_json::from_slice(&frame).unwrap();
        let nanos: Vec<_> = expected.iter().map(|(nanos, _)| *nanos).collect();
        let has_nanos = nanos.iter().any(|&nanos| nanos > 0);
        let nanos = if has_nanos { json!([null, nanos, null, null]) } else { Value::Null };
        prop_assert_eq!(&told["data"]["nanos"], &nanos);
        // Exactly as many bytes as it takes are enough, and one less costs a row.
        let tight = Window { max_bytes: frame.len(), ..window };
        prop_assert_eq!(&merge_packets(SCHEMA, &payloads, tight).unwrap(), &frame);
        if !expected.is_empty() {
            let tighter = Window { max_bytes: frame.len() - 1, ..window };
            let less = columns(&merge_packets(SCHEMA, &payloads, tighter).unwrap());
            prop_assert!(less[0].len() < expected.len());
            for (less, whole) in less.iter().zip(columns(&frame)) {
                prop_assert!(whole.ends_with(less));
            }
        }
    }

    #[test]
    fn no_bytes_are_too_odd(
        schema in prop_oneof![Just(SCHEMA.to_vec()), prop::collection::vec(any::<u8>(), 0..40)],
        payloads in prop::collection::vec("[\\[\\]{}\",:\\\\ 01a]{0,12}", 0..4),
        with_schema: bool,
    ) {
        let payloads: Vec<_> = payloads.iter().map(|text| format!(r#"{{"data":{{"values":[["a"],{text}]}}}}"#)).collect();
        match merge_packets(&schema, &payloads, Window { with_schema, ..ALL }) {
            Ok(frame) => prop_assert!(serde_json::from_slice::<Value>(&frame).is_ok()),
            Err(error) => prop_assert!(error.to_string().contains("schema")),
        }
    }
}
