//! Several threads that have something for quiet connections now and then, while these come to their ends.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use _core::fanout::{Fanout, Kind};

use super::peers::{ROOMY_IN_ALL, Watcher, alone, message, pair, publish, push, terms, until, wanting};

const ROUNDS: usize = 24;
const PEERS: usize = 20;
const SENDERS: usize = 3;
const QUEUE_BYTES: usize = 1 << 20;

/// How one comes to its end.
#[derive(Clone, Copy)]
enum End {
    Finished,
    Removed,
    Left,
    Overflowed,
}

/// The first is that of those whose peers read.
const ENDS: [End; 4] = [End::Finished, End::Removed, End::Left, End::Overflowed];

/// A connection with a channel of its own, named like it.
struct Peer {
    id: u64,
    ours: Option<UnixStream>,
    theirs: UnixStream,
}

fn connect(fanout: &Fanout) -> Peer {
    let (ours, theirs) = pair();
    let id = fanout.add(ours.as_raw_fd(), terms(QUEUE_BYTES)).unwrap();
    fanout.subscribe(id, &id.to_string(), wanting(&id.to_string()));
    Peer {
        id,
        ours: Some(ours),
        theirs,
    }
}

fn pause(micros: u64) {
    let begin = Instant::now();
    until(|| begin.elapsed() >= Duration::from_micros(micros));
}

/// Send to one after another until told to stop, the first by publishing; how many each took. Between two rows of sends all
/// become quiet, and the writer falls asleep.
fn keep_sending(fanout: &Fanout, ids: &[u64], sender: usize, stop: &AtomicBool) -> Vec<u64> {
    let mut taken = vec![0; ids.len()];
    while !stop.load(Ordering::Relaxed) {
        for (id, taken) in ids.iter().zip(&mut taken) {
            let number = *taken + 1;
            let is_taken = if sender == 0 {
                publish(fanout, &id.to_string(), b"0", number) > 0
            } else {
                fanout.send_message(*id, format!("{sender}: {number}").as_bytes())
            };
            *taken += u64::from(is_taken);
        }
        pause(1100);
    }
    taken
}

/// Whether there is everything from each sender, in its order.
fn check(mut got: &[u8], id: u64, taken: &[u64]) {
    let mut next = vec![1; taken.len()];
    while !got.is_empty() {
        let text = message(&mut got);
        let said = next.iter().enumerate().position(|(sender, number)| {
            let of_it = if sender == 0 {
                push(&id.to_string(), "0", *number)
            } else {
                format!("{sender}: {number}")
            };
            text == of_it
        });
        next[said.expect("in order")] += 1;
    }
    let got: Vec<u64> = next.into_iter().map(|number| number - 1).collect();
    assert_eq!(got, taken);
}

fn bring_to_end(fanout: &Fanout, watcher: &mut Watcher<'_>, peer: &Peer, end: End) {
    match end {
        End::Finished => fanout.finish(peer.id),
        End::Removed => fanout.remove(peer.id),
        End::Left => {
            peer.theirs.shutdown(Shutdown::Both).unwrap();
            watcher.wait_for(peer.id, Kind::Broken);
            fanout.remove(peer.id);
        }
        End::Overflowed => {
            assert!(!fanout.send(peer.id, &vec![0; QUEUE_BYTES + 1]));
            fanout.finish(peer.id);
        }
    }
    watcher.wait_for(peer.id, Kind::Released);
}

/// Sockets of nobody's, some with numbers that were others' until now.
struct Strangers(Vec<(UnixStream, UnixStream)>);

impl Strangers {
    /// One with the number of `ours`, which is closed, if no other thread takes that.
    fn replace(&mut self, ours: UnixStream) -> bool {
        let number = ours.as_raw_fd();
        drop(ours);
        self.0.push(pair());
        self.0.last().unwrap().0.as_raw_fd() == number
    }

    fn check_silence(&mut self) {
        for (_, theirs) in &mut self.0 {
            theirs.set_nonblocking(true).unwrap();
            assert_eq!(theirs.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }
}

/// Everything that one is sent until its end.
fn read_all(mut from: &UnixStream) -> Vec<u8> {
    let mut got = Vec::new();
    from.read_to_end(&mut got).unwrap();
    got
}

#[test]
fn nothing_is_lost_before_the_end_of_a_quiet_connection_and_nothing_sent_behind_it() {
    let _alone = alone();
    let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
    let mut watcher = Watcher::new(&fanout);
    let mut reused = 0;
    for _ in 0..ROUNDS {
        let mut peers: Vec<_> = (0..PEERS).map(|_| connect(&fanout)).collect();
        let ids: Vec<u64> = peers.iter().map(|peer| peer.id).collect();
        let theirs: Vec<_> = peers
            .iter()
            .map(|peer| peer.theirs.try_clone().unwrap())
            .collect();
        let stop = AtomicBool::new(false);
        let mut strangers = Strangers(Vec::new());
        std::thread::scope(|scope| {
            let (fanout, stop, ids) = (&fanout, &stop, &ids);
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| scope.spawn(move || keep_sending(fanout, ids, sender, stop)))
                .collect();
            let readers: Vec<_> = theirs
                .iter()
                .step_by(ENDS.len())
                .map(|theirs| scope.spawn(|| read_all(theirs)))
                .collect();
            for (place, peer) in peers.iter_mut().enumerate() {
                pause(400 + 37 * place as u64);
                bring_to_end(fanout, &mut watcher, peer, ENDS[place % ENDS.len()]);
                reused += usize::from(strangers.replace(peer.ours.take().unwrap()));
            }
            pause(2000);
            stop.store(true, Ordering::Relaxed);
            let taken: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
            for (place, reader) in (0..PEERS).step_by(ENDS.len()).zip(readers) {
                let of_each: Vec<u64> = taken.iter().map(|taken| taken[place]).collect();
                check(&reader.join().unwrap(), ids[place], &of_each);
            }
        });
        strangers.check_silence();
        for id in ids {
            let released = watcher.of(id).iter().filter(|kind| **kind == Kind::Released);
            assert_eq!(released.count(), 1);
        }
    }
    assert!(reused > ROUNDS, "numbers were meant to be used again: {reused}");
    assert_eq!(fanout.statistics().queued_bytes, 0);
}

#[test]
fn fan_out_that_closes_lets_sends_end_before_it_releases() {
    let _alone = alone();
    for round in 0..ROUNDS {
        let fanout = Fanout::new(ROOMY_IN_ALL).unwrap();
        let mut peers: Vec<_> = (0..PEERS).map(|_| connect(&fanout)).collect();
        let ids: Vec<u64> = peers.iter().map(|peer| peer.id).collect();
        let stop = AtomicBool::new(false);
        let mut strangers = Strangers(Vec::new());
        std::thread::scope(|scope| {
            let (fanout, stop, ids) = (&fanout, &stop, &ids);
            for sender in 0..SENDERS {
                scope.spawn(move || keep_sending(fanout, ids, sender, stop));
            }
            pause(2000 + 37 * round as u64);
            fanout.close();
            for peer in &mut peers {
                strangers.replace(peer.ours.take().unwrap());
            }
            pause(1500);
            stop.store(true, Ordering::Relaxed);
        });
        strangers.check_silence();
        assert_eq!(fanout.take_events().len(), PEERS);
    }
}
