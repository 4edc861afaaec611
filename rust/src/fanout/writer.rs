//! The thread that writes to sockets whatever callers did not send themselves, and that alone waits for room in them, cuts
//! and releases.
//!
//! It sleeps in epoll until a publisher raises the wake-up signal, a full socket drains, or one has been full
//! for too long. It goes round in the channels that something was left in, and then makes a pass, which gives every
//! connection that has something to send one system call with at most 64 buffers, so that no long queue holds up
//! a short one; what is left waits for the next pass. Whatever was queued since the last visit goes out
//! together. Where there is a window, it opens with the first publication that finds its connection at rest, and when it
//! closes all who had one in it are due: one timer for all, whatever their number.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustix::event::epoll;

use super::channel::Channel;
use super::connection::{Connection, Next, Sent, Step};
use super::event::Kind;
use super::lock;
use super::queue::Batch;
use super::round::Taken;
use super::shared::Shared;
use super::stall::FullSockets;
use super::watch::{MAX_READY, Notice};
use super::window::Window;

/// After so many connections, some 300 µs, a pass looks for new work: who has little to wait for need not wait for the
/// end of a long one.
const LOOK_AFTER: usize = 64;

/// In a pass, a round waits until so many connections were attended to, as a share of those it goes to: a round costs
/// much less than the sends, and should go on doing so.
const ROUND_SHARE: usize = 8;

/// The body of the writer thread. However it ends, every connection is released and none can be added any
/// more.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut writer = Writer::new(shared);
    let stopped = catch_unwind(AssertUnwindSafe(|| writer.serve()));
    // Asked to stop: the sockets are as good as before. Otherwise their peers must learn that nothing comes
    // any more.
    let cut = if matches!(stopped, Ok(Ok(()))) {
        None
    } else {
        Some(Kind::Broken)
    };
    bury_all(shared, cut);
}

fn bury_all(shared: &Shared, cut: Option<Kind>) {
    let connections = lock(&shared.registry).close();
    for connection in connections {
        for kind in connection.bury(cut) {
            carry_out(shared, &connection, kind);
        }
    }
}

/// Do to the descriptor what `kind` stands for, then say it.
fn carry_out(shared: &Shared, connection: &Connection, kind: Kind) {
    if kind == Kind::Released {
        lock(&shared.registry).forget(connection.id);
        shared.watch.delete(&connection.socket);
    } else {
        connection.socket.shut_down();
        match kind {
            Kind::Overflow => _ = shared.counters.overflows.fetch_add(1, Relaxed),
            Kind::Stalled => _ = shared.counters.stalls.fetch_add(1, Relaxed),
            Kind::Broken | Kind::Released => {}
        }
    }
    shared.events.push(connection.id, kind);
}

struct Writer {
    shared: Arc<Shared>,
    /// Channels to go round in before this pass.
    rounds: Vec<Arc<Channel>>,
    /// Connections to attend to in this pass.
    due: VecDeque<Arc<Connection>>,
    /// Who is due in the next, having been attended to in this one.
    carried: VecDeque<Arc<Connection>>,
    /// The number of the pass.
    number: u64,
    /// How many were attended to in this pass, without those that a round in it has been made for.
    attended: usize,
    full: FullSockets,
    window: Window,
    batch: Batch,
    ready: Vec<epoll::Event>,
}

impl Writer {
    fn new(shared: &Arc<Shared>) -> Writer {
        Writer {
            shared: Arc::clone(shared),
            rounds: Vec::new(),
            due: VecDeque::new(),
            carried: VecDeque::new(),
            number: 0,
            attended: 0,
            full: FullSockets::default(),
            window: Window::new(shared.window),
            batch: Batch::default(),
            ready: Vec::with_capacity(MAX_READY),
        }
    }

    /// Turn after turn until told to stop.
    fn serve(&mut self) -> rustix::io::Result<()> {
        while !self.take_turn()? {}
        Ok(())
    }

    /// Wait for work, go round, and make a pass. True when it was the last.
    fn take_turn(&mut self) -> rustix::io::Result<bool> {
        let stop = self.gather()?;
        for channel in std::mem::take(&mut self.rounds) {
            let due = self.go_round(&channel);
            self.due.extend(due);
        }
        // After the rounds: a window that closes takes along what they have brought.
        self.close_window();
        self.pass();
        Ok(stop)
    }

    /// Wait for work and make `due` the whole of it. True when this pass is to be the last.
    fn gather(&mut self) -> rustix::io::Result<bool> {
        let idle = self.due.is_empty() && self.rounds.is_empty() && self.fall_asleep();
        let limit = if idle {
            self.full.quiet().into_iter().chain(self.window.quiet()).min()
        } else {
            Some(Duration::ZERO)
        };
        self.shared.watch.wait(&mut self.ready, limit)?;
        let mut ready = std::mem::take(&mut self.ready);
        for event in ready.drain(..) {
            self.notice(event.into());
        }
        self.ready = ready;
        self.look_again();
        let mut work = lock(&self.shared.work);
        #[cfg(test)]
        assert!(!work.fail, "asked to fail");
        work.asleep = false;
        self.due.extend(work.due.drain(..));
        self.rounds.append(&mut work.rounds);
        Ok(work.stop)
    }

    fn fall_asleep(&mut self) -> bool {
        let mut work = lock(&self.shared.work);
        self.window.open(&work);
        work.fall_asleep()
    }

    /// Make those due who have waited for it, if it is time.
    fn close_window(&mut self) {
        if self.shared.window.is_zero() {
            return;
        }
        let gathered = self.window.close(&mut lock(&self.shared.work));
        let gathered = gathered.into_iter();
        self.due
            .extend(gathered.filter(|connection| connection.end_gathering()));
    }

    /// Put what waits in a channel's log into the queues, and return who is due for it at once.
    fn go_round(&mut self, channel: &Channel) -> Vec<Arc<Connection>> {
        let mut taken = Taken::default();
        channel.go_round(&self.shared.budget, &mut taken);
        self.shared.count(&taken);
        self.shared.keep_budget();
        if self.shared.window.is_zero() {
            return taken.due;
        }
        self.shared.schedule_published(taken.due);
        Vec::new()
    }

    fn notice(&mut self, notice: Notice) {
        let (Notice::Room(id) | Notice::Gone(id)) = notice else {
            return;
        };
        let Some(connection) = lock(&self.shared.registry).find(id) else {
            return;
        };
        let due = if let Notice::Gone(_) = notice {
            connection.hang_up()
        } else {
            // Without the turn: what the registry knows is not released, and nobody releases it but this thread.
            self.shared.watch.await_no_room(&connection.socket, id);
            connection.unblock()
        };
        if due {
            self.due.push_back(connection);
        }
    }

    /// Make those due whose sockets have been full for too long.
    fn look_again(&mut self) {
        if self.full.quiet() != Some(Duration::ZERO) {
            return;
        }
        let now = Instant::now();
        while let Some(id) = self.full.pop(now) {
            let Some(connection) = lock(&self.shared.registry).find(id) else {
                continue;
            };
            match connection.look_again(now) {
                Next::Pass => self.due.push_back(connection),
                Next::LookAgain(when) => self.full.insert(when, id),
                Next::Rest => {}
            }
        }
    }

    /// Attend to everybody who is due, to each once.
    fn pass(&mut self) {
        self.number += 1;
        self.attended = 0;
        let mut next_look = LOOK_AFTER;
        while let Some(connection) = self.due.pop_front() {
            self.visit(connection);
            if self.attended >= next_look {
                self.look_for_more();
                next_look = self.attended + LOOK_AFTER;
            }
        }
        std::mem::swap(&mut self.due, &mut self.carried);
    }

    fn visit(&mut self, connection: Arc<Connection>) {
        connection.visited.store(self.number, Relaxed);
        self.attended += 1;
        if self.attend(&connection) {
            self.carried.push_back(connection);
        }
    }

    /// Take up, in the middle of a pass, what came since it began.
    fn look_for_more(&mut self) {
        let due = {
            let mut work = lock(&self.shared.work);
            self.rounds.append(&mut work.rounds);
            std::mem::take(&mut work.due)
        };
        self.let_in(due);
        for channel in std::mem::take(&mut self.rounds) {
            let cost = channel.size() / ROUND_SHARE;
            if cost > self.attended {
                self.rounds.push(channel);
                continue;
            }
            self.attended -= cost;
            let due = self.go_round(&channel);
            self.let_in(due);
        }
    }

    /// A few go before all others, many after them, and nobody twice in a pass, which would never end.
    fn let_in(&mut self, due: Vec<Arc<Connection>>) {
        let number = self.number;
        let (again, new): (Vec<_>, Vec<_>) = due
            .into_iter()
            .partition(|connection| connection.visited.load(Relaxed) == number);
        self.carried.extend(again);
        if new.len() > LOOK_AFTER {
            self.due.extend(new);
        } else {
            for connection in new {
                self.visit(connection);
            }
        }
    }

    /// Do what is next for one connection: at most one send. True when there is more to do in the next pass.
    fn attend(&mut self, connection: &Arc<Connection>) -> bool {
        loop {
            match connection.next(&mut self.batch) {
                Step::Rest => return false,
                Step::Send => {
                    let sent = self.shared.send(connection, &mut self.batch);
                    if let Sent::Full(_) = sent {
                        self.shared.watch.await_room(&connection.socket, connection.id);
                    }
                    let settled = connection.settle(&mut self.batch, sent);
                    self.shared.counters.add_conflated(settled.superfluous);
                    if let Next::LookAgain(when) = settled.next {
                        self.full.insert(when, connection.id);
                    }
                    return settled.next == Next::Pass;
                }
                Step::Cut(kind) => carry_out(&self.shared, connection, kind),
                Step::Release => {
                    carry_out(&self.shared, connection, Kind::Released);
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
