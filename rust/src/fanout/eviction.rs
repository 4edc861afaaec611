//! Who is cut when all queues together hold more than they may.
//!
//! Those whose sockets are full, the longest queue first, until an eighth of the budget is free: the search
//! walks over all connections and should be rare. Only if that is not enough, because so much was published at
//! once that the writer could not come by, others lose as well, and then just until the budget is kept.

use std::cmp::Reverse;
use std::sync::{Arc, TryLockError};

use super::connection::Connection;
use super::lock;
use super::shared::Shared;

impl Shared {
    /// Keep to the budget. To be called with no lock held, after every message that was queued: what is passed
    /// for a moment is what is being put just then.
    pub fn keep_budget(&self) {
        if !self.budget.is_passed() {
            return;
        }
        // Another thread is at it: two would cut twice as many.
        let _turn = match self.evicting.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let mut cut = Vec::new();
        for (is_full, connection) in self.longest_queues() {
            let enough = if is_full {
                self.budget.has_room()
            } else {
                !self.budget.is_passed()
            };
            if enough {
                break;
            }
            if connection.overflow() {
                cut.push(connection);
            }
        }
        self.schedule_all(cut);
    }

    /// Connections with something queued: those with full sockets before the others, and then the longest
    /// queue first.
    fn longest_queues(&self) -> impl Iterator<Item = (bool, Arc<Connection>)> {
        let connections: Vec<_> = lock(&self.registry).connections.values().cloned().collect();
        let mut queues: Vec<_> = connections
            .into_iter()
            .map(|connection| (connection.backlog(), connection))
            .filter(|((_, bytes), _)| *bytes > 0)
            .collect();
        queues.sort_unstable_by_key(|(backlog, _)| Reverse(*backlog));
        queues
            .into_iter()
            .map(|((is_full, _), connection)| (is_full, connection))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::connection::{Content, Next, Sent, Step};
    use super::super::queue::Batch;
    use super::super::socket::Socket;
    use super::super::unattended::TERMS;
    use super::*;

    /// Somebody with messages of 10,000 bytes each, whom the writer has visited and found no room, or not yet.
    fn queue(shared: &Shared, id: u64, messages: usize, is_full: bool) -> Arc<Connection> {
        let connection = Arc::new(Connection::new(
            id,
            Socket::new(-1),
            TERMS,
            Arc::clone(&shared.budget),
        ));
        lock(&shared.registry)
            .connections
            .insert(id, Arc::clone(&connection));
        for _ in 0..messages {
            let taken = connection
                .put(&shared.buffer(vec![0; 10_000]), Content::Message)
                .taken;
            assert!(taken);
        }
        if is_full {
            let mut batch = Batch::default();
            assert_eq!(connection.next(&mut batch), Step::Send);
            let settled = connection.settle(&mut batch, Sent::Full(Instant::now()));
            assert!(matches!(settled.next, Next::LookAgain(_)));
        }
        connection
    }

    fn is_cut(connection: &Connection) -> bool {
        connection.queued_bytes() == 0
    }

    #[test]
    fn nobody_is_cut_within_the_budget() {
        let shared = Shared::new(110_000, Duration::ZERO).unwrap();
        let longest = queue(&shared, 1, 10, true);
        shared.keep_budget();
        assert!(!is_cut(&longest));
    }

    #[test]
    fn room_is_made_by_full_sockets_first_and_by_the_longest_of_them() {
        let shared = Shared::new(200_000, Duration::ZERO).unwrap();
        let unvisited = queue(&shared, 1, 14, false);
        let full: Vec<_> = (2..5)
            .map(|id| queue(&shared, id, usize::try_from(id).unwrap(), true))
            .collect();
        shared.keep_budget();
        assert!(!is_cut(&unvisited) && !is_cut(&full[0]));
        assert!(
            is_cut(&full[1]) && is_cut(&full[2]),
            "to seven eighths, not just below the limit"
        );
        let due: Vec<_> = lock(&shared.work)
            .due
            .iter()
            .map(|connection| connection.id)
            .collect();
        assert_eq!(due, [4, 3], "the writer shuts them down");
    }

    #[test]
    fn who_was_not_visited_yet_is_cut_only_for_the_limit_itself() {
        let shared = Shared::new(100_000, Duration::ZERO).unwrap();
        let unvisited: Vec<_> = (1..4)
            .map(|id| queue(&shared, id, 1 + usize::try_from(id).unwrap(), false))
            .collect();
        let full = queue(&shared, 4, 3, true);
        shared.keep_budget();
        assert!(is_cut(&full));
        assert_eq!(
            shared.budget.held_bytes() / 10_000,
            9,
            "within the limit, not an eighth below"
        );
        assert!(unvisited.iter().all(|connection| !is_cut(connection)));
        let late = queue(&shared, 5, 1, false);
        shared.keep_budget();
        assert!(is_cut(&unvisited[2]), "the longest");
        assert!(!is_cut(&unvisited[0]) && !is_cut(&unvisited[1]) && !is_cut(&late));
    }
}
