//! The other end of `bench/fanout`: many raw TCP subscribers in one thread, measuring what arrives.
//!
//! `receiver ADDRESS CONNECTIONS WARM_UP_SECONDS SECONDS` connects, prints `ready`, and after the time given
//! one line of JSON: messages, bytes, receives, p50/p99/max latency in microseconds (from the
//! `CLOCK_MONOTONIC` nanoseconds in each payload: `"t":<digits>`), messages out of order, connections lost,
//! and its own CPU share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss
)]

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use _core::load::poll::Poll;
use _core::load::websocket::{Message, Reader};
use memchr::memmem;
use rustix::time::{ClockId, clock_gettime};

const MAX_MESSAGE_BYTES: usize = 1 << 26;

struct Subscriber {
    socket: TcpStream,
    reader: Reader,
    last_stamp: u64,
}

#[derive(Default)]
struct Figures {
    messages: u64,
    bytes: u64,
    receives: u64,
    latencies_ns: Vec<u64>,
    disorder: u64,
    lost: u64,
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}

/// The stamp in a message.
fn stamp(message: &[u8]) -> u64 {
    let place = memmem::find(message, b"\"t\":").expect("a stamp in every message");
    let digits = message[place + 4..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

fn receive(subscriber: &mut Subscriber, buffer: &mut [u8], figures: &mut Figures) {
    match subscriber.socket.read(buffer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Ok(0) | Err(_) => figures.lost += 1,
        Ok(length) => {
            let now = nanoseconds(ClockId::Monotonic);
            figures.receives += 1;
            figures.bytes += length as u64;
            let Subscriber {
                reader, last_stamp, ..
            } = subscriber;
            let taken = reader.feed(&buffer[..length], |message| {
                let Message::Text(message) = message else {
                    panic!("only text is sent: {message:?}");
                };
                let stamp = stamp(message);
                figures.messages += 1;
                figures.disorder += u64::from(stamp < *last_stamp);
                *last_stamp = stamp;
                figures.latencies_ns.push(now.saturating_sub(stamp));
            });
            taken.expect("framing is intact");
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || {
        arguments
            .next()
            .expect("ADDRESS CONNECTIONS WARM_UP_SECONDS SECONDS")
    };
    let (address, count) = (argument(), argument().parse::<usize>().unwrap());
    let warm_up = Duration::from_secs_f64(argument().parse().unwrap());
    let length = Duration::from_secs_f64(argument().parse().unwrap());

    let mut poll = Poll::new().unwrap();
    let mut subscribers: Vec<Subscriber> = (0..count)
        .map(|_| {
            let socket = TcpStream::connect(&address).unwrap();
            socket.set_nonblocking(true).unwrap();
            Subscriber {
                socket,
                reader: Reader::new(MAX_MESSAGE_BYTES),
                last_stamp: 0,
            }
        })
        .collect();
    for (number, subscriber) in subscribers.iter().enumerate() {
        poll.add(&subscriber.socket, number, false).unwrap();
    }
    println!("ready");

    let mut buffer = vec![0; 1 << 18];
    let mut ready = Vec::new();
    let mut figures = Figures::default();
    let mut measuring_since = None;
    let begin = Instant::now();
    let mut cpu = 0;
    while begin.elapsed() < warm_up + length {
        if measuring_since.is_none() && begin.elapsed() >= warm_up {
            let lost = figures.lost;
            figures = Figures {
                lost,
                ..Figures::default()
            };
            cpu = nanoseconds(ClockId::ThreadCPUTime);
            measuring_since = Some(Instant::now());
        }
        poll.wait(Duration::from_millis(50), &mut ready).unwrap();
        for ready in &ready {
            let (lost, subscriber) = (figures.lost, &mut subscribers[ready.token]);
            receive(subscriber, &mut buffer, &mut figures);
            if figures.lost != lost {
                let _ = poll.remove(&subscriber.socket);
            }
        }
    }
    let seconds = measuring_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
    let cpu = (nanoseconds(ClockId::ThreadCPUTime) - cpu) as f64 / 1e9;
    report(figures, seconds, cpu);
}

fn report(mut figures: Figures, seconds: f64, cpu: f64) {
    figures.latencies_ns.sort_unstable();
    let latency = |share: usize| {
        let last = figures.latencies_ns.len().saturating_sub(1);
        figures
            .latencies_ns
            .get(last * share / 100)
            .map_or(0.0, |&nanoseconds| nanoseconds as f64 / 1e3)
    };
    println!(
        "{{\"seconds\":{seconds:.3},\"messages\":{},\"bytes\":{},\"receives\":{},\"p50_us\":{:.1},\"p99_us\":{:.1},\
         \"max_us\":{:.1},\"disorder\":{},\"lost\":{},\"receiver_cpu\":{:.3}}}",
        figures.messages,
        figures.bytes,
        figures.receives,
        latency(50),
        latency(99),
        latency(100),
        figures.disorder,
        figures.lost,
        cpu / seconds.max(1e-9)
    );
}
