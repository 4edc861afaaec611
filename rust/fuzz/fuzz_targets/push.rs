//! Any bytes, cut into pushes at 0xfe, under tight limits and in each format: no panic, every frame is JSON with
//! even columns, and every row is in a frame.
#![no_main]

use std::collections::HashMap;

use _core::frame::{Format, Limits, Stream};
use _core::line_protocol::Precision;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMITS: Limits = Limits {
    max_measurements: 3,
    max_columns: 4,
    max_path_bytes: usize::MAX,
    max_packet_bytes: 600,
    max_push_output_bytes: 1 << 14,
    max_rejections: 4,
};

fuzz_target!(|input: &[u8]| {
    for format in Format::ALL {
        check(format, input);
    }
});

fn check(format: Format, input: &[u8]) {
    let mut stream = Stream::with_format(format, LIMITS);
    let mut columns: HashMap<String, (usize, usize)> = HashMap::new();
    for body in input.split(|&byte| byte == 0xfe) {
        let outcome = stream.push(body, -1, Precision::Nanoseconds);
        let refused: usize = outcome.reasons.iter().map(|(_, count)| count).sum();
        assert_eq!(refused, outcome.rejected);
        assert_eq!(
            outcome.rejections.len(),
            outcome.rejected.min(LIMITS.max_rejections)
        );
        let mut rows = 0;
        for packet in outcome.packets {
            let schema = packet.schema.as_ref().map_or(0, Vec::len);
            assert!(schema <= LIMITS.max_packet_bytes);
            let excess = if packet.rows == 1 { schema } else { 0 };
            assert!(packet.payload.len() <= LIMITS.max_packet_bytes + excess);
            assert!(packet.payload.iter().all(|&byte| byte >= 0x20));
            let frame: Value = serde_json::from_slice(&packet.payload).expect("JSON");
            let name = packet.measurement.to_string();
            if let Some(fields) = frame["schema"]["fields"].as_array() {
                let wide = fields.iter().filter(|field| field["typeInfo"]["frame"] == "float64").count();
                let before = columns.insert(name.clone(), (fields.len(), wide));
                assert!(before.is_none_or(|before| before.0 <= fields.len() && before < (fields.len(), wide)));
            }
            let values = frame["data"]["values"].as_array().expect("columns");
            assert_eq!(columns.get(&name).map(|known| known.0), Some(values.len()));
            assert!(
                values
                    .iter()
                    .all(|column| column.as_array().is_some_and(|cells| cells.len() == packet.rows))
            );
            rows += packet.rows;
        }
        // Lines may share a row.
        assert!(rows <= outcome.accepted && (rows > 0 || outcome.accepted == 0));
    }
    assert!(stream.measurements().count() <= LIMITS.max_measurements);
}
