//! One channel: its subscribers, each with the place in the channel's order up to which it has heard.
//!
//! What is said goes into the [`Log`], and from there into the queues of the subscribers: by the caller where they are
//! few, and otherwise by the writer, so that a publisher need not go round. Whoever goes round, in one go or in parts,
//! and however many do at once: each subscriber gets what stands behind its own place, in order and once. Before one
//! changes what it wants, leaves, or gets a message of its own, it is given what still waits for it.
//!
//! **Locks**: seats → a connection's state → log.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use super::audience::{Encoder, Way, Wish};
use super::budget::Budget;
use super::connection::Connection;
use super::lock;
use super::log::{Log, News};
use super::queue::Strand;
use super::round::{Round, Taken};
use super::subscribers::Subscribers;
use crate::wire::Form;

/// From so many subscribers on the writer goes round: at some 30 ns for each, fewer are reached in about the time it takes
/// to wake another thread.
pub(super) const MANY: usize = 64;

/// So many entries may wait for the writer; then the caller goes round. It bounds what an entry takes beside its
/// messages, which the budget bounds.
pub(super) const MOST_WAITING: usize = if cfg!(test) { 12 } else { 1024 };

/// A round waits so often for those who want to join or leave before it goes on: without an end, a storm of them would
/// keep publications from everybody.
const MOST_YIELDS: usize = 100;

/// A subscriber as its channel keeps it.
pub(super) struct Seat {
    pub connection: Arc<Connection>,
    pub way: Way,
    /// As which newer publications may take the place of older ones; None where it gets all.
    pub strand: Option<Strand>,
    /// The place of the last entry that it got or that was not for it.
    pub heard: u64,
}

/// What a connection knows of a channel it is in.
pub(super) struct Membership {
    pub channel: Arc<Channel>,
    way: Way,
}

impl Membership {
    /// The connection takes no publications any more. To be said once.
    pub fn lose(&self) {
        lock(&self.channel.log).lose(self.way);
    }
}

/// What follows from leaving something in the log.
pub(super) enum Left {
    /// Nothing: the writer has been told before.
    Nothing,
    /// The writer must be told.
    Order,
    /// Too much waits: go round at once.
    TooMuch,
}

/// See the module.
pub(super) struct Channel {
    name: Arc<str>,
    seats: Mutex<Subscribers<Seat>>,
    /// How many want `seats`, while somebody goes round in parts.
    want_seats: AtomicUsize,
    /// How many seats there are.
    size: AtomicUsize,
    log: Mutex<Log>,
    /// How many entries the log holds.
    waiting: AtomicUsize,
}

impl Channel {
    pub fn new(name: Arc<str>) -> Arc<Channel> {
        Arc::new(Channel {
            name,
            seats: Mutex::default(),
            want_seats: AtomicUsize::new(0),
            size: AtomicUsize::new(0),
            log: Mutex::default(),
            waiting: AtomicUsize::new(0),
        })
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn size(&self) -> usize {
        self.size.load(Relaxed)
    }

    /// How many entries are in the log. What was left there by the calling thread is seen for certain.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    pub fn has_waiting(&self) -> bool {
        self.waiting() > 0
    }

    fn seats(&self) -> MutexGuard<'_, Subscribers<Seat>> {
        self.want_seats.fetch_add(1, Relaxed);
        let seats = lock(&self.seats);
        self.want_seats.fetch_sub(1, Relaxed);
        seats
    }

    /// Put a subscriber in, or change what it wants; false if its connection takes no publications any more.
    pub fn join(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        form: Form,
        wish: Wish,
        budget: &Arc<Budget>,
        taken: &mut Taken,
    ) -> bool {
        let id = connection.id;
        let mut seats = self.seats();
        let (mut state, mut log) = loop {
            let heard = self.give_what_waits(&mut seats, id, budget, taken);
            let state = connection.state();
            if !state.is_open() {
                return false;
            }
            let log = lock(&self.log);
            // Another thread may have said something since; behind the change it would be in no way that it reads.
            if !heard.is_some_and(|heard| log.goes_beyond(heard)) {
                break (state, log);
            }
        };
        if let Some(before) = state.channels.get(&self.name) {
            log.lose(before.way);
        }
        let (way, heard) = log.enter(form, wish);
        let membership = Membership {
            channel: Arc::clone(self),
            way,
        };
        state.channels.insert(Arc::clone(&self.name), membership);
        // Another than before: what comes now must not overtake what was sent to it in between.
        let strand = wish.conflates.then(|| state.new_strand());
        drop(state);
        let seat = Seat {
            connection,
            way,
            strand,
            heard,
        };
        if let Some(before) = seats.insert(id, seat) {
            log.forget(before.way);
        }
        self.size.store(seats.len(), Relaxed);
        true
    }

    /// Take a subscriber out; true when nobody is left.
    pub fn leave(&self, connection: &Connection, budget: &Arc<Budget>, taken: &mut Taken) -> bool {
        let mut seats = self.seats();
        self.give_what_waits(&mut seats, connection.id, budget, taken);
        connection.state().leave(&self.name);
        if let Some(seat) = seats.remove(connection.id) {
            lock(&self.log).forget(seat.way);
        }
        self.size.store(seats.len(), Relaxed);
        seats.is_empty()
    }

    /// Give one connection what waits for it.
    pub fn catch_up(&self, id: u64, budget: &Arc<Budget>, taken: &mut Taken) {
        self.give_what_waits(&mut self.seats(), id, budget, taken);
    }

    /// The place up to which it has heard then; None for who is not there.
    fn give_what_waits(
        &self,
        seats: &mut Subscribers<Seat>,
        id: u64,
        budget: &Arc<Budget>,
        taken: &mut Taken,
    ) -> Option<u64> {
        let seat = seats.get_mut(id)?;
        let waiting = lock(&self.log).waiting();
        if let Some(round) = Round::new(waiting, budget) {
            round.visit_alone(seat, taken);
        }
        Some(seat.heard)
    }

    /// Say something to everybody before this returns.
    pub fn say_now(&self, news: &News<'_>, encoder: &mut Encoder<'_>, taken: &mut Taken) {
        // Held throughout, so that what this call says is given out by this call, which says how many took it.
        let mut seats = self.seats();
        let waiting = {
            let mut log = lock(&self.log);
            let Some((entry, _)) = log.say(news, encoder) else {
                return;
            };
            let mut waiting = log.waiting();
            waiting.push(entry);
            waiting
        };
        let Some(mut round) = Round::new(waiting, encoder.budget) else {
            return;
        };
        let (_, row) = seats.part_before(usize::MAX, usize::MAX);
        for (_, seat) in row {
            round.visit(seat, taken);
        }
        drop(seats);
        self.finish(&round);
    }

    /// Leave something in the log, for the writer to give out; and for how many it is.
    pub fn say_later(&self, news: &News<'_>, encoder: &mut Encoder<'_>) -> (Left, usize) {
        let mut log = lock(&self.log);
        let Some((entry, count)) = log.say(news, encoder) else {
            return (Left::Nothing, 0);
        };
        let waiting = log.add(entry);
        self.waiting.store(waiting, Relaxed);
        let left = if waiting >= MOST_WAITING {
            Left::TooMuch
        } else if std::mem::replace(&mut log.is_ordered, true) {
            Left::Nothing
        } else {
            Left::Order
        };
        (left, count)
    }

    /// Give everybody what waits, in parts, between which others may change who is there.
    pub fn go_round(&self, budget: &Arc<Budget>, taken: &mut Taken) {
        let Some(mut round) = self.begin_round(budget) else {
            return;
        };
        while self.go_on(&mut round, taken) {
            self.let_others_in();
        }
        self.finish(&round);
    }

    /// A round with what waits now; None when nothing does.
    pub fn begin_round(&self, budget: &Arc<Budget>) -> Option<Round> {
        let mut log = lock(&self.log);
        log.is_ordered = false;
        Round::new(log.waiting(), budget)
    }

    /// Visit the next part; false when there is none left.
    pub fn go_on(&self, round: &mut Round, taken: &mut Taken) -> bool {
        round.visit_part(&mut lock(&self.seats), taken)
    }

    /// A mutex goes to who asks first, which would be who has just let go of it.
    fn let_others_in(&self) {
        for _ in 0..MOST_YIELDS {
            if self.want_seats.load(Relaxed) == 0 {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// A round has been everywhere: what it gave out waits no longer.
    pub fn finish(&self, round: &Round) {
        let mut log = lock(&self.log);
        log.drop_until(round.last());
        self.waiting.store(log.count(), Relaxed);
    }

    /// Forget everybody.
    pub fn clear(&self) {
        *lock(&self.seats) = Subscribers::default();
    }
}
