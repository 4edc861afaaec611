//! JSON to line protocol: each object, or each row of a data frame, becomes a line (or several) of one
//! measurement, which then goes the way of every pushed line. Knows nothing of streams or Python.
//!
//! [`items`] finds the objects and frames of a body, [`object`] and [`data_frame`] turn them into rows,
//! [`line`] writes these so that they read back as exactly what was meant. A row that cannot be written costs
//! that row. Every body, however hostile, is read in time proportional to its length times a small depth, and
//! what is written, or written and dropped again, has a limit.

mod data_frame;
mod fault;
mod items;
mod labels;
mod line;
mod object;
mod row_numbers;
mod text;
mod time;

pub use fault::Reason;
pub use items::BadBody;
pub use object::{Rules, TimeKey};
pub use row_numbers::RowNumbers;

use data_frame::DataFrame;
use fault::Fault;
use items::{Item, each_item, what};
use line::{LineWriter, write_measurement};
use object::ObjectRows;

/// What bounds a translation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of line protocol.
    pub max_output_bytes: usize,
    /// Refused rows that are described one by one.
    pub max_rejections: usize,
}

/// What a body became.
#[derive(Debug, Default)]
pub struct JsonLines {
    /// Line protocol; its times are nanoseconds.
    pub lines: Vec<u8>,
    /// Which row each line came from.
    pub rows: RowNumbers,
    /// Rows that became no line.
    pub rejected: usize,
    /// The first of them.
    pub rejections: Vec<Rejection>,
    /// How many rows each reason cost; reasons that cost none are missing.
    pub reasons: Vec<(Reason, usize)>,
}

/// One refused row.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its number in the body, from 1.
    pub row: usize,
    /// Why.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
}

/// Turn a body into lines of `measurement`. `newline_delimited` says that each line is JSON of its own.
///
/// # Errors
/// The body as a whole cannot be read, or no line protocol can name the measurement; nothing is kept.
pub fn translate(
    body: &[u8],
    newline_delimited: bool,
    measurement: &str,
    rules: &Rules,
    limits: Limits,
) -> Result<JsonLines, BadBody> {
    let mut spelled = Vec::new();
    write_measurement(measurement, &mut spelled).map_err(|fault| BadBody::measurement(&fault))?;
    let mut rows = Rows {
        rules,
        objects: ObjectRows::new(rules),
        writer: LineWriter::new(spelled, limits.max_output_bytes),
        number: 0,
        max_rejections: limits.max_rejections,
        rejections: Vec::new(),
        counts: Reason::no_counts(),
    };
    each_item(body, newline_delimited, |item| rows.take(item))?;
    let reasons = Reason::met(rows.counts);
    Ok(JsonLines {
        lines: rows.writer.out,
        rows: rows.writer.rows,
        rejected: reasons.iter().map(|&(_, count)| count).sum(),
        rejections: rows.rejections,
        reasons,
    })
}

/// The rows so far, and the number of the last.
struct Rows<'r, 'a> {
    rules: &'r Rules,
    objects: ObjectRows<'r, 'a>,
    writer: LineWriter,
    number: usize,
    max_rejections: usize,
    rejections: Vec<Rejection>,
    counts: Vec<usize>,
}

impl<'a> Rows<'_, 'a> {
    fn take(&mut self, item: Item<'a>) {
        match item {
            Item::Value(text) if data_frame::is_frame(text) => self.take_frame(text),
            Item::Value(text) if text.starts_with('{') => self.take_row(|rows| {
                let Self { objects, writer, .. } = rows;
                objects.write(text, writer)
            }),
            Item::Value(text) => self.take_row(|_| Err(Fault::new(Reason::NotAnObject, text))),
            Item::BadLine { number, error } => self.take_row(|rows| {
                let message = if rows.rejections.len() < rows.max_rejections {
                    format!(
                        "line {number} of the body is no JSON: {}, column {}",
                        what(&error),
                        error.column()
                    )
                } else {
                    String::new()
                };
                Err(Fault::new(Reason::BadJson, &message))
            }),
        }
    }

    /// A fault of the frame as a whole counts as one row.
    fn take_frame(&mut self, text: &'a str) {
        let mut frame = match DataFrame::read(text, self.rules) {
            Ok(frame) => frame,
            Err(fault) => return self.take_row(|_| Err(fault)),
        };
        loop {
            match frame.next_row() {
                Ok(true) => self.take_row(|rows| frame.write_row(&mut rows.writer)),
                Ok(false) => return,
                Err(fault) => return self.take_row(|_| Err(fault)),
            }
        }
    }

    fn take_row(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Fault>) {
        self.number += 1;
        let number = self.number;
        let begun = self.writer.begin_row();
        let kept = begun
            .and_then(|()| write(self))
            .and_then(|()| self.writer.keep_row(number));
        if let Err(fault) = kept {
            self.writer.drop_row();
            self.counts[fault.reason as usize] += 1;
            if self.rejections.len() < self.max_rejections {
                self.rejections.push(Rejection {
                    row: number,
                    reason: fault.reason,
                    message: format!("row {number}: {fault}"),
                });
            }
        }
    }
}
