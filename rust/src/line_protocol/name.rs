//! Names and tag values: text in which a backslash takes the meaning from a separator.

use std::borrow::Cow;

use super::MAX_PART_BYTES;
use super::byte_class::{CONTROL, class};

/// A measurement, tag key, tag value or field key as it was written; known to be UTF-8.
///
/// A backslash counts only before a separator (`,`, blank, and `=` except in measurements); before anything
/// else, another backslash included, it is text. So a separator is text exactly when the byte before it is a
/// backslash, and no two spellings give the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Name<'a> {
    /// The bytes as written.
    pub raw: &'a [u8],
    /// Where backslashes count.
    pub(super) kind: NameKind,
    /// Whether one does.
    pub(super) escaped: bool,
}

/// A tag in the order of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Its key.
    pub key: Name<'a>,
    /// Its value.
    pub value: Name<'a>,
}

/// Which of the two grammars a name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum NameKind {
    /// Ends at a comma or blank; an equals sign is text.
    Measurement,
    /// Tag keys, tag values and field keys end at an equals sign too.
    #[default]
    Key,
}

impl NameKind {
    /// Whether a backslash before `byte` makes it text and vanishes.
    pub(super) fn escapes(self, byte: u8) -> bool {
        match byte {
            b',' | b' ' => true,
            b'=' => self == Self::Key,
            _ => false,
        }
    }
}

impl<'a> Name<'a> {
    /// The name as meant: UTF-8 bytes without the backslashes that count.
    #[must_use]
    pub fn text(&self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = Vec::with_capacity(self.raw.len());
        let mut bytes = self.raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match bytes.peek() {
                Some(&next) if byte == b'\\' && self.kind.escapes(next) => {}
                _ => text.push(byte),
            }
        }
        Cow::Owned(text)
    }
}

/// Whether some line can have `text` as a measurement, tag key, tag value or field key as meant.
#[must_use]
pub(crate) fn is_name(text: &str) -> bool {
    let control = |byte: u8| class(byte) & CONTROL != 0;
    (1..=MAX_PART_BYTES).contains(&text.len()) && !text.bytes().any(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_backslashes_before_separators_vanish() {
        let key = |raw| {
            Name {
                raw,
                kind: NameKind::Key,
                escaped: true,
            }
            .text()
            .into_owned()
        };
        assert_eq!(key(b"a\\,b\\ c\\=d"), b"a,b c=d");
        assert_eq!(key(b"a\\\\,b\\n\\"), b"a\\,b\\n\\");
        let measurement = Name {
            raw: b"a\\=b\\,c",
            kind: NameKind::Measurement,
            escaped: true,
        };
        assert_eq!(&*measurement.text(), b"a\\=b,c");
    }
}
