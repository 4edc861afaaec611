//! The rows of a push while its body is being read: compact, and borrowing all text from the body.

use std::collections::HashMap;
use std::sync::Arc;

use super::format::Format;
use super::key_hash::KeyHashes;
use super::packet::{NULL_BYTES, TIME_BYTES, frame_bytes};

/// The rows of one push that belong to one measurement, in the order of the body. Where lines share a row, each
/// stays an entry of its own, and the first opens the row. With a labels column that is settled once all are
/// read ([`super::points`]), and each counts as a row until then.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
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
    /// Whether a column came or was widened with it, so that the frame must carry the schema.
    pub(super) grew: bool,
}

/// One accepted line: a row, or a part of one.
pub(super) struct Row {
    pub(super) time_ns: i64,
    /// Whether a row of the frame begins with it. In a packet the others of that row follow it.
    pub(super) opens: bool,
    /// The `labels` cell as JSON, where there is such a column.
    pub(super) labels: Arc<[u8]>,
    /// Its cells in the push.
    pub(super) start: usize,
    pub(super) end: usize,
    /// What it adds to a frame, at most, beyond [`NULL_BYTES`] for every column.
    pub(super) bytes: usize,
}

impl Row {
    /// A line whose cells begin at `start`; of its bytes those of its cells are not there yet.
    pub(super) fn new(format: Format, time_ns: i64, opens: bool, labels: Arc<[u8]>, start: usize) -> Self {
        let time = if opens { TIME_BYTES } else { 0 };
        let cell = if format.has_labels_column() {
            labels.len() + 1
        } else {
            0
        };
        Self {
            time_ns,
            opens,
            labels,
            start,
            end: start,
            bytes: time + cell,
        }
    }
}

impl Batch {
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

    /// What the batch would take at most with one entry more, so many columns, and so many bytes of schema. A new
    /// column costs a null in every row of the batch that came before it.
    pub(super) fn grown(&self, columns: usize, schema: usize, row: &Row) -> usize {
        let rows = self.row_count + usize::from(row.opens);
        frame_bytes(columns) + schema + self.row_bytes + row.bytes + NULL_BYTES * columns * rows
    }
}
