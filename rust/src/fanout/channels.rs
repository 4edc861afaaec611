//! The channels that have subscribers, by name, spread over locks.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard};

use super::audience::Wish;
use super::budget::Budget;
use super::channel::Channel;
use super::connection::Connection;
use super::lock;
use super::round::Taken;
use crate::wire::Form;

/// How many locks the channels are spread over: those who publish, join and leave meet only on channels that share one.
const SHARDS: usize = 64;

/// Channels by name; those nobody subscribes to are not kept.
type Shard = HashMap<Arc<str>, Arc<Channel>>;

/// All channels. A shard's lock is held while somebody joins or leaves, and for a look-up.
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
    fn shard(&self, channel: &str) -> MutexGuard<'_, Shard> {
        #[allow(clippy::cast_possible_truncation)] // only the low bits are used
        let place = self.hasher.hash_one(channel) as usize % SHARDS;
        lock(&self.shards[place])
    }

    pub(super) fn find(&self, channel: &str) -> Option<Arc<Channel>> {
        self.shard(channel).get(channel).cloned()
    }

    /// Put a subscriber into `channel`, or change what it wants there; nothing if its connection takes no
    /// publications any more.
    pub(super) fn join(
        &self,
        channel: &str,
        connection: Arc<Connection>,
        (form, wish): (Form, Wish),
        budget: &Arc<Budget>,
        taken: &mut Taken,
    ) {
        let mut shard = self.shard(channel);
        let found = shard.get(channel).cloned();
        let joined = found.clone().unwrap_or_else(|| Channel::new(channel.into()));
        if joined.join(connection, form, wish, budget, taken) && found.is_none() {
            shard.insert(Arc::clone(joined.name()), joined);
        }
    }

    /// Take a subscriber out of `channel`, and the channel out when it was the last.
    pub(super) fn leave(
        &self,
        channel: &str,
        connection: &Connection,
        budget: &Arc<Budget>,
        taken: &mut Taken,
    ) {
        let mut shard = self.shard(channel);
        let Some(found) = shard.get(channel) else { return };
        if found.leave(connection, budget, taken) {
            shard.remove(channel);
        }
    }

    /// Forget all channels.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            for (_, channel) in lock(shard).drain() {
                channel.clear();
            }
        }
    }

    /// How many channels have subscribers, and how many subscriptions there are in all.
    pub(super) fn count(&self) -> (usize, usize) {
        self.shards
            .iter()
            .fold((0, 0), |(channels, subscriptions), shard| {
                let shard = lock(shard);
                let here: usize = shard.values().map(|channel| channel.size()).sum();
                (channels + shard.len(), subscriptions + here)
            })
    }
}
