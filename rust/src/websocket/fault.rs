//! How a peer breaks the protocol, and what it is told.

use std::fmt;

/// What ends a WebSocket at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A frame that means something only with an extension that nobody asked for.
    Extension,
    /// A frame of a kind that there is not.
    UnknownOpcode,
    /// A masked frame, which only clients send.
    Masked,
    /// A frame without a mask, which only servers send.
    Unmasked,
    /// A length that is not written in its shortest form, or is none.
    BadLength,
    /// A ping, pong or close that is too long or in pieces.
    BadControl,
    /// The continuation of nothing.
    StrayContinuation,
    /// A new message in the middle of another one.
    Interrupted,
    /// A message beyond the limit.
    TooLarge,
    /// A message in too many fragments that are too small.
    TinyFragments,
    /// Text that is no UTF-8.
    BadText,
    /// A close with a code that nobody may send, or with half of one.
    BadClose,
}

impl Fault {
    /// The code to close with (§7.4.1).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::TinyFragments => 1008,
            Self::BadText => 1007,
            _ => 1002,
        }
    }

    /// For a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Extension => "a WebSocket frame with bits of an extension that was not asked for",
            Self::UnknownOpcode => "a WebSocket frame of no known kind",
            Self::Masked => "a masked WebSocket frame, which only clients send",
            Self::Unmasked => "a WebSocket frame without a mask, which clients must not send",
            Self::BadLength => "a WebSocket frame whose length is not in its shortest form",
            Self::BadControl => "a ping, pong or close that is too long or in pieces",
            Self::StrayContinuation => "the continuation of a WebSocket message that had not begun",
            Self::Interrupted => "a WebSocket message in the middle of another one",
            Self::TooLarge => "a WebSocket message beyond the limit",
            Self::TinyFragments => "too many tiny fragments",
            Self::BadText => "text that is no UTF-8",
            Self::BadClose => "a close with a code that may not be sent",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.words())
    }
}
