//! The thread that publishes: at times that are fixed beforehand, or as fast as publications are delivered.

mod content;
mod lane;
mod schedule;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::clock::{nanoseconds, sharpen_timers};
use super::ending::{Ending, Endings, Kind};
use super::latency::{Durations, Window};
use super::mark::{Mark, Marks};
use super::plan::{Plan, Publishing, duration};
use super::poll::{Poll, Ready};
use super::shared::{LOOK_UP, Shared, UsageLog, until};
pub use content::Content;
pub use lane::Outcomes;
use lane::{Attended, Lane};
pub use schedule::Schedule;

const READ_BYTES: usize = 1 << 16;
/// How often a full house is looked at again. Subscribers tell of progress by counters, not by waking us.
const FULL: Duration = Duration::from_micros(100);
/// With everything that may be on its way on its way, and nothing arriving: then the server is stuck.
const STUCK_NS: u64 = 10_000_000_000;

/// What a publisher is to do, once everybody is there.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// On each channel, every second.
    Steady(f64),
    /// As fast as no more than this many publications are on their way.
    Flood(u64),
}

/// What is known of a publisher while it works.
#[derive(Debug, Default)]
pub struct Progress {
    /// The first publication of each channel was accepted.
    pub began: AtomicBool,
    /// Nothing more is published.
    pub ended: AtomicBool,
}

/// What a publisher has done.
#[derive(Debug)]
pub struct PublisherFindings {
    /// Publications that were handed to a socket.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Publications that were due and were never sent, since the server did not take those before them.
    pub unsent: u64,
    /// Publications that had to wait until the server had taken those before them.
    pub held_up: u64,
    /// How late the others were sent: our own lateness.
    pub lateness: Durations,
    /// What the server said.
    pub outcomes: Outcomes,
    /// How busy the thread was.
    pub usage: UsageLog,
    /// Why it stopped early, if it did.
    pub failure: Option<Failure>,
}

/// Why publishing came to nothing.
#[derive(Clone, Debug)]
pub enum Failure {
    /// No connection to publish on, or it ended.
    Connection(Ending),
    /// The very first publication was refused.
    Refused(Endings),
    /// The server did not answer, or deliver, for so long.
    Stuck(Duration),
}

struct Publisher<'a> {
    shared: &'a Shared,
    publishing: &'a Publishing,
    content: Content,
    lanes: Vec<Lane>,
    poll: Poll,
    ready: Vec<Ready>,
    buffer: Vec<u8>,
    found: PublisherFindings,
}

/// The body of the thread.
///
/// # Errors
/// When there is no descriptor for the set of sockets.
pub fn run(
    shared: &Shared,
    plan: &Plan,
    publishing: &Publishing,
    marks: Arc<Marks>,
    pace: Pace,
    progress: &Progress,
) -> io::Result<PublisherFindings> {
    sharpen_timers();
    let mut publisher = Publisher {
        shared,
        publishing,
        content: Content::new(marks, publishing),
        lanes: Vec::new(),
        poll: Poll::exact()?,
        ready: Vec::new(),
        buffer: vec![0; READ_BYTES],
        found: PublisherFindings {
            sent: 0,
            bytes: 0,
            unsent: 0,
            held_up: 0,
            lateness: Durations::new()?,
            outcomes: Outcomes {
                refused: Endings::default(),
                answers: Durations::new()?,
                reconnections: 0,
            },
            usage: UsageLog::default(),
            failure: None,
        },
    };
    let worked = publisher.work(plan, pace, progress);
    progress.ended.store(true, Relaxed);
    // A connection that is closed takes with it what the server has not read yet.
    publisher.found.failure = worked.and_then(|()| publisher.stay()).err();
    publisher.lanes.drain(..).for_each(Lane::leave);
    Ok(publisher.found)
}

impl Publisher<'_> {
    fn work(&mut self, plan: &Plan, pace: Pace, progress: &Progress) -> Result<(), Failure> {
        self.open(plan)?;
        self.begin()?;
        progress.began.store(true, Relaxed);
        let Some(window) = self.wait_for_window()? else {
            return Ok(());
        };
        match pace {
            Pace::Steady(per_second) => {
                let channels = self.publishing.names.len() as u64;
                let schedule = Schedule::new(&window, channels, per_second);
                self.keep(&schedule, &window, nanoseconds(duration(plan.drain_seconds)))
            }
            Pace::Flood(in_flight) => self.flood(&window, in_flight),
        }
    }

    /// Connect all lanes.
    fn open(&mut self, plan: &Plan) -> Result<(), Failure> {
        for token in 0..self.publishing.connections {
            let lane = Lane::begin(plan, self.publishing).map_err(Failure::Connection)?;
            let added = self.poll.add(lane.socket(), token, true);
            added.map_err(|error| Failure::Connection(Ending::of_error(Kind::CannotConnect, &error)))?;
            self.lanes.push(lane);
        }
        let patience = duration(plan.audience.handshake_seconds);
        self.wait_until(patience, |lanes| lanes.iter().all(Lane::is_free))
    }

    /// Publish once on every channel, and see it accepted. What a server does once for a channel it does now.
    fn begin(&mut self) -> Result<(), Failure> {
        for lane in 0..self.lanes.len() {
            self.publish_on_all(lane, 1)?;
        }
        let patience = duration(self.publishing.first_seconds);
        self.wait_until(patience, |lanes| lanes.iter().all(Lane::is_quiet))?;
        let refused = &self.found.outcomes.refused;
        if refused.total() > 0 {
            return Err(Failure::Refused(refused.clone()));
        }
        Ok(())
    }

    fn wait_until(&mut self, patience: Duration, done: impl Fn(&[Lane]) -> bool) -> Result<(), Failure> {
        let until_ns = self.shared.clock.now_ns() + nanoseconds(patience);
        while !done(&self.lanes) && !self.shared.is_over() {
            let now_ns = self.shared.clock.now_ns();
            if now_ns >= until_ns {
                return Err(Failure::Stuck(patience));
            }
            self.attend(until(now_ns, until_ns))?;
        }
        Ok(())
    }

    fn wait_for_window(&mut self) -> Result<Option<Window>, Failure> {
        while !self.shared.is_over() {
            if let Some(window) = self.shared.begun() {
                return Ok(Some(window));
            }
            self.attend(Duration::from_millis(1))?;
        }
        Ok(None)
    }

    /// Keep the connections until the run is over.
    fn stay(&mut self) -> Result<(), Failure> {
        while !self.shared.is_over() {
            self.attend(LOOK_UP)?;
        }
        Ok(())
    }

    /// Publish at the times of the schedule. What is left at its end is sent as long as it is waited for.
    fn keep(&mut self, schedule: &Schedule, window: &Window, drain_ns: u64) -> Result<(), Failure> {
        // By lane: the place in the schedule, and whether the lane was taken when it was due.
        let mut waiting: Vec<VecDeque<(u64, bool)>> = self.lanes.iter().map(|_| VecDeque::new()).collect();
        let mut next = 0;
        let end_ns = window.end_ns + drain_ns;
        while !self.shared.is_over() {
            let now_ns = self.shared.clock.now_ns();
            while next < schedule.count() && schedule.due_ns(next) <= now_ns {
                let lane = usize::from(schedule.channel(next)) % self.lanes.len();
                let taken = !self.lanes[lane].is_free() || !waiting[lane].is_empty();
                waiting[lane].push_back((next, taken));
                next += 1;
            }
            for (lane, waiting) in waiting.iter_mut().enumerate() {
                while self.lanes[lane].is_free()
                    && let Some((place, held_up)) = waiting.pop_front()
                {
                    self.publish_due(lane, schedule, place, held_up)?;
                }
            }
            self.found.usage.look(window, now_ns);
            let left: usize = waiting.iter().map(VecDeque::len).sum();
            let done = next == schedule.count() && left == 0 && now_ns >= window.end_ns;
            if done || now_ns >= end_ns {
                self.found.unsent = left as u64 + schedule.count() - next;
                return Ok(());
            }
            let wake_ns = if next < schedule.count() {
                schedule.due_ns(next)
            } else {
                u64::MAX
            };
            self.attend(until(self.shared.clock.now_ns(), wake_ns))?;
        }
        Ok(())
    }

    fn publish_due(
        &mut self,
        lane: usize,
        schedule: &Schedule,
        place: u64,
        held_up: bool,
    ) -> Result<(), Failure> {
        let (channel, due_ns) = (schedule.channel(place), schedule.due_ns(place));
        let sent_ns = self.shared.clock.now_ns();
        if held_up {
            self.found.held_up += 1;
        } else {
            self.found.lateness.record(sent_ns - due_ns);
        }
        let mark = self.next_mark(channel, due_ns, sent_ns);
        self.send(lane, &[mark], 1)
    }

    /// Publish as fast as subscribers hear.
    fn flood(&mut self, window: &Window, in_flight: u64) -> Result<(), Failure> {
        let (mut heard, mut heard_ns) = (0, self.shared.clock.now_ns());
        while !self.shared.is_over() {
            let now_ns = self.shared.clock.now_ns();
            self.found.usage.look(window, now_ns);
            if now_ns >= window.end_ns {
                return Ok(());
            }
            let mut wait = until(now_ns, window.end_ns);
            for lane in 0..self.lanes.len() {
                let batch = self.channels(lane).count() as u64;
                let room = in_flight.max(batch).saturating_sub(self.shared.in_flight());
                let times = room.checked_div(batch).unwrap_or(0);
                let times = times.min(self.lanes[lane].most_messages());
                if times == 0 {
                    wait = FULL;
                } else if self.lanes[lane].is_free() {
                    self.publish_on_all(lane, times)?;
                    wait = Duration::ZERO;
                }
            }
            let so_far = self.shared.total(|gauge| &gauge.heard);
            if so_far != heard {
                (heard, heard_ns) = (so_far, now_ns);
            } else if now_ns - heard_ns > STUCK_NS {
                return Err(Failure::Stuck(Duration::from_nanos(STUCK_NS)));
            }
            self.attend(wait)?;
        }
        Ok(())
    }

    /// The channels of a lane: each has one alone, so that its publications stay in order.
    fn channels(&self, lane: usize) -> impl Iterator<Item = u16> + use<> {
        let channels = u16::try_from(self.publishing.names.len() - 1).unwrap_or(u16::MAX);
        (0..=channels).skip(lane).step_by(self.lanes.len())
    }

    /// Publish so many times on every channel of a lane, each time in one message or body.
    fn publish_on_all(&mut self, lane: usize, times: u64) -> Result<(), Failure> {
        let now_ns = self.shared.clock.now_ns();
        let channels: Vec<_> = self.channels(lane).collect();
        let mut marks = Vec::new();
        for _ in 0..times {
            marks.extend(
                channels
                    .iter()
                    .map(|&channel| self.next_mark(channel, now_ns, now_ns)),
            );
        }
        self.send(lane, &marks, channels.len())
    }

    fn next_mark(&mut self, channel: u16, due_ns: u64, sent_ns: u64) -> Mark {
        let number = self.shared.published[usize::from(channel)].fetch_add(1, Relaxed);
        self.found.sent += 1;
        self.found.bytes += self.publishing.bytes as u64;
        Mark {
            channel,
            number,
            due_ns,
            sent_ns,
        }
    }

    fn send(&mut self, lane: usize, marks: &[Mark], in_each: usize) -> Result<(), Failure> {
        let sent = self.lanes[lane].send(&self.content, marks, in_each, self.shared.clock);
        sent.map_err(Failure::Connection)?;
        self.watch(lane);
        Ok(())
    }

    /// Wait for the lanes' sockets, for so long at most, and do what they are ready for.
    fn attend(&mut self, wait: Duration) -> Result<(), Failure> {
        // Fails only on a set of sockets that is no more.
        let waited = self.poll.wait(wait, &mut self.ready);
        waited.map_err(|error| Failure::Connection(Ending::of_error(Kind::Lost, &error)))?;
        for place in 0..self.ready.len() {
            let ready = self.ready[place];
            let Some(lane) = self.lanes.get_mut(ready.token) else {
                continue;
            };
            let outcomes = &mut self.found.outcomes;
            let attended = lane.attend(ready, &mut self.buffer, self.shared.clock, outcomes);
            match attended.map_err(Failure::Connection)? {
                Attended::Done => self.watch(ready.token),
                Attended::Reconnected => {
                    lane.watched = true;
                    let added = self.poll.add(lane.socket(), ready.token, true);
                    added.map_err(|error| Failure::Connection(Ending::of_error(Kind::Lost, &error)))?;
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, token: usize) {
        let lane = &mut self.lanes[token];
        let wants_room = lane.wants_room();
        if wants_room != lane.watched {
            lane.watched = wants_room;
            // It is in the set.
            let _ = self.poll.watch(lane.socket(), token, wants_room);
        }
    }
}
