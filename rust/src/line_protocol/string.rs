//! The inside of a quoted string: where it ends and what it needs to become JSON.

use memchr::memchr2;

/// Whether the inside of a string is JSON as it stands: no backslash, no byte below 0x20.
pub(super) fn is_plain(raw: &[u8]) -> bool {
    // No early way out: a loop without one is vectorised.
    raw.iter().filter(|&&byte| byte < 0x20 || byte == b'\\').count() == 0
}

pub(super) fn is_utf8(raw: &[u8]) -> bool {
    raw.is_ascii() || std::str::from_utf8(raw).is_ok()
}

/// How many bytes come before the closing quote; None when there is none.
pub(super) fn find_closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        // Only \" and \\ are escapes: of any other pair the second byte is neither, so two may always be
        // skipped.
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_behind_escapes() {
        assert_eq!(find_closing_quote(b"abc\""), Some(3));
        assert_eq!(find_closing_quote(b"a\\\"b\\\\\""), Some(6));
        assert_eq!(find_closing_quote(b"a\\\""), None);
        assert_eq!(find_closing_quote(b"a\\"), None);
        assert_eq!(find_closing_quote(b""), None);
    }

    #[test]
    fn plain_is_what_json_spells_alike() {
        assert!(is_plain("täglich, =".as_bytes()));
        assert!(!is_plain(b"a\\b") && !is_plain(b"a\nb") && !is_plain(b"\0"));
        assert!(is_utf8("ä".as_bytes()) && !is_utf8(b"\xff"));
    }
}
