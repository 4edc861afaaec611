//! From a channel to its subscribers' queues: who goes round, and what is counted.

use std::sync::atomic::Ordering::Relaxed;

use super::Fanout;
use super::audience::Encoder;
use super::channel::{Channel, Left, MANY};
use super::connection::Connection;
use super::log::News;
use super::round::Taken;
use super::shared::Shared;
use crate::wire::{Announcement, ClientInfo, Publication};

impl Fanout {
    /// Queue one publication for every subscriber of `channel`; return how many took it or, where they are many and
    /// the writer will go round, for how many it is: who is cut before then does not get it.
    ///
    /// A reader of deltas gets what changed since the publication before, if that is less than the whole.
    pub fn publish(&self, channel: &str, publication: &Publication<'_>) -> usize {
        self.say(channel, &News::Publication(publication))
    }

    /// Tell every subscriber of `channel` that wants to know who has joined or left; return how many, as for a
    /// publication.
    pub fn announce(&self, channel: &str, announcement: Announcement, info: &ClientInfo<'_>) -> usize {
        self.say(channel, &News::Announcement(announcement, info))
    }

    fn say(&self, channel: &str, news: &News<'_>) -> usize {
        let Some(channel) = self.channels.find(channel) else {
            return 0;
        };
        let shared = &self.shared;
        let mut encoder = Encoder {
            budget: &shared.budget,
            made: 0,
        };
        // What waits in a log cannot be had back by cutting anybody: where memory is short, nothing does.
        let count = if channel.size() < MANY || !shared.budget.is_half_free_beside(0) {
            let mut taken = Taken::default();
            channel.say_now(news, &mut encoder, &mut taken);
            let count = taken.last;
            shared.conclude_at_once(taken);
            count
        } else {
            let (left, count) = channel.say_later(news, &mut encoder);
            match left {
                Left::Nothing => {}
                Left::Order => shared.order(|work| work.rounds.push(channel)),
                Left::TooMuch => shared.go_round(&channel),
            }
            count
        };
        shared.counters.encodings.fetch_add(encoder.made, Relaxed);
        shared.keep_budget();
        count
    }

    /// Queue what waits for `connection` alone in its channels.
    pub(super) fn catch_up(&self, connection: &Connection) {
        let waiting = connection.find_waiting();
        if waiting.is_empty() {
            return;
        }
        let mut taken = Taken::default();
        for channel in waiting {
            channel.catch_up(connection.id, &self.shared.budget, &mut taken);
        }
        self.shared.conclude(taken);
    }
}

impl Shared {
    /// Go round with what waits in `channel`, instead of the writer.
    fn go_round(&self, channel: &Channel) {
        let mut taken = Taken::default();
        channel.go_round(&self.budget, &mut taken);
        self.conclude(taken);
    }

    /// Count what was taken, and have the writer attend to whom it must.
    pub(super) fn conclude(&self, taken: Taken) {
        self.count(&taken);
        self.schedule_published(taken.due);
    }

    pub(super) fn count(&self, taken: &Taken) {
        self.counters.deliveries.fetch_add(taken.publications, Relaxed);
        self.counters.add_conflated(taken.superfluous);
    }
}
