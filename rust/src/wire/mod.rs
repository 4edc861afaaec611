//! Wire forms: the exact bytes a subscriber's socket gets, transport framing included.
//!
//! A [`Form`] names everything that may differ between two subscribers of one channel. Whoever shares a form
//! shares the encoded bytes, so a publication is encoded once per form and never per subscriber.

pub mod centrifuge;
pub mod websocket;

use std::sync::Arc;

/// The encoding of a client's protocol. Protobuf will stand beside JSON here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Centrifuge protocol v2 as JSON, one push per WebSocket text message.
    Json,
}

/// What decides the bytes of a publication beside its data: the protocol and the channel's name as this
/// client spells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// How the client reads.
    pub protocol: Protocol,
    /// The channel's name in the client's own words (an organisation's prefix, say).
    pub spelling: Arc<str>,
}

impl Form {
    /// The whole wire form of one publication, WebSocket header included, in one shared buffer.
    #[must_use]
    pub fn publication(&self, data: &[u8], offset: u64) -> Arc<[u8]> {
        match self.protocol {
            Protocol::Json => centrifuge::json_publication(&self.spelling, data, offset).into(),
        }
    }
}
