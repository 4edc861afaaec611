//! Measurement and tags: the text that a row's `labels` cell holds, and a cache from their spelling to that
//! text.

use std::collections::HashMap;
use std::sync::Arc;

use super::key_hash::KeyHashes;
use crate::json;
use crate::line_protocol::Tag;

/// Spellings that a stream remembers. Telegraf on one machine has some dozens of series, a large site
/// thousands.
const MAX_ENTRIES: usize = 16_384;
/// Bytes of spellings and label texts that a stream remembers.
const MAX_BYTES: usize = 8 << 20;
/// A longer spelling is rendered each time.
const MAX_ENTRY_BYTES: usize = 2_048;

/// What is known of a series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// The measurement's number in its stream.
    pub(super) measurement: usize,
    /// The `labels` cell as JSON, quotes included.
    pub(super) labels: Arc<[u8]>,
}

/// From `measurement,tags` as written to what they mean; bounded.
#[derive(Default)]
pub(super) struct SeriesCache {
    entries: HashMap<Box<[u8]>, Series, KeyHashes>,
    bytes: usize,
}

impl SeriesCache {
    #[inline]
    pub(super) fn find(&self, spelling: &[u8]) -> Option<&Series> {
        self.entries.get(spelling)
    }

    /// Remember a series. A full cache starts over: that costs one slow look-up per live series, where
    /// keeping an order of use would cost something on every line.
    pub(super) fn insert(&mut self, spelling: &[u8], series: Series) {
        let bytes = spelling.len() + series.labels.len();
        if bytes > MAX_ENTRY_BYTES {
            return;
        }
        if self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
            self.entries.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.entries.insert(spelling.into(), series);
    }
}

/// The `labels` cell: `k1=v1, k2=v2` sorted by key, unescaped as Grafana has it, as a JSON string. The last
/// of a repeated key counts.
pub(super) fn render_labels(tags: &[Tag]) -> Arc<[u8]> {
    let mut pairs: Vec<_> = tags
        .iter()
        .map(|tag| (tag.key.text(), tag.value.text()))
        .collect();
    // Stable, so that the last of equal keys is the last written.
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    let mut out = vec![b'"'];
    for (at, (key, value)) in pairs.iter().enumerate() {
        if pairs.get(at + 1).is_some_and(|next| next.0 == *key) {
            continue;
        }
        if out.len() > 1 {
            out.extend_from_slice(b", ");
        }
        json::write_escaped(key, &mut out);
        out.push(b'=');
        json::write_escaped(value, &mut out);
    }
    out.push(b'"');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_protocol::Scanner;

    fn labels(line: &str) -> String {
        let mut tags = Vec::new();
        Scanner::new(line.as_bytes()).read_series(&mut tags).unwrap();
        String::from_utf8(render_labels(&tags).to_vec()).unwrap()
    }

    #[test]
    fn labels_are_sorted_and_the_last_of_a_key_counts() {
        assert_eq!(labels("m f=1"), r#""""#);
        assert_eq!(labels("m,b=2,a=1,b=3 f=1"), r#""a=1, b=3""#);
        assert_eq!(labels(r#"m,q="\ x\,y f=1"#), r#""q=\" x,y""#);
    }

    #[test]
    fn the_cache_stays_bounded() {
        let mut cache = SeriesCache::default();
        let series = Series {
            measurement: 0,
            labels: Arc::from(&b"\"\""[..]),
        };
        for number in 0..3 * MAX_ENTRIES {
            cache.insert(number.to_string().as_bytes(), series.clone());
            assert!(cache.entries.len() <= MAX_ENTRIES);
        }
        cache.insert(&[b'x'; MAX_ENTRY_BYTES + 1], series);
        assert!(cache.find(&[b'x'; MAX_ENTRY_BYTES + 1]).is_none());
        assert!(cache.find((3 * MAX_ENTRIES - 1).to_string().as_bytes()).is_some());
    }
}
