//! What a frame begins with (§5.2), judged as soon as it can be: before its payload comes.

use super::Fault;

/// Set in the first byte: nothing of this message comes behind this frame.
pub const FINAL: u8 = 0x80;
/// The three bits of the first byte that mean something only with an extension.
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// In the place of the length: it follows in two bytes, or in eight.
const MEDIUM_LENGTH: u8 = 126;
const LONG_LENGTH: u8 = 127;
/// §5.5: a control frame is no longer, and whole.
const LONGEST_CONTROL: u64 = 125;

/// What a frame is.
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

    /// As it stands in the first byte.
    #[must_use]
    pub const fn number(self) -> u8 {
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

/// Who sends the frames that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Who must mask each frame (§5.1).
    Client,
    /// Who must mask none.
    Server,
}

/// A whole header of a frame that may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub opcode: Opcode,
    /// Whether its message ends with it.
    pub last: bool,
    /// What the payload is masked with; zeros where it is not.
    pub mask: [u8; 4],
    /// How much follows.
    pub payload_bytes: u64,
    /// How much this is.
    pub bytes: usize,
}

impl Header {
    /// The longest.
    pub const MAX_BYTES: usize = 14;

    /// The header that `unread` begins with. None while more must come.
    ///
    /// # Errors
    /// When no such frame may be there, as soon as that is plain.
    pub fn read(unread: &[u8], sender: Sender) -> Result<Option<Self>, Fault> {
        let [first, second, rest @ ..] = unread else {
            return Ok(None);
        };
        let masked = second & MASKED != 0;
        match sender {
            _ if first & RESERVED != 0 => return Err(Fault::Extension),
            Sender::Client if !masked => return Err(Fault::Unmasked),
            Sender::Server if masked => return Err(Fault::Masked),
            _ => {}
        }
        let opcode = Opcode::find(*first).ok_or(Fault::UnknownOpcode)?;
        let last = first & FINAL != 0;
        let short = second & !MASKED;
        if opcode.is_control() && (!last || u64::from(short) > LONGEST_CONTROL) {
            return Err(Fault::BadControl);
        }
        let Some((payload_bytes, rest)) = read_length(short, rest)? else {
            return Ok(None);
        };
        let (mask, rest) = match rest.split_first_chunk() {
            _ if !masked => ([0; 4], rest),
            Some((mask, rest)) => (*mask, rest),
            None => return Ok(None),
        };
        Ok(Some(Self {
            opcode,
            last,
            mask,
            payload_bytes,
            bytes: unread.len() - rest.len(),
        }))
    }
}

/// How long the payload is, and what follows the length.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    let (length, rest, least) = match short {
        LONG_LENGTH => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest, 1 << 16),
            None => return Ok(None),
        },
        MEDIUM_LENGTH => match rest.split_first_chunk() {
            Some((length, rest)) => (
                u64::from(u16::from_be_bytes(*length)),
                rest,
                u64::from(MEDIUM_LENGTH),
            ),
            None => return Ok(None),
        },
        short => (u64::from(short), rest, 0),
    };
    if length < least || length > i64::MAX as u64 {
        return Err(Fault::BadLength);
    }
    Ok(Some((length, rest)))
}

#[cfg(test)]
mod tests {
    use super::{Fault, Header, Opcode, Sender};

    #[test]
    fn opcodes_are_found_by_the_numbers_they_are_written_with() {
        for number in 0..=0x0f {
            if let Some(opcode) = Opcode::find(0x80 | number) {
                assert_eq!(opcode.number(), number);
            }
        }
        assert_eq!(Opcode::find(0x3), None);
    }

    #[test]
    fn lengths_come_in_three_forms_and_only_in_the_shortest() {
        let read = |bytes: &[u8]| {
            Header::read(bytes, Sender::Server).map(|header| header.map(|header| header.payload_bytes))
        };
        assert_eq!(read(&[0x82, 125]), Ok(Some(125)));
        assert_eq!(read(&[0x82, 126, 0, 126]), Ok(Some(126)));
        assert_eq!(read(&[0x82, 126, 0, 125]), Err(Fault::BadLength));
        assert_eq!(read(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Ok(Some(0x1_0000)));
        assert_eq!(
            read(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
            Err(Fault::BadLength)
        );
        assert_eq!(
            read(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            Err(Fault::BadLength)
        );
    }

    #[test]
    fn what_is_not_whole_is_none_and_what_follows_is_not_read() {
        let bytes = [0x81, 0xfe, 0, 200, 1, 2, 3, 4, 99];
        for end in 0..8 {
            assert_eq!(Header::read(&bytes[..end], Sender::Client), Ok(None));
        }
        let header = Header::read(&bytes, Sender::Client).unwrap().unwrap();
        assert_eq!(
            (header.bytes, header.mask, header.payload_bytes),
            (8, [1, 2, 3, 4], 200)
        );
        assert!(header.last);
    }

    #[test]
    fn what_may_not_be_there_is_told_from_two_bytes() {
        for (bytes, sender, fault) in [
            ([0xc1, 0x80], Sender::Client, Fault::Extension),
            ([0x83, 0x80], Sender::Client, Fault::UnknownOpcode),
            ([0x81, 0x00], Sender::Client, Fault::Unmasked),
            ([0x81, 0x80], Sender::Server, Fault::Masked),
            ([0x09, 0x80], Sender::Client, Fault::BadControl),
            ([0x89, 0xfe], Sender::Client, Fault::BadControl),
        ] {
            assert_eq!(Header::read(&bytes, sender), Err(fault), "{bytes:?}");
            assert!(!fault.words().is_empty());
        }
    }
}
