//! Who gets what is published on a channel: its subscribers, grouped by wire form.

use std::collections::HashMap;

use crate::wire::Form;

/// One channel's subscribers, grouped by [`Form`] so that each form is encoded once.
///
/// `S` is what is kept per subscriber; only its id matters here. Joining, leaving and changing the form take
/// constant time.
#[derive(Debug)]
pub struct Subscribers<S> {
    groups: HashMap<Form, Vec<(u64, S)>>,
    /// Where each subscriber stands: its form and its place in that group.
    places: HashMap<u64, (Form, usize)>,
}

impl<S> Default for Subscribers<S> {
    fn default() -> Self {
        Subscribers {
            groups: HashMap::new(),
            places: HashMap::new(),
        }
    }
}

impl<S> Subscribers<S> {
    /// Add the subscriber `id`, or move it to another form; return what was kept of it before.
    pub fn insert(&mut self, id: u64, form: Form, subscriber: S) -> Option<S> {
        let before = self.remove(id);
        // The group's own key is shared by all its places, so that a spelling is kept once.
        let form = self
            .groups
            .get_key_value(&form)
            .map_or(form, |(known, _)| known.clone());
        let group = self.groups.entry(form.clone()).or_default();
        self.places.insert(id, (form, group.len()));
        group.push((id, subscriber));
        before
    }

    /// Take the subscriber `id` out and return what was kept of it; an unknown one is ignored.
    pub fn remove(&mut self, id: u64) -> Option<S> {
        let (form, place) = self.places.remove(&id)?;
        let group = self.groups.get_mut(&form)?;
        let (_, subscriber) = group.swap_remove(place);
        if let Some((moved, _)) = group.get(place) {
            if let Some((_, its_place)) = self.places.get_mut(moved) {
                *its_place = place;
            }
        } else if group.is_empty() {
            self.groups.remove(&form);
        }
        Some(subscriber)
    }

    /// Each form with its subscribers, in no promised order.
    pub fn groups(&self) -> impl Iterator<Item = (&Form, &[(u64, S)])> {
        self.groups.iter().map(|(form, group)| (form, group.as_slice()))
    }

    /// Each form with its subscribers, of which what is kept may change.
    pub fn groups_mut(&mut self) -> impl Iterator<Item = (&Form, &mut [(u64, S)])> {
        self.groups
            .iter_mut()
            .map(|(form, group)| (form, group.as_mut_slice()))
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
