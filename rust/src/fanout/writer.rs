//! The one thread that writes to sockets, and every system call that touches a connection's descriptor.
//!
//! It sleeps in epoll until a publisher raises the wake-up signal, a full socket drains, or one has been full
//! for too long. It goes round in the channels that something was left in, and then makes a pass, which gives every
//! connection that has something to send one `sendmsg` of at most 64 buffers, so that no long queue holds up
//! a short one; what is left waits for the next pass. Whatever was queued since the last visit goes out
//! together. Where there is a window, it opens with the first publication that finds its connection at rest, and when it
//! closes all who had one in it are due: one timer for all, whatever their number.
#![allow(unsafe_code)] // borrowing descriptors that Python owns; see `Connection::fd` and the SAFETY notes

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};

use super::channel::Channel;
use super::connection::{Connection, Next, Sent, Step};
use super::event::{Kind, Signal};
use super::lock;
use super::queue::{Batch, MAX_BATCH_BUFFERS};
use super::round::Taken;
use super::shared::Shared;
use super::stall::FullSockets;
use super::window::Window;

/// The wake-up signal's place among the handles, which begin at 1.
const WAKE: u64 = 0;

/// How many epoll events are read at once; more stay in the kernel for the next pass.
const MAX_READY: usize = 256;

/// After so many connections, some 300 µs, a pass looks for new work: who has little to wait for need not wait for the
/// end of a long one.
const LOOK_AFTER: usize = 64;

/// In a pass, a round waits until so many connections were attended to, as a share of those it goes to: a round costs
/// much less than the sends, and should go on doing so.
const ROUND_SHARE: usize = 8;

/// Older kernels count the milliseconds in 31 bits. To wake up in vain once an hour costs nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The epoll set: every connection from `add` to its release, each under its handle, and the wake-up signal.
///
/// Connections are watched edge-triggered for room and hang-up, so that one `epoll_ctl` serves a connection's
/// whole life. Events carry the handle, never the descriptor: one that is late names a handle nobody has any
/// more, even if the descriptor's number serves another connection by then.
pub(super) struct Watch {
    epoll: OwnedFd,
    pub wake: Signal,
}

impl Watch {
    pub(super) fn new() -> rustix::io::Result<Watch> {
        let watch = Watch {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            wake: Signal::new()?,
        };
        let wake = epoll::EventData::new_u64(WAKE);
        epoll::add(&watch.epoll, watch.wake.as_fd(), wake, epoll::EventFlags::IN)?;
        Ok(watch)
    }

    /// Begin to watch `fd`, which the caller of `Fanout::add` has just handed over.
    pub(super) fn add(&self, fd: RawFd, id: u64) -> rustix::io::Result<()> {
        if fd < 0 {
            return Err(Errno::BADF);
        }
        // SAFETY: not negative, and open for the length of this call: `Fanout::add` asks that of its caller.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(id), flags)
    }

    /// Stop watching. Fails only for a descriptor that was closed against the rules, which has left the set
    /// by itself.
    fn delete(&self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Wait for events, for about `limit` at most; `ready` holds them afterwards.
    fn wait(&self, ready: &mut Vec<epoll::Event>, limit: Option<Duration>) -> rustix::io::Result<()> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit.min(LONGEST_WAIT)).ok());
        ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(ready), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The descriptor of a connection whose release was not said yet; for the writer thread only.
fn descriptor(connection: &Connection) -> BorrowedFd<'_> {
    // SAFETY: `Watch::add` refused negative numbers, and the owner keeps the descriptor open until it hears
    // that the connection is released, which this same thread says only after its last use.
    unsafe { BorrowedFd::borrow_raw(connection.fd) }
}

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
        shared.watch.delete(descriptor(connection));
    } else {
        // Fails only when the peer is gone already.
        let _ = shutdown(descriptor(connection), Shutdown::Both);
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
            self.notice(event);
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

    fn notice(&mut self, event: epoll::Event) {
        let (id, flags) = (event.data.u64(), event.flags);
        if id == WAKE {
            self.shared.watch.wake.clear();
            return;
        }
        let Some(connection) = lock(&self.shared.registry).find(id) else {
            return;
        };
        let gone = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        if if gone {
            connection.hang_up()
        } else {
            connection.unblock()
        } {
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
                    let sent = self.send(connection);
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

    fn send(&self, connection: &Connection) -> Sent {
        let mut slices = [IoSlice::new(&[]); MAX_BATCH_BUFFERS];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(self.batch.pieces()) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut control = SendAncillaryBuffer::default();
        let counters = &self.shared.counters;
        counters.send_calls.fetch_add(1, Relaxed);
        match sendmsg(descriptor(connection), &slices[..count], &mut control, flags) {
            Ok(bytes) => {
                counters.sent_bytes.fetch_add(bytes as u64, Relaxed);
                Sent::Bytes(bytes)
            }
            Err(Errno::AGAIN) => Sent::Full(Instant::now()),
            Err(Errno::INTR) => Sent::Bytes(0),
            Err(_) => Sent::Broken,
        }
    }
}

#[cfg(test)]
mod tests;
