//! JSON text, written straight into a buffer: strings from plain text and from line protocol. Nothing here
//! parses, but for where a string ends.

use memchr::memchr2;

/// Write `text` (UTF-8) as a JSON string with its quotes. Never writes a byte below 0x20.
pub fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Write `text` (UTF-8) as the inside of a JSON string.
pub fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut done = 0;
    for (at, &byte) in text.iter().enumerate() {
        if needs_escape(byte) {
            out.extend_from_slice(&text[done..at]);
            write_escape(byte, out);
            done = at + 1;
        }
    }
    out.extend_from_slice(&text[done..]);
}

/// Write the inside of a line-protocol string as a JSON string with its quotes.
///
/// `\"` and `\\` are spelled alike in both; any other backslash is text.
pub fn write_protocol_string(raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = raw;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind.first()) {
            (b'\\', Some(&next @ (b'"' | b'\\'))) => {
                out.extend_from_slice(&[b'\\', next]);
                rest = &behind[1..];
            }
            _ if needs_escape(byte) => write_escape(byte, out),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// How many bytes [`write_short`] may write beyond the text, and take back: room for them saves an allocation.
pub const SHORT_BYTES: usize = 16;

/// Write a text that is JSON as it stands and most likely has 4 to 16 bytes, as numbers have: as one store, cut to
/// length, where a call to copy so few costs more than they do.
#[inline]
pub fn write_short(text: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + text.len();
    let word = if text.len() > SHORT_BYTES {
        return out.extend_from_slice(text);
    } else if let (Some(head), Some(tail)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        // Where they overlap they are alike.
        let (head, tail) = (u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
        u128::from(head) | u128::from(tail) << (8 * (text.len() - 8))
    } else if let (Some(head), Some(tail)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
        u128::from(u64::from(head) | u64::from(tail) << (8 * (text.len() - 4)))
    } else {
        return out.extend_from_slice(text);
    };
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

/// Where the string that `text` begins with, quote and all, is over; None if it is not.
#[must_use]
pub fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// At most so many bytes does [`write_protocol_string`] write.
#[must_use]
pub fn protocol_string_bytes(raw: &[u8]) -> usize {
    let escapes: usize = raw
        .iter()
        .map(|&byte| {
            if byte < 0x20 {
                5
            } else {
                usize::from(byte == b'\\')
            }
        })
        .sum();
    raw.len() + escapes + 2
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', DIGITS[high], DIGITS[low]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut out = Vec::new();
        write_string("a\"b\\c\n\r\t\u{1}é".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#""a\"b\\c\n\r\t\u0001é""#);
    }

    #[test]
    fn short_texts_are_written_whole_and_nothing_behind_them() {
        let digits = b"123456789012345678901234567890";
        for length in 0..=digits.len() {
            let mut out = b"a".to_vec();
            write_short(&digits[..length], &mut out);
            assert_eq!(out, [b"a", &digits[..length]].concat());
        }
    }

    #[test]
    fn strings_end_behind_their_own_quote() {
        for (text, end) in [
            (&br#""""#[..], Some(2)),
            (br#""a", "b""#, Some(3)),
            (br#""\"" rest"#, Some(4)),
            (br#""\\" rest"#, Some(4)),
            (br#""a"#, None),
            (br#""\""#, None),
            (br#""\"#, None),
            (b"\"", None),
            (b"", None),
        ] {
            assert_eq!(string_end(text), end, "{text:?}");
        }
    }

    #[test]
    fn protocol_strings_keep_their_escapes() {
        let raw = b"a\\\"b\\\\c\\n\n\\";
        let mut out = Vec::new();
        write_protocol_string(raw, &mut out);
        assert!(out.len() <= protocol_string_bytes(raw));
        assert_eq!(String::from_utf8(out).unwrap(), r#""a\"b\\c\\n\n\\""#);
    }
}
