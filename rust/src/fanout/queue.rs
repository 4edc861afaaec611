//! One connection's outbound bytes: a first-in-first-out queue of shared buffers, bounded in bytes.
//!
//! To keep a buffer takes memory besides, however short it is, and a peer that makes us answer with next to nothing could
//! have any number of them wait. So what it takes to keep them is bounded like their bytes, and by itself: then the limit
//! is what it says for messages of an ordinary size.
//!
//! Knows nothing of sockets, threads or locks. Buffers are moved out in a [`Batch`] for the time of a send,
//! so that the sender need not hold the queue's lock, and settled afterwards; until then their bytes still
//! count.
//!
//! Over TLS it is [`Batch::seal`]ed for the send. What the socket did not take of that goes first next time, and counts
//! as what it is by then; what was not sealed is as if it had not been taken.
//!
//! Publications of conflating channels wait beside the limit: what is left of them when they are conflated is bounded
//! by the subscriptions. That happens when the queue is not getting on ([`Queue::conflate`]), or when they alone
//! would pass the limit; from then until the next batch is taken each newer one takes the place of an older.

use std::sync::Arc;

use super::budget::{Budget, Buffer, KEEPING_BYTES, Places};
pub use super::conflation::{Conflatable, Strand};
use super::conflation::{Entries, Entry, Standings};
use super::train::{Left, Train};
use crate::tls::{Fault, Session};

/// The most buffers one send takes: enough to make a system call cheap, few enough to be fair to the others.
pub const MAX_BATCH_BUFFERS: usize = 64;

/// A queue that is empty and held more than this gives its memory back.
const KEPT_CAPACITY: usize = 32;

/// What it takes to know where a strand stands, in places of a queue.
const STANDING_PLACES: usize = 2;

/// The front of a queue on its way into a socket.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    /// Bytes of the first buffer that an earlier send already took.
    offset: usize,
    train: Train,
}

/// What is in `entries`, the first of which begins at `offset`.
fn unsent(entries: &[Entry], offset: usize) -> impl Iterator<Item = &[u8]> {
    let skips = std::iter::once(offset).chain(std::iter::repeat(0));
    let entries = entries.iter().zip(skips);
    entries.map(|(entry, skip)| &entry.buffer[skip..])
}

impl Batch {
    /// What is still to be sent, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let sealed = self.train.bytes();
        let plain = if sealed.is_some() { &[] } else { &self.entries[..] };
        sealed.into_iter().chain(unsent(plain, self.offset))
    }

    /// Have it be sent over TLS, where it was not sealed before.
    ///
    /// # Errors
    /// When nothing more can be said there.
    pub fn seal(&mut self, session: &Session) -> Result<(), Fault> {
        self.train.seal(session, unsent(&self.entries, self.offset))
    }

    /// Drop what it holds.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.offset = 0;
        self.train.clear();
    }
}

/// See the module. Sizes are bytes.
#[derive(Debug)]
pub struct Queue {
    entries: Entries,
    /// Where the strands stand, while their publications are conflated.
    standings: Option<Box<Standings>>,
    /// Bytes of the front buffer that were sent already.
    offset: usize,
    /// What goes before them, as it is.
    left: Option<Left>,
    /// Unsent bytes, those in a batch included.
    bytes: usize,
    /// Those of them that can be conflated: of publications that are marked so and not begun.
    conflatable_bytes: usize,
    max_bytes: usize,
    /// Unsent buffers that cannot be conflated, those in a batch included.
    buffers: usize,
    max_buffers: usize,
    /// Those of the buffers in a batch included.
    places: Places,
}

impl Queue {
    /// An empty queue for at most `max_bytes`, whose places count in `budget`.
    #[must_use]
    pub fn new(max_bytes: usize, budget: Arc<Budget>) -> Queue {
        Queue {
            entries: Entries::new(),
            standings: None,
            offset: 0,
            left: None,
            bytes: 0,
            conflatable_bytes: 0,
            max_bytes,
            buffers: 0,
            // What one send takes is little enough, however low the limit is.
            max_buffers: MAX_BATCH_BUFFERS.max(max_bytes / KEEPING_BYTES),
            places: Places::new(budget),
        }
    }

    /// Append `buffer`, or answer false and change nothing when it would pass a limit.
    #[must_use]
    pub fn push(&mut self, buffer: &Buffer) -> bool {
        let limited = self.bytes - self.conflatable_bytes;
        if buffer.len() > self.max_bytes.saturating_sub(limited) {
            return false;
        }
        // An empty buffer would make a send of nothing look like a socket that takes nothing.
        if buffer.is_empty() {
            return true;
        }
        if self.buffers >= self.max_buffers {
            return false;
        }
        self.bytes += buffer.len();
        self.buffers += 1;
        self.append(buffer.clone(), None);
        true
    }

    /// Append `buffer`, or let it take the place of what it makes superfluous, and answer how many publications that
    /// were. None, and nothing is changed, when it alone would pass the limit.
    #[must_use]
    pub fn push_conflatable(&mut self, buffer: &Buffer, conflatable: Conflatable) -> Option<usize> {
        if buffer.len() > self.max_bytes {
            return None;
        }
        let mut superfluous = 0;
        if self.standings.is_none() && buffer.len() + self.conflatable_bytes > self.max_bytes {
            superfluous = self.conflate();
        }
        if !buffer.is_empty() {
            self.bytes += buffer.len();
            self.conflatable_bytes += buffer.len();
            superfluous += self.put(buffer.clone(), conflatable);
        }
        Some(superfluous)
    }

    /// The queue is not getting on: keep of each strand what its reader needs, and so of all that comes until the next
    /// batch is taken. How many publications were superfluous.
    pub fn conflate(&mut self) -> usize {
        self.forget_standings();
        self.standings = Some(Box::default());
        if self.conflatable_bytes == 0 {
            return 0;
        }
        let entries = std::mem::take(&mut self.entries);
        self.places.give_back(entries.len());
        let mut superfluous = 0;
        for Entry { buffer, conflatable } in entries.into_iter().flatten() {
            if let Some(conflatable) = conflatable {
                superfluous += self.put(buffer, conflatable);
            } else {
                self.append(buffer, None);
            }
        }
        superfluous
    }

    /// Unsent bytes, those in a batch included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Move the front into `batch` (which must be empty); [`Queue::settle`] must follow before the next.
    pub fn take(&mut self, batch: &mut Batch) {
        debug_assert!(batch.entries.is_empty());
        if let Some(left) = self.left.take() {
            batch.train.resume(left);
            return;
        }
        self.forget_standings();
        let places = self.entries.len();
        while batch.entries.len() < MAX_BATCH_BUFFERS
            && let Some(place) = self.entries.pop_front()
        {
            batch.entries.extend(place);
        }
        let empty = places - self.entries.len() - batch.entries.len();
        self.places.give_back(empty);
        batch.offset = std::mem::take(&mut self.offset);
    }

    /// The socket took the first `sent` bytes of `batch`: the rest goes back to the front.
    pub fn settle(&mut self, batch: &mut Batch, sent: usize) {
        if batch.train.bytes().is_none() {
            self.settle_entries(batch, sent);
            return;
        }
        let left_before = batch.train.left_bytes();
        let (plaintext, left) = batch.train.settle(sent, self.places.budget());
        self.bytes -= left_before;
        if left_before == 0 {
            self.settle_entries(batch, plaintext);
        }
        self.bytes += left.as_ref().map_or(0, Left::len);
        self.left = left;
    }

    fn settle_entries(&mut self, batch: &mut Batch, sent: usize) {
        self.forget_standings();
        self.bytes -= sent;
        let mut reached = batch.offset + sent;
        let mut whole = 0;
        while let Some(entry) = batch
            .entries
            .get(whole)
            .filter(|entry| entry.buffer.len() <= reached)
        {
            reached -= entry.buffer.len();
            whole += 1;
        }
        self.offset = reached;
        // What has begun must be brought to its end.
        let begun = whole + usize::from(reached > 0);
        for entry in batch.entries.iter_mut().take(begun) {
            if entry.conflatable.take().is_some() {
                self.conflatable_bytes -= entry.buffer.len();
                self.buffers += 1;
            }
        }
        self.buffers -= whole;
        self.places.give_back(whole);
        for entry in batch.entries.drain(whole..).rev() {
            self.entries.push_front(Some(entry));
        }
        batch.clear();
        if self.bytes == 0 {
            self.entries.clear();
            self.places.give_all_back();
        }
        if self.entries.is_empty() && self.entries.capacity() > KEPT_CAPACITY {
            self.entries = Entries::new();
        }
    }

    /// Drop everything and the memory that held it.
    pub fn clear(&mut self) {
        self.entries = Entries::new();
        self.standings = None;
        self.offset = 0;
        self.left = None;
        self.bytes = 0;
        self.conflatable_bytes = 0;
        self.buffers = 0;
        self.places.give_all_back();
    }

    /// Where its strand stands, if that is known, or else at the end. How many publications it makes superfluous.
    fn put(&mut self, buffer: Buffer, conflatable: Conflatable) -> usize {
        let Some(standings) = &mut self.standings else {
            self.append(buffer, Some(conflatable));
            return 0;
        };
        let before = self.entries.len() + STANDING_PLACES * standings.len();
        let mut superfluous = 0;
        for gone in standings.put(&mut self.entries, buffer, conflatable) {
            self.bytes -= gone.len();
            self.conflatable_bytes -= gone.len();
            superfluous += 1;
        }
        let after = self.entries.len() + STANDING_PLACES * standings.len();
        self.places.take(after - before);
        superfluous
    }

    fn append(&mut self, buffer: Buffer, conflatable: Option<Conflatable>) {
        self.entries.push_back(Some(Entry { buffer, conflatable }));
        self.places.take(1);
    }

    fn forget_standings(&mut self) {
        if let Some(standings) = self.standings.take() {
            self.places.give_back(STANDING_PLACES * standings.len());
        }
    }
}
