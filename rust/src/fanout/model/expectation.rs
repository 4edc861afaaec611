//! What a subscriber is to get: everything in order. Where its socket was full, publications that it conflates may be
//! missing, and newer ones may stand in their places, but none without what it is read with, and the newest never.

use std::collections::{BTreeMap, BTreeSet};

/// The channel that something is from; None for somebody's own messages.
type Source = Option<usize>;

/// One subscription that conflates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strand {
    which: usize,
    /// How many messages came before it.
    begun: usize,
}

struct Message {
    source: Source,
    text: String,
    /// Of which strand it is, and whether it brings a schema, if it may be skipped.
    skippable: Option<(Strand, bool)>,
}

/// See the module.
#[derive(Default)]
pub struct Expectation {
    messages: Vec<Message>,
    was_full: bool,
}

impl Expectation {
    pub fn begin_strand(&self, which: usize) -> Strand {
        Strand {
            which,
            begun: self.messages.len(),
        }
    }

    /// Something that comes whatever happens.
    pub fn expect(&mut self, source: Source, message: Vec<u8>) {
        self.push(source, message, None);
    }

    /// A publication that may be skipped.
    pub fn expect_of(&mut self, strand: Strand, brings_schema: bool, message: Vec<u8>) {
        self.push(Some(strand.which), message, Some((strand, brings_schema)));
    }

    fn push(&mut self, source: Source, message: Vec<u8>, skippable: Option<(Strand, bool)>) {
        self.messages.push(Message {
            source,
            text: String::from_utf8(message).unwrap(),
            skippable,
        });
    }

    /// The socket was full.
    pub fn allow_skips(&mut self) {
        self.was_full = true;
    }

    /// How many bytes come, if nothing may be skipped.
    pub fn bytes(&self) -> Option<usize> {
        let bytes = self.messages.iter().map(|message| message.text.len()).sum();
        (!self.was_full).then_some(bytes)
    }

    /// Look at all that came; how many were skipped.
    pub fn check(&self, got: &str) -> usize {
        let skippable: BTreeSet<&str> = self
            .messages
            .iter()
            .filter(|message| self.was_full && message.skippable.is_some())
            .map(|message| &*message.text)
            .collect();
        let mut places = BTreeMap::new();
        let mut whole = Vec::new();
        for (place, text) in got.split_inclusive('\n').enumerate() {
            let source = source(text);
            if source.is_none() || skippable.contains(text) {
                assert_eq!(places.insert(text, place), None, "once");
            }
            if !skippable.contains(text) {
                whole.push((source, text));
            }
        }
        let expected = self
            .messages
            .iter()
            .map(|message| (message.source, &*message.text));
        let expected = expected.filter(|(_, text)| !skippable.contains(text));
        assert_eq!(by_source(whole), by_source(expected.collect()));
        if self.was_full {
            self.check_strands(&places);
            self.check_order(&places);
        }
        skippable
            .iter()
            .filter(|text| !places.contains_key(**text))
            .count()
    }

    /// Look at what waited for a socket that was full: of each strand the last schema and the newest, at most.
    pub fn check_skips(&self, waited: &[u8]) {
        let waited = std::str::from_utf8(waited).unwrap();
        let texts: BTreeSet<&str> = waited.split_inclusive('\n').collect();
        let mut counts = BTreeMap::new();
        for message in &self.messages {
            if let Some((strand, _)) = message.skippable.filter(|_| texts.contains(&*message.text)) {
                let count = counts.entry(strand).or_insert(0);
                *count += 1;
                assert!(*count <= 2, "it was skipped");
            }
        }
    }

    fn check_strands(&self, places: &BTreeMap<&str, usize>) {
        let mut strands: BTreeMap<Strand, Vec<(bool, Option<usize>)>> = BTreeMap::new();
        for message in &self.messages {
            if let Some((strand, brings_schema)) = message.skippable {
                let place = places.get(&*message.text).copied();
                strands.entry(strand).or_default().push((brings_schema, place));
            }
        }
        for said in strands.values() {
            let heard: Vec<usize> = said.iter().filter_map(|(_, place)| *place).collect();
            assert!(heard.is_sorted());
            assert!(said.last().unwrap().1.is_some(), "the newest");
            let mut schema = None;
            for (brings_schema, place) in said {
                if *brings_schema {
                    schema = Some(place);
                }
                assert!(
                    place.is_none() || schema.is_none_or(Option::is_some),
                    "it can be read"
                );
            }
        }
    }

    /// Nothing comes later than it would have without skips, nor before what came before its subscription.
    fn check_order(&self, places: &BTreeMap<&str, usize>) {
        let place = |message: &Message| places.get(&*message.text).copied();
        for (index, own) in self.messages.iter().enumerate() {
            if own.source.is_some() {
                continue;
            }
            for (other, message) in self.messages.iter().enumerate() {
                let Some((strand, _)) = message.skippable else {
                    continue;
                };
                let Some(comes) = place(message) else {
                    continue;
                };
                if other < index {
                    assert!(Some(comes) < place(own));
                } else if index < strand.begun {
                    assert!(Some(comes) > place(own));
                }
            }
        }
    }
}

fn source(message: &str) -> Source {
    (0..super::CHANNELS.len()).find(|which| message.contains(&format!("-{which}\"")))
}

/// Two channels have no order between them; a client's own messages have one towards both.
fn by_source(mut messages: Vec<(Source, &str)>) -> Vec<(Source, &str)> {
    messages
        .split_mut(|(source, _)| source.is_none())
        .for_each(|between| between.sort_by_key(|(source, _)| *source));
    messages
}
