//! Subscribers that prefer the newest publication to all of them: who reads slowly skips some, and is not cut for them.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use _core::fanout::{Fanout, Kind, Subscription, Terms};
use _core::wire::Publication;
use proptest::prelude::*;
use rustix::net::sockopt;
use serde_json::Value;

use crate::peers::{
    BORDER, ROOMY, ROOMY_IN_ALL, Watcher, alone, crowd, message, pair, publish, push, tcp_pair, terms, until,
    wanting,
};

/// Little more than one of the publications in here.
const TIGHT: usize = 4096;

fn newest(spelling: &str) -> Subscription {
    Subscription {
        conflate: true,
        ..wanting(spelling)
    }
}

/// A connection whose socket holds a few of the publications in here.
fn narrow(fanout: &Fanout, terms: Terms) -> (u64, UnixStream, UnixStream) {
    let (ours, theirs) = pair();
    sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let id = fanout.add(ours.as_raw_fd(), terms).unwrap();
    (id, theirs, ours)
}

fn data(number: u64) -> String {
    format!("[{number},\"{}\"]", "x".repeat(1000))
}

fn number_of(text: &str) -> u64 {
    let push: Value = serde_json::from_str(text).unwrap();
    push["push"]["pub"]["data"][0].as_u64().unwrap()
}

fn publish_numbered(fanout: &Fanout, channel: &str, number: u64) -> usize {
    publish(fanout, channel, data(number).as_bytes(), number)
}

fn publish_schema(fanout: &Fanout, channel: &str, number: u64) {
    let data = data(number);
    let publication = Publication {
        payload: data.as_bytes(),
        detail: None,
        offset: number,
        info: None,
        brings_schema: true,
    };
    fanout.publish(channel, &publication);
}

#[test]
fn slow_reader_is_not_cut_and_ends_with_the_newest_while_the_others_get_everything() {
    const LAST: u64 = 2000;
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (slow, mut slow_peer, _slow) = narrow(&fanout, terms(TIGHT));
    let (quick_ours, mut quick_peer) = tcp_pair();
    let quick = fanout.add(quick_ours.as_raw_fd(), terms(ROOMY)).unwrap();
    for id in [slow, quick] {
        fanout.subscribe(id, "a", newest("a"));
    }
    for number in 1..=LAST {
        assert_eq!(publish_numbered(&fanout, "a", number), 2);
        assert_eq!(message(&mut quick_peer), push("a", &data(number), number));
    }
    let waiting = fanout.queued_bytes(slow);
    assert!(
        waiting <= 3 * data(0).len(),
        "{waiting}: one, and one that has begun"
    );
    let mut read = vec![0];
    while *read.last().unwrap() < LAST {
        read.push(number_of(&message(&mut slow_peer)));
    }
    assert!(read.is_sorted_by(|before, after| before < after));
    let statistics = fanout.statistics();
    assert_eq!(statistics.conflated + read.len() as u64 - 1, LAST);
    assert!(statistics.conflated > LAST / 2, "it was meant to be slow");
    assert_eq!((statistics.overflows, statistics.deliveries), (0, 2 * LAST));
    assert!(fanout.take_events().is_empty());
    publish_numbered(&fanout, "a", LAST + 1);
    assert_eq!(
        number_of(&message(&mut slow_peer)),
        LAST + 1,
        "it is served as before"
    );
}

#[test]
fn slow_reader_in_a_crowd_skips_and_the_crowd_gets_everything() {
    const LAST: u64 = 500;
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (slow, mut slow_peer, _slow) = narrow(&fanout, terms(TIGHT));
    fanout.subscribe(slow, "a", newest("a"));
    let mut others = crowd(&fanout, "a", BORDER);
    for number in 1..=LAST {
        assert_eq!(publish_numbered(&fanout, "a", number), others.len() + 1);
    }
    for (_, peer) in &mut others {
        for number in 1..=LAST {
            assert_eq!(message(peer), push("a", &data(number), number));
        }
    }
    let mut read = vec![0];
    while *read.last().unwrap() < LAST {
        read.push(number_of(&message(&mut slow_peer)));
    }
    assert!(read.is_sorted_by(|before, after| before < after));
    let statistics = fanout.statistics();
    assert_eq!(statistics.conflated + read.len() as u64 - 1, LAST);
    assert!(statistics.conflated > LAST / 2, "it was meant to be slow");
    assert_eq!(statistics.overflows, 0);
}

#[test]
fn full_socket_is_reason_enough_however_much_room_there_is() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (id, mut peer, _ours) = narrow(&fanout, terms(ROOMY));
    fanout.subscribe(id, "a", newest("a"));
    let mut last = 0;
    until(|| {
        last += 1;
        publish_numbered(&fanout, "a", last);
        assert!(
            fanout.queued_bytes(id) < ROOMY / 2,
            "it does not come near its limit"
        );
        fanout.statistics().conflated > 100
    });
    let waiting = fanout.queued_bytes(id);
    assert!(waiting <= 3 * data(0).len(), "{waiting}");
    while number_of(&message(&mut peer)) < last {}
}

#[test]
fn publications_that_bring_a_schema_are_given_up_only_for_the_next_that_does() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (id, mut peer, _ours) = narrow(&fanout, terms(TIGHT));
    fanout.subscribe(id, "a", newest("a"));
    let mut last = 0;
    until(|| {
        last += 1;
        publish_numbered(&fanout, "a", last);
        fanout.statistics().conflated > 0
    });
    let schema = last + 2;
    publish_schema(&fanout, "a", last + 1);
    publish_schema(&fanout, "a", schema);
    for number in schema + 1..schema + 100 {
        publish_numbered(&fanout, "a", number);
    }
    let mut read = vec![0];
    while *read.last().unwrap() < schema + 99 {
        read.push(number_of(&message(&mut peer)));
    }
    // The writer looks at a full socket now and then, and the kernel may have found room: then more comes between.
    assert!(read.contains(&schema) && !read.contains(&(last + 1)));
}

#[test]
fn what_cannot_be_conflated_still_cuts_at_the_limit() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (id, _peer, _ours) = narrow(&fanout, terms(TIGHT));
    fanout.subscribe(id, "a", newest("a"));
    fanout.subscribe(id, "all of it", wanting("all of it"));
    let mut number = 0;
    until(|| {
        number += 1;
        publish_numbered(&fanout, "a", number);
        fanout.statistics().conflated > 10
    });
    assert_eq!(fanout.find_cut(id), None);
    let taken = (0..10).filter(|_| publish_numbered(&fanout, "all of it", 1) == 1);
    assert!(
        taken.count() >= 1,
        "what can be conflated takes nothing of the limit"
    );
    watcher.wait_for(id, Kind::Overflow);
    let (other, _peer, _ours) = narrow(&fanout, terms(TIGHT));
    fanout.subscribe(other, "b", newest("b"));
    publish(&fanout, "b", format!("\"{}\"", "x".repeat(TIGHT)).as_bytes(), 1);
    watcher.wait_for(other, Kind::Overflow);
}

#[test]
fn peer_that_takes_nothing_at_all_is_cut_though_what_waits_for_it_does_not_grow() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let patience = Terms {
        write_limit: Duration::from_millis(50),
        ..terms(TIGHT)
    };
    let (id, _peer, _ours) = narrow(&fanout, patience);
    fanout.subscribe(id, "a", newest("a"));
    let mut number = 0;
    until(|| {
        number += 1;
        publish_numbered(&fanout, "a", number);
        fanout.find_cut(id).is_some()
    });
    watcher.wait_for(id, Kind::Stalled);
    assert_eq!(fanout.statistics().overflows, 0);
}

#[test]
fn who_conflates_gets_no_deltas() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (id, mut peer, _ours) = narrow(&fanout, terms(ROOMY));
    let both = Subscription {
        delta: true,
        ..newest("a")
    };
    fanout.subscribe(id, "a", both);
    for number in 1..=3 {
        publish_numbered(&fanout, "a", number);
        assert_eq!(message(&mut peer), push("a", &data(number), number));
    }
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Publish(usize, bool),
    Reply,
    Read(usize),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        16 => (0_usize..3, prop::bool::weighted(0.1)).prop_map(|(channel, schema)| Move::Publish(channel, schema)),
        1 => Just(Move::Reply),
        1 => (1_usize..8000).prop_map(Move::Read),
    ]
}

/// What a reader knows of a channel, and what it must come to know.
#[derive(Default)]
struct Followed {
    published: Vec<(u64, bool)>,
    read: Vec<u64>,
}

impl Followed {
    /// The last schema up to `number`.
    fn schema_of(&self, number: u64) -> Option<u64> {
        let until = self.published.iter().rev().skip_while(|(its, _)| *its > number);
        until.filter(|(_, brings)| *brings).map(|(its, _)| *its).next()
    }

    fn check(&self) {
        assert!(self.read.is_sorted_by(|before, after| before < after));
        assert_eq!(
            self.read.last(),
            self.published.last().map(|(number, _)| number),
            "the newest came"
        );
        for number in &self.read {
            let schema = self.schema_of(*number);
            assert!(
                schema.is_none_or(|schema| self.read.contains(&schema)),
                "{number} can be read"
            );
        }
    }
}

/// A reader that takes what it is told to, and looks at it in the end.
struct Sipping {
    peer: UnixStream,
    taken: Vec<u8>,
}

impl Sipping {
    /// Take up to `bytes` of what there is, when there is something or nothing `waits`.
    fn sip(&mut self, bytes: usize, waits: impl Fn() -> bool) {
        let mut sip = vec![0; bytes];
        self.peer.set_nonblocking(true).unwrap();
        until(|| {
            let taken = self.peer.read(&mut sip);
            self.taken.extend(&sip[..*taken.as_ref().unwrap_or(&0)]);
            taken.is_ok() || !waits()
        });
    }

    /// All messages up to this one.
    fn rest(&mut self, last: &str) -> Vec<String> {
        self.peer.set_nonblocking(false).unwrap();
        let mut from = self.taken.as_slice().chain(&mut self.peer);
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != last) {
            texts.push(message(&mut from));
        }
        texts
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn however_slowly_it_is_read_the_newest_of_each_channel_comes_and_nothing_that_cannot_be_read(
        moves in prop::collection::vec(any_move(), 1..400),
        crowds in any::<[bool; 3]>(),
    ) {
        let _alone = alone();
        let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
        let (id, peer, _ours) = narrow(&fanout, terms(TIGHT));
        let mut reader = Sipping { peer, taken: Vec::new() };
        let mut channels: BTreeMap<String, Followed> = BTreeMap::new();
        for channel in ["0", "1", "2"] {
            fanout.subscribe(id, channel, newest(channel));
        }
        let crowds = ["0", "1", "2"].into_iter().zip(crowds).filter(|(_, is_crowded)| *is_crowded);
        let _crowds: Vec<_> = crowds.map(|(channel, _)| crowd(&fanout, channel, BORDER)).collect();
        let (mut number, mut replies) = (0, Vec::new());
        for step in moves {
            match step {
                Move::Publish(channel, schema) => {
                    number += 1;
                    let channel = channel.to_string();
                    if schema {
                        publish_schema(&fanout, &channel, number);
                    } else {
                        publish_numbered(&fanout, &channel, number);
                    }
                    channels.entry(channel).or_default().published.push((number, schema));
                }
                Move::Reply => {
                    let reply = format!("reply {number}");
                    prop_assert!(fanout.send_message(id, reply.as_bytes()));
                    replies.push(reply);
                }
                Move::Read(bytes) => reader.sip(bytes, || fanout.queued_bytes(id) > 0),
            }
        }
        replies.push("end".to_owned());
        prop_assert!(fanout.send_message(id, b"end"));
        let texts = reader.rest("end");
        prop_assert_eq!(fanout.find_cut(id), None);
        let (pushes, others): (Vec<_>, Vec<_>) = texts.into_iter().partition(|text| text.starts_with('{'));
        prop_assert_eq!(others, replies, "every one, and in order");
        for text in &pushes {
            let (_, rest) = text.split_once("\"channel\":\"").unwrap();
            channels.get_mut(&rest[..1]).unwrap().read.push(number_of(text));
        }
        for followed in channels.values() {
            followed.check();
        }
        prop_assert_eq!(pushes.len() as u64 + fanout.statistics().conflated, number);
    }
}
