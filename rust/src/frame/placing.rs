//! The fields of one line on their way into cells: which column each belongs to.
//!
//! Senders write the fields of a measurement in the same order line after line, or in the same circle begun
//! anywhere (Telegraf's are a Go map). So each column knows which came behind it last, and where that is what
//! the line goes on with, no key is read or looked up.

use super::column::{Cell, Column};
use super::label_set::LabelSet;
use crate::line_protocol::{Field, TakeFields, Value};

/// Appends a cell for each field that has a column; puts the others into `unknown`. A key that is repeated keeps
/// its first place and its last value.
pub(super) struct Placing<'p, 'a> {
    /// Differs from line to line.
    line: u64,
    /// The line's labels, and their number.
    set: &'p mut LabelSet,
    label_set: usize,
    columns: &'p mut [Column],
    cells: &'p mut Vec<Cell<'a>>,
    unknown: &'p mut Vec<Field<'a>>,
    /// The column of the field before.
    before: Option<usize>,
    /// The column that may come next; it may not even be there.
    expected: usize,
}

impl<'p, 'a> Placing<'p, 'a> {
    /// To the columns of `label_set`, which `set` is.
    pub(super) fn new(
        line: u64,
        (label_set, set): (usize, &'p mut LabelSet),
        columns: &'p mut [Column],
        cells: &'p mut Vec<Cell<'a>>,
        unknown: &'p mut Vec<Field<'a>>,
    ) -> Self {
        Self {
            line,
            expected: set.first,
            set,
            label_set,
            columns,
            cells,
            unknown,
            before: None,
        }
    }

    #[inline]
    fn place(&mut self, number: usize, value: Value<'a>) {
        let column = &mut self.columns[number];
        if column.last_line == self.line {
            self.cells[column.last_cell].value = value;
        } else {
            column.last_line = self.line;
            column.last_cell = self.cells.len();
            self.cells.push(Cell {
                value,
                column: number,
            });
        }
        self.before = Some(number);
        self.expected = column.next;
    }
}

impl<'a> TakeFields<'a> for Placing<'_, 'a> {
    #[inline]
    fn expected_key(&self) -> Option<&[u8]> {
        let column = self.columns.get(self.expected)?;
        (column.label_set == self.label_set && column.plain).then_some(&*column.name)
    }

    #[inline]
    fn take_expected(&mut self, value: Value<'a>) {
        self.place(self.expected, value);
    }

    fn take(&mut self, field: Field<'a>) {
        let Some(&number) = self.set.numbers.get(&*field.key.text()) else {
            return self.unknown.push(field);
        };
        match self.before {
            Some(before) => self.columns[before].next = number,
            None => self.set.first = number,
        }
        self.place(number, field.value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::super::stream::{Limits, Stream};
    use crate::line_protocol::Precision;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        max_measurements: 10,
        max_columns: 100,
        max_path_bytes: 150,
        max_packet_bytes: 1 << 16,
        max_push_output_bytes: 1 << 20,
        max_rejections: 10,
    };

    /// Keys that begin alike, are repeated in a line, need escapes, and lack them.
    const LINE: &str = r"[mn](,h=[xy])? (abc|ab|a|a\\,)=[1t](,(abc|ab|a|a,|a\\,)=[2f]){0,4}( [1-3])?";

    /// Have the stream expect, behind each field and at the beginning, columns that it may not even have.
    fn mislead(stream: &mut Stream, guesses: &[usize]) {
        let mut guesses = guesses.iter().copied().cycle();
        for measurement in &mut stream.measurements {
            let columns = measurement.columns.iter_mut().map(|column| &mut column.next);
            let sets = measurement.label_sets.iter_mut().map(|set| &mut set.first);
            columns
                .chain(sets)
                .zip(&mut guesses)
                .for_each(|(expected, guess)| *expected = guess);
        }
    }

    proptest! {
        #[test]
        fn a_wrong_guess_changes_nothing(
            lines in prop::collection::vec(LINE, 1..20),
            guesses in prop::collection::vec(0_usize..12, 1..40),
            format in prop::sample::select(&Format::ALL[..]),
        ) {
            let mut usual = Stream::with_format(format, LIMITS);
            let mut misled = Stream::with_format(format, LIMITS);
            for (number, line) in lines.iter().enumerate() {
                mislead(&mut misled, &guesses[number % guesses.len()..]);
                // Twice, so that what is guessed from the first line is met in the second.
                let body = format!("{line}\n{line}");
                let [left, right] = [&mut usual, &mut misled].map(|stream| stream.push(body.as_bytes(), 0, Precision::Seconds));
                prop_assert_eq!(format!("{left:?}"), format!("{right:?}"));
            }
        }
    }
}
