//! Who gets what is published on a channel: subscribers grouped by wire form, channels spread over locks.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard};

use super::lock;
use crate::wire::Form;

/// One channel's subscribers, grouped by [`Form`] so that each form is encoded once.
///
/// `S` is what is kept per subscriber; only its id matters here. Joining, leaving and changing the form take
/// constant time.
#[derive(Debug)]
pub struct Subscribers<S> {
    groups: HashMap<Form, Vec<(u64, S)>>,
    /// Where each subscriber stands: its form and its place in that group.
    places: HashMap<u64, (Form, usize)>,
}

impl<S> Default for Subscribers<S> {
    fn default() -> Self {
        Subscribers {
            groups: HashMap::new(),
            places: HashMap::new(),
        }
    }
}

impl<S> Subscribers<S> {
    /// Add the subscriber `id`, or move it to another form.
    pub fn insert(&mut self, id: u64, form: Form, subscriber: S) {
        self.remove(id);
        // The group's own key is shared by all its places, so that a spelling is kept once.
        let form = self
            .groups
            .get_key_value(&form)
            .map_or(form, |(known, _)| known.clone());
        let group = self.groups.entry(form.clone()).or_default();
        self.places.insert(id, (form, group.len()));
        group.push((id, subscriber));
    }

    /// Take the subscriber `id` out; an unknown one is ignored.
    pub fn remove(&mut self, id: u64) {
        let Some((form, place)) = self.places.remove(&id) else {
            return;
        };
        let Some(group) = self.groups.get_mut(&form) else {
            return;
        };
        group.swap_remove(place);
        if let Some((moved, _)) = group.get(place) {
            if let Some((_, its_place)) = self.places.get_mut(moved) {
                *its_place = place;
            }
        } else if group.is_empty() {
            self.groups.remove(&form);
        }
    }

    /// Each form with its subscribers, in no promised order.
    pub fn groups(&self) -> impl Iterator<Item = (&Form, &[(u64, S)])> {
        self.groups.iter().map(|(form, group)| (form, group.as_slice()))
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// How many locks the channels are spread over: publishers meet only on channels that share one.
const SHARDS: usize = 64;

/// Channels by name; those nobody subscribes to are not kept.
pub(super) type Shard<S> = HashMap<Arc<str>, Subscribers<S>>;

/// All channels. A shard's lock is held while a publication is put into its subscribers' queues, which is
/// what gives every subscriber of a channel the same order of publications.
pub(super) struct Channels<S> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<S>>>,
}

impl<S> Channels<S> {
    pub(super) fn new() -> Self {
        Channels {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The shard `channel` belongs to, locked.
    pub(super) fn shard(&self, channel: &str) -> MutexGuard<'_, Shard<S>> {
        #[allow(clippy::cast_possible_truncation)] // only the low bits are used
        let place = self.hasher.hash_one(channel) as usize % SHARDS;
        lock(&self.shards[place])
    }

    /// Take the subscriber `id` out of `channel`, and the channel out when it was the last. `also` runs under
    /// the same lock.
    pub(super) fn leave(&self, channel: &str, id: u64, also: impl FnOnce()) {
        let mut shard = self.shard(channel);
        also();
        if let Some(subscribers) = shard.get_mut(channel) {
            subscribers.remove(id);
            if subscribers.is_empty() {
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
                let here: usize = shard.values().map(Subscribers::len).sum();
                (channels + shard.len(), subscriptions + here)
            })
    }
}
