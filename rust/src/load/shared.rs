//! What all threads of a run know: its time, how far it is, and what has been published and heard.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::clock::{Clock, Usage, nanoseconds, seconds};
use super::latency::Window;

/// How long a thread of a run may not look whether the run is over.
pub const LOOK_UP: Duration = Duration::from_millis(20);

/// How far a run is.
#[derive(Debug)]
pub struct Shared {
    /// The time of all threads.
    pub clock: Clock,
    /// When it is measured; not known before everybody is there.
    pub window: OnceLock<Window>,
    /// Whoever asked for the run wants it no more.
    pub stopped: AtomicBool,
    /// Nothing more will be measured: everybody leaves.
    pub over: AtomicBool,
    /// Publications on each channel, those refused included.
    pub published: Vec<AtomicU64>,
    /// Of each thread of subscribers.
    pub crowds: Vec<Gauge>,
    /// Requests that were answered in the window, for progress alone.
    pub answered: AtomicU64,
}

/// How a thread of subscribers is doing. Written by that thread alone.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Subscribers that are ready, or have failed to become so.
    pub settled: AtomicU64,
    /// Subscribers that are ready now.
    pub alive: AtomicU64,
    /// Over them and their channels: the number behind the highest that they have.
    pub heard: AtomicU64,
    /// Publications that arrived.
    pub deliveries: AtomicU64,
}

impl Shared {
    /// A run that begins now.
    #[must_use]
    pub fn new(channels: usize, crowds: usize) -> Self {
        Self {
            clock: Clock::begin(),
            window: OnceLock::new(),
            stopped: AtomicBool::new(false),
            over: AtomicBool::new(false),
            published: (0..channels).map(|_| AtomicU64::new(0)).collect(),
            crowds: (0..crowds).map(|_| Gauge::default()).collect(),
            answered: AtomicU64::new(0),
        }
    }

    /// Whether threads are to end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Relaxed) || self.stopped.load(Relaxed)
    }

    /// The time of the run, once it has begun.
    #[must_use]
    pub fn begun(&self) -> Option<Window> {
        let window = self.window.get().copied();
        window.filter(|window| self.clock.now_ns() >= window.begin_ns)
    }

    /// The sum of one figure over all threads of subscribers. Wraps, as what a server's numbers add up to may.
    pub fn total(&self, figure: impl Fn(&Gauge) -> &AtomicU64) -> u64 {
        let figures = self.crowds.iter().map(|gauge| figure(gauge).load(Relaxed));
        figures.fold(0, u64::wrapping_add)
    }

    /// Deliveries that are still on their way to subscribers who are there.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let published: u64 = self.published.iter().map(|count| count.load(Relaxed)).sum();
        let due = published * self.total(|gauge| &gauge.alive);
        due.saturating_sub(self.total(|gauge| &gauge.heard))
    }

    /// Publications that are still on their way, to the average subscriber.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        match self.total(|gauge| &gauge.alive) {
            0 => 0,
            alive => self.outstanding() / alive,
        }
    }
}

/// How busy a thread was in the window, and in each slice of it.
#[derive(Debug, Default)]
pub struct UsageLog {
    begin: Option<Usage>,
    /// At the end of each slice that is over.
    ends: Vec<Usage>,
    end: Option<Usage>,
}

/// Shares of a thread's time, for a report.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Busy {
    /// Which thread.
    pub thread: String,
    /// It ran.
    pub cpu: f64,
    /// It could have run, but another thread had the processor.
    pub waited: f64,
    /// Both together, in each slice.
    pub slices: Vec<f64>,
}

impl UsageLog {
    /// Look at the clock; to be called now and then, by the thread itself.
    pub fn look(&mut self, window: &Window, now_ns: u64) {
        if now_ns < window.measured_ns || self.end.is_some() {
            return;
        }
        let over = now_ns >= window.end_ns;
        let slices = if over {
            window.slices()
        } else {
            window.find_slice(now_ns).unwrap_or(0)
        };
        if self.begin.is_some() && self.ends.len() >= slices && !over {
            return;
        }
        let usage = Usage::of_this_thread();
        self.begin.get_or_insert(usage);
        // A thread that did not get to look for several slices spread its time over them evenly, for all we know.
        let (before, skipped) = (self.last(), slices.saturating_sub(self.ends.len()) as u64);
        for step in 1..=skipped {
            let part = |before: u64, now: u64| before + now.saturating_sub(before) * step / skipped;
            self.ends.push(Usage {
                cpu_ns: part(before.cpu_ns, usage.cpu_ns),
                waited_ns: part(before.waited_ns, usage.waited_ns),
            });
        }
        if over {
            self.end = Some(usage);
        }
    }

    /// The shares.
    #[must_use]
    pub fn findings(&self, thread: &str, window: &Window) -> Busy {
        let (begin, end) = (self.begin.unwrap_or_default(), self.end.unwrap_or(self.last()));
        let used = end.since(begin);
        let length = seconds(window.end_ns - window.measured_ns);
        let slice = seconds(window.slice_ns());
        let mut before = begin;
        let slices = self.ends.iter().map(|&end| {
            let used = end.since(before);
            before = end;
            (seconds(used.cpu_ns + used.waited_ns) / slice).min(1.0)
        });
        Busy {
            thread: thread.to_owned(),
            cpu: (seconds(used.cpu_ns) / length).min(1.0),
            waited: (seconds(used.waited_ns) / length).min(1.0),
            slices: slices.collect(),
        }
    }

    fn last(&self) -> Usage {
        self.ends.last().copied().or(self.begin).unwrap_or_default()
    }
}

/// From now until `moment_ns`, but no longer than a thread may not look up.
#[must_use]
pub fn until(now_ns: u64, moment_ns: u64) -> Duration {
    Duration::from_nanos(moment_ns.saturating_sub(now_ns).min(nanoseconds(LOOK_UP)))
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // sums of ones
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::{Shared, UsageLog, Window};

    #[test]
    fn what_is_on_its_way_counts_for_those_who_are_there() {
        let shared = Shared::new(2, 2);
        assert_eq!((shared.outstanding(), shared.in_flight()), (0, 0));
        shared.published[0].store(10, Relaxed);
        shared.published[1].store(5, Relaxed);
        for gauge in &shared.crowds {
            gauge.alive.store(3, Relaxed);
            gauge.heard.store(30, Relaxed);
        }
        assert_eq!((shared.outstanding(), shared.in_flight()), (30, 5));
    }

    #[test]
    fn a_thread_that_never_rests_is_busy_in_every_slice() {
        let window = Window {
            begin_ns: 0,
            measured_ns: 0,
            end_ns: 300_000_000,
        };
        let (shared, mut log) = (Shared::new(0, 0), UsageLog::default());
        let mut now_ns = 0;
        while now_ns < window.end_ns {
            now_ns = shared.clock.now_ns();
            log.look(&window, now_ns);
        }
        let busy = log.findings("x", &window);
        assert_eq!(busy.slices.len(), 3);
        assert!(busy.cpu > 0.0, "{busy:?}");
    }
}
