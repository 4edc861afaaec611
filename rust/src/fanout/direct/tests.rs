//! Who sends at once, and what is left to the writer.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::connection::{Content, Step};
use super::super::unattended::{TERMS, unattended};
use super::super::{Fanout, Kind, Subscription};
use super::*;
use crate::wire::Publication;

/// A fan-out whose writer sleeps, and peers.
struct Night {
    fanout: Fanout,
    _ours: Vec<UnixStream>,
    theirs: Vec<UnixStream>,
    ids: Vec<u64>,
}

impl Night {
    fn new(count: usize, window: Duration) -> Night {
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..count).map(|_| UnixStream::pair().unwrap()).unzip();
        let fanout = unattended(Shared::new(1 << 30, window).unwrap());
        for their in &theirs {
            their.set_nonblocking(true).unwrap();
        }
        let ids: Vec<_> = ours
            .iter()
            .map(|socket| fanout.add(socket.as_raw_fd(), TERMS).unwrap())
            .collect();
        for id in &ids {
            let wanted = Subscription {
                spelling: "a".into(),
                events: false,
                delta: false,
                detailed: false,
                conflate: false,
            };
            fanout.subscribe(*id, "a", wanted);
        }
        assert!(lock(&fanout.shared.work).fall_asleep());
        Night {
            fanout,
            _ours: ours,
            theirs,
            ids,
        }
    }

    fn publish(&self) {
        let publication = Publication {
            payload: b"1",
            detail: None,
            offset: 0,
            info: None,
            brings_schema: false,
        };
        assert_eq!(self.fanout.publish("a", &publication), self.ids.len());
    }

    /// How many lines have arrived at each.
    fn lines(&mut self) -> Vec<usize> {
        let count = |their: &mut UnixStream| {
            let mut bytes = Vec::new();
            let _ = their.read_to_end(&mut bytes);
            String::from_utf8(bytes).unwrap().lines().count()
        };
        self.theirs.iter_mut().map(count).collect()
    }

    fn is_asleep(&self) -> bool {
        lock(&self.fanout.shared.work).asleep
    }

    /// Whom the writer is to attend to; it falls asleep again.
    fn due(&self) -> Vec<Arc<Connection>> {
        let mut work = lock(&self.fanout.shared.work);
        let due = std::mem::take(&mut work.due);
        assert!(work.fall_asleep());
        due
    }
}

fn wait() {
    std::thread::sleep(2 * PAUSE);
}

#[test]
fn reply_and_publication_to_the_quiet_are_sent_by_who_brings_them_and_nobody_is_woken() {
    let mut night = Night::new(FEW, Duration::ZERO);
    assert!(night.fanout.send_message(night.ids[0], b"{}"));
    assert_eq!(night.lines(), [1, 0]);
    wait();
    night.publish();
    assert_eq!(night.lines(), [1; FEW]);
    assert!(night.is_asleep());
    let statistics = night.fanout.statistics();
    assert_eq!(
        (statistics.queued_bytes, statistics.send_calls),
        (0, 1 + FEW as u64)
    );
    assert!(statistics.sent_bytes > 0);
}

#[test]
fn what_follows_quickly_is_left_to_the_writer_and_joined() {
    let mut night = Night::new(1, Duration::ZERO);
    let connection = lock(&night.fanout.shared.registry).find(night.ids[0]).unwrap();
    let (mut batch, now) = (Batch::default(), Instant::now());
    night.fanout.send_message(night.ids[0], b"{}");
    assert_eq!(night.lines(), [1]);
    // Whatever this thread has waited for: it was lent just now.
    for _ in 0..2 {
        let _ = connection.put(&night.fanout.shared.buffer(b"\n".to_vec()), Content::Raw);
    }
    assert!(!connection.lend(&mut batch, now));
    assert!(connection.lend(&mut batch, now + 60 * PAUSE));
    assert_eq!(batch.pieces().count(), 2);
}

#[test]
fn writer_that_is_awake_is_left_to_join_what_comes() {
    let mut night = Night::new(1, Duration::ZERO);
    lock(&night.fanout.shared.work).asleep = false;
    night.publish();
    night.publish();
    assert_eq!((night.lines(), night.due().len()), (vec![0], 1));
}

#[test]
fn many_and_much_are_left_to_the_writer() {
    let night = Night::new(FEW + 1, Duration::ZERO);
    night.publish();
    assert_eq!(night.due().len(), FEW + 1);
    let mut night = Night::new(2, Duration::ZERO);
    assert!(night.fanout.send(night.ids[0], &vec![b'\n'; LITTLE_BYTES]));
    assert_eq!(night.lines(), [LITTLE_BYTES, 0]);
    assert!(night.fanout.send(night.ids[1], &vec![b'\n'; LITTLE_BYTES + 1]));
    assert_eq!((night.lines(), night.due().len()), (vec![0, 0], 1));
}

#[test]
fn what_finds_no_room_waits_in_order_for_the_writer() {
    let mut night = Night::new(1, Duration::ZERO);
    let mut sent = 0;
    while night.is_asleep() {
        night.fanout.send(night.ids[0], &[b'\n'; LITTLE_BYTES]);
        sent += LITTLE_BYTES;
        wait();
    }
    let queued = night.fanout.queued_bytes(night.ids[0]);
    assert!((1..=LITTLE_BYTES).contains(&queued));
    let due = night.due();
    assert_eq!((night.lines(), due.len()), (vec![sent - queued], 1));
    let mut batch = Batch::default();
    assert_eq!(due[0].next(&mut batch), Step::Send);
    assert_eq!(batch.pieces().map(<[u8]>::len).sum::<usize>(), queued);
}

#[test]
fn peer_that_is_gone_is_the_writers_to_cut() {
    let mut night = Night::new(1, Duration::ZERO);
    night.theirs.clear();
    night.publish();
    let due = night.due();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].next(&mut Batch::default()), Step::Cut(Kind::Broken));
    assert_eq!(night.fanout.queued_bytes(night.ids[0]), 0);
}

#[test]
fn where_there_is_a_window_publications_wait_and_a_reply_takes_them_along() {
    let mut night = Night::new(1, Duration::from_secs(3600));
    night.publish();
    assert_eq!(night.lines(), [0]);
    assert!(lock(&night.fanout.shared.work).fall_asleep());
    assert!(night.fanout.send_message(night.ids[0], b"{}"));
    assert_eq!(
        (night.lines(), night.fanout.statistics().send_calls),
        (vec![2], 1)
    );
}

/// What happens to a connection that is being sent to from a caller's thread is for the writer, behind it.
#[test]
fn whatever_happens_during_a_send_is_handed_on_to_the_writer() {
    let happenings: [fn(&Fanout, u64); 4] = [
        |fanout, id| assert!(fanout.send(id, b"more\n")),
        |fanout, id| fanout.finish(id),
        |fanout, id| fanout.remove(id),
        |fanout, id| assert!(!lock(&fanout.shared.registry).find(id).unwrap().hang_up()),
    ];
    for happens in happenings {
        let night = Night::new(1, Duration::ZERO);
        let (id, shared) = (night.ids[0], &night.fanout.shared);
        let connection = lock(&shared.registry).find(id).unwrap();
        let outcome = connection.put(&shared.buffer(b"\n".to_vec()), Content::Raw);
        let mut batch = Batch::default();
        assert!(outcome.schedule && connection.lend(&mut batch, Instant::now()));
        happens(&night.fanout, id);
        assert!(night.due().is_empty(), "nobody else has its turn");
        assert_eq!(connection.settle(&mut batch, Sent::Bytes(1)).next, Next::Pass);
    }
}

#[test]
fn caller_that_panics_in_a_send_leaves_a_broken_connection_to_the_writer() {
    let night = Night::new(1, Duration::ZERO);
    let work = &night.fanout.shared.work;
    lock(work).fail = true;
    assert!(catch_unwind(AssertUnwindSafe(|| night.publish())).is_err());
    lock(work).fail = false;
    let due = night.due();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].next(&mut Batch::default()), Step::Cut(Kind::Broken));
    assert_eq!(due[0].bury(None), [Kind::Released], "without waiting");
}

#[test]
fn writer_that_ends_waits_for_a_send_that_is_under_way() {
    let night = Night::new(1, Duration::ZERO);
    let shared = &night.fanout.shared;
    let connection = lock(&shared.registry).find(night.ids[0]).unwrap();
    let outcome = connection.put(&shared.buffer(b"\n".to_vec()), Content::Raw);
    let mut batch = Batch::default();
    assert!(outcome.schedule && connection.lend(&mut batch, Instant::now()));
    std::thread::scope(|scope| {
        let burying = scope.spawn(|| connection.bury(None));
        wait();
        assert!(!burying.is_finished());
        assert_eq!(connection.settle(&mut batch, Sent::Bytes(1)).next, Next::Rest);
        assert_eq!(burying.join().unwrap(), [Kind::Released]);
    });
    assert!(!connection.lend(&mut batch, Instant::now() + 60 * PAUSE));
}
