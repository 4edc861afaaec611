//! The rows of a push while its body is being read: compact, and borrowing all text from the body.

use std::collections::HashMap;
use std::sync::Arc;

use super::column::Cell;
use super::format::Format;
use super::key_hash::KeyHashes;
use super::measurement::Measurement;
use super::packet::{NULL_BYTES, frame_bytes};
use crate::line_protocol::Field;

/// The rows of one push that belong to one measurement, in the order of the body. Where lines share a row, each
/// stays an entry of its own, and the first opens the row. With a labels column that is settled once all are
/// read ([`super::points`]), and each counts as a row until then.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) rows: Vec<Row>,
    pub(super) cells: Vec<Cell<'a>>,
    /// How many entries open a row.
    row_count: usize,
    /// The bytes of each row by its time; empty where no lines share one.
    shared: HashMap<i64, usize, KeyHashes>,
    /// The sum of the rows' bytes.
    row_bytes: usize,
    /// The most that one of them has.
    largest_row: usize,
    /// What the batch as one frame takes at most.
    pub(super) output_bytes: usize,
    /// Whether a column came with it, so that the frame must carry the schema.
    pub(super) grew: bool,
}

/// One accepted line: a row, or a part of one.
pub(super) struct Row {
    pub(super) time_ns: i64,
    /// Whether a row of the frame begins with it. In a packet the others of that row follow it.
    pub(super) opens: bool,
    /// The `labels` cell as JSON, where there is such a column.
    pub(super) labels: Arc<[u8]>,
    /// Its cells in the batch.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What it adds to a frame, at most, beyond [`NULL_BYTES`] for every column.
    pub(super) bytes: usize,
}

impl Batch<'_> {
    /// What is there of the row that a line of this time belongs to; `None` if it opens one.
    pub(super) fn shared_row(&self, format: Format, time_ns: i64) -> Option<usize> {
        if format.has_labels_column() {
            return None;
        }
        self.shared.get(&time_ns).copied()
    }

    /// `whole` is what the row has with this part of it.
    pub(super) fn push(&mut self, format: Format, row: Row, whole: usize) {
        self.row_bytes += row.bytes;
        self.largest_row = self.largest_row.max(whole);
        self.row_count += usize::from(row.opens);
        if !format.has_labels_column() {
            self.shared.insert(row.time_ns, whole);
        }
        self.rows.push(row);
    }

    /// What the largest row would take at most as a packet that has no schema, if there were a row of so many
    /// bytes and so many columns: they make the rows before it larger too.
    pub(super) fn largest_packet(&self, columns: usize, whole: usize) -> usize {
        frame_bytes(columns) + NULL_BYTES * columns + whole.max(self.largest_row)
    }

    /// What the batch would take at most with one entry and these columns more. A column costs a null in every
    /// row of the batch that came before it.
    pub(super) fn grown(
        &self,
        measurement: &Measurement,
        label_set: usize,
        new_columns: &[Field],
        row: &Row,
    ) -> usize {
        let columns = measurement.columns.len() + new_columns.len();
        let rows = self.row_count + usize::from(row.opens);
        let schema = if self.grew || !new_columns.is_empty() {
            measurement.schema_bytes_with(label_set, new_columns)
        } else {
            0
        };
        frame_bytes(columns) + schema + self.row_bytes + row.bytes + NULL_BYTES * columns * rows
    }
}
