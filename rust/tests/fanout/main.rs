//! The fan-out over real sockets. Every wait polls with a deadline; nothing sleeps for a fixed time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod budget;
mod conflation;
mod crowds;
mod delivery;
mod deltas;
mod details;
mod direct;
mod peers;
mod release;
mod slow_peers;
mod window;

#[path = "../naive/fossil.rs"]
mod fossil;
