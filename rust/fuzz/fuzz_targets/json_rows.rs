//! Any bytes as a JSON body: no panic, and what comes out is line protocol without a mistake, whose every line
//! has a row. The first byte chooses how the body is read.
#![no_main]

use _core::json_rows::{Limits, Rules, TimeKey, translate};
use _core::line_protocol::{Precision, describe_points};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const LIMITS: Limits = Limits {
    max_output_bytes: 1 << 16,
    max_rejections: 4,
};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let rules = Rules {
        time: match choice & 3 {
            0 => TimeKey::Nothing,
            1 => TimeKey::Named("t".to_owned()),
            _ => TimeKey::Usual,
        },
        precision: Precision::Auto,
        tags: ["a".to_owned(), "b.c".to_owned()].into(),
    };
    let Ok(translated) = translate(body, choice & 4 > 0, "m,=# \\x", &rules, LIMITS) else {
        return;
    };
    assert!(translated.lines.len() <= LIMITS.max_output_bytes);
    let refused: usize = translated.reasons.iter().map(|(_, count)| count).sum();
    assert_eq!(refused, translated.rejected);
    assert_eq!(translated.rejections.len(), refused.min(LIMITS.max_rejections));
    let told: Value =
        serde_json::from_slice(&describe_points(&translated.lines, Precision::Nanoseconds)).expect("JSON");
    assert_ne!(told["error"], true, "{told}");
    let mut row = 1;
    for line in 1..=translated.lines.iter().filter(|&&byte| byte == b'\n').count() {
        let found = translated.rows.find(line);
        assert!(found >= row);
        row = found;
    }
});
