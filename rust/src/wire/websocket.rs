//! WebSocket framing as a server writes it (RFC 6455 §5.2): unmasked, unfragmented, no extension.

/// The first byte of a whole text message: final frame, opcode 1.
pub const TEXT: u8 = 0x81;

/// The first byte of a whole binary message: final frame, opcode 2.
pub const BINARY: u8 = 0x82;

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

#[cfg(test)]
mod tests {
    use super::{BINARY, TEXT, put_header};

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
