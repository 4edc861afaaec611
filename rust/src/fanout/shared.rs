//! What the callers' threads and the writer have in common: who there is, and what is to be done.

use std::sync::{Arc, Mutex};

use super::budget::{Budget, Buffer};
use super::channel::Channel;
use super::connection::Connection;
use super::event::Events;
use super::lock;
use super::registry::Registry;
use super::statistics::Counters;
use super::writer::Watch;

/// What the writer is to attend to.
#[derive(Default)]
pub(super) struct Work {
    pub due: Vec<Arc<Connection>>,
    /// Channels with something in their logs.
    pub rounds: Vec<Arc<Channel>>,
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
    pub budget: Arc<Budget>,
    /// Held by who is making room in the budget.
    pub evicting: Mutex<()>,
}

impl Shared {
    pub fn new(max_total_bytes: usize) -> rustix::io::Result<Shared> {
        Ok(Shared {
            registry: Mutex::default(),
            work: Mutex::default(),
            events: Events::new()?,
            watch: Watch::new()?,
            counters: Counters::default(),
            budget: Budget::new(max_total_bytes),
            evicting: Mutex::default(),
        })
    }

    /// A message that counts in the budget.
    pub fn buffer(&self, message: Vec<u8>) -> Buffer {
        Buffer::new(&self.budget, message)
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
}
