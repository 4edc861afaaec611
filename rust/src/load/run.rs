//! One run in threads of its own, as seen by whoever asked for it.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::findings::Findings;
use super::leader::Leader;
use super::plan::{Plan, Work};
use super::shared::Shared;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Stage {
    /// Subscribers connect.
    Connecting,
    /// The first publications are on their way.
    Beginning,
    /// Warm-up, then the time that counts.
    Measuring,
    /// What is on its way is waited for.
    Draining,
    /// It is over.
    Over,
}

const STAGES: [Stage; 5] = [
    Stage::Connecting,
    Stage::Beginning,
    Stage::Measuring,
    Stage::Draining,
    Stage::Over,
];

/// How far a run is.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// Where it is.
    pub stage: Stage,
    /// How much of that is done, from 0 to 1.
    pub share: f64,
    /// Subscribers that are ready.
    pub ready: u64,
    /// Publications, or accepted bodies.
    pub sent: u64,
    /// Publications that arrived, over all subscribers.
    pub deliveries: u64,
}

/// A run in threads of its own. Whoever drops it stops it.
#[derive(Debug)]
pub struct Run {
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    stage: Arc<AtomicU8>,
    report: Mutex<Report>,
}

#[derive(Debug)]
enum Report {
    Awaited(Receiver<io::Result<Findings>>),
    There(Arc<io::Result<Findings>>),
}

impl Run {
    /// Begin a run. `bodies` are what `ingest` posts, in turn by connection.
    ///
    /// # Errors
    /// When there is no thread for it, or nothing to post.
    pub fn begin(plan: Plan, bodies: Vec<Vec<u8>>) -> io::Result<Self> {
        if matches!(plan.work, Work::Ingest { .. }) && bodies.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no body to post",
            ));
        }
        let audience = &plan.audience;
        let crowds = audience.threads.min(audience.subscribers);
        let plan = Arc::new(plan);
        let shared = Arc::new(Shared::new(plan.audience.channels.len(), crowds));
        let stage = Arc::new(AtomicU8::new(0));
        let (tell, report) = channel();
        let leader = Leader::new(Arc::clone(&plan), Arc::clone(&shared), Arc::clone(&stage), bodies);
        thread::Builder::new()
            .name("bench lead".to_owned())
            .spawn(move || {
                // Nobody waits for a run that was dropped.
                let _ = tell.send(leader.lead());
            })?;
        Ok(Self {
            plan,
            shared,
            stage,
            report: Mutex::new(Report::Awaited(report)),
        })
    }

    /// End it soon. What was measured so far is reported.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Relaxed);
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let stage = STAGES[usize::from(self.stage.load(Relaxed)).min(STAGES.len() - 1)];
        let settled = self.shared.total(|gauge| &gauge.settled);
        let published = self
            .shared
            .published
            .iter()
            .map(|count| count.load(Relaxed))
            .sum::<u64>();
        let share = match (stage, self.shared.window.get()) {
            (Stage::Connecting, _) => ratio(settled, self.plan.audience.subscribers as u64),
            (Stage::Measuring, Some(window)) => {
                let since_ns = self.shared.clock.now_ns().saturating_sub(window.begin_ns);
                ratio(since_ns, window.end_ns - window.begin_ns)
            }
            (Stage::Over, _) => 1.0,
            _ => 0.0,
        };
        Progress {
            stage,
            share,
            ready: self.shared.total(|gauge| &gauge.alive),
            sent: published + self.shared.answered.load(Relaxed),
            deliveries: self.shared.total(|gauge| &gauge.deliveries),
        }
    }

    /// Wait for the report, for so long at most; None while there is none.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Arc<io::Result<Findings>>> {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match &*report {
            Report::There(found) => return Some(Arc::clone(found)),
            Report::Awaited(awaited) => match awaited.recv_timeout(patience) {
                Ok(found) => found,
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    Err(io::Error::other("the load's leading thread panicked"))
                }
            },
        };
        let found = Arc::new(found);
        *report = Report::There(Arc::clone(&found));
        Some(found)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
    }
}

#[allow(clippy::cast_precision_loss)] // for a bar
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        (part as f64 / whole as f64).min(1.0)
    }
}
