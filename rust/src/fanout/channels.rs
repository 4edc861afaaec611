//! The channels that have subscribers, spread over locks, and what each keeps beside them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard};

use super::budget::{Budget, Buffer};
use super::connection::Connection;
use super::lock;
use super::subscribers::Subscribers;
use crate::delta;
use crate::wire::Form;

/// What a subscriber gets of the publications to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Each in full.
    Full,
    /// What changed, but the next one in full: it has nothing yet to apply a delta to.
    DeltasNext,
    /// What changed since the last one, which it got.
    Deltas,
}

/// A subscriber as its channel keeps it.
pub(super) struct Seat {
    pub connection: Arc<Connection>,
    /// Whether it is told who joins and leaves.
    pub events: bool,
    pub share: Share,
}

/// One channel.
#[derive(Default)]
pub(super) struct Channel {
    pub subscribers: Subscribers<Seat>,
    /// How many of them read deltas.
    delta_readers: usize,
    /// The last publication as it was published, for the next delta. None while nobody reads deltas.
    pub previous: Option<Buffer>,
}

impl Channel {
    fn join(&mut self, id: u64, form: Form, seat: Seat) {
        self.delta_readers += usize::from(seat.share != Share::Full);
        let before = self.subscribers.insert(id, form, seat);
        self.forget(before);
    }

    fn leave(&mut self, id: u64) {
        let before = self.subscribers.remove(id);
        self.forget(before);
    }

    fn forget(&mut self, seat: Option<Seat>) {
        self.delta_readers -= usize::from(seat.is_some_and(|seat| seat.share != Share::Full));
        if self.delta_readers == 0 {
            self.previous = None;
        }
    }

    /// Keep what was just published if a delta may follow. Deltas only save bytes: where memory is short, or
    /// the payload larger than a delta may be of, the next publication goes out in full.
    pub(super) fn keep(&mut self, payload: &[u8], budget: &Arc<Budget>) {
        self.previous = None;
        if self.delta_readers > 0
            && payload.len() <= delta::MAX_BYTES
            && budget.is_half_free_beside(payload.len())
        {
            self.previous = Some(Buffer::new(budget, payload.to_vec()));
        }
    }
}

/// How many locks the channels are spread over: publishers meet only on channels that share one.
const SHARDS: usize = 64;

/// Channels by name; those nobody subscribes to are not kept.
pub(super) type Shard = HashMap<Arc<str>, Channel>;

/// All channels. A shard's lock is held while a publication is put into its subscribers' queues, which is
/// what gives every subscriber of a channel the same order of publications.
pub(super) struct Channels {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl Channels {
    pub(super) fn new() -> Self {
        Channels {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The shard `channel` belongs to, locked.
    pub(super) fn shard(&self, channel: &str) -> MutexGuard<'_, Shard> {
        #[allow(clippy::cast_possible_truncation)] // only the low bits are used
        let place = self.hasher.hash_one(channel) as usize % SHARDS;
        lock(&self.shards[place])
    }

    /// Put a subscriber into `channel`, or change what it wants there; nothing if its connection takes no
    /// publications any more.
    pub(super) fn join(&self, channel: &str, form: Form, seat: Seat) {
        let mut shard = self.shard(channel);
        let mut state = seat.connection.state();
        if !state.is_open() {
            return;
        }
        let name: Arc<str> = shard
            .get_key_value(channel)
            .map_or_else(|| channel.into(), |(known, _)| Arc::clone(known));
        state.channels.insert(Arc::clone(&name));
        drop(state);
        shard
            .entry(name)
            .or_default()
            .join(seat.connection.id, form, seat);
    }

    /// Take the subscriber `id` out of `channel`, and the channel out when it was the last. `also` runs under
    /// the same lock.
    pub(super) fn leave(&self, channel: &str, id: u64, also: impl FnOnce()) {
        let mut shard = self.shard(channel);
        also();
        if let Some(found) = shard.get_mut(channel) {
            found.leave(id);
            if found.subscribers.is_empty() {
                shard.remove(channel);
            }
        }
    }

    /// Forget all channels.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            lock(shard).clear();
        }
    }

    /// How many channels have subscribers, and how many subscriptions there are in all.
    pub(super) fn count(&self) -> (usize, usize) {
        self.shards
            .iter()
            .fold((0, 0), |(channels, subscriptions), shard| {
                let shard = lock(shard);
                let here: usize = shard.values().map(|channel| channel.subscribers.len()).sum();
                (channels + shard.len(), subscriptions + here)
            })
    }
}
