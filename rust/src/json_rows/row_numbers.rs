//! Which row of a JSON body a line of the written text came from.

/// One entry wherever lines and rows stop counting alike: text with newlines, refused rows, rows of several
/// lines.
#[derive(Debug, Default)]
pub struct RowNumbers {
    runs: Vec<Run>,
}

/// Rows of one line each that follow each other; the last may have more.
#[derive(Debug)]
struct Run {
    line: u32,
    first: u32,
    last: u32,
}

impl RowNumbers {
    /// Note that `row` begins on `line`, both counted from 1 and never less than before.
    pub(super) fn note(&mut self, line: usize, row: usize) {
        let (line, row) = (narrow(line), narrow(row));
        match self.runs.last_mut() {
            Some(run) if row == run.last + 1 && row - run.first == line - run.line => run.last = row,
            _ => self.runs.push(Run {
                line,
                first: row,
                last: row,
            }),
        }
    }

    /// The row that a line belongs to.
    #[must_use]
    pub fn find(&self, line: usize) -> usize {
        let line = narrow(line);
        let behind = self.runs.partition_point(|run| run.line <= line);
        let run = behind.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(1, |run| (run.first + (line - run.line)).min(run.last) as usize)
    }
}

/// Bodies and their text are far from 2³² lines.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_line_finds_its_row(rows in prop::collection::vec(0..4_usize, 0..40)) {
            let mut numbers = RowNumbers::default();
            let mut owners = Vec::new();
            for (row, &lines) in rows.iter().enumerate() {
                if lines > 0 {
                    numbers.note(owners.len() + 1, row + 1);
                    owners.extend(std::iter::repeat_n(row + 1, lines));
                }
            }
            for (line, &owner) in owners.iter().enumerate() {
                prop_assert_eq!(numbers.find(line + 1), owner);
            }
        }
    }

    #[test]
    fn a_line_a_row_needs_one_entry() {
        let mut numbers = RowNumbers::default();
        (1..1_000).for_each(|row| numbers.note(row, row));
        assert_eq!(numbers.runs.len(), 1);
    }
}
