//! What subscribers get: everything, in order, in their own spelling.

use std::os::fd::AsRawFd;

use _core::fanout::Fanout;
use rustix::net::sockopt;

use crate::peers::{
    ROOMY, ROOMY_IN_ALL, alone, message, messages, pair, publish, push, tcp_pair, terms, until, wanting,
};

#[test]
fn everything_queued_arrives_in_the_order_of_the_calls() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("org/a"));
    assert!(fanout.send(id, b"\x81\x03raw"));
    assert_eq!(publish(&fanout, "a", b"1", 1), 1);
    assert!(fanout.send_message(id, b"reply"));
    assert_eq!(publish(&fanout, "a", b"2", 2), 1);
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for spelling in ["one", "two", "one"] {
        let (mine, yours) = pair();
        let id = fanout.add(mine.as_raw_fd(), terms(ROOMY)).unwrap();
        fanout.subscribe(id, "a", wanting("before"));
        fanout.subscribe(id, "a", wanting(spelling));
        ours.push(mine);
        theirs.push((spelling, yours));
    }
    assert_eq!(publish(&fanout, "a", b"true", 9), 3);
    assert_eq!(publish(&fanout, "other", b"true", 9), 0);
    for (spelling, peer) in &mut theirs {
        assert_eq!(message(peer), push(spelling, "true", 9));
    }
}

#[test]
fn nothing_published_after_unsubscribe_is_delivered() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("a"));
    publish(&fanout, "a", b"1", 1);
    fanout.unsubscribe(id, "a");
    fanout.unsubscribe(id, "never joined");
    assert_eq!(publish(&fanout, "a", b"2", 2), 0);
    assert_eq!(fanout.statistics().channels, 0);
    fanout.send_message(id, b"end");
    assert_eq!(messages(&mut theirs, 2), [push("a", "1", 1), "end".to_owned()]);
}

#[test]
fn partial_sends_lose_and_reorder_nothing() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    // Not TCP: with buffers this small its timers make the test take minutes.
    let (ours, mut theirs) = pair();
    sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let id = fanout.add(ours.as_raw_fd(), terms(ROOMY)).unwrap();
    fanout.subscribe(id, "a", wanting("a"));
    let data = |number: usize| format!("\"{}\"", number.to_string().repeat(1 + number * 7 % 5000));
    for number in 1..600 {
        assert_eq!(publish(&fanout, "a", data(number).as_bytes(), number as u64), 1);
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
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..3).map(|_| tcp_pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap())
        .collect();
    for &id in &ids {
        fanout.subscribe(id, "shared", wanting("s"));
    }
    let seen: Vec<Vec<(u64, u64)>> = std::thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (fanout, ids) = (&fanout, &ids);
            scope.spawn(move || {
                for number in 1..=EACH {
                    let data = format!("[{publisher},{number},\"{}\"]", "x".repeat(300));
                    assert_eq!(publish(fanout, "shared", data.as_bytes(), 0), 3);
                    // Traffic of another kind and changes elsewhere must not disturb it.
                    fanout.subscribe(ids[0], &format!("other {publisher}"), wanting("o"));
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
fn thousand_connections_each_get_every_publication() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = (0..1000).map(|_| pair()).unzip();
    for (number, socket) in ours.iter().enumerate() {
        let id = fanout.add(socket.as_raw_fd(), terms(ROOMY)).unwrap();
        fanout.subscribe(id, "all", wanting("all"));
        fanout.subscribe(id, &format!("some {}", number % 7), wanting("some"));
    }
    let before = fanout.statistics();
    assert_eq!(
        (before.connections, before.subscriptions, before.channels),
        (1000, 2000, 8)
    );
    for offset in 1..=20 {
        assert_eq!(publish(&fanout, "all", b"{}", offset), 1000);
    }
    for peer in &mut theirs {
        for offset in 1..=20 {
            assert_eq!(message(peer), push("all", "{}", offset));
        }
    }
    // Only now: two channels have no order between them, and a round of few may overtake one of many.
    assert_eq!(publish(&fanout, "some 3", b"{}", 21), 143);
    for peer in theirs.iter_mut().skip(3).step_by(7) {
        assert_eq!(message(peer), push("some", "{}", 21));
    }
    // The last peer has its message before the writer has noted that it was sent.
    until(|| fanout.statistics().queued_bytes == 0);
    let after = fanout.statistics();
    assert_eq!(after.deliveries, 20_143);
    let bytes = 20_000 * (push("all", "{}", 1).len() + 2) + 11_000 + 143 * (push("some", "{}", 21).len() + 2);
    assert_eq!(after.sent_bytes, bytes as u64);
}

#[test]
fn publication_is_encoded_once_per_spelling_that_somebody_still_reads() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let (ours, _theirs): (Vec<_>, Vec<_>) = (0..4).map(|_| pair()).unzip();
    let ids: Vec<u64> = ours
        .iter()
        .map(|socket| fanout.add(socket.as_raw_fd(), terms(1 << 10)).unwrap())
        .collect();
    for (id, spelling) in ids.iter().zip(["one", "one", "two", "two"]) {
        fanout.subscribe(*id, "a", wanting(spelling));
    }
    assert_eq!(publish(&fanout, "a", b"1", 1), 4);
    assert_eq!(fanout.statistics().encodings, 2);
    let cut = |id| assert!(!fanout.send(id, &[0; 2 << 10]), "cut because it does not fit");
    cut(ids[0]);
    assert_eq!(publish(&fanout, "a", b"2", 2), 3);
    assert_eq!(fanout.statistics().encodings, 4);
    cut(ids[1]);
    assert_eq!(publish(&fanout, "a", b"3", 3), 2);
    assert_eq!(
        fanout.statistics().encodings,
        5,
        "nobody is left of the first spelling"
    );
    cut(ids[2]);
    cut(ids[3]);
    assert_eq!(publish(&fanout, "a", b"4", 4), 0);
    assert_eq!(fanout.statistics().encodings, 5);
    assert_eq!(
        fanout.statistics().subscriptions,
        4,
        "they leave when they are removed"
    );
}
