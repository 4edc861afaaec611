//! Frames as a client writes them (RFC 6455 §5.2): whole messages, masked.

use std::hash::{BuildHasher, RandomState};

use crate::websocket::{FINAL, Opcode};
use crate::wire::websocket::put_header;

/// Set in the byte of the length: the payload is masked, as every frame of a client must be (§5.1).
const MASKED: u8 = 0x80;

/// A fresh mask for each frame.
///
/// §5.3 wants them unpredictable, so that no page can make a browser write what a proxy takes for a request.
/// Here the one who writes chooses the address as well; a generator with a seed nobody knows is enough.
#[derive(Debug)]
pub struct Masks(u64);

impl Masks {
    /// Masks of their own for one connection or thread.
    #[must_use]
    pub fn new() -> Self {
        // Xorshift never leaves zero.
        Self(RandomState::new().hash_one(0) | 1)
    }

    /// The next mask (Marsaglia's xorshift64).
    pub fn next_mask(&mut self) -> [u8; 4] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [.., a, b, c, d] = self.0.to_ne_bytes();
        [a, b, c, d]
    }
}

impl Default for Masks {
    fn default() -> Self {
        Self::new()
    }
}

/// Append one whole message as a single frame.
pub fn put_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    let begin = out.len();
    put_header(out, FINAL | opcode.number(), payload.len());
    out[begin + 1] |= MASKED;
    out.extend_from_slice(&mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    out.extend(masked.map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::{Masks, Opcode, put_frame};

    #[test]
    fn a_frame_is_that_of_the_rfc() {
        // §5.7, "A single-frame masked text message".
        let mut out = Vec::new();
        put_frame(&mut out, Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(
            out,
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
    }

    #[test]
    fn long_payloads_keep_their_mask_bit() {
        for length in [126, 0xffff, 0x1_0000] {
            let mut out = Vec::new();
            put_frame(&mut out, Opcode::Binary, &vec![7; length], [0; 4]);
            assert_eq!(out[0], 0x82);
            assert_eq!(out[1] & 0x80, 0x80);
            assert_eq!(out[out.len() - length..], vec![7; length]);
        }
    }

    #[test]
    fn masks_differ_from_frame_to_frame_and_from_connection_to_connection() {
        let mut masks = Masks::new();
        assert_ne!(masks.next_mask(), masks.next_mask());
        let begin = |mut masks: Masks| [masks.next_mask(), masks.next_mask()];
        assert_ne!(begin(Masks::new()), begin(Masks::new()));
    }
}
