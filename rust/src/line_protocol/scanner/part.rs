//! The parts of a line: tags, names, bare values, strings. Each ends where its grammar says, and is checked
//! there.

use memchr::{memchr_iter, memrchr};

use super::{Scanned, Scanner};
use crate::line_protocol::MAX_PART_BYTES;
use crate::line_protocol::byte_class::{BACKSLASH, BLANK, COMMA, CONTROL, EQUALS, HIGH, LINE_END, class};
use crate::line_protocol::error::{Fault, Reason};
use crate::line_protocol::field::Value;
use crate::line_protocol::name::{Name, NameKind, Tag};
use crate::line_protocol::number::{Number, parse_bool};
use crate::line_protocol::scan::begins_with;
use crate::line_protocol::string::{find_closing_quote, is_plain, is_utf8};

impl<'a> Scanner<'a> {
    /// Pass over a field key and its equals sign if it is the one that is expected.
    #[inline]
    pub(super) fn take_key(&mut self, expected: Option<&[u8]>) -> bool {
        let rest = &self.body[self.at..];
        let Some(key) = expected.filter(|key| begins_with(rest, key)) else {
            return false;
        };
        let taken = rest.get(key.len()) == Some(&b'=');
        self.at += if taken { key.len() + 1 } else { 0 };
        taken
    }

    /// Read a field key and pass over the equals sign behind it.
    #[inline]
    pub(super) fn read_key(&mut self) -> Scanned<'a, Name<'a>> {
        let key = self.read_name(NameKind::Key)?;
        if key.raw.is_empty() {
            return Err(self.missing(self.at, Reason::MissingField, &[]));
        }
        if self.peek() != Some(b'=') {
            return Err(self.missing(self.at, Reason::MissingValue, key.raw));
        }
        self.at += 1;
        Ok(key)
    }

    /// Pass over a value that is a number, and in range.
    #[inline]
    pub(super) fn take_number(&mut self) -> Option<Number<'a>> {
        let start = self.at;
        let (number, length) = Number::begin(&self.body[start..])?;
        self.at += length;
        if self.is_at_value_end() && number.is_in_range() {
            return Some(number);
        }
        self.at = start;
        None
    }

    pub(super) fn read_tag(&mut self) -> Scanned<'a, Tag<'a>> {
        let start = self.at;
        let key = self.read_name(NameKind::Key)?;
        if key.raw.is_empty() {
            return Err(self.missing(start, Reason::MissingTagKey, self.rest_of_line()));
        }
        if self.peek() != Some(b'=') {
            return Err(self.missing(start, Reason::MissingTagValue, key.raw));
        }
        self.at += 1;
        let value = self.read_name(NameKind::Key)?;
        if value.raw.is_empty() {
            return Err(self.missing(self.at, Reason::MissingTagValue, key.raw));
        }
        Ok(Tag { key, value })
    }

    /// Read up to the separator, line end or control byte that ends a name; the name may be empty.
    #[inline]
    pub(super) fn read_name(&mut self, kind: NameKind) -> Scanned<'a, Name<'a>> {
        let start = self.at;
        let ends = match kind {
            NameKind::Measurement => CONTROL | COMMA | BLANK,
            NameKind::Key => CONTROL | COMMA | BLANK | EQUALS,
        };
        let mut seen = 0;
        let mut escaped = false;
        while let Some(byte) = self.peek() {
            let classes = class(byte);
            if classes & (ends | BACKSLASH) != 0 {
                if classes & BACKSLASH == 0 {
                    break;
                }
                if self.body.get(self.at + 1).is_some_and(|&next| kind.escapes(next)) {
                    escaped = true;
                    self.at += 1;
                }
            }
            seen |= classes;
            self.at += 1;
        }
        let raw = &self.body[start..self.at];
        if raw.len() > MAX_PART_BYTES {
            return Err(self.fault(start, Reason::TooLong, raw));
        }
        if seen & HIGH != 0 && std::str::from_utf8(raw).is_err() {
            return Err(self.fault(start, Reason::BadUtf8, raw));
        }
        Ok(Name { raw, kind, escaped })
    }

    /// Read a value that is no number, or say what is wrong with it; its key begins at `key_start`.
    pub(super) fn read_other_value(&mut self, key_start: usize) -> Scanned<'a, Value<'a>> {
        if self.peek() == Some(b'"') {
            return self.read_string();
        }
        let start = self.at;
        while !self.is_at_value_end() {
            self.at += 1;
        }
        let text = &self.body[start..self.at];
        if let Some(value) = parse_bool(text) {
            return Ok(Value::Bool(value));
        }
        let reason = match Number::begin(text) {
            _ if text.is_empty() => {
                return Err(self.fault(start, Reason::MissingValue, &self.body[key_start..start - 1]));
            }
            Some((_, length)) if length == text.len() => Reason::NumberRange,
            _ => Reason::BadValue,
        };
        Err(self.fault(start, reason, text))
    }

    /// Whether a bare value cannot go on here.
    #[inline]
    fn is_at_value_end(&self) -> bool {
        self.peek()
            .is_none_or(|byte| class(byte) & (COMMA | BLANK | LINE_END) != 0)
    }

    fn read_string(&mut self) -> Scanned<'a, Value<'a>> {
        let opened = self.place(self.at);
        let start = self.at + 1;
        let Some(length) = find_closing_quote(&self.body[start..]) else {
            let fault = self.fault(self.at, Reason::OpenQuote, &[]);
            // Everything behind it is inside the string.
            self.at = self.body.len();
            return Err(fault);
        };
        let raw = &self.body[start..start + length];
        let inside = self.place(start);
        let plain = is_plain(raw);
        self.at = start + length + 1;
        if let Some(last) = memrchr(b'\n', if plain { &[] } else { raw }) {
            let end = self.at;
            self.begin_line(start + last + 1, memchr_iter(b'\n', raw).count());
            self.at = end;
            self.opened = Some(opened);
        }
        let refuse = |reason| {
            Err(Fault {
                place: inside,
                reason,
                subject: raw,
                opened: None,
            })
        };
        if raw.len() > MAX_PART_BYTES {
            return refuse(Reason::TooLong);
        }
        if !is_utf8(raw) {
            return refuse(Reason::BadUtf8);
        }
        Ok(Value::Text { raw, plain })
    }
}
