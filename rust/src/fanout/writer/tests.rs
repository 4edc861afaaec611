//! In which order the writer attends to whom, and what becomes of everybody when it fails.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::super::socket::Socket;
use super::super::unattended::{TERMS, unattended};
use super::super::{Event, Fanout, Kind, Subscription, Terms};
use super::*;
use crate::wire::{Framing, Publication, Reader};

const HOUR: Duration = Duration::from_secs(3600);
const LONG: usize = 3 * LOOK_AFTER;
const MANY: usize = LOOK_AFTER + 1;

/// Connections that all write into one stream, so that what comes out tells in which order they were attended to.
struct Shore {
    fanout: Fanout,
    ours: Vec<UnixStream>,
    theirs: UnixStream,
    ids: Vec<u64>,
}

impl Shore {
    fn new(count: usize) -> Shore {
        Shore::with_window(count, Duration::ZERO)
    }

    fn with_window(count: usize, window: Duration) -> Shore {
        let (stream, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let ours: Vec<_> = (0..count).map(|_| stream.try_clone().unwrap()).collect();
        let fanout = unattended(Shared::new(1 << 30, window).unwrap());
        let ids = ours
            .iter()
            .map(|socket| fanout.add(socket.as_raw_fd(), TERMS).unwrap())
            .collect();
        Shore {
            fanout,
            ours,
            theirs,
            ids,
        }
    }

    fn subscribe(&self, place: usize, spelling: &str) {
        let wanted = Subscription {
            spelling: spelling.into(),
            events: false,
            delta: false,
            detailed: false,
            conflate: false,
        };
        self.fanout.subscribe(self.ids[place], "a", wanted);
    }

    fn publish(&self) {
        let publication = Publication {
            payload: b"1",
            detail: None,
            offset: 0,
            info: None,
            brings_schema: false,
        };
        self.fanout.publish("a", &publication);
    }

    /// A writer that has the first connections in its hands, each with its place to say.
    fn writer_with(&self, count: usize) -> Writer {
        for (place, id) in self.ids.iter().enumerate().take(count) {
            assert!(self.fanout.send_message(*id, place.to_string().as_bytes()));
        }
        let mut writer = Writer::new(&self.fanout.shared);
        writer.gather().unwrap();
        assert_eq!(writer.due.len(), count);
        writer
    }

    fn lines(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let _ = self.theirs.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn few_that_come_in_a_long_pass_do_not_wait_for_its_end_and_many_do() {
    let mut shore = Shore::new(LONG + 1);
    let mut writer = shore.writer_with(LONG);
    assert!(shore.fanout.send_message(shore.ids[LONG], b"quiet"));
    writer.pass();
    assert_eq!(shore.lines()[LOOK_AFTER], "quiet");

    let mut shore = Shore::new(LONG + MANY);
    let mut writer = shore.writer_with(LONG);
    for id in &shore.ids[LONG..] {
        assert!(shore.fanout.send_message(*id, b"many"));
    }
    writer.pass();
    let lines = shore.lines();
    assert!(lines[..LONG].iter().all(|line| line != "many"));
    assert_eq!(lines.len(), LONG + MANY);
}

#[test]
fn nobody_is_attended_to_twice_in_a_pass() {
    let mut shore = Shore::new(LONG);
    let mut writer = shore.writer_with(LONG);
    let first = writer.due.pop_front().unwrap();
    writer.number = 7;
    first.visited.store(8, Relaxed);
    lock(&shore.fanout.shared.work).due.push(first);
    writer.pass();
    assert!(!shore.lines().contains(&"0".to_owned()));
    writer.pass();
    assert_eq!(shore.lines(), ["0"]);
}

#[test]
fn publication_in_a_long_pass_goes_out_with_it_to_those_who_are_still_to_come() {
    let mut shore = Shore::new(LONG);
    for place in 0..LONG {
        shore.subscribe(place, &place.to_string());
    }
    let mut writer = shore.writer_with(LONG);
    shore.publish();
    assert!(shore.lines().is_empty());
    writer.pass();
    let lines = shore.lines();
    let pushes = lines.iter().filter(|line| line.contains("push")).count();
    assert_eq!(pushes, LONG - LOOK_AFTER, "one look came first");
    writer.pass();
    assert_eq!(shore.lines().len(), LOOK_AFTER);
    drop(shore.ours);
}

#[test]
fn what_a_round_brings_waits_for_the_window_and_the_last_pass_leaves_nothing() {
    let mut shore = Shore::with_window(LONG, HOUR);
    for place in 0..LONG {
        shore.subscribe(place, "a");
    }
    let mut writer = Writer::new(&shore.fanout.shared);
    for _ in 0..2 {
        shore.publish();
        assert!(!writer.take_turn().unwrap());
        assert!(!shore.fanout.channels.find("a").unwrap().has_waiting());
        assert!(shore.lines().is_empty(), "it waits in the queues");
        assert!(writer.window.quiet().is_some());
    }
    shore.publish();
    lock(&shore.fanout.shared.work).stop = true;
    assert!(writer.take_turn().unwrap());
    assert_eq!(shore.lines().len(), 3 * LONG);
}

#[test]
fn round_in_a_long_pass_leaves_those_who_were_attended_to_to_the_window() {
    let mut shore = Shore::with_window(LONG, HOUR);
    for place in 0..LONG {
        shore.subscribe(place, "a");
    }
    let mut writer = shore.writer_with(LONG);
    shore.publish();
    writer.pass();
    assert_eq!(
        shore.lines().len(),
        LONG + LONG - LOOK_AFTER,
        "their own messages took it along for the others"
    );
    assert!(writer.due.is_empty());
    assert_eq!(lock(&shore.fanout.shared.work).gathered.len(), LOOK_AFTER);
}

#[test]
fn round_waits_until_enough_were_attended_to() {
    let mut shore = Shore::new(LONG);
    for place in 0..LONG {
        shore.subscribe(place, "a");
    }
    let mut writer = shore.writer_with(LONG);
    let waits = |shore: &Shore| shore.fanout.channels.find("a").unwrap().has_waiting();
    shore.publish();
    writer.attended = LONG / ROUND_SHARE - 1;
    writer.look_for_more();
    assert!(waits(&shore) && writer.rounds.len() == 1);
    writer.attended += 1;
    writer.look_for_more();
    assert!(!waits(&shore) && writer.rounds.is_empty());
    assert_eq!(writer.attended, 0);
    assert!(shore.lines().is_empty());
}

#[test]
fn writer_that_fails_breaks_and_releases_everybody_and_harms_nobody() {
    let fanout = Fanout::new(1000).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let terms = Terms {
        reader: Reader {
            framing: Framing::TextMessages,
            unidirectional: false,
        },
        max_queue_bytes: 1000,
        write_limit: Duration::from_secs(60),
    };
    let id = fanout.add(ours.as_raw_fd(), terms).unwrap();
    let wanted = Subscription {
        spelling: "a".into(),
        events: true,
        delta: true,
        detailed: false,
        conflate: false,
    };
    fanout.subscribe(id, "a", wanted);
    // Told to stop as well, it does not fall asleep over it.
    fanout.shared.order(|work| (work.fail, work.stop) = (true, true));
    // Its peer sees the end, so nobody waits for a server that will say nothing more.
    theirs.read_to_end(&mut Vec::new()).unwrap();
    fanout.close();
    let happened = [Kind::Broken, Kind::Released].map(|kind| Event { connection: id, kind });
    assert_eq!(fanout.take_events(), happened);
    let publication = Publication {
        payload: b"1",
        detail: None,
        offset: 1,
        info: None,
        brings_schema: false,
    };
    assert_eq!(fanout.publish("a", &publication), 0);
    assert!(!fanout.send(id, b"late"));
    fanout.finish(id);
    fanout.remove(id);
    assert!(fanout.add(ours.as_raw_fd(), terms).is_err());
    assert_eq!(fanout.take_events(), []);
}

#[test]
fn writer_does_not_sleep_past_the_window_of_what_came_during_its_pass() {
    let shared = Arc::new(Shared::new(1000, HOUR).unwrap());
    let mut writer = Writer::new(&shared);
    let terms = Terms {
        reader: Reader {
            framing: Framing::TextMessages,
            unidirectional: false,
        },
        max_queue_bytes: 1000,
        write_limit: Duration::from_secs(60),
    };
    let connection = Arc::new(Connection::new(
        1,
        Socket::new(-1),
        terms,
        Arc::clone(&shared.budget),
    ));
    // It is awake, so nobody wakes it for this.
    shared.schedule_published(vec![connection]);
    assert!(writer.fall_asleep());
    assert!(writer.window.quiet().is_some());
    assert_eq!(writer.window.close(&mut lock(&shared.work)).len(), 0);
    lock(&shared.work).stop = true;
    assert_eq!(writer.window.close(&mut lock(&shared.work)).len(), 1);
    assert_eq!(writer.window.quiet(), None);
}
