//! What a run has found, as JSON for whoever shows it.

use serde::Serialize;

use super::crowd::CrowdFindings;
use super::ear::Tally;
use super::ending::{Counted, Endings, Kind};
use super::ingest::IngestFindings;
use super::latency::{Distribution, Durations, Latencies, Recorder, Window};
use super::process::ProcessUsage;
use super::publishing::{Failure, PublisherFindings};
use super::shared::Busy;

/// A run.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Why it measured nothing, or not to its end.
    pub problem: Option<Problem>,
    /// How long the figures counted.
    pub measured_seconds: f64,
    /// The subscribers.
    pub subscribers: Subscribers,
    /// What they heard, where publications are known by their marks.
    pub latencies: Option<Latencies>,
    /// What was published.
    pub publications: Option<Publications>,
    /// What was posted.
    pub ingest: Option<Ingest>,
    /// Of each thread of the load.
    pub busy: Vec<Busy>,
    /// The server's process, if it was watched.
    pub process: Option<Process>,
}

/// Why a run came to nothing, or to less than was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The kind.
    pub what: Trouble,
    /// Ends that explain it.
    pub endings: Vec<Counted>,
    /// How long was waited, where that is what it is about.
    pub seconds: Option<f64>,
}

/// Kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Not all subscribers could connect and subscribe.
    NotAllReady,
    /// There is no connection to publish on, or it ended.
    PublisherLost,
    /// The first publication, or body, was refused.
    Refused,
    /// The first publication was accepted, and did not reach everybody.
    NothingHeard,
    /// The server stopped answering or delivering.
    Stuck,
    /// All subscribers were lost.
    AllLost,
    /// It was stopped from outside.
    Stopped,
}

impl Problem {
    /// A problem that ends of connections explain.
    #[must_use]
    pub fn of_endings(what: Trouble, endings: &Endings) -> Self {
        Self {
            what,
            endings: endings.findings(),
            seconds: None,
        }
    }

    /// A problem of patience.
    #[must_use]
    pub fn of_patience(what: Trouble, seconds: f64) -> Self {
        Self {
            what,
            endings: Vec::new(),
            seconds: Some(seconds),
        }
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Connection(ending) => {
                let mut endings = Endings::default();
                endings.count(ending.clone());
                // An upgrade that is refused is a refusal, wherever it was met.
                let refused = matches!(ending.kind, Kind::Refused | Kind::ConnectRefused);
                let what = if refused {
                    Trouble::Refused
                } else {
                    Trouble::PublisherLost
                };
                Self::of_endings(what, &endings)
            }
            Failure::Refused(endings) => Self::of_endings(Trouble::Refused, endings),
            Failure::Stuck(patience) => Self::of_patience(Trouble::Stuck, patience.as_secs_f64()),
        }
    }
}

/// The subscribers of a run.
#[derive(Debug, Serialize)]
pub struct Subscribers {
    /// How many were to be.
    pub asked: u64,
    /// How many got ready.
    pub ready: u64,
    /// How the others failed.
    pub failures: Vec<Counted>,
    /// How some of those who were ready were lost.
    pub losses: Vec<Counted>,
    /// From the first connection until the last was ready or had failed.
    pub settled_seconds: f64,
    /// From the first packet of each to its open WebSocket.
    pub opening: Distribution,
    /// From the first packet of each to its last subscription.
    pub readiness: Distribution,
    /// Publications that arrived in all, the warm-up included.
    pub deliveries: u64,
    /// How often numbers were skipped.
    pub gaps: u64,
    /// Publications that came after a later one.
    pub reordered: u64,
    /// Publications that came again.
    pub duplicated: u64,
    /// Publications that never came, at subscribers who were there to the end.
    pub missing: u64,
    /// Publications of others than this run.
    pub others: u64,
    /// What was read.
    pub bytes: u64,
    /// In so many reads.
    pub reads: u64,
}

/// What was published.
#[derive(Debug, Serialize)]
pub struct Publications {
    /// Handed to a socket, the warm-up included.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Due, and never sent: the server did not take those before them.
    pub unsent: u64,
    /// Had to wait until the server had taken those before them.
    pub held_up: u64,
    /// How late the others were sent: the load's own lateness.
    pub lateness: Distribution,
    /// Not accepted.
    pub refused: Vec<Counted>,
    /// From a request to its answer.
    pub answers: Distribution,
    /// Connections that were made again.
    pub reconnections: u64,
}

/// What was posted in the window.
#[derive(Debug, Serialize)]
pub struct Ingest {
    /// Bodies that were accepted.
    pub requests: u64,
    /// Lines in them.
    pub lines: u64,
    /// Their bytes, as sent.
    pub bytes: u64,
    /// Bodies that were not accepted.
    pub refused: Vec<Counted>,
    /// From a request to its answer.
    pub answers: Distribution,
    /// How long a slice is.
    pub slice_seconds: f64,
    /// Lines in each slice.
    pub slices: Vec<u64>,
}

/// The server's process.
#[derive(Debug, Serialize)]
pub struct Process {
    /// Before anybody connected.
    pub before: ProcessUsage,
    /// When the figures began to count; for `connect`, when everybody was ready.
    pub begin: ProcessUsage,
    /// When they ended.
    pub end: ProcessUsage,
}

/// What all threads of subscribers found, together.
#[derive(Debug)]
pub struct Audience {
    /// How many were to be.
    pub asked: u64,
    /// As the threads ended.
    pub crowds: Vec<CrowdFindings>,
}

impl Audience {
    /// Ends of those that never got ready.
    #[must_use]
    pub fn failures(&self) -> Endings {
        sum(self.crowds.iter().map(|crowd| &crowd.failures))
    }

    /// Ends of those that were ready.
    #[must_use]
    pub fn losses(&self) -> Endings {
        sum(self.crowds.iter().map(|crowd| &crowd.losses))
    }

    /// For the report.
    ///
    /// # Errors
    /// Only if our bounds were no bounds.
    pub fn findings(&self) -> std::io::Result<(Subscribers, Option<Latencies>)> {
        let (mut opening, mut readiness) = (Durations::new()?, Durations::new()?);
        let (mut tally, mut recorder) = (Tally::default(), None::<Recorder>);
        for crowd in &self.crowds {
            opening.add(&crowd.opening);
            readiness.add(&crowd.readiness);
            tally.add(crowd.tally);
            if let Some(found) = &crowd.recorder {
                let window = found.window();
                let all = match &mut recorder {
                    Some(all) => all,
                    None => recorder.insert(Recorder::new(window)?),
                };
                all.add(found);
            }
        }
        let total = |figure: fn(&CrowdFindings) -> u64| self.crowds.iter().map(figure).sum();
        let settled_ns = self.crowds.iter().map(|crowd| crowd.settled_ns).max();
        let subscribers = Subscribers {
            asked: self.asked,
            ready: total(|crowd| crowd.ready),
            failures: self.failures().findings(),
            losses: self.losses().findings(),
            settled_seconds: super::clock::seconds(settled_ns.unwrap_or(0)),
            opening: opening.distribution(),
            readiness: readiness.distribution(),
            deliveries: tally.deliveries,
            gaps: tally.gaps,
            reordered: tally.late,
            duplicated: tally.again,
            missing: total(|crowd| crowd.missing),
            others: tally.others,
            bytes: total(|crowd| crowd.bytes),
            reads: total(|crowd| crowd.reads),
        };
        Ok((subscribers, recorder.map(|recorder| recorder.findings())))
    }
}

fn sum<'a>(endings: impl Iterator<Item = &'a Endings>) -> Endings {
    let mut all = Endings::default();
    endings.for_each(|endings| all.add(endings));
    all
}

impl From<&PublisherFindings> for Publications {
    fn from(found: &PublisherFindings) -> Self {
        Self {
            sent: found.sent,
            bytes: found.bytes,
            unsent: found.unsent,
            held_up: found.held_up,
            lateness: found.lateness.distribution(),
            refused: found.outcomes.refused.findings(),
            answers: found.outcomes.answers.distribution(),
            reconnections: found.outcomes.reconnections,
        }
    }
}

impl Ingest {
    /// What all threads of posts found, together.
    ///
    /// # Errors
    /// Only if our bounds were no bounds.
    pub fn of(threads: &[IngestFindings], window: &Window) -> std::io::Result<Self> {
        let (mut answers, mut slices) = (Durations::new()?, vec![0; window.slices()]);
        for found in threads {
            answers.add(&found.answers);
            slices
                .iter_mut()
                .zip(&found.slices)
                .for_each(|(all, lines)| *all += lines);
        }
        let total = |figure: fn(&IngestFindings) -> u64| threads.iter().map(figure).sum();
        Ok(Self {
            requests: total(|found| found.accepted),
            lines: total(|found| found.lines),
            bytes: total(|found| found.bytes),
            refused: sum(threads.iter().map(|found| &found.refused)).findings(),
            answers: answers.distribution(),
            slice_seconds: super::clock::seconds(window.slice_ns()),
            slices,
        })
    }
}
