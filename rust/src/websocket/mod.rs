//! WebSocket frames as they arrive (RFC 6455), free of I/O: what a client of ours sends comes out as messages and
//! control frames, or as the [`Fault`] that ends it. No extension was agreed on, so none may be used.
//!
//! What frames begin with is read the same on the other side, in `load`; how we write them is `wire::websocket`.

mod fault;
mod header;
mod reader;

pub use fault::Fault;
pub use header::{FINAL, Header, Opcode, Sender};
pub use reader::{Event, Limits, NO_STATUS, Reader};
