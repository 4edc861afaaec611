//! The subscribers of one channel, in a row that can be walked along in parts while it changes.

use std::collections::HashMap;

/// Subscribers by id and by place in the row.
///
/// Joining and leaving take constant time and move at most one other: the last of the row to a place before it. Who
/// walks from the end to the beginning therefore misses nobody who was there when the walk began, whatever happens
/// between two steps, though it may meet somebody twice.
#[derive(Debug)]
pub struct Subscribers<S> {
    row: Vec<(u64, S)>,
    places: HashMap<u64, usize>,
}

impl<S> Default for Subscribers<S> {
    fn default() -> Self {
        Subscribers {
            row: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<S> Subscribers<S> {
    /// Put the subscriber `id` at the end; return what was kept of it before.
    pub fn insert(&mut self, id: u64, subscriber: S) -> Option<S> {
        let before = self.remove(id);
        self.places.insert(id, self.row.len());
        self.row.push((id, subscriber));
        before
    }

    /// Take the subscriber `id` out and return what was kept of it; an unknown one is ignored.
    pub fn remove(&mut self, id: u64) -> Option<S> {
        let place = self.places.remove(&id)?;
        let (_, subscriber) = self.row.swap_remove(place);
        if let Some((moved, _)) = self.row.get(place) {
            self.places.insert(*moved, place);
        }
        Some(subscriber)
    }

    /// What is kept of the subscriber `id`.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut S> {
        let place = *self.places.get(&id)?;
        self.row.get_mut(place).map(|(_, subscriber)| subscriber)
    }

    /// The part of the row that a walk visits next, at most `length` long, when `end` and what is behind it was
    /// visited: where the part begins, and who stands in it. From the end of the row for `usize::MAX`.
    pub fn part_before(&mut self, end: usize, length: usize) -> (usize, &mut [(u64, S)]) {
        let end = end.min(self.row.len());
        let begin = end.saturating_sub(length);
        (begin, &mut self.row[begin..end])
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}
