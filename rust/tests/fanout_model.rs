//! The queue and the subscriber sets against models too simple to be wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use _core::fanout::budget::{Budget, Buffer, KEEPING_BYTES};
use _core::fanout::queue::{Batch, MAX_BATCH_BUFFERS, Queue};
use _core::fanout::subscribers::Subscribers;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Move {
    Push(usize),
    /// So many of one byte each.
    Flood(usize),
    /// Take a batch, push so many bytes meanwhile, let the socket take so many tenths of the batch.
    Send(usize, usize),
    Clear,
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (0_usize..40).prop_map(Move::Push),
        1 => (0_usize..80).prop_map(Move::Flood),
        3 => (0_usize..40, 0_usize..=10).prop_map(|(meanwhile, tenths)| Move::Send(meanwhile, tenths)),
        1 => Just(Move::Clear),
    ]
}

/// The naive twin: the unsent bytes in one vector, every byte different from its neighbours.
struct Model {
    unsent: Vec<u8>,
    /// How much is unsent of each buffer.
    lengths: VecDeque<usize>,
    next: u8,
    limit: usize,
    budget: Arc<Budget>,
}

impl Model {
    fn push(&mut self, queue: &mut Queue, length: usize) {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                self.next = self.next.wrapping_add(1);
                self.next
            })
            .collect();
        let most = MAX_BATCH_BUFFERS.max(self.limit / KEEPING_BYTES);
        let fits = self.unsent.len() + length <= self.limit && (length == 0 || self.lengths.len() < most);
        assert_eq!(queue.push(&Buffer::new(&self.budget, bytes.clone())), fits);
        if fits {
            self.unsent.extend(bytes);
            self.lengths.extend((length > 0).then_some(length));
        }
    }

    fn sent(&mut self, mut bytes: usize) {
        self.unsent.drain(..bytes);
        while bytes > 0 {
            let first = self.lengths.front_mut().unwrap();
            let part = bytes.min(*first);
            *first -= part;
            bytes -= part;
            if *first == 0 {
                self.lengths.pop_front();
            }
        }
    }
}

proptest! {
    #[test]
    fn queue_gives_the_bytes_in_order_and_never_more_than_its_limits(
        limit in 0_usize..10_000,
        moves in proptest::collection::vec(any_move(), 1..300),
    ) {
        let budget = Budget::new(0);
        let mut queue = Queue::new(limit, Arc::clone(&budget));
        let mut model = Model {
            unsent: Vec::new(),
            lengths: VecDeque::new(),
            next: 0,
            limit,
            budget: Arc::clone(&budget),
        };
        for step in moves {
            match step {
                Move::Push(length) => model.push(&mut queue, length),
                Move::Flood(count) => (0..count).for_each(|_| model.push(&mut queue, 1)),
                Move::Send(meanwhile, tenths) => {
                    let mut batch = Batch::default();
                    queue.take(&mut batch);
                    let nothing = model.unsent.is_empty();
                    model.push(&mut queue, meanwhile);
                    let pieces: Vec<&[u8]> = batch.pieces().collect();
                    prop_assert!(pieces.len() <= MAX_BATCH_BUFFERS);
                    prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
                    let joined = pieces.concat();
                    prop_assert!(model.unsent.starts_with(&joined));
                    prop_assert_eq!(joined.is_empty(), nothing);
                    let sent = joined.len() * tenths / 10;
                    model.sent(sent);
                    queue.settle(&mut batch, sent);
                    prop_assert_eq!(batch.pieces().count(), 0);
                }
                Move::Clear => {
                    queue.clear();
                    model.unsent.clear();
                    model.lengths.clear();
                    prop_assert_eq!(budget.held_bytes(), 0);
                }
            }
            prop_assert_eq!(queue.bytes(), model.unsent.len());
            prop_assert_eq!(queue.is_empty(), model.unsent.is_empty());
        }
        while !queue.is_empty() {
            let mut batch = Batch::default();
            queue.take(&mut batch);
            let joined = batch.pieces().collect::<Vec<_>>().concat();
            prop_assert!(!joined.is_empty());
            let rest = model.unsent.split_off(joined.len());
            prop_assert_eq!(&joined, &model.unsent);
            model.unsent = rest;
            queue.settle(&mut batch, joined.len());
        }
        prop_assert!(model.unsent.is_empty());
        prop_assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn walk_along_the_subscribers_misses_nobody_who_was_there_and_stays(
        there in 0_u64..40,
        length in 1_usize..8,
        moves in proptest::collection::vec(proptest::collection::vec((0_u64..60, any::<bool>()), 0..6), 0..60),
    ) {
        let mut subscribers = Subscribers::default();
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for id in 0..there {
            prop_assert_eq!(subscribers.insert(id, id * 10), None);
            model.insert(id, id * 10);
        }
        let mut stayed: BTreeSet<u64> = model.keys().copied().collect();
        let mut met = BTreeSet::new();
        let mut end = usize::MAX;
        let mut moves = moves.into_iter();
        while end > 0 {
            let (begin, part) = subscribers.part_before(end, length);
            prop_assert!(part.len() <= length);
            for (id, kept) in part {
                prop_assert_eq!(Some(&*kept), model.get(id));
                met.insert(*id);
            }
            end = begin;
            for (id, comes) in moves.next().unwrap_or_default() {
                if comes {
                    prop_assert_eq!(subscribers.insert(id, id * 10), model.insert(id, id * 10));
                } else {
                    prop_assert_eq!(subscribers.remove(id), model.remove(&id));
                }
                // Whoever comes again has been given what it missed.
                stayed.remove(&id);
            }
            prop_assert_eq!(subscribers.len(), model.len());
            prop_assert_eq!(subscribers.is_empty(), model.is_empty());
            for id in 0..60 {
                prop_assert_eq!(subscribers.get_mut(id).map(|kept| *kept), model.get(&id).copied());
            }
        }
        prop_assert!(stayed.is_subset(&met), "{stayed:?} against {met:?}");
    }
}
