//! Any base and target: no panic, and what a naive reader makes of the delta is the target. Of two texts it is a text.
//!
//! The first two bytes say where the base ends. With 0xff in the first the target begins as a copy of the base, so that
//! there is something to find.
#![no_main]

use _core::delta::delta;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/naive/fossil.rs"]
mod fossil;

fuzz_target!(|input: &[u8]| {
    let [high, low, input @ ..] = input else {
        return;
    };
    let end = (usize::from(*high & 0x7f) << 8 | usize::from(*low)).min(input.len());
    let (base, rest) = input.split_at(end);
    let target = if *high == 0xff { [base, rest].concat() } else { rest.to_vec() };
    let Some(delta) = delta(base, &target) else {
        return;
    };
    assert!(delta.len() < target.len());
    assert_eq!(fossil::apply(base, &delta).as_deref(), Ok(&target[..]));
    if std::str::from_utf8(base).is_ok() && std::str::from_utf8(&target).is_ok() {
        assert!(std::str::from_utf8(&delta).is_ok());
    }
});
