//! Frames as a server sends them, put together to messages.

use crate::websocket::{Fault, Header, Opcode, Sender};

/// What a connection keeps for what is not whole yet, once that has been more.
const KEPT_BYTES: usize = 1 << 12;

/// What a server has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message. Whether it is UTF-8 is for its reader to find out.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with a pong that holds the same.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The end, with the code and the reason if it has them. Nothing is read behind it.
    Close(Option<u16>, &'a [u8]),
}

/// What has arrived on one connection and is not whole yet. Holds no more than a message of the limit, and a frame.
#[derive(Debug)]
pub struct Reader {
    unread: Vec<u8>,
    /// What is there of a message that comes in several frames, and what it is.
    begun: Option<(Opcode, Vec<u8>)>,
    max_message_bytes: usize,
    closed: bool,
}

impl Reader {
    /// A connection of which nothing was read yet.
    #[must_use]
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            unread: Vec::new(),
            begun: None,
            max_message_bytes,
            closed: false,
        }
    }

    /// Take in what arrived, and tell every message that is whole now.
    ///
    /// # Errors
    /// What the server did wrong. The connection is of no use then.
    pub fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(Message<'_>)) -> Result<(), Fault> {
        if self.unread.is_empty() {
            // The usual case, whole messages: nothing is copied.
            let taken = self.read(bytes, &mut tell)?;
            self.unread.extend_from_slice(&bytes[taken..]);
            return Ok(());
        }
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        let taken = self.read(&unread, &mut tell)?;
        unread.drain(..taken);
        if unread.is_empty() && unread.capacity() > KEPT_BYTES {
            // Ten thousand connections would each keep the largest message they ever had.
            unread = Vec::new();
        }
        self.unread = unread;
        Ok(())
    }

    /// Tell what is whole; how many bytes that were.
    fn read(&mut self, bytes: &[u8], tell: &mut impl FnMut(Message<'_>)) -> Result<usize, Fault> {
        let mut at = 0;
        while !self.closed {
            let rest = &bytes[at..];
            let Some((header, payload_bytes)) = self.header(rest)? else {
                return Ok(at);
            };
            let end = header.bytes + payload_bytes;
            let Some(payload) = rest.get(header.bytes..end) else {
                return Ok(at);
            };
            self.take(&header, payload, tell)?;
            at += end;
        }
        Ok(bytes.len())
    }

    /// The header that `unread` begins with and how long its payload is, if it is whole, and if that may be there.
    fn header(&self, unread: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
        let Some(header) = Header::read(unread, Sender::Server)? else {
            return Ok(None);
        };
        let begun = self.begun.as_ref().map_or(0, |(_, message)| message.len());
        let payload_bytes = usize::try_from(header.payload_bytes).map_err(|_| Fault::TooLarge)?;
        if !header.opcode.is_control() && payload_bytes > self.max_message_bytes - begun {
            return Err(Fault::TooLarge);
        }
        Ok(Some((header, payload_bytes)))
    }

    fn take(
        &mut self,
        header: &Header,
        payload: &[u8],
        tell: &mut impl FnMut(Message<'_>),
    ) -> Result<(), Fault> {
        match (header.opcode, self.begun.is_some()) {
            (Opcode::Ping, _) => tell(Message::Ping(payload)),
            (Opcode::Pong, _) => tell(Message::Pong),
            (Opcode::Close, _) => {
                self.closed = true;
                match payload.split_first_chunk() {
                    Some((code, reason)) => tell(Message::Close(Some(u16::from_be_bytes(*code)), reason)),
                    None => tell(Message::Close(None, b"")),
                }
            }
            (Opcode::Continuation, false) => return Err(Fault::StrayContinuation),
            (Opcode::Text | Opcode::Binary, true) => return Err(Fault::Interrupted),
            (opcode @ (Opcode::Text | Opcode::Binary), false) if header.last => tell(data(opcode, payload)),
            (opcode @ (Opcode::Text | Opcode::Binary), false) => {
                self.begun = Some((opcode, payload.to_vec()));
            }
            (Opcode::Continuation, true) => {
                if let Some((_, message)) = &mut self.begun {
                    message.extend_from_slice(payload);
                }
                if header.last
                    && let Some((opcode, message)) = self.begun.take()
                {
                    tell(data(opcode, &message));
                }
            }
        }
        Ok(())
    }
}

fn data(opcode: Opcode, payload: &[u8]) -> Message<'_> {
    if opcode == Opcode::Binary {
        Message::Binary(payload)
    } else {
        Message::Text(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Message, Reader};

    /// What comes of `bytes`, in pieces of `piece` bytes; each message as text.
    fn read(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Fault>) {
        let (mut reader, mut told) = (Reader::new(1000), Vec::new());
        for part in bytes.chunks(piece) {
            let fault = reader.feed(part, |message| {
                told.push(match message {
                    Message::Text(text) => format!("text {}", String::from_utf8_lossy(text)),
                    Message::Binary(bytes) => format!("binary {bytes:?}"),
                    Message::Ping(bytes) => format!("ping {bytes:?}"),
                    Message::Pong => "pong".to_owned(),
                    Message::Close(code, reason) => {
                        format!("close {code:?} {}", String::from_utf8_lossy(reason))
                    }
                });
            });
            if let Err(fault) = fault {
                return (told, Some(fault));
            }
        }
        (told, None)
    }

    #[test]
    fn messages_are_the_same_whole_and_byte_by_byte() {
        let mut bytes =
            b"\x81\x02hi\x82\x01\x07\x89\x01p\x8a\x00\x01\x02ab\x89\x00\x00\x01c\x80\x01d".to_vec();
        bytes.extend_from_slice(&[0x81, 126, 0, 200]);
        bytes.extend_from_slice(&[b'x'; 200]);
        bytes.extend_from_slice(b"\x88\x06\x0f\xa0bye!never read");
        let expected = [
            "text hi",
            "binary [7]",
            "ping [112]",
            "pong",
            "ping []",
            "text abcd",
            &format!("text {}", "x".repeat(200)),
            "close Some(4000) bye!",
        ];
        for piece in [1, 2, 3, 7, 4096] {
            let (told, fault) = read(&bytes, piece);
            assert_eq!(told, expected, "in pieces of {piece}");
            assert_eq!(fault, None);
        }
        assert_eq!(read(b"\x88\x00", 1).0, ["close None "]);
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        for (bytes, fault) in [
            (&b"\xc1\x00"[..], Fault::Extension),
            (b"\x83\x00", Fault::UnknownOpcode),
            (b"\x81\x81\0\0\0\0a", Fault::Masked),
            (b"\x09\x00", Fault::BadControl),
            (b"\x89\x7e\x00\x7e", Fault::BadControl),
            (b"\x80\x00", Fault::StrayContinuation),
            (b"\x01\x01a\x81\x01b", Fault::Interrupted),
            (b"\x81\x7e\x03\xe9", Fault::TooLarge),
            (b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", Fault::TooLarge),
            (b"\x01\x01a\x80\x7e\x03\xe8", Fault::TooLarge),
        ] {
            for piece in [1, 4096] {
                assert_eq!(read(bytes, piece).1, Some(fault), "{bytes:?}");
            }
            assert!(!fault.words().is_empty());
        }
    }
}
