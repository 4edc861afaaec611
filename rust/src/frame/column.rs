//! Columns: what a field is called, what family of values it holds, and how a value is fitted into it.

use super::format::Format;
use crate::json;
use crate::line_protocol::{Number, Value};

/// The families of values. The first value seen under a key settles its column's, for good, but that integers
/// become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Numbers that are all integers of 64 bits so far, where the format tells them apart.
    Integer,
    /// Ints, uints and floats together.
    Number,
    /// True and false.
    Boolean,
    /// Strings.
    Text,
}

impl Family {
    /// The family of a column whose first value this is.
    pub(super) fn of(value: &Value, format: Format) -> Self {
        match value {
            Value::Number(number) if format.has_integer_columns() && number.fits_i64() => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Boolean,
            Value::Text { .. } => Self::Text,
        }
    }

    /// Whether a column of this family must become one of numbers to hold the value.
    pub(super) fn widens(self, value: &Value) -> bool {
        self == Self::Integer && matches!(value, Value::Number(number) if !number.fits_i64())
    }

    const ALL: [Self; 4] = [Self::Integer, Self::Number, Self::Boolean, Self::Text];

    /// The family of that name.
    pub(super) fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.word() == word)
    }

    /// Its name in what outlives the process.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Text => "string",
        }
    }

    /// `type` and `typeInfo` of the column, as Grafana's SDK writes them, with a comma before.
    pub(super) const fn schema(self) -> &'static [u8] {
        match self {
            Self::Integer => b",\"type\":\"number\",\"typeInfo\":{\"frame\":\"int64\",\"nullable\":true}",
            Self::Number => b",\"type\":\"number\",\"typeInfo\":{\"frame\":\"float64\",\"nullable\":true}",
            Self::Boolean => b",\"type\":\"boolean\",\"typeInfo\":{\"frame\":\"bool\",\"nullable\":true}",
            Self::Text => b",\"type\":\"string\",\"typeInfo\":{\"frame\":\"string\",\"nullable\":true}",
        }
    }
}

/// A column of one measurement; never removed, and but for [`Family::widens`] never changed.
#[derive(Debug)]
pub(super) struct Column {
    /// The field key as meant; UTF-8.
    pub(super) name: Box<[u8]>,
    /// The number of its labels in the measurement.
    pub(super) label_set: usize,
    pub(super) family: Family,
    /// Whether the name is written as it is meant, whoever writes it.
    pub(super) plain: bool,
    /// The column whose field came behind this one's the last time, in a line with the same labels: a guess.
    pub(super) next: usize,
    /// The last line that had a value for it, and where that value is: finds a key that is repeated in one
    /// line.
    pub(super) last_line: u64,
    pub(super) last_cell: usize,
}

/// A value and the column it goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    pub(super) value: Value<'a>,
    pub(super) column: usize,
}

/// A value that is not there.
pub(super) const NULL: &[u8] = b"null";

/// At most so many bytes does [`write_cell`] write, the comma behind it counted.
pub(super) fn cell_bytes(value: &Value, family: Family) -> usize {
    let bytes = match (value, family) {
        (Value::Number(number), Family::Integer | Family::Number) => number.json_bytes(),
        (Value::Number(number), Family::Text) => number.json_bytes() + 2,
        (Value::Bool(_), Family::Boolean) => 5,
        (Value::Bool(_), Family::Text) => 7,
        (Value::Text { raw, plain: true }, Family::Text) => raw.len() + 2,
        (Value::Text { raw, .. }, Family::Text) => json::protocol_string_bytes(raw),
        _ => NULL.len(),
    };
    bytes + 1
}

/// Write the value as JSON; what does not fit becomes text in a string column and null in any other. Says
/// whether it fitted.
pub(super) fn write_cell(value: &Value, family: Family, out: &mut Vec<u8>) -> bool {
    match (value, family) {
        (Value::Number(number), Family::Integer | Family::Number) => number.write_json(out),
        (Value::Bool(value), Family::Boolean) => out.extend_from_slice(bool_text(*value)),
        (Value::Text { raw, plain: true }, Family::Text) => {
            out.push(b'"');
            out.extend_from_slice(raw);
            out.push(b'"');
        }
        (Value::Text { raw, .. }, Family::Text) => json::write_protocol_string(raw, out),
        (_, Family::Text) => {
            write_as_text(value, out);
            return false;
        }
        _ => {
            out.extend_from_slice(NULL);
            return false;
        }
    }
    true
}

fn write_as_text(value: &Value, out: &mut Vec<u8>) {
    out.push(b'"');
    match value {
        Value::Number(number) => Number::write_json(number, out),
        Value::Bool(value) => out.extend_from_slice(bool_text(*value)),
        Value::Text { .. } => {}
    }
    out.push(b'"');
}

const fn bool_text(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}
