//! What the writer has to tell the owners of the connections, and the descriptor that says there is
//! something.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::event::{EventfdFlags, eventfd};

use super::lock;

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its queue would have passed the limit, or was among the longest when all together passed theirs; the
    /// queue was dropped and the socket shut down.
    Overflow,
    /// Its socket took not one byte for too long while something was queued; the queue was dropped and the
    /// socket shut down.
    Stalled,
    /// The peer is gone; the queue was dropped and the socket shut down.
    Broken,
    /// Nobody will ever touch the descriptor again. The last event of a connection, and the only certain
    /// one.
    Released,
}

/// Something that happened to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The connection's handle.
    pub connection: u64,
    /// What happened.
    pub kind: Kind,
}

/// A counter in the kernel that one thread raises and another waits for.
pub(super) struct Signal(OwnedFd);

impl Signal {
    pub(super) fn new() -> rustix::io::Result<Signal> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Signal)
    }

    /// Make it readable. It can only fail when the counter is full, and then it is readable.
    pub(super) fn raise(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Make it unreadable. It can only fail when it is that already.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Events that nobody took yet. The signal is raised and cleared under the lock, so it is readable exactly
/// when there is something to take.
pub(super) struct Events {
    waiting: Mutex<Vec<Event>>,
    signal: Signal,
}

impl Events {
    pub(super) fn new() -> rustix::io::Result<Events> {
        Ok(Events {
            waiting: Mutex::default(),
            signal: Signal::new()?,
        })
    }

    pub(super) fn push(&self, connection: u64, kind: Kind) {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() {
            self.signal.raise();
        }
        waiting.push(Event { connection, kind });
    }

    pub(super) fn take(&self) -> Vec<Event> {
        let mut waiting = lock(&self.waiting);
        self.signal.clear();
        std::mem::take(&mut waiting)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.signal.as_fd()
    }
}
