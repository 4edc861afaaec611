//! One connection's state: its queue, how far it is on its way out, and whose turn it is to do what is next.
//!
//! Every transition is made under the one lock in here, and only ever forward. The writer asks
//! [`Connection::next`] what to do, does it without the lock, and reports with [`Connection::settle`].
//!
//! **The turn**: who finds a connection at rest and has made it due has its turn, and nobody else does until it rests
//! again. It passes from hand to hand with the connection: to the writer, through its list, or for one send to a caller's
//! thread ([`Connection::lend`]). Whatever else happens during that send only changes the state, and `settle` finds it:
//! what was queued, a cut, a later phase. Then the caller hands the turn on, and the writer does what follows. So a
//! socket is used by one thread at a time, and since a release needs the turn too, never after it. The one who takes no
//! turn is a writer that ends: [`Connection::bury`] waits for a send that is under way.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::budget::{Budget, Buffer};
use super::channel::{Channel, Membership};
use super::direct::{LITTLE_BYTES, PAUSE};
use super::event::Kind;
use super::queue::{Batch, Conflatable, Queue, Strand};
use super::socket::Socket;
use super::stall::{Look, Refused, Room};
pub(super) use super::steps::{Content, Next, Outcome, Phase, Sent, Settled, Step, Turn};
use super::{Terms, lock};
use crate::wire::Reader;

pub(super) struct Connection {
    pub id: u64,
    /// Only who has the turn uses it, and only before `Phase::Released`; but see [`Turn`].
    pub socket: Socket,
    pub reader: Reader,
    /// The last pass of the writer that came by. Only the writer uses it.
    pub visited: AtomicU64,
    /// Whether what is published waits, while nothing else goes out, for the window to close.
    gathers: bool,
    state: Mutex<State>,
}

pub(super) struct State {
    queue: Queue,
    phase: Phase,
    /// Why it was cut, once it was.
    cut: Option<Kind>,
    /// Whether the cut was carried out and said.
    cut_done: bool,
    turn: Turn,
    /// When its turn was last lent.
    lent: Option<Instant>,
    /// While its socket is full, the writer waits for it to drain.
    room: Room,
    /// The last of its subscriptions to conflating channels.
    strand: Option<Strand>,
    /// The channels it is in. Once it is not open any more, each has been told.
    pub channels: HashMap<Arc<str>, Membership>,
}

impl State {
    /// Whether channels may be joined and publications put.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open && self.cut.is_none()
    }

    fn schedule(&mut self) -> bool {
        let is_free = matches!(self.turn, Turn::Rests | Turn::Gathers);
        if is_free {
            self.turn = Turn::Due;
        }
        is_free
    }

    fn gather(&mut self) -> bool {
        let rests = self.turn == Turn::Rests;
        if rests {
            self.turn = Turn::Gathers;
        }
        rests
    }

    fn cut(&mut self, kind: Kind) {
        if self.cut.is_none() && self.phase < Phase::Released {
            self.close_to_publications();
            self.cut = Some(kind);
            self.queue.clear();
        }
    }

    /// To be called before it ceases to be open.
    fn close_to_publications(&self) {
        if self.is_open() {
            self.channels.values().for_each(Membership::lose);
        }
    }

    /// It subscribes to a conflating channel, perhaps not for the first time.
    pub(super) fn new_strand(&mut self) -> Strand {
        let strand = Strand::next(self.strand);
        self.strand = Some(strand);
        strand
    }

    /// It leaves one channel.
    pub(super) fn leave(&mut self, channel: &str) {
        if let Some(membership) = self.channels.remove(channel).filter(|_| self.is_open()) {
            membership.lose();
        }
    }
}

impl Connection {
    pub(super) fn new(id: u64, socket: Socket, terms: Terms, budget: Arc<Budget>) -> Connection {
        Connection {
            id,
            socket,
            reader: terms.reader,
            visited: AtomicU64::new(0),
            gathers: false,
            state: Mutex::new(State {
                queue: Queue::new(terms.max_queue_bytes, budget),
                phase: Phase::Open,
                cut: None,
                cut_done: false,
                turn: Turn::Rests,
                lent: None,
                room: Room::new(terms.write_limit),
                strand: None,
                channels: HashMap::new(),
            }),
        }
    }

    /// The same, of a fan-out that has a window.
    pub(super) fn gathering(mut self, gathers: bool) -> Connection {
        self.gathers = gathers;
        self
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Queue `buffer`; when it does not fit the connection is cut.
    pub(super) fn put(&self, buffer: &Buffer, content: Content) -> Outcome {
        self.put_all(std::iter::once((buffer, None)), content)
    }

    /// Queue messages, each perhaps such that newer ones may take its place; when they do not all fit the connection is cut.
    /// With what was published the connection goes to `Shared::schedule_published`.
    pub(super) fn put_all<'a>(
        &self,
        mut messages: impl Iterator<Item = (&'a Buffer, Option<Conflatable>)>,
        content: Content,
    ) -> Outcome {
        let last = match content {
            Content::Raw => Phase::Left,
            Content::Message | Content::Published => Phase::Open,
        };
        let mut state = self.state();
        if state.cut.is_some() || state.phase > last {
            return Outcome::default();
        }
        let taken = messages.try_fold(0, |superfluous, (buffer, conflatable)| match conflatable {
            Some(conflatable) => Some(superfluous + state.queue.push_conflatable(buffer, conflatable)?),
            None => state.queue.push(buffer).then_some(superfluous),
        });
        if taken.is_none() {
            state.cut(Kind::Overflow);
        }
        let rests = taken.is_some() && state.room.is_full();
        let schedule = match content {
            Content::Published if self.gathers => !rests && state.gather(),
            _ => !rests && state.schedule(),
        };
        Outcome {
            taken: taken.is_some(),
            schedule,
            superfluous: taken.unwrap_or(0),
        }
    }

    /// Go forward to `phase`, if it is not that far yet, and hand out the channels that the caller must leave
    /// for it.
    pub(super) fn advance(&self, phase: Phase) -> (HashMap<Arc<str>, Membership>, Outcome) {
        let mut state = self.state();
        state.close_to_publications();
        let taken = state.phase < phase;
        if taken {
            state.phase = phase;
        }
        if state.phase >= Phase::Removed {
            state.queue.clear();
        }
        let outcome = Outcome {
            taken,
            schedule: taken && phase >= Phase::Finishing && state.schedule(),
            superfluous: 0,
        };
        (std::mem::take(&mut state.channels), outcome)
    }

    /// It holds more than it may, with the others. True when the connection must be put on the writer's list.
    pub(super) fn overflow(&self) -> bool {
        let mut state = self.state();
        state.cut(Kind::Overflow);
        state.cut == Some(Kind::Overflow) && !state.cut_done && state.schedule()
    }

    /// The peer is gone. True when the connection must be put on the writer's list.
    pub(super) fn hang_up(&self) -> bool {
        let mut state = self.state();
        if state.cut.is_some() || state.phase == Phase::Released {
            return false;
        }
        state.cut(Kind::Broken);
        state.schedule()
    }

    /// The window has closed. True when the connection must be put on the writer's list.
    pub(super) fn end_gathering(&self) -> bool {
        let mut state = self.state();
        state.turn == Turn::Gathers && state.schedule()
    }

    /// The socket has room again. True when the connection must be put on the writer's list.
    pub(super) fn unblock(&self) -> bool {
        let mut state = self.state();
        state.room.made() && state.phase < Phase::Released && state.schedule()
    }

    /// Its session has something to say. True when the connection must be put on the writer's list.
    pub(super) fn speak(&self) -> bool {
        let mut state = self.state();
        state.cut.is_none() && state.phase < Phase::Released && !state.room.is_full() && state.schedule()
    }

    /// What to do now; a batch to send is moved into `batch`.
    pub(super) fn next(&self, batch: &mut Batch) -> Step {
        let mut state = self.state();
        if state.phase < Phase::Released {
            if let Some(kind) = state.cut.filter(|_| !state.cut_done) {
                state.cut_done = true;
                return Step::Cut(kind);
            }
            if state.phase == Phase::Finishing && state.cut.is_none() && state.queue.is_empty() {
                self.socket.part();
            }
            let done = state.cut.is_some() || state.queue.is_empty() && !self.socket.speaks();
            if state.phase == Phase::Removed || state.phase == Phase::Finishing && done {
                state.phase = Phase::Released;
                state.turn = Turn::Rests;
                state.queue.clear();
                return Step::Release;
            }
            if !done && !state.room.is_full() {
                state.queue.take(batch);
                return Step::Send;
            }
        }
        state.turn = Turn::Rests;
        Step::Rest
    }

    /// Have the caller, whose turn it is, send what waits, which is moved into `batch`; `settle` must follow, whatever
    /// comes. False, and nothing is changed, when it is better left to the writer: see [`super::direct`].
    pub(super) fn lend(&self, batch: &mut Batch, now: Instant) -> bool {
        let mut state = self.state();
        let is_going = state.cut.is_some() || state.phase >= Phase::Removed;
        let is_little = !state.queue.is_empty() && state.queue.bytes() <= LITTLE_BYTES;
        let is_long_ago = |before| now.saturating_duration_since(before) >= PAUSE;
        let is_quiet = state.lent.is_none_or(is_long_ago);
        if is_going || state.room.is_full() || !is_little || !is_quiet {
            return false;
        }
        state.queue.take(batch);
        state.turn = Turn::Lent;
        state.lent = Some(now);
        true
    }

    /// Report a send. Unless it answers otherwise, the turn is still who has sent's.
    pub(super) fn settle(&self, batch: &mut Batch, sent: Sent) -> Settled {
        let mut state = self.state();
        state.turn = Turn::Due;
        if state.cut.is_some() || state.phase >= Phase::Removed {
            // The queue was dropped during the send, and the batch goes the same way.
            batch.clear();
            return Next::Pass.into();
        }
        let mut settled = Settled::from(Next::Pass);
        match sent {
            Sent::Bytes(count) => {
                state.queue.settle(batch, count);
                if count > 0 {
                    state.room.taken();
                }
                // A finishing one is looked at once more, to be released.
                if state.queue.is_empty() && state.phase != Phase::Finishing && !self.socket.speaks() {
                    state.turn = Turn::Rests;
                }
            }
            Sent::Full(now) => {
                state.queue.settle(batch, 0);
                settled.superfluous = state.queue.conflate();
                match state.room.refused(now) {
                    Refused::Stalled => state.cut(Kind::Stalled),
                    Refused::Wait => state.turn = Turn::Rests,
                    Refused::LookAgain(when) => {
                        state.turn = Turn::Rests;
                        settled.next = Next::LookAgain(when);
                    }
                }
            }
            Sent::Broken => {
                batch.clear();
                state.cut(Kind::Broken);
            }
        }
        if state.turn != Turn::Due && settled.next == Next::Pass {
            settled.next = Next::Rest;
        }
        settled
    }

    /// The time has come to look at a socket that was full. [`Next::Pass`] means that the connection must be
    /// put on the writer's list.
    pub(super) fn look_again(&self, now: Instant) -> Next {
        let mut state = self.state();
        if state.phase == Phase::Released || state.cut.is_some() {
            return Next::Rest;
        }
        match state.room.look(now) {
            Look::Forget => Next::Rest,
            Look::Later(when) => Next::LookAgain(when),
            Look::TryOnce => {
                state.room.made();
                if state.schedule() { Next::Pass } else { Next::Rest }
            }
        }
    }

    /// The state while nobody sends from a caller's thread. It waits for no peer: no send does, and from `lend` to
    /// `settle` there is nothing else.
    fn undisturbed_state(&self) -> MutexGuard<'_, State> {
        loop {
            let state = self.state();
            if state.turn != Turn::Lent {
                return state;
            }
            drop(state);
            std::thread::yield_now();
        }
    }

    /// End it from wherever it is, for a writer that stops: what is left to say about it, in order.
    pub(super) fn bury(&self, cut: Option<Kind>) -> Vec<Kind> {
        let mut state = self.undisturbed_state();
        if state.phase == Phase::Released {
            return Vec::new();
        }
        if let Some(kind) = cut {
            state.cut(kind);
        }
        state.close_to_publications();
        state.phase = Phase::Released;
        state.queue.clear();
        state.channels = HashMap::new();
        let unsaid = state.cut.filter(|_| !state.cut_done);
        unsaid.into_iter().chain([Kind::Released]).collect()
    }

    /// Its channels in which something waits for the writer to go round.
    pub(super) fn find_waiting(&self) -> Vec<Arc<Channel>> {
        let state = self.state();
        let memberships = state.channels.values();
        memberships
            .filter(|membership| membership.channel.has_waiting())
            .map(|membership| Arc::clone(&membership.channel))
            .collect()
    }

    /// Why it was cut, if it was.
    pub(super) fn cut(&self) -> Option<Kind> {
        self.state().cut
    }

    /// Whether its socket is full, and how many bytes wait for it.
    pub(super) fn backlog(&self) -> (bool, usize) {
        let state = self.state();
        (state.room.is_full(), state.queue.bytes())
    }

    /// Bytes waiting, those of a send under way included.
    pub(super) fn queued_bytes(&self) -> usize {
        self.state().queue.bytes()
    }
}

#[cfg(test)]
mod tests;
