//! Sockets that are full, and how long each may stay so.
//!
//! A peer may read slowly, and its queue is what bounds that. One whose socket takes not a single byte is gone
//! in all but name, and what is queued for it would be kept until the kernel notices, which can take a quarter
//! of an hour.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// What is known of the room in one connection's socket. Belongs to the connection's state.
#[derive(Debug)]
pub(super) struct Room {
    limit: Duration,
    /// The last send found no room, and the kernel has not said since that there is some.
    full: bool,
    /// The first send that found no room since the socket last took something.
    full_since: Option<Instant>,
    /// Whether it is among the [`FullSockets`].
    timed: bool,
}

/// What follows from a send that found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has been so for too long.
    Stalled,
    /// Look again then, at the latest.
    LookAgain(Instant),
    /// Somebody will look again already, or its time never ends.
    Wait,
}

/// What follows from looking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It is not full any more.
    Forget,
    /// It has taken something meanwhile: look again then.
    Later(Instant),
    /// Its time is over: try a last send. The kernel says that there is room only when there is much, so a
    /// peer that reads slowly may have made a little without a word.
    TryOnce,
}

impl Room {
    pub fn new(limit: Duration) -> Room {
        Room {
            limit,
            full: false,
            full_since: None,
            timed: false,
        }
    }

    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The kernel says that there is room. True when there was none before.
    pub fn made(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }

    /// The socket took something.
    pub fn taken(&mut self) {
        self.full_since = None;
    }

    /// The socket took nothing.
    pub fn refused(&mut self, now: Instant) -> Refused {
        let since = *self.full_since.get_or_insert(now);
        let Some(deadline) = since.checked_add(self.limit) else {
            self.full = true;
            return Refused::Wait;
        };
        if deadline <= now {
            return Refused::Stalled;
        }
        self.full = true;
        if std::mem::replace(&mut self.timed, true) {
            Refused::Wait
        } else {
            Refused::LookAgain(deadline)
        }
    }

    /// The time to look again has come.
    pub fn look(&mut self, now: Instant) -> Look {
        let deadline = self.full_since.and_then(|since| since.checked_add(self.limit));
        match deadline.filter(|_| self.full) {
            Some(deadline) if deadline > now => Look::Later(deadline),
            found => {
                self.timed = false;
                match found {
                    Some(_) => Look::TryOnce,
                    None => Look::Forget,
                }
            }
        }
    }
}

/// When to look again at which connection, by handle. Each is in it once at most, and may be in it in vain.
#[derive(Debug, Default)]
pub(super) struct FullSockets {
    by_time: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl FullSockets {
    pub fn insert(&mut self, when: Instant, connection: u64) {
        self.by_time.push(Reverse((when, connection)));
    }

    /// How long nobody need be looked at; None for ever.
    pub fn quiet(&self) -> Option<Duration> {
        let Reverse((when, _)) = self.by_time.peek()?;
        Some(when.saturating_duration_since(Instant::now()))
    }

    /// Somebody whose time has come by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<u64> {
        let Reverse((when, _)) = self.by_time.peek()?;
        if *when > now {
            return None;
        }
        self.by_time.pop().map(|Reverse((_, connection))| connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn at(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn socket_that_takes_nothing_gets_a_last_try_and_is_then_stalled() {
        let (mut room, begin) = (Room::new(LIMIT), Instant::now());
        assert_eq!(room.refused(begin), Refused::LookAgain(at(begin, 10)));
        assert!(room.is_full());
        assert_eq!(room.look(at(begin, 9)), Look::Later(at(begin, 10)));
        assert_eq!(room.look(at(begin, 10)), Look::TryOnce);
        assert_eq!(room.refused(at(begin, 10)), Refused::Stalled);
    }

    #[test]
    fn every_byte_taken_begins_the_time_anew() {
        let (mut room, begin) = (Room::new(LIMIT), Instant::now());
        assert_eq!(room.refused(begin), Refused::LookAgain(at(begin, 10)));
        assert!(room.made());
        assert!(!room.made());
        room.taken();
        assert_eq!(
            room.refused(at(begin, 6)),
            Refused::Wait,
            "it is looked at already"
        );
        assert_eq!(room.look(at(begin, 10)), Look::Later(at(begin, 16)));
        assert!(room.made());
        assert_eq!(room.look(at(begin, 16)), Look::Forget);
        assert_eq!(
            room.refused(at(begin, 15)),
            Refused::LookAgain(at(begin, 16)),
            "room that nothing used is no byte taken"
        );
    }

    #[test]
    fn limit_beyond_the_end_of_time_is_none() {
        let mut room = Room::new(Duration::MAX);
        assert_eq!(room.refused(Instant::now()), Refused::Wait);
        assert!(room.is_full());
        assert_eq!(room.look(Instant::now()), Look::Forget);
    }

    #[test]
    fn earliest_comes_first_and_only_when_its_time_has_come() {
        let (mut full, begin) = (FullSockets::default(), Instant::now());
        assert_eq!(full.quiet(), None);
        full.insert(at(begin, 100), 1);
        full.insert(begin, 2);
        assert_eq!(full.quiet(), Some(Duration::ZERO));
        assert_eq!(full.pop(begin), Some(2));
        assert_eq!(full.pop(begin), None);
        assert!(full.quiet() > Some(Duration::from_secs(80)));
        assert_eq!(full.pop(at(begin, 100)), Some(1));
        assert_eq!(full.pop(at(begin, 100)), None);
    }
}
