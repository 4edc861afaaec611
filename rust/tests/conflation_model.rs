//! A queue with publications of conflating channels against a model too simple to be wrong: of each subscription the
//! list of what waits, and what of a list is kept when the queue is not getting on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;
use std::sync::Arc;

use _core::fanout::budget::{Budget, Buffer, KEEPING_BYTES};
use _core::fanout::queue::{Batch, Conflatable, MAX_BATCH_BUFFERS, Queue, Strand};
use proptest::prelude::*;

const STRANDS: usize = 4;
const HEAD: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Put {
    Whole(usize),
    Publication {
        strand: usize,
        brings_schema: bool,
        length: usize,
    },
    /// Another subscription to the same channel.
    SubscribeAgain(usize),
}

#[derive(Clone, Debug)]
enum Move {
    Put(Put),
    /// Take a batch, put these meanwhile, let the socket take so many tenths of the batch.
    Send(Vec<Put>, usize),
    /// The same with a socket that has no room.
    Full(Vec<Put>),
    Clear,
}

fn any_put() -> impl Strategy<Value = Put> {
    let length = HEAD..60;
    prop_oneof![
        3 => length.clone().prop_map(Put::Whole),
        8 => (0..STRANDS, prop::bool::weighted(0.2), length).prop_map(|(strand, brings_schema, length)| {
            Put::Publication { strand, brings_schema, length }
        }),
        1 => (0..STRANDS).prop_map(Put::SubscribeAgain),
    ]
}

fn any_move() -> impl Strategy<Value = Move> {
    let meanwhile = || prop::collection::vec(any_put(), 0..6);
    prop_oneof![
        12 => any_put().prop_map(Move::Put),
        3 => (meanwhile(), 0_usize..=10).prop_map(|(puts, tenths)| Move::Send(puts, tenths)),
        3 => meanwhile().prop_map(Move::Full),
        1 => Just(Move::Clear),
    ]
}

#[derive(Clone, Debug)]
struct Message {
    id: u32,
    length: usize,
    /// Of which subscription, and whether it brings the schema.
    publication: Option<(usize, bool)>,
    /// Of every subscription that had something waiting when this was queued, the first of that.
    ahead: Vec<(usize, u32)>,
}

/// What a reader must get of publications that wait: the last schema, and the newest.
fn keep(waiting: &mut VecDeque<Message>) -> usize {
    let before = waiting.len();
    let schema = waiting
        .iter()
        .rposition(|message| message.publication.is_some_and(|(_, brings)| brings));
    let newest = before.saturating_sub(1);
    let mut place = 0;
    waiting.retain(|_| {
        place += 1;
        place - 1 == newest || Some(place - 1) == schema
    });
    before - waiting.len()
}

struct Model {
    queue: Queue,
    budget: Arc<Budget>,
    limit: usize,
    last_id: u32,
    /// Which subscription each channel has now; the others keep what waits of them.
    current: [usize; STRANDS],
    strands: Vec<Strand>,
    whole: VecDeque<Message>,
    waiting: Vec<VecDeque<Message>>,
    /// What has begun to be written, and how much of it was.
    begun: Option<(Message, usize)>,
    in_flight: Vec<Message>,
    conflating: bool,
    /// The last one of each subscription that was read.
    read: Vec<u32>,
}

impl Model {
    fn new(limit: usize) -> Model {
        let budget = Budget::new(0);
        let mut model = Model {
            queue: Queue::new(limit, Arc::clone(&budget)),
            budget,
            limit,
            last_id: 0,
            current: [0; STRANDS],
            strands: Vec::new(),
            whole: VecDeque::new(),
            waiting: Vec::new(),
            begun: None,
            in_flight: Vec::new(),
            conflating: false,
            read: Vec::new(),
        };
        (0..STRANDS).for_each(|channel| model.subscribe(channel));
        model
    }

    fn subscribe(&mut self, channel: usize) {
        self.current[channel] = self.strands.len();
        self.strands.push(Strand::next(self.strands.last().copied()));
        self.waiting.push(VecDeque::new());
        self.read.push(0);
    }

    fn unsent(&self) -> impl Iterator<Item = &Message> {
        self.in_flight
            .iter()
            .chain(self.whole.iter())
            .chain(self.waiting.iter().flatten())
    }

    fn begun_bytes(&self) -> usize {
        self.begun
            .as_ref()
            .map_or(0, |(message, sent)| message.length - sent)
    }

    fn conflatable_bytes(&self) -> usize {
        self.unsent()
            .filter(|message| message.publication.is_some())
            .map(|message| message.length)
            .sum()
    }

    /// How many of them there are that cannot be conflated.
    fn whole_buffers(&self) -> usize {
        let whole = self.unsent().filter(|message| message.publication.is_none());
        self.begun.iter().count() + whole.count()
    }

    fn bytes(&self) -> usize {
        self.begun_bytes() + self.unsent().map(|message| message.length).sum::<usize>()
    }

    fn message(&mut self, length: usize, publication: Option<(usize, bool)>) -> (Message, Buffer) {
        self.last_id += 1;
        let first_of = |strand| {
            let mine = |message: &&Message| message.publication.is_some_and(|(of, _)| of == strand);
            Some((strand, self.unsent().find(mine)?.id))
        };
        let message = Message {
            id: self.last_id,
            length,
            publication,
            ahead: (0..self.strands.len()).filter_map(first_of).collect(),
        };
        let mut bytes = vec![0xFF; length];
        bytes[..4].copy_from_slice(&message.id.to_le_bytes());
        bytes[4..8].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        (message, Buffer::new(&self.budget, bytes))
    }

    fn put(&mut self, put: Put) {
        match put {
            Put::SubscribeAgain(channel) => self.subscribe(channel),
            Put::Whole(length) => {
                let (message, buffer) = self.message(length, None);
                let limited = self.bytes() - self.conflatable_bytes();
                let most = MAX_BATCH_BUFFERS.max(self.limit / KEEPING_BYTES);
                let fits = limited + length <= self.limit && self.whole_buffers() < most;
                assert_eq!(self.queue.push(&buffer), fits);
                if fits {
                    self.whole.push_back(message);
                }
            }
            Put::Publication {
                strand,
                brings_schema,
                length,
            } => {
                let strand = self.current[strand];
                let (message, buffer) = self.message(length, Some((strand, brings_schema)));
                let conflatable = Conflatable {
                    strand: self.strands[strand],
                    brings_schema,
                };
                let found = self.queue.push_conflatable(&buffer, conflatable);
                if length > self.limit {
                    assert_eq!(found, None);
                    return;
                }
                let mut superfluous = 0;
                if !self.conflating && self.conflatable_bytes() + length > self.limit {
                    superfluous = self.conflate();
                }
                self.waiting[strand].push_back(message);
                if self.conflating {
                    superfluous += keep(&mut self.waiting[strand]);
                }
                assert_eq!(found, Some(superfluous));
            }
        }
    }

    fn conflate(&mut self) -> usize {
        self.conflating = true;
        self.waiting.iter_mut().map(keep).sum()
    }

    /// Find out what is in the batch, each the next of its kind, and how long the first is.
    fn take(&mut self, batch: &mut Batch) -> usize {
        self.queue.take(batch);
        self.conflating = false;
        let pieces: Vec<&[u8]> = batch.pieces().collect();
        assert!(pieces.len() <= MAX_BATCH_BUFFERS);
        let begun = self.begun_bytes();
        let mut fresh = pieces.as_slice();
        if begun > 0 {
            assert_eq!(pieces[0].len(), begun, "what has begun comes first");
            fresh = &pieces[1..];
        }
        for piece in fresh {
            let id = u32::from_le_bytes(piece[..4].try_into().unwrap());
            let fronts = std::iter::once(&mut self.whole).chain(&mut self.waiting);
            let mut is_it = fronts.filter(|queue| queue.front().is_some_and(|message| message.id == id));
            let message = is_it.next().expect("the next of its kind").pop_front().unwrap();
            assert_eq!(piece.len(), message.length);
            self.in_flight.push(message);
        }
        assert_eq!(
            pieces.is_empty(),
            self.bytes() == 0,
            "nothing is taken only where nothing waits"
        );
        pieces.iter().map(|piece| piece.len()).sum()
    }

    fn settle(&mut self, batch: &mut Batch, sent: usize) {
        self.queue.settle(batch, sent);
        self.conflating = false;
        let mut left = sent;
        let begun = self.begun.take();
        let fresh = self.in_flight.drain(..).map(|message| (message, 0));
        let all: Vec<_> = begun.into_iter().chain(fresh).collect();
        let mut back = Vec::new();
        for (message, already) in all {
            let rest = message.length - already;
            if left >= rest {
                left -= rest;
                self.arrived(&message);
            } else if left > 0 || already > 0 {
                self.begun = Some((message, already + left));
                left = 0;
            } else {
                back.push(message);
            }
        }
        for message in back.into_iter().rev() {
            match message.publication {
                Some((strand, _)) => self.waiting[strand].push_front(message),
                None => self.whole.push_front(message),
            }
        }
    }

    fn arrived(&mut self, message: &Message) {
        for (strand, id) in &message.ahead {
            assert!(
                message.publication.is_some() || self.read[*strand] >= *id,
                "what waited before it, or what took that one's place, comes before it"
            );
        }
        if let Some((strand, _)) = message.publication {
            self.read[strand] = message.id;
        }
    }

    fn check(&self) {
        assert_eq!(self.queue.bytes(), self.bytes());
        assert_eq!(self.queue.is_empty(), self.bytes() == 0);
        assert_eq!(self.budget.held_bytes() == 0, self.bytes() == 0);
    }

    fn make(&mut self, step: Move) {
        let (meanwhile, tenths) = match step {
            Move::Put(put) => return self.put(put),
            Move::Clear => {
                self.queue.clear();
                self.begun = None;
                self.whole.clear();
                self.waiting.iter_mut().for_each(VecDeque::clear);
                self.conflating = false;
                return;
            }
            Move::Send(meanwhile, tenths) => (meanwhile, Some(tenths)),
            Move::Full(meanwhile) => (meanwhile, None),
        };
        let mut batch = Batch::default();
        let length = self.take(&mut batch);
        for put in meanwhile {
            self.put(put);
        }
        self.settle(&mut batch, length * tenths.unwrap_or(0) / 10);
        if tenths.is_none() {
            let expected = self.conflate();
            assert_eq!(self.queue.conflate(), expected);
            let most = 2 * STRANDS.max(self.strands.len());
            assert!(self.waiting.iter().flatten().count() <= most);
        }
    }
}

proptest! {
    #[test]
    fn slow_reader_gets_of_each_channel_the_last_schema_and_the_newest_and_of_all_else_everything(
        limit in 0_usize..900,
        moves in prop::collection::vec(any_move(), 1..200),
    ) {
        let mut model = Model::new(limit);
        for step in moves {
            model.make(step);
            model.check();
        }
        let newest: Vec<_> = model.waiting.iter().map(|waiting| waiting.back().map(|last| last.id)).collect();
        while !model.queue.is_empty() {
            model.make(Move::Send(Vec::new(), 10));
            model.check();
        }
        for (strand, newest) in newest.into_iter().enumerate() {
            prop_assert!(newest.is_none_or(|newest| model.read[strand] == newest));
        }
    }

    #[test]
    fn reader_that_keeps_up_gets_everything_in_the_order_of_the_calls(
        puts in prop::collection::vec((any_put(), 0_usize..=10), 1..200),
    ) {
        let mut model = Model::new(1 << 20);
        let mut reached = 0;
        for (put, tenths) in puts {
            model.put(put);
            model.make(Move::Send(vec![put], tenths));
            prop_assert!(!model.conflating);
            let unread = model.begun.iter().map(|(message, _)| message).chain(model.unsent());
            let first = unread.map(|message| message.id).min().unwrap_or(model.last_id + 1);
            let is_gap_free = model.begun.iter().count() + model.unsent().count()
                == usize::try_from(model.last_id + 1 - first).unwrap();
            prop_assert!(first >= reached && is_gap_free);
            reached = first;
        }
    }
}
