//! The hash of the look-up tables that the sender's names go into: fast on short keys, and seeded, so that
//! nobody can choose names that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes [`KeyHasher`]s with one random seed.
#[derive(Clone)]
pub(super) struct KeyHashes {
    seed: u64,
}

impl Default for KeyHashes {
    fn default() -> Self {
        Self {
            seed: RandomState::new().hash_one(0) | 1,
        }
    }
}

impl BuildHasher for KeyHashes {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher {
            state: self.seed,
            seed: self.seed,
        }
    }
}

/// Folds eight bytes at a time by a 64 × 64 → 128 bit multiplication.
pub(super) struct KeyHasher {
    state: u64,
    seed: u64,
}

impl KeyHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.seed ^ 0x9e37_79b9_7f4a_7c15);
        let bytes = product.to_le_bytes();
        let half = |from: usize| {
            let mut half = [0; 8];
            half.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(half)
        };
        self.state = half(0) ^ half(8);
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        // Two reads that may overlap instead of a copy of few bytes: the length, which is hashed too, tells
        // what they have in common.
        if let (Some(head), Some(tail)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            let word = |half: &[u8; 4]| u64::from(u32::from_le_bytes(*half));
            self.mix(word(head) << 32 | word(tail));
        } else if let (Some(head), Some(tail)) = (rest.first_chunk::<2>(), rest.last_chunk::<2>()) {
            let word = |half: &[u8; 2]| u64::from(u16::from_le_bytes(*half));
            self.mix(word(head) << 16 | word(tail));
        } else if let [byte] = rest {
            self.mix(u64::from(*byte));
        }
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn near_keys_hash_apart() {
        let hashes = KeyHashes::default();
        let keys = (0..10_000_u32).map(|number| format!("usage_{number}"));
        let distinct: HashSet<u64> = keys.map(|key| hashes.hash_one(key.as_bytes())).collect();
        assert!(distinct.len() > 9_990);
        assert_ne!(hashes.hash_one(&b"a"[..]), hashes.hash_one(&b"a\0"[..]));
    }
}
