//! From a channel to its subscribers' queues: what is made once per form, and who gets it.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Fanout;
use super::budget::Buffer;
use super::channels::{Seat, Share};
use super::connection::{Connection, Content};
use crate::delta::delta;
use crate::wire::{Announcement, ClientInfo, Protocol, Publication, Shape};

impl Fanout {
    /// Queue one publication for every subscriber of `channel`; return how many took it.
    ///
    /// A reader of deltas gets what changed since the publication before, if that is less than the whole.
    pub fn publish(&self, channel: &str, publication: &Publication<'_>) -> usize {
        let mut spread = Spread::default();
        {
            let mut shard = self.channels.shard(channel);
            let Some(channel) = shard.get_mut(channel) else {
                return 0;
            };
            let change = Change {
                previous: channel.previous.take(),
                payload: publication.payload,
                delta: OnceCell::new(),
            };
            for (form, group) in channel.subscribers.groups_mut() {
                let mut made = Varieties::default();
                for (_, seat) in group {
                    let Some(shape) = change.shape(seat) else { continue };
                    spread.put(
                        &seat.connection,
                        made.place(shape, form.reader.protocol()),
                        || self.shared.buffer(form.publication(publication, shape)),
                    );
                    seat.has_got_one();
                }
            }
            channel.keep(publication.payload, &self.shared.budget);
        }
        let counted = spread.taken as u64;
        self.shared.counters.deliveries.fetch_add(counted, Relaxed);
        self.conclude(spread)
    }

    /// Tell every subscriber of `channel` that wants to know who has joined or left; return how many took it.
    pub fn announce(&self, channel: &str, announcement: Announcement, info: &ClientInfo<'_>) -> usize {
        let mut spread = Spread::default();
        {
            let shard = self.channels.shard(channel);
            let Some(channel) = shard.get(channel) else {
                return 0;
            };
            for (form, group) in channel.subscribers.groups() {
                let mut made = None;
                for (_, seat) in group.iter().filter(|(_, seat)| seat.events) {
                    spread.put(&seat.connection, &mut made, || {
                        self.shared.buffer(form.announcement(announcement, info))
                    });
                }
            }
        }
        self.conclude(spread)
    }

    fn conclude(&self, spread: Spread) -> usize {
        let counters = &self.shared.counters;
        counters.encodings.fetch_add(spread.encodings, Relaxed);
        self.shared.schedule_all(spread.due);
        self.shared.keep_budget();
        spread.taken
    }
}

/// What became of a push.
#[derive(Default)]
struct Spread {
    taken: usize,
    encodings: u64,
    due: Vec<Arc<Connection>>,
}

impl Spread {
    /// Queue for `connection` what stands in `made`, which is made now if nobody has needed it yet. One that
    /// was cut stays in its channels until its owner says `finish` or `remove`: nothing is made for it.
    fn put(
        &mut self,
        connection: &Arc<Connection>,
        made: &mut Option<Buffer>,
        encode: impl FnOnce() -> Buffer,
    ) {
        if made.is_none() && !connection.state().is_open() {
            return;
        }
        let message = made.get_or_insert_with(|| {
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

/// The varieties of a publication in one form, as far as they are made.
#[derive(Default)]
struct Varieties {
    value: Option<Buffer>,
    text: Option<Buffer>,
    delta: Option<Buffer>,
}

impl Varieties {
    fn place(&mut self, shape: Shape<'_>, protocol: Protocol) -> &mut Option<Buffer> {
        match (shape, protocol) {
            (Shape::Text, Protocol::Json) => &mut self.text,
            (Shape::Value | Shape::Text, _) => &mut self.value,
            (Shape::Delta(_), _) => &mut self.delta,
        }
    }
}

/// What changed since the publication before, which is found out only when somebody needs it.
struct Change<'a> {
    previous: Option<Buffer>,
    payload: &'a [u8],
    delta: OnceCell<Option<Vec<u8>>>,
}

impl Change<'_> {
    /// The shape in which this subscriber gets the publication; None if it gets nothing any more.
    fn shape(&self, seat: &Seat) -> Option<Shape<'_>> {
        match seat.share {
            Share::Full => Some(Shape::Value),
            Share::DeltasNext => Some(Shape::Text),
            Share::Deltas if self.delta.get().is_none() && !seat.connection.state().is_open() => None,
            Share::Deltas => {
                let delta = self
                    .delta
                    .get_or_init(|| delta(self.previous.as_deref()?, self.payload));
                Some(delta.as_deref().map_or(Shape::Text, Shape::Delta))
            }
        }
    }
}

impl Seat {
    fn has_got_one(&mut self) {
        if self.share == Share::DeltasNext {
            self.share = Share::Deltas;
        }
    }
}
