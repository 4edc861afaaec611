//! A fan-out without a thread of its own, for tests that are its writer themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::channels::Channels;
use super::shared::Shared;
use super::{Fanout, Terms};
use crate::wire::{Framing, Reader};

/// With room, and with time: what is to be cut has others.
pub(super) const TERMS: Terms = Terms {
    reader: Reader {
        framing: Framing::Lines,
        unidirectional: false,
    },
    max_queue_bytes: 1 << 20,
    write_limit: Duration::from_secs(60),
};

/// What is queued waits until the test attends to it.
pub(super) fn unattended(shared: Shared) -> Fanout {
    Fanout {
        shared: Arc::new(shared),
        channels: Channels::new(),
        thread: Mutex::new(None),
    }
}
