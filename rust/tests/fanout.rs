//! The fan-out over real sockets. Every wait polls with a deadline; nothing sleeps for a fixed time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use _core::fanout::{Event, Fanout, Kind};
use _core::wire::{Form, Protocol};
use rustix::net::sockopt;

const PATIENCE: Duration = Duration::from_secs(20);
const ROOMY: usize = 64 << 20;

fn form(spelling: &str) -> Form {
    Form {
        protocol: Protocol::Json,
        spelling: spelling.into(),
    }
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    ours.set_nodelay(true).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

/// Collects events until it has what a test waits for.
struct Watcher<'a> {
    fanout: &'a Fanout,
    seen: HashMap<u64, Vec<Kind>>,
}

impl<'a> Watcher<'a> {
    fn new(fanout: &'a Fanout) -> Watcher<'a> {
        Watcher {
            fanout,
            seen: HashMap::new(),
        }
    }

    fn look(&mut self) {
        for Event { connection, kind } in self.fanout.take_events() {
            self.seen.entry(connection).or_default().push(kind);
        }
    }

    fn wait_for(&mut self, connection: u64, kind: Kind) {
        until(|| {
            self.look();
            self.of(connection).contains(&kind)
        });
    }

    fn of(&self, connection: u64) -> &[Kind] {
        self.seen.get(&connection).map_or(&[], Vec::as_slice)
    }
}

fn until(mut happened: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < PATIENCE, "it never happened");
        std::thread::yield_now();
    }
}

/// The payloads of the next `count` WebSocket messages.
fn messages(from: &mut impl Read, count: usize) -> Vec<String> {
    (0..count).map(|_| message(from)).collect()
}

fn message(from: &mut impl Read) -> String {
    let mut head = [0; 2];
    from.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81, "framing is intact");
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            from.read_exact(&mut length).unwrap();
            usize::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            from.read_exact(&mut length).unwrap();
            usize::try_from(u64::from_be_bytes(length)).unwrap()
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

fn push(spelling: &str, data: &str, offset: u64) -> String {
    format!(r#"{{"push":{{"channel":"{spelling}","pub":{{"data":{data},"offset":{offset}}}}}}}"#)
}

/// Whether nothing but the end of the stream is left to read.
fn is_at_end(from: &mut impl Read) -> bool {
    let mut rest = Vec::new();
    match from.read_to_end(&mut rest) {
        Ok(_) => rest.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset && rest.is_empty(),
    }
}

#[test]
fn everything_queued_arrives_in_the_order_of_the_calls() {
    let fanout = Fanout::new().unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    fanout.subscribe(id, "a", form("org/a"));
    assert!(fanout.send(id, b"\x81\x03raw"));
    assert_eq!(fanout.publish("a", b"1", 1), 1);
    assert!(fanout.send_message(id, b"reply"));
    assert_eq!(fanout.publish("a", b"2", 2), 1);
    let expected = [
        "raw".to_owned(),
        push("org/a", "1", 1),
        "reply".to_owned(),
        push("org/a", "2", 2),
    ];
    assert_eq!(messages(&mut theirs, 4), expected);
}

#[test]
fn each_subscriber_sees_the_channel_in_its_own_spelling() {
    let fanout = Fanout::new().unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for spelling in ["one", "two", "one"] {
        let (mine, yours) = pair();
        let id = fanout.add(mine.as_raw_fd(), ROOMY).unwrap();
        fanout.subscribe(id, "a", form("before"));
        fanout.subscribe(id, "a", form(spelling));
        ours.push(mine);
        theirs.push((spelling, yours));
    }
    assert_eq!(fanout.publish("a", b"true", 9), 3);
    assert_eq!(fanout.publish("other", b"true", 9), 0);
    for (spelling, peer) in &mut theirs {
        assert_eq!(message(peer), push(spelling, "true", 9));
    }
}

#[test]
fn nothing_published_after_unsubscribe_is_delivered() {
    let fanout = Fanout::new().unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    fanout.subscribe(id, "a", form("a"));
    fanout.publish("a", b"1", 1);
    fanout.unsubscribe(id, "a");
    fanout.unsubscribe(id, "never joined");
    assert_eq!(fanout.publish("a", b"2", 2), 0);
    assert_eq!(fanout.statistics().channels, 0);
    fanout.send_message(id, b"end");
    assert_eq!(messages(&mut theirs, 2), [push("a", "1", 1), "end".to_owned()]);
}

#[test]
fn partial_sends_lose_and_reorder_nothing() {
    let fanout = Fanout::new().unwrap();
    // Not TCP: with buffers this small its timers make the test take minutes.
    let (ours, mut theirs) = pair();
    sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    fanout.subscribe(id, "a", form("a"));
    let data = |number: usize| format!("\"{}\"", number.to_string().repeat(1 + number * 7 % 5000));
    for number in 1..600 {
        assert_eq!(fanout.publish("a", data(number).as_bytes(), number as u64), 1);
    }
    for number in 1..600 {
        assert_eq!(message(&mut theirs), push("a", &data(number), number as u64));
    }
    until(|| fanout.queued_bytes(id) == 0);
    assert!(
        fanout.statistics().send_calls > 20,
        "the socket was meant to be too small for single sends"
    );
}

#[test]
fn many_publishers_interleave_whole_messages_and_keep_their_own_order() {
    const PUBLISHERS: u64 = 4;
    const EACH: u64 = 2000;
    let fanout = Fanout::new().unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..3).map(|_| tcp_pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), ROOMY).unwrap())
        .collect();
    for &id in &ids {
        fanout.subscribe(id, "shared", form("s"));
    }
    let seen: Vec<Vec<(u64, u64)>> = std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (fanout, ids) = (&fanout, &ids);
            scope.spawn(move || {
                for number in 1..=EACH {
                    let data = format!("[{publisher},{number},\"{}\"]", "x".repeat(300));
                    assert_eq!(fanout.publish("shared", data.as_bytes(), 0), 3);
                    // Traffic of another kind and changes elsewhere must not disturb it.
                    fanout.subscribe(ids[0], &format!("other {publisher}"), form("o"));
                    fanout.unsubscribe(ids[0], &format!("other {publisher}"));
                }
            });
        }
        let readers: Vec<_> = theirs
            .into_iter()
            .map(|mut peer| {
                scope.spawn(move || {
                    (0..PUBLISHERS * EACH)
                        .map(|_| {
                            let text = message(&mut peer);
                            let data = text.split_once('[').unwrap().1;
                            let mut numbers = data.split(',');
                            let publisher = numbers.next().unwrap().parse().unwrap();
                            (publisher, numbers.next().unwrap().parse().unwrap())
                        })
                        .collect()
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    assert_eq!(seen[0], seen[1], "one channel has one order for everybody");
    assert_eq!(seen[0], seen[2]);
    for publisher in 0..PUBLISHERS {
        let numbers = seen[0].iter().filter(|(by, _)| *by == publisher);
        assert!(
            numbers.map(|(_, number)| *number).eq(1..=EACH),
            "publisher {publisher} kept its order"
        );
    }
}

#[test]
fn full_queue_cuts_that_connection_alone_and_says_so_once() {
    let fanout = Fanout::new().unwrap();
    let (slow, mut slow_peer) = tcp_pair();
    let (quick, mut quick_peer) = tcp_pair();
    let slow_id = fanout.add(slow.as_raw_fd(), 1 << 20).unwrap();
    let quick_id = fanout.add(quick.as_raw_fd(), ROOMY).unwrap();
    fanout.subscribe(slow_id, "a", form("a"));
    fanout.subscribe(quick_id, "a", form("a"));
    let data = format!("\"{}\"", "x".repeat(100_000));
    let mut watcher = Watcher::new(&fanout);
    let mut offset = 0;
    until(|| {
        offset += 1;
        let taken = fanout.publish("a", data.as_bytes(), offset);
        assert_eq!(message(&mut quick_peer), push("a", &data, offset));
        taken == 1
    });
    watcher.wait_for(slow_id, Kind::Overflow);
    assert_eq!(fanout.queued_bytes(slow_id), 0, "the queue is dropped");
    assert!(!fanout.send(slow_id, b"late"));
    assert!(!fanout.send_message(slow_id, b"late"));
    // The slow peer may read what the kernel had, then finds the end.
    let mut rest = Vec::new();
    let _ = slow_peer.read_to_end(&mut rest);
    assert!(!rest.is_empty());
    assert!(fanout.send_message(quick_id, b"still here"));
    assert_eq!(message(&mut quick_peer), "still here");
    fanout.remove(slow_id);
    watcher.wait_for(slow_id, Kind::Released);
    assert_eq!(watcher.of(slow_id), [Kind::Overflow, Kind::Released]);
    assert_eq!(watcher.of(quick_id), []);
    assert_eq!(fanout.statistics().overflows, 1);
}

#[test]
fn one_message_larger_than_the_limit_cuts_too() {
    let fanout = Fanout::new().unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), 100).unwrap();
    assert!(!fanout.send(id, &[0; 101]));
    Watcher::new(&fanout).wait_for(id, Kind::Overflow);
    assert!(is_at_end(&mut theirs));
}

#[test]
fn stalled_reader_does_not_disturb_the_others() {
    let fanout = Fanout::new().unwrap();
    let (stalled, _stalled_peer) = tcp_pair();
    let (quick, mut quick_peer) = tcp_pair();
    let stalled_id = fanout.add(stalled.as_raw_fd(), 1 << 30).unwrap();
    let quick_id = fanout.add(quick.as_raw_fd(), ROOMY).unwrap();
    let block = vec![0; 1 << 20];
    until(|| {
        fanout.send(stalled_id, &block);
        fanout.queued_bytes(stalled_id) > 16 << 20
    });
    for number in 0..1000 {
        assert!(fanout.send_message(quick_id, number.to_string().as_bytes()));
        assert_eq!(message(&mut quick_peer), number.to_string());
    }
    let calls = fanout.statistics().send_calls;
    for number in 0..1000 {
        fanout.send(stalled_id, b"more");
        assert!(fanout.send_message(quick_id, number.to_string().as_bytes()));
        assert_eq!(message(&mut quick_peer), number.to_string());
    }
    let calls = fanout.statistics().send_calls - calls;
    assert!(calls < 1100, "a full socket is not tried again: {calls} calls");
    assert!(fanout.take_events().is_empty());
}

#[test]
fn long_queue_of_one_does_not_delay_another_past_one_pass() {
    let fanout = Fanout::new().unwrap();
    let (greedy, mut greedy_peer) = tcp_pair();
    let (modest, mut modest_peer) = tcp_pair();
    let greedy_id = fanout.add(greedy.as_raw_fd(), 1 << 30).unwrap();
    let modest_id = fanout.add(modest.as_raw_fd(), ROOMY).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while !done.load(Ordering::Relaxed) && greedy_peer.read(&mut buffer).unwrap_or(0) > 0 {}
        });
        let block = [0_u8; 16_000];
        let mut busy = 0;
        for number in 0..10 {
            while fanout.queued_bytes(greedy_id) < 32 << 20 {
                assert!(fanout.send(greedy_id, &block));
            }
            assert!(fanout.send_message(modest_id, number.to_string().as_bytes()));
            assert_eq!(message(&mut modest_peer), number.to_string());
            busy += usize::from(fanout.queued_bytes(greedy_id) > 0);
        }
        done.store(true, Ordering::Relaxed);
        drop(fanout);
        drop(greedy);
        assert!(
            busy > 5,
            "the long queue was meant to be under way when the other's message arrived: {busy} of 10"
        );
    });
}

#[test]
fn peer_that_left_is_reported_once_and_released_only_on_request() {
    for tcp in [false, true] {
        let fanout = Fanout::new().unwrap();
        let mut watcher = Watcher::new(&fanout);
        let (ours, theirs): (Box<dyn AsRawFd>, Box<dyn Send>) = if tcp {
            let (ours, theirs) = tcp_pair();
            (Box::new(ours), Box::new(theirs))
        } else {
            let (ours, theirs) = pair();
            (Box::new(ours), Box::new(theirs))
        };
        let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
        drop(theirs);
        until(|| {
            fanout.send(id, b"to nobody");
            watcher.look();
            watcher.of(id).contains(&Kind::Broken)
        });
        assert!(!fanout.send(id, b"to nobody"));
        assert_eq!(watcher.of(id), [Kind::Broken]);
        fanout.finish(id);
        watcher.wait_for(id, Kind::Released);
        assert_eq!(watcher.of(id), [Kind::Broken, Kind::Released]);
    }
}

#[test]
fn silent_connection_whose_peer_left_is_broken_without_a_send() {
    let fanout = Fanout::new().unwrap();
    let (ours, theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    drop(theirs);
    Watcher::new(&fanout).wait_for(id, Kind::Broken);
}

#[test]
fn finish_writes_out_what_was_queued_and_takes_nothing_after() {
    let fanout = Fanout::new().unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (ours, mut theirs) = pair();
    sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    fanout.subscribe(id, "a", form("a"));
    let data = format!("\"{}\"", "x".repeat(50_000));
    for offset in 1..=100 {
        fanout.publish("a", data.as_bytes(), offset);
    }
    fanout.finish(id);
    assert_eq!(fanout.publish("a", b"1", 101), 0);
    assert!(!fanout.send(id, b"late"));
    fanout.subscribe(id, "a", form("a"));
    assert_eq!(fanout.statistics().subscriptions, 0);
    watcher.look();
    assert_eq!(watcher.of(id), [], "not released before the peer read it");
    for offset in 1..=100 {
        assert_eq!(message(&mut theirs), push("a", &data, offset));
    }
    watcher.wait_for(id, Kind::Released);
    drop(ours);
    assert!(is_at_end(&mut theirs));
    assert_eq!(watcher.of(id), [Kind::Released]);
}

#[test]
fn connection_that_left_takes_raw_bytes_only() {
    let fanout = Fanout::new().unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    fanout.subscribe(id, "a", form("a"));
    assert_eq!(fanout.publish("a", b"1", 1), 1);
    fanout.leave(id);
    assert_eq!(fanout.publish("a", b"2", 2), 0);
    assert!(!fanout.send_message(id, b"late"));
    fanout.subscribe(id, "a", form("a"));
    assert_eq!(fanout.publish("a", b"3", 3), 0);
    assert!(fanout.send(id, b"\x81\x03bye"));
    fanout.finish(id);
    assert_eq!(messages(&mut theirs, 2), [push("a", "1", 1), "bye".to_owned()]);
    Watcher::new(&fanout).wait_for(id, Kind::Released);
}

#[test]
fn released_comes_exactly_once_whatever_the_order_of_the_calls() {
    let calls: [fn(&Fanout, u64); 5] = [
        Fanout::finish,
        Fanout::remove,
        |fanout, id| _ = fanout.send(id, &vec![0; 300_000]),
        |fanout, id| _ = fanout.send(id, &vec![0; 2 << 20]),
        Fanout::leave,
    ];
    for stalled in [false, true] {
        for plan in 0..5_usize.pow(3) {
            let fanout = Fanout::new().unwrap();
            let mut watcher = Watcher::new(&fanout);
            let (ours, theirs) = pair();
            let id = fanout.add(ours.as_raw_fd(), 1 << 20).unwrap();
            fanout.subscribe(id, "a", form("a"));
            if stalled {
                fanout.send(id, &vec![0; 500_000]);
            }
            for digit in [plan % 5, plan / 5 % 5, plan / 25] {
                calls[digit](&fanout, id);
                watcher.look();
            }
            fanout.remove(id);
            watcher.wait_for(id, Kind::Released);
            fanout.finish(id);
            fanout.remove(id);
            fanout.close();
            watcher.look();
            let seen = watcher.of(id);
            assert_eq!(seen.last(), Some(&Kind::Released), "plan {plan}: {seen:?}");
            let times = |kind| seen.iter().filter(|seen| **seen == kind).count();
            assert_eq!(times(Kind::Released), 1, "plan {plan}: {seen:?}");
            assert!(times(Kind::Overflow) <= 1, "plan {plan}: {seen:?}");
            assert_eq!(times(Kind::Broken), 0, "plan {plan}: {seen:?}");
            assert_eq!(fanout.statistics().subscriptions, 0);
            assert_eq!(fanout.queued_bytes(id), 0);
            drop(theirs);
        }
    }
}

#[test]
fn remove_ends_a_finish_whose_peer_does_not_read() {
    let fanout = Fanout::new().unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (ours, _theirs) = tcp_pair();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    assert!(fanout.send(id, &vec![0; 32 << 20]));
    let (other, mut other_peer) = tcp_pair();
    let other_id = fanout.add(other.as_raw_fd(), ROOMY).unwrap();
    fanout.finish(id);
    fanout.send_message(other_id, b"meanwhile");
    assert_eq!(message(&mut other_peer), "meanwhile");
    watcher.look();
    assert_eq!(watcher.of(id), []);
    fanout.remove(id);
    watcher.wait_for(id, Kind::Released);
}

#[test]
fn descriptor_number_used_again_at_once_serves_only_the_new_connection() {
    let fanout = Fanout::new().unwrap();
    let mut watcher = Watcher::new(&fanout);
    let mut reused = 0;
    let mut last = -1;
    for round in 0..300_u64 {
        let (ours, mut theirs) = pair();
        reused += usize::from(ours.as_raw_fd() == last);
        last = ours.as_raw_fd();
        let id = fanout.add(last, ROOMY).unwrap();
        assert_eq!(id, round + 1, "handles are never used again");
        fanout.subscribe(id, "a", form("a"));
        if round % 3 == 0 {
            // Full socket: an edge of room for the old connection may be on its way when the number changes hands.
            fanout.send(id, &vec![0; 1 << 20]);
            until(|| fanout.queued_bytes(id) < 1 << 20);
        } else {
            fanout.publish("a", b"1", round);
            assert_eq!(message(&mut theirs), push("a", "1", round));
        }
        if round % 2 == 0 {
            drop(theirs);
            watcher.wait_for(id, Kind::Broken);
        }
        fanout.remove(id);
        watcher.wait_for(id, Kind::Released);
        drop(ours);
    }
    assert!(reused > 100, "numbers were meant to be used again: {reused}");
    for seen in watcher.seen.values() {
        assert_eq!(seen.iter().filter(|kind| **kind == Kind::Released).count(), 1);
    }
}

#[test]
fn released_descriptor_is_no_longer_watched() {
    let fanout = Fanout::new().unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    fanout.remove(id);
    watcher.wait_for(id, Kind::Released);
    let again = fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    assert!(fanout.send_message(again, b"anew"));
    assert_eq!(message(&mut theirs), "anew");
}

#[test]
fn descriptor_cannot_be_added_twice_nor_when_it_is_none() {
    let fanout = Fanout::new().unwrap();
    let (ours, _theirs) = pair();
    fanout.add(ours.as_raw_fd(), ROOMY).unwrap();
    assert!(fanout.add(ours.as_raw_fd(), ROOMY).is_err());
    assert!(fanout.add(-1, ROOMY).is_err());
    assert!(fanout.add(1_000_000, ROOMY).is_err());
    assert_eq!(fanout.statistics().connections, 1);
}

#[test]
fn close_under_traffic_releases_everybody_and_leaves_the_rest_harmless() {
    let fanout = Fanout::new().unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..50).map(|_| pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), ROOMY).unwrap())
        .collect();
    for &id in &ids {
        fanout.subscribe(id, "a", form("a"));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (fanout, stop) = (&fanout, &stop);
        for _ in 0..2 {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    fanout.publish("a", b"[1,2,3]", 0);
                }
            });
        }
        until(|| fanout.statistics().deliveries > 1000);
        fanout.close();
        fanout.close();
        stop.store(true, Ordering::Relaxed);
    });
    let mut watcher = Watcher::new(&fanout);
    watcher.look();
    for &id in &ids {
        assert_eq!(watcher.of(id).last(), Some(&Kind::Released));
        assert_eq!(
            watcher.of(id).len(),
            1,
            "a roomy queue and a living peer have nothing else to say"
        );
        assert!(!fanout.send(id, b"late"));
    }
    assert_eq!(fanout.publish("a", b"1", 0), 0);
    assert!(fanout.add(ours[0].as_raw_fd(), ROOMY).is_err());
    assert_eq!(fanout.statistics().connections, 0);
    drop(theirs);
}

#[test]
fn thousand_connections_each_get_every_publication() {
    let fanout = Fanout::new().unwrap();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = (0..1000).map(|_| pair()).unzip();
    for (number, socket) in ours.iter().enumerate() {
        let id = fanout.add(socket.as_raw_fd(), ROOMY).unwrap();
        fanout.subscribe(id, "all", form("all"));
        fanout.subscribe(id, &format!("some {}", number % 7), form("some"));
    }
    let before = fanout.statistics();
    assert_eq!(
        (before.connections, before.subscriptions, before.channels),
        (1000, 2000, 8)
    );
    for offset in 1..=20 {
        assert_eq!(fanout.publish("all", b"{}", offset), 1000);
    }
    assert_eq!(fanout.publish("some 3", b"{}", 21), 143);
    for (number, peer) in theirs.iter_mut().enumerate() {
        for offset in 1..=20 {
            assert_eq!(message(peer), push("all", "{}", offset));
        }
        if number % 7 == 3 {
            assert_eq!(message(peer), push("some", "{}", 21));
        }
    }
    let after = fanout.statistics();
    assert_eq!(after.deliveries, 20_143);
    assert_eq!(after.queued_bytes, 0);
    let bytes = 20_000 * (push("all", "{}", 1).len() + 2) + 11_000 + 143 * (push("some", "{}", 21).len() + 2);
    assert_eq!(after.sent_bytes, bytes as u64);
}
