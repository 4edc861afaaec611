//! Who publishes: the past of the storm's channel at first, then both channels at their rates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use _core::load::mark::Marks;

use crate::publications::{data, now_ns};
use crate::websocket::{Arrival, Endpoint, WebSocket};

/// Commands in one message when a channel is filled: few enough for any limit on what a server reads at once.
const BATCH: u64 = 20;

pub struct Publisher {
    client: WebSocket,
    marks: Arc<Marks>,
    channel: String,
    bytes: usize,
    published: u64,
    commands: usize,
}

/// What came of publishing at a rate.
pub struct Published {
    /// How many there are on the channel now.
    pub count: u64,
    /// How much too late the latest publication was sent, by a load that did not get its processor in time.
    pub most_late_ns: u64,
}

impl Publisher {
    pub fn connect(endpoint: &Endpoint, channel: &str, marks: &Arc<Marks>, bytes: usize) -> Self {
        let mut client = WebSocket::connect(endpoint);
        client.ask("{\"id\":1,\"connect\":{}}", 1);
        Self {
            client,
            marks: Arc::clone(marks),
            channel: channel.to_owned(),
            bytes,
            published: 0,
            commands: 1,
        }
    }

    /// Publish so many and see each of them accepted. The epoch of the channel, as a subscriber is told it.
    pub fn fill(&mut self, count: u64) -> String {
        while self.published < count {
            let batch = BATCH.min(count - self.published);
            let commands: Vec<String> = (0..batch).map(|_| self.command()).collect();
            self.client.ask(&commands.join("\n"), self.commands);
        }
        self.commands += 1;
        let (id, channel) = (self.commands, &self.channel);
        let subscribe = format!("{{\"id\":{id},\"subscribe\":{{\"channel\":\"{channel}\"}}}}");
        let reply = self.client.ask(&subscribe, id);
        self.commands += 1;
        let id = self.commands;
        let unsubscribe = format!("{{\"id\":{id},\"unsubscribe\":{{\"channel\":\"{channel}\"}}}}");
        self.client.ask(&unsubscribe, id);
        let epoch = reply
            .split_once("\"epoch\":\"")
            .expect("a channel that can be recovered");
        epoch.1.split('"').next().unwrap().to_owned()
    }

    /// The command that publishes the next publication, stamped with the present.
    fn command(&mut self) -> String {
        self.commands += 1;
        let data = data(&self.marks, self.published, now_ns(), self.bytes);
        self.published += 1;
        let (id, channel) = (self.commands, &self.channel);
        format!("{{\"id\":{id},\"publish\":{{\"channel\":\"{channel}\",\"data\":{data}}}}}")
    }

    /// Publish at a rate, in a thread of its own, until `stop`.
    pub fn run(mut self, hertz: f64, stop: Arc<AtomicBool>) -> JoinHandle<Published> {
        self.client.socket.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let (begin, mut most_late_ns, mut round) = (now_ns(), 0, 0_u32);
            let mut buffer = vec![0; 1 << 16];
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let due = Duration::from_secs_f64(f64::from(round) / hertz);
                let due_ns = begin + u64::try_from(due.as_nanos()).unwrap();
                thread::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns())));
                most_late_ns = most_late_ns.max(now_ns().saturating_sub(due_ns));
                let command = self.command();
                self.client.send(&command);
                let mut arrival = Arrival::Bytes(0);
                while let Arrival::Bytes(_) = arrival {
                    arrival = self.client.receive(&mut buffer, |line| {
                        let refused = memchr::memmem::find(line, b"\"error\":{").is_some();
                        assert!(!refused, "refused: {}", String::from_utf8_lossy(line));
                    });
                }
                assert!(arrival != Arrival::Closed, "the server closed a publisher");
            }
            Published {
                count: self.published,
                most_late_ns,
            }
        })
    }
}
