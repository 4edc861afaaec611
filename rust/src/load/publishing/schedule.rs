//! When which publication is due. The schedule is fixed before anything is sent, and knows nothing of the server.
//!
//! So a server that stalls cannot put off what it is measured by, which is called coordinated omission: everything
//! that was due meanwhile is late from the moment that it was due.

use crate::load::latency::Window;

/// Publications on all channels in turn, evenly spread.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begin_ns: u64,
    interval_ns: f64,
    count: u64,
    channels: u64,
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
// Times and counts are below 2^48, and not negative.
impl Schedule {
    /// So many publications a second on each channel, all through the window.
    #[must_use]
    pub fn new(window: &Window, channels: u64, per_second: f64) -> Self {
        let interval_ns = 1e9 / (per_second * channels as f64);
        let length_ns = (window.end_ns - window.begin_ns) as f64;
        Self {
            begin_ns: window.begin_ns,
            interval_ns,
            // A last one that is due at the very end, but for rounding, is not due any more.
            count: (length_ns / interval_ns - 1e-6).ceil() as u64,
            channels,
        }
    }

    /// How many publications there are in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the publication at this place is due.
    #[must_use]
    pub fn due_ns(&self, place: u64) -> u64 {
        self.begin_ns + (place as f64 * self.interval_ns) as u64
    }

    /// Which channel it is on.
    #[must_use]
    pub fn channel(&self, place: u64) -> u16 {
        u16::try_from(place % self.channels).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::load::latency::Window;

    const WINDOW: Window = Window {
        begin_ns: 5_000_000_000,
        measured_ns: 6_000_000_000,
        end_ns: 15_000_000_000,
    };

    #[test]
    fn channels_take_turns_at_even_distances() {
        let schedule = Schedule::new(&WINDOW, 4, 10.0);
        assert_eq!(schedule.count(), 400);
        let first: Vec<_> = (0..6)
            .map(|place| (schedule.channel(place), schedule.due_ns(place)))
            .collect();
        let due = |place: u64| 5_000_000_000 + place * 25_000_000;
        assert_eq!(
            first,
            [
                (0, due(0)),
                (1, due(1)),
                (2, due(2)),
                (3, due(3)),
                (0, due(4)),
                (1, due(5))
            ]
        );
        assert!(schedule.due_ns(399) < WINDOW.end_ns);
    }

    #[test]
    fn a_rate_that_divides_nothing_does_not_drift() {
        let schedule = Schedule::new(&WINDOW, 1, 3.0);
        assert_eq!(schedule.count(), 30);
        assert_eq!(schedule.due_ns(3), 6_000_000_000);
        assert_eq!(schedule.due_ns(29), 5_000_000_000 + 29 * 1_000_000_000 / 3);
    }
}
