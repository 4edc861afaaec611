//! The load of `framecast bench`: subscribers and publishers for whatever server speaks the Centrifuge protocol v2
//! over WebSocket, and the counting of what comes of it.
//!
//! Here and not in Python, because whoever measures must be faster than what is measured; in this crate and not in a
//! program of its own, because the wheel that has the server has the instrument then, with nothing more to build. It
//! shares nothing with the server but the code that writes frames, and runs in threads of its own that never take the
//! interpreter's lock.
//!
//! A run goes like this, led by one thread ([`Run`]): subscribers connect, all of them ([`crowd`]); a publisher
//! connects and publishes once on every channel, and everybody must hear that ([`publishing`]); then the time of the
//! run is fixed, warm-up first; what is on its way at the end is waited for; and everybody goes.
//!
//! No byte of a server is trusted, every wait has an end, and every connection that ends is counted with its reason.

pub mod client;
pub mod clock;
pub mod connection;
pub mod crowd;
pub mod ear;
pub mod ending;
pub mod findings;
pub mod http;
pub mod ingest;
pub mod latency;
mod leader;
pub mod mark;
pub mod order;
pub mod plan;
pub mod poll;
pub mod poster;
pub mod process;
pub mod protocol;
pub mod publishing;
mod run;
pub mod server;
pub mod shared;
pub mod socket;
pub mod stream;
pub mod websocket;

pub use run::{Progress, Run, Stage};
