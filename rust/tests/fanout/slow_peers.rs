//! Peers that read slowly or not at all: they are cut, and the others notice nothing.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use _core::fanout::{Fanout, Kind, Subscription, Terms};
use _core::wire::{Framing, Publication, Reader};

use crate::peers::{
    ROOMY, ROOMY_IN_ALL, Watcher, alone, is_at_end, message, pair, publish, push, tcp_pair, terms, until,
    wanting,
};

#[test]
fn full_queue_cuts_that_connection_alone_and_says_so_once() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (slow, mut slow_peer) = tcp_pair();
    let (quick, mut quick_peer) = tcp_pair();
    let slow_id = fanout.add(slow.as_raw_fd(), terms(1 << 20)).unwrap();
    let quick_id = fanout.add(quick.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(slow_id, "a", wanting("a"));
    fanout.subscribe(quick_id, "a", wanting("a"));
    let data = format!("\"{}\"", "x".repeat(100_000));
    let mut watcher = Watcher::new(&fanout);
    let mut offset = 0;
    until(|| {
        offset += 1;
        let taken = publish(&fanout, "a", data.as_bytes(), offset);
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(100)).unwrap();
    assert!(!fanout.send(id, &[0; 101]));
    Watcher::new(&fanout).wait_for(id, Kind::Overflow);
    assert!(is_at_end(&mut theirs));
}

/// As one does that pings without end and reads no pong.
#[test]
fn peer_for_whom_any_number_of_next_to_nothing_waits_is_cut_for_the_memory_of_it() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, _theirs) = pair();
    let limit = 4 << 20;
    let id = fanout.add(ours.as_raw_fd(), terms(limit)).unwrap();
    let block = vec![0; 256 << 10];
    until(|| {
        assert!(fanout.send(id, &block));
        fanout.queued_bytes(id) > 1 << 20
    });
    let (before, mut most) = (fanout.statistics().total_bytes, 0);
    while fanout.send(id, b"\x8a\x00") {
        most = fanout.statistics().total_bytes - before;
    }
    assert!((limit / 2..=limit + limit / 8).contains(&most), "{most}");
    assert_eq!(fanout.find_cut(id), Some(Kind::Overflow));
}

#[test]
fn whose_connection_is_cut_can_know_why_at_once() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(100)).unwrap();
    assert_eq!(fanout.find_cut(id), None);
    assert!(!fanout.send(id, &[0; 101]));
    assert_eq!(
        fanout.find_cut(id),
        Some(Kind::Overflow),
        "before the writer came by"
    );
    assert!(is_at_end(&mut theirs));
    assert_eq!(fanout.find_cut(id), Some(Kind::Overflow));
    fanout.remove(id);
    Watcher::new(&fanout).wait_for(id, Kind::Released);
    assert_eq!(fanout.find_cut(id), None, "gone");
}

#[test]
fn stalled_reader_does_not_disturb_the_others() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (stalled, _stalled_peer) = tcp_pair();
    let (quick, mut quick_peer) = tcp_pair();
    let stalled_id = fanout.add(stalled.as_raw_fd(), terms(1 << 30)).unwrap();
    let quick_id = fanout.add(quick.as_raw_fd(), terms(ROOMY)).unwrap();
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (greedy, mut greedy_peer) = tcp_pair();
    let (modest, mut modest_peer) = tcp_pair();
    let greedy_id = fanout.add(greedy.as_raw_fd(), terms(1 << 30)).unwrap();
    let modest_id = fanout.add(modest.as_raw_fd(), terms(ROOMY)).unwrap();
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
fn socket_that_takes_nothing_is_cut_and_one_with_nothing_to_take_is_not() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let patience = |milliseconds| Terms {
        write_limit: Duration::from_millis(milliseconds),
        ..terms(ROOMY)
    };
    let (idle, mut idle_peer) = pair();
    let idle_id = fanout.add(idle.as_raw_fd(), patience(20)).unwrap();
    assert!(fanout.send_message(idle_id, b"all of it fits"));
    let (patient, _patient_peer) = pair();
    let patient_id = fanout.add(patient.as_raw_fd(), patience(600_000)).unwrap();
    assert!(fanout.send(patient_id, &vec![0; 4 << 20]));
    let (stalled, mut stalled_peer) = pair();
    let stalled_id = fanout.add(stalled.as_raw_fd(), patience(100)).unwrap();
    let (leaving, mut leaving_peer) = pair();
    let leaving_id = fanout.add(leaving.as_raw_fd(), patience(50)).unwrap();
    for id in [stalled_id, leaving_id] {
        assert!(fanout.send(id, &vec![0; 4 << 20]));
    }
    fanout.finish(leaving_id);
    watcher.wait_for(leaving_id, Kind::Released);
    watcher.wait_for(stalled_id, Kind::Stalled);
    assert!(!fanout.send(stalled_id, b"late"));
    for peer in [&mut stalled_peer, &mut leaving_peer] {
        let mut rest = Vec::new();
        let _ = peer.read_to_end(&mut rest);
        assert!(
            (1..4 << 20).contains(&rest.len()),
            "what the kernel had, then the end"
        );
    }
    fanout.remove(stalled_id);
    watcher.wait_for(stalled_id, Kind::Released);
    assert_eq!(watcher.of(stalled_id), [Kind::Stalled, Kind::Released]);
    assert_eq!(watcher.of(leaving_id), [Kind::Stalled, Kind::Released]);
    assert_eq!(watcher.of(idle_id), []);
    assert_eq!(watcher.of(patient_id), []);
    let statistics = fanout.statistics();
    assert_eq!((statistics.stalls, statistics.overflows), (2, 0));
    assert_eq!(message(&mut idle_peer), "all of it fits");
}

/// Whatever it reads and however it wants it.
fn every_kind() -> impl Iterator<Item = (Reader, Subscription)> {
    let framings = [
        Framing::TextMessages,
        Framing::Lines,
        Framing::Events,
        Framing::BinaryMessages,
        Framing::Delimited,
    ];
    let readers = framings.into_iter().flat_map(|framing| {
        [false, true].map(|unidirectional| Reader {
            framing,
            unidirectional,
        })
    });
    readers.flat_map(|reader| {
        [0, 1, 2, 3].map(|wish| {
            let subscription = Subscription {
                delta: wish == 1,
                detailed: wish == 2,
                conflate: wish == 3,
                ..wanting("a")
            };
            (reader, subscription)
        })
    })
}

#[test]
fn in_every_form_a_stalled_reader_costs_the_others_no_send_and_is_cut_at_its_limit_or_skips() {
    const LIMIT: usize = 100_000;
    let _alone = alone();
    for (reader, subscription) in every_kind() {
        let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
        let mut watcher = Watcher::new(&fanout);
        let (stalled, _stalled_peer) = pair();
        let (quick, mut quick_peer) = pair();
        let served = |max_queue_bytes| Terms {
            reader,
            ..terms(max_queue_bytes)
        };
        let stalled_id = fanout.add(stalled.as_raw_fd(), served(LIMIT)).unwrap();
        let quick_id = fanout.add(quick.as_raw_fd(), served(ROOMY)).unwrap();
        fanout.subscribe(stalled_id, "a", subscription.clone());
        fanout.subscribe(quick_id, "a", subscription.clone());
        quick_peer.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut publish_and_read = |offset: u64| {
            // Numbers that repeat nothing, so that a delta is not much less.
            let numbers: Vec<u64> = (0..500_u64)
                .map(|n| (offset * 500 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .collect();
            let data = format!("{numbers:?}");
            let publication = Publication {
                payload: data.as_bytes(),
                detail: Some(data.as_bytes()),
                offset,
                info: None,
                brings_schema: false,
            };
            fanout.publish("a", &publication);
            until(|| {
                while quick_peer.read(&mut buffer).is_ok_and(|count| count > 0) {}
                fanout.queued_bytes(quick_id) == 0
            });
        };
        let is_over = || {
            if subscription.conflate {
                fanout.statistics().conflated > 50
            } else {
                fanout.find_cut(stalled_id).is_some()
            }
        };
        let mut offset = 0;
        let mut waited = 0;
        while !is_over() {
            offset += 1;
            publish_and_read(offset);
            let waits = fanout.queued_bytes(stalled_id);
            assert!(waits <= LIMIT, "{reader:?} {subscription:?}: {waits}");
            waited += u64::from(waits > 0);
        }
        assert!(waited > 3, "it was stalled for a while");
        assert_eq!(fanout.find_cut(quick_id), None);
        if subscription.conflate {
            assert_eq!(fanout.find_cut(stalled_id), None);
        } else {
            watcher.wait_for(stalled_id, Kind::Overflow);
        }
        let calls = fanout.statistics().send_calls;
        for _ in 0..20 {
            offset += 1;
            publish_and_read(offset);
        }
        let calls = fanout.statistics().send_calls - calls;
        assert!(
            calls < 40,
            "{reader:?} {subscription:?}: {calls} calls for 20 publications"
        );
        assert_eq!(watcher.of(quick_id), []);
    }
}

#[test]
fn in_every_form_a_socket_that_takes_nothing_is_cut_in_time() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let stalled: Vec<_> = every_kind()
        .map(|(reader, subscription)| {
            let (ours, theirs) = pair();
            let served = Terms {
                reader,
                max_queue_bytes: ROOMY,
                write_limit: Duration::from_millis(50),
            };
            let id = fanout.add(ours.as_raw_fd(), served).unwrap();
            fanout.subscribe(id, "a", subscription);
            (id, ours, theirs)
        })
        .collect();
    let data = format!("\"{}\"", "x".repeat(4 << 20));
    publish(&fanout, "a", data.as_bytes(), 1);
    for (id, _, _) in &stalled {
        watcher.wait_for(*id, Kind::Stalled);
    }
    assert_eq!(fanout.statistics().stalls, stalled.len() as u64);
    assert_eq!(fanout.statistics().overflows, 0);
}
