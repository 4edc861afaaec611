//! The load of `bench/recovery`: many clients reconnect at once and recover a whole channel, beside a bystander.
//!
//! `storm ADDRESS PATH SERVER_PID CHANNEL BYSTANDER_CHANNEL CLIENTS PUBLICATIONS PAYLOAD_BYTES LIVE_HERTZ
//! QUIET_SECONDS PATIENCE_SECONDS` fills `CHANNEL`, connects all, and after `QUIET_SECONDS` with the bystander
//! alone lets the storm go. When it was quiet again for as long all clients leave at once, without a word; as long
//! after that it prints one line of JSON. Times are milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

mod bystander;
mod clients;
mod publications;
mod publisher;
mod websocket;

use std::fmt::Write as _;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use _core::load::mark::Marks;
use bystander::{Bystander, Heard};
use clients::{Clients, Outcome};
use publications::{now_ns, own_cpu_ns};
use publisher::{Published, Publisher};
use websocket::Endpoint;

const USAGE: &str = "ADDRESS PATH SERVER_PID CHANNEL BYSTANDER_CHANNEL CLIENTS PUBLICATIONS PAYLOAD_BYTES \
                     LIVE_HERTZ QUIET_SECONDS PATIENCE_SECONDS";
/// The bystander's publisher.
const BYSTANDER_HERTZ: f64 = 50.0;
/// A tick of `/proc/PID/stat`: 100 a second on every Linux that this runs on.
const TICK_SECONDS: f64 = 0.01;

struct Options {
    endpoint: Endpoint,
    server: u32,
    channel: String,
    bystander_channel: String,
    clients: usize,
    publications: u64,
    payload_bytes: usize,
    live_hertz: f64,
    quiet: Duration,
    patience: Duration,
}

fn next<T: FromStr>(arguments: &mut impl Iterator<Item = String>) -> T {
    let given = arguments.next().expect(USAGE);
    given.parse().ok().expect(USAGE)
}

impl Options {
    fn given() -> Self {
        let given = &mut std::env::args().skip(1);
        Self {
            endpoint: Endpoint {
                address: next(given),
                path: next(given),
            },
            server: next(given),
            channel: next(given),
            bystander_channel: next(given),
            clients: next(given),
            publications: next(given),
            payload_bytes: next(given),
            live_hertz: next(given),
            quiet: Duration::from_secs_f64(next(given)),
            patience: Duration::from_secs_f64(next(given)),
        }
    }
}

/// What a server's process has used of the processor so far, all threads together.
fn server_cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) * TICK_SECONDS
}

struct Run {
    outcome: Outcome,
    heard: Heard,
    bystander: Published,
    server_cpu_seconds: f64,
    load_cpu_seconds: f64,
    began_ns: u64,
    left_ns: u64,
}

fn run(options: &Options) -> Run {
    let Options { endpoint, .. } = options;
    let marks = Arc::new(Marks::new(std::process::id()));
    let mut storming = Publisher::connect(endpoint, &options.channel, &marks, options.payload_bytes);
    let epoch = storming.fill(options.publications);
    let listening = Bystander::begin(endpoint, &options.bystander_channel, &marks);
    let quiet = Publisher::connect(
        endpoint,
        &options.bystander_channel,
        &marks,
        options.payload_bytes,
    );
    let mut clients = Clients::connect(endpoint, &marks, options.clients, options.publications);
    let (no_more, storm_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let began_ns = now_ns();
    let quiet = quiet.run(BYSTANDER_HERTZ, Arc::clone(&no_more));
    thread::sleep(options.quiet);

    let recover = format!(
        "{{\"id\":1,\"connect\":{{}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"{}\",\"recover\":true,\
         \"offset\":0,\"epoch\":\"{epoch}\"}}}}",
        options.channel
    );
    let (server, load) = (server_cpu_seconds(options.server), own_cpu_ns());
    let storming = storming.run(options.live_hertz, Arc::clone(&storm_over));
    let outcome = clients.storm(&recover, options.patience);
    let server_cpu_seconds = server_cpu_seconds(options.server) - server;
    let load_cpu_seconds = (own_cpu_ns() - load) as f64 / 1e9;

    storm_over.store(true, Ordering::Relaxed);
    storming.join().unwrap();
    thread::sleep(options.quiet);
    let left_ns = now_ns();
    drop(clients);
    thread::sleep(options.quiet);
    no_more.store(true, Ordering::Relaxed);
    let bystander = quiet.join().unwrap();
    let heard = listening.end(bystander.count, options.patience);
    Run {
        outcome,
        heard,
        bystander,
        server_cpu_seconds,
        load_cpu_seconds,
        began_ns,
        left_ns,
    }
}

/// p50, p99 and the most, in milliseconds.
fn percentiles(line: &mut String, name: &str, mut nanoseconds: Vec<u64>) {
    nanoseconds.sort_unstable();
    for (label, share) in [("p50", 50), ("p99", 99), ("max", 100)] {
        let last = nanoseconds.len().saturating_sub(1);
        let value = nanoseconds
            .get(last * share / 100)
            .map_or(0.0, |&value| value as f64 / 1e6);
        write!(line, "\"{name} {label} ms\":{value:.3},").unwrap();
    }
}

fn report(run: Run) -> String {
    let Run { outcome, heard, .. } = run;
    let seconds = (outcome.end_ns - outcome.begin_ns) as f64 / 1e9;
    let mut line = String::from("{");
    percentiles(&mut line, "recovered", outcome.recovered_ns);
    percentiles(&mut line, "live again", outcome.live_ns);
    let during = |window: Range<u64>| {
        let sent_then = heard
            .samples
            .iter()
            .filter(|sample| window.contains(&sample.sent_ns));
        sent_then.map(|sample| sample.latency_ns).collect()
    };
    percentiles(
        &mut line,
        "bystander before",
        during(run.began_ns..outcome.begin_ns),
    );
    percentiles(
        &mut line,
        "bystander during",
        during(outcome.begin_ns..outcome.end_ns),
    );
    percentiles(&mut line, "bystander after", during(outcome.end_ns..run.left_ns));
    percentiles(&mut line, "bystander leaving", during(run.left_ns..u64::MAX));
    write!(
        line,
        "\"storm s\":{seconds:.3},\"MB\":{:.1},\"server CPU s\":{:.2},\"load CPU\":{:.3},\
         \"load late max ms\":{:.3},\"clients failed\":{},\"client disorder\":{},\"bystander heard\":{},\
         \"bystander missed\":{},\"bystander misplaced\":{}}}",
        outcome.bytes as f64 / 1e6,
        run.server_cpu_seconds,
        run.load_cpu_seconds / seconds,
        run.bystander.most_late_ns as f64 / 1e6,
        outcome.failed,
        outcome.disorder,
        heard.samples.len(),
        heard.following.missed(run.bystander.count),
        heard.following.misplaced,
    )
    .unwrap();
    line
}

fn main() {
    println!("{}", report(run(&Options::given())));
}
