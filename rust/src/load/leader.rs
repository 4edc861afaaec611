//! The thread that leads a run, from the first connection to the report.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::clock::{nanoseconds, seconds};
use super::crowd::{self, CrowdFindings};
use super::ending::Endings;
use super::findings::{Audience, Findings, Ingest, Problem, Process, Publications, Trouble};
use super::ingest;
use super::latency::Window;
use super::mark::Marks;
use super::plan::{Plan, Publishing, Work, duration};
use super::process::ProcessUsage;
use super::publishing::{self, Pace};
use super::run::Stage;
use super::shared::{Busy, LOOK_UP, Shared};

/// Between fixing the time of a run and its first moment: every thread must know by then.
const NOTICE_NS: u64 = 50_000_000;
/// How often the leader looks how far the others are.
const LOOK: Duration = Duration::from_millis(2);

/// Ends the run however its block ends: a scope waits for its threads, and they for the end.
struct OverAtEnd<'a>(&'a Shared);

impl Drop for OverAtEnd<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Relaxed);
    }
}

/// Who leads a run.
#[derive(Debug)]
pub struct Leader {
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    stage: Arc<AtomicU8>,
    bodies: Vec<Vec<u8>>,
}

/// What the part of a run between connecting and leaving came to.
#[derive(Default)]
struct Course {
    problem: Option<Problem>,
    publications: Option<Publications>,
    ingest: Option<Ingest>,
    busy: Vec<Busy>,
    process: Option<(ProcessUsage, ProcessUsage)>,
}

type Crowds<'scope> = Vec<ScopedJoinHandle<'scope, io::Result<CrowdFindings>>>;

impl Leader {
    /// A leader of this run. `bodies` are what `ingest` posts, in turn by connection.
    pub fn new(plan: Arc<Plan>, shared: Arc<Shared>, stage: Arc<AtomicU8>, bodies: Vec<Vec<u8>>) -> Self {
        Self {
            plan,
            shared,
            stage,
            bodies,
        }
    }

    /// Lead the run to its end.
    ///
    /// # Errors
    /// When the system has no thread or descriptor for it.
    pub fn lead(&self) -> io::Result<Findings> {
        let findings = self.run();
        self.enter(Stage::Over);
        findings
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    fn look_at_process(&self) -> Option<ProcessUsage> {
        self.plan.server.pid.and_then(ProcessUsage::find)
    }

    fn run(&self) -> io::Result<Findings> {
        let before = self.look_at_process();
        let marks = Arc::new(Marks::new(self.plan.run));
        let terms = crowd::Terms::divide(&self.plan, self.shared.crowds.len(), &marks);
        let (course, crowds) = thread::scope(|scope| -> io::Result<_> {
            let _over = OverAtEnd(&self.shared);
            let mut crowds: Crowds<'_> = Vec::new();
            for terms in &terms {
                let body = || crowd::run(&self.shared, terms);
                let thread = thread::Builder::new().name(format!("bench sub {}", terms.gauge + 1));
                crowds.push(thread.spawn_scoped(scope, body)?);
            }
            let course = self.course(&marks, &crowds);
            self.shared.over.store(true, Relaxed);
            let crowds = crowds.into_iter().map(join).collect::<io::Result<Vec<_>>>();
            Ok((course?, crowds?))
        })?;
        self.report(before, course, crowds)
    }

    /// Everything between the first connection and the last goodbye.
    fn course(&self, marks: &Arc<Marks>, crowds: &Crowds<'_>) -> io::Result<Course> {
        if let Some(problem) = self.gather(crowds) {
            return Ok(Course {
                problem: Some(problem),
                ..Course::default()
            });
        }
        match &self.plan.work {
            Work::Latency {
                publishing,
                per_second,
            } => self.publish(publishing, marks, Pace::Steady(*per_second)),
            Work::Fanout {
                publishing,
                in_flight,
            } => self.publish(publishing, marks, Pace::Flood(*in_flight)),
            Work::Ingest { .. } => self.ingest(),
            Work::Connect { idle_seconds } => Ok(self.idle(duration(*idle_seconds))),
        }
    }

    /// Wait until every subscriber is ready, or has failed.
    fn gather(&self, crowds: &Crowds<'_>) -> Option<Problem> {
        let asked = self.plan.audience.subscribers as u64;
        // Each has a deadline of its own; a thread of them that is over has broken.
        let broken = || crowds.iter().any(ScopedJoinHandle::is_finished);
        self.wait_for(None, || {
            self.shared.total(|gauge| &gauge.settled) >= asked || broken()
        });
        if self.stopped() {
            return Some(Problem::of_patience(
                Trouble::Stopped,
                seconds(self.shared.clock.now_ns()),
            ));
        }
        let all = self.shared.total(|gauge| &gauge.alive) >= asked;
        let wanted = !matches!(self.plan.work, Work::Connect { .. });
        (wanted && !all).then(|| Problem::of_endings(Trouble::NotAllReady, &Endings::default()))
    }

    fn stopped(&self) -> bool {
        self.shared.stopped.load(Relaxed)
    }

    /// Wait until `done`, no longer than `patience`; whether it is.
    fn wait_for(&self, patience: Option<Duration>, done: impl Fn() -> bool) -> bool {
        let limit_ns = patience.map_or(u64::MAX, |patience| {
            self.shared.clock.now_ns() + nanoseconds(patience)
        });
        loop {
            if done() {
                return true;
            }
            if self.stopped() || self.shared.clock.now_ns() >= limit_ns {
                return false;
            }
            thread::sleep(LOOK);
        }
    }

    /// Fix the time of the run.
    fn fix_window(&self) -> Window {
        let begin_ns = self.shared.clock.now_ns() + NOTICE_NS;
        let measured_ns = begin_ns + nanoseconds(duration(self.plan.warm_up_seconds));
        let window = Window {
            begin_ns,
            measured_ns,
            end_ns: measured_ns + nanoseconds(duration(self.plan.seconds)),
        };
        self.enter(Stage::Measuring);
        *self.shared.window.get_or_init(|| window)
    }

    /// Wait until the end of the window, or until there is no reason to; look at the process at both of its ends.
    fn measure(&self, window: &Window, over: impl Fn() -> bool) -> Option<(ProcessUsage, ProcessUsage)> {
        let wait_until =
            |moment_ns: u64| self.wait_for(None, || over() || self.shared.clock.now_ns() >= moment_ns);
        wait_until(window.measured_ns);
        let begin = self.look_at_process();
        wait_until(window.end_ns);
        begin.zip(self.look_at_process())
    }

    fn publish(&self, publishing: &Publishing, marks: &Arc<Marks>, pace: Pace) -> io::Result<Course> {
        self.enter(Stage::Beginning);
        let progress = publishing::Progress::default();
        thread::scope(|scope| {
            let _over = OverAtEnd(&self.shared);
            let body = || {
                publishing::run(
                    &self.shared,
                    &self.plan,
                    publishing,
                    Arc::clone(marks),
                    pace,
                    &progress,
                )
            };
            let publisher = thread::Builder::new()
                .name("bench pub".to_owned())
                .spawn_scoped(scope, body)?;
            let mut course = Course::default();
            let ended = || progress.ended.load(Relaxed) || publisher.is_finished();
            self.wait_for(None, || progress.began.load(Relaxed) || ended());
            let first = duration(publishing.first_seconds);
            let heard = || self.shared.outstanding() == 0;
            if !ended() && !self.wait_for(Some(first), || heard() || ended()) {
                course.problem = Some(Problem::of_patience(
                    Trouble::NothingHeard,
                    publishing.first_seconds,
                ));
            } else if !ended() && !self.stopped() {
                let window = self.fix_window();
                let nobody = || self.shared.total(|gauge| &gauge.alive) == 0;
                let cut = || nobody() || (ended() && self.shared.clock.now_ns() < window.end_ns);
                course.process = self.measure(&window, cut);
                self.enter(Stage::Draining);
                self.wait_for(None, || ended() || nobody());
                let drain = Some(duration(self.plan.drain_seconds));
                self.wait_for(drain, || heard() || nobody());
                if nobody() {
                    course.problem = Some(Problem::of_endings(Trouble::AllLost, &Endings::default()));
                }
            }
            self.shared.over.store(true, Relaxed);
            let found = join(publisher)?;
            // Why nothing can be published any more explains most that comes after it.
            course.problem = found.failure.as_ref().map(Problem::from).or(course.problem);
            course.publications = Some(Publications::from(&found));
            if let Some(window) = self.shared.window.get() {
                course.busy.push(found.usage.findings("publisher", window));
            }
            Ok(course)
        })
    }

    fn ingest(&self) -> io::Result<Course> {
        let terms = ingest::Terms::divide(&self.plan, &self.bodies);
        thread::scope(|scope| {
            let _over = OverAtEnd(&self.shared);
            let mut threads = Vec::new();
            for (number, terms) in terms.iter().enumerate() {
                let thread = thread::Builder::new().name(format!("bench post {}", number + 1));
                threads.push(thread.spawn_scoped(scope, || ingest::run(&self.shared, terms))?);
            }
            let window = self.fix_window();
            let any_failed = || threads.iter().any(ScopedJoinHandle::is_finished);
            let early = || any_failed() && self.shared.clock.now_ns() < window.end_ns;
            let process = self.measure(&window, early);
            let cut = early();
            if cut {
                self.shared.over.store(true, Relaxed);
            }
            let found = threads.into_iter().map(join).collect::<io::Result<Vec<_>>>()?;
            let failure = found.iter().find_map(|found| found.failure.as_ref());
            let busy = found.iter().enumerate();
            Ok(Course {
                problem: failure.map(Problem::from),
                ingest: Some(Ingest::of(&found, &window)?),
                busy: busy
                    .map(|(number, found)| found.usage.findings(&format!("posts {}", number + 1), &window))
                    .collect(),
                process,
                ..Course::default()
            })
        })
    }

    fn idle(&self, length: Duration) -> Course {
        let begin_ns = self.shared.clock.now_ns();
        let window = Window {
            begin_ns,
            measured_ns: begin_ns,
            end_ns: begin_ns + nanoseconds(length).max(1),
        };
        self.enter(Stage::Measuring);
        let window = *self.shared.window.get_or_init(|| window);
        let process = self.measure(&window, || self.shared.total(|gauge| &gauge.alive) == 0);
        // The threads of subscribers look up once more, and see the end.
        thread::sleep(LOOK_UP * 2);
        Course {
            process,
            ..Course::default()
        }
    }

    fn report(
        &self,
        before: Option<ProcessUsage>,
        course: Course,
        crowds: Vec<CrowdFindings>,
    ) -> io::Result<Findings> {
        let mut busy = course.busy;
        if let Some(window) = self.shared.window.get() {
            let threads = crowds.iter().enumerate();
            busy.extend(threads.map(|(number, crowd)| {
                crowd
                    .usage
                    .findings(&format!("subscribers {}", number + 1), window)
            }));
        }
        let audience = Audience {
            asked: self.plan.audience.subscribers as u64,
            crowds,
        };
        let problem = course.problem.map(|problem| match problem.what {
            Trouble::NotAllReady => {
                let mut endings = audience.failures();
                endings.add(&audience.losses());
                Problem::of_endings(problem.what, &endings)
            }
            Trouble::AllLost => Problem::of_endings(problem.what, &audience.losses()),
            _ => problem,
        });
        let stopped = self.stopped() && problem.is_none();
        let (subscribers, latencies) = audience.findings()?;
        let measured_ns = self.shared.window.get().map_or(0, |window| {
            let until_ns = self.shared.clock.now_ns().min(window.end_ns);
            until_ns.saturating_sub(window.measured_ns)
        });
        Ok(Findings {
            problem: problem.or_else(|| {
                stopped.then(|| Problem::of_patience(Trouble::Stopped, seconds(self.shared.clock.now_ns())))
            }),
            measured_seconds: seconds(measured_ns),
            subscribers,
            latencies,
            publications: course.publications,
            ingest: course.ingest,
            busy,
            process: before
                .zip(course.process)
                .map(|(before, (begin, end))| Process { before, begin, end }),
        })
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("a thread of the load panicked")))
}
