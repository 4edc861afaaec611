//! A round through a channel's subscribers with what waits in its log.
//!
//! Most have heard the same and read alike: what they get is put together once, small messages joined, so that many
//! publications cost a queue no more than one. Who prefers the newest gets each by itself, so that it can be skipped.

use std::sync::Arc;

use super::audience::{Saying, Way};
use super::budget::{Budget, Buffer};
use super::channel::Seat;
use super::connection::{Connection, Content};
use super::log::Entry;
use super::queue::Conflatable;
use super::subscribers::Subscribers;

/// Messages are joined up to this size: one place in a queue and one in a system call for all of them, and still little
/// to keep for somebody who has all of them but the last to send.
const JOINED_BYTES: usize = if cfg!(test) { 700 } else { 4 * 1024 };

/// So many are visited before others may change who is there: about 5 µs.
const PART: usize = if cfg!(test) { 9 } else { 128 };

/// So many kinds of subscribers are told apart; what others get is put together for each.
const MOST_KINDS: usize = 32;

/// What became of what was given out.
#[derive(Default)]
pub(super) struct Taken {
    /// How many took the last entry of the rounds.
    pub last: usize,
    /// Publications put into queues.
    pub publications: u64,
    /// Publications that newer ones made superfluous in queues.
    pub superfluous: usize,
    /// Whom the caller must put on the writer's list.
    pub due: Vec<Arc<Connection>>,
}

/// A message for one kind of subscribers, or several joined.
#[derive(Clone)]
struct Piece {
    buffer: Buffer,
    /// Of one publication, whether those behind it cannot be read without it; None for all else.
    brings_schema: Option<bool>,
}

/// What one kind of subscribers gets.
#[derive(Clone, Default)]
struct Parcel {
    pieces: Vec<Piece>,
    publications: u64,
    /// Whether the last entry is in it.
    has_last: bool,
}

/// See the module.
pub(super) struct Round {
    entries: Vec<Arc<Entry>>,
    last: u64,
    /// Where in the row it stands.
    at: usize,
    budget: Arc<Budget>,
    /// For those who have heard nothing of it yet.
    parcels: Vec<(Way, Parcel)>,
    first_publication: u64,
}

impl Round {
    /// A round with these; None when there are none.
    pub fn new(entries: Vec<Arc<Entry>>, budget: &Arc<Budget>) -> Option<Round> {
        let last = entries.last()?.place;
        let first_publication = entries.iter().find_map(|entry| match entry.saying {
            Saying::Publication { number, .. } => Some(number),
            Saying::Announcement(_) => None,
        });
        Some(Round {
            entries,
            last,
            at: usize::MAX,
            budget: Arc::clone(budget),
            parcels: Vec::new(),
            first_publication: first_publication.unwrap_or(0),
        })
    }

    /// The place of its last entry.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Visit the next part of the row; false when there is none left.
    pub fn visit_part(&mut self, seats: &mut Subscribers<Seat>, taken: &mut Taken) -> bool {
        let (begin, part) = seats.part_before(self.at, PART);
        for (_, seat) in part {
            self.visit(seat, taken);
        }
        self.at = begin;
        begin > 0
    }

    /// Give one subscriber what it has not heard.
    pub fn visit(&mut self, seat: &mut Seat, taken: &mut Taken) {
        if seat.heard >= self.last {
            return;
        }
        let heard = std::mem::replace(&mut seat.heard, self.last);
        let begin = self.behind(heard);
        if begin > 0 {
            give(seat, &self.collect(seat.way, begin), taken);
            return;
        }
        let way = seat.way.seen_from(self.first_publication);
        if let Some((_, parcel)) = self.parcels.iter().find(|(known, _)| *known == way) {
            give(seat, parcel, taken);
            return;
        }
        let mut parcel = self.collect(way, 0);
        if self.parcels.len() < MOST_KINDS {
            if !way.conflates {
                parcel.pieces = join(parcel.pieces, &self.budget);
            }
            give(seat, &parcel, taken);
            self.parcels.push((way, parcel));
        } else {
            give(seat, &parcel, taken);
        }
    }

    /// As [`Round::visit`], in a round that goes to nobody else.
    pub fn visit_alone(&self, seat: &mut Seat, taken: &mut Taken) {
        if seat.heard < self.last {
            let heard = std::mem::replace(&mut seat.heard, self.last);
            give(seat, &self.collect(seat.way, self.behind(heard)), taken);
        }
    }

    fn behind(&self, heard: u64) -> usize {
        self.entries.partition_point(|entry| entry.place <= heard)
    }

    /// What who reads like this gets of the entries from `begin` on.
    fn collect(&self, way: Way, begin: usize) -> Parcel {
        let mut parcel = Parcel::default();
        for entry in &self.entries[begin..] {
            let message = entry.saying.message(way);
            parcel.has_last = message.is_some();
            let Some(message) = message else { continue };
            let brings_schema = match entry.saying {
                Saying::Publication { brings_schema, .. } => Some(brings_schema),
                Saying::Announcement(_) => None,
            };
            parcel.publications += u64::from(brings_schema.is_some());
            parcel.pieces.push(Piece {
                buffer: message.clone(),
                brings_schema,
            });
        }
        parcel
    }
}

fn give(seat: &Seat, parcel: &Parcel, taken: &mut Taken) {
    if parcel.pieces.is_empty() {
        return;
    }
    let pieces = parcel.pieces.iter().map(|piece| {
        let conflatable = seat.strand.zip(piece.brings_schema);
        let conflatable = conflatable.map(|(strand, brings_schema)| Conflatable {
            strand,
            brings_schema,
        });
        (&piece.buffer, conflatable)
    });
    let outcome = seat.connection.put_all(pieces, Content::Published);
    if outcome.taken {
        taken.last += usize::from(parcel.has_last);
        taken.publications += parcel.publications;
        taken.superfluous += outcome.superfluous;
    }
    if outcome.schedule {
        taken.due.push(Arc::clone(&seat.connection));
    }
}

/// Neighbours that are small in one.
fn join(pieces: Vec<Piece>, budget: &Arc<Budget>) -> Vec<Piece> {
    if pieces.len() < 2 {
        return pieces;
    }
    let mut joined = Vec::new();
    let mut rest = pieces.as_slice();
    while let [first, ..] = rest {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|piece| {
            bytes += piece.buffer.len();
            bytes <= JOINED_BYTES
        });
        let (together, others) = rest.split_at(fitting.count().max(1));
        joined.push(match together {
            [_] => first.clone(),
            several => {
                let messages: Vec<&[u8]> = several.iter().map(|piece| &*piece.buffer).collect();
                Piece {
                    buffer: Buffer::new(budget, messages.concat()),
                    brings_schema: None,
                }
            }
        });
        rest = others;
    }
    joined
}
