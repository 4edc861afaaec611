//! Subscribers that read details: one publication in two payloads, at one offset.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use _core::fanout::{Fanout, Subscription};
use _core::wire::Publication;

use crate::peers::{ROOMY, ROOMY_IN_ALL, alone, message, messages, pair, publish, push, terms, wanting};

fn detailed() -> Subscription {
    Subscription {
        detailed: true,
        ..wanting("a")
    }
}

fn publish_both(fanout: &Fanout, plain: &str, detail: &str, offset: u64) -> usize {
    let publication = Publication {
        payload: plain.as_bytes(),
        detail: Some(detail.as_bytes()),
        offset,
        info: None,
        brings_schema: false,
    };
    fanout.publish("a", &publication)
}

/// A connection that is subscribed so; its own end must outlive the fan-out.
fn join(fanout: &Fanout, subscription: Subscription) -> (u64, UnixStream, UnixStream) {
    let (ours, theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", subscription);
    (id, theirs, ours)
}

#[test]
fn each_reads_the_payload_it_asked_for_and_each_is_encoded_once() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut plain: Vec<_> = (0..3).map(|_| join(&fanout, wanting("a"))).collect();
    let mut full: Vec<_> = (0..3).map(|_| join(&fanout, detailed())).collect();
    assert_eq!(publish_both(&fanout, "1", "[1,\n2]", 7), 6);
    assert_eq!(fanout.statistics().encodings, 2);
    assert_eq!(publish(&fanout, "a", b"3", 8), 6);
    for (_, peer, _) in &mut plain {
        assert_eq!(messages(peer, 2), [push("a", "1", 7), push("a", "3", 8)]);
    }
    for (_, peer, _) in &mut full {
        assert_eq!(messages(peer, 2), [push("a", "[1, 2]", 7), push("a", "3", 8)]);
    }
    let figures = fanout.statistics();
    assert_eq!((figures.channels, figures.subscriptions), (1, 6));
}

#[test]
fn what_is_wanted_can_be_changed_and_ends_as_any_subscription() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (id, mut peer, _ours) = join(&fanout, detailed());
    publish_both(&fanout, "1", "\"one\"", 1);
    fanout.subscribe(id, "a", wanting("a"));
    publish_both(&fanout, "2", "\"two\"", 2);
    fanout.subscribe(id, "a", detailed());
    publish_both(&fanout, "3", "\"three\"", 3);
    fanout.unsubscribe(id, "a");
    assert_eq!(publish_both(&fanout, "4", "\"four\"", 4), 0);
    let expected = [
        push("a", "\"one\"", 1),
        push("a", "2", 2),
        push("a", "\"three\"", 3),
    ];
    assert_eq!(messages(&mut peer, 3), expected);
}

#[test]
fn deltas_are_of_plain_payloads_and_go_to_those_who_read_these() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let both = Subscription {
        delta: true,
        ..detailed()
    };
    let (_, mut full, _ours) = join(&fanout, both);
    let deltas = Subscription {
        delta: true,
        ..wanting("a")
    };
    let (_, mut plain, _its) = join(&fanout, deltas);
    let filler = "x".repeat(200);
    for number in 1..3 {
        let payload = format!("[\"{filler}\",{number}]");
        publish_both(&fanout, &payload, &format!("{{\"n\":{number}}}"), number);
    }
    for number in 1..3 {
        let data = format!("{{\"n\":{number}}}");
        assert_eq!(message(&mut full), push("a", &data, number));
        assert_eq!(message(&mut plain).contains("\"delta\":true"), number == 2);
    }
}
