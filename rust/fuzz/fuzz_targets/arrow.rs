//! A data frame of Grafana's SDK with changed bytes, or any bytes at all: no panic, and what is no error is JSON on one
//! line within its limit, with as many columns as fields.
//!
//! The first byte chooses the frame, or none; then come changes of three bytes, a place and what is there.
#![no_main]

use _core::arrow::frame_to_json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const FRAMES: [&[u8]; 4] = [
    include_bytes!("../../../tests/data/arrow/labels.arrow"),
    include_bytes!("../../../tests/data/arrow/nullables.arrow"),
    include_bytes!("../../../tests/data/arrow/numbers.arrow"),
    include_bytes!("../../../tests/data/arrow/texts.arrow"),
];
const MAX_BYTES: usize = 1 << 16;

fuzz_target!(|input: &[u8]| {
    let [which, input @ ..] = input else {
        return;
    };
    let mut file = match FRAMES.get(usize::from(*which)) {
        Some(frame) => frame.to_vec(),
        None => input.to_vec(),
    };
    for change in input.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if let Some(byte) = file.get_mut(at) {
            *byte = change[2];
        }
    }
    let Ok(frame) = frame_to_json(&file, "A", MAX_BYTES) else {
        return;
    };
    assert!(frame.len() <= MAX_BYTES);
    assert!(frame.iter().all(|&byte| byte >= 0x20));
    let told: Value = serde_json::from_slice(&frame).expect("JSON");
    let columns = told["data"]["values"].as_array().expect("values");
    let fields = told["schema"]["fields"].as_array().expect("fields");
    assert_eq!(columns.len(), fields.len());
});
