//! From a channel to its subscribers' queues: what is made once per form, and who gets it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Fanout;
use super::budget::Buffer;
use super::connection::{Connection, Content};
use crate::wire::{Announcement, ClientInfo, Form, Publication};

/// A subscriber as its channel keeps it.
pub(super) struct Seat {
    pub connection: Arc<Connection>,
    /// Whether it is told who joins and leaves.
    pub events: bool,
}

/// What became of a push.
#[derive(Default)]
struct Spread {
    taken: usize,
    encodings: u64,
    due: Vec<Arc<Connection>>,
}

impl Fanout {
    /// Queue one publication for every subscriber of `channel`; return how many took it.
    pub fn publish(&self, channel: &str, publication: &Publication<'_>) -> usize {
        let encode = |form: &Form| form.publication(publication);
        let taken = self.spread(channel, |_| true, encode);
        self.shared.counters.deliveries.fetch_add(taken as u64, Relaxed);
        taken
    }

    /// Tell every subscriber of `channel` that wants to know who has joined or left; return how many took it.
    pub fn announce(&self, channel: &str, announcement: Announcement, info: &ClientInfo<'_>) -> usize {
        let encode = |form: &Form| form.announcement(announcement, info);
        self.spread(channel, |seat| seat.events, encode)
    }

    /// Queue what `encode` makes, once per form, for every subscriber of `channel` that is `meant`.
    fn spread(&self, channel: &str, meant: fn(&Seat) -> bool, encode: impl Fn(&Form) -> Vec<u8>) -> usize {
        let mut spread = Spread::default();
        {
            let shard = self.channels.shard(channel);
            let Some(subscribers) = shard.get(channel) else {
                return 0;
            };
            for (form, group) in subscribers.groups() {
                let seats = group.iter().map(|(_, seat)| seat).filter(|seat| meant(seat));
                spread.put(seats, || self.shared.buffer(encode(form)));
            }
        }
        let counters = &self.shared.counters;
        counters.encodings.fetch_add(spread.encodings, Relaxed);
        self.shared.schedule_all(spread.due);
        self.shared.keep_budget();
        spread.taken
    }
}

impl Spread {
    /// Queue what `encode` makes for each of `seats`. One that was cut stays in its channels until its owner
    /// says `finish` or `remove`: where there is nobody else, nothing is made.
    fn put<'a>(&mut self, seats: impl Iterator<Item = &'a Seat>, encode: impl Fn() -> Buffer) {
        let mut message: Option<Buffer> = None;
        for Seat { connection, .. } in seats {
            if message.is_none() && !connection.state().is_open() {
                continue;
            }
            let message = message.get_or_insert_with(|| {
                self.encodings += 1;
                encode()
            });
            let outcome = connection.put(message, Content::Message);
            self.taken += usize::from(outcome.taken);
            if outcome.schedule {
                self.due.push(Arc::clone(connection));
            }
        }
    }
}
