//! What is published is gathered for a while before it is written, where the fan-out is told so; replies are not.
//!
//! The windows in here never close by themselves, or are so short that no test waits for one; no clock is read.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use _core::fanout::{Fanout, Kind};

use crate::peers::{
    BORDER, ROOMY, ROOMY_IN_ALL, Watcher, alone, crowd, message, messages, pair, publish, push, terms, until,
    wanting,
};

const FOR_EVER: Duration = Duration::from_secs(1 << 30);

struct Subscriber {
    id: u64,
    peer: UnixStream,
    _ours: UnixStream,
}

fn subscriber(fanout: &Fanout) -> Subscriber {
    let (ours, peer) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("a"));
    Subscriber {
        id,
        peer,
        _ours: ours,
    }
}

/// Send a message to somebody and wait for it, again and again: by then the writer has come by for everybody.
fn let_writer_pass(fanout: &Fanout, who: &mut Subscriber) {
    for _ in 0..10 {
        assert!(fanout.send_message(who.id, b"pass"));
        while message(&mut who.peer) != "pass" {}
    }
}

#[test]
fn publications_wait_for_the_window_and_a_reply_takes_them_along_in_one_call() {
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, FOR_EVER).unwrap();
    let (mut one, mut other) = (subscriber(&fanout), subscriber(&fanout));
    for number in 1..=20 {
        assert_eq!(publish(&fanout, "a", b"1", number), 2);
    }
    let_writer_pass(&fanout, &mut other);
    assert_eq!(
        fanout.queued_bytes(one.id),
        20 * (push("a", "1", 1).len() + 2) + 11,
        "who has no reply waits on"
    );
    until(|| fanout.queued_bytes(other.id) == 0);
    let before = fanout.statistics().send_calls;
    assert!(fanout.send_message(one.id, b"reply"));
    for number in 1..=20 {
        assert_eq!(message(&mut one.peer), push("a", "1", number));
    }
    assert_eq!(message(&mut one.peer), "reply");
    assert_eq!(fanout.statistics().send_calls, before + 1);
    // It gathers again, though it stands among those that wait for the window already.
    publish(&fanout, "a", b"2", 21);
    let_writer_pass(&fanout, &mut other);
    assert!(fanout.queued_bytes(one.id) > 0);
    fanout.close();
    assert_eq!(
        message(&mut one.peer),
        push("a", "2", 21),
        "the last pass leaves nobody waiting"
    );
}

#[test]
fn publications_to_a_crowd_wait_for_the_window_too() {
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, FOR_EVER).unwrap();
    let (mut one, mut other) = (subscriber(&fanout), subscriber(&fanout));
    let mut others = crowd(&fanout, "a", BORDER);
    for number in 1..=20 {
        assert_eq!(publish(&fanout, "a", b"1", number), others.len() + 2);
        let_writer_pass(&fanout, &mut other);
    }
    // Nobody but `other` was written to: a call for each of its messages, at most.
    let calls = fanout.statistics().send_calls;
    assert!(calls <= 200, "{calls}");
    assert_eq!(fanout.statistics().deliveries, 20 * (others.len() as u64 + 2));
    assert!(fanout.send_message(one.id, b"reply"));
    for number in 1..=20 {
        assert_eq!(message(&mut one.peer), push("a", "1", number));
    }
    assert_eq!(message(&mut one.peer), "reply");
    // What waits in the log when the end comes, and what waits for the window.
    publish(&fanout, "a", b"2", 21);
    fanout.close();
    for (_, peer) in &mut others {
        for number in 1..=20 {
            assert_eq!(message(peer), push("a", "1", number));
        }
        assert_eq!(message(peer), push("a", "2", 21));
    }
}

#[test]
fn window_of_a_crowd_closes_by_itself_while_others_cross_the_border() {
    const LAST: u64 = 600;
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, Duration::from_micros(200)).unwrap();
    let mut others = crowd(&fanout, "a", BORDER - 1);
    let last = subscriber(&fanout);
    for number in 1..=LAST {
        // Now above the border, now below.
        match number % 20 {
            0 => fanout.unsubscribe(last.id, "a"),
            10 => fanout.subscribe(last.id, "a", wanting("a")),
            _ => {}
        }
        publish(&fanout, "a", b"1", number);
        if number % 50 == 0 {
            for (_, peer) in &mut others {
                for number in number - 49..=number {
                    assert_eq!(message(peer), push("a", "1", number));
                }
            }
        }
    }
}

#[test]
fn window_closes_by_itself_for_all_who_wait() {
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, Duration::from_millis(1)).unwrap();
    let mut subscribers: Vec<_> = (0..20).map(|_| subscriber(&fanout)).collect();
    for number in 1..=50 {
        publish(&fanout, "a", b"1", number);
        if number % 10 == 0 {
            // The writer sleeps, with the window closed, or open, or about to be.
            for each in &mut subscribers {
                let expected: Vec<_> = (number - 9..=number)
                    .map(|number| push("a", "1", number))
                    .collect();
                assert_eq!(messages(&mut each.peer, 10), expected);
            }
        }
    }
}

#[test]
fn publication_that_comes_while_the_writer_makes_its_pass_is_not_forgotten() {
    const LAST: u64 = 2000;
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, Duration::from_micros(20)).unwrap();
    let mut subscribers: Vec<_> = (0..20).map(|_| subscriber(&fanout)).collect();
    std::thread::scope(|scope| {
        for each in &mut subscribers {
            scope.spawn(|| {
                for number in 1..=LAST {
                    assert_eq!(message(&mut each.peer), push("a", "1", number));
                }
            });
        }
        for number in 1..=LAST {
            publish(&fanout, "a", b"1", number);
        }
    });
}

#[test]
fn connection_that_ends_does_not_wait_for_the_window() {
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, FOR_EVER).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let (mut finished, removed) = (subscriber(&fanout), subscriber(&fanout));
    publish(&fanout, "a", b"1", 1);
    fanout.finish(finished.id);
    assert_eq!(message(&mut finished.peer), push("a", "1", 1));
    fanout.remove(removed.id);
    for id in [finished.id, removed.id] {
        watcher.wait_for(id, Kind::Released);
    }
    assert_eq!(fanout.statistics().connections, 0);
}

#[test]
fn window_beyond_the_end_of_time_is_none() {
    let _alone = alone();
    let fanout = Fanout::with_window(ROOMY_IN_ALL, Duration::MAX).unwrap();
    let mut one = subscriber(&fanout);
    publish(&fanout, "a", b"1", 1);
    assert_eq!(message(&mut one.peer), push("a", "1", 1));
}
