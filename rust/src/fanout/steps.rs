//! What is asked of a connection, and what it answers: the words between callers, connection and writer.

use std::time::Instant;

use super::event::Kind;

/// How far a connection is on its way out. The order of the variants is the only order they are gone through
/// in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Takes everything.
    Open,
    /// Takes raw bytes, but no message and no publication any more: a goodbye is being said.
    Left,
    /// Takes nothing; what is queued is written, then it is released.
    Finishing,
    /// Takes nothing, writes nothing; the writer releases it when it comes by.
    Removed,
    /// Nobody will ever touch the descriptor again.
    Released,
}

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
    /// Whether the caller has its turn now, and must put the connection on the writer's list or attend to it.
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
    /// It stays in the writer's hands for the next pass, or must come into them.
    Pass,
    /// It left the hands it was in.
    Rest,
    /// It left the writer's hands; look at it again then, by [`Connection::look_again`].
    LookAgain(Instant),
}

impl From<Next> for Settled {
    fn from(next: Next) -> Settled {
        Settled { next, superfluous: 0 }
    }
}

/// Whose it is to do the next thing to a connection. Nobody sends to its socket or ends it but who has its
/// turn. The writer also changes what it is watched for when the kernel speaks of room, in whoever's turn that is: that
/// disturbs no send, and the thread that does it is the one that releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is to be done.
    Rests,
    /// Among those that wait for the window to close.
    Gathers,
    /// The writer's: on its list or in its hands; or on the way there, in the hands of the caller who has made it due.
    Due,
    /// Of a caller that sends what it has brought. Only [`Connection::settle`] ends that.
    Lent,
}
