//! A measurement of a stream: its sticky columns, and the schema that tells subscribers of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::column::{Cell, Column, Family};
use super::columns_text;
use super::format::Format;
use super::key_hash::KeyHashes;
use super::label_set::LabelSet;
use super::labels::Labels;
use super::placing::Placing;
use super::rows::Row;
use crate::json;
use crate::line_protocol::Field;

/// Lives as long as its stream. Columns are only ever appended, and widened from integers to numbers.
pub(super) struct Measurement {
    /// As meant; UTF-8.
    pub(super) name: Box<[u8]>,
    /// The name as the last part of its channel.
    pub(super) path: Arc<str>,
    pub(super) format: Format,
    pub(super) columns: Vec<Column>,
    /// Only the last may be without columns, and only while a line is being taken.
    pub(super) label_sets: Vec<LabelSet>,
    /// From labels as JSON to their set; empty where labels are a column.
    label_set_numbers: HashMap<Arc<[u8]>, usize, KeyHashes>,
    hashes: KeyHashes,
    /// What the schema takes at most.
    schema_bytes: usize,
    /// How many columns the last schema that was sent had; `None` also when one of them changed since.
    announced: Option<usize>,
    /// The time of the newest row so far.
    newest_ns: Option<i64>,
}

impl Measurement {
    pub(super) fn new(format: Format, name: &[u8], path: &str, hashes: KeyHashes) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            format,
            columns: Vec::new(),
            label_sets: Vec::new(),
            label_set_numbers: HashMap::with_hasher(hashes.clone()),
            hashes,
            schema_bytes: 2 * name.len() + 192,
            announced: None,
            newest_ns: None,
        }
    }

    /// The set of these labels, whose JSON is `object`; `None` if it is new. A labels column has one for all.
    pub(super) fn find_label_set(&self, object: &[u8]) -> Option<usize> {
        if self.format.has_labels_column() {
            return (!self.label_sets.is_empty()).then_some(0);
        }
        self.label_set_numbers.get(object).copied()
    }

    /// Add a set without columns; returns its number.
    pub(super) fn add_label_set(&mut self, labels: &Labels, object: &Arc<[u8]>) -> usize {
        let number = self.label_sets.len();
        let hashes = self.hashes.clone();
        self.label_sets
            .push(LabelSet::new(self.format, labels, Arc::clone(object), hashes));
        if !self.format.has_labels_column() {
            self.label_set_numbers.insert(Arc::clone(object), number);
        }
        number
    }

    /// Undo `add_label_set` after a line that was refused.
    pub(super) fn remove_last_label_set(&mut self, object: &[u8]) {
        self.label_sets.pop();
        self.label_set_numbers.remove(object);
    }

    /// Where the fields of a line with these labels go. `line` must differ from line to line.
    pub(super) fn placing<'p, 'a>(
        &'p mut self,
        line: u64,
        label_set: usize,
        cells: &'p mut Vec<Cell<'a>>,
        unknown: &'p mut Vec<Field<'a>>,
    ) -> Placing<'p, 'a> {
        let set = &mut self.label_sets[label_set];
        Placing::new(line, (label_set, set), &mut self.columns, cells, unknown)
    }

    /// Append a column; returns its number.
    pub(super) fn add_column(&mut self, label_set: usize, name: &[u8], family: Family) -> usize {
        let number = self.columns.len();
        let set = &mut self.label_sets[label_set];
        self.schema_bytes += set.column_bytes(self.format, name);
        set.numbers.insert(name.into(), number);
        self.columns.push(Column {
            name: name.into(),
            label_set,
            family,
            plain: !name.iter().any(|byte| b",= \\".contains(byte)),
            next: number + 1,
            last_line: 0,
            last_cell: 0,
        });
        number
    }

    /// Make numbers of the integer columns that these cells need it of.
    pub(super) fn widen(&mut self, cells: &[Cell]) {
        for cell in cells {
            let family = &mut self.columns[cell.column].family;
            if family.widens(&cell.value) {
                *family = Family::Number;
                self.announced = None;
            }
        }
    }

    /// The labels of the column of that number as JSON; nothing where labels are a column.
    pub(super) fn labels_of(&self, column: usize) -> &[u8] {
        self.label_sets[self.columns[column].label_set].labels()
    }

    /// How many rows of a push are older than the newest row before it; its own count from the next push on.
    /// They must be in time order.
    pub(super) fn count_late(&mut self, rows: &[Row]) -> usize {
        let newest_ns = self.newest_ns;
        self.newest_ns = newest_ns.max(rows.last().map(|row| row.time_ns));
        let late = rows
            .iter()
            .take_while(|row| newest_ns.is_some_and(|newest| row.time_ns < newest));
        late.filter(|row| row.opens).count()
    }

    /// Whether these labels have a column of that name.
    pub(super) fn has_column(&self, label_set: usize, name: &[u8]) -> bool {
        self.label_sets[label_set].numbers.contains_key(name)
    }

    /// What the schema takes at most.
    pub(super) fn schema_bytes(&self) -> usize {
        self.schema_bytes
    }

    /// All columns as text.
    pub(super) fn columns_text(&self) -> Vec<u8> {
        let text = columns_text::write(self.format, &self.name, &self.label_sets, &self.columns);
        debug_assert!(text.len() <= self.schema_bytes);
        text
    }

    /// What the schema would take at most with the columns of these fields.
    pub(super) fn schema_bytes_with(&self, label_set: usize, new_columns: &[Field]) -> usize {
        let set = &self.label_sets[label_set];
        self.schema_bytes
            + new_columns
                .iter()
                .map(|field| set.column_bytes(self.format, field.key.raw))
                .sum::<usize>()
    }

    /// The first of these columns that would bring the schema past `max_bytes`.
    pub(super) fn first_column_past<'f, 'a>(
        &self,
        max_bytes: usize,
        label_set: usize,
        new_columns: &'f [Field<'a>],
    ) -> Option<&'f Field<'a>> {
        let set = &self.label_sets[label_set];
        let mut bytes = self.schema_bytes;
        new_columns.iter().find(|field| {
            bytes += set.column_bytes(self.format, field.key.raw);
            bytes > max_bytes
        })
    }

    /// The whole schema if subscribers do not know it yet; from now on they do.
    pub(super) fn take_schema(&mut self) -> Option<Vec<u8>> {
        if self.announced == Some(self.columns.len()) {
            return None;
        }
        self.announced = Some(self.columns.len());
        let mut out = b"{\"name\":".to_vec();
        json::write_string(&self.name, &mut out);
        out.extend_from_slice(b",\"fields\":[");
        out.extend_from_slice(self.format.leading_schema());
        for column in &self.columns {
            let set = &self.label_sets[column.label_set];
            set.write_column(self.format, &column.name, column.family, &mut out);
        }
        out.extend_from_slice(b"]}");
        Some(out)
    }
}
