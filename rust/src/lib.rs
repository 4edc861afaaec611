//! Framecast's core: the two hot paths of the server, free of any knowledge of Python.
//!
//! How data walks through it:
//! - a pushed body: [`line_protocol`] (bytes → points, borrowing) → [`frame`] (points → sticky columns →
//!   frame JSON); JSON becomes line protocol first: [`json_rows`] (objects and data frames → lines);
//! - what a client sends on a WebSocket: [`websocket`] (frames → messages);
//! - a publication: [`wire`] (one encoding per wire form) → [`fanout`] (one queue per connection, one writer
//!   thread).
//!
//! [`tls`] is what connections speak beneath that. [`arrow`] turns what plugins answer to queries into frame JSON too.
//! [`load`] is the other side: clients that measure this server or another.
//!
//! Only [`python`] sees pyo3: conversions and GIL release, no logic. Nothing in here calls back into Python.

pub mod arrow;
pub mod delta;
pub mod fanout;
pub mod frame;
mod json;
pub mod json_rows;
pub mod line_protocol;
pub mod load;
#[cfg(feature = "python")]
pub mod python;
mod reasons;
pub mod tls;
pub mod websocket;
pub mod wire;
