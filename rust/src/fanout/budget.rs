//! What all outgoing messages may hold together, and the buffers that count themselves in it.
//!
//! A message counts once however many queues share it, from its making until the last of them lets go. Nothing
//! is refused here: see `eviction` for what follows when the limit is passed.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// What a buffer takes beside its bytes: two reference counts, where the bytes are, whose budget it is, and
/// what the allocator keeps for two blocks.
const BUFFER_BYTES: usize = 64;

/// What a place in a queue takes: a pointer and whether it can be conflated, in memory that grows by doubling.
const ENTRY_BYTES: usize = 32;

/// What it takes to keep a message in a queue, beside its bytes.
pub const KEEPING_BYTES: usize = BUFFER_BYTES + ENTRY_BYTES;

/// See the module.
#[derive(Debug)]
pub struct Budget {
    max_bytes: usize,
    held_bytes: AtomicUsize,
}

impl Budget {
    /// An empty budget of this many bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Arc<Budget> {
        Arc::new(Budget {
            max_bytes,
            held_bytes: AtomicUsize::new(0),
        })
    }

    /// What is held now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Relaxed)
    }

    /// Whether more is held than may be.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.held_bytes() > self.max_bytes
    }

    /// Whether an eighth of it is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held_bytes() <= self.max_bytes - self.max_bytes / 8
    }

    /// Whether half of it stays free with a buffer of `bytes` more.
    #[must_use]
    pub fn is_half_free_beside(&self, bytes: usize) -> bool {
        self.held_bytes() + bytes + BUFFER_BYTES <= self.max_bytes / 2
    }

    fn take(&self, bytes: usize) {
        self.held_bytes.fetch_add(bytes, Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Relaxed);
    }
}

/// Immutable bytes that many queues may hold at once, and that count in a budget while they exist.
#[derive(Clone, Debug)]
pub struct Buffer(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    bytes: Box<[u8]>,
    budget: Arc<Budget>,
}

impl Buffer {
    /// Count `bytes` in `budget`, even beyond its limit.
    #[must_use]
    pub fn new(budget: &Arc<Budget>, bytes: Vec<u8>) -> Buffer {
        budget.take(bytes.len() + BUFFER_BYTES);
        Buffer(Arc::new(Counted {
            bytes: bytes.into_boxed_slice(),
            budget: Arc::clone(budget),
        }))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes.len() + BUFFER_BYTES);
    }
}

/// The places that one queue has taken, counted in a budget.
#[derive(Debug)]
pub(super) struct Places {
    taken: usize,
    budget: Arc<Budget>,
}

impl Places {
    pub fn new(budget: Arc<Budget>) -> Places {
        Places { taken: 0, budget }
    }

    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub fn take(&mut self, count: usize) {
        self.taken += count;
        self.budget.take(count * ENTRY_BYTES);
    }

    pub fn give_back(&mut self, count: usize) {
        self.taken -= count;
        self.budget.give_back(count * ENTRY_BYTES);
    }

    pub fn give_all_back(&mut self) {
        self.give_back(self.taken);
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.give_all_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_counts_once_until_the_last_holder_is_gone() {
        let budget = Budget::new(1000);
        let buffer = Buffer::new(&budget, vec![0; 936]);
        assert_eq!(budget.held_bytes(), 1000);
        assert!(!budget.is_passed() && !budget.has_room());
        let other = buffer.clone();
        drop(buffer);
        assert_eq!((budget.held_bytes(), other.len()), (1000, 936));
        let mut places = Places::new(Arc::clone(&budget));
        places.take(1);
        assert!(budget.is_passed());
        drop(other);
        assert_eq!(budget.held_bytes(), ENTRY_BYTES);
        places.take(1);
        places.give_back(1);
        assert_eq!(budget.held_bytes(), ENTRY_BYTES);
        drop(places);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn there_is_room_below_seven_eighths() {
        let budget = Budget::new(1000);
        let _most = Buffer::new(&budget, vec![0; 875 - BUFFER_BYTES]);
        assert!(budget.has_room());
        budget.take(1);
        assert!(!budget.has_room());
    }
}
