//! The rows of a push while its body is being read: compact, and borrowing all text from the body.

use std::sync::Arc;

use super::column::Cell;
use super::measurement::Measurement;
use super::packet::{NULL_BYTES, frame_bytes};
use crate::line_protocol::Field;

/// The rows of one push that belong to one measurement, in the order of the body.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) rows: Vec<Row>,
    pub(super) cells: Vec<Cell<'a>>,
    /// The sum of the rows' bytes.
    row_bytes: usize,
    /// The most that one of them has.
    largest_row: usize,
    /// What the batch as one frame takes at most.
    pub(super) output_bytes: usize,
    /// Whether a column came with it, so that the frame must carry the schema.
    pub(super) grew: bool,
}

/// One accepted line.
pub(super) struct Row {
    pub(super) time_ns: i64,
    /// The `labels` cell as JSON.
    pub(super) labels: Arc<[u8]>,
    /// Its cells in the batch.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What it adds to a frame, at most, beyond [`NULL_BYTES`] for every column.
    pub(super) bytes: usize,
}

impl Batch<'_> {
    pub(super) fn push(&mut self, row: Row) {
        self.row_bytes += row.bytes;
        self.largest_row = self.largest_row.max(row.bytes);
        self.rows.push(row);
    }

    /// What the largest row would take at most as a packet that has no schema, if there were one row more and
    /// so many columns: they make the rows before it larger too.
    pub(super) fn largest_packet(&self, columns: usize, row: &Row) -> usize {
        frame_bytes(columns) + NULL_BYTES * columns + row.bytes.max(self.largest_row)
    }

    /// What the batch would take at most with one row and these columns more. A column costs a null in every
    /// row of the batch that came before it.
    pub(super) fn grown(&mut self, measurement: &Measurement, new_columns: &[Field], row: &Row) -> usize {
        let columns = measurement.columns.len() + new_columns.len();
        let rows = self.rows.len() + 1;
        let schema = if self.grew || !new_columns.is_empty() {
            measurement.schema_bytes_with(new_columns)
        } else {
            0
        };
        frame_bytes(columns) + schema + self.row_bytes + row.bytes + NULL_BYTES * columns * rows
    }
}
