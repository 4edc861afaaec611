//! What clients that measure a server are made of, free of I/O but for waiting: the client's side of HTTP and WebSocket,
//! marks in publications, and whether these arrive whole and in order.
//!
//! No byte of a server is trusted.

pub mod http;
pub mod mark;
pub mod order;
pub mod poll;
pub mod websocket;
