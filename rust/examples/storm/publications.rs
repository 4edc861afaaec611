//! The publications of the measurement: numbered without a hole, stamped, and found again in what a server sends.

use _core::load::mark::{Mark, Marks};
use _core::load::order::{Order, Place};
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` in nanoseconds; one clock for all processes of the machine.
pub fn now_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// What this process has used of the processor.
pub fn own_cpu_ns() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}

/// The data of publication `number`, filled up to `bytes`.
pub fn data(marks: &Marks, number: u64, stamp_ns: u64, bytes: usize) -> String {
    let mark = Mark {
        channel: 0,
        number,
        due_ns: stamp_ns,
        sent_ns: stamp_ns,
    };
    let mut data = b"{\"text\":\"".to_vec();
    marks.put(&mark, &mut data);
    data.resize(data.len().max(bytes.saturating_sub(2)), b'x');
    data.extend_from_slice(b"\"}");
    String::from_utf8(data).unwrap()
}

/// What a client has of a channel, and what came out of its place.
#[derive(Default)]
pub struct Following {
    order: Order,
    /// Publications that came again, or after a later one.
    pub misplaced: u64,
}

impl Following {
    pub fn take(&mut self, mark: Mark) {
        let place = self.order.take(mark.number);
        self.misplaced += u64::from(matches!(place, Place::Late | Place::Again));
    }

    /// The number behind the highest that came.
    pub fn next(&self) -> u64 {
        self.order.next()
    }

    /// How many of the first `published` have not come.
    pub fn missed(&self, published: u64) -> u64 {
        self.order.missing(published)
    }
}
