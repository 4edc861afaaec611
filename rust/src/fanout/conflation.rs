//! What of a conflating channel a queue that is not getting on need keep: its newest publication, and before that the
//! last one that brought a schema, since nothing behind it can be read without.
//!
//! The newer takes the older one's place. At the end of the queue, where it would overtake nothing, a channel that
//! is quicker than its reader would be sent back again and again, and never be read at all.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;

use super::budget::Buffer;

/// One subscription of a connection to a conflating channel. Subscribing again makes another: what is published
/// then must not come before the reply that stands between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strand(NonZeroU32);

impl Strand {
    /// The next one of a connection; the first behind none.
    #[must_use]
    pub fn next(last: Option<Strand>) -> Strand {
        let Strand(last) = last.unwrap_or(Strand(NonZeroU32::MAX));
        Strand(last.checked_add(1).unwrap_or(NonZeroU32::MIN))
    }
}

/// What a publication is to those that wait before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflatable {
    /// Whose publications it makes superfluous.
    pub strand: Strand,
    /// Whether those behind it cannot be read without it. Then none of those before it is needed any more.
    pub brings_schema: bool,
}

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Entry {
    pub buffer: Buffer,
    /// None where it is to be written whatever comes.
    pub conflatable: Option<Conflatable>,
}

/// The places of a queue in the order in which they are sent. One that is empty is held for its strand, or passed over.
pub(super) type Entries = VecDeque<Option<Entry>>;

/// Where every strand stands in a queue, as long as nothing is taken out of it.
#[derive(Debug, Default)]
pub(super) struct Standings {
    by_strand: HashMap<Strand, Standing>,
}

/// The places of one strand.
#[derive(Debug)]
struct Standing {
    /// The newest publication, or the last with a schema. Never empty.
    first: usize,
    /// What came behind the one with the schema.
    second: Option<usize>,
}

impl Standings {
    /// How many strands stand in the queue.
    pub fn len(&self) -> usize {
        self.by_strand.len()
    }

    /// Put `buffer` where its strand stands, or at the end if it stands nowhere yet, and hand out what it makes superfluous.
    pub fn put(
        &mut self,
        entries: &mut Entries,
        buffer: Buffer,
        conflatable: Conflatable,
    ) -> impl Iterator<Item = Buffer> + use<> {
        let end = entries.len();
        let standing = self.by_strand.entry(conflatable.strand).or_insert(Standing {
            first: end,
            second: None,
        });
        let keeps_first = !conflatable.brings_schema && brings_schema(entries.get(standing.first));
        let place = if keeps_first {
            *standing.second.get_or_insert(end)
        } else {
            standing.first
        };
        if place == end {
            entries.push_back(None);
        }
        let entry = Entry {
            buffer,
            conflatable: Some(conflatable),
        };
        let before = entries[place].replace(entry);
        let behind = standing.second.filter(|_| !keeps_first);
        let behind = behind.and_then(|second| entries[second].take());
        [before, behind].into_iter().flatten().map(|entry| entry.buffer)
    }
}

fn brings_schema(place: Option<&Option<Entry>>) -> bool {
    let conflatable = place.and_then(|entry| entry.as_ref()?.conflatable);
    conflatable.is_some_and(|conflatable| conflatable.brings_schema)
}
