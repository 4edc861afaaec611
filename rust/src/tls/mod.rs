//! TLS as a server speaks it: from bytes to bytes, without a socket.
//!
//! A [`Server`] is a certificate with what is agreed on under it; a [`Session`] is one connection's side of it, which
//! any thread may use. What comes in is fed to it and comes out as plaintext; what is to go out is sealed. Whoever
//! carries its bytes has one duty: to send what it gives out whole, in that order, and each once.
//!
//! The protocol itself is rustls's, over ring. Everything that a peer can have kept for it is bounded: a record, or a
//! handshake message of 64 KiB, while it is incomplete, and what a caller has sealed and not yet taken.

mod server;
mod session;

pub use server::{Oldest, Server};
pub use session::{Fault, Session};

#[cfg(test)]
pub(crate) mod tests;
