//! A subscriber of another channel, in a thread of its own so that the storm's bytes do not wait in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::publications::{Order, now_ns, numbered};
use crate::websocket::{Arrival, Endpoint, WebSocket};

const LOOK_AT_STOP: Duration = Duration::from_millis(50);

/// When a publication was sent, and how long it took to arrive.
pub struct Sample {
    pub sent_ns: u64,
    pub latency_ns: u64,
}

pub struct Heard {
    pub samples: Vec<Sample>,
    pub order: Order,
}

pub struct Bystander {
    thread: JoinHandle<Heard>,
    last: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Bystander {
    pub fn begin(endpoint: &Endpoint, channel: &str) -> Self {
        let mut client = WebSocket::connect(endpoint);
        let subscribe = format!("{{\"id\":2,\"subscribe\":{{\"channel\":\"{channel}\"}}}}");
        client.ask(&format!("{{\"id\":1,\"connect\":{{}}}}\n{subscribe}"), 2);
        client.socket.set_read_timeout(Some(LOOK_AT_STOP)).unwrap();
        let (last, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, stopping) = (Arc::clone(&last), Arc::clone(&stop));
        let thread = thread::spawn(move || listen(client, &seen, &stopping));
        Self { thread, last, stop }
    }

    /// What it heard; publication `last` is waited for, a while.
    pub fn end(self, last: u64, patience: Duration) -> Heard {
        let until_ns = now_ns() + u64::try_from(patience.as_nanos()).unwrap();
        while self.last.load(Ordering::Relaxed) < last && now_ns() < until_ns {
            thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        let mut heard = self.thread.join().unwrap();
        heard.order.missed += last.saturating_sub(heard.order.last);
        heard
    }
}

fn listen(mut client: WebSocket, last: &AtomicU64, stop: &AtomicBool) -> Heard {
    let mut heard = Heard {
        samples: Vec::new(),
        order: Order::default(),
    };
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let arrival = client.receive(&mut buffer);
        let now = now_ns();
        let open = client.lines(|line| {
            for (number, sent_ns) in numbered(line) {
                heard.order.take(number);
                heard.samples.push(Sample {
                    sent_ns,
                    latency_ns: now.saturating_sub(sent_ns),
                });
            }
        });
        last.store(heard.order.last, Ordering::Relaxed);
        if !open || arrival == Arrival::Closed {
            break;
        }
    }
    heard
}
