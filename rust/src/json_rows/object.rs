//! One object, one row: every value a field, unless its key is named as a label or as the time.

use std::collections::HashSet;

use super::fault::{Fault, Reason};
use super::line::{LineWriter, Scalar, TagText, write_name};
use super::text::{Members, Value, unquote};
use super::time;
use crate::line_protocol::Precision;

/// Objects inside objects are taken apart so deep; what lies deeper stays JSON text, as arrays do.
///
/// Each level is read once more on the way down, so this also bounds how often a byte is looked at.
const MAX_DEPTH: usize = 16;

/// White space of JSON that no label can hold.
const LINE_BREAKS: [char; 3] = ['\n', '\r', '\t'];

/// Which key holds the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeKey {
    /// `time`, or without it `timestamp`; a row with neither has none.
    Usual,
    /// None.
    Nothing,
    /// This one, in every row.
    Named(String),
}

impl TimeKey {
    /// The keys that may hold it, the first before the second.
    fn keys(&self) -> [Option<&str>; 2] {
        match self {
            Self::Usual => [Some("time"), Some("timestamp")],
            Self::Nothing => [None, None],
            Self::Named(key) => [Some(key), None],
        }
    }
}

/// What the keys of a row mean.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which holds the time.
    pub time: TimeKey,
    /// Of a time that is a number.
    pub precision: Precision,
    /// Which are labels.
    pub tags: HashSet<String>,
}

/// Writes rows from objects; its memory is used again for each.
pub(super) struct ObjectRows<'r, 'a> {
    rules: &'r Rules,
    tags: TagText,
    /// The keys that lead to the present value, joined by dots, and the same as line protocol.
    key: String,
    spelled: Vec<u8>,
    /// What the keys of the time held.
    times: [Option<&'a str>; 2],
}

impl<'r, 'a> ObjectRows<'r, 'a> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            tags: TagText::default(),
            key: String::new(),
            spelled: Vec::new(),
            times: [None; 2],
        }
    }

    pub(super) fn write(&mut self, object: &'a str, writer: &mut LineWriter) -> Result<(), Fault> {
        self.tags.clear();
        self.key.clear();
        self.times = [None; 2];
        self.write_members(object, 1, writer)?;
        let time_ns = self.settle_time(writer)?;
        writer.end_line([&self.tags, &TagText::default()], time_ns)
    }

    fn write_members(&mut self, object: &'a str, depth: usize, writer: &mut LineWriter) -> Result<(), Fault> {
        let outer = self.key.len();
        for (key, value) in Members::of(object).into_iter().flatten() {
            if outer > 0 {
                self.key.push('.');
            }
            let name = unquote(key).ok_or_else(|| Fault::new(Reason::BadUtf8, key))?;
            self.key.push_str(&name);
            match Value::of(value) {
                Value::Object(inner) if depth < MAX_DEPTH => self.write_members(inner, depth + 1, writer)?,
                Value::Null => {}
                _ => self.write_leaf(value, writer)?,
            }
            self.key.truncate(outer);
        }
        Ok(())
    }

    fn write_leaf(&mut self, text: &'a str, writer: &mut LineWriter) -> Result<(), Fault> {
        let keys = self.rules.time.keys();
        if let Some(at) = keys.iter().position(|key| *key == Some(self.key.as_str())) {
            self.times[at] = Some(text);
            return Ok(());
        }
        if !self.rules.tags.is_empty() {
            // An empty tag leaves nothing, but its key, which may be long, was looked for.
            writer.spend(self.key.len())?;
            if self.rules.tags.contains(&self.key) {
                return write_tag(&mut self.tags, &self.key, text);
            }
        }
        self.spelled.clear();
        write_name(&self.key, &mut self.spelled)?;
        write_field(&self.spelled, text, writer)
    }

    /// The row's time; a `timestamp` beside a `time` is a field like any other.
    fn settle_time(&mut self, writer: &mut LineWriter) -> Result<Option<i64>, Fault> {
        let text = match (&self.rules.time, self.times) {
            (TimeKey::Named(key), [None, _]) => {
                let missing = format!("null or nothing under the key {key}");
                return Err(Fault::new(Reason::BadTime, &missing));
            }
            (_, [Some(text), beside]) => {
                if let Some(beside) = beside {
                    write_field(b"timestamp", beside, writer)?;
                }
                text
            }
            (_, [None, Some(text)]) => text,
            _ => return Ok(None),
        };
        time::parse(text, self.rules.precision).map(Some)
    }
}

/// Add a value that is not null as a label; what is no string as its JSON text, on one line.
pub(super) fn write_tag(tags: &mut TagText, key: &str, text: &str) -> Result<(), Fault> {
    match Value::of(text) {
        Value::Text(quoted) => {
            let value = unquote(quoted).ok_or_else(|| Fault::new(Reason::BadUtf8, quoted))?;
            tags.push(key, &value)
        }
        // Between the parts of JSON a line may break, in a label it may not. Within its strings there are no such bytes.
        _ if text.contains(LINE_BREAKS) => tags.push(key, &text.replace(LINE_BREAKS, "")),
        _ => tags.push(key, text),
    }
}

/// Add a value that is not null as a field; arrays and objects as their JSON text.
pub(super) fn write_field(key: &[u8], text: &str, writer: &mut LineWriter) -> Result<(), Fault> {
    match Value::of(text) {
        Value::Null => Ok(()),
        Value::Bool(value) => writer.field(key, Scalar::Bool(value)),
        Value::Number(text) => writer.field(key, Scalar::Number(text)),
        Value::Array(text) | Value::Object(text) => writer.field(key, Scalar::Text(text)),
        Value::Text(quoted) => {
            let value = unquote(quoted).ok_or_else(|| Fault::new(Reason::BadUtf8, quoted))?;
            writer.field(key, Scalar::Text(&value))
        }
    }
}
