//! What subscribers hear: which publications, whether all and in order, and how late.

use memchr::memmem;

use super::client::Listener;
use super::ending::Ending;
use super::latency::Recorder;
use super::mark::Marks;
use super::order::{Order, Place};
use super::protocol::Answer;

/// What a push of JSON begins with holds this, if it is a publication; the channel's name is before it.
const PUBLICATION: &[u8] = b"\"pub\":";
const BEGINNING_BYTES: usize = 512;

/// Counts over all subscribers of a thread, the warm-up included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Publications that arrived, doubles included.
    pub deliveries: u64,
    /// How often numbers were skipped.
    pub gaps: u64,
    /// Publications that came after a later one.
    pub late: u64,
    /// Publications that came again.
    pub again: u64,
    /// Publications of others than this run.
    pub others: u64,
}

impl Tally {
    /// Add that of another thread.
    pub fn add(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.gaps += other.gaps;
        self.late += other.late;
        self.again += other.again;
        self.others += other.others;
    }
}

/// One subscriber's, for the length of a read.
pub struct Ear<'a> {
    /// Marks of the run; None where any publication counts.
    pub marks: Option<&'a Marks>,
    /// What the subscriber has, by channel.
    pub orders: &'a mut [Order],
    /// Where latencies go, once they are measured.
    pub recorder: Option<&'a mut Recorder>,
    /// Counts of its thread.
    pub tally: &'a mut Tally,
    /// Over its channels: the number behind the highest that it has.
    pub heard: &'a mut u64,
}

impl Listener for Ear<'_> {
    fn hear(&mut self, push: &[u8], now_ns: u64) -> bool {
        let Some(marks) = self.marks else {
            let beginning = &push[..push.len().min(BEGINNING_BYTES)];
            let publication = memmem::find(beginning, PUBLICATION).is_some();
            self.tally.deliveries += u64::from(publication);
            return publication;
        };
        let Some(mark) = marks.find(push) else {
            return false;
        };
        let Some(order) = self.orders.get_mut(usize::from(mark.channel)) else {
            return false;
        };
        let before = order.next();
        let place = order.take(mark.number);
        *self.heard = self.heard.wrapping_add(order.next() - before);
        self.tally.deliveries += 1;
        match place {
            Place::Next => {}
            Place::AfterGap(_) => self.tally.gaps += 1,
            Place::Late => self.tally.late += 1,
            // What came before has its latency already.
            Place::Again => {
                self.tally.again += 1;
                return true;
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.record(mark.due_ns, mark.sent_ns, now_ns);
            if matches!(place, Place::AfterGap(_)) {
                recorder.record_gap(now_ns);
            }
        }
        true
    }

    fn overhear(&mut self) {
        let count = if self.marks.is_some() {
            &mut self.tally.others
        } else {
            &mut self.tally.deliveries
        };
        *count += 1;
    }

    fn answer(&mut self, _: u32, _: Answer) -> Result<(), Ending> {
        // Subscribers ask for nothing after their first commands.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Ear, Tally};
    use crate::load::client::Listener;
    use crate::load::latency::{Recorder, Window};
    use crate::load::mark::{Mark, Marks};
    use crate::load::order::Order;

    const WINDOW: Window = Window {
        begin_ns: 0,
        measured_ns: 0,
        end_ns: 1_000_000_000,
    };

    fn push(marks: &Marks, channel: u16, number: u64) -> Vec<u8> {
        let mut push = b"{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"".to_vec();
        let mark = Mark {
            channel,
            number,
            due_ns: 1,
            sent_ns: 2,
        };
        marks.put(&mark, &mut push);
        push.extend_from_slice(b"\"}}}");
        push
    }

    #[test]
    fn gaps_doubles_and_disorder_are_counted_and_doubles_measured_once() {
        let marks = Marks::new(1);
        let mut orders = [Order::default(), Order::default()];
        let mut recorder = Recorder::new(WINDOW).unwrap();
        let (mut tally, mut heard) = (Tally::default(), 0);
        let mut ear = Ear {
            marks: Some(&marks),
            orders: &mut orders,
            recorder: Some(&mut recorder),
            tally: &mut tally,
            heard: &mut heard,
        };
        for (channel, number) in [(0, 0), (1, 0), (0, 2), (0, 1), (0, 2), (1, 1)] {
            assert!(ear.hear(&push(&marks, channel, number), 10));
        }
        assert!(!ear.hear(&push(&marks, 2, 0), 10));
        assert!(!ear.hear(&push(&Marks::new(2), 0, 3), 10));
        ear.overhear();
        assert_eq!(
            (
                tally.deliveries,
                tally.gaps,
                tally.late,
                tally.again,
                tally.others
            ),
            (6, 1, 1, 1, 1)
        );
        assert_eq!(heard, 5);
        assert_eq!(recorder.findings().from_due.count, 5);
        assert_eq!(orders[0].missing(4), 1);
    }

    #[test]
    fn without_marks_any_publication_counts() {
        let (mut tally, mut heard) = (Tally::default(), 0);
        let mut ear = Ear {
            marks: None,
            orders: &mut [],
            recorder: None,
            tally: &mut tally,
            heard: &mut heard,
        };
        assert!(ear.hear(b"{\"push\":{\"channel\":\"a\",\"pub\":{}}}", 1));
        assert!(!ear.hear(b"{\"push\":{\"channel\":\"a\",\"unsubscribe\":{}}}", 1));
        // Protobuf, which the client looks into.
        assert!(!ear.hear(b"\x22\x05\x12\x01a\x22\x00", 1));
        ear.overhear();
        assert_eq!(tally.deliveries, 2);
    }
}
