//! Where the base has what the target has: its blocks by hash, and how far a match reaches.

/// Every so many bytes of the base begins a block. What is shorter than a block and less than another is found
/// by luck only.
pub(super) const BLOCK_BYTES: usize = 16;

/// How many blocks of one hash are compared at one place. Many are alike in a repetitive base, and in one that
/// was made to be slow.
const MAX_TRIES: usize = 8;

/// A match of this length is not tried to be bettered.
const GOOD_BYTES: usize = 256;

/// No block.
const NONE: u32 = u32::MAX;

/// The base's blocks by hash.
pub(super) struct Blocks<'a> {
    base: &'a [u8],
    /// The first block of each hash, by number.
    first: Vec<u32>,
    /// The next block of the same hash, for each.
    next: Vec<u32>,
    shift: u32,
}

/// Bytes that the base and the target have in common, at these places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub base: usize,
    pub target: usize,
    pub length: usize,
}

impl<'a> Blocks<'a> {
    pub fn of(base: &'a [u8]) -> Blocks<'a> {
        let count = base.len() / BLOCK_BYTES;
        let bits = (2 * count).max(2).ilog2();
        let mut blocks = Blocks {
            base,
            first: vec![NONE; 1 << bits],
            next: vec![NONE; count],
            shift: u64::BITS - bits,
        };
        // From behind, so that the first block of many alike is met first: it reaches farthest.
        for (number, block) in base.chunks_exact(BLOCK_BYTES).enumerate().rev() {
            let slot = blocks.slot(block);
            blocks.next[number] = blocks.first[slot];
            blocks.first[slot] = u32::try_from(number).unwrap_or(NONE);
        }
        blocks
    }

    /// The longest match found that covers the whole block of `target` at `at`. It may begin earlier, but not
    /// before `covered`.
    pub fn find(&self, target: &[u8], at: usize, covered: usize) -> Option<Match> {
        let block = target.get(at..at + BLOCK_BYTES)?;
        let mut best: Option<Match> = None;
        let mut number = self.first[self.slot(block)];
        for _ in 0..MAX_TRIES {
            if number == NONE {
                break;
            }
            let place = number as usize * BLOCK_BYTES;
            if self.base[place..place + BLOCK_BYTES] == *block {
                let found = self.reach(place, target, at, covered);
                if best.is_none_or(|best| found.length > best.length) {
                    best = Some(found);
                }
                if found.length >= GOOD_BYTES {
                    break;
                }
            }
            number = self.next[number as usize];
        }
        best
    }

    /// The match around a block that both have, as far as it goes to both sides.
    fn reach(&self, place: usize, target: &[u8], at: usize, covered: usize) -> Match {
        let ahead = common_prefix(&self.base[place..], &target[at..]);
        let behind = self.base[..place]
            .iter()
            .rev()
            .zip(target[covered..at].iter().rev())
            .take_while(|(one, other)| one == other)
            .count();
        Match {
            base: place - behind,
            target: at - behind,
            length: behind + ahead,
        }
    }

    /// Where the hash of a block stands.
    fn slot(&self, block: &[u8]) -> usize {
        let (mut low, mut high) = ([0; 8], [0; 8]);
        low.copy_from_slice(&block[..8]);
        high.copy_from_slice(&block[8..BLOCK_BYTES]);
        // Odd numbers without a pattern; the top bits of a product depend on all bits of its factors.
        let mixed = u64::from_le_bytes(low)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32)
            .wrapping_add(u64::from_le_bytes(high))
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        usize::try_from(mixed >> self.shift).unwrap_or(0)
    }
}

/// How many bytes both begin with. By pieces first, because a match may be long.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    const PIECE: usize = 32;
    let pieces = one.chunks_exact(PIECE).zip(other.chunks_exact(PIECE));
    let alike = pieces.take_while(|(one, other)| one == other).count() * PIECE;
    let rest = one[alike..].iter().zip(&other[alike..]);
    alike + rest.take_while(|(one, other)| one == other).count()
}
