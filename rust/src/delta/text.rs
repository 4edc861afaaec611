//! A delta as text: numbers, operations and the checksum.

use std::ops::Range;

/// Digits in the order of their values, which is that of ASCII.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// A delta being written.
pub(super) struct Delta<'a> {
    target: &'a [u8],
    out: Vec<u8>,
}

impl<'a> Delta<'a> {
    /// Begin the delta whose outcome is `target`.
    pub fn to(target: &'a [u8]) -> Delta<'a> {
        let mut out = Vec::new();
        put_number(&mut out, target.len());
        out.push(b'\n');
        Delta { target, out }
    }

    /// Whether it is smaller than its target so far.
    pub fn is_smaller(&self) -> bool {
        self.out.len() < self.target.len()
    }

    /// What the base has from `place` on comes next.
    pub fn copy(&mut self, place: usize, length: usize) {
        put_number(&mut self.out, length);
        self.out.push(b'@');
        put_number(&mut self.out, place);
        self.out.push(b',');
    }

    /// This part of the target comes next, unless it is empty.
    pub fn insert(&mut self, part: Range<usize>) {
        if !part.is_empty() && self.is_smaller() {
            put_number(&mut self.out, part.len());
            self.out.push(b':');
            self.out.extend_from_slice(&self.target[part]);
        }
    }

    /// The whole of it; None when it is no smaller than its target.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        put_number(&mut self.out, checksum(self.target) as usize);
        self.out.push(b';');
        self.is_smaller().then_some(self.out)
    }
}

/// Write a number, the highest of its digits first.
fn put_number(out: &mut Vec<u8>, number: usize) {
    // The digits that there are below the highest one.
    let below = (number | 1).ilog2() / 6;
    for place in (0..=below).rev() {
        out.push(DIGITS[number >> (6 * place) & 63]);
    }
}

/// The sum, modulo 2^32, of the text's words of four bytes, the highest first; the last is filled with zeros.
fn checksum(text: &[u8]) -> u32 {
    let mut words = text.chunks_exact(4);
    let sum = words.by_ref().fold(0_u32, |sum, word| {
        sum.wrapping_add(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    });
    let mut last = [0; 4];
    for (byte, rest) in last.iter_mut().zip(words.remainder()) {
        *byte = *rest;
    }
    sum.wrapping_add(u32::from_be_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_few_digits_as_can_be() {
        for (number, expected) in [
            (0, "0"),
            (9, "9"),
            (10, "A"),
            (36, "_"),
            (37, "a"),
            (63, "~"),
            (64, "10"),
            (4095, "~~"),
            (4096, "100"),
            (0xffff_ffff, "3~~~~~"),
        ] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn checksum_fills_the_last_word_with_zeros_and_wraps() {
        assert_eq!(checksum(b""), 0);
        assert_eq!(checksum(&[1, 2, 3, 4, 5]), 0x0602_0304);
        assert_eq!(
            checksum(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 1, 1]),
            0x0001_0101
        );
    }

    #[test]
    fn delta_is_its_length_operations_and_checksum() {
        let mut delta = Delta::to(b"0123456789012345678901234567890");
        delta.copy(70, 5);
        delta.insert(5..7);
        delta.insert(7..7);
        delta.copy(0, 24);
        assert_eq!(delta.finish(), Some(b"V\n5@16,2:56O@0,2XfPqo;".to_vec()));
    }
}
