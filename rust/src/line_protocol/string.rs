//! The inside of a quoted string: where it ends and what it needs to become JSON.

use memchr::{memchr_iter, memchr2};

/// What the inside of a string is made of, so that the common ones are copied without looking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringShape {
    /// No backslash and no byte below 0x20: JSON as it stands.
    pub plain: bool,
    /// Raw LFs inside.
    pub newlines: usize,
    /// Whether it is UTF-8.
    pub utf8: bool,
}

impl StringShape {
    /// Look at the inside of a string as written.
    #[must_use]
    pub fn of(raw: &[u8]) -> Self {
        // No early way out: a loop without one is vectorised.
        let odd = raw.iter().filter(|&&byte| byte < 0x20 || byte == b'\\').count();
        let plain = odd == 0;
        Self {
            plain,
            newlines: if plain { 0 } else { memchr_iter(b'\n', raw).count() },
            utf8: raw.is_ascii() || std::str::from_utf8(raw).is_ok(),
        }
    }
}

/// How many bytes come before the closing quote; None when there is none.
pub(super) fn find_closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        // Only \" and \\ are escapes: of any other pair the second byte is neither, so two may always be skipped.
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
    fn shapes_tell_what_is_inside() {
        assert!(!StringShape::of(b"a\\b").plain);
        assert_eq!(
            StringShape::of(b"a\n\n"),
            StringShape {
                plain: false,
                newlines: 2,
                utf8: true
            }
        );
        assert!(!StringShape::of(b"\xff").utf8);
    }
}
