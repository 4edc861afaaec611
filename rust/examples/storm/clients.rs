//! The storm: many clients that come back at once and want all they missed, in one epoll thread.

use std::time::Duration;

use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::publications::{Order, now_ns, numbered};
use crate::websocket::{Arrival, Endpoint, WebSocket};

/// One client: what it has, and when it had it.
struct Client {
    socket: WebSocket,
    order: Order,
    recovered_at: Option<u64>,
    live_at: Option<u64>,
    failed: bool,
}

/// Connected clients that have not said a word.
pub struct Clients {
    clients: Vec<Client>,
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
    pub fn connect(endpoint: &Endpoint, count: usize, expected: u64) -> Self {
        let connect = |_| Client {
            socket: WebSocket::connect(endpoint),
            order: Order::default(),
            recovered_at: None,
            live_at: None,
            failed: false,
        };
        Self {
            clients: (0..count).map(connect).collect(),
            expected,
        }
    }

    /// All send `message` at once; until each has its past and the first publication behind it, or `patience` ends.
    /// They stay connected.
    pub fn storm(&mut self, message: &str, patience: Duration) -> Outcome {
        let watch = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        for (number, client) in self.clients.iter().enumerate() {
            client.socket.socket.set_nonblocking(true).unwrap();
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&watch, &client.socket.socket, data, epoll::EventFlags::IN).unwrap();
        }
        let mut outcome = Outcome {
            begin_ns: now_ns(),
            ..Outcome::default()
        };
        for client in &mut self.clients {
            client.socket.send(message);
        }
        let mut open = self.clients.len();
        let until_ns = outcome.begin_ns + u64::try_from(patience.as_nanos()).unwrap();
        let (mut buffer, mut ready) = (vec![0; 1 << 18], Vec::with_capacity(512));
        while open > 0 && now_ns() < until_ns {
            ready.clear();
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: 50_000_000,
            };
            let _ = epoll::wait(&watch, spare_capacity(&mut ready), Some(&wait));
            for event in &ready {
                let client = &mut self.clients[usize::try_from(event.data.u64()).unwrap()];
                let done = client.done();
                outcome.bytes += client.receive(&mut buffer, self.expected);
                open -= usize::from(client.done() && !done);
                if client.failed {
                    let _ = epoll::delete(&watch, &client.socket.socket);
                }
            }
        }
        outcome.end_ns = now_ns();
        self.count(&mut outcome);
        outcome
    }

    fn count(&self, outcome: &mut Outcome) {
        let since = |at: u64| at - outcome.begin_ns;
        let clients = &self.clients;
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
            outcome.disorder += client.order.missed + client.order.misplaced;
        }
    }
}

impl Client {
    fn done(&self) -> bool {
        self.failed || self.live_at.is_some()
    }

    /// Read once and note what became whole. How many bytes it were.
    fn receive(&mut self, buffer: &mut [u8], expected: u64) -> u64 {
        let arrival = self.socket.receive(buffer);
        let now = now_ns();
        let Self {
            socket,
            order,
            recovered_at,
            live_at,
            failed,
        } = self;
        let open = socket.lines(|line| {
            if line.starts_with(b"{\"push\":") {
                for (number, _) in numbered(line) {
                    order.take(number);
                    // One that overtook the reply is in `order` twice, and not what being live means.
                    if recovered_at.is_some() {
                        live_at.get_or_insert(now);
                    }
                }
            } else if line.starts_with(b"{\"id\":2,") {
                numbered(line).for_each(|(number, _)| order.take(number));
                *recovered_at = Some(now);
                let recovered = memmem::find(line, b"\"recovered\":true").is_some();
                *failed |= !recovered || order.last < expected;
            } else {
                *failed |= memmem::find(line, b"\"error\":{").is_some();
            }
        });
        *failed |= !open || arrival == Arrival::Closed;
        match arrival {
            Arrival::Bytes(length) => length as u64,
            Arrival::Nothing | Arrival::Closed => 0,
        }
    }
}
