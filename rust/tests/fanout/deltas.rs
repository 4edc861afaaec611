//! Subscribers that read deltas: what each applies them to is what it got before, whenever it came.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use _core::delta;
use _core::fanout::{Fanout, Subscription};
use serde_json::Value;

use crate::fossil::apply;
use crate::peers::{ROOMY, alone, message, pair, publish, terms, until, wanting};

const MIB: usize = 1 << 20;

/// A subscriber that applies what it gets, as an SDK does.
struct Follower {
    id: u64,
    peer: UnixStream,
    _ours: UnixStream,
    last: Option<String>,
}

fn deltas() -> Subscription {
    Subscription {
        delta: true,
        ..wanting("a")
    }
}

fn follower(fanout: &Fanout) -> Follower {
    let (ours, peer) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", deltas());
    Follower {
        id,
        peer,
        _ours: ours,
        last: None,
    }
}

impl Follower {
    /// The next publication, and whether it came as a delta.
    fn next(&mut self) -> (String, bool) {
        let push: Value = serde_json::from_str(&message(&mut self.peer)).unwrap();
        let publication = &push["push"]["pub"];
        let data = publication["data"].as_str().unwrap().to_owned();
        let is_delta = publication["delta"] == true;
        let text = if is_delta {
            let base = self.last.as_ref().expect("something to apply a delta to");
            String::from_utf8(apply(base.as_bytes(), data.as_bytes()).unwrap()).unwrap()
        } else {
            data
        };
        self.last = Some(text.clone());
        (text, is_delta)
    }
}

/// A payload like the others, but for the number in it.
fn payload(number: usize) -> String {
    let names = "ä€😀\\\"\n".repeat(20);
    format!("{{\"names\":\"{names}\",\"number\":{number},\"more\":\"{names}\"}}")
}

fn publish_numbered(fanout: &Fanout, number: usize) -> usize {
    publish(fanout, "a", payload(number).as_bytes(), number as u64)
}

#[test]
fn first_publication_is_full_and_the_others_follow_as_deltas() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let mut early = follower(&fanout);
    publish_numbered(&fanout, 1);
    publish_numbered(&fanout, 2);
    let mut late = follower(&fanout);
    for number in 3..6 {
        assert_eq!(publish_numbered(&fanout, number), 2);
    }
    for number in 1..6 {
        assert_eq!(early.next(), (payload(number), number > 1));
    }
    for number in 3..6 {
        assert_eq!(late.next(), (payload(number), number > 3));
    }
}

#[test]
fn subscribing_again_begins_anew() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let (mut one, mut other) = (follower(&fanout), follower(&fanout));
    publish_numbered(&fanout, 1);
    fanout.subscribe(one.id, "a", deltas());
    publish_numbered(&fanout, 2);
    fanout.unsubscribe(one.id, "a");
    publish_numbered(&fanout, 3);
    fanout.subscribe(one.id, "a", deltas());
    publish_numbered(&fanout, 4);
    for (number, is_delta) in [(1, false), (2, false), (4, false)] {
        assert_eq!(one.next(), (payload(number), is_delta));
    }
    for number in 1..5 {
        assert_eq!(other.next(), (payload(number), number > 1));
    }
}

#[test]
fn delta_that_saves_nothing_is_no_delta_and_the_next_builds_on_what_was_published() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let mut follower = follower(&fanout);
    let large = format!("\"{}\"", "x".repeat(delta::MAX_BYTES));
    let payloads = [
        &payload(1),
        "[1, 2,\n3]",
        "\"x\"",
        &payload(2),
        &payload(3),
        &large,
        &large,
        &payload(4),
    ];
    for data in payloads {
        publish(&fanout, "a", data.as_bytes(), 0);
    }
    for (place, data) in payloads.into_iter().enumerate() {
        assert_eq!(follower.next(), (data.to_owned(), place == 4));
    }
}

#[test]
fn others_of_the_channel_get_values_and_nothing_is_encoded_twice() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let mut followers: Vec<_> = (0..3).map(|_| follower(&fanout)).collect();
    let (ours, mut plain) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("a"));
    let encodings = || fanout.statistics().encodings;
    publish_numbered(&fanout, 1);
    assert_eq!(encodings(), 2, "a value and a text");
    publish_numbered(&fanout, 2);
    assert_eq!(encodings(), 4, "a value and a delta");
    let mut late = follower(&fanout);
    publish_numbered(&fanout, 3);
    assert_eq!(encodings(), 7, "a value, a text and a delta");
    for number in 1..4 {
        for follower in &mut followers {
            assert_eq!(follower.next(), (payload(number), number > 1));
        }
        let push: Value = serde_json::from_str(&message(&mut plain)).unwrap();
        assert_eq!(push["push"]["pub"]["data"]["number"], number);
    }
    assert_eq!(late.next(), (payload(3), false));
}

#[test]
fn last_publication_is_kept_only_while_somebody_reads_deltas() {
    let _alone = alone();
    let fanout = Fanout::new(64 * MIB).unwrap();
    let (mut one, mut other) = (follower(&fanout), follower(&fanout));
    let drained = |bytes: std::ops::Range<usize>| until(|| bytes.contains(&fanout.statistics().total_bytes));
    let kept = payload(1).len()..payload(1).len() + 200;
    publish_numbered(&fanout, 1);
    for follower in [&mut one, &mut other] {
        assert_eq!(follower.next(), (payload(1), false));
    }
    drained(kept.clone());
    fanout.subscribe(one.id, "a", wanting("a"));
    drained(kept.clone());
    fanout.remove(other.id);
    drained(0..1);
    publish_numbered(&fanout, 2);
    message(&mut one.peer);
    drained(0..1);
    fanout.subscribe(one.id, "a", deltas());
    publish_numbered(&fanout, 3);
    message(&mut one.peer);
    drained(kept);
    let large = format!("\"{}\"", "x".repeat(delta::MAX_BYTES));
    publish(&fanout, "a", large.as_bytes(), 0);
    message(&mut one.peer);
    drained(0..1);
    publish_numbered(&fanout, 4);
    message(&mut one.peer);
    until(|| fanout.queued_bytes(one.id) == 0);
    assert!(fanout.statistics().total_bytes > 0);
    fanout.unsubscribe(one.id, "a");
    drained(0..1);
}

#[test]
fn where_memory_is_short_publications_go_out_in_full() {
    let _alone = alone();
    let fanout = Fanout::new(MIB).unwrap();
    let mut follower = follower(&fanout);
    let (slow, _slow_peer) = pair();
    let slow_id = fanout.add(slow.as_raw_fd(), terms(ROOMY)).unwrap();
    // In one piece, so that it counts until all of it is sent.
    assert!(fanout.send(slow_id, &vec![0; MIB * 3 / 4]));
    publish_numbered(&fanout, 1);
    publish_numbered(&fanout, 2);
    fanout.remove(slow_id);
    until(|| fanout.statistics().total_bytes < MIB / 2);
    publish_numbered(&fanout, 3);
    publish_numbered(&fanout, 4);
    for number in 1..5 {
        assert_eq!(follower.next(), (payload(number), number == 4));
    }
}
