//! A thread of subscribers: it connects them, keeps them, listens, and counts.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::client::{Client, Role};
use super::clock::nanoseconds;
use super::connection::Site;
use super::ear::{Ear, Tally};
use super::ending::{Ending, Endings, Kind};
use super::latency::{Durations, Recorder};
use super::mark::Marks;
use super::order::Order;
use super::plan::{Plan, Work, duration};
use super::poll::{Poll, Ready};
use super::protocol::subprotocol;
use super::shared::{LOOK_UP, Shared, UsageLog};

/// What is read at once.
const READ_BYTES: usize = 1 << 18;

/// What a thread of subscribers is to do.
#[derive(Debug)]
pub struct Terms {
    /// What each of them is.
    pub role: Arc<Role>,
    /// How publications are known; None where any counts.
    pub marks: Option<Arc<Marks>>,
    /// Which gauge is theirs.
    pub gauge: usize,
    /// How many there are.
    pub subscribers: usize,
    /// How many may be on their way at the same time.
    pub at_once: usize,
    /// How long one may take until it is ready.
    pub handshake: Duration,
}

impl Terms {
    /// What each of so many threads is to do.
    #[must_use]
    pub fn divide(plan: &Plan, threads: usize, marks: &Arc<Marks>) -> Vec<Self> {
        let audience = &plan.audience;
        let protocol = audience.protocol.into();
        let role = Arc::new(Role {
            site: Site {
                server: plan.server.endpoint(),
                host: plan.server.host.clone(),
                path: audience.path.clone(),
                headers: plan.server.headers.clone(),
                subprotocol: subprotocol(protocol),
            },
            protocol,
            token: audience.token.clone(),
            channels: audience.channels.clone(),
        });
        let marked = matches!(plan.work, Work::Latency { .. } | Work::Fanout { .. });
        let terms = (0..threads).map(|gauge| Self {
            role: Arc::clone(&role),
            marks: marked.then(|| Arc::clone(marks)),
            gauge,
            subscribers: (audience.subscribers + gauge) / threads,
            at_once: audience.at_once.div_ceil(threads),
            handshake: duration(audience.handshake_seconds),
        });
        terms.collect()
    }
}

/// What a thread of subscribers has seen.
#[derive(Debug)]
pub struct CrowdFindings {
    /// Subscribers that became ready.
    pub ready: u64,
    /// Ends of those that never were.
    pub failures: Endings,
    /// Ends of those that had been.
    pub losses: Endings,
    /// From the first packet to the open WebSocket.
    pub opening: Durations,
    /// From the first packet to the last subscription.
    pub readiness: Durations,
    /// When the last of them was ready or had failed.
    pub settled_ns: u64,
    /// Latencies, if anything was measured.
    pub recorder: Option<Recorder>,
    /// Counts.
    pub tally: Tally,
    /// Publications that those who were there at the end do not have.
    pub missing: u64,
    /// What was read.
    pub bytes: u64,
    /// In so many reads.
    pub reads: u64,
    /// How busy the thread was.
    pub usage: UsageLog,
}

struct Member {
    client: Client,
    began_ns: u64,
    orders: Vec<Order>,
    /// Over all channels: the number behind the highest that it has.
    heard: u64,
    /// Whether the set of sockets looks for room.
    watched: bool,
    was_ready: bool,
}

struct Crowd<'a> {
    shared: &'a Shared,
    terms: &'a Terms,
    poll: Poll,
    members: Vec<Option<Member>>,
    /// Those that may not be ready yet, oldest first.
    young: VecDeque<usize>,
    settled: u64,
    alive: u64,
    /// Wraps: a server may invent numbers.
    heard: u64,
    /// When somebody was ready for the last time.
    ready_ns: u64,
    found: CrowdFindings,
}

/// The body of the thread.
///
/// # Errors
/// When there is no descriptor for the set of sockets.
pub fn run(shared: &Shared, terms: &Terms) -> io::Result<CrowdFindings> {
    let mut crowd = Crowd {
        shared,
        terms,
        poll: Poll::new()?,
        members: Vec::with_capacity(terms.subscribers),
        young: VecDeque::new(),
        settled: 0,
        alive: 0,
        heard: 0,
        ready_ns: shared.clock.now_ns(),
        found: CrowdFindings {
            ready: 0,
            failures: Endings::default(),
            losses: Endings::default(),
            opening: Durations::new()?,
            readiness: Durations::new()?,
            settled_ns: 0,
            recorder: None,
            tally: Tally::default(),
            missing: 0,
            bytes: 0,
            reads: 0,
            usage: UsageLog::default(),
        },
    };
    crowd.listen()?;
    Ok(crowd.leave())
}

impl Crowd<'_> {
    fn listen(&mut self) -> io::Result<()> {
        let (mut ready, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        while !self.shared.is_over() {
            self.begin_more();
            self.poll.wait(LOOK_UP, &mut ready)?;
            for &ready in &ready {
                self.attend(ready, &mut buffer);
            }
            self.give_up_late();
            self.tell();
            if let Some(window) = self.shared.window.get() {
                if self.found.recorder.is_none() && self.terms.marks.is_some() {
                    self.found.recorder = Some(Recorder::new(*window)?);
                }
                self.found.usage.look(window, self.shared.clock.now_ns());
            }
        }
        Ok(())
    }

    /// Begin as many connections as may be on their way.
    fn begin_more(&mut self) {
        while self.members.len() < self.terms.subscribers && self.young.len() < self.terms.at_once {
            let (token, began_ns) = (self.members.len(), self.shared.clock.now_ns());
            self.members.push(None);
            let begun = Client::begin(&self.terms.role).and_then(|client| {
                let socket = client.connection().socket();
                let added = self.poll.add(socket, token, true);
                added.map_err(|error| Ending::of_error(Kind::CannotConnect, &error))?;
                Ok(client)
            });
            match begun {
                Err(ending) => self.count_failure(ending),
                Ok(client) => {
                    self.members[token] = Some(Member {
                        client,
                        began_ns,
                        orders: vec![Order::default(); self.terms.role.channels.len()],
                        heard: 0,
                        watched: true,
                        was_ready: false,
                    });
                    self.young.push_back(token);
                }
            }
        }
    }

    fn attend(&mut self, ready: Ready, buffer: &mut [u8]) {
        let Some(Some(member)) = self.members.get_mut(ready.token) else {
            return;
        };
        let mut ear = Ear {
            marks: self.terms.marks.as_deref(),
            orders: &mut member.orders,
            recorder: self.found.recorder.as_mut(),
            tally: &mut self.found.tally,
            heard: &mut member.heard,
        };
        let (role, before) = (&self.terms.role, *ear.heard);
        let attended = member
            .client
            .attend(role, ready, buffer, self.shared.clock, &mut ear);
        if member.was_ready {
            self.heard = self.heard.wrapping_add(member.heard - before);
        }
        let attended = match attended {
            Ok(attended) => attended,
            Err(ending) => return self.end(ready.token, ending),
        };
        self.found.bytes += attended.bytes as u64;
        self.found.reads += u64::from(attended.bytes > 0);
        if attended.opened {
            let since_began = self.shared.clock.now_ns() - member.began_ns;
            self.found.opening.record(since_began);
        }
        let wants_room = member.client.connection().wants_room();
        if wants_room != member.watched {
            member.watched = wants_room;
            // It is in the set.
            let _ = self
                .poll
                .watch(member.client.connection().socket(), ready.token, wants_room);
        }
        if member.client.is_ready() && !member.was_ready {
            member.was_ready = true;
            self.ready_ns = self.shared.clock.now_ns();
            self.found.readiness.record(self.ready_ns - member.began_ns);
            self.found.ready += 1;
            self.alive += 1;
            self.heard = self.heard.wrapping_add(member.heard);
            self.grow_up(ready.token);
        }
    }

    /// It is ready or has failed: one more may begin.
    fn grow_up(&mut self, token: usize) {
        self.young.retain(|&young| young != token);
        self.settle();
    }

    fn settle(&mut self) {
        self.settled += 1;
        self.found.settled_ns = self.shared.clock.now_ns();
    }

    fn count_failure(&mut self, ending: Ending) {
        self.found.failures.count(ending);
        self.settle();
    }

    fn end(&mut self, token: usize, ending: Ending) {
        let Some(member) = self.members[token].take() else {
            return;
        };
        if member.was_ready {
            self.found.losses.count(ending);
            self.alive -= 1;
            self.heard = self.heard.wrapping_sub(member.heard);
        } else {
            self.young.retain(|&young| young != token);
            self.count_failure(ending);
        }
    }

    /// End those that took too long to become ready.
    fn give_up_late(&mut self) {
        let now_ns = self.shared.clock.now_ns();
        let patience = nanoseconds(self.terms.handshake);
        while let Some(&token) = self.young.front() {
            let began_ns = self.members[token].as_ref().map_or(0, |member| member.began_ns);
            if now_ns - began_ns < patience {
                return;
            }
            self.end(token, timed_out());
            if now_ns - self.ready_ns >= patience {
                self.give_up_all();
            }
        }
    }

    /// Nobody gets anywhere any more: those that are still to begin would each wait as long in vain.
    fn give_up_all(&mut self) {
        while self.members.len() < self.terms.subscribers {
            self.members.push(None);
            self.count_failure(timed_out());
        }
    }

    /// Let the other threads know.
    fn tell(&self) {
        let gauge = &self.shared.crowds[self.terms.gauge];
        gauge.heard.store(self.heard, Relaxed);
        gauge.alive.store(self.alive, Relaxed);
        gauge.settled.store(self.settled, Relaxed);
        gauge.deliveries.store(self.found.tally.deliveries, Relaxed);
    }

    /// Count what never came, and go.
    fn leave(mut self) -> CrowdFindings {
        let published = &self.shared.published;
        for member in self.members.drain(..).flatten() {
            if member.was_ready && self.terms.marks.is_some() {
                let missing = member.orders.iter().zip(published);
                let missing = missing.map(|(order, published)| order.missing(published.load(Relaxed)));
                self.found.missing += missing.sum::<u64>();
            }
            member.client.leave();
        }
        self.found
    }
}

fn timed_out() -> Ending {
    Ending::new(Kind::TimedOut, 0, "not connected and subscribed in time")
}
