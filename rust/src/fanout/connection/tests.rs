//! How long a socket may take nothing.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::wire::Framing;

const TERMS: Terms = Terms {
    reader: Reader {
        framing: Framing::Lines,
        unidirectional: false,
    },
    max_queue_bytes: 1000,
    write_limit: Duration::from_secs(10),
};

fn connection(budget: &Arc<Budget>) -> Connection {
    Connection::new(1, Socket::new(-1), TERMS, Arc::clone(budget))
}

fn put(connection: &Connection, bytes: &[u8]) -> Outcome {
    connection.put(&Buffer::new(&Budget::new(0), bytes.to_vec()), Content::Raw)
}

/// What the writer does when the connection comes up, with a socket that answers `sent`.
fn visit(connection: &Connection, sent: Sent) -> Next {
    let mut batch = Batch::default();
    assert_eq!(connection.next(&mut batch), Step::Send);
    connection.settle(&mut batch, sent).next
}

#[test]
fn socket_that_takes_nothing_for_the_whole_limit_is_cut() {
    let (connection, begin) = (connection(&Budget::new(0)), Instant::now());
    let at = |seconds| begin + Duration::from_secs(seconds);
    assert!(put(&connection, b"abc").schedule);
    assert_eq!(visit(&connection, Sent::Full(begin)), Next::LookAgain(at(10)));
    assert!(!put(&connection, b"d").schedule);
    // The kernel speaks of room, but there is none.
    assert!(connection.unblock());
    assert_eq!(visit(&connection, Sent::Full(at(5))), Next::Rest);
    assert_eq!(connection.look_again(at(10)), Next::Pass);
    assert_eq!(visit(&connection, Sent::Full(at(10))), Next::Pass);
    assert_eq!(connection.queued_bytes(), 0);
    let mut batch = Batch::default();
    assert_eq!(connection.next(&mut batch), Step::Cut(Kind::Stalled));
    assert_eq!(connection.next(&mut batch), Step::Rest);
    assert_eq!(connection.look_again(at(20)), Next::Rest);
}

#[test]
fn socket_that_takes_a_byte_now_and_then_is_not_cut() {
    let (connection, begin) = (connection(&Budget::new(0)), Instant::now());
    let at = |seconds| begin + Duration::from_secs(seconds);
    assert!(put(&connection, b"abc").schedule);
    assert_eq!(visit(&connection, Sent::Full(begin)), Next::LookAgain(at(10)));
    // A last try finds the room that the kernel kept to itself.
    assert_eq!(connection.look_again(at(10)), Next::Pass);
    assert_eq!(visit(&connection, Sent::Bytes(1)), Next::Pass);
    assert_eq!(visit(&connection, Sent::Full(at(11))), Next::LookAgain(at(21)));
    assert!(connection.unblock());
    assert_eq!(visit(&connection, Sent::Bytes(0)), Next::Pass, "interrupted");
    assert_eq!(visit(&connection, Sent::Full(at(12))), Next::Rest);
    assert_eq!(connection.look_again(at(20)), Next::LookAgain(at(21)));
    assert!(connection.unblock());
    assert_eq!(visit(&connection, Sent::Bytes(2)), Next::Rest);
    assert_eq!(connection.look_again(at(21)), Next::Rest);
    assert!(put(&connection, b"e").taken);
}
