//! Fan-out: one byte-bounded queue per connection, one writer thread for all of them.
//!
//! A publisher encodes a publication once per wire form. The shared buffer is appended to the queue of every
//! subscriber, where they are few by the publisher, and otherwise by the writer, to whom it is left in the channel's
//! log ([`channel`]). The [`writer`] thread touches the sockets, and for a message that finds a quiet connection and the
//! writer asleep the caller's thread, with one send ([`direct`]). Nothing a caller does waits for a peer.
//!
//! The order of the calls that concern a connection is the order in its queue, but that publications of different
//! channels may pass each other: before anything else is queued for it, and before it leaves, it gets what waits.
//!
//! **Locks**, in the order in which they may be taken while another is held:
//! channel shard → a channel's seats → connection → a channel's log;
//! evicting → registry, connection or work list; registry → (nothing); work list → (nothing); events → (nothing).
//! The writer takes a connection's lock for moving buffers, never across a system call, and a channel's seats for a
//! part of a round. A publisher takes the log's, which orders the publications of a channel alike for everybody. A
//! lock poisoned by a panic is used on: every state in here is good enough to release connections from.
//!
//! **Released**: after `add` only who has a connection's turn uses its descriptor, which is one thread at a time
//! ([`connection`]). The writer says `released`, having the turn or, at its end, having waited for who has it; it is the
//! last thing it does for one, after moving the connection to its last phase, in which nobody is lent the turn any more,
//! and taking it out of the epoll set. What happens exactly once in [`connection::Connection::next`], under that
//! connection's lock, therefore happens once in all.

mod audience;
pub mod budget;
mod channel;
mod channels;
mod conflation;
mod connection;
mod delivery;
mod direct;
mod event;
mod eviction;
mod log;
#[cfg(test)]
mod model;
pub mod queue;
mod registry;
mod round;
mod shared;
mod socket;
mod stall;
mod statistics;
mod steps;
pub mod subscribers;
mod train;
#[cfg(test)]
mod unattended;
mod watch;
mod window;
mod writer;

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use audience::Wish;
use budget::Buffer;
use channels::Channels;
use connection::{Connection, Content, Phase};
pub use event::{Event, Kind};
use round::Taken;
use shared::Shared;
use socket::Socket;
pub use statistics::Statistics;

use crate::tls::Session;
use crate::wire::{Form, Reader};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a connection is served under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How its peer reads.
    pub reader: Reader,
    /// Bytes that may wait for it, and what it may take to keep their messages besides; one more cuts it.
    pub max_queue_bytes: usize,
    /// How long its socket may take nothing while something is queued; then it is cut.
    pub write_limit: Duration,
}

/// What a subscriber wants of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // wishes, each by itself
pub struct Subscription {
    /// The channel's name in its own words.
    pub spelling: Arc<str>,
    /// Whether it is told who joins and leaves.
    pub events: bool,
    /// Whether it gets, where that is less, what changed since the publication before.
    pub delta: bool,
    /// Whether it gets a publication's detail where there is one. Deltas are of plain payloads: it gets none.
    pub detailed: bool,
    /// Whether, when it reads slowly, the newest publication takes the place of those that wait for it. Then it gets
    /// no deltas: what they change may never have come.
    pub conflate: bool,
}

/// Every outbound byte of the connections it was given. All methods may be called from any thread.
pub struct Fanout {
    shared: Arc<Shared>,
    channels: Channels,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Fanout {
    /// Start the writer thread. All messages that wait may hold `max_total_bytes` together.
    ///
    /// # Errors
    /// When the system gives no descriptor or no thread.
    pub fn new(max_total_bytes: usize) -> io::Result<Fanout> {
        Fanout::with_window(max_total_bytes, Duration::ZERO)
    }

    /// The same, and what is published is gathered for `window` before it is written, so that many publications for one
    /// connection cost one system call. Replies do not wait, and take along what waits for their connection.
    ///
    /// # Errors
    /// As `new`.
    pub fn with_window(max_total_bytes: usize, window: Duration) -> io::Result<Fanout> {
        let shared = Arc::new(Shared::new(max_total_bytes, window)?);
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("framecast-writer".to_owned())
            .spawn(move || writer::run(&its))?;
        Ok(Fanout {
            shared,
            channels: Channels::new(),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Readable when [`Fanout::take_events`] has something.
    #[must_use]
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.shared.events.as_fd()
    }

    /// Everything that happened since the last call, in order.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        self.shared.events.take()
    }

    /// Take over writing to the stream socket `fd` and return the connection's handle.
    ///
    /// The caller keeps `fd` open until the `released` event, and until then nobody else writes to it.
    ///
    /// # Errors
    /// When `fd` cannot be watched (closed, not a socket, added already) or the writer has ended.
    pub fn add(&self, fd: RawFd, terms: Terms) -> io::Result<u64> {
        self.register(Socket::new(fd), terms)
    }

    /// The same, over TLS: what is sent is sealed by `session`, whose handshake is over, and its goodbye is the last.
    ///
    /// Until `released` nobody else seals with it or takes its output. Who has it receive something tells by
    /// [`Fanout::speak`] that it has something to say.
    ///
    /// # Errors
    /// As `add`.
    pub fn add_secured(&self, fd: RawFd, terms: Terms, session: Arc<Session>) -> io::Result<u64> {
        self.register(Socket::secured(fd, session), terms)
    }

    fn register(&self, socket: Socket, terms: Terms) -> io::Result<u64> {
        // Locked to the end: an ending writer must find this connection either refused or watched and
        // registered.
        let mut registry = lock(&self.shared.registry);
        if registry.closed {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the writer thread has ended",
            ));
        }
        let id = registry.last_id + 1;
        self.shared.watch.add(&socket, id)?;
        registry.last_id = id;
        let connection = Connection::new(id, socket, terms, Arc::clone(&self.shared.budget));
        let connection = connection.gathering(!self.shared.window.is_zero());
        registry.connections.insert(id, Arc::new(connection));
        Ok(id)
    }

    /// Queue raw bytes. False when the connection takes none any more, or was cut because these did not fit.
    pub fn send(&self, connection: u64, data: &[u8]) -> bool {
        self.find(connection)
            .is_some_and(|connection| self.put(connection, self.shared.buffer(data.to_vec()), Content::Raw))
    }

    /// Queue one message, framed as the connection reads. False as for `send`, and once the connection has
    /// left its channels.
    pub fn send_message(&self, connection: u64, payload: &[u8]) -> bool {
        self.find(connection).is_some_and(|connection| {
            let message = self.shared.buffer(connection.reader.message(payload));
            self.put(connection, message, Content::Message)
        })
    }

    /// Put `connection` among the subscribers of `channel`, or change what it wants there. The next publication
    /// goes to it in full either way.
    pub fn subscribe(&self, connection: u64, channel: &str, subscription: Subscription) {
        let Some(connection) = self.find(connection) else {
            return;
        };
        let form = Form {
            reader: connection.reader,
            spelling: subscription.spelling,
            detailed: subscription.detailed,
        };
        let wish = Wish {
            events: subscription.events,
            deltas: subscription.delta && !subscription.detailed && !subscription.conflate,
            conflates: subscription.conflate,
        };
        let mut taken = Taken::default();
        let budget = &self.shared.budget;
        self.channels
            .join(channel, connection, (form, wish), budget, &mut taken);
        self.shared.conclude(taken);
    }

    /// Take `connection` out of the subscribers of `channel`; what was published before is still queued for it.
    pub fn unsubscribe(&self, connection: u64, channel: &str) {
        if let Some(connection) = self.find(connection) {
            self.leave_channel(&connection, channel);
        }
    }

    fn leave_channel(&self, connection: &Connection, channel: &str) {
        let mut taken = Taken::default();
        let budget = &self.shared.budget;
        self.channels.leave(channel, connection, budget, &mut taken);
        self.shared.conclude(taken);
    }

    /// Send what the session of `connection` has to say itself.
    pub fn speak(&self, connection: u64) {
        if let Some(connection) = self.find(connection).filter(|connection| connection.speak()) {
            self.shared.schedule(connection);
        }
    }

    /// Leave all channels for good: no publication and no message follows what is queued now, only raw bytes
    /// may.
    pub fn leave(&self, connection: u64) {
        self.advance(connection, Phase::Left);
    }

    /// Take no more, leave all channels, write out what is queued, then release.
    pub fn finish(&self, connection: u64) {
        self.advance(connection, Phase::Finishing);
    }

    /// Take no more, leave all channels, drop what is queued, then release.
    pub fn remove(&self, connection: u64) {
        self.advance(connection, Phase::Removed);
    }

    /// Why `connection` was cut; None when it was not, or is gone. Known before anything follows from it: an event says
    /// so later, when the writer has come by.
    #[must_use]
    pub fn find_cut(&self, connection: u64) -> Option<Kind> {
        self.find(connection)?.cut()
    }

    /// Bytes waiting in the queue of `connection`; 0 when it is gone.
    #[must_use]
    pub fn queued_bytes(&self, connection: u64) -> usize {
        self.find(connection).map_or(0, |connection| {
            self.catch_up(&connection);
            connection.queued_bytes()
        })
    }

    /// Whether the writer has tried to send all that was queued: what waits now, waits for sockets with room.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        lock(&self.shared.work).asleep
    }

    /// What of the budget is taken by all messages that wait, each counted once.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.shared.budget.held_bytes()
    }

    /// Figures and sizes. Walks over all connections: for a scrape every few seconds, not for every message.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let connections: Vec<_> = lock(&self.shared.registry)
            .connections
            .values()
            .cloned()
            .collect();
        let (channels, subscriptions) = self.channels.count();
        let counters = &self.shared.counters;
        Statistics {
            connections: connections.len(),
            subscriptions,
            channels,
            queued_bytes: connections
                .iter()
                .map(|connection| connection.queued_bytes())
                .sum(),
            total_bytes: self.shared.budget.held_bytes(),
            deliveries: counters.deliveries.load(Relaxed),
            encodings: counters.encodings.load(Relaxed),
            sent_bytes: counters.sent_bytes.load(Relaxed),
            send_calls: counters.send_calls.load(Relaxed),
            conflated: counters.conflated.load(Relaxed),
            overflows: counters.overflows.load(Relaxed),
            stalls: counters.stalls.load(Relaxed),
        }
    }

    /// Stop the writer thread after one last pass; every connection is released. Waits for that, which no
    /// peer can delay.
    pub fn close(&self) {
        let mut thread = lock(&self.thread);
        self.shared.order(|work| work.stop = true);
        if let Some(thread) = thread.take() {
            // The thread catches its own panics and has released everything either way.
            let _ = thread.join();
        }
        self.channels.clear();
    }

    fn find(&self, connection: u64) -> Option<Arc<Connection>> {
        lock(&self.shared.registry).find(connection)
    }

    fn put(&self, connection: Arc<Connection>, buffer: Buffer, content: Content) -> bool {
        self.catch_up(&connection);
        let outcome = connection.put(&buffer, content);
        // So that it counts, from here on, only where it is queued.
        drop(buffer);
        if outcome.schedule {
            self.shared.attend(connection);
        }
        self.shared.keep_budget();
        outcome.taken
    }

    fn advance(&self, connection: u64, phase: Phase) {
        let Some(connection) = self.find(connection) else {
            return;
        };
        if phase < Phase::Removed {
            self.catch_up(&connection);
        }
        let (channels, outcome) = connection.advance(phase);
        // No subscribe can add to them any more: it would find the phase changed.
        for channel in channels.keys() {
            self.leave_channel(&connection, channel);
        }
        if outcome.schedule {
            self.shared.schedule(connection);
        }
    }
}

impl Drop for Fanout {
    fn drop(&mut self) {
        self.close();
    }
}
