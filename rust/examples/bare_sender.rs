//! What `bench/fanout` compares with: one thread, one blocking `send` per subscriber and message, nothing
//! else.
//!
//! `bare_sender CONNECTIONS HERTZ PAYLOAD_BYTES SECONDS` prints its port, accepts, and after `SECONDS` one
//! line of JSON. `HERTZ` 0 sends without pause.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use _core::wire::{Form, Framing, Publication, Reader, Shape};
use rustix::time::{ClockId, clock_gettime};

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || -> f64 {
        let given = arguments.next().expect("CONNECTIONS HERTZ PAYLOAD_BYTES SECONDS");
        given.parse().unwrap()
    };
    let (connections, hertz, bytes, seconds) = (number(), number(), number(), number());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let mut sockets: Vec<TcpStream> = Vec::new();
    while f64::from(u32::try_from(sockets.len()).unwrap()) < connections {
        let (socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        sockets.push(socket);
    }
    let form = Form {
        reader: Reader {
            framing: Framing::TextMessages,
            unidirectional: false,
        },
        spelling: "bench".into(),
        detailed: false,
    };
    let begin = Instant::now();
    let cpu = nanoseconds(ClockId::ProcessCPUTime);
    let mut round = 0_u32;
    let mut sent = 0_u64;
    while begin.elapsed().as_secs_f64() < seconds {
        if hertz > 0.0 {
            let due = Duration::from_secs_f64(f64::from(round) / hertz);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
        }
        round += 1;
        let stamp = format!("{{\"t\":{},\"x\":\"", nanoseconds(ClockId::Monotonic));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let filler = "x".repeat((bytes as usize).saturating_sub(stamp.len() + 2));
        let data = format!("{stamp}{filler}\"}}");
        let publication = Publication {
            payload: data.as_bytes(),
            detail: None,
            offset: u64::from(round),
            info: None,
        };
        let message = form.publication(&publication, Shape::Value);
        for socket in &mut sockets {
            sent += u64::from(socket.write_all(&message).is_ok());
        }
    }
    let cpu = nanoseconds(ClockId::ProcessCPUTime) - cpu;
    println!("{{\"deliveries\":{sent},\"cpu_ns\":{cpu},\"publishes\":{round}}}");
}
