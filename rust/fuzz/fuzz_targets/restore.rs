//! Any bytes as the text of columns, under tight limits and in each format: no panic; what is taken has a JSON
//! schema within its limit, is written and read again as it is, and takes pushes.
#![no_main]

use _core::frame::{Format, Limits, Stream};
use _core::line_protocol::Precision;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMITS: Limits = Limits {
    max_measurements: 3,
    max_columns: 4,
    max_path_bytes: 100,
    max_packet_bytes: 2_000,
    max_push_output_bytes: 1 << 14,
    max_rejections: 4,
};

fuzz_target!(|input: &[u8]| {
    for format in Format::ALL {
        let mut stream = Stream::with_format(format, LIMITS);
        for text in input.split(|&byte| byte == b'\n') {
            check(format, &mut stream, text);
        }
        assert!(stream.measurements().count() <= LIMITS.max_measurements);
    }
});

fn check(format: Format, stream: &mut Stream, text: &[u8]) {
    let before = stream.measurements().count();
    let Ok(restored) = stream.restore(text) else {
        assert_eq!(stream.measurements().count(), before);
        return;
    };
    assert!(restored.schema.len() <= LIMITS.max_packet_bytes);
    let schema: Value = serde_json::from_slice(&restored.schema).expect("JSON");
    assert_eq!(schema["name"], *restored.measurement);
    let columns = schema["fields"].as_array().expect("fields").len();
    let leading = if format == Format::LabelsColumn { 2 } else { 1 };
    assert!((1..=LIMITS.max_columns).contains(&(columns - leading)));

    let written = stream.columns(&restored.path).expect("a measurement that is there");
    let mut again = Stream::with_format(format, LIMITS);
    assert_eq!(again.restore(&written).as_ref(), Ok(&restored));
    assert_eq!(again.columns(&restored.path), Some(written));

    let outcome = again.push(b"other f=1", 0, Precision::Nanoseconds);
    assert_eq!(outcome.accepted + outcome.rejected, 1);
}
