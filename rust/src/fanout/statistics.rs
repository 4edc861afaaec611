//! What the fan-out counts, and how it is read.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Figures since the start, and sizes as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections not released yet.
    pub connections: usize,
    /// Subscribers of all channels; one that was cut counts until it is finished or removed.
    pub subscriptions: usize,
    /// Channels with a subscriber.
    pub channels: usize,
    /// Bytes in all queues.
    pub queued_bytes: usize,
    /// Memory that waiting messages take, each counted once however many queues it is in.
    pub total_bytes: usize,
    /// Publications put into queues; where the writer does that, they count when it has.
    pub deliveries: u64,
    /// Wire forms that publications were encoded in.
    pub encodings: u64,
    /// Bytes the sockets took.
    pub sent_bytes: u64,
    /// System calls made for that.
    pub send_calls: u64,
    /// Publications that a newer one of their channel took the place of, before they were written to a slow reader.
    pub conflated: u64,
    /// Connections cut because their queue was full, or the longest when all together held too much.
    pub overflows: u64,
    /// Connections cut because their socket took nothing.
    pub stalls: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub deliveries: AtomicU64,
    pub encodings: AtomicU64,
    pub sent_bytes: AtomicU64,
    pub send_calls: AtomicU64,
    pub conflated: AtomicU64,
    pub overflows: AtomicU64,
    pub stalls: AtomicU64,
}

impl Counters {
    pub fn add_conflated(&self, publications: usize) {
        if publications > 0 {
            self.conflated.fetch_add(publications as u64, Relaxed);
        }
    }
}
