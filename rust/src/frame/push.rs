//! One push: line by line into rows, then measurement by measurement into packets.

use super::column::Cell;
use super::packet::{Packet, write_packets};
use super::rows::Batch;
use super::stream::Stream;
use crate::line_protocol::{Fault, Field, Place, Precision, Reason, Scanner, Tag};

/// What became of a pushed body.
#[derive(Debug, Default)]
pub struct PushOutcome {
    /// Lines that became rows.
    pub accepted: usize,
    /// Lines that were refused.
    pub rejected: usize,
    /// The first of them.
    pub rejections: Vec<Rejection>,
    /// How many lines each reason cost; reasons that cost none are missing.
    pub reasons: Vec<(Reason, usize)>,
    /// Cells whose value did not fit its column.
    pub mismatched: usize,
    /// A sentence about each of the first columns that had one; as many as refused lines are described.
    pub mismatches: Vec<String>,
    /// Rows that are older than the newest row which their measurement had before the push.
    pub late: usize,
    /// In the order in which their measurements first appear.
    pub packets: Vec<Packet>,
}

/// One refused line.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Where in the body.
    pub place: Place,
    /// Why.
    pub reason: Reason,
    /// The same for a person.
    pub message: String,
}

/// Bytes of a body that a field takes in the usual metrics, with its share of the line's tags and time. Room is made
/// for as many cells at once.
const FIELD_BYTES: usize = 32;

/// What lasts for one push: its rows, and vectors whose memory is used again for each line.
#[derive(Default)]
pub(super) struct Push<'a> {
    /// With their measurements' numbers, in the order in which these first appear in the body. Only the last
    /// may be empty, and only while a line is being taken.
    pub(super) batches: Vec<(usize, Batch)>,
    /// The cells of all rows, in the order of the body.
    pub(super) cells: Vec<Cell<'a>>,
    /// From a measurement's number to its batch, where it has one.
    batch_numbers: Vec<Option<usize>>,
    /// What all batches as frames take at most.
    pub(super) output_bytes: usize,
    pub(super) tags: Vec<Tag<'a>>,
    pub(super) fields: Vec<Field<'a>>,
    /// The fields of the present line whose column is new.
    pub(super) unknown: Vec<Field<'a>>,
}

impl Push<'_> {
    fn new(body: &[u8]) -> Self {
        Self {
            cells: Vec::with_capacity(body.len() / FIELD_BYTES),
            ..Self::default()
        }
    }

    /// The batch of a measurement, added if there is none yet.
    pub(super) fn batch_number(&mut self, measurement: usize) -> usize {
        if self.batch_numbers.len() <= measurement {
            self.batch_numbers.resize(measurement + 1, None);
        }
        *self.batch_numbers[measurement].get_or_insert_with(|| {
            self.batches.push((measurement, Batch::default()));
            self.batches.len() - 1
        })
    }

    /// Undo `batch_number` after a line that was refused, and forget its cells, which begin at `start`.
    pub(super) fn forget_line(&mut self, start: usize) {
        self.cells.truncate(start);
        if let Some((measurement, _)) = self.batches.pop_if(|(_, batch)| batch.rows.is_empty()) {
            self.batch_numbers[measurement] = None;
        }
    }
}

/// Sort by key as meant, and of equal keys keep the last.
pub(super) fn keep_last_of_each_key(fields: &mut Vec<Field>) {
    if fields.len() < 2 {
        return;
    }
    // Both are stable; of two neighbours with one key the earlier takes the later's value.
    fields.sort_by(|left, right| left.key.text().cmp(&right.key.text()));
    fields.dedup_by(|later, earlier| {
        let same = later.key.text() == earlier.key.text();
        if same {
            earlier.value = later.value;
        }
        same
    });
}

pub(super) fn run(stream: &mut Stream, body: &[u8], received_ns: i64, precision: Precision) -> PushOutcome {
    let mut outcome = PushOutcome::default();
    let mut counts = Reason::no_counts();
    let mut push = Push::new(body);
    let mut scanner = Scanner::new(body);
    while scanner.next_line() {
        let start = push.cells.len();
        match stream.take_line(&mut scanner, &mut push, received_ns, precision) {
            Ok(()) => outcome.accepted += 1,
            Err(fault) => {
                push.forget_line(start);
                if fault.reason.is_grammatical() {
                    scanner.skip_line();
                }
                counts[fault.reason as usize] += 1;
                outcome.refuse(&fault, stream.limits.max_rejections);
            }
        }
    }
    outcome.reasons = Reason::met(counts);
    for (number, batch) in push.batches {
        let measurement = &mut stream.measurements[number];
        write_packets(measurement, batch, &push.cells, &stream.limits, &mut outcome);
    }
    outcome
}

impl PushOutcome {
    fn refuse(&mut self, fault: &Fault, max_rejections: usize) {
        self.rejected += 1;
        if self.rejections.len() < max_rejections {
            let message = fault.to_string();
            self.rejections.push(Rejection {
                place: fault.place,
                reason: fault.reason,
                message,
            });
        }
    }
}
