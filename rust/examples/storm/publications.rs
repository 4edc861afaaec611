//! The publications of the measurement: numbered without a hole, stamped, and found again in what a server sends.

use memchr::memmem;
use rustix::time::{ClockId, clock_gettime};

const NUMBER: &[u8] = b"{\"n\":";
const STAMP: &[u8] = b",\"t\":";

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
pub fn data(number: u64, stamp_ns: u64, bytes: usize) -> String {
    let mut data = format!("{{\"n\":{number},\"t\":{stamp_ns},\"x\":\"");
    let filler = bytes.saturating_sub(data.len() + 2);
    data.extend(std::iter::repeat_n('x', filler));
    data.push_str("\"}");
    data
}

/// The number and the stamp of each publication in a line, in order.
pub fn numbered(line: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    memmem::find_iter(line, NUMBER).map(|place| {
        let (number, rest) = digits(&line[place + NUMBER.len()..]);
        let rest = rest
            .strip_prefix(STAMP)
            .expect("data as it was published, byte for byte");
        (number, digits(rest).0)
    })
}

fn digits(text: &[u8]) -> (u64, &[u8]) {
    let length = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..length]
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (number, &text[length..])
}

/// What follows the last number that was seen, and what did not.
#[derive(Default)]
pub struct Order {
    pub last: u64,
    pub missed: u64,
    /// Publications that came again, or after a later one.
    pub misplaced: u64,
}

impl Order {
    pub fn take(&mut self, number: u64) {
        if number > self.last {
            self.missed += number - self.last - 1;
            self.last = number;
        } else {
            self.misplaced += 1;
        }
    }
}
