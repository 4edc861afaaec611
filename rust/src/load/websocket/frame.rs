//! Frames as a client writes them (RFC 6455 §5.2): whole messages, masked.

use std::hash::{BuildHasher, RandomState};

use crate::wire::websocket::put_header;

/// Set in the byte of the length: the payload is masked, as every frame of a client must be (§5.1).
const MASKED: u8 = 0x80;

/// Set in the first byte: nothing of this message comes behind this frame.
pub(super) const FINAL: u8 = 0x80;

/// What a frame is (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message that has begun.
    Continuation,
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
    /// The end of the connection, with a code and a reason.
    Close,
    /// To be answered with a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    /// The opcode in the first byte of a frame; None where the number has no meaning.
    #[must_use]
    pub const fn find(first: u8) -> Option<Self> {
        Some(match first & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether it is about the connection and may stand between the frames of a message (§5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

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

    #[test]
    fn opcodes_are_found_by_the_numbers_they_are_written_with() {
        for number in 0..=0x0f {
            if let Some(opcode) = Opcode::find(0x80 | number) {
                assert_eq!(opcode.number(), number);
            }
        }
        assert_eq!(Opcode::find(0x3), None);
    }
}
