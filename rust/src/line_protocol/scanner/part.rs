//! The parts of a line: tags, names, bare values, strings. Each ends where its grammar says, and is checked
//! there.

use memchr::{memchr_iter, memrchr};

use super::{Scanned, Scanner};
use crate::line_protocol::MAX_PART_BYTES;
use crate::line_protocol::byte_class::{BACKSLASH, BLANK, COMMA, CONTROL, EQUALS, HIGH, LINE_END, class};
use crate::line_protocol::error::{Fault, Reason};
use crate::line_protocol::field::{Field, Value};
use crate::line_protocol::name::{Name, NameKind, Tag};
use crate::line_protocol::number::{Number, parse_bool};
use crate::line_protocol::string::{find_closing_quote, is_plain, is_utf8};

impl<'a> Scanner<'a> {
    #[inline]
    pub(super) fn read_field(&mut self) -> Scanned<'a, Field<'a>> {
        let key = self.read_name(NameKind::Key)?;
        if key.raw.is_empty() {
            return Err(self.missing(self.at, Reason::MissingField, &[]));
        }
        if self.peek() != Some(b'=') {
            return Err(self.missing(self.at, Reason::MissingValue, key.raw));
        }
        self.at += 1;
        let value = match self.peek() {
            Some(b'"') => self.read_string()?,
            _ => self.read_bare_value(key)?,
        };
        Ok(Field { key, value })
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

    pub(super) fn read_bare_value(&mut self, key: Name<'a>) -> Scanned<'a, Value<'a>> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| class(byte) & (COMMA | BLANK | LINE_END) == 0)
        {
            self.at += 1;
        }
        let text = &self.body[start..self.at];
        match text.first() {
            None => Err(self.fault(start, Reason::MissingValue, key.raw)),
            Some(b'-' | b'.' | b'0'..=b'9') => match Number::parse(text) {
                Ok(number) => Ok(Value::Number(number)),
                Err(reason) => Err(self.fault(start, reason, text)),
            },
            Some(_) => match parse_bool(text) {
                Some(value) => Ok(Value::Bool(value)),
                None => Err(self.fault(start, Reason::BadValue, text)),
            },
        }
    }

    pub(super) fn read_string(&mut self) -> Scanned<'a, Value<'a>> {
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
