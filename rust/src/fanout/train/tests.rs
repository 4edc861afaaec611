//! What goes over TLS: from a queue, in whatever pieces the socket takes it, and from a whole fan-out.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};

use super::super::queue::{Batch, Conflatable, Queue, Strand};
use super::super::{Event, Fanout, Kind, Subscription, Terms};
use super::*;
use crate::tls::tests::{Client, connected};
use crate::wire::{Framing, Publication, Reader};

/// As in tests/patience.py: no statement, only far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(180);

// From a queue.

/// Have the socket take so many bytes of what is next; those bytes.
fn send(queue: &mut Queue, session: &Session, room: usize) -> Vec<u8> {
    let mut batch = Batch::default();
    queue.take(&mut batch);
    batch.seal(session).unwrap();
    let mut sent: Vec<u8> = batch.pieces().flatten().copied().collect();
    sent.truncate(room);
    queue.settle(&mut batch, sent.len());
    sent
}

#[derive(Clone, Debug)]
enum Act {
    Push(usize),
    Conflatable(usize),
    Send(usize),
    Conflate,
    Refresh,
}

fn any_act() -> impl Strategy<Value = Act> {
    let length = prop_oneof![8 => 0..200_usize, 1 => 20_000..90_000_usize];
    prop_oneof![
        4 => length.clone().prop_map(Act::Push),
        4 => length.prop_map(Act::Conflatable),
        6 => prop_oneof![0..50_usize, 0..100_000_usize].prop_map(Act::Send),
        1 => Just(Act::Conflate),
        1 => Just(Act::Refresh),
    ]
}

/// The numbers of the messages, each of which must be whole.
fn numbers(mut heard: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some((number, rest)) = heard.split_first_chunk() {
        let (length, rest) = rest.split_first_chunk().unwrap();
        let (body, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        assert!(body.iter().all(|byte| *byte == b'x'));
        numbers.push(u32::from_be_bytes(*number));
        heard = rest;
    }
    numbers
}

proptest! {
    #[test]
    fn peer_hears_everything_in_order_but_what_became_superfluous(
        acts in proptest::collection::vec(any_act(), 0..60),
    ) {
        let budget = Budget::new(1 << 30);
        let (mut client, session) = connected(&TLS13, 1 << 20);
        let mut queue = Queue::new(1 << 30, Arc::clone(&budget));
        let strand = Strand::next(None);
        let (mut said, mut conflatable, mut wire, mut number) = (Vec::new(), Vec::new(), Vec::new(), 0_u32);
        for act in acts {
            match act {
                Act::Push(length) | Act::Conflatable(length) => {
                    number += 1;
                    let mut bytes = number.to_be_bytes().to_vec();
                    bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
                    bytes.resize(8 + length, b'x');
                    let buffer = Buffer::new(&budget, bytes);
                    let is_conflatable = matches!(act, Act::Conflatable(_));
                    if is_conflatable {
                        conflatable.push(number);
                        queue.push_conflatable(&buffer, Conflatable { strand, brings_schema: false }).unwrap();
                    } else {
                        said.push(number);
                        prop_assert!(queue.push(&buffer));
                    }
                }
                Act::Send(room) => {
                    let before = queue.bytes();
                    let sent = send(&mut queue, &session, room);
                    // Of each train what TLS adds counts from its first send on.
                    prop_assert!(queue.bytes() + sent.len() >= before);
                    prop_assert!(queue.bytes() + sent.len() <= before + 1000);
                    wire.extend(sent);
                }
                Act::Conflate => _ = queue.conflate(),
                Act::Refresh => {
                    client.tls.refresh_traffic_keys().unwrap();
                    session.receive(&client.say(b"")).unwrap();
                }
            }
        }
        while !queue.is_empty() {
            wire.extend(send(&mut queue, &session, 10_000));
        }
        client.hear(&wire);
        let heard = numbers(&client.heard());
        let (newest, pushed): (Vec<u32>, Vec<u32>) = heard.iter().partition(|number| conflatable.contains(number));
        prop_assert_eq!(pushed, said, "everything that cannot be conflated, in order");
        prop_assert!(newest.is_sorted_by(|one, next| one < next));
        prop_assert_eq!(newest.last(), conflatable.last(), "and the newest of the others");
        drop(queue);
        prop_assert_eq!(budget.held_bytes(), 0);
    }
}

#[test]
fn no_more_is_sealed_than_one_send_takes() {
    let budget = Budget::new(1 << 30);
    let (_client, session) = connected(&TLS13, 1 << 20);
    let mut queue = Queue::new(1 << 30, Arc::clone(&budget));
    assert!(queue.push(&Buffer::new(&budget, vec![b'x'; 3 * TRAIN_BYTES])));
    let before = queue.bytes();
    for room in [0, 1, 1000] {
        send(&mut queue, &session, room);
        assert!(
            queue.bytes() <= before + 1000,
            "what is sealed already is not sealed again"
        );
        assert!(budget.held_bytes() <= before + TRAIN_BYTES + 1000);
    }
}

// From a whole fan-out.

fn terms(max_queue_bytes: usize, write_limit: Duration) -> Terms {
    let reader = Reader {
        framing: Framing::Lines,
        unidirectional: true,
    };
    Terms {
        reader,
        max_queue_bytes,
        write_limit,
    }
}

/// A subscriber over TLS. Its socket outlives the fan-out, which is dropped first.
struct Subscriber {
    fanout: Fanout,
    id: u64,
    session: Arc<Session>,
    client: Client,
    theirs: UnixStream,
    _ours: UnixStream,
}

impl Subscriber {
    fn new(conflate: bool, max_queue_bytes: usize, write_limit: Duration) -> Subscriber {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let (client, session) = connected(&TLS13, 1 << 20);
        let session = Arc::new(session);
        let fanout = Fanout::new(1 << 30).unwrap();
        let id = fanout
            .add_secured(
                ours.as_raw_fd(),
                terms(max_queue_bytes, write_limit),
                Arc::clone(&session),
            )
            .unwrap();
        let subscription = Subscription {
            spelling: "c".into(),
            events: false,
            delta: false,
            detailed: false,
            conflate,
        };
        fanout.subscribe(id, "c", subscription);
        Subscriber {
            fanout,
            id,
            session,
            client,
            theirs,
            _ours: ours,
        }
    }

    fn publish(&self, data: &str, offset: u64) {
        let publication = Publication {
            payload: data.as_bytes(),
            detail: None,
            offset,
            info: None,
            brings_schema: false,
        };
        self.fanout.publish("c", &publication);
    }

    /// The next lines that are heard; empty at the end, which may come without a goodbye.
    fn hear(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.ends_with(b"\n") && !self.was_told_goodbye() {
            let mut bytes = vec![0; 70_000];
            let count = self.theirs.read(&mut bytes).unwrap();
            if count == 0 {
                break;
            }
            self.client.hear(&bytes[..count]);
            heard.extend(self.client.heard());
        }
        String::from_utf8(heard)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn was_told_goodbye(&mut self) -> bool {
        self.client.tls.process_new_packets().unwrap().peer_has_closed()
    }

    /// Wait until that is said of it.
    fn wait_for(&self, kind: Kind) {
        let begun = Instant::now();
        let mut events = Vec::new();
        while !events.contains(&Event {
            connection: self.id,
            kind,
        }) {
            assert!(begun.elapsed() < PATIENCE, "{events:?}");
            events.extend(self.fanout.take_events());
            std::thread::yield_now();
        }
    }
}

#[test]
fn subscriber_hears_publications_and_messages_in_order_and_the_goodbye_last() {
    let mut subscriber = Subscriber::new(false, 1 << 30, PATIENCE);
    let mut heard = Vec::new();
    for number in 1..=500_u64 {
        let long = "x".repeat(if number % 50 == 0 { 100_000 } else { 10 });
        subscriber.publish(&format!("[{number},\"{long}\"]"), number);
        if number % 7 == 0 {
            assert!(subscriber.fanout.send_message(subscriber.id, b"{}"));
        }
        if number % 100 == 0 {
            heard.extend(subscriber.hear());
        }
    }
    subscriber.fanout.finish(subscriber.id);
    while !subscriber.was_told_goodbye() {
        heard.extend(subscriber.hear());
    }
    subscriber.wait_for(Kind::Released);
    let offsets = (1..=500).map(|offset| format!("\"offset\":{offset}}}"));
    let publications: Vec<_> = heard.iter().filter(|line| *line != "{}").collect();
    assert_eq!(publications.len(), 500);
    for (line, offset) in publications.into_iter().zip(offsets) {
        assert!(line.contains(&offset), "{line:.100} {offset}");
    }
    assert_eq!(heard.len(), 500 + 500 / 7);
    assert!(!subscriber.session.speaks());
}

#[test]
fn who_takes_nothing_is_cut_when_the_queue_is_full() {
    let subscriber = Subscriber::new(false, 1 << 20, PATIENCE);
    let data = format!("\"{}\"", "x".repeat(100_000));
    for offset in 1..=60 {
        subscriber.publish(&data, offset);
    }
    subscriber.wait_for(Kind::Overflow);
    assert_eq!(subscriber.fanout.statistics().overflows, 1);
}

#[test]
fn who_takes_nothing_for_too_long_is_cut() {
    let subscriber = Subscriber::new(false, 1 << 30, Duration::from_millis(50));
    let data = format!("\"{}\"", "x".repeat(1_000_000));
    subscriber.publish(&data, 1);
    subscriber.wait_for(Kind::Stalled);
}

#[test]
fn who_reads_slowly_gets_the_newest_instead_of_all() {
    let mut subscriber = Subscriber::new(true, 1 << 20, PATIENCE);
    let long = "x".repeat(10_000);
    for number in 1..=2000_u64 {
        subscriber.publish(&format!("[{number},\"{long}\"]"), number);
    }
    assert!(subscriber.fanout.queued_bytes(subscriber.id) < 1 << 20);
    let mut heard = Vec::new();
    while !heard.last().is_some_and(|line: &String| line.contains("[2000,")) {
        heard.extend(subscriber.hear());
    }
    assert!(heard.len() < 1000, "{}", heard.len());
    assert!(subscriber.fanout.statistics().conflated > 0);
}

#[test]
fn who_asks_for_new_keys_hears_on() {
    let mut subscriber = Subscriber::new(false, 1 << 20, PATIENCE);
    for number in 1..=100_u64 {
        subscriber.client.tls.refresh_traffic_keys().unwrap();
        let said = subscriber.client.say(b"{}");
        assert_eq!(subscriber.session.receive(&said).unwrap(), b"{}");
        subscriber.publish(&format!("{number}"), number);
        assert!(subscriber.hear()[0].contains(&format!("\"offset\":{number}")));
    }
}

#[test]
fn who_breaks_the_protocol_is_told_why_by_who_sends() {
    let mut subscriber = Subscriber::new(false, 1 << 20, PATIENCE);
    subscriber.session.receive(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert!(subscriber.session.speaks());
    subscriber.fanout.speak(subscriber.id);
    let mut bytes = vec![0; 1000];
    let count = subscriber.theirs.read(&mut bytes).unwrap();
    let mut alert = &bytes[..count];
    subscriber.client.tls.read_tls(&mut alert).unwrap();
    let told = subscriber.client.tls.process_new_packets().unwrap_err();
    assert!(told.to_string().contains("received fatal alert"), "{told}");
    subscriber.publish("1", 1);
    subscriber.wait_for(Kind::Broken);
}

#[test]
fn finishing_without_a_word_says_goodbye_and_being_removed_does_not() {
    for finishes in [true, false] {
        let mut subscriber = Subscriber::new(false, 1 << 20, PATIENCE);
        if finishes {
            subscriber.fanout.finish(subscriber.id);
        } else {
            subscriber.fanout.remove(subscriber.id);
        }
        subscriber.wait_for(Kind::Released);
        subscriber.theirs.set_nonblocking(true).unwrap();
        let mut bytes = vec![0; 1000];
        let count = subscriber.theirs.read(&mut bytes).unwrap_or_default();
        subscriber.client.hear(&bytes[..count]);
        assert_eq!((subscriber.was_told_goodbye(), count > 0), (finishes, finishes));
    }
}

#[test]
fn older_version_is_fanned_out_to_as_well() {
    let (mut client, session) = connected(&TLS12, 1 << 20);
    let budget = Budget::new(1 << 30);
    let mut queue = Queue::new(1 << 20, Arc::clone(&budget));
    for text in ["one", "two"] {
        assert!(queue.push(&Buffer::new(&budget, text.as_bytes().to_vec())));
        client.hear(&send(&mut queue, &session, 1 << 20));
    }
    assert_eq!(client.heard(), b"onetwo");
    assert!(queue.is_empty());
}
