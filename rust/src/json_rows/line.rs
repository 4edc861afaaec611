//! Writes line protocol that reads back as exactly what was meant, or says why it cannot.
//!
//! Whatever the grammar refuses is refused here already: of what comes out only a limit of the stream can cost
//! a line. So no fault ever makes a reader look for the next line inside a string.

use super::fault::{Fault, Reason};
use super::row_numbers::RowNumbers;
use crate::line_protocol::{MAX_FIELDS, MAX_PART_BYTES, MAX_TAGS};

/// Of one line: no stream has a packet that could hold more.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;

/// Put a field key, tag key or tag value as line protocol spells it.
pub(super) fn write_name(name: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    escape(name, b",= ", out)
}

/// The same for a measurement. At a line's begin `#` would make a comment of it.
pub(super) fn write_measurement(name: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    if name.starts_with('#') {
        return Err(Fault::new(Reason::BadName, name));
    }
    escape(name, b", ", out)
}

/// The grammar has no spelling for an empty name, for control bytes, and for a backslash at the end, which
/// would take the meaning from the separator behind it.
fn escape(name: &str, separators: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if name.is_empty() || name.ends_with('\\') {
        return Err(Fault::new(Reason::BadName, name));
    }
    let start = out.len();
    for &byte in name.as_bytes() {
        if byte < 0x20 || byte == 0x7f {
            return Err(Fault::new(Reason::ControlByte, name));
        }
        if separators.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
    check_length(name, out.len() - start)
}

fn check_length(text: &str, bytes: usize) -> Result<(), Fault> {
    if bytes > MAX_PART_BYTES {
        return Err(Fault::new(Reason::TooLong, text));
    }
    Ok(())
}

/// Tags as a line has them, each with a comma before it.
#[derive(Debug, Default)]
pub(super) struct TagText {
    pub(super) bytes: Vec<u8>,
    count: usize,
}

impl TagText {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// A tag without a value is none.
    pub(super) fn push(&mut self, key: &str, value: &str) -> Result<(), Fault> {
        if value.is_empty() {
            return Ok(());
        }
        if self.count == MAX_TAGS {
            return Err(Fault::new(Reason::TooManyTags, key));
        }
        self.count += 1;
        self.bytes.push(b',');
        write_name(key, &mut self.bytes)?;
        self.bytes.push(b'=');
        write_name(value, &mut self.bytes)
    }
}

/// A field's value as JSON has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    /// A number that stays a float, however it is written.
    Float(&'a str),
    /// A number: an integer where it is written as one and 64 bits hold it.
    Number(&'a str),
    Text(&'a str),
}

/// The text of all rows of a body.
#[derive(Debug)]
pub(super) struct LineWriter {
    pub(super) out: Vec<u8>,
    pub(super) rows: RowNumbers,
    measurement: Vec<u8>,
    /// Of the present line, each with a comma behind it.
    fields: Vec<u8>,
    field_count: usize,
    /// Physical lines that are finished, and how many they and `out` were before the present row.
    lines: usize,
    kept: (usize, usize),
    /// Bytes written, and dropped again too: work is bounded, not only what it leaves.
    spent: usize,
    max_bytes: usize,
}

impl LineWriter {
    /// `measurement` as `write_measurement` spells it.
    pub(super) fn new(measurement: Vec<u8>, max_bytes: usize) -> Self {
        Self {
            out: Vec::new(),
            rows: RowNumbers::default(),
            measurement,
            fields: Vec::new(),
            field_count: 0,
            lines: 0,
            kept: (0, 0),
            spent: 0,
            max_bytes,
        }
    }

    /// Nothing may be written any more once the limit was met.
    pub(super) fn begin_row(&mut self) -> Result<(), Fault> {
        self.kept = (self.lines, self.out.len());
        self.clear_line();
        if self.spent >= self.max_bytes {
            return Err(Fault::whole(Reason::OutputLimit));
        }
        Ok(())
    }

    /// Keep what was written since `begin_row` as row number `row`. A row without a line is refused.
    pub(super) fn keep_row(&mut self, row: usize) -> Result<(), Fault> {
        if self.out.len() == self.kept.1 {
            return Err(Fault::whole(Reason::MissingField));
        }
        self.rows.note(self.kept.0 + 1, row);
        Ok(())
    }

    /// Drop what was written since `begin_row`.
    pub(super) fn drop_row(&mut self) {
        self.spent += self.fields.len();
        self.clear_line();
        self.lines = self.kept.0;
        self.out.truncate(self.kept.1);
    }

    /// Count work that leaves nothing.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.spent = self.spent.saturating_add(bytes).min(self.max_bytes);
        if self.spent == self.max_bytes {
            return Err(Fault::whole(Reason::OutputLimit));
        }
        Ok(())
    }

    /// Add a field to the present line. `key` is as `write_name` spells it.
    pub(super) fn field(&mut self, key: &[u8], value: Scalar) -> Result<(), Fault> {
        if self.field_count == MAX_FIELDS {
            let key = String::from_utf8_lossy(key);
            return Err(Fault::new(Reason::TooManyFields, &key));
        }
        if self.fields.len() + key.len() > MAX_LINE_BYTES {
            return Err(Fault::whole(Reason::RowLimit));
        }
        self.field_count += 1;
        self.fields.extend_from_slice(key);
        self.fields.push(b'=');
        match value {
            Scalar::Bool(true) => self.fields.push(b't'),
            Scalar::Bool(false) => self.fields.push(b'f'),
            Scalar::Float(text) => self.write_number(text, b"")?,
            Scalar::Number(text) => self.write_number(text, integer_suffix(text))?,
            Scalar::Text(text) => self.write_string(text)?,
        }
        self.fields.push(b',');
        Ok(())
    }

    /// End the present line; one without fields is left out.
    pub(super) fn end_line(&mut self, tags: [&TagText; 2], time_ns: Option<i64>) -> Result<(), Fault> {
        if self.field_count == 0 {
            return Ok(());
        }
        if tags[0].count + tags[1].count > MAX_TAGS {
            return Err(Fault::new(Reason::TooManyTags, "one of the labels"));
        }
        let start = self.out.len();
        let bytes =
            self.measurement.len() + tags[0].bytes.len() + tags[1].bytes.len() + self.fields.len() + 21;
        if bytes > MAX_LINE_BYTES {
            return Err(Fault::whole(Reason::RowLimit));
        }
        if self.spent + bytes > self.max_bytes {
            self.spent = self.max_bytes;
            return Err(Fault::whole(Reason::OutputLimit));
        }
        for part in [&self.measurement, &tags[0].bytes, &tags[1].bytes] {
            self.out.extend_from_slice(part);
        }
        self.out.push(b' ');
        self.fields.pop();
        self.out.extend_from_slice(&self.fields);
        if let Some(time_ns) = time_ns {
            self.out.push(b' ');
            self.out.extend_from_slice(time_ns.to_string().as_bytes());
        }
        self.out.push(b'\n');
        self.spent += self.out.len() - start;
        self.lines += 1 + memchr::memchr_iter(b'\n', &self.fields).count();
        self.clear_line();
        Ok(())
    }

    fn clear_line(&mut self) {
        self.fields.clear();
        self.field_count = 0;
    }

    fn write_number(&mut self, text: &str, suffix: &[u8]) -> Result<(), Fault> {
        let finite = || text.parse::<f64>().is_ok_and(f64::is_finite);
        if suffix.is_empty() && (text.len() > 300 || text.contains(['e', 'E'])) && !finite() {
            return Err(Fault::new(Reason::NumberRange, text));
        }
        check_length(text, text.len())?;
        self.fields.extend_from_slice(text.as_bytes());
        self.fields.extend_from_slice(suffix);
        Ok(())
    }

    fn write_string(&mut self, text: &str) -> Result<(), Fault> {
        check_length(text, text.len())?;
        self.fields.push(b'"');
        let start = self.fields.len();
        for &byte in text.as_bytes() {
            if byte == b'"' || byte == b'\\' {
                self.fields.push(b'\\');
            }
            self.fields.push(byte);
        }
        check_length(text, self.fields.len() - start)?;
        self.fields.push(b'"');
        Ok(())
    }
}

/// What makes a JSON number an integer of line protocol; nothing where it is none, or too large for one.
fn integer_suffix(text: &str) -> &'static [u8] {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() > 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        b""
    } else if text.parse::<i64>().is_ok() {
        b"i"
    } else if text.parse::<u64>().is_ok() {
        b"u"
    } else {
        b""
    }
}
