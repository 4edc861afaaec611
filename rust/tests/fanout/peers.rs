//! Sockets, what their other ends read, and what the fan-out says of them.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use _core::fanout::{Event, Fanout, Kind, Subscription, Terms};
use _core::wire::{Framing, Publication, Reader};

/// As in tests/patience.py: no statement, only far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(180);
pub const ROOMY: usize = 64 << 20;
pub const ROOMY_IN_ALL: usize = 4 << 30;

/// Keeps every other test of this program out while it is held.
///
/// A test closes its sockets before its fan-out has ended; that one's writer may then shut down a descriptor
/// which has another test's number by now. The server never closes one before it is released.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub const TEXT: Reader = Reader {
    framing: Framing::TextMessages,
    unidirectional: false,
};

pub fn terms(max_queue_bytes: usize) -> Terms {
    Terms {
        reader: TEXT,
        max_queue_bytes,
        write_limit: Duration::from_secs(600),
    }
}

pub fn wanting(spelling: &str) -> Subscription {
    Subscription {
        spelling: spelling.into(),
        events: false,
        delta: false,
        detailed: false,
        conflate: false,
    }
}

pub fn publish(fanout: &Fanout, channel: &str, data: &[u8], offset: u64) -> usize {
    let publication = Publication {
        payload: data,
        detail: None,
        offset,
        info: None,
        brings_schema: false,
    };
    fanout.publish(channel, &publication)
}

pub fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

/// About where the writer takes over from the publisher.
pub const BORDER: usize = 64;

/// The first `size` subscribers of `channel`, both ends of each, which are to be kept.
pub fn crowd(fanout: &Fanout, channel: &str, size: usize) -> Vec<(UnixStream, UnixStream)> {
    let pairs: Vec<_> = (0..size).map(|_| pair()).collect();
    for (ours, _) in &pairs {
        let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
        fanout.subscribe(id, channel, wanting(channel));
    }
    pairs
}

pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    ours.set_nodelay(true).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

/// Collects events until it has what a test waits for.
pub struct Watcher<'a> {
    fanout: &'a Fanout,
    pub seen: HashMap<u64, Vec<Kind>>,
}

impl<'a> Watcher<'a> {
    pub fn new(fanout: &'a Fanout) -> Watcher<'a> {
        Watcher {
            fanout,
            seen: HashMap::new(),
        }
    }

    pub fn look(&mut self) {
        for Event { connection, kind } in self.fanout.take_events() {
            self.seen.entry(connection).or_default().push(kind);
        }
    }

    pub fn wait_for(&mut self, connection: u64, kind: Kind) {
        until(|| {
            self.look();
            self.of(connection).contains(&kind)
        });
    }

    pub fn of(&self, connection: u64) -> &[Kind] {
        self.seen.get(&connection).map_or(&[], Vec::as_slice)
    }
}

pub fn until(mut happened: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < PATIENCE, "it never happened");
        std::thread::yield_now();
    }
}

/// The payloads of the next `count` WebSocket messages.
pub fn messages(from: &mut impl Read, count: usize) -> Vec<String> {
    (0..count).map(|_| message(from)).collect()
}

pub fn message(from: &mut impl Read) -> String {
    let mut head = [0; 2];
    from.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81, "framing is intact");
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            from.read_exact(&mut length).unwrap();
            usize::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            from.read_exact(&mut length).unwrap();
            usize::try_from(u64::from_be_bytes(length)).unwrap()
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

pub fn push(spelling: &str, data: &str, offset: u64) -> String {
    format!(r#"{{"push":{{"channel":"{spelling}","pub":{{"data":{data},"offset":{offset}}}}}}}"#)
}

/// Whether nothing but the end of the stream is left to read.
pub fn is_at_end(from: &mut impl Read) -> bool {
    let mut rest = Vec::new();
    match from.read_to_end(&mut rest) {
        Ok(_) => rest.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset && rest.is_empty(),
    }
}
