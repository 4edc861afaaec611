//! The other end of `bench/fanout`: many raw TCP subscribers in one thread, measuring what arrives.
//!
//! `receiver ADDRESS CONNECTIONS WARM_UP_SECONDS SECONDS` connects, prints `ready`, and after the time given
//! one line of JSON: messages, bytes, receives, p50/p99/max latency in microseconds (from the
//! `CLOCK_MONOTONIC` nanoseconds in each payload: `"t":<digits>`), messages out of order, connections lost,
//! and its own CPU share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};

struct Subscriber {
    socket: TcpStream,
    unread: Vec<u8>,
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

/// Whole WebSocket messages at the front of `unread`: the stamps in them, and how many bytes they took.
fn stamps(unread: &[u8], mut found: impl FnMut(u64)) -> usize {
    let mut at = 0;
    while let Some(&[first, short]) = unread.get(at..at + 2) {
        assert_eq!(first, 0x81, "framing is intact");
        let (header, length) = match short {
            127 => match unread.get(at + 2..at + 10) {
                Some(length) => (
                    10,
                    usize::try_from(u64::from_be_bytes(length.try_into().unwrap())).unwrap(),
                ),
                None => return at,
            },
            126 => match unread.get(at + 2..at + 4) {
                Some(length) => (4, usize::from(u16::from_be_bytes(length.try_into().unwrap()))),
                None => return at,
            },
            short => (2, usize::from(short)),
        };
        let Some(payload) = unread.get(at + header..at + header + length) else {
            return at;
        };
        let place = payload
            .windows(4)
            .position(|window| window == b"\"t\":")
            .expect("a stamp in every message");
        let digits = payload[place + 4..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        found(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
        at += header + length;
    }
    at
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
                unread, last_stamp, ..
            } = subscriber;
            unread.extend_from_slice(&buffer[..length]);
            let taken = stamps(unread, |stamp| {
                figures.messages += 1;
                figures.disorder += u64::from(stamp < *last_stamp);
                *last_stamp = stamp;
                figures.latencies_ns.push(now.saturating_sub(stamp));
            });
            unread.drain(..taken);
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

    let watch = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let mut subscribers: Vec<Subscriber> = (0..count)
        .map(|_| {
            let socket = TcpStream::connect(&address).unwrap();
            socket.set_nonblocking(true).unwrap();
            Subscriber {
                socket,
                unread: Vec::new(),
                last_stamp: 0,
            }
        })
        .collect();
    for (number, subscriber) in subscribers.iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        // Edge-triggered would need reads up to EAGAIN: one more system call per message at a fixed rate.
        epoll::add(&watch, &subscriber.socket, data, epoll::EventFlags::IN).unwrap();
    }
    println!("ready");

    let mut buffer = vec![0; 1 << 18];
    let mut ready = Vec::with_capacity(512);
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
        let patience = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        ready.clear();
        let _ = epoll::wait(&watch, spare_capacity(&mut ready), Some(&patience));
        for event in &ready {
            let number = usize::try_from(event.data.u64()).unwrap();
            let lost = figures.lost;
            receive(&mut subscribers[number], &mut buffer, &mut figures);
            if figures.lost != lost {
                let _ = epoll::delete(&watch, &subscribers[number].socket);
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
