//! The storm: many clients that come back at once and want all they missed, in one epoll thread.

use std::sync::Arc;
use std::time::Duration;

use _core::load::mark::Marks;
use _core::load::poll::Poll;
use memchr::memmem;

use crate::publications::{Following, now_ns};
use crate::websocket::{Arrival, Endpoint, WebSocket};

/// One client: what it has, and when it had it.
struct Client {
    socket: WebSocket,
    following: Following,
    recovered_at: Option<u64>,
    live_at: Option<u64>,
    failed: bool,
}

/// Connected clients that have not said a word.
pub struct Clients {
    all: Vec<Client>,
    marks: Arc<Marks>,
    expected: u64,
}

/// How it went. Times are nanoseconds since the storm began, of the clients that got so far.
#[derive(Default)]
pub struct Outcome {
    pub begin_ns: u64,
    pub end_ns: u64,
    pub recovered_ns: Vec<u64>,
    pub live_ns: Vec<u64>,
    pub bytes: u64,
    /// Clients that were cut off, refused, given less than all, or not served in time.
    pub failed: u64,
    /// Publications that a client did not get, got again or got late.
    pub disorder: u64,
}

impl Clients {
    /// TCP connections and upgrades for `count` clients, each of which will want `expected` publications.
    pub fn connect(endpoint: &Endpoint, marks: &Arc<Marks>, count: usize, expected: u64) -> Self {
        let connect = |_| Client {
            socket: WebSocket::connect(endpoint),
            following: Following::default(),
            recovered_at: None,
            live_at: None,
            failed: false,
        };
        Self {
            all: (0..count).map(connect).collect(),
            marks: Arc::clone(marks),
            expected,
        }
    }

    /// All send `message` at once; until each has its past and the first publication behind it, or `patience` ends.
    /// They stay connected.
    pub fn storm(&mut self, message: &str, patience: Duration) -> Outcome {
        let mut poll = Poll::new().unwrap();
        for (number, client) in self.all.iter().enumerate() {
            client.socket.socket.set_nonblocking(true).unwrap();
            poll.add(&client.socket.socket, number, false).unwrap();
        }
        let mut outcome = Outcome {
            begin_ns: now_ns(),
            ..Outcome::default()
        };
        for client in &mut self.all {
            client.socket.send(message);
        }
        let mut open = self.all.len();
        let until_ns = outcome.begin_ns + u64::try_from(patience.as_nanos()).unwrap();
        let (mut buffer, mut ready) = (vec![0; 1 << 18], Vec::new());
        while open > 0 && now_ns() < until_ns {
            poll.wait(Duration::from_millis(50), &mut ready).unwrap();
            for ready in &ready {
                let client = &mut self.all[ready.token];
                let done = client.done();
                outcome.bytes += client.receive(&mut buffer, &self.marks, self.expected);
                open -= usize::from(client.done() && !done);
                if client.failed {
                    let _ = poll.remove(&client.socket.socket);
                }
            }
        }
        outcome.end_ns = now_ns();
        self.count(&mut outcome);
        outcome
    }

    fn count(&self, outcome: &mut Outcome) {
        let since = |at: u64| at - outcome.begin_ns;
        let clients = &self.all;
        outcome.recovered_ns = clients
            .iter()
            .filter_map(|client| client.recovered_at.map(since))
            .collect();
        outcome.live_ns = clients
            .iter()
            .filter_map(|client| client.live_at.map(since))
            .collect();
        for client in clients {
            outcome.failed += u64::from(client.failed || client.live_at.is_none());
            let following = &client.following;
            outcome.disorder += following.missed(following.next()) + following.misplaced;
        }
    }
}

impl Client {
    fn done(&self) -> bool {
        self.failed || self.live_at.is_some()
    }

    /// Read once and note what became whole. How many bytes it were.
    fn receive(&mut self, buffer: &mut [u8], marks: &Marks, expected: u64) -> u64 {
        let Self {
            socket,
            following,
            recovered_at,
            live_at,
            failed,
        } = self;
        let mut arrived_at = None;
        let arrival = socket.receive(buffer, |line| {
            let now = *arrived_at.get_or_insert_with(now_ns);
            if line.starts_with(b"{\"push\":") {
                for mark in marks.find_all(line) {
                    following.take(mark);
                    // One that overtook the reply is heard twice, and not what being live means.
                    if recovered_at.is_some() {
                        live_at.get_or_insert(now);
                    }
                }
            } else if line.starts_with(b"{\"id\":2,") {
                marks.find_all(line).for_each(|mark| following.take(mark));
                *recovered_at = Some(now);
                let recovered = memmem::find(line, b"\"recovered\":true").is_some();
                *failed |= !recovered || following.next() < expected;
            } else {
                *failed |= memmem::find(line, b"\"error\":{").is_some();
            }
        });
        *failed |= arrival == Arrival::Closed;
        match arrival {
            Arrival::Bytes(length) => length as u64,
            Arrival::Nothing | Arrival::Closed => 0,
        }
    }
}
