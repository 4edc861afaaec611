//! Walks a body: one cursor, one pass, nothing looked at twice except to say what is wrong.
//!
//! Who drives it calls, for each line, `next_line`, then `read_series` (or `peek_series` and `take_series`
//! when it knows the text already), `read_fields` and `read_time`; after a fault `skip_line` instead of the
//! rest.

mod part;

use memchr::{memchr, memchr2};

use super::byte_class::{BLANK, CONTROL, LINE_END, class};
use super::error::{Fault, Place, Reason};
use super::field::{Field, TakeFields, Value};
use super::name::{Name, NameKind, Tag};
use super::scan::leading_digits;
use super::time::Precision;
use super::{MAX_FIELDS, MAX_PART_BYTES, MAX_TAGS};

/// A position in a body.
pub struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    /// The number of the physical line that `at` is in, and where that line begins.
    line: usize,
    line_start: usize,
    /// Where the present line of the protocol begins.
    begin: Place,
    /// Where the last string with a newline in it was opened, on the present line of the protocol.
    opened: Option<Place>,
}

type Scanned<'a, T> = Result<T, Fault<'a>>;

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `body`.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            line: 1,
            line_start: 0,
            begin: Place { line: 1, column: 1 },
            opened: None,
        }
    }

    /// Pass over blank lines and comments to the next line that must hold a point; false at the end of the
    /// body.
    pub fn next_line(&mut self) -> bool {
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return false,
                Some(b'#') => self.skip_line(),
                Some(b'\n' | b'\r') if self.end_line() => {}
                Some(_) => {
                    self.begin = self.place(self.at);
                    self.opened = None;
                    return true;
                }
            }
        }
    }

    /// Where the present line begins.
    #[must_use]
    pub fn begin(&self) -> Place {
        self.begin
    }

    /// A fault of the present line as a whole: one that its reader finds, not the grammar.
    #[must_use]
    pub fn refuse(&self, reason: Reason, subject: &'a [u8]) -> Fault<'a> {
        Fault {
            place: self.begin,
            reason,
            subject,
            opened: None,
        }
    }

    /// What would be the text of measurement and tags if these are in order: everything before the first
    /// blank that no backslash goes before. It is only good for comparing with what `read_series` accepted
    /// once.
    #[must_use]
    pub fn peek_series(&self) -> &'a [u8] {
        let rest = &self.body[self.at..];
        let mut from = 0;
        while let Some(found) = memchr2(b' ', b'\n', &rest[from..]) {
            let end = from + found;
            if rest[end] == b'\n' || end == 0 || rest[end - 1] != b'\\' {
                return &rest[..end];
            }
            from = end + 1;
        }
        rest
    }

    /// Pass over what `peek_series` returned, known to be good.
    pub fn take_series(&mut self, text: &'a [u8]) {
        self.at += text.len();
        self.skip_blanks();
    }

    /// Read measurement and tags and pass over the blanks behind them. At most [`MAX_TAGS`] are put into
    /// `tags`, which is emptied first.
    ///
    /// # Errors
    /// The first fault; `skip_line` must come next.
    pub fn read_series(&mut self, tags: &mut Vec<Tag<'a>>) -> Scanned<'a, Name<'a>> {
        tags.clear();
        let measurement = self.read_name(NameKind::Measurement)?;
        if measurement.raw.is_empty() {
            return Err(self.missing(self.at, Reason::MissingMeasurement, self.rest_of_line()));
        }
        while self.take_comma() {
            if tags.len() == MAX_TAGS {
                let fault = self.fault(self.at, Reason::TooManyTags, self.rest_of_line());
                // What else is wrong with the line is not told.
                let _ = self.pass_tags_and_fields();
                return Err(fault);
            }
            tags.push(self.read_tag()?);
        }
        match self.peek() {
            Some(b' ') => self.skip_blanks(),
            Some(b'=') => return Err(self.fault(self.at, Reason::UnescapedEquals, self.rest_of_line())),
            _ => return Err(self.missing(self.at, Reason::MissingField, &[])),
        }
        Ok(measurement)
    }

    /// Read the fields, at most [`MAX_FIELDS`], into `taker`.
    ///
    /// # Errors
    /// The first fault; `skip_line` must come next.
    pub fn read_fields(&mut self, taker: &mut impl TakeFields<'a>) -> Scanned<'a, ()> {
        for _ in 0..MAX_FIELDS {
            let start = self.at;
            let other = if self.take_key(taker.expected_key()) {
                None
            } else {
                Some(self.read_key()?)
            };
            let value = match self.take_number() {
                Some(number) => Value::Number(number),
                None => self.read_other_value(start)?,
            };
            match other {
                None => taker.take_expected(value),
                Some(key) => taker.take(Field { key, value }),
            }
            if !self.take_comma() {
                return Ok(());
            }
        }
        let fault = self.fault(self.at, Reason::TooManyFields, self.rest_of_line());
        // What else is wrong with the line is not told.
        let _ = self.pass_fields();
        Err(fault)
    }

    /// Read the timestamp, if there is one, as nanoseconds, and pass over the end of the line.
    ///
    /// # Errors
    /// The first fault; `skip_line` must come next.
    pub fn read_time(&mut self, precision: Precision) -> Scanned<'a, Option<i64>> {
        let behind_value = self.at;
        self.skip_blanks();
        let mut time = None;
        if self.at > behind_value && matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            time = Some(self.read_digits(precision)?);
            self.skip_blanks();
        }
        if self.end_line() {
            return Ok(time);
        }
        let opened = self.opened;
        Err(Fault {
            opened,
            ..self.missing(self.at, Reason::UnexpectedText, self.rest_of_line())
        })
    }

    /// Read the digits of a timestamp, and the sign before them.
    #[inline]
    fn read_digits(&mut self, precision: Precision) -> Scanned<'a, i64> {
        let rest = &self.body[self.at..];
        let sign = usize::from(rest.first() == Some(&b'-'));
        let end = sign + leading_digits(&rest[sign..]);
        let over = rest
            .get(end)
            .is_none_or(|&byte| class(byte) & (BLANK | LINE_END) != 0);
        if end == sign || !over {
            return Err(self.fault(self.at, Reason::BadTime, self.word_at(self.at)));
        }
        let time = precision.read(sign > 0, &rest[sign..end]);
        let time = time.ok_or_else(|| self.fault(self.at, Reason::TimeRange, &rest[..end]))?;
        self.at += end;
        Ok(time)
    }

    /// Give the present line up: go to the beginning of the next physical line.
    pub fn skip_line(&mut self) {
        match memchr(b'\n', &self.body[self.at..]) {
            Some(found) => self.begin_line(self.at + found + 1, 1),
            None => self.at = self.body.len(),
        }
    }

    /// Read on from a tag of a line that is refused already, and keep nothing: only who reads the strings
    /// knows which newlines are inside them.
    fn pass_tags_and_fields(&mut self) -> Scanned<'a, ()> {
        loop {
            self.read_tag()?;
            if !self.take_comma() {
                break;
            }
        }
        if self.peek() == Some(b' ') {
            self.skip_blanks();
            self.pass_fields()?;
        }
        Ok(())
    }

    /// The same from a field.
    fn pass_fields(&mut self) -> Scanned<'a, ()> {
        loop {
            let start = self.at;
            self.read_key()?;
            if self.take_number().is_none() {
                self.read_other_value(start)?;
            }
            if !self.take_comma() {
                return Ok(());
            }
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    #[inline]
    fn take_comma(&mut self) -> bool {
        let taken = self.peek() == Some(b',');
        self.at += usize::from(taken);
        taken
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Pass over LF, CR LF, or a CR that ends the body; false when nothing of the kind is here. The end of
    /// the body is an end of line too.
    fn end_line(&mut self) -> bool {
        match (self.peek(), self.body.get(self.at + 1)) {
            (None, _) => {}
            (Some(b'\n'), _) => self.begin_line(self.at + 1, 1),
            (Some(b'\r'), Some(b'\n')) => self.begin_line(self.at + 2, 1),
            (Some(b'\r'), None) => self.at += 1,
            _ => return false,
        }
        true
    }

    fn begin_line(&mut self, start: usize, newlines: usize) {
        self.at = start;
        self.line += newlines;
        self.line_start = start;
    }

    fn place(&self, offset: usize) -> Place {
        Place {
            line: self.line,
            column: offset - self.line_start + 1,
        }
    }

    fn fault(&self, offset: usize, reason: Reason, subject: &'a [u8]) -> Fault<'a> {
        Fault {
            place: self.place(offset),
            reason,
            subject,
            opened: None,
        }
    }

    /// Something is not where the reading stopped: because of a control byte, if one is there.
    fn missing(&self, offset: usize, reason: Reason, subject: &'a [u8]) -> Fault<'a> {
        match (self.peek(), self.body.get(self.at + 1)) {
            (None | Some(b'\n'), _) | (Some(b'\r'), None | Some(b'\n')) => {
                self.fault(offset, reason, subject)
            }
            (Some(byte), _) if class(byte) & CONTROL != 0 => {
                self.fault(offset, Reason::ControlByte, self.rest_of_line())
            }
            _ => self.fault(offset, reason, subject),
        }
    }

    /// What a message may quote: from here to the end of the line, cut.
    fn rest_of_line(&self) -> &'a [u8] {
        let rest = &self.body[self.at..];
        let rest = &rest[..rest.len().min(MAX_PART_BYTES)];
        &rest[..memchr(b'\n', rest).unwrap_or(rest.len())]
    }

    /// The text from `start` to the next blank or line end, cut.
    fn word_at(&self, start: usize) -> &'a [u8] {
        let rest = &self.body[start..self.body.len().min(self.at + MAX_PART_BYTES)];
        let end = rest
            .iter()
            .position(|&byte| class(byte) & (BLANK | LINE_END) != 0);
        &rest[..end.unwrap_or(rest.len())]
    }
}
