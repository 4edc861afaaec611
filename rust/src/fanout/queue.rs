//! One connection's outbound bytes: a first-in-first-out queue of shared buffers, bounded in bytes.
//!
//! Knows nothing of sockets, threads or locks. Buffers are moved out in a [`Batch`] for the time of a send,
//! so that the sender need not hold the queue's lock, and settled afterwards; until then their bytes still
//! count.

use std::collections::VecDeque;
use std::sync::Arc;

use super::budget::{Budget, Buffer, Places};

/// The most buffers one send takes: enough to make a system call cheap, few enough to be fair to the others.
pub const MAX_BATCH_BUFFERS: usize = 64;

/// A queue that is empty and held more than this gives its memory back.
const KEPT_CAPACITY: usize = 64;

/// The front of a queue on its way into a socket.
#[derive(Debug, Default)]
pub struct Batch {
    buffers: Vec<Buffer>,
    /// Bytes of the first buffer that an earlier send already took.
    offset: usize,
}

impl Batch {
    /// What is still to be sent, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let skips = std::iter::once(self.offset).chain(std::iter::repeat(0));
        self.buffers
            .iter()
            .zip(skips)
            .map(|(buffer, skip)| &buffer[skip..])
    }

    /// Drop what it holds.
    pub fn clear(&mut self) {
        self.buffers.clear();
        self.offset = 0;
    }
}

/// See the module. Sizes are bytes.
#[derive(Debug)]
pub struct Queue {
    buffers: VecDeque<Buffer>,
    /// Bytes of the front buffer that were sent already.
    offset: usize,
    /// Unsent bytes, those in a batch included.
    bytes: usize,
    max_bytes: usize,
    /// Those of the buffers in a batch included.
    places: Places,
}

impl Queue {
    /// An empty queue for at most `max_bytes`, whose places count in `budget`.
    #[must_use]
    pub fn new(max_bytes: usize, budget: Arc<Budget>) -> Queue {
        Queue {
            buffers: VecDeque::new(),
            offset: 0,
            bytes: 0,
            max_bytes,
            places: Places::new(budget),
        }
    }

    /// Append `buffer`, or answer false and change nothing when it would pass the limit.
    #[must_use]
    pub fn push(&mut self, buffer: &Buffer) -> bool {
        if buffer.len() > self.max_bytes - self.bytes {
            return false;
        }
        // An empty buffer would make a send of nothing look like a socket that takes nothing.
        if !buffer.is_empty() {
            self.bytes += buffer.len();
            self.buffers.push_back(buffer.clone());
            self.places.take_one();
        }
        true
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
        debug_assert!(batch.buffers.is_empty());
        let count = self.buffers.len().min(MAX_BATCH_BUFFERS);
        batch.buffers.extend(self.buffers.drain(..count));
        batch.offset = std::mem::take(&mut self.offset);
    }

    /// The socket took the first `sent` bytes of `batch`: the rest goes back to the front.
    pub fn settle(&mut self, batch: &mut Batch, sent: usize) {
        self.bytes -= sent;
        let mut reached = batch.offset + sent;
        let mut whole = 0;
        while let Some(buffer) = batch.buffers.get(whole).filter(|buffer| buffer.len() <= reached) {
            reached -= buffer.len();
            whole += 1;
        }
        self.offset = reached;
        self.places.give_back(whole);
        for buffer in batch.buffers.drain(whole..).rev() {
            self.buffers.push_front(buffer);
        }
        batch.clear();
        if self.buffers.is_empty() && self.buffers.capacity() > KEPT_CAPACITY {
            self.buffers = VecDeque::new();
        }
    }

    /// Drop everything and the memory that held it.
    pub fn clear(&mut self) {
        self.buffers = VecDeque::new();
        self.offset = 0;
        self.bytes = 0;
        self.places.give_all_back();
    }
}
