//! How one protocol message stands in the bytes of a connection.
//!
//! Bidirectional and unidirectional clients get the same pushes, but for the envelope: the first read replies,
//! of which a push is one kind, the second read bare pushes.

use super::json_push::on_one_line;
use super::websocket::{BINARY, MAX_HEADER_BYTES, TEXT, put_header};

/// The encoding of the messages themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Objects as JSON text.
    Json,
    /// Messages as Protobuf, each with its length as a varint before it.
    Protobuf,
}

/// What stands around a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// JSON, one WebSocket text message each.
    TextMessages,
    /// Protobuf, one WebSocket binary message each; its own length stays in it.
    BinaryMessages,
    /// JSON, one line each, in the endless body of an HTTP answer.
    Lines,
    /// Protobuf, one after the other in the endless body of an HTTP answer.
    Delimited,
    /// JSON, one server-sent event each.
    Events,
}

/// What a line and an event put around their JSON (WHATWG HTML §9.2.5 for events).
const EVENT: &[u8] = b"data: ";
const EVENT_END: &[u8] = b"\n\n";
const LINE_END: &[u8] = b"\n";

impl Framing {
    /// The protocol it carries.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Framing::TextMessages | Framing::Lines | Framing::Events => Protocol::Json,
            Framing::BinaryMessages | Framing::Delimited => Protocol::Protobuf,
        }
    }

    /// One message of these parts, framed. JSON must have no raw line break in it, Protobuf its own length
    /// before it.
    #[must_use]
    pub(super) fn message(self, parts: &[&[u8]]) -> Vec<u8> {
        let length = parts.iter().map(|part| part.len()).sum();
        let mut message = Vec::with_capacity(MAX_HEADER_BYTES + length + EVENT_END.len());
        match self {
            Framing::TextMessages => put_header(&mut message, TEXT, length),
            Framing::BinaryMessages => put_header(&mut message, BINARY, length),
            Framing::Events => message.extend_from_slice(EVENT),
            Framing::Lines | Framing::Delimited => {}
        }
        for part in parts {
            message.extend_from_slice(part);
        }
        match self {
            Framing::Events => message.extend_from_slice(EVENT_END),
            Framing::Lines => message.extend_from_slice(LINE_END),
            Framing::TextMessages | Framing::BinaryMessages | Framing::Delimited => {}
        }
        message
    }
}

/// How a connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    /// What stands around each message.
    pub framing: Framing,
    /// Whether it reads bare pushes instead of replies.
    pub unidirectional: bool,
}

impl Reader {
    /// The protocol it reads.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        self.framing.protocol()
    }

    /// One message that was made outside, framed.
    #[must_use]
    pub fn message(self, payload: &[u8]) -> Vec<u8> {
        match self.protocol() {
            Protocol::Json => self.framing.message(&[&on_one_line(payload)]),
            Protocol::Protobuf => self.framing.message(&[payload]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Framing, Reader};

    fn message(framing: Framing, payload: &[u8]) -> Vec<u8> {
        let unidirectional = false;
        Reader {
            framing,
            unidirectional,
        }
        .message(payload)
    }

    #[test]
    fn each_framing_puts_its_own_around_a_message() {
        assert_eq!(message(Framing::TextMessages, b"{}"), b"\x81\x02{}");
        assert_eq!(message(Framing::BinaryMessages, b"\0"), b"\x82\x01\0");
        assert_eq!(message(Framing::Lines, b"{}"), b"{}\n");
        assert_eq!(message(Framing::Delimited, b"\0"), b"\0");
        assert_eq!(message(Framing::Events, b"{}"), b"data: {}\n\n");
    }

    #[test]
    fn line_breaks_end_no_json_message_early_and_are_bytes_like_others_in_protobuf() {
        let payload = b"{\r\n\"a\":\n1}";
        assert_eq!(message(Framing::TextMessages, payload), b"\x81\x0a{  \"a\": 1}");
        assert_eq!(message(Framing::Lines, payload), b"{  \"a\": 1}\n");
        assert_eq!(message(Framing::Events, payload), b"data: {  \"a\": 1}\n\n");
        assert_eq!(message(Framing::Delimited, payload), payload);
        assert_eq!(message(Framing::BinaryMessages, payload)[2..], *payload);
    }
}
