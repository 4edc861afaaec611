//! What all queues hold together: counted once per message, bounded, and paid for by those who read too slowly.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use _core::fanout::{Fanout, Kind};

use crate::peers::{ROOMY, Watcher, alone, message, pair, publish, push, terms, until, wanting};

const MIB: usize = 1 << 20;
/// More than a socket pair takes, so that the rest waits.
const MORE_THAN_A_SOCKET: usize = 8 * MIB;

struct Subscriber {
    id: u64,
    peer: UnixStream,
    _ours: UnixStream,
}

fn subscriber(fanout: &Fanout, channel: &str) -> Subscriber {
    let (ours, peer) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, channel, wanting("a"));
    Subscriber {
        id,
        peer,
        _ours: ours,
    }
}

/// Subscribers whose sockets are full.
fn full_subscribers(fanout: &Fanout, count: usize, channel: &str) -> Vec<Subscriber> {
    let subscribers: Vec<_> = (0..count).map(|_| subscriber(fanout, channel)).collect();
    for _ in 0..2 {
        publish(fanout, channel, &text(MORE_THAN_A_SOCKET / 2), 0);
    }
    settle(fanout);
    subscribers
}

fn text(bytes: usize) -> Vec<u8> {
    let mut data = vec![b'x'; bytes];
    data[0] = b'"';
    data[bytes - 1] = b'"';
    data
}

/// Wait until the writer has brought out what it can.
fn settle(fanout: &Fanout) {
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    for _ in 0..20 {
        fanout.send_message(id, b"pass");
        message(&mut theirs);
    }
    fanout.remove(id);
    until(|| !fanout.send(id, b""));
    until(|| fanout.take_events().iter().any(|event| event.connection == id));
}

#[test]
fn message_counts_once_for_all_queues_and_no_longer_than_the_last_of_them() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let mut subscribers = full_subscribers(&fanout, 40, "a");
    let statistics = fanout.statistics();
    assert!(statistics.queued_bytes > 40 * MORE_THAN_A_SOCKET / 2);
    assert!((MORE_THAN_A_SOCKET / 2..MORE_THAN_A_SOCKET + MIB).contains(&statistics.total_bytes));
    for each in &mut subscribers[1..] {
        for _ in 0..2 {
            message(&mut each.peer);
        }
    }
    settle(&fanout);
    assert!(
        fanout.statistics().total_bytes > MORE_THAN_A_SOCKET / 2,
        "one still needs it"
    );
    fanout.remove(subscribers[0].id);
    until(|| fanout.statistics().total_bytes == 0);
    assert_eq!(fanout.statistics().overflows, 0);
}

#[test]
fn small_messages_count_with_what_it_takes_to_keep_them() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let full = full_subscribers(&fanout, 10, "a");
    let before = fanout.statistics().total_bytes;
    for _ in 0..1000 {
        publish(&fanout, "a", b"1", 0);
    }
    let each = (fanout.statistics().total_bytes - before) / 1000;
    assert!(
        each > push("a", "1", 0).len() + 10 * 8,
        "{each} bytes for one in ten queues"
    );
    drop(full);
}

#[test]
fn longest_queues_are_cut_until_there_is_room_and_readers_are_spared() {
    let _alone = alone();
    let fanout = Fanout::new(32 * MIB).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let shorter = full_subscribers(&fanout, 2, "shorter");
    let longer = full_subscribers(&fanout, 2, "longer");
    publish(&fanout, "longer", &text(2 * MIB), 0);
    let mut quick = subscriber(&fanout, "all");
    for each in shorter.iter().chain(&longer) {
        fanout.subscribe(each.id, "all", wanting("a"));
    }
    watcher.look();
    assert!(
        watcher.seen.values().all(|kinds| kinds == &[Kind::Released]),
        "nobody was cut yet"
    );
    // Everybody's queue grows alike, and the reader's is empty again and again.
    let data = text(MIB);
    let mut published = 0;
    until(|| {
        publish(&fanout, "all", &data, 1);
        published += 1;
        message(&mut quick.peer);
        fanout.statistics().overflows > 0
    });
    for each in &longer {
        watcher.wait_for(each.id, Kind::Overflow);
        assert_eq!(fanout.queued_bytes(each.id), 0);
    }
    let held = fanout.statistics().total_bytes;
    assert!(held <= 32 * MIB / 8 * 7, "there is room again: {held}");
    for each in &shorter {
        assert!(
            fanout.queued_bytes(each.id) > published * MIB,
            "room was made without them"
        );
        assert_eq!(watcher.of(each.id), []);
    }
    assert_eq!(watcher.of(quick.id), []);
}

#[test]
fn budget_is_kept_when_all_who_wait_share_the_same_messages() {
    let _alone = alone();
    let fanout = Fanout::new(16 * MIB).unwrap();
    let slow = full_subscribers(&fanout, 20, "a");
    let mut quick = subscriber(&fanout, "a");
    let data = text(MIB);
    for _ in 0..100 {
        publish(&fanout, "a", &data, 1);
        let held = fanout.statistics().total_bytes;
        assert!(held <= 16 * MIB, "{held}");
        assert_eq!(message(&mut quick.peer).len(), push("a", "", 1).len() + MIB);
    }
    let statistics = fanout.statistics();
    assert!((1..=20).contains(&statistics.overflows));
    drop(slow);
}

#[test]
fn budget_is_kept_when_more_is_published_at_once_than_anybody_could_read() {
    let _alone = alone();
    let fanout = Fanout::new(4 * MIB).unwrap();
    let subscribers: Vec<_> = (0..4).map(|n| subscriber(&fanout, &format!("{n}"))).collect();
    let data = text(3 * MIB);
    for _ in 0..5 {
        for n in 0..4 {
            publish(&fanout, &format!("{n}"), &data, 0);
            // What the writer has in its hands counts as well.
            let held = fanout.statistics().total_bytes;
            assert!(held <= 7 * MIB, "{held}");
        }
    }
    until(|| fanout.statistics().total_bytes <= 4 * MIB);
    assert!(fanout.statistics().overflows >= 3);
    drop(subscribers);
}

#[test]
fn messages_for_one_connection_count_as_publications_do() {
    let _alone = alone();
    let fanout = Fanout::new(16 * MIB).unwrap();
    let slow: Vec<_> = (0..20).map(|_| subscriber(&fanout, "a")).collect();
    for each in slow.iter().cycle().take(40) {
        fanout.send(each.id, &vec![0; MIB]);
        fanout.send_message(each.id, &text(MIB));
        let held = fanout.statistics().total_bytes;
        assert!(held <= 18 * MIB, "{held}");
    }
    assert!(fanout.statistics().overflows > 0);
}
