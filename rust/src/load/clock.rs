//! The time of a run, and how busy its threads were.

use std::fs;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

/// One clock for all threads of a run: nanoseconds since it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the run began.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        nanoseconds(self.0.elapsed())
    }
}

/// A duration as a number; the longest there is for those beyond 584 years.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds as seconds, for reports.
#[must_use]
#[allow(clippy::cast_precision_loss)] // 2^53 ns are 104 days
pub fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Let this thread's timers be exact to a microsecond instead of the usual fifty: what is late by them would be
/// measured as the server's. Where the system does not allow it, it stays as it is.
pub fn sharpen_timers() {
    let _ = set_current_timer_slack(NonZeroU64::new(1_000));
}

/// What a thread has had of the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// It ran.
    pub cpu_ns: u64,
    /// It could have run, but other threads had the processor. 0 where the kernel does not tell.
    pub waited_ns: u64,
}

impl Usage {
    /// Of the calling thread, since it began.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let cpu = Duration::try_from(cpu).unwrap_or_default();
        // Time on the processor, time waiting for it, and how often (kernel, Documentation/scheduler/sched-stats.rst).
        let waited = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let waited = waited.and_then(|text| text.split(' ').nth(1).and_then(|field| field.parse().ok()));
        Self {
            cpu_ns: nanoseconds(cpu),
            waited_ns: waited.unwrap_or(0),
        }
    }

    /// From `before` to this.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            waited_ns: self.waited_ns.saturating_sub(before.waited_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Usage};

    #[test]
    fn a_thread_that_works_is_seen_to() {
        let (clock, before) = (Clock::begin(), Usage::of_this_thread());
        let mut usage = Usage::default();
        // However little of the processor there is for this test, at some time it had 10 ms.
        while usage.cpu_ns < 10_000_000 {
            usage = Usage::of_this_thread().since(before);
        }
        assert!(clock.now_ns() >= 10_000_000);
    }
}
