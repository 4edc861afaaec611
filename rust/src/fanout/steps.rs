//! What is asked of a connection, and what it answers: the words between callers, connection and writer.

use std::time::Instant;

use super::event::Kind;

/// What a caller wants to queue, which decides until when it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Raw,
    Message,
    /// What goes to many: a publication, or who joined or left.
    Published,
}

/// What became of something a caller wanted.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether it was done.
    pub taken: bool,
    /// Whether the caller must put the connection on the writer's list.
    pub schedule: bool,
    /// How many publications it made superfluous.
    pub superfluous: usize,
}

/// What the writer is to do with a connection now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it left the writer's hands.
    Rest,
    /// Send the batch, then settle.
    Send,
    /// Shut the socket down and say why; then ask again.
    Cut(Kind),
    /// Forget the descriptor, then say so. Answered once in a connection's life.
    Release,
}

/// What the socket said to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Bytes(usize),
    /// Nothing fitted just then: wait until it is writable.
    Full(Instant),
    /// The peer is gone.
    Broken,
}

/// What became of a send.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub next: Next,
    /// How many publications need not be sent any more.
    pub superfluous: usize,
}

/// Where a connection goes after a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It stays in the writer's hands for the next pass.
    Pass,
    /// It left the writer's hands.
    Rest,
    /// It left the writer's hands; look at it again then, by [`Connection::look_again`].
    LookAgain(Instant),
}

impl From<Next> for Settled {
    fn from(next: Next) -> Settled {
        Settled { next, superfluous: 0 }
    }
}

/// Where a connection is on its way into the writer's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is to be done.
    Rests,
    /// Among those that wait for the window to close.
    Gathers,
    /// On the writer's list or in its hands.
    Due,
}
