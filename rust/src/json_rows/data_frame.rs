//! One data frame: a row of it is a line for each set of labels that its columns have.

use std::borrow::Cow;
use std::collections::HashMap;

use super::fault::{Fault, Reason};
use super::labels;
use super::line::{LineWriter, Scalar, TagText, write_name};
use super::object::{Rules, write_field, write_tag};
use super::text::{Elements, Members, Value, find_member, unquote};
use super::time;
use crate::frame::Labels;
use crate::line_protocol::{MAX_FIELDS, Precision};

/// What a column is for.
enum Role {
    /// The row's time; with the remainders of its milliseconds, if there are any.
    Time,
    /// Labels as our `labels_column` frames have them.
    Labels,
    /// A label, by this key.
    Tag(String),
    /// A field, by its key as line protocol; `float` as in `Declared`.
    Field { key: Vec<u8>, float: bool },
}

struct Column<'a> {
    role: Role,
    cells: Elements<'a>,
}

/// A frame that holds together, its rows not read yet.
pub(super) struct DataFrame<'a> {
    columns: Vec<Column<'a>>,
    nanos: Option<Elements<'a>>,
    label_sets: Vec<LabelSet>,
    row_tags: TagText,
    /// Of the present row, as many as columns.
    cells: Vec<&'a str>,
}

/// The columns that share their labels: a line of each row.
struct LabelSet {
    tags: TagText,
    columns: Vec<usize>,
}

/// Whether an object is meant as a data frame: a schema that lists fields, or data that lists columns.
pub(super) fn is_frame(object: &str) -> bool {
    let lists = |part: &str, list: &str| {
        let inner = find_member(object, part).and_then(|part| find_member(part, list));
        inner.is_some_and(|inner| inner.starts_with('['))
    };
    // Most objects hold neither word, and are told by one quick look.
    let holds = |word: &str| memchr::memmem::find(object.as_bytes(), word.as_bytes()).is_some();
    (holds("\"schema\"") && lists("schema", "fields")) || (holds("\"data\"") && lists("data", "values"))
}

/// What a frame's schema says of one field.
struct Declared<'a> {
    name: Cow<'a, str>,
    kind: Cow<'a, str>,
    /// Whether its numbers are floats, however they are written.
    float: bool,
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    display: Option<Cow<'a, str>>,
}

fn bad(message: &str) -> Fault {
    Fault::new(Reason::BadFrame, message)
}

fn text_of<'a>(object: &'a str, member: &str) -> Option<Cow<'a, str>> {
    find_member(object, member).and_then(unquote)
}

impl<'a> Declared<'a> {
    fn read(field: &'a str, number: usize) -> Result<Self, Fault> {
        if Members::of(field).is_none() {
            return Err(bad(&format!("the frame's field {number} is no object")));
        }
        let labels = find_member(field, "labels").unwrap_or_default();
        let pairs = Members::of(labels).into_iter().flatten();
        let pairs = pairs.map(|(key, value)| Some((unquote(key)?, unquote(value)?)));
        let labels = pairs
            .collect::<Option<_>>()
            .ok_or_else(|| bad(&format!("a label of the frame's field {number} is no string")))?;
        let info = find_member(field, "typeInfo").unwrap_or_default();
        Ok(Self {
            name: text_of(field, "name").unwrap_or_default(),
            kind: text_of(field, "type").unwrap_or_default(),
            float: text_of(info, "frame").is_some_and(|kind| kind.starts_with("float")),
            labels,
            display: find_member(field, "config").and_then(|config| text_of(config, "displayNameFromDS")),
        })
    }

    fn role(&self, at: usize, rules: &Rules, label_sets: &mut LabelSets) -> Result<Role, Fault> {
        if at == 0 && self.name == "labels" && self.kind == "string" && self.labels.is_empty() {
            return Ok(Role::Labels);
        }
        if rules.tags.contains(&*self.name) {
            return Ok(Role::Tag(self.name.clone().into_owned()));
        }
        let pairs = self
            .labels
            .iter()
            .map(|(key, value)| (key.as_bytes(), value.as_bytes()));
        let labels = Labels::of_pairs(pairs);
        let mut key = Vec::new();
        write_name(
            labels::field_key(&self.name, self.display.as_deref(), &labels),
            &mut key,
        )?;
        label_sets.add_column(at, &self.labels)?;
        let float = self.float;
        Ok(Role::Field { key, float })
    }
}

#[derive(Default)]
struct LabelSets {
    all: Vec<LabelSet>,
    numbers: HashMap<Vec<u8>, usize>,
}

impl LabelSets {
    fn add_column(&mut self, column: usize, labels: &[(Cow<str>, Cow<str>)]) -> Result<(), Fault> {
        let mut sorted: Vec<_> = labels.iter().collect();
        sorted.sort_unstable();
        let mut tags = TagText::default();
        for (key, value) in sorted {
            tags.push(key, value)?;
        }
        let next = self.all.len();
        let number = *self.numbers.entry(tags.bytes.clone()).or_insert(next);
        if number == next {
            self.all.push(LabelSet {
                tags,
                columns: Vec::new(),
            });
        }
        self.all[number].columns.push(column);
        Ok(())
    }
}

impl<'a> DataFrame<'a> {
    pub(super) fn read(frame: &'a str, rules: &Rules) -> Result<Self, Fault> {
        let schema = find_member(frame, "schema").unwrap_or_default();
        let fields = find_member(schema, "fields").and_then(Elements::of).ok_or_else(|| {
            bad("the frame has no schema.fields; send the schema with every frame, not only with the first")
        })?;
        let data = find_member(frame, "data").unwrap_or("{}");
        // A schema alone is a frame without rows.
        let mut values = Elements::of(find_member(data, "values").unwrap_or("[]"))
            .ok_or_else(|| bad("the frame's data.values is no array"))?;
        let mut nanos = find_member(data, "nanos").and_then(Elements::of);
        let mut this = Self {
            columns: Vec::new(),
            nanos: None,
            label_sets: Vec::new(),
            row_tags: TagText::default(),
            cells: Vec::new(),
        };
        let mut label_sets = LabelSets::default();
        let mut timed = false;
        for (at, field) in fields.enumerate() {
            if at == MAX_FIELDS {
                return Err(Fault::new(Reason::TooManyFields, field));
            }
            let declared = Declared::read(field, at + 1)?;
            let remainders = nanos.as_mut().and_then(Iterator::next);
            let cells = values.next();
            let role = if declared.kind == "time" && !timed {
                timed = true;
                this.nanos = remainders.and_then(Elements::of);
                Role::Time
            } else {
                declared.role(at, rules, &mut label_sets)?
            };
            let cells = Elements::of(cells.unwrap_or("[]"))
                .ok_or_else(|| bad(&format!("the frame's data.values[{at}] is no array")))?;
            this.columns.push(Column { role, cells });
        }
        if values.next().is_some() {
            return Err(bad(
                "the frame has more columns in data.values than fields in its schema",
            ));
        }
        this.label_sets = label_sets.all;
        Ok(this)
    }

    /// Go to the next row; false when there is none.
    ///
    /// # Errors
    /// A column has ended before the others; there is no further row.
    pub(super) fn next_row(&mut self) -> Result<bool, Fault> {
        self.cells.clear();
        for column in &mut self.columns {
            self.cells.extend(column.cells.next());
        }
        if self.cells.len() == self.columns.len() || self.cells.is_empty() {
            return Ok(!self.cells.is_empty());
        }
        Err(bad(
            "the frame's columns are of different lengths; this row and all behind it are refused",
        ))
    }

    /// Write the present row's lines.
    pub(super) fn write_row(&mut self, writer: &mut LineWriter) -> Result<(), Fault> {
        self.row_tags.clear();
        let remainder = self.nanos.as_mut().and_then(Iterator::next);
        let mut time_ns = None;
        for (column, cell) in self.columns.iter().zip(&self.cells) {
            match &column.role {
                Role::Time => time_ns = Some(read_time(cell, remainder)?),
                Role::Labels => write_labels(&mut self.row_tags, cell)?,
                Role::Tag(key) if Value::of(cell) != Value::Null => {
                    write_tag(&mut self.row_tags, key, cell)?;
                }
                _ => {}
            }
        }
        for LabelSet { tags, columns } in &self.label_sets {
            for &at in columns {
                self.columns[at].role.write(self.cells[at], writer)?;
            }
            writer.end_line([tags, &self.row_tags], time_ns)?;
        }
        Ok(())
    }
}

impl Role {
    /// Add a field's cell to the present line.
    fn write(&self, cell: &str, writer: &mut LineWriter) -> Result<(), Fault> {
        match (self, Value::of(cell)) {
            (Self::Field { key, float: true }, Value::Number(text)) => writer.field(key, Scalar::Float(text)),
            (Self::Field { key, .. }, _) => write_field(key, cell, writer),
            _ => Ok(()),
        }
    }
}

fn write_labels(tags: &mut TagText, cell: &str) -> Result<(), Fault> {
    if Value::of(cell) == Value::Null {
        return Ok(());
    }
    let refuse = || Fault::new(Reason::BadLabels, cell);
    let text = unquote(cell).ok_or_else(refuse)?;
    for (key, value) in labels::read_cell(&text).ok_or_else(refuse)? {
        tags.push(&key, &value)?;
    }
    Ok(())
}

fn read_time(cell: &str, remainder: Option<&str>) -> Result<i64, Fault> {
    let rest: i128 = match remainder.map(Value::of) {
        None | Some(Value::Null) => 0,
        Some(Value::Number(text)) => text.parse().map_err(|_| Fault::new(Reason::BadTime, text))?,
        Some(_) => return Err(bad("the frame's data.nanos holds something else than numbers")),
    };
    let milliseconds = time::parse_wide(cell, Precision::Milliseconds)?;
    time::narrow(milliseconds.saturating_add(rest), cell)
}
