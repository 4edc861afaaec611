//! What can be wrong with a line: a fixed set of reasons, a place, and a sentence for a person.

use std::fmt::{self, Display, Formatter, Write};

use crate::reasons::reasons;

reasons! {
    /// Why a line was refused. The words are labels of a metric: few, fixed, and never made from input.
    Reason;

    /// The line does not begin with a measurement name.
    MissingMeasurement = "missing_measurement",
    /// A comma after the measurement or a tag is not followed by a tag key.
    MissingTagKey = "missing_tag_key",
    /// A tag key without `=` or with nothing after it.
    MissingTagValue = "missing_tag_value",
    /// A second `=` in a tag that no backslash goes before.
    UnescapedEquals = "unescaped_equals",
    /// No field where one must stand.
    MissingField = "missing_field",
    /// A field key without `=` or with nothing after it.
    MissingValue = "missing_value",
    /// A field value that is neither number, boolean nor string.
    BadValue = "bad_value",
    /// A number that its type cannot hold.
    NumberRange = "number_range",
    /// A string that is never closed.
    OpenQuote = "open_quote",
    /// Something after a string or after the timestamp.
    UnexpectedText = "unexpected_text",
    /// A timestamp that is not an integer.
    BadTime = "bad_time",
    /// A timestamp beyond 64 bits of nanoseconds.
    TimeRange = "time_range",
    /// A control byte (tabulator, NUL, a lone carriage return, …) outside a string.
    ControlByte = "control_byte",
    /// A name, tag value or string that is not UTF-8.
    BadUtf8 = "bad_utf8",
    /// A name, tag value or string longer than a part may be.
    TooLong = "too_long",
    /// More tags than a line may have.
    TooManyTags = "too_many_tags",
    /// More fields than a line may have.
    TooManyFields = "too_many_fields",
    /// One measurement more than the stream may have.
    MeasurementLimit = "measurement_limit",
    /// The measurement's name makes a channel that is too long.
    PathLimit = "path_limit",
    /// One column more than the measurement may have.
    ColumnLimit = "column_limit",
    /// The schemas of all measurements of the stream would be too large together.
    SchemasLimit = "schemas_limit",
    /// The measurement's schema would be larger than a packet may be.
    SchemaLimit = "schema_limit",
    /// A row would be larger than a packet may be.
    RowLimit = "row_limit",
    /// The push's frames would be larger than allowed.
    OutputLimit = "output_limit",
}

impl Reason {
    /// Whether reading stopped in the middle of the line: true for a mistake in it, false for a limit of the
    /// stream, which is found when the whole line has been read.
    #[must_use]
    pub const fn is_grammatical(self) -> bool {
        !matches!(
            self,
            Self::MeasurementLimit
                | Self::PathLimit
                | Self::ColumnLimit
                | Self::SchemasLimit
                | Self::SchemaLimit
                | Self::RowLimit
                | Self::OutputLimit
        )
    }
}

/// Where in a body: physical lines and bytes of that line, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the line.
    pub line: usize,
    /// Number of the byte in the line.
    pub column: usize,
}

impl Display for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// One refused line. Its `Display` is the sentence for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// Where reading stopped.
    pub place: Place,
    /// Which rule was broken.
    pub reason: Reason,
    /// The name, value or rest of the line that the sentence is about; may be empty.
    pub subject: &'a [u8],
    /// Where the line's last multi-line string was opened: the likely culprit when its quote was forgotten.
    pub opened: Option<Place>,
}

impl Display for Fault<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        self.sentence(formatter)?;
        match self.opened {
            Some(place) => write!(
                formatter,
                " (the string before it was opened at {place}; is its quote missing?)"
            ),
            None => Ok(()),
        }
    }
}

impl Fault<'_> {
    fn sentence(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let it = Excerpt(self.subject);
        match self.reason {
            Reason::MissingMeasurement => {
                write!(to, "{it} is no measurement name; the line must begin with one")
            }
            Reason::MissingTagKey => write!(to, "a tag (key=value) must follow the comma, found {it}"),
            Reason::MissingTagValue => {
                write!(to, "tag {it} has no value; write key=value or leave the tag out")
            }
            Reason::UnescapedEquals => write!(to, "tag value holds {it}; write \\= for an equals sign"),
            Reason::MissingField => write!(to, "a field (key=value) is missing here"),
            Reason::MissingValue => write!(to, "field {it} has no value"),
            Reason::BadValue => write!(to, "{it} is no value; write 1.5, 1i, 1u, true or \"text\""),
            Reason::NumberRange => write!(to, "{it} is out of its type's range"),
            Reason::OpenQuote => write!(to, "the string opened here is never closed"),
            Reason::UnexpectedText => {
                write!(to, "unexpected {it}; fields are separated by commas, lines by LF")
            }
            Reason::BadTime => write!(to, "{it} is no timestamp; write an integer"),
            Reason::TimeRange => {
                write!(
                    to,
                    "timestamp {it} does not fit 64 bits of nanoseconds; does the precision match?"
                )
            }
            Reason::ControlByte => write!(to, "control byte in {it}; only strings may hold one"),
            Reason::BadUtf8 => write!(to, "{it} is not UTF-8"),
            Reason::TooLong => {
                write!(
                    to,
                    "{it} has {} bytes, a part may have {}",
                    self.subject.len(),
                    super::MAX_PART_BYTES
                )
            }
            Reason::TooManyTags => {
                write!(
                    to,
                    "{it} is past the {} tags that a line may have",
                    super::MAX_TAGS
                )
            }
            Reason::TooManyFields => write!(
                to,
                "{it} is past the {} fields that a line may have; write several lines",
                super::MAX_FIELDS
            ),
            Reason::MeasurementLimit => write!(
                to,
                "measurement {it} is one more than this stream may have (max_measurements)"
            ),
            Reason::PathLimit => write!(to, "measurement {it} is too long for the name of a channel"),
            Reason::ColumnLimit => write!(
                to,
                "field {it} is one more than its measurement may have (max_columns)"
            ),
            Reason::SchemasLimit => write!(
                to,
                "{it} makes the schemas of this stream larger than they may be together (schemas_bytes)"
            ),
            Reason::SchemaLimit => write!(
                to,
                "field {it} makes the schema of its measurement larger than a packet may be (packet_bytes); \
                 use fewer or shorter field names"
            ),
            Reason::RowLimit => write!(
                to,
                "with this line a row becomes larger than a packet may be (packet_bytes); \
                 send shorter strings, or fewer fields in one measurement"
            ),
            Reason::OutputLimit => write!(
                to,
                "the frames of this push are as large as they may be (output_bytes); send less at once"
            ),
        }
    }
}

/// The longest excerpt in characters of the sender; escapes may make it longer.
const EXCERPT_CHARACTERS: usize = 48;

/// A sender's bytes made fit for a message: quoted, escaped, cut to a bounded length.
#[derive(Clone, Copy)]
pub struct Excerpt<'a>(pub &'a [u8]);

impl Display for Excerpt<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("nothing");
        }
        // No character has more than four bytes: what is looked at is bounded, however long the text.
        let head = &self.0[..self.0.len().min(4 * EXCERPT_CHARACTERS)];
        formatter.write_char('"')?;
        let mut characters = 0;
        let mut bytes = 0;
        for chunk in head.utf8_chunks() {
            for character in chunk.valid().chars() {
                if characters == EXCERPT_CHARACTERS {
                    return formatter.write_str("…\"");
                }
                characters += 1;
                bytes += character.len_utf8();
                write!(formatter, "{}", character.escape_debug())?;
            }
            for byte in chunk.invalid() {
                if characters == EXCERPT_CHARACTERS || bytes + 4 > 4 * EXCERPT_CHARACTERS {
                    return formatter.write_str("…\"");
                }
                characters += 1;
                bytes += 1;
                write!(formatter, "\\x{byte:02x}")?;
            }
        }
        formatter.write_str(if bytes < self.0.len() { "…\"" } else { "\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_distinct_snake_case() {
        let words: HashSet<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for word in words {
            assert!(
                word.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
        }
    }

    #[test]
    fn excerpts_are_escaped_and_cut() {
        assert_eq!(Excerpt(b"a\nb\xff\"").to_string(), "\"a\\nb\\xff\\\"\"");
        assert_eq!(Excerpt(b"").to_string(), "nothing");
        let long = Excerpt(&b"x".repeat(100_000)).to_string();
        assert_eq!(long.chars().count(), EXCERPT_CHARACTERS + 3);
        let wide = "é".repeat(EXCERPT_CHARACTERS);
        assert_eq!(Excerpt(wide.as_bytes()).to_string(), format!("\"{wide}\""));
    }
}
