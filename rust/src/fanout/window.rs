//! The window in which what is published is gathered before it is written: one for all connections, so one timer
//! whatever their number, and none while nothing waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::shared::Work;

/// Belongs to the writer.
pub(super) struct Window {
    length: Duration,
    /// While it is open.
    closes: Option<Instant>,
}

impl Window {
    pub fn new(length: Duration) -> Window {
        Window { length, closes: None }
    }

    /// It is open from when the writer first sees somebody wait for it to close.
    pub fn open(&mut self, work: &Work) {
        if self.closes.is_none() && !work.gathered.is_empty() {
            let now = Instant::now();
            self.closes = Some(now.checked_add(self.length).unwrap_or(now));
        }
    }

    /// Who has waited until now, when it has been open for its time or this is the last pass.
    pub fn close(&mut self, work: &mut Work) -> Vec<Arc<Connection>> {
        self.open(work);
        let is_over = |closes| work.stop || closes <= Instant::now();
        if !self.closes.is_some_and(is_over) {
            return Vec::new();
        }
        self.closes = None;
        std::mem::take(&mut work.gathered)
    }

    /// How long until it closes; None while it is not open.
    pub fn quiet(&self) -> Option<Duration> {
        let closes = self.closes?;
        Some(closes.saturating_duration_since(Instant::now()))
    }
}
