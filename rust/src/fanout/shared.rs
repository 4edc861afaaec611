//! What the callers' threads and the writer have in common: who there is, and what is to be done.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::budget::{Budget, Buffer};
use super::channel::Channel;
use super::connection::{Connection, Sent};
use super::event::Events;
use super::lock;
use super::queue::Batch;
use super::registry::Registry;
use super::statistics::Counters;
use super::watch::Watch;

/// What the writer is to attend to.
#[derive(Default)]
pub(super) struct Work {
    pub due: Vec<Arc<Connection>>,
    /// Channels with something in their logs.
    pub rounds: Vec<Arc<Channel>>,
    /// What was published for these waits for the window to close.
    pub gathered: Vec<Arc<Connection>>,
    /// The writer waits for the wake-up signal: whoever brings work raises it, and so only once.
    pub asleep: bool,
    pub stop: bool,
    #[cfg(test)]
    pub fail: bool,
}

impl Work {
    pub fn fall_asleep(&mut self) -> bool {
        self.asleep = self.due.is_empty() && self.rounds.is_empty() && !self.stop;
        self.asleep
    }
}

/// What the callers' threads and the writer have in common.
pub(super) struct Shared {
    pub registry: Mutex<Registry>,
    pub work: Mutex<Work>,
    pub events: Events,
    pub watch: Watch,
    pub counters: Counters,
    /// How long what is published is gathered before it is written.
    pub window: Duration,
    pub budget: Arc<Budget>,
    /// Held by who is making room in the budget.
    pub evicting: Mutex<()>,
}

impl Shared {
    pub fn new(max_total_bytes: usize, window: Duration) -> rustix::io::Result<Shared> {
        Ok(Shared {
            registry: Mutex::default(),
            work: Mutex::default(),
            events: Events::new()?,
            watch: Watch::new()?,
            counters: Counters::default(),
            window,
            budget: Budget::new(max_total_bytes),
            evicting: Mutex::default(),
        })
    }

    /// A message that counts in the budget.
    pub fn buffer(&self, message: Vec<u8>) -> Buffer {
        Buffer::new(&self.budget, message)
    }

    /// One system call with `batch`, which whoever has the turn of `connection` has just taken.
    pub fn send(&self, connection: &Connection, batch: &mut Batch) -> Sent {
        #[cfg(test)]
        assert!(!lock(&self.work).fail, "asked to fail");
        self.counters.send_calls.fetch_add(1, Relaxed);
        let sent = connection.socket.send(batch);
        if let Sent::Bytes(bytes) = sent {
            self.counters.sent_bytes.fetch_add(bytes as u64, Relaxed);
        }
        sent
    }

    /// Change the writer's orders, and wake it if it sleeps.
    pub fn order(&self, change: impl FnOnce(&mut Work)) {
        let asleep = {
            let mut work = lock(&self.work);
            change(&mut work);
            std::mem::take(&mut work.asleep)
        };
        if asleep {
            self.watch.wake.raise();
        }
    }

    pub fn schedule(&self, connection: Arc<Connection>) {
        self.order(|work| work.due.push(connection));
    }

    pub fn schedule_all(&self, mut connections: Vec<Arc<Connection>>) {
        if !connections.is_empty() {
            self.order(|work| work.due.append(&mut connections));
        }
    }

    /// Have the writer attend to those for whom something was published: at once, or when the window closes.
    pub fn schedule_published(&self, mut connections: Vec<Arc<Connection>>) {
        if self.window.is_zero() {
            self.schedule_all(connections);
        } else if !connections.is_empty() {
            let mut work = lock(&self.work);
            // The first opens the window, and the writer must know; the others find it open.
            let wakes = work.gathered.is_empty() && std::mem::take(&mut work.asleep);
            work.gathered.append(&mut connections);
            drop(work);
            if wakes {
                self.watch.wake.raise();
            }
        }
    }
}
