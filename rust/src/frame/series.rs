//! Measurement and tags: what their spelling means, in a bounded cache.

use std::collections::HashMap;
use std::sync::Arc;

use super::key_hash::KeyHashes;

/// Spellings that a stream remembers. Telegraf on one machine has some dozens of series, a large site
/// thousands.
const MAX_ENTRIES: usize = 16_384;
/// What remembering a series takes beside its spelling and its labels.
const ENTRY_BYTES: usize = 128;
/// A longer spelling is rendered each time.
const MAX_ENTRY_BYTES: usize = 2_048;

/// What is known of a series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// The measurement's number in its stream.
    pub(super) measurement: usize,
    /// The number of its labels in the measurement.
    pub(super) label_set: usize,
    /// The `labels` cell, or the `labels` of its columns, as JSON.
    pub(super) labels: Arc<[u8]>,
}

/// From `measurement,tags` as written to what they mean; bounded.
#[derive(Default)]
pub(super) struct SeriesCache {
    entries: HashMap<Box<[u8]>, Series, KeyHashes>,
    bytes: usize,
}

impl SeriesCache {
    /// What is remembered, as counted against the limit.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(super) fn find(&self, spelling: &[u8]) -> Option<&Series> {
        self.entries.get(spelling)
    }

    /// Remember a series. A full cache starts over: that costs one slow look-up per live series, where
    /// keeping an order of use would cost something on every line.
    pub(super) fn insert(&mut self, spelling: &[u8], series: Series, max_bytes: usize) {
        let bytes = spelling.len() + series.labels.len() + ENTRY_BYTES;
        if bytes > MAX_ENTRY_BYTES {
            return;
        }
        if self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > max_bytes {
            // Its table goes too: it may be larger than what is allowed now.
            self.entries = HashMap::default();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.entries.insert(spelling.into(), series);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_bounded() {
        let mut cache = SeriesCache::default();
        let series = Series {
            measurement: 0,
            label_set: 0,
            labels: Arc::from(&b"\"\""[..]),
        };
        for number in 0..3 * MAX_ENTRIES {
            cache.insert(number.to_string().as_bytes(), series.clone(), 8 << 20);
            assert!(cache.entries.len() <= MAX_ENTRIES);
        }
        cache.insert(&[b'x'; MAX_ENTRY_BYTES + 1], series.clone(), 8 << 20);
        assert!(cache.find(&[b'x'; MAX_ENTRY_BYTES + 1]).is_none());
        assert!(cache.find((3 * MAX_ENTRIES - 1).to_string().as_bytes()).is_some());
        for number in 0..100 {
            cache.insert(format!("of less room {number}").as_bytes(), series.clone(), 1_000);
            assert!(cache.held_bytes() <= 1_000);
        }
    }
}
