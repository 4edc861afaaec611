//! The fan-out against a model too simple to be wrong: nobody writes, rounds go on at any moment and in any number, and
//! subscribers come and go around the number from which on the writer goes round.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::channel::{Channel, MANY, MOST_WAITING};
use super::channels::Channels;
use super::connection::{Connection, Next, Sent, Step};
use super::queue::Batch;
use super::round::{Round, Taken};
use super::shared::Shared;
use super::{Fanout, Subscription, Terms, lock};
use crate::delta;
use crate::wire::{Announcement, ClientInfo, Form, Framing, Publication, Reader, Shape};

const CHANNELS: [&str; 2] = ["many", "few"];
const CONNECTIONS: usize = MANY + 12;
const WHO: ClientInfo<'_> = ClientInfo {
    user: "u",
    client: "c",
    conn_info: b"",
    chan_info: b"",
};

#[derive(Clone, Copy, Debug)]
enum Act {
    Subscribe(usize, usize, Wanted),
    Unsubscribe(usize, usize),
    Publish(usize),
    Announce(usize),
    Send(usize),
    Measure(usize),
    Cut(usize),
    Leave(usize),
    Finish(usize),
    BeginRound(usize),
    GoOn(usize),
    Write(usize),
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Spelled in one of two ways.
    short: bool,
    events: bool,
    deltas: bool,
}

fn spelling(short: bool, which: usize) -> String {
    format!("{}-{which}", if short { "s" } else { "longer" })
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(short, events, deltas)| Wanted {
        short,
        events,
        deltas,
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let who = 0..CONNECTIONS;
    // The first channel is around the border all the time.
    let which = prop_oneof![4 => Just(0_usize), 1 => Just(1_usize)];
    prop_oneof![
        6 => (who.clone(), which.clone(), any_wanted()).prop_map(|(who, which, wanted)| Act::Subscribe(who, which, wanted)),
        6 => (who.clone(), which.clone()).prop_map(|(who, which)| Act::Unsubscribe(who, which)),
        12 => which.clone().prop_map(Act::Publish),
        2 => which.clone().prop_map(Act::Announce),
        2 => who.clone().prop_map(Act::Send),
        1 => who.clone().prop_map(Act::Measure),
        1 => who.clone().prop_map(Act::Cut),
        1 => who.clone().prop_map(Act::Leave),
        1 => who.clone().prop_map(Act::Finish),
        4 => which.prop_map(Act::BeginRound),
        12 => any::<usize>().prop_map(Act::GoOn),
        3 => who.prop_map(Act::Write),
    ]
}

/// What somebody is to get: where it is from, None for its own messages, and the bytes.
type Expected = Vec<(Option<usize>, String)>;

/// A subscriber of the model, and the publication before the one that is next for it, if it got that one.
struct Listener {
    wanted: Wanted,
    before: Option<String>,
}

#[derive(Default)]
struct Client {
    is_gone: bool,
    is_cut: bool,
    expected: Expected,
    got: Vec<u8>,
    channels: BTreeMap<usize, Listener>,
}

struct World {
    fanout: Fanout,
    rounds: Vec<(Arc<Channel>, Round)>,
    clients: Vec<Client>,
    said: u64,
}

fn payload(number: u64) -> String {
    format!(
        "{{\"names\":\"{}\",\"number\":{number}}}",
        "some more ".repeat(10)
    )
}

impl World {
    fn new() -> World {
        let shared = Arc::new(Shared::new(1 << 40, Duration::ZERO).unwrap());
        for id in 0..CONNECTIONS as u64 {
            let terms = Terms {
                reader: Reader {
                    framing: Framing::Lines,
                    unidirectional: false,
                },
                max_queue_bytes: 1 << 30,
                write_limit: Duration::from_secs(60),
            };
            let connection = Connection::new(id, -1, terms, Arc::clone(&shared.budget));
            lock(&shared.registry)
                .connections
                .insert(id, Arc::new(connection));
        }
        World {
            fanout: Fanout {
                shared,
                channels: Channels::new(),
                thread: Mutex::new(None),
            },
            rounds: Vec::new(),
            clients: (0..CONNECTIONS).map(|_| Client::default()).collect(),
            said: 0,
        }
    }

    fn subscribe(&mut self, who: usize, which: usize, wanted: Wanted) {
        let subscription = Subscription {
            spelling: spelling(wanted.short, which).into(),
            events: wanted.events,
            delta: wanted.deltas,
            detailed: false,
            conflate: false,
        };
        self.fanout.subscribe(who as u64, CHANNELS[which], subscription);
        let client = &mut self.clients[who];
        if !client.is_gone {
            let listener = Listener { wanted, before: None };
            client.channels.insert(which, listener);
        }
    }

    fn publish(&mut self, which: usize) {
        self.said += 1;
        let data = payload(self.said);
        let publication = Publication {
            payload: data.as_bytes(),
            detail: None,
            offset: self.said,
            info: None,
            brings_schema: false,
        };
        let mut count = 0;
        for client in &mut self.clients {
            let Some(listener) = client.channels.get_mut(&which) else {
                continue;
            };
            count += 1;
            let form = form(listener.wanted, which);
            let before = listener
                .before
                .replace(data.clone())
                .filter(|_| listener.wanted.deltas);
            let change = before.and_then(|before| delta::delta(before.as_bytes(), data.as_bytes()));
            let shape = match &change {
                Some(change) => Shape::Delta(change),
                None if listener.wanted.deltas => Shape::Text,
                None => Shape::Value,
            };
            client.expect(Some(which), form.publication(&publication, shape));
        }
        assert_eq!(self.fanout.publish(CHANNELS[which], &publication), count);
        if let Some(channel) = self.fanout.channels.find(CHANNELS[which]) {
            assert!(channel.waiting() < MOST_WAITING);
        }
    }

    fn announce(&mut self, which: usize) {
        let mut count = 0;
        for client in &mut self.clients {
            let listener = client.channels.get(&which);
            if let Some(wanted) = listener
                .map(|listener| listener.wanted)
                .filter(|wanted| wanted.events)
            {
                count += 1;
                let message = form(wanted, which).announcement(Announcement::Join, &WHO);
                client.expect(Some(which), message);
            }
        }
        let told = self.fanout.announce(CHANNELS[which], Announcement::Join, &WHO);
        assert_eq!(told, count);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Subscribe(who, which, wanted) => self.subscribe(who, which, wanted),
            Act::Unsubscribe(who, which) => {
                self.fanout.unsubscribe(who as u64, CHANNELS[which]);
                self.clients[who].channels.remove(&which);
            }
            Act::Publish(which) => self.publish(which),
            Act::Announce(which) => self.announce(which),
            Act::Send(who) => self.send(who),
            Act::Measure(who) => self.measure(who),
            Act::Cut(who) => {
                _ = self.connection(who).hang_up();
                self.clients[who].is_cut = true;
                self.clients[who].go();
            }
            Act::Leave(who) => {
                self.fanout.leave(who as u64);
                self.clients[who].go();
            }
            Act::Finish(who) => {
                self.fanout.finish(who as u64);
                self.clients[who].go();
            }
            Act::BeginRound(which) => self.begin_round(which),
            Act::GoOn(place) => self.go_on(place),
            Act::Write(who) => self.write(who),
        }
    }

    fn send(&mut self, who: usize) {
        self.said += 1;
        let text = format!("{{\"own\":{}}}", self.said);
        let taken = self.fanout.send_message(who as u64, text.as_bytes());
        let client = &mut self.clients[who];
        assert_eq!(taken, !client.is_gone);
        if taken {
            client.expect(None, format!("{text}\n").into_bytes());
        }
    }

    fn measure(&mut self, who: usize) {
        self.write(who);
        let queued = self.fanout.queued_bytes(who as u64);
        let client = &self.clients[who];
        let wanted: usize = client.expected.iter().map(|(_, message)| message.len()).sum();
        if !client.is_cut {
            assert_eq!(queued + client.got.len(), wanted);
        }
    }

    fn begin_round(&mut self, which: usize) {
        let Some(channel) = self.fanout.channels.find(CHANNELS[which]) else {
            return;
        };
        if let Some(round) = channel.begin_round(&self.fanout.shared.budget) {
            self.rounds.push((channel, round));
        }
    }

    fn go_on(&mut self, place: usize) {
        if self.rounds.is_empty() {
            return;
        }
        let place = place % self.rounds.len();
        let (channel, round) = &mut self.rounds[place];
        if !channel.go_on(round, &mut Taken::default()) {
            channel.finish(round);
            self.rounds.remove(place);
        }
    }

    fn connection(&self, who: usize) -> Arc<Connection> {
        lock(&self.fanout.shared.registry).find(who as u64).unwrap()
    }

    /// Be the writer for one connection, whose socket takes everything.
    fn write(&mut self, who: usize) {
        let connection = self.connection(who);
        let mut batch = Batch::default();
        loop {
            match connection.next(&mut batch) {
                Step::Send => {
                    let bytes = batch.pieces().collect::<Vec<_>>().concat();
                    self.clients[who].got.extend(&bytes);
                    let settled = connection.settle(&mut batch, Sent::Bytes(bytes.len()));
                    assert!(matches!(settled.next, Next::Pass | Next::Rest));
                }
                Step::Cut(_) => {}
                Step::Rest | Step::Release => break,
            }
        }
    }

    fn end(mut self) {
        for name in CHANNELS {
            if let Some(channel) = self.fanout.channels.find(name) {
                channel.go_round(&self.fanout.shared.budget, &mut Taken::default());
                assert!(!channel.has_waiting());
            }
        }
        for who in 0..CONNECTIONS {
            self.write(who);
            let client = &self.clients[who];
            if !client.is_cut {
                let got = String::from_utf8(client.got.clone()).unwrap();
                let got = got
                    .split_inclusive('\n')
                    .map(|message| (source(message), message.to_owned()));
                assert_eq!(by_source(got.collect()), by_source(client.expected.clone()));
            }
            self.fanout.remove(who as u64);
        }
        let statistics = self.fanout.statistics();
        assert_eq!((statistics.subscriptions, statistics.channels), (0, 0));
        self.rounds.clear();
        assert_eq!(statistics.queued_bytes, 0);
        assert_eq!(self.fanout.shared.budget.held_bytes(), 0);
    }
}

impl Client {
    fn expect(&mut self, source: Option<usize>, message: Vec<u8>) {
        self.expected.push((source, String::from_utf8(message).unwrap()));
    }

    fn go(&mut self) {
        self.is_gone = true;
        self.channels.clear();
    }
}

fn form(wanted: Wanted, which: usize) -> Form {
    Form {
        reader: Reader {
            framing: Framing::Lines,
            unidirectional: false,
        },
        spelling: spelling(wanted.short, which).into(),
        detailed: false,
    }
}

fn source(message: &str) -> Option<usize> {
    (0..CHANNELS.len()).find(|which| message.contains(&format!("-{which}\"")))
}

/// Two channels have no order between them; a client's own messages have one towards both.
fn by_source(mut messages: Expected) -> Expected {
    messages
        .split_mut(|(source, _)| source.is_none())
        .for_each(|between| between.sort_by_key(|(source, _)| *source));
    messages
}

proptest! {
    #[test]
    fn everybody_gets_what_is_said_while_it_listens_once_and_in_order(
        there in MANY - 6..MANY + 6,
        wanted in proptest::collection::vec(any_wanted(), MANY + 6),
        acts in proptest::collection::vec(any_act(), 0..200),
    ) {
        let mut world = World::new();
        for (who, wanted) in wanted.into_iter().take(there).enumerate() {
            world.subscribe(who, 0, wanted);
        }
        for act in acts {
            world.act(act);
        }
        world.end();
    }
}
