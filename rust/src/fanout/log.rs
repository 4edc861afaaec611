//! What was said on a channel and has not reached all its subscribers' queues yet, in order.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;

use super::audience::{Audience, Change, Encoder, Saying, Way, Wish};
use super::budget::Buffer;
use crate::delta;
use crate::wire::{Announcement, ClientInfo, Form, Publication};

/// A log that is empty keeps memory for so many entries.
const KEPT_CAPACITY: usize = 16;

/// What a channel is given to say.
pub(super) enum News<'a> {
    Publication(&'a Publication<'a>),
    Announcement(Announcement, &'a ClientInfo<'a>),
}

/// Something said, and its place in the channel's order.
#[derive(Debug)]
pub(super) struct Entry {
    pub place: u64,
    pub saying: Saying,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Log {
    audience: Audience,
    waiting: VecDeque<Arc<Entry>>,
    /// The place of the last entry, whether it still waits or not.
    last: u64,
    publications: u64,
    /// The last publication as it was published, for the next delta. None while nobody reads deltas.
    previous: Option<Buffer>,
    /// The writer has been told that something waits, and did not come by yet.
    pub is_ordered: bool,
}

impl Log {
    /// Somebody comes: how it reads, and the place behind which it hears.
    pub fn enter(&mut self, form: Form, wish: Wish) -> (Way, u64) {
        let way = self.audience.enter(form, wish, self.publications);
        (way, self.last)
    }

    /// Somebody takes no publications any more.
    pub fn lose(&mut self, way: Way) {
        self.audience.lose(way, self.publications);
        if !self.audience.reads_deltas() {
            self.previous = None;
        }
    }

    /// Somebody who was lost has gone.
    pub fn forget(&mut self, way: Way) {
        self.audience.forget(way);
    }

    /// The next entry, and for how many it is; None when there is nobody. It does not wait until it is added.
    pub fn say(&mut self, news: &News<'_>, encoder: &mut Encoder<'_>) -> Option<(Arc<Entry>, usize)> {
        let (count, saying) = match news {
            News::Publication(publication) => {
                let count = self.audience.count();
                (count, (count > 0).then(|| self.publish(publication, encoder)))
            }
            News::Announcement(announcement, info) => {
                let count = self.audience.events();
                let mut announce = || self.audience.announcement(*announcement, info, encoder);
                (count, (count > 0).then(&mut announce))
            }
        };
        saying.map(|saying| (self.entry(saying), count))
    }

    fn publish(&mut self, publication: &Publication<'_>, encoder: &mut Encoder<'_>) -> Saying {
        let change = Change {
            previous: self.previous.take(),
            payload: publication.payload,
            delta: OnceCell::new(),
        };
        self.publications += 1;
        let saying = self
            .audience
            .publication(self.publications, publication, &change, encoder);
        drop(change);
        self.keep(publication.payload, encoder);
        saying
    }

    fn entry(&mut self, saying: Saying) -> Arc<Entry> {
        self.last += 1;
        Arc::new(Entry {
            place: self.last,
            saying,
        })
    }

    /// Keep what was just published if a delta may follow. Deltas only save bytes: where memory is short, or
    /// the payload larger than a delta may be of, the next publication goes out in full.
    fn keep(&mut self, payload: &[u8], encoder: &Encoder<'_>) {
        if self.audience.reads_deltas()
            && payload.len() <= delta::MAX_BYTES
            && encoder.budget.is_half_free_beside(payload.len())
        {
            self.previous = Some(Buffer::new(encoder.budget, payload.to_vec()));
        }
    }

    /// `entry`, the last that was made, waits. How many do.
    pub fn add(&mut self, entry: Arc<Entry>) -> usize {
        self.waiting.push_back(entry);
        self.waiting.len()
    }

    /// Everything that waits.
    pub fn waiting(&self) -> Vec<Arc<Entry>> {
        self.waiting.iter().cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Whether something waits for who has heard everything up to `place`.
    pub fn goes_beyond(&self, place: u64) -> bool {
        self.waiting.back().is_some_and(|entry| entry.place > place)
    }

    /// Everybody has what stands up to `place`.
    pub fn drop_until(&mut self, place: u64) {
        let behind = self.waiting.partition_point(|entry| entry.place <= place);
        self.waiting.drain(..behind);
        if self.waiting.is_empty() {
            self.waiting.shrink_to(KEPT_CAPACITY);
        }
    }
}
