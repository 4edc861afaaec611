//! WebSocket framing as a server writes it (RFC 6455 §5.2): unmasked, unfragmented, no extension.

/// The first byte of a whole text message: final frame, opcode 1.
pub const TEXT: u8 = 0x81;

/// The first byte of a whole binary message: final frame, opcode 2.
pub const BINARY: u8 = 0x82;

/// The first byte of a close, a ping and a pong.
pub const CLOSE: u8 = 0x88;
/// As [`CLOSE`].
pub const PING: u8 = 0x89;
/// As [`CLOSE`].
pub const PONG: u8 = 0x8a;

/// The most bytes a frame header of ours takes: two, and an eight-byte length.
pub const MAX_HEADER_BYTES: usize = 10;

/// Append the header of a message of `length` bytes that begins with `first`. The length takes the shortest
/// of its three forms, as §5.2 asks.
pub fn put_header(out: &mut Vec<u8>, first: u8, length: usize) {
    out.push(first);
    // The first byte of a length also carries the mask bit, which stays clear: hence 125, not 253.
    if let Some(short) = u8::try_from(length).ok().filter(|&short| short <= 125) {
        out.push(short);
    } else if let Ok(medium) = u16::try_from(length) {
        out.push(126);
        out.extend_from_slice(&medium.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

/// What a control frame holds at most (§5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// A whole frame of `payload`, which `first` says the kind of.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_HEADER_BYTES + payload.len());
    put_header(&mut out, first, payload.len());
    out.extend_from_slice(payload);
    out
}

/// A close frame with `code` and as much of `reason` as fits, cut between two characters; without a code it holds
/// nothing.
#[must_use]
pub fn close_frame(code: Option<u16>, reason: &str) -> Vec<u8> {
    let Some(code) = code else {
        return frame(CLOSE, b"");
    };
    let mut payload = Vec::with_capacity(MAX_CONTROL_BYTES);
    payload.extend_from_slice(&code.to_be_bytes());
    let room = reason.len().min(MAX_CONTROL_BYTES - payload.len());
    let end = (0..=room)
        .rev()
        .find(|&end| reason.is_char_boundary(end))
        .unwrap_or(0);
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(CLOSE, &payload)
}

#[cfg(test)]
mod tests {
    use super::{BINARY, PING, TEXT, close_frame, frame, put_header};

    #[test]
    fn a_close_has_no_more_of_its_reason_than_fits_in_whole_characters() {
        assert_eq!(close_frame(None, "unheard"), [0x88, 0]);
        assert_eq!(close_frame(Some(3001), "shutdown"), b"\x88\x0a\x0b\xb9shutdown");
        let cut = close_frame(Some(1008), &"é".repeat(100));
        assert_eq!(cut[..4], [0x88, 124, 0x03, 0xf0]);
        assert_eq!(cut[4..], *"é".repeat(61).as_bytes());
    }

    #[test]
    fn a_frame_is_its_header_and_what_it_holds() {
        assert_eq!(frame(PING, b"hi"), [0x89, 2, b'h', b'i']);
    }

    fn header(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        put_header(&mut out, TEXT, length);
        out
    }

    #[test]
    fn length_takes_the_shortest_form_on_both_sides_of_each_border() {
        assert_eq!(header(0), [0x81, 0]);
        assert_eq!(header(125), [0x81, 125]);
        assert_eq!(header(126), [0x81, 126, 0, 126]);
        assert_eq!(header(200), [0x81, 126, 0, 200]);
        assert_eq!(header(0xffff), [0x81, 126, 0xff, 0xff]);
        assert_eq!(header(0x1_0000), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(header(0x0102_0304_0506), [0x81, 127, 0, 0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn opcode_is_what_was_asked_for() {
        let mut out = Vec::new();
        put_header(&mut out, BINARY, 1);
        assert_eq!(out, [0x82, 1]);
    }
}
