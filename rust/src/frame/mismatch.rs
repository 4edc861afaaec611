//! Values that do not fit their columns: how many there are, and a sentence about each of the first such columns.

use std::collections::HashSet;

use super::column::Family;
use super::measurement::Measurement;
use crate::line_protocol::{Excerpt, Value};

/// The longest excerpt of a column's labels in characters; escapes may make it longer.
const LABELS_CHARACTERS: usize = 48;

/// What did not fit in the frames that one push makes of one measurement.
pub(super) struct Mismatches {
    /// How many values.
    pub(super) count: usize,
    /// One for each of the first columns.
    pub(super) sentences: Vec<String>,
    max_sentences: usize,
    /// The numbers of the columns that have a sentence.
    told: HashSet<usize>,
}

impl Mismatches {
    pub(super) fn new(max_sentences: usize) -> Self {
        Self {
            count: 0,
            sentences: Vec::new(),
            max_sentences,
            told: HashSet::new(),
        }
    }

    /// Note a value that did not fit the column of that number.
    pub(super) fn note(&mut self, measurement: &Measurement, column: usize, value: &Value) {
        self.count += 1;
        if self.sentences.len() < self.max_sentences && self.told.insert(column) {
            self.sentences.push(describe(measurement, column, value));
        }
    }
}

/// Bounded, and with the sender's text escaped, as the messages about refused lines are.
fn describe(measurement: &Measurement, column: usize, value: &Value) -> String {
    let labels = match measurement.labels_of(column) {
        [] => String::new(),
        labels => format!(" of {}", labels_excerpt(labels)),
    };
    let column = &measurement.columns[column];
    let found = match value {
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Text { .. } => "text",
    };
    let (held, instead) = match column.family {
        Family::Integer | Family::Number => ("numbers", "null instead"),
        Family::Boolean => ("booleans", "null instead"),
        Family::Text => ("text", "kept as text"),
    };
    format!(
        "measurement {}, field {}{labels}: {found} where the column holds {held}; {instead}",
        Excerpt(&measurement.name),
        Excerpt(&column.name)
    )
}

/// Labels as JSON, cut; their quotes and backslashes are left as they are, to be read.
fn labels_excerpt(labels: &[u8]) -> String {
    // No character has more than four bytes: one more than is shown is there, if there are more.
    let head = String::from_utf8_lossy(&labels[..labels.len().min(4 * (LABELS_CHARACTERS + 1))]);
    let mut text = String::new();
    for (count, character) in head.chars().enumerate() {
        match character {
            _ if count == LABELS_CHARACTERS => {
                text.push('…');
                break;
            }
            '"' | '\'' | '\\' => text.push(character),
            _ => text.extend(character.escape_debug()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_and_what_acts_on_terminals_is_escaped() {
        assert_eq!(labels_excerpt(br#"{"h":"a\"'"}"#), r#"{"h":"a\"'"}"#);
        assert_eq!(
            labels_excerpt("{\u{7f}\u{85}\u{202e}é}".as_bytes()),
            r"{\u{7f}\u{85}\u{202e}é}"
        );
        for character in ["x", "é", "🦀"] {
            let whole = character.repeat(LABELS_CHARACTERS);
            assert_eq!(labels_excerpt(whole.as_bytes()), whole);
            let long = labels_excerpt(character.repeat(100_000).as_bytes());
            assert_eq!(long, whole + "…");
        }
    }
}
