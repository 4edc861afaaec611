//! Deltas between two payloads, in the text format of the Fossil version control system
//! (fossil-scm.org, "Fossil Delta Format"), which Centrifuge calls `fossil`.
//!
//! A delta is the target's length and a line break, operations that copy from the base or insert text, and a
//! checksum of the target. How matches are found is the maker's business; here by blocks of the base, looked up
//! at every place of the target.

mod blocks;
mod text;

use blocks::{Blocks, Match};
use text::Delta;

/// The largest base and target. A delta is made while its channel waits, and this much takes about a
/// millisecond; what is larger goes out in full.
pub const MAX_BYTES: usize = 128 << 10;

/// No character takes more bytes behind its first one.
const MAX_CONTINUATION_BYTES: usize = 3;

/// What turns `base` into `target`; None when that is no smaller than the target itself, or one of them is
/// larger than [`MAX_BYTES`].
///
/// Takes time in proportion to the two lengths, whatever they hold. The delta between two texts in UTF-8 is
/// one as well: no insertion begins or ends inside a character.
#[must_use]
pub fn delta(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if base.len().max(target.len()) > MAX_BYTES {
        return None;
    }
    let blocks = Blocks::of(base);
    let mut delta = Delta::to(target);
    let (mut at, mut covered) = (0, 0);
    while at + blocks::BLOCK_BYTES <= target.len() && delta.is_smaller() {
        let Some(found) = blocks.find(target, at, covered) else {
            at += 1;
            continue;
        };
        let copy = whole_characters(target, found);
        delta.insert(covered..copy.target);
        delta.copy(copy.base, copy.length);
        covered = copy.target + copy.length;
        at = covered;
    }
    delta.insert(covered..target.len());
    delta.finish()
}

/// The part of `found` that cuts no character of the target in two. Much of it is left, a block being longer
/// than two characters.
fn whole_characters(target: &[u8], found: Match) -> Match {
    let continues = |at: usize| target.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = found.target + found.length;
    let mut skip = 0;
    for _ in 0..MAX_CONTINUATION_BYTES {
        skip += usize::from(continues(found.target + skip));
        end -= usize::from(continues(end));
    }
    Match {
        base: found.base + skip,
        target: found.target + skip,
        length: end - found.target - skip,
    }
}
