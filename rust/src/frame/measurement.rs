//! A measurement of a stream: its sticky columns, and the schema that tells subscribers of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::column::{Cell, Column, Family};
use super::key_hash::KeyHashes;
use crate::json;
use crate::line_protocol::Field;

/// Lives as long as its stream. Columns are only ever appended.
pub(super) struct Measurement {
    /// As meant; UTF-8.
    pub(super) name: Box<[u8]>,
    /// The name as the last part of its channel.
    pub(super) path: Arc<str>,
    pub(super) columns: Vec<Column>,
    /// From a field key as meant to its column.
    numbers: HashMap<Box<[u8]>, usize, KeyHashes>,
    /// What the schema takes at most.
    schema_bytes: usize,
    /// How many columns the last schema that was sent had.
    announced: Option<usize>,
}

impl Measurement {
    pub(super) fn new(name: &[u8], path: &str, hashes: KeyHashes) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            columns: Vec::new(),
            numbers: HashMap::with_hasher(hashes),
            schema_bytes: 2 * name.len() + 192,
            announced: None,
        }
    }

    /// Append a cell for each field that has a column; put the others into `unknown`. A key that is repeated
    /// keeps its first place and its last value. `line` must differ from call to call.
    pub(super) fn place<'a>(
        &mut self,
        line: u64,
        fields: &[Field<'a>],
        cells: &mut Vec<Cell<'a>>,
        unknown: &mut Vec<Field<'a>>,
    ) {
        for field in fields {
            let Some(number) = self.find(field) else {
                unknown.push(*field);
                continue;
            };
            let column = &mut self.columns[number];
            if column.last_line == line {
                cells[column.last_cell].value = field.value;
            } else {
                column.last_line = line;
                column.last_cell = cells.len();
                cells.push(Cell {
                    value: field.value,
                    column: number,
                });
            }
        }
    }

    fn find(&self, field: &Field) -> Option<usize> {
        self.numbers.get(&*field.key.text()).copied()
    }

    /// Append a column; returns its number.
    pub(super) fn add_column(&mut self, name: &[u8], family: Family) -> usize {
        let number = self.columns.len();
        self.schema_bytes += column_schema_bytes(name);
        self.columns.push(Column {
            name: name.into(),
            family,
            last_line: 0,
            last_cell: 0,
        });
        self.numbers.insert(name.into(), number);
        number
    }

    /// What the schema would take at most with the columns of these fields.
    pub(super) fn schema_bytes_with(&self, new_columns: &[Field]) -> usize {
        self.schema_bytes
            + new_columns
                .iter()
                .map(|field| column_schema_bytes(field.key.raw))
                .sum::<usize>()
    }

    /// The first of these columns that would bring the schema past `max_bytes`.
    pub(super) fn first_column_past<'f, 'a>(
        &self,
        max_bytes: usize,
        new_columns: &'f [Field<'a>],
    ) -> Option<&'f Field<'a>> {
        let mut bytes = self.schema_bytes;
        new_columns.iter().find(|field| {
            bytes += column_schema_bytes(field.key.raw);
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
        out.extend_from_slice(
            b",\"fields\":[{\"name\":\"labels\",\"type\":\"string\",\"typeInfo\":{\"frame\":\"string\"}},\
              {\"name\":\"time\",\"type\":\"time\",\"typeInfo\":{\"frame\":\"time.Time\"}}",
        );
        for column in &self.columns {
            out.extend_from_slice(b",{\"name\":");
            json::write_string(&column.name, &mut out);
            out.extend_from_slice(column.family.schema());
        }
        out.extend_from_slice(b"]}");
        Some(out)
    }
}

/// At most so many bytes does a column add to the schema.
fn column_schema_bytes(name: &[u8]) -> usize {
    // Keys hold no control bytes: an escape at most doubles them. The rest is the longest of
    // `Family::schema`.
    2 * name.len() + 96
}
