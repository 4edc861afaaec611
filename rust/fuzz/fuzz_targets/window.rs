//! Pieces of input, cut at 0xfe, become packets of one channel and are merged: no panic, the frame is JSON on one line
//! with even columns in time order, and keeps to its limits.
//!
//! A piece is pushed as line protocol, or with `{` first is a payload as it is, or with 0xfd first changes bytes of the
//! payload before it (a place in two bytes, and the new byte). The two first bytes of all are the limits.
#![no_main]

use _core::frame::{Format, Limits, Stream, Window, merge_packets};
use _core::line_protocol::Precision;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMITS: Limits = Limits {
    max_measurements: 1,
    max_columns: 20,
    max_path_bytes: usize::MAX,
    max_packet_bytes: 1 << 12,
    max_push_output_bytes: 1 << 16,
    max_rejections: 0,
};
const SCHEMA: &[u8] = br#"{"fields":[{"type":"string"},{"type":"time"},{"type":"number"}]}"#;

fuzz_target!(|input: &[u8]| {
    let [max_rows, max_bytes, input @ ..] = input else {
        return;
    };
    for format in Format::ALL {
        let window = Window {
            with_schema: max_rows % 2 == 0,
            max_rows: usize::from(*max_rows),
            max_bytes: usize::from(*max_bytes) * 16,
        };
        check(format, window, input);
    }
});

fn check(format: Format, window: Window, input: &[u8]) {
    let mut stream = Stream::with_format(format, LIMITS);
    let mut schema = SCHEMA.to_vec();
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for piece in input.split(|&byte| byte == 0xfe) {
        match piece {
            [b'{', ..] => payloads.push(piece.to_vec()),
            [0xfd, changes @ ..] => {
                let Some(payload) = payloads.last_mut() else {
                    continue;
                };
                for change in changes.chunks_exact(3) {
                    let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
                    if let Some(byte) = payload.get_mut(at) {
                        *byte = change[2];
                    }
                }
            }
            _ => {
                for packet in stream.push(piece, -1, Precision::Nanoseconds).packets {
                    payloads.push(packet.payload);
                    schema = packet.schema.unwrap_or(schema);
                }
            }
        }
    }
    let frame = merge_packets(&schema, &payloads, window).expect("a schema");
    check_frame(&frame, &schema, window);
    let first = payloads.first().cloned().unwrap_or_default();
    if let Ok(frame) = merge_packets(&first, &payloads, window) {
        check_frame(&frame, &first, window);
    }
}

fn check_frame(frame: &[u8], schema: &[u8], window: Window) {
    assert!(frame.iter().all(|&byte| byte >= 0x20));
    let told: Value = serde_json::from_slice(frame).expect("JSON");
    assert_eq!(told.get("schema").is_some(), window.with_schema);
    let fields: Value = serde_json::from_slice(schema).expect("JSON");
    let fields = fields["fields"].as_array().expect("fields");
    let Some(values) = told["data"]["values"].as_array() else {
        assert!(window.with_schema);
        return;
    };
    assert_eq!(values.len(), fields.len());
    let rows = values[0].as_array().map_or(0, Vec::len);
    assert!(rows <= window.max_rows);
    assert!(
        values
            .iter()
            .all(|column| column.as_array().is_some_and(|cells| cells.len() == rows))
    );
    if rows > 0 {
        let schema = if window.with_schema {
            r#""schema":,"#.len() + schema.len()
        } else {
            0
        };
        assert!(frame.len() - schema <= window.max_bytes);
    }
    let time = fields
        .iter()
        .position(|field| field["type"] == "time")
        .expect("a time");
    let times = values[time].as_array().expect("cells");
    let times: Vec<_> = times
        .iter()
        .map(|cell| cell.as_i64().unwrap_or(i64::MIN))
        .collect();
    assert!(times.is_sorted());
}
