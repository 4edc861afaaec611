//! Frames whose columns have labels, against a plain model: a map from (time, field, labels) to the last value.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use _core::frame::{Format, Limits, PushOutcome, Stream};
use _core::line_protocol::{Precision, Reason};
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMITS: Limits = Limits {
    max_measurements: 10,
    max_columns: 100,
    max_path_bytes: 150,
    max_packet_bytes: 1 << 16,
    max_push_output_bytes: 1 << 20,
    max_rejections: 10,
};

fn push(stream: &mut Stream, body: &str) -> PushOutcome {
    stream.push(body.as_bytes(), 0, Precision::Nanoseconds)
}

fn frames(outcome: &PushOutcome) -> Vec<Value> {
    let payloads = outcome.packets.iter().map(|packet| &packet.payload);
    payloads
        .map(|payload| serde_json::from_slice(payload).unwrap())
        .collect()
}

#[test]
fn a_wide_frame_has_a_column_for_each_field_and_label_set() {
    let mut stream = Stream::with_format(Format::Wide, LIMITS);
    let outcome = push(&mut stream, "m,h=b,a=1 y=1,x=t 2000001\nm z=\"q\" 1\n");
    let expected = concat!(
        r#"{"schema":{"name":"m","fields":[{"name":"time","type":"time","typeInfo":{"frame":"time.Time"}},"#,
        r#"{"name":"x","type":"boolean","typeInfo":{"frame":"bool","nullable":true},"labels":{"a":"1","h":"b"}},"#,
        r#"{"name":"y","type":"number","typeInfo":{"frame":"float64","nullable":true},"labels":{"a":"1","h":"b"}},"#,
        r#"{"name":"z","type":"string","typeInfo":{"frame":"string","nullable":true},"labels":{}}]},"#,
        r#""data":{"values":[[0,2],[null,true],[null,1],["q",null]],"nanos":[[1,1],null,null,null]}}"#,
    );
    assert_eq!(
        String::from_utf8(outcome.packets[0].payload.clone()).unwrap(),
        expected
    );
    let again = push(&mut stream, "m,a=1,h=b y=2 0");
    assert_eq!(
        frames(&again),
        [json!({"data": {"values": [[0], [null], [2], [null]]}})]
    );
}

#[test]
fn a_series_frame_names_each_column_apart() {
    let mut stream = Stream::with_format(Format::Series, LIMITS);
    let body = "m,h=b,a=1 x=1 0\nm x=2,time=3,x{h\\=b}=4 0\nm,h=b,a=a\\,h\\=b x=5 0\n";
    let frame = &frames(&push(&mut stream, body))[0];
    let fields = frame["schema"]["fields"].as_array().unwrap();
    let names: Vec<_> = fields
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    let expected = [
        "time",
        "x{a=1, h=b}",
        "time{}",
        "x",
        r"x\{h\=b\}",
        r"x{a=a\,h\=b, h=b}",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        fields[1],
        json!({
            "name": "x{a=1, h=b}", "type": "number", "typeInfo": {"frame": "float64", "nullable": true},
            "labels": {"a": "1", "h": "b"}, "config": {"displayNameFromDS": "x {a=1, h=b}"},
        })
    );
    assert_eq!(fields[3]["config"], json!({"displayNameFromDS": "x"}));
    assert_eq!(frame["data"]["values"], json!([[0], [1], [3], [2], [4], [5]]));
}

#[test]
fn integers_are_told_until_another_number_comes() {
    let frame_types = |outcome: &PushOutcome| -> Option<Vec<String>> {
        let schema = outcome.packets[0].schema.as_ref()?;
        let schema: Value = serde_json::from_slice(schema).unwrap();
        let fields = schema["fields"].as_array().unwrap()[1..].iter();
        Some(
            fields
                .map(|field| field["typeInfo"]["frame"].to_string())
                .collect(),
        )
    };
    let (int, float) = (r#""int64""#, r#""float64""#);
    for format in [Format::Wide, Format::Series] {
        let mut stream = Stream::with_format(format, LIMITS);
        let first = push(&mut stream, "m,h=a x=1i,y=9223372036854775807u 0\nm,h=b x=1 0");
        assert_eq!(frame_types(&first).unwrap(), [int, int, float]);
        // What is no number, is refused, or is replaced in its own line, changes nothing.
        let refused = format!("{} x=1.5 0", "m,h=a y=2u,".to_owned() + &"z=1,".repeat(70_000));
        for body in [
            "m,h=a x=2i,y=t 1",
            "m,h=a x=1.5,x=2i 2",
            "m,h=a x=1.5 2.5\nm,h=a y=1i 2",
            &refused,
        ] {
            let outcome = push(&mut stream, body);
            assert!(
                outcome.packets.iter().all(|packet| packet.schema.is_none()),
                "{body}"
            );
        }
        let wide = push(&mut stream, "m,h=a y=9223372036854775808u 3\nm,h=b x=1i 3");
        assert_eq!(frame_types(&wide).unwrap(), [int, float, float]);
        assert_eq!(
            frames(&wide)[0]["data"]["values"][2],
            json!([9_223_372_036_854_775_808_u64])
        );
        let wide = push(&mut stream, "m,h=a x=3i 4\nm,h=a x=1.5 5");
        assert_eq!(frame_types(&wide).unwrap(), [float, float, float]);
        assert_eq!(
            frame_types(&push(&mut stream, "m,h=a x=4i 6\nm,h=a x=1.5 7")),
            None
        );
    }
    let mut stream = Stream::new(LIMITS);
    push(&mut stream, "m x=1i 0");
    assert_eq!(push(&mut stream, "m x=1.5 0").packets[0].schema, None);
}

#[test]
fn a_schema_that_is_sent_again_counts_as_output() {
    let limits = Limits {
        max_push_output_bytes: 4_000,
        ..LIMITS
    };
    let mut stream = Stream::with_format(Format::Wide, limits);
    push(&mut stream, "m x=1i,y=1i,z=1i 0");
    let lines: Vec<_> = (0..1_000).map(|time| format!("m x=1i {time}\n")).collect();
    let room = push(&mut stream, &lines.concat()).accepted;
    assert!(room < 1_000);
    let last = push(&mut stream, &(lines[..room - 1].concat() + "m x=1.5 1000"));
    assert_eq!(last.reasons, [(Reason::OutputLimit, 1)]);
    // Refused, it left the column as it was.
    assert_eq!(push(&mut stream, "m x=2i 0").packets[0].schema, None);
    let first = push(&mut stream, &("m x=1.5 1000\n".to_owned() + &lines.concat()));
    let bytes: usize = first.packets.iter().map(|packet| packet.payload.len()).sum();
    assert!((10..room).contains(&first.accepted) && bytes <= 4_000);
}

#[test]
fn lines_of_one_time_share_a_row_and_the_last_value_counts() {
    let mut stream = Stream::with_format(Format::Wide, LIMITS);
    let body = "m,h=a x=1 5000000\nm,h=a x=2 3000000\nm,h=a y=\"z\",x=3 5000000\nm,h=b x=4 3000000\nm,h=a x=5 5000000\n";
    let outcome = push(&mut stream, body);
    assert_eq!((outcome.accepted, outcome.packets[0].rows), (5, 2));
    let data = &frames(&outcome)[0]["data"];
    assert_eq!(data["values"], json!([[3, 5], [2, 5], [null, "z"], [4, null]]));
    // A value that is replaced is no misfit.
    assert_eq!(push(&mut stream, "m,h=a x=t 0\nm,h=a x=1 0").mismatched, 0);
    assert_eq!(push(&mut stream, "m,h=a x=1 0\nm,h=a x=t 0").mismatched, 1);
}

#[test]
fn a_row_is_never_cut_and_its_limit_counts_all_its_lines() {
    for format in [Format::Wide, Format::Series] {
        let limits = Limits {
            max_packet_bytes: 1_500,
            ..LIMITS
        };
        let mut stream = Stream::with_format(format, limits);
        push(&mut stream, "m a=\"\" 0");
        push(&mut stream, "m b=\"\" 0");
        let line = |key: char, bytes: usize, time: u32| format!("m {key}=\"{}\" {time}\n", "x".repeat(bytes));
        let body = line('a', 900, 1) + &line('b', 400, 2) + &line('b', 700, 1) + &line('b', 400, 1);
        let outcome = push(&mut stream, &body);
        assert_eq!(outcome.reasons, [(Reason::RowLimit, 1)]);
        assert_eq!(outcome.rejections[0].place.line, 3);
        let rows: Vec<_> = outcome.packets.iter().map(|packet| packet.rows).collect();
        assert_eq!(rows, [1, 1]);
        let first = &frames(&outcome)[0]["data"]["values"];
        assert_eq!(first, &json!([[0], ["x".repeat(900)], ["x".repeat(400)]]));
    }
}

#[test]
fn a_row_goes_whole_into_the_next_packet() {
    let limits = Limits {
        max_packet_bytes: 1_500,
        ..LIMITS
    };
    let mut stream = Stream::with_format(Format::Wide, limits);
    let line = |key: char, bytes: usize, time: u32| format!("m {key}=\"{}\" {time}\n", "x".repeat(bytes));
    push(&mut stream, &(line('a', 1, 0) + &line('b', 1, 0)));
    let outcome = push(
        &mut stream,
        &(line('a', 400, 1) + &line('a', 400, 2) + &line('b', 700, 2)),
    );
    let rows: Vec<_> = outcome.packets.iter().map(|packet| packet.rows).collect();
    assert_eq!((outcome.accepted, rows), (3, vec![1, 1]));
    assert!(outcome.packets.iter().all(|packet| packet.payload.len() <= 1_500));
    let second = &frames(&outcome)[1]["data"]["values"];
    assert_eq!(second, &json!([[0], ["x".repeat(400)], ["x".repeat(700)]]));
}

#[test]
fn a_null_for_every_column_that_a_time_lacks_counts_as_output() {
    let limits = Limits {
        max_push_output_bytes: 20_000,
        ..LIMITS
    };
    let mut stream = Stream::with_format(Format::Wide, limits);
    let fields: Vec<_> = (0..100).map(|number| format!("f{number}=1")).collect();
    push(&mut stream, &format!("m {} 0", fields.join(",")));
    let lines = |time: fn(usize) -> usize| -> String {
        (0..1_000)
            .map(|number| format!("m f{}=1 {}\n", number % 100, time(number)))
            .collect::<Vec<_>>()
            .concat()
    };
    let apart = push(&mut stream, &lines(|number| number));
    assert!((10..=40).contains(&apart.accepted), "{}", apart.accepted);
    assert_eq!(apart.reasons, [(Reason::OutputLimit, 1_000 - apart.accepted)]);
    assert!(
        apart
            .packets
            .iter()
            .map(|packet| packet.payload.len())
            .sum::<usize>()
            <= 20_000
    );
    // In one row there is room for all of them.
    let together = push(&mut stream, &lines(|_| 7));
    assert_eq!((together.accepted, together.packets[0].rows), (1_000, 1));
}

#[test]
fn a_refused_label_set_leaves_no_trace() {
    for format in [Format::Wide, Format::Series] {
        let limits = Limits {
            max_columns: 2,
            ..LIMITS
        };
        let mut stream = Stream::with_format(format, limits);
        let outcome = push(
            &mut stream,
            "m,h=a x=1 0\nm,h=b x=1,y=1 0\nm,h=c x=2 0\nm,h=b x=1 0",
        );
        assert_eq!(outcome.reasons, [(Reason::ColumnLimit, 2)]);
        let fields = &frames(&outcome)[0]["schema"]["fields"];
        assert_eq!(fields[2]["labels"], json!({"h": "c"}));
        assert_eq!(push(&mut stream, "m,h=c x=3 0").accepted, 1);
        assert_eq!(push(&mut stream, "m,h=b x=3 0").accepted, 0);
    }
}

#[test]
fn formats_are_found_by_their_names() {
    for format in Format::ALL {
        assert_eq!(Format::find(format.word()), Some(format));
    }
    assert_eq!(Format::find("Wide"), None);
}

/// Labels, fields and time of a line.
type Point = (BTreeMap<String, String>, BTreeMap<String, Value>, i64);
/// Field key and labels.
type Key = (String, String);

fn points() -> impl Strategy<Value = Point> {
    let text = prop::sample::select(&["a", "b", "a,b", "a=b", "{a}", "\\", "\"", "time", "a, b=b"][..]);
    let values = prop_oneof![
        (-9..9_i64).prop_map(|number| json!(number)),
        (-9..9_i8).prop_map(|number| json!(f64::from(number) + 0.5)),
        any::<bool>().prop_map(|value| json!(value)),
        "[a\"\\\\]{0,30}".prop_map(|text| json!(text)),
    ];
    let text = || text.clone().prop_map(str::to_owned);
    (
        prop::collection::btree_map(text(), text(), 0..3),
        prop::collection::btree_map(text(), values, 1..4),
        prop::sample::select(&[-1, 0, 1, 1_000_000, 1_000_001, i64::MAX, i64::MIN][..]),
    )
}

fn line((labels, fields, time): &Point) -> String {
    // A backslash at the end would escape what follows.
    let escape = |text: &str| match text {
        "\\" => "\\x".to_owned(),
        _ => text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ "),
    };
    let tags: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!(",{}={}", escape(key), escape(value)))
        .collect();
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| {
            let suffix = if value.is_i64() { "i" } else { "" };
            format!("{}={value}{suffix}", escape(key))
        })
        .collect();
    format!("m{} {} {time}\n", tags.concat(), fields.join(","))
}

fn meant(text: &str) -> String {
    if text == "\\" {
        "\\x".to_owned()
    } else {
        text.to_owned()
    }
}

/// What the model expects of a push: rows by time, of values by key. `types` are the sticky ones.
fn expect(push: &[Point], types: &mut HashMap<Key, Value>) -> BTreeMap<i64, BTreeMap<Key, Value>> {
    let mut rows: BTreeMap<i64, BTreeMap<Key, Value>> = BTreeMap::new();
    for (labels, fields, time) in push {
        let labels: BTreeMap<_, _> = labels
            .iter()
            .map(|(key, value)| (meant(key), meant(value)))
            .collect();
        for (key, value) in fields {
            let key = (meant(key), serde_json::to_string(&labels).unwrap());
            let first = types.entry(key.clone()).or_insert_with(|| value.clone());
            let fitted = match (&*first, value) {
                (Value::String(_), Value::String(_))
                | (Value::Number(_), Value::Number(_))
                | (Value::Bool(_), Value::Bool(_)) => value.clone(),
                (Value::String(_), other) => json!(other.to_string()),
                _ => Value::Null,
            };
            let row = rows.entry(*time).or_default();
            row.insert(key, fitted);
        }
    }
    for row in rows.values_mut() {
        row.retain(|_, value| !value.is_null());
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_hold_what_the_model_holds(
        pushes in prop::collection::vec(prop::collection::vec(points(), 0..12), 1..5),
        format in prop::sample::select(&[Format::Wide, Format::Series][..]),
        max_packet_bytes in prop::sample::select(&[20_000_usize, 1 << 20][..]),
    ) {
        let mut stream = Stream::with_format(format, Limits { max_packet_bytes, ..LIMITS });
        let mut types = HashMap::new();
        let mut columns: Vec<Key> = Vec::new();
        let mut wide: Vec<bool> = Vec::new();
        for points in pushes {
            let outcome = push(&mut stream, &points.iter().map(line).collect::<String>());
            prop_assert_eq!(outcome.accepted, points.len());
            let expected = expect(&points, &mut types);
            let mut seen: BTreeMap<i64, BTreeMap<Key, Value>> = BTreeMap::new();
            let mut times = Vec::new();
            for frame in frames(&outcome) {
                if let Some(fields) = frame["schema"]["fields"].as_array() {
                    let names: BTreeSet<_> = fields.iter().map(|field| field["name"].to_string()).collect();
                    prop_assert!(format == Format::Wide || names.len() == fields.len());
                    let grown: Vec<Key> = fields[1..].iter().map(|field| {
                        let key = match format {
                            Format::Series => {
                                let name = field["config"]["displayNameFromDS"].as_str().unwrap();
                                let labels = field["labels"].as_object().unwrap();
                                let text: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
                                let suffix = format!(" {{{}}}", text.join(", "));
                                name.strip_suffix(&suffix).unwrap_or(name)
                            }
                            _ => field["name"].as_str().unwrap(),
                        };
                        (key.to_owned(), field["labels"].to_string())
                    }).collect();
                    let now_wide: Vec<bool> = fields[1..].iter().map(|field| field["typeInfo"]["frame"] == "float64").collect();
                    prop_assert!(grown.starts_with(&columns) && (grown.len() > columns.len() || now_wide != wide));
                    prop_assert!(wide.iter().zip(&now_wide).all(|(before, now)| before <= now));
                    columns = grown;
                    wide = now_wide;
                }
                let values = frame["data"]["values"].as_array().unwrap();
                prop_assert_eq!(values.len(), columns.len() + 1);
                for (row, millisecond) in values[0].as_array().unwrap().iter().enumerate() {
                    let rest = frame["data"]["nanos"][0][row].as_i64().unwrap_or(0);
                    let time = i64::try_from(i128::from(millisecond.as_i64().unwrap()) * 1_000_000 + i128::from(rest)).unwrap();
                    times.push(time);
                    let row: BTreeMap<_, _> = columns.iter().cloned()
                        .zip(values[1..].iter().map(|column| column[row].clone()))
                        .filter(|(_, value)| !value.is_null())
                        .collect();
                    seen.insert(time, row);
                }
            }
            prop_assert!(times.is_sorted_by(|left, right| left < right), "one row for each time, in order");
            prop_assert_eq!(seen, expected);
        }
    }
}
