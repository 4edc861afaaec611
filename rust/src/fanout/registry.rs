//! Every connection from `add` to its release, under the handle that callers and epoll events name it by.

use std::collections::HashMap;
use std::sync::Arc;

use super::connection::Connection;

/// The connections by handle.
#[derive(Default)]
pub(super) struct Registry {
    pub connections: HashMap<u64, Arc<Connection>>,
    pub last_id: u64,
    /// The writer has ended: nothing more can be added.
    pub closed: bool,
}

impl Registry {
    pub fn find(&self, id: u64) -> Option<Arc<Connection>> {
        self.connections.get(&id).cloned()
    }

    pub fn forget(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    pub fn close(&mut self) -> Vec<Arc<Connection>> {
        self.closed = true;
        self.connections
            .drain()
            .map(|(_, connection)| connection)
            .collect()
    }
}
