//! Who hears a channel, counted by how each reads it, so that a publication is encoded before anybody is looked
//! at.
//!
//! Counted are those who take publications. A form that only connections read which were cut is not encoded for.

use std::cell::OnceCell;
use std::sync::Arc;

use super::budget::{Budget, Buffer};
use crate::wire::{Announcement, ClientInfo, Form, Protocol, Publication, Shape};

/// What a subscriber wants beside its form.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    /// To be told who joins and leaves.
    pub events: bool,
    pub deltas: bool,
    /// That, when it reads slowly, newer publications take the place of those that wait for it.
    pub conflates: bool,
}

/// How one subscriber reads its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Its form's number in the channel, which serves another form once no subscriber has this one any more.
    form: usize,
    /// Whether it is told who joins and leaves.
    events: bool,
    /// Whether newer publications may take the place of older ones in its queue.
    pub conflates: bool,
    /// For a reader of deltas, how many publications the channel had before it came.
    deltas_after: Option<u64>,
}

impl Way {
    /// Whether publication `number` is the first for a reader of deltas, which has nothing yet to apply one to.
    fn begins_with(self, number: u64) -> bool {
        self.deltas_after.is_some_and(|before| before + 1 == number)
    }

    /// This way for somebody who gets publication `number` and those behind it: two that came long ago are alike.
    pub fn seen_from(self, number: u64) -> Way {
        Way {
            deltas_after: self
                .deltas_after
                .map(|before| if before + 1 < number { 0 } else { before }),
            ..self
        }
    }
}

/// One publication in one form, in the varieties that somebody reads.
#[derive(Debug, Default)]
pub(super) struct Varieties {
    /// For those who read no deltas.
    full: Option<Buffer>,
    /// For a reader of deltas whose first it is.
    first: Option<Buffer>,
    /// For the other readers of deltas.
    next: Option<Buffer>,
}

impl Varieties {
    fn of(&self, way: Way, number: u64) -> Option<&Buffer> {
        match way.deltas_after {
            None => self.full.as_ref(),
            Some(_) if way.begins_with(number) => self.first.as_ref(),
            Some(_) => self.next.as_ref(),
        }
    }
}

/// What a channel has to say, in all forms that somebody reads, by their numbers.
#[derive(Debug)]
pub(super) enum Saying {
    Publication {
        /// Which one it is.
        number: u64,
        /// Whether those behind it cannot be read without it.
        brings_schema: bool,
        forms: Vec<Varieties>,
    },
    /// Who joined or left.
    Announcement(Vec<Option<Buffer>>),
}

impl Saying {
    /// The message for who reads like this; None if it is told nothing.
    pub fn message(&self, way: Way) -> Option<&Buffer> {
        match self {
            Saying::Publication { number, forms, .. } => forms.get(way.form)?.of(way, *number),
            Saying::Announcement(forms) if way.events => forms.get(way.form)?.as_ref(),
            Saying::Announcement(_) => None,
        }
    }
}

/// Makes messages that count in the budget, and counts them.
pub(super) struct Encoder<'a> {
    pub budget: &'a Arc<Budget>,
    pub made: u64,
}

impl Encoder<'_> {
    fn make(&mut self, message: Vec<u8>) -> Buffer {
        self.made += 1;
        Buffer::new(self.budget, message)
    }
}

/// What changed since the publication before, which is found out only when somebody needs it.
pub(super) struct Change<'a> {
    pub previous: Option<Buffer>,
    pub payload: &'a [u8],
    pub delta: OnceCell<Option<Vec<u8>>>,
}

impl Change<'_> {
    fn delta(&self) -> Option<&[u8]> {
        self.delta
            .get_or_init(|| crate::delta::delta(self.previous.as_deref()?, self.payload))
            .as_deref()
    }
}

/// The readers of one form.
#[derive(Debug)]
struct Readers {
    form: Form,
    /// Subscribers that have it, those included that are not counted below because they were cut.
    subscribers: usize,
    full: usize,
    /// Readers of deltas who have got a publication, and those who have not.
    deltas: usize,
    newcomers: usize,
    events: usize,
}

impl Readers {
    fn new(form: Form) -> Readers {
        Readers {
            form,
            subscribers: 0,
            full: 0,
            deltas: 0,
            newcomers: 0,
            events: 0,
        }
    }

    /// Where those are counted who read like this, when the channel has had so many publications.
    fn count(&mut self, way: Way, publications: u64) -> &mut usize {
        match way.deltas_after {
            None => &mut self.full,
            Some(before) if before == publications => &mut self.newcomers,
            Some(_) => &mut self.deltas,
        }
    }

    fn encode(
        &mut self,
        publication: &Publication<'_>,
        change: &Change<'_>,
        encoder: &mut Encoder<'_>,
    ) -> Varieties {
        let form = &self.form;
        let mut make = |shape| encoder.make(form.publication(publication, shape));
        let delta = if self.deltas > 0 { change.delta() } else { None };
        let full = (self.full > 0).then(|| make(Shape::Value));
        let first = (self.newcomers > 0 || self.deltas > 0 && delta.is_none()).then(|| match &full {
            Some(full) if form.reader.protocol() == Protocol::Protobuf => full.clone(),
            _ => make(Shape::Text),
        });
        let next = match delta {
            Some(delta) => Some(make(Shape::Delta(delta))),
            None => first.clone(),
        };
        self.deltas += std::mem::take(&mut self.newcomers);
        Varieties { full, first, next }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Audience {
    /// By the forms' numbers; None where one is free.
    forms: Vec<Option<Readers>>,
    count: usize,
    events: usize,
    delta_readers: usize,
}

impl Audience {
    /// How many take publications.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many are told who joins and leaves.
    pub fn events(&self) -> usize {
        self.events
    }

    pub fn reads_deltas(&self) -> bool {
        self.delta_readers > 0
    }

    /// Count one more, of a channel that has had so many publications.
    pub fn enter(&mut self, form: Form, wish: Wish, publications: u64) -> Way {
        let number = self.number_of(form);
        let way = Way {
            form: number,
            events: wish.events,
            conflates: wish.conflates,
            deltas_after: wish.deltas.then_some(publications),
        };
        if let Some(Some(readers)) = self.forms.get_mut(number) {
            readers.subscribers += 1;
            *readers.count(way, publications) += 1;
            readers.events += usize::from(wish.events);
        }
        self.count += 1;
        self.events += usize::from(wish.events);
        self.delta_readers += usize::from(wish.deltas);
        way
    }

    /// Somebody takes no publications any more. To be said once; [`Audience::forget`] follows.
    pub fn lose(&mut self, way: Way, publications: u64) {
        if let Some(Some(readers)) = self.forms.get_mut(way.form) {
            *readers.count(way, publications) -= 1;
            readers.events -= usize::from(way.events);
        }
        self.count -= 1;
        self.events -= usize::from(way.events);
        self.delta_readers -= usize::from(way.deltas_after.is_some());
    }

    /// Nobody will ask for messages for this one any more.
    pub fn forget(&mut self, way: Way) {
        if let Some(place) = self.forms.get_mut(way.form) {
            if let Some(readers) = place {
                readers.subscribers -= 1;
            }
            place.take_if(|readers| readers.subscribers == 0);
        }
        while let Some(None) = self.forms.last() {
            self.forms.pop();
        }
    }

    /// The number of `form`; few differ in one channel.
    fn number_of(&mut self, form: Form) -> usize {
        let known = self.forms.iter().position(|place| match place {
            Some(readers) => readers.form == form,
            None => false,
        });
        let free = || self.forms.iter().position(Option::is_none);
        let number = known.or_else(free).unwrap_or(self.forms.len());
        if number == self.forms.len() {
            self.forms.push(None);
        }
        self.forms[number].get_or_insert_with(|| Readers::new(form));
        number
    }

    /// Encode publication `number` for all who are there.
    pub fn publication(
        &mut self,
        number: u64,
        publication: &Publication<'_>,
        change: &Change<'_>,
        encoder: &mut Encoder<'_>,
    ) -> Saying {
        let forms = self.forms.iter_mut().map(|place| {
            let readers = place.as_mut();
            readers.map_or_else(Varieties::default, |readers| {
                readers.encode(publication, change, encoder)
            })
        });
        Saying::Publication {
            number,
            brings_schema: publication.brings_schema,
            forms: forms.collect(),
        }
    }

    /// Encode who joined or left for all who are told.
    pub fn announcement(
        &self,
        announcement: Announcement,
        info: &ClientInfo<'_>,
        encoder: &mut Encoder<'_>,
    ) -> Saying {
        let forms = self.forms.iter().map(|place| {
            let readers = place.as_ref().filter(|readers| readers.events > 0)?;
            Some(encoder.make(readers.form.announcement(announcement, info)))
        });
        Saying::Announcement(forms.collect())
    }
}
