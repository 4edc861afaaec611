//! A subscriber of another channel, in a thread of its own so that the storm's bytes do not wait in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use _core::load::mark::Marks;

use crate::publications::{Following, now_ns};
use crate::websocket::{Arrival, Endpoint, WebSocket};

const LOOK_AT_STOP: Duration = Duration::from_millis(50);

/// When a publication was sent, and how long it took to arrive.
pub struct Sample {
    pub sent_ns: u64,
    pub latency_ns: u64,
}

pub struct Heard {
    pub samples: Vec<Sample>,
    pub following: Following,
}

pub struct Bystander {
    thread: JoinHandle<Heard>,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Bystander {
    pub fn begin(endpoint: &Endpoint, channel: &str, marks: &Arc<Marks>) -> Self {
        let mut client = WebSocket::connect(endpoint);
        let subscribe = format!("{{\"id\":2,\"subscribe\":{{\"channel\":\"{channel}\"}}}}");
        client.ask(&format!("{{\"id\":1,\"connect\":{{}}}}\n{subscribe}"), 2);
        client.socket.set_read_timeout(Some(LOOK_AT_STOP)).unwrap();
        let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, stopping, marks) = (Arc::clone(&next), Arc::clone(&stop), Arc::clone(marks));
        let thread = thread::spawn(move || listen(client, &marks, &seen, &stopping));
        Self { thread, next, stop }
    }

    /// What it heard; the last of so many publications is waited for, a while.
    pub fn end(self, published: u64, patience: Duration) -> Heard {
        let until_ns = now_ns() + u64::try_from(patience.as_nanos()).unwrap();
        while self.next.load(Ordering::Relaxed) < published && now_ns() < until_ns {
            thread::sleep(Duration::from_millis(5));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn listen(mut client: WebSocket, marks: &Marks, next: &AtomicU64, stop: &AtomicBool) -> Heard {
    let mut heard = Heard {
        samples: Vec::new(),
        following: Following::default(),
    };
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let mut arrived_at = None;
        let arrival = client.receive(&mut buffer, |line| {
            let now = *arrived_at.get_or_insert_with(now_ns);
            for mark in marks.find_all(line) {
                heard.following.take(mark);
                heard.samples.push(Sample {
                    sent_ns: mark.sent_ns,
                    latency_ns: now.saturating_sub(mark.sent_ns),
                });
            }
        });
        next.store(heard.following.next(), Ordering::Relaxed);
        if arrival == Arrival::Closed {
            break;
        }
    }
    heard
}
