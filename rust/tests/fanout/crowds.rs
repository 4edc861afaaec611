//! Channels with so many subscribers that the writer puts publications into their queues, while others come and go.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use _core::fanout::{Fanout, Kind};
use _core::wire::{Announcement, ClientInfo};
use serde_json::Value;

use crate::peers::{
    BORDER, ROOMY, ROOMY_IN_ALL, Watcher, alone, is_at_end, message, pair, publish, push, terms, until,
    wanting,
};

#[test]
fn who_comes_and_goes_hears_all_that_is_said_between_and_nothing_else() {
    const COMERS: usize = 16;
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = (0..BORDER + COMERS / 2).map(|_| pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap())
        .collect();
    for &id in &ids[COMERS..] {
        fanout.subscribe(id, "a", wanting("a"));
    }
    let done = AtomicBool::new(false);
    let published = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                publish(&fanout, "a", number.to_string().as_bytes(), 0);
                if number % 64 == 0 {
                    std::thread::yield_now();
                }
            }
            number
        });
        for round in 0..60 {
            for &id in &ids[..COMERS] {
                if round % 2 == 0 {
                    fanout.send_message(id, b"comes");
                    fanout.subscribe(id, "a", wanting("a"));
                } else {
                    fanout.unsubscribe(id, "a");
                    fanout.send_message(id, b"goes");
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        publishing.join().unwrap()
    });
    for (place, (&id, peer)) in ids.iter().zip(&mut theirs).enumerate() {
        fanout.send_message(id, b"end");
        let heard = listen(peer, place >= COMERS);
        if place >= COMERS {
            assert_eq!(heard, published);
        }
    }
}

/// Read to the end, with nothing missing or twice while it listens; how many publications there were.
fn listen(peer: &mut impl std::io::Read, mut listens: bool) -> u64 {
    let (mut last, mut count) = (None, 0);
    loop {
        match message(peer).as_str() {
            "end" => return count,
            "comes" => (last, listens) = (None, true),
            "goes" => listens = false,
            text => {
                assert!(listens, "{text} while it was not there");
                let push: Value = serde_json::from_str(text).unwrap();
                let number = push["push"]["pub"]["data"].as_u64().unwrap();
                assert!(
                    last.is_none_or(|last| last + 1 == number),
                    "{number} after {last:?}"
                );
                last = Some(number);
                count += 1;
            }
        }
    }
}

#[test]
fn order_of_the_calls_is_kept_for_whoever_gets_a_message_of_its_own_or_leaves() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = (0..2 * BORDER).map(|_| pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap())
        .collect();
    for &id in &ids {
        fanout.subscribe(id, "a", wanting("a"));
    }
    let joined = ClientInfo {
        user: "u",
        ..ClientInfo::default()
    };
    for (number, &id) in ids.iter().enumerate() {
        let there = ids.len() - number;
        assert_eq!(publish(&fanout, "a", b"1", 1), there);
        assert_eq!(fanout.announce("a", Announcement::Join, &joined), 0);
        fanout.send_message(id, b"between");
        assert_eq!(publish(&fanout, "a", b"2", 2), there);
        match number % 3 {
            0 => fanout.unsubscribe(id, "a"),
            1 => fanout.leave(id),
            _ => fanout.finish(id),
        }
        assert_eq!(publish(&fanout, "a", b"3", 3), there - 1);
        fanout.send(id, b"\x81\x03bye");
    }
    for (number, peer) in theirs.iter_mut().enumerate() {
        for _ in 0..number {
            for offset in [1, 2, 3] {
                assert_eq!(message(peer), push("a", &offset.to_string(), offset));
            }
        }
        assert_eq!(message(peer), push("a", "1", 1));
        assert_eq!(message(peer), "between");
        assert_eq!(message(peer), push("a", "2", 2));
        if number % 3 < 2 {
            assert_eq!(message(peer), "bye");
        }
    }
    let mut watcher = Watcher::new(&fanout);
    for &id in ids.iter().skip(2).step_by(3) {
        watcher.wait_for(id, Kind::Released);
    }
}

#[test]
fn slow_reader_in_a_crowd_is_cut_alone_and_counted_no_more() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = (0..2 * BORDER).map(|_| pair()).unzip();
    for (place, socket) in ours.iter().enumerate() {
        let limit = if place == 0 { 100_000 } else { ROOMY };
        let id = fanout.add(socket.as_raw_fd(), terms(limit)).unwrap();
        fanout.subscribe(id, "a", wanting("a"));
    }
    let data = format!("\"{}\"", "x".repeat(50_000));
    let mut offset = 0;
    until(|| {
        offset += 1;
        let taken = publish(&fanout, "a", data.as_bytes(), offset);
        for peer in &mut theirs[1..] {
            assert_eq!(message(peer), push("a", &data, offset));
        }
        taken == 2 * BORDER - 1
    });
    assert_eq!(fanout.statistics().overflows, 1);
    assert_eq!(
        fanout.statistics().subscriptions,
        2 * BORDER,
        "until it is removed"
    );
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut theirs[0], &mut rest);
    assert!(is_at_end(&mut theirs[0]));
}

#[test]
fn what_a_crowd_was_to_hear_is_written_before_the_end() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = (0..2 * BORDER).map(|_| pair()).unzip();
    for socket in &ours {
        let id = fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap();
        fanout.subscribe(id, "a", wanting("a"));
    }
    for offset in 1..=20 {
        assert_eq!(publish(&fanout, "a", b"{}", offset), 2 * BORDER);
    }
    fanout.close();
    assert_eq!(fanout.statistics().total_bytes, 0);
    drop(ours);
    for peer in &mut theirs {
        for offset in 1..=20 {
            assert_eq!(message(peer), push("a", "{}", offset));
        }
        assert!(is_at_end(peer));
    }
}

#[test]
fn where_memory_is_short_nothing_is_left_to_the_writer() {
    const MIB: usize = 1 << 20;
    let _alone = alone();
    let fanout = Fanout::new(MIB).unwrap();
    let (ours, _theirs): (Vec<_>, Vec<_>) = (0..2 * BORDER).map(|_| pair()).unzip();
    for socket in &ours {
        let id = fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap();
        fanout.subscribe(id, "a", wanting("a"));
    }
    let (slow, _slow_peer) = pair();
    let slow_id = fanout.add(slow.as_raw_fd(), terms(ROOMY)).unwrap();
    // In one piece, so that it counts until all of it is sent.
    assert!(fanout.send(slow_id, &vec![0; MIB * 3 / 4]));
    for number in 1..=20 {
        assert_eq!(publish(&fanout, "a", b"1", 0), 2 * BORDER);
        assert_eq!(fanout.statistics().deliveries, number * 2 * BORDER as u64);
    }
}
