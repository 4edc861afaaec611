//! How connections end, and what becomes of their descriptors.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use _core::fanout::{Fanout, Kind};
use rustix::net::sockopt;

use crate::peers::{
    ROOMY, ROOMY_IN_ALL, Watcher, alone, is_at_end, message, messages, pair, publish, push, tcp_pair, terms,
    until, wanting,
};

#[test]
fn peer_that_left_is_reported_once_and_released_only_on_request() {
    let _alone = alone();
    for tcp in [false, true] {
        let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
        let mut watcher = Watcher::new(&fanout);
        let (ours, theirs): (Box<dyn AsRawFd>, Box<dyn Send>) = if tcp {
            let (ours, theirs) = tcp_pair();
            (Box::new(ours), Box::new(theirs))
        } else {
            let (ours, theirs) = pair();
            (Box::new(ours), Box::new(theirs))
        };
        let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    drop(theirs);
    Watcher::new(&fanout).wait_for(id, Kind::Broken);
}

#[test]
fn finish_writes_out_what_was_queued_and_takes_nothing_after() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (ours, mut theirs) = pair();
    sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("a"));
    let data = format!("\"{}\"", "x".repeat(50_000));
    for offset in 1..=100 {
        publish(&fanout, "a", data.as_bytes(), offset);
    }
    fanout.finish(id);
    assert_eq!(publish(&fanout, "a", b"1", 101), 0);
    assert!(!fanout.send(id, b"late"));
    fanout.subscribe(id, "a", wanting("a"));
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("a"));
    assert_eq!(publish(&fanout, "a", b"1", 1), 1);
    fanout.leave(id);
    assert_eq!(publish(&fanout, "a", b"2", 2), 0);
    assert!(!fanout.send_message(id, b"late"));
    fanout.subscribe(id, "a", wanting("a"));
    assert_eq!(publish(&fanout, "a", b"3", 3), 0);
    assert!(fanout.send(id, b"\x81\x03bye"));
    fanout.finish(id);
    assert_eq!(messages(&mut theirs, 2), [push("a", "1", 1), "bye".to_owned()]);
    Watcher::new(&fanout).wait_for(id, Kind::Released);
}

#[test]
fn released_comes_exactly_once_whatever_the_order_of_the_calls() {
    let _alone = alone();
    let calls: [fn(&Fanout, u64); 5] = [
        Fanout::finish,
        Fanout::remove,
        |fanout, id| _ = fanout.send(id, &vec![0; 300_000]),
        |fanout, id| _ = fanout.send(id, &vec![0; 2 << 20]),
        Fanout::leave,
    ];
    for stalled in [false, true] {
        for plan in 0..5_usize.pow(3) {
            let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
            let mut watcher = Watcher::new(&fanout);
            let (ours, theirs) = pair();
            let id = fanout.add(ours.as_raw_fd(), terms(1 << 20)).unwrap();
            fanout.subscribe(id, "a", wanting("a"));
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (ours, _theirs) = tcp_pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    assert!(fanout.send(id, &vec![0; 32 << 20]));
    let (other, mut other_peer) = tcp_pair();
    let other_id = fanout.add(other.as_raw_fd(), terms(ROOMY)).unwrap();
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let mut reused = 0;
    let mut last = -1;
    for round in 0..300_u64 {
        let (ours, mut theirs) = pair();
        reused += usize::from(ours.as_raw_fd() == last);
        last = ours.as_raw_fd();
        let id = fanout.add(last, terms(ROOMY)).unwrap();
        assert_eq!(id, round + 1, "handles are never used again");
        fanout.subscribe(id, "a", wanting("a"));
        if round % 3 == 0 {
            // Full socket: an edge of room for the old connection may be on its way when the number changes
            // hands.
            fanout.send(id, &vec![0; 1 << 20]);
            until(|| fanout.queued_bytes(id) < 1 << 20);
        } else {
            publish(&fanout, "a", b"1", round);
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.remove(id);
    watcher.wait_for(id, Kind::Released);
    let again = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    assert!(fanout.send_message(again, b"anew"));
    assert_eq!(message(&mut theirs), "anew");
}

#[test]
fn descriptor_cannot_be_added_twice_nor_when_it_is_none() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, _theirs) = pair();
    fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    assert!(fanout.add(ours.as_raw_fd(), terms(ROOMY)).is_err());
    assert!(fanout.add(-1, terms(ROOMY)).is_err());
    assert!(fanout.add(1_000_000, terms(ROOMY)).is_err());
    assert_eq!(fanout.statistics().connections, 1);
}

#[test]
fn close_under_traffic_releases_everybody_and_leaves_the_rest_harmless() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..50).map(|_| pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap())
        .collect();
    for &id in &ids {
        fanout.subscribe(id, "a", wanting("a"));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (fanout, stop) = (&fanout, &stop);
        for _ in 0..2 {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    publish(fanout, "a", b"[1,2,3]", 0);
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
    assert_eq!(publish(&fanout, "a", b"1", 0), 0);
    assert!(fanout.add(ours[0].as_raw_fd(), terms(ROOMY)).is_err());
    assert_eq!(fanout.statistics().connections, 0);
    drop(theirs);
}
