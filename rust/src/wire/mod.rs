//! Wire forms: the exact bytes a subscriber's socket gets, transport framing included.
//!
//! A [`Form`] names everything that may differ between two subscribers of one channel. Whoever shares a form
//! shares the encoded bytes, so a publication is encoded once per form and never per subscriber. Only what is
//! made for many at once is made here: publications, and who joined or left. Replies and other pushes come
//! from outside and are framed only.

mod framing;
mod json_push;
pub(crate) mod protobuf;
mod protobuf_push;
mod push;
pub mod websocket;

use std::sync::Arc;

pub use framing::{Framing, Protocol, Reader};
pub use push::{Announcement, ClientInfo, Publication, Shape};

/// What decides the bytes of a push beside what it says: how the client reads, the channel's name as this
/// client spells it, and whether it asked for the fuller of two payloads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// How the client reads.
    pub reader: Reader,
    /// The channel's name in the client's own words (an organisation's prefix, say).
    pub spelling: Arc<str>,
    /// Whether it reads a publication's detail where there is one.
    pub detailed: bool,
}

impl Form {
    /// The whole wire form of one publication, framing included.
    #[must_use]
    pub fn publication(&self, publication: &Publication<'_>, shape: Shape<'_>) -> Vec<u8> {
        let publication = &publication.as_read(self.detailed);
        let parts = match self.reader.protocol() {
            Protocol::Json => json_push::publication(self, publication, shape),
            Protocol::Protobuf => protobuf_push::publication(self, publication, shape),
        };
        self.reader.framing.message(&parts.each())
    }

    /// The whole wire form of the news that a client joined or left the channel, framing included.
    #[must_use]
    pub fn announcement(&self, announcement: Announcement, info: &ClientInfo<'_>) -> Vec<u8> {
        let push = match self.reader.protocol() {
            Protocol::Json => json_push::announcement(self, announcement, info),
            Protocol::Protobuf => protobuf_push::announcement(self, announcement, info),
        };
        self.reader.framing.message(&[&push])
    }
}
