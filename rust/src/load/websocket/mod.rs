//! The client's side of a WebSocket (RFC 6455), free of I/O: asking for the upgrade, and frames both ways.
//!
//! No extension is asked for, so none may be used. Whatever a server sends comes out as a message or as a
//! [`Fault`]; nothing here trusts it.

mod frame;
mod reader;
pub mod upgrade;

pub use frame::{Masks, put_frame};
pub use reader::{Message, Reader};

pub use crate::websocket::{Fault, Opcode};

/// The close code of a client that is done (§7.4.1).
pub const NORMAL: u16 = 1000;
