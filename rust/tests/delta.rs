//! Deltas against a naive reader of the format: what it makes of base and delta is the target, whatever they
//! were.
#![allow(clippy::unwrap_used)]

use _core::delta::{MAX_BYTES, delta};
use proptest::prelude::*;

mod naive {
    pub mod fossil;
}
use naive::fossil::apply;

/// Characters that share bytes with others, in front and behind, so that matches end inside them.
const ALIKE: &str = "aäöĤ€₭¬😀😁𝘀\"";

/// The delta, which must be right if there is one.
fn checked(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let found = delta(base, target);
    if let Some(delta) = &found {
        assert!(delta.len() < target.len());
        let applied = apply(base, delta);
        assert!(applied.as_deref() == Ok(target), "{:?}", applied.err());
    }
    found
}

/// Some text, and the same with pieces replaced, moved and dropped.
fn edited(
    character: impl Strategy<Value = char> + Clone + 'static,
) -> impl Strategy<Value = (String, String)> {
    let text = proptest::collection::vec(character.clone(), 0..40);
    let pieces = proptest::collection::vec(text.clone(), 1..12);
    let kept = proptest::collection::vec(any::<prop::sample::Index>(), 0..12);
    (pieces, kept, proptest::collection::vec(text, 1..4)).prop_map(|(pieces, kept, new)| {
        let target: String = kept
            .iter()
            .enumerate()
            .flat_map(|(at, piece)| {
                let new = new.get(at / 4).filter(|_| at % 4 == 3);
                piece.get(&pieces).iter().chain(new.into_iter().flatten())
            })
            .collect();
        (pieces.concat().into_iter().collect(), target)
    })
}

proptest! {
    #[test]
    fn delta_of_any_bytes_leads_to_the_target(
        base in proptest::collection::vec(0_u8..3, 0..400),
        target in proptest::collection::vec(0_u8..3, 0..400),
    ) {
        checked(&base, &target);
    }

    #[test]
    fn delta_of_edited_text_leads_to_the_target_and_is_text(
        (base, target) in edited(prop::sample::select(ALIKE.chars().collect::<Vec<_>>())),
    ) {
        if let Some(delta) = checked(base.as_bytes(), target.as_bytes()) {
            prop_assert!(String::from_utf8(delta).is_ok());
        }
    }

    #[test]
    fn delta_of_bytes_that_are_no_text_leads_to_the_target(
        (base, target) in edited(prop::char::range('\u{80}', '\u{bf}')),
        cut in 0_usize..4,
    ) {
        // As Latin-1 these are continuation bytes alone.
        let bytes = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).skip(cut).collect::<Vec<u8>>();
        checked(&bytes(&base), &bytes(&target));
    }
}

fn numbers(count: usize, step: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|number| (number * step % 977).to_string().into_bytes())
        .collect()
}

#[test]
fn small_change_costs_little_wherever_it_is() {
    let base = numbers(4000, 31);
    for place in [0, 1, 15, 16, 17, base.len() / 2, base.len() - 1, base.len()] {
        let mut target = base.clone();
        target.insert(place, b'!');
        let found = checked(&base, &target).unwrap();
        assert!(found.len() < 40, "{place}: {}", String::from_utf8_lossy(&found));
        let mut target = base.clone();
        target.drain(place..(place + 20).min(base.len()));
        if target.len() < base.len() {
            assert!(checked(&base, &target).unwrap().len() < 60);
        }
    }
    assert!(checked(&base, &base).unwrap().len() < 20);
}

#[test]
fn frame_of_new_rows_is_a_fraction_of_itself() {
    let frame = |time: u64, value: u64| {
        format!(
            r#"{{"schema":{{"fields":[{{"name":"time","type":"time"}},{{"name":"usage","labels":{{"host":"größe"}},"type":"number"}}]}},"data":{{"values":[[{time}],[{value}]]}}}}"#
        )
    };
    let (base, target) = (frame(1_700_000_000_000, 17), frame(1_700_000_001_000, 23));
    let found = checked(base.as_bytes(), target.as_bytes()).unwrap();
    assert!(
        found.len() < target.len() / 3,
        "{}",
        String::from_utf8_lossy(&found)
    );
}

#[test]
fn delta_that_is_no_smaller_is_none() {
    for (base, target) in [
        (&b""[..], &b""[..]),
        (b"abc", b""),
        (b"", b"abcdefghijklmnopqrstuvwxyz"),
        (b"abcdefg", b"abcdefg"),
        (b"0123456789abcdef", b"fedcba9876543210fedcba9876543210"),
    ] {
        assert_eq!(checked(base, target), None);
    }
}

#[test]
fn largest_payloads_have_a_delta_and_larger_ones_none() {
    let mut large = vec![b'a'; MAX_BYTES];
    assert!(checked(&large, &large).unwrap().len() < 30);
    assert!(checked(&large, &large[1..]).is_some());
    large.push(b'a');
    assert_eq!(delta(&large, &large[1..]), None);
    assert_eq!(delta(&large[1..], &large), None);
}

#[test]
fn payloads_made_to_be_slow_get_their_delta() {
    let repeated = |period: &[u8]| {
        period
            .iter()
            .copied()
            .cycle()
            .take(MAX_BYTES)
            .collect::<Vec<u8>>()
    };
    let same = repeated(b"x");
    let period = repeated(b"0123456789abcdef");
    // The same block everywhere, each time with another neighbour.
    let neighbours: Vec<u8> = (0..MAX_BYTES / 32)
        .flat_map(|number| format!("0123456789abcdef{number:016}").into_bytes())
        .collect();
    let continuations = repeated(&[0x80, 0xbf]);
    let all = [same, period, neighbours, continuations, numbers(80_000, 7)];
    for base in &all {
        for target in &all {
            for shift in [0, 1, 7] {
                checked(base, &target[shift..]);
            }
        }
    }
}

#[test]
fn insertion_begins_and_ends_at_whole_characters() {
    let base = "0123456789abcdefä0123456789abcdefĤ";
    for changed in ["ö", "Ĥ", "¤", "€", "😀"] {
        for target in [
            format!("0123456789abcdef{changed}0123456789abcdef{changed}"),
            format!("{changed}0123456789abcdef{changed}0123456789abcdef"),
        ] {
            let found = checked(base.as_bytes(), target.as_bytes()).unwrap();
            assert!(String::from_utf8(found).is_ok(), "{target}");
        }
    }
}

#[test]
fn longest_of_several_matches_is_copied() {
    let block = "0123456789abcdef";
    let base = format!("{block}................{block}tail............{block}................");
    let found = checked(base.as_bytes(), format!("{block}tail............").as_bytes()).unwrap();
    assert!(
        found.starts_with(b"W\nW@W,"),
        "{}",
        String::from_utf8_lossy(&found)
    );
}
