//! Latencies in HDR histograms: of the whole run, and of each slice of its time.
//!
//! A histogram holds every value, to three digits, in a fixed number of counters; nothing is sampled and nothing
//! thrown away.

use std::io;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::clock::seconds;

/// From a microsecond to an hour; what is beyond counts as that.
const LEAST_NS: u64 = 1_000;
const MOST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;
/// Of a slice, of which a plot shows a pixel.
const SLICE_DIGITS: u8 = 2;
/// Slices of a run, and how short one may be.
const SLICES: u64 = 100;
const LEAST_SLICE_NS: u64 = 100_000_000;
/// Steps of the curve each time the distance to 1 halves: enough for a smooth line.
const CURVE_STEPS: u32 = 5;

fn histogram<T: hdrhistogram::Counter>(digits: u8) -> io::Result<Histogram<T>> {
    Histogram::new_with_bounds(LEAST_NS, MOST_NS, digits).map_err(io::Error::other)
}

/// When a run is measured. What was due earlier is warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment of the schedule.
    pub begin_ns: u64,
    /// The end of the warm-up.
    pub measured_ns: u64,
    /// The end of the schedule.
    pub end_ns: u64,
}

impl Window {
    /// Whether this moment is measured.
    #[must_use]
    pub fn contains(&self, moment_ns: u64) -> bool {
        (self.measured_ns..self.end_ns).contains(&moment_ns)
    }

    /// How long a slice is.
    #[must_use]
    pub fn slice_ns(&self) -> u64 {
        ((self.end_ns - self.measured_ns).div_ceil(SLICES)).max(LEAST_SLICE_NS)
    }

    /// How many slices there are.
    #[must_use]
    pub fn slices(&self) -> usize {
        let slices = (self.end_ns - self.measured_ns).div_ceil(self.slice_ns());
        usize::try_from(slices).unwrap_or(usize::MAX)
    }

    /// The slice of a moment that is measured.
    #[must_use]
    pub fn find_slice(&self, moment_ns: u64) -> Option<usize> {
        let since = moment_ns.checked_sub(self.measured_ns)?;
        let slice = usize::try_from(since / self.slice_ns()).ok()?;
        self.contains(moment_ns).then_some(slice)
    }
}

/// Durations, in one histogram.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Durations {
    /// None yet.
    ///
    /// # Errors
    /// Only if our bounds were no bounds.
    pub fn new() -> io::Result<Self> {
        histogram(DIGITS).map(Self)
    }

    /// Add one.
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    /// Add those of another thread.
    pub fn add(&mut self, other: &Self) {
        // Fails only for values out of bounds, and the bounds are the same.
        let _ = self.0.add(&other.0);
    }

    /// What they come to.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let at = |quantile| microseconds(self.0.value_at_quantile(quantile));
        let steps = self.0.iter_quantiles(CURVE_STEPS);
        let none = self.0.is_empty();
        Distribution {
            count: self.0.len(),
            mean_us: if none { 0.0 } else { self.0.mean() / 1e3 },
            min_us: if none { 0.0 } else { microseconds(self.0.min()) },
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: microseconds(self.0.max()),
            curve: steps
                .map(|step| {
                    (
                        step.quantile_iterated_to(),
                        microseconds(step.value_iterated_to()),
                    )
                })
                .collect(),
        }
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    seconds(nanoseconds) * 1e6
}

/// Durations for a report, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean_us: f64,
    /// The shortest.
    pub min_us: f64,
    /// Half of them are no longer.
    pub p50_us: f64,
    /// Nine of ten.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Share, and the duration that so many do not exceed.
    pub curve: Vec<(f64, f64)>,
}

/// One slice of a run's time.
#[derive(Debug)]
struct Slice {
    /// Of what was due in it.
    latencies: Histogram<u32>,
    /// What arrived in it.
    deliveries: u64,
    /// Gaps noticed in it.
    gaps: u64,
}

/// The latencies that one thread has seen in the window, counted from when publications were due, and from when
/// they were sent.
#[derive(Debug)]
pub struct Recorder {
    window: Window,
    due: Durations,
    sent: Durations,
    slices: Vec<Slice>,
    deliveries: u64,
}

impl Recorder {
    /// Nothing seen yet.
    ///
    /// # Errors
    /// Only if our bounds were no bounds.
    pub fn new(window: Window) -> io::Result<Self> {
        let slice = |_| {
            Ok(Slice {
                latencies: histogram(SLICE_DIGITS)?,
                deliveries: 0,
                gaps: 0,
            })
        };
        Ok(Self {
            window,
            due: Durations::new()?,
            sent: Durations::new()?,
            slices: (0..window.slices()).map(slice).collect::<io::Result<_>>()?,
            deliveries: 0,
        })
    }

    /// What is measured.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// A publication that was due and sent then has arrived now.
    pub fn record(&mut self, due_ns: u64, sent_ns: u64, now_ns: u64) {
        if let Some(slice) = self.window.find_slice(due_ns) {
            let latency_ns = now_ns.saturating_sub(due_ns);
            self.due.record(latency_ns);
            self.sent.record(now_ns.saturating_sub(sent_ns));
            self.slices[slice].latencies.saturating_record(latency_ns);
        }
        if let Some(slice) = self.window.find_slice(now_ns) {
            self.deliveries += 1;
            self.slices[slice].deliveries += 1;
        }
    }

    /// A gap was noticed now.
    pub fn record_gap(&mut self, now_ns: u64) {
        if let Some(slice) = self.window.find_slice(now_ns) {
            self.slices[slice].gaps += 1;
        }
    }

    /// Add what another thread has seen in the same window.
    pub fn add(&mut self, other: &Self) {
        self.due.add(&other.due);
        self.sent.add(&other.sent);
        self.deliveries += other.deliveries;
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            // Fails only for values out of bounds, and the bounds are the same.
            let _ = mine.latencies.add(&theirs.latencies);
            mine.deliveries += theirs.deliveries;
            mine.gaps += theirs.gaps;
        }
    }

    /// What it comes to.
    #[must_use]
    pub fn findings(&self) -> Latencies {
        let slice = |slice: &Slice| {
            let at = |quantile| microseconds(slice.latencies.value_at_quantile(quantile));
            SliceFindings {
                count: slice.latencies.len(),
                p50_us: at(0.5),
                p99_us: at(0.99),
                max_us: microseconds(slice.latencies.max()),
                deliveries: slice.deliveries,
                gaps: slice.gaps,
            }
        };
        Latencies {
            from_due: self.due.distribution(),
            from_sent: self.sent.distribution(),
            deliveries: self.deliveries,
            slice_seconds: seconds(self.window.slice_ns()),
            slices: self.slices.iter().map(slice).collect(),
        }
    }
}

/// The latencies of a run.
#[derive(Debug, Serialize)]
pub struct Latencies {
    /// From the moment that a publication was due.
    pub from_due: Distribution,
    /// From the moment that it was handed to the socket.
    pub from_sent: Distribution,
    /// What arrived in the window.
    pub deliveries: u64,
    /// How long a slice is.
    pub slice_seconds: f64,
    /// In order.
    pub slices: Vec<SliceFindings>,
}

/// One slice of a run's time. Latencies are of what was due in it, whenever it arrived.
#[derive(Debug, Serialize)]
pub struct SliceFindings {
    /// Latencies.
    pub count: u64,
    /// Half of them are no longer.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
    /// What arrived in it.
    pub deliveries: u64,
    /// Gaps noticed in it.
    pub gaps: u64,
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // counts and whole numbers
mod tests {
    use super::{Durations, Recorder, Window};

    const SECOND: u64 = 1_000_000_000;
    const WINDOW: Window = Window {
        begin_ns: SECOND,
        measured_ns: 2 * SECOND,
        end_ns: 12 * SECOND,
    };

    fn near(value: f64, expected: f64) {
        assert!(
            (value / expected - 1.0).abs() < 0.002,
            "{value} is not {expected}"
        );
    }

    #[test]
    fn percentiles_are_those_of_all_values() {
        let mut durations = Durations::new().unwrap();
        for millisecond in 1..=1000 {
            durations.record(millisecond * 1_000_000);
        }
        let found = durations.distribution();
        assert_eq!(found.count, 1000);
        near(found.min_us, 1_000.0);
        near(found.p50_us, 500_000.0);
        near(found.p90_us, 900_000.0);
        near(found.p99_us, 990_000.0);
        near(found.p999_us, 999_000.0);
        near(found.max_us, 1_000_000.0);
        near(found.mean_us, 500_500.0);
        assert!(found.curve.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(found.curve.last().unwrap().0, 1.0);
        assert_eq!(Durations::new().unwrap().distribution().max_us, 0.0);
    }

    #[test]
    fn what_was_due_in_the_warm_up_is_left_out() {
        let mut recorder = Recorder::new(WINDOW).unwrap();
        recorder.record(WINDOW.measured_ns - 1, 0, WINDOW.measured_ns + 5);
        recorder.record(WINDOW.end_ns, 0, WINDOW.end_ns + 5);
        assert_eq!(recorder.findings().from_due.count, 0);
        // It arrived in the window all the same.
        assert_eq!(recorder.findings().deliveries, 1);
    }

    #[test]
    fn latency_counts_from_when_it_was_due_and_belongs_to_that_slice() {
        let mut recorder = Recorder::new(WINDOW).unwrap();
        recorder.record(3 * SECOND, 5 * SECOND, 6 * SECOND);
        recorder.record_gap(6 * SECOND);
        let mut all = Recorder::new(WINDOW).unwrap();
        all.add(&recorder);
        all.add(&recorder);
        let found = all.findings();
        assert_eq!((found.from_due.count, found.deliveries), (2, 2));
        near(found.from_due.p50_us, 3e6);
        near(found.from_sent.p50_us, 1e6);
        assert_eq!((found.slices.len(), found.slice_seconds), (100, 0.1));
        assert_eq!((found.slices[10].count, found.slices[10].deliveries), (2, 0));
        assert_eq!((found.slices[40].deliveries, found.slices[40].gaps), (2, 2));
        near(found.slices[10].max_us, 3e6);
    }

    #[test]
    fn short_runs_have_few_slices() {
        let window = Window {
            end_ns: 2 * SECOND + 150_000_000,
            ..WINDOW
        };
        assert_eq!(window.slices(), 2);
        assert_eq!(window.find_slice(window.end_ns - 1), Some(1));
        assert_eq!(window.find_slice(window.end_ns), None);
    }
}
