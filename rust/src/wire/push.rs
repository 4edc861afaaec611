//! What a push says, whatever the protocol it is said in.

use std::borrow::Cow;

/// Who published, joined or left (`ClientInfo` of the schema).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo<'a> {
    /// The user's id; empty for somebody anonymous.
    pub user: &'a str,
    /// The connection's id.
    pub client: &'a str,
    /// JSON that goes with the connection; empty means none.
    pub conn_info: &'a [u8],
    /// JSON that goes with the connection's subscription; empty means none.
    pub chan_info: &'a [u8],
}

/// What is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// Whoever publishes answers for it being JSON.
    pub payload: &'a [u8],
    /// The same told in full, for those who asked for it; None where there is no more to tell. JSON as well.
    pub detail: Option<&'a [u8]>,
    /// Its place in the channel's stream; 0, which is left out, where the channel keeps none.
    pub offset: u64,
    /// Who published it; None for the server itself.
    pub info: Option<ClientInfo<'a>>,
    /// Whether the publications behind it cannot be read without it. Nothing that is written says so.
    pub brings_schema: bool,
}

impl<'a> Publication<'a> {
    /// What one reader gets of it, as its payload.
    #[must_use]
    pub(super) fn as_read(&self, detailed: bool) -> Publication<'a> {
        Publication {
            payload: self.detail.filter(|_| detailed).unwrap_or(self.payload),
            detail: None,
            ..*self
        }
    }
}

/// The shape in which a reader gets a publication's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    /// As it is: embedded JSON in JSON, bytes in Protobuf.
    Value,
    /// In full for a reader of deltas: in JSON a string that holds it, in Protobuf no different from a value.
    Text,
    /// This delta against the publication before, marked as one: in JSON a string that holds it.
    Delta(&'a [u8]),
}

/// What subscribers are told of one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A client has subscribed.
    Join,
    /// A client has unsubscribed or is gone.
    Leave,
}

/// A push with its payload apart, so that a large one is copied once.
pub(super) struct Parts<'a> {
    pub before: Vec<u8>,
    pub data: Cow<'a, [u8]>,
    pub after: Vec<u8>,
}

impl Parts<'_> {
    /// In the order in which they are written.
    pub fn each(&self) -> [&[u8]; 3] {
        [&self.before, &self.data, &self.after]
    }
}
