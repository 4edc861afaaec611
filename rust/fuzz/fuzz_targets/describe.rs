//! Any bytes: no panic, and what is said is JSON that accounts for the same lines as a push does.
#![no_main]

use _core::frame::{Limits, Stream};
use _core::line_protocol::{Precision, describe_points};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMITS: Limits = Limits {
    max_measurements: usize::MAX,
    max_columns: usize::MAX,
    max_path_bytes: usize::MAX,
    max_packet_bytes: 1 << 16,
    max_push_output_bytes: usize::MAX,
    max_rejections: usize::MAX,
};

fuzz_target!(|body: &[u8]| {
    let told: Value = serde_json::from_slice(&describe_points(body, Precision::Seconds)).expect("JSON");
    let count = |key: &str| told[key].as_array().map_or(0, Vec::len);
    let outcome = Stream::new(LIMITS).push(body, 0, Precision::Seconds);
    assert_eq!(count("points") + count("points_ok"), outcome.accepted);
    assert_eq!(count("rejections"), outcome.rejected);
    assert_eq!(told["error"] == true, outcome.rejected > 0);
    for (told, rejection) in told["rejections"]
        .as_array()
        .into_iter()
        .flatten()
        .zip(&outcome.rejections)
    {
        assert_eq!(told["message"], rejection.message);
    }
});
