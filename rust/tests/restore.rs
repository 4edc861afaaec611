//! Columns as text and back: nobody downstream can tell a restored stream from the one it was.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use _core::frame::{Format, Limits, PushOutcome, RestoreError, Stream};
use _core::line_protocol::Precision;
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    max_measurements: 4,
    max_columns: 12,
    max_path_bytes: 150,
    max_packet_bytes: 4_000,
    max_push_output_bytes: 20_000,
    max_rejections: 10,
};

fn push(stream: &mut Stream, body: &str) -> PushOutcome {
    stream.push(body.as_bytes(), 0, Precision::Nanoseconds)
}

/// The newest schema of each measurement, by path.
fn remember_schemas(schemas: &mut BTreeMap<String, Vec<u8>>, outcome: &PushOutcome) {
    for packet in &outcome.packets {
        if let Some(schema) = &packet.schema {
            schemas.insert(packet.path.to_string(), schema.clone());
        }
    }
}

/// A stream that saw the lines, and what its one measurement's columns are as text.
fn columns_of(format: Format, lines: &str) -> String {
    let mut stream = Stream::with_format(format, LIMITS);
    let outcome = push(&mut stream, lines);
    assert_eq!(outcome.rejected, 0);
    String::from_utf8(stream.columns(&outcome.packets[0].path).unwrap()).unwrap()
}

fn restore(format: Format, text: &str) -> Result<String, RestoreError> {
    let mut stream = Stream::with_format(format, LIMITS);
    let restored = stream.restore(text.as_bytes())?;
    assert_eq!(
        stream.measurements().collect::<Vec<_>>(),
        [&*restored.measurement]
    );
    Ok(restored.path.to_string())
}

#[test]
fn the_text_names_all_once() {
    let text = columns_of(
        Format::Series,
        "a\\ m,h=\"x,k=\\,\\  f=1,g=t 0\na\\ m f\\==\"s\" 1\na\\ m,k=\\,\\ ,h=\"x h=1",
    );
    assert_eq!(
        text,
        concat!(
            r#"{"version":1,"format":"series","measurement":"a m","labels":[{"h":"\"x","k":", "},{}],"#,
            r#""columns":[["f","number",0],["g","boolean",0],["f=","string",1],["h","number",0]]}"#,
        )
    );
    let text = columns_of(Format::LabelsColumn, "m,h=a f=1 0\nm,h=b g=\"\" 0");
    assert_eq!(
        text,
        r#"{"version":1,"format":"labels_column","measurement":"m","labels":[{}],"columns":[["f","number",0],["g","string",0]]}"#
    );
}

#[test]
fn restored_columns_are_sent_again_only_when_they_grow() {
    for format in Format::ALL {
        let mut stream = Stream::with_format(format, LIMITS);
        stream
            .restore(columns_of(format, "m,h=a b=1,a=t").as_bytes())
            .unwrap();
        let outcome = push(&mut stream, "m,h=a a=f,b=2");
        assert_eq!(outcome.packets[0].schema, None);
        let frame: Value = serde_json::from_slice(&outcome.packets[0].payload).unwrap();
        // a was sorted before b in the first line, and stays there.
        let values = &frame["data"]["values"].as_array().unwrap()
            [if format == Format::LabelsColumn { 2 } else { 1 }..];
        assert_eq!(values, [json!([false]), json!([2])]);
        assert!(push(&mut stream, "m,h=a c=1").packets[0].schema.is_some());
    }
}

#[test]
fn restored_integers_become_numbers_as_before() {
    let mut stream = Stream::with_format(Format::Wide, LIMITS);
    stream
        .restore(columns_of(Format::Wide, "m f=1i,g=2u,h=1").as_bytes())
        .unwrap();
    assert_eq!(push(&mut stream, "m f=3i,g=4i,h=5i").packets[0].schema, None);
    let outcome = push(&mut stream, "m f=0.5");
    let schema: Value = serde_json::from_slice(outcome.packets[0].schema.as_ref().unwrap()).unwrap();
    let fields = schema["fields"].as_array().unwrap()[1..].iter();
    let types: Vec<_> = fields.map(|field| field["typeInfo"]["frame"].clone()).collect();
    assert_eq!(types, ["float64", "int64", "float64"]);
    let text = String::from_utf8(stream.columns("m").unwrap()).unwrap();
    assert!(text.ends_with(r#"[["f","number",0],["g","integer",0],["h","number",0]]}"#));
}

#[test]
fn only_known_paths_have_columns() {
    let mut stream = Stream::new(LIMITS);
    push(&mut stream, "a\\ m,h=a f=1");
    assert!(stream.columns("a=20m").is_some());
    // The second is another spelling of the name, which no channel has.
    for path in ["", "m", "=61=20m", "a=20m=", "a=2", "a=+2m", "=zz", "=é", "a m"] {
        assert_eq!(stream.columns(path), None, "{path}");
    }
}

#[test]
fn texts_that_nobody_wrote_are_refused() {
    let good = columns_of(Format::Wide, "m,h=a f=1,g=1 0\nm,h=b f=1 0");
    assert_eq!(restore(Format::Wide, &good).unwrap(), "m");
    let changes = [
        ("}", "}}"),
        ("{\"version\":1,", "{"),
        ("\"version\":1", "\"version\":1,\"more\":1"),
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":-1"),
        ("wide", "broad"),
        ("wide", "series"),
        ("number", "numbers"),
        ("\"m\"", "\"\""),
        ("\"m\"", "\"m\\n\""),
        ("\"m\"", "\"\\u007f\""),
        ("\"h\"", "\"\\u0000\""),
        ("\"a\"", "\"\""),
        ("\"f\"", "\"\""),
        ("\"f\"", "\"\\ud800\""),
        ("\"f\",\"number\",0", "\"f\",\"number\",1"),
        ("\"f\",\"number\",1", "\"f\",\"number\",2"),
        ("\"f\",\"number\",1", "\"f\",\"number\",0"),
        ("\"f\",\"number\",1", "\"f\",\"number\",18446744073709551616"),
        ("\"g\"", "\"f\""),
        ("{\"h\":\"b\"}", "{\"h\":\"a\"}"),
        (",{\"h\":\"b\"}", ""),
        ("{\"h\":\"b\"}", "{\"h\":\"b\"},{}"),
        (
            "[[\"f\",\"number\",0],[\"g\",\"number\",0],[\"f\",\"number\",1]]",
            "[]",
        ),
    ];
    for (old, new) in changes {
        let bad = good.replacen(old, new, 1);
        assert_ne!(bad, good, "{old}");
        assert!(restore(Format::Wide, &bad).is_err(), "{bad}");
    }
    for bad in ["", "[]", "null", "{}", "\u{1}", &"[".repeat(3_000)] {
        assert!(matches!(
            restore(Format::Wide, bad),
            Err(RestoreError::Unreadable { .. })
        ));
    }
    let labelled = columns_of(Format::LabelsColumn, "m f=1").replace("[{}]", "[{\"h\":\"a\"}]");
    assert!(restore(Format::LabelsColumn, &labelled).is_err());
    let integers = columns_of(Format::LabelsColumn, "m f=1").replace("number", "integer");
    assert_eq!(
        restore(Format::LabelsColumn, &integers),
        Err(RestoreError::Inconsistent("integers, which its format has not"))
    );
    let empty = r#"{"version":1,"format":"wide","measurement":"m","labels":[],"columns":[]}"#;
    assert_eq!(
        restore(Format::Wide, empty),
        Err(RestoreError::Inconsistent("labels without columns"))
    );
}

#[test]
fn a_text_past_a_limit_is_refused_and_the_next_one_taken() {
    let text = columns_of(Format::Wide, "mm,h=a f=1,g=1");
    let refused = |change: fn(&mut Limits), reason: RestoreError| {
        let mut limits = LIMITS;
        change(&mut limits);
        let mut stream = Stream::with_format(Format::Wide, limits);
        assert_eq!(stream.restore(text.as_bytes()), Err(reason));
        assert_eq!(stream.measurements().count(), 0);
        assert_eq!(stream.columns("mm"), None);
        stream
    };
    refused(
        |limits| limits.max_measurements = 0,
        RestoreError::Limit("measurements of a stream", 0),
    );
    refused(
        |limits| limits.max_path_bytes = 1,
        RestoreError::Limit("bytes of a channel's path", 1),
    );
    refused(
        |limits| limits.max_packet_bytes = 90,
        RestoreError::Limit("bytes of a schema", 90),
    );
    // Short enough to be read, and its schema too long.
    refused(
        |limits| limits.max_packet_bytes = 300,
        RestoreError::Limit("bytes of a schema", 300),
    );
    // Nor is it read when blanks make it longer than any that was written.
    let padded = text.clone() + &" ".repeat(LIMITS.max_packet_bytes);
    assert_eq!(
        restore(Format::Wide, &padded),
        Err(RestoreError::Limit("bytes of a schema", LIMITS.max_packet_bytes))
    );
    let mut stream = refused(
        |limits| limits.max_columns = 1,
        RestoreError::Limit("columns of a measurement", 1),
    );
    assert!(
        stream
            .restore(columns_of(Format::Wide, "mm,h=a f=1").as_bytes())
            .is_ok()
    );
}

#[test]
fn the_limit_of_all_names_holds_for_what_is_restored() {
    let limits = Limits {
        max_packet_bytes: 1 << 30,
        max_measurements: usize::MAX,
        max_columns: usize::MAX,
        ..LIMITS
    };
    let mut stream = Stream::with_format(Format::Wide, limits);
    let key = "k".repeat(60_000);
    let text = |number: usize| {
        format!(
            r#"{{"version":1,"format":"wide","measurement":"m{number}","labels":[{{}}],"columns":[["{key}","number",0]]}}"#
        )
    };
    let taken = (0..200).take_while(|&number| stream.restore(text(number).as_bytes()).is_ok());
    assert_eq!(taken.count(), (8 << 20) / 60_010);
}

#[test]
fn a_measurement_is_not_restored_over_one() {
    let text = columns_of(Format::Wide, "m f=1");
    let mut stream = Stream::with_format(Format::Wide, LIMITS);
    push(&mut stream, "m g=1");
    assert_eq!(stream.restore(text.as_bytes()), Err(RestoreError::Repeated));
    assert_eq!(push(&mut stream, "m g=1").packets[0].schema, None);
}

fn bodies() -> impl Strategy<Value = Vec<String>> {
    // Names with and without escapes, few enough to meet again; values of every family.
    let line = r#"[mno](\\[ ,]|é)?(,[ab](\\=)?=[xy"\\]x){0,2} [ab"](\\[=, ])?=(1|2i|t|"s")(,[abtime\\]x=(1|2i|t|"s")){0,3} [0-3]"#;
    let body = prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"));
    prop::collection::vec(body, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_stream_goes_on_as_the_one_it_was(
        before in bodies(),
        after in bodies(),
        format in prop::sample::select(&Format::ALL[..]),
    ) {
        let mut stream = Stream::with_format(format, LIMITS);
        let mut schemas = BTreeMap::new();
        for body in &before {
            remember_schemas(&mut schemas, &push(&mut stream, body));
        }
        let mut again = Stream::with_format(format, LIMITS);
        for (path, schema) in &schemas {
            let text = stream.columns(path).unwrap();
            prop_assert!(text.len() <= LIMITS.max_packet_bytes);
            let restored = again.restore(&text).unwrap();
            prop_assert_eq!(&*restored.path, path);
            prop_assert_eq!(&restored.schema, schema);
            prop_assert_eq!(again.columns(path).unwrap(), text);
        }
        for body in &after {
            let (left, right) = (push(&mut stream, body), push(&mut again, body));
            prop_assert_eq!(left.packets, right.packets);
            prop_assert_eq!(left.rejections, right.rejections);
            prop_assert_eq!((left.accepted, left.mismatched), (right.accepted, right.mismatched));
        }
    }
}
