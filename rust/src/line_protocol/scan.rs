//! Bytes eight at a time: runs of digits and what they are worth, and whether a text begins with another.
//!
//! Numbers are the larger part of most bodies, and keys are known ones; byte by byte both cost more than the
//! rest of a line. A word is eight bytes as they lie, the first in the lowest place.

const ONES: u64 = 0x0101_0101_0101_0101;

/// How many digits `text` begins with.
#[inline]
pub(super) fn leading_digits(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let others = non_digits(u64::from_le_bytes(*word));
        if others != 0 {
            return 8 * number + others.trailing_zeros() as usize / 8;
        }
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    8 * words.len() + digits
}

/// The highest bit of each byte that is no digit.
#[inline]
fn non_digits(word: u64) -> u64 {
    // Digits become 0 to 9; of the others those below 0x80 reach it by what is added, and none overflows.
    let values = word ^ (ONES * u64::from(b'0'));
    (((values & (ONES * 0x7f)) + ONES * (0x80 - 10)) | values) & (ONES * 0x80)
}

/// What these digits are worth; None where no `u64` has room for it.
#[inline]
pub(super) fn read_digits(digits: &[u8]) -> Option<u64> {
    let (words, rest) = digits.as_chunks::<8>();
    let mut value = 0_u64;
    for word in words {
        let worth = eight_digits(u64::from_le_bytes(*word));
        value = value.checked_mul(100_000_000)?.checked_add(worth)?;
    }
    for digit in rest {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some(value)
}

/// Neighbours are joined: eight digits become four numbers of two, two of four, one of eight.
#[inline]
fn eight_digits(word: u64) -> u64 {
    let ones = word ^ (ONES * u64::from(b'0'));
    let twos = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// Whether `text` begins with `start`; without a call, which costs more than the comparison of short ones.
#[inline]
pub(super) fn begins_with(text: &[u8], start: &[u8]) -> bool {
    let Some(text) = text.get(..start.len()) else {
        return false;
    };
    let (left, right) = (text.as_chunks::<8>(), start.as_chunks::<8>());
    let same_words = left.0.iter().zip(right.0).all(|(left, right)| left == right);
    // The bytes behind the words: by the last word of each text, which may overlap, or one by one.
    same_words
        && match (text.last_chunk::<8>(), start.last_chunk::<8>()) {
            (Some(left), Some(right)) => left == right,
            _ => left.1.iter().zip(right.1).all(|(left, right)| left == right),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_next_to_the_digits_is_none() {
        for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            for before in 0..20 {
                let text = [&b"98765432109876543210"[..before], &[other], b"0123456789"].concat();
                assert_eq!(leading_digits(&text), before, "{other:#x} behind {before}");
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_worth_what_the_standard_library_says(digits in "[0-9]{1,24}") {
            prop_assert_eq!(leading_digits(digits.as_bytes()), digits.len());
            prop_assert_eq!(read_digits(digits.as_bytes()), digits.parse().ok());
        }

        #[test]
        fn beginnings_are_those_of_the_standard_library(text in "[ab]{0,20}", start in "[ab]{0,20}", cut in 0_usize..20) {
            let (text, start) = (text.as_bytes(), start.as_bytes());
            prop_assert_eq!(begins_with(text, start), text.starts_with(start));
            let cut = &text[..cut.min(text.len())];
            prop_assert!(begins_with(text, cut));
        }
    }
}
