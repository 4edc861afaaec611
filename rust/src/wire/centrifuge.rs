//! The Centrifuge protocol's publication push, the one message that is made for many at once.
//!
//! Replies and other pushes are made per client on the Python side; only this one is hot.

use super::websocket::{MAX_HEADER_BYTES, put_text_header};

const BEFORE_CHANNEL: &[u8] = b"{\"push\":{\"channel\":\"";
const BEFORE_DATA: &[u8] = b"\",\"pub\":{\"data\":";
const BEFORE_OFFSET: &[u8] = b",\"offset\":";
const END: &[u8] = b"}}}";

/// A publication push as one WebSocket text message.
///
/// `data` is embedded as it is: whoever publishes answers for it being JSON without raw newlines (a newline
/// would end the push for every subscriber). An `offset` of 0 means that the channel keeps no stream, and is
/// left out.
#[must_use]
pub fn json_publication(channel: &str, data: &[u8], offset: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(BEFORE_CHANNEL.len() + channel.len() + BEFORE_DATA.len());
    head.extend_from_slice(BEFORE_CHANNEL);
    put_escaped(&mut head, channel);
    head.extend_from_slice(BEFORE_DATA);
    let mut tail = Vec::with_capacity(BEFORE_OFFSET.len() + 20 + END.len());
    if offset != 0 {
        tail.extend_from_slice(BEFORE_OFFSET);
        tail.extend_from_slice(offset.to_string().as_bytes());
    }
    tail.extend_from_slice(END);

    let length = head.len() + data.len() + tail.len();
    let mut message = Vec::with_capacity(MAX_HEADER_BYTES + length);
    put_text_header(&mut message, length);
    for part in [&head, data, &tail] {
        message.extend_from_slice(part);
    }
    message
}

/// The inside of a JSON string: quote, backslash and control characters escaped (RFC 8259 §7), the rest as it
/// is.
fn put_escaped(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::json_publication;

    fn push(channel: &str, data: &str, offset: u64) -> String {
        let message = json_publication(channel, data.as_bytes(), offset);
        assert_eq!(message[0], 0x81);
        let (header, length) = match message[1] {
            126 => (4, usize::from(u16::from_be_bytes([message[2], message[3]]))),
            short => (2, usize::from(short)),
        };
        assert_eq!(message.len(), header + length, "the header counts the payload");
        String::from_utf8(message[header..].to_vec()).unwrap_or_default()
    }

    #[test]
    fn publication_carries_the_data_verbatim() {
        assert_eq!(
            push("full:a", r#"{"x": 1.50}"#, 7),
            r#"{"push":{"channel":"full:a","pub":{"data":{"x": 1.50},"offset":7}}}"#
        );
    }

    #[test]
    fn offset_zero_is_left_out() {
        assert_eq!(
            push("a", "[]", 0),
            r#"{"push":{"channel":"a","pub":{"data":[]}}}"#
        );
    }

    #[test]
    fn largest_offset_is_written_whole() {
        assert_eq!(
            push("a", "1", u64::MAX),
            r#"{"push":{"channel":"a","pub":{"data":1,"offset":18446744073709551615}}}"#
        );
    }

    #[test]
    fn channel_name_is_escaped_as_a_json_string() {
        assert_eq!(
            push("q\"b\\n\n\u{1}ü\u{7f}", "1", 0),
            "{\"push\":{\"channel\":\"q\\\"b\\\\n\\u000a\\u0001ü\u{7f}\",\"pub\":{\"data\":1}}}"
        );
    }

    #[test]
    fn long_publication_takes_the_longer_header() {
        let data = format!("\"{}\"", "x".repeat(300));
        assert!(push("a", &data, 1).contains(&data));
    }
}
