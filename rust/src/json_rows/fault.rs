//! What can be wrong with a row of JSON: a fixed set of reasons, and a sentence for a person.

use std::fmt::{self, Display, Formatter};

use super::line::MAX_LINE_BYTES;
use crate::line_protocol::{Excerpt, MAX_FIELDS, MAX_PART_BYTES, MAX_TAGS};
use crate::reasons::reasons;

reasons! {
    /// Why a row was refused. Those that line protocol has too mean the same there.
    Reason;

    /// A line of newline-delimited JSON that is none.
    BadJson = "bad_json",
    /// An element that is neither an object nor a data frame.
    NotAnObject = "not_an_object",
    /// A data frame that does not hold together.
    BadFrame = "bad_frame",
    /// Not one value that could be stored.
    MissingField = "missing_field",
    /// An empty name, or one that ends in a backslash.
    BadName = "bad_name",
    /// A control byte in a name or label.
    ControlByte = "control_byte",
    /// A string that names half a character.
    BadUtf8 = "bad_utf8",
    /// A cell of labels that cannot be told apart.
    BadLabels = "bad_labels",
    /// A time that is none.
    BadTime = "bad_time",
    /// A time beyond 64 bits of nanoseconds.
    TimeRange = "time_range",
    /// A number that no 64-bit float can hold.
    NumberRange = "number_range",
    /// A name, label or string longer than a part may be.
    TooLong = "too_long",
    /// More labels than a row may have.
    TooManyTags = "too_many_tags",
    /// More values than a row may have.
    TooManyFields = "too_many_fields",
    /// A row that is too large for any packet.
    RowLimit = "row_limit",
    /// The rows of one body are larger than allowed.
    OutputLimit = "json_limit",
}

/// Why a row was refused, and the part of it that is to blame. Its `Display` is the sentence for the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    subject: String,
}

/// Enough for any excerpt.
const SUBJECT_BYTES: usize = 256;

impl Fault {
    /// `subject` is cut: rows without number may be refused, and each is described only if there is room.
    pub(super) fn new(reason: Reason, subject: &str) -> Self {
        let fits = |&(at, _): &(usize, char)| at < SUBJECT_BYTES;
        let subject = subject
            .char_indices()
            .take_while(fits)
            .map(|(_, character)| character)
            .collect();
        Self { reason, subject }
    }

    /// Whatever is not about a part of the row.
    pub(super) fn whole(reason: Reason) -> Self {
        Self::new(reason, "")
    }
}

impl Display for Fault {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let it = Excerpt(self.subject.as_bytes());
        match self.reason {
            Reason::BadJson | Reason::BadFrame => to.write_str(&self.subject),
            Reason::NotAnObject => write!(to, "{it} is neither an object nor a data frame"),
            Reason::MissingField => {
                to.write_str("nothing to store: every value is null, a label or the time")
            }
            Reason::BadName => write!(
                to,
                "{it} cannot be a name or label: it must not be empty or end in a backslash; rename it, or \
                 leave it out of ?tags="
            ),
            Reason::ControlByte => write!(
                to,
                "control byte in {it}; only strings that are values may hold one"
            ),
            Reason::BadUtf8 => write!(to, "{it} names half a character; write surrogates in pairs"),
            Reason::BadLabels => write!(
                to,
                "{it} are no labels; write k1=v1, k2=v2 or {{k1=\"v1\", k2=\"v2\"}}"
            ),
            Reason::BadTime => write!(
                to,
                "{it} is no time; write a number, or RFC 3339 with Z or an offset (2026-01-31T12:00:00Z); \
                 ?time= names another key, and with nothing behind it none"
            ),
            Reason::TimeRange => write!(
                to,
                "time {it} does not fit 64 bits of nanoseconds; does the precision match?"
            ),
            Reason::NumberRange => write!(to, "{it} is out of a 64-bit float's range"),
            Reason::TooLong => write!(
                to,
                "{it} has more than the {MAX_PART_BYTES} bytes a part may have"
            ),
            Reason::TooManyTags => write!(to, "{it} is past the {MAX_TAGS} labels that a row may have"),
            Reason::TooManyFields => write!(to, "{it} is past the {MAX_FIELDS} values that a row may have"),
            Reason::RowLimit => write!(
                to,
                "the row has more than {MAX_LINE_BYTES} bytes as line protocol; send several rows"
            ),
            Reason::OutputLimit => to.write_str(
                "the rows of this body are as large as line protocol as they may be \
                 (push.json_lines_bytes); send fewer at once",
            ),
        }
    }
}
