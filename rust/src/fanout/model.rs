//! The fan-out against a model too simple to be wrong: nobody writes but when told to, rounds go on at any moment and in any
//! number, callers send themselves for as long as they like, sockets are full now and then, and subscribers come and go
//! around the number from which on the writer goes round.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::channel::{Channel, MANY, MOST_WAITING};
use super::connection::{Connection, Next, Sent, Step};
use super::queue::Batch;
use super::round::{Round, Taken};
use super::shared::Shared;
use super::socket::Socket;
use super::unattended::{TERMS, unattended};
use super::{Fanout, Subscription, Terms, lock};
use crate::delta;
use crate::wire::{Announcement, ClientInfo, Publication, Shape};

mod acts;
mod client;
mod expectation;
mod lending;

use acts::{Act, Wanted, any_act, any_wanted};
use client::{Client, Listener, form, spelling};

const CHANNELS: [&str; 2] = ["many", "few"];
const CONNECTIONS: usize = MANY + 12;
const WHO: ClientInfo<'_> = ClientInfo {
    user: "u",
    client: "c",
    conn_info: b"",
    chan_info: b"",
};

struct World {
    fanout: Fanout,
    rounds: Vec<(Arc<Channel>, Round)>,
    /// Whom callers' threads are sending to, and what.
    lent: Vec<(usize, Batch)>,
    clock: Instant,
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
    fn new(gathers: bool) -> World {
        let window = Duration::from_secs(u64::from(gathers));
        let fanout = unattended(Shared::new(1 << 40, window).unwrap());
        let shared = &fanout.shared;
        for id in 0..CONNECTIONS as u64 {
            let terms = Terms {
                max_queue_bytes: 1 << 30,
                ..TERMS
            };
            let connection =
                Connection::new(id, Socket::new(-1), terms, Arc::clone(&shared.budget)).gathering(gathers);
            lock(&shared.registry)
                .connections
                .insert(id, Arc::new(connection));
        }
        World {
            fanout,
            rounds: Vec::new(),
            lent: Vec::new(),
            clock: Instant::now(),
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
            conflate: wanted.conflates,
        };
        self.fanout.subscribe(who as u64, CHANNELS[which], subscription);
        let client = &mut self.clients[who];
        if !client.is_gone {
            let strand = wanted.conflates.then(|| client.expected.begin_strand(which));
            let listener = Listener {
                wanted,
                before: None,
                strand,
            };
            client.channels.insert(which, listener);
        }
    }

    fn publish(&mut self, which: usize, brings_schema: bool) {
        self.said += 1;
        let data = payload(self.said);
        let publication = Publication {
            payload: data.as_bytes(),
            detail: None,
            offset: self.said,
            info: None,
            brings_schema,
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
            let message = form.publication(&publication, shape);
            match listener.strand {
                Some(strand) => client.expected.expect_of(strand, brings_schema, message),
                None => client.expected.expect(Some(which), message),
            }
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
                client.expected.expect(Some(which), message);
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
            Act::Publish(which, brings_schema) => {
                self.without_haste(|world| world.publish(which, brings_schema));
            }
            Act::Announce(which) => self.without_haste(|world| world.announce(which)),
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
            Act::GoOn(place) => self.without_haste(|world| world.go_on(place)),
            Act::Write(who) => self.write(who),
            Act::Fill(who, tenths) => self.fill(who, tenths),
            Act::Lend => self.lend(),
            Act::GiveBack(place, tenths) => self.give_back(place, tenths),
        }
    }

    fn send(&mut self, who: usize) {
        self.said += 1;
        let text = format!("{{\"own\":{}}}", self.said);
        let taken = self.fanout.send_message(who as u64, text.as_bytes());
        let client = &mut self.clients[who];
        assert_eq!(taken, !client.is_gone);
        if taken {
            client.expected.expect(None, format!("{text}\n").into_bytes());
        }
    }

    fn measure(&mut self, who: usize) {
        self.write(who);
        let queued = self.fanout.queued_bytes(who as u64);
        let client = &self.clients[who];
        if let Some(bytes) = client.expected.bytes().filter(|_| !client.is_cut) {
            assert_eq!(queued + client.got.len(), bytes);
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
        let mut taken = Taken::default();
        if !channel.go_on(round, &mut taken) {
            channel.finish(round);
            self.rounds.remove(place);
        }
        self.fanout.shared.conclude(taken);
    }

    /// Do something that, where there is a window, must leave nobody to the writer but through it.
    fn without_haste(&mut self, what: impl FnOnce(&mut World)) {
        let due = |world: &World| lock(&world.fanout.shared.work).due.len();
        let before = due(self);
        what(self);
        let shared = &self.fanout.shared;
        if shared.window.is_zero() {
            assert!(lock(&shared.work).gathered.is_empty());
        } else {
            assert_eq!(due(self), before);
        }
    }

    /// Whoever has something to send and room for it is on one of the writer's lists.
    fn check_lists(&self) {
        let work = lock(&self.fanout.shared.work);
        let listed: BTreeSet<u64> = work
            .due
            .iter()
            .chain(&work.gathered)
            .map(|each| each.id)
            .collect();
        for who in 0..CONNECTIONS {
            let (is_full, bytes) = self.connection(who).backlog();
            let is_listed = listed.contains(&(who as u64));
            let is_lent = self.is_lent(who);
            assert!(is_full || bytes == 0 || is_listed || is_lent);
            assert!(!(is_lent && work.due.iter().any(|each| each.id == who as u64)));
        }
    }

    fn connection(&self, who: usize) -> Arc<Connection> {
        lock(&self.fanout.shared.registry).find(who as u64).unwrap()
    }

    /// Be the writer for one connection, whose socket takes everything.
    fn write(&mut self, who: usize) {
        if self.is_lent(who) {
            return;
        }
        let connection = self.take_off_lists(who);
        let was_full = connection.unblock();
        let before = self.clients[who].got.len();
        let mut batch = Batch::default();
        loop {
            match connection.next(&mut batch) {
                Step::Send => _ = self.settle(who, &mut batch, 10),
                Step::Cut(_) => {}
                Step::Rest | Step::Release => break,
            }
        }
        if was_full {
            let client = &self.clients[who];
            client.expected.check_skips(&client.got[before..]);
        }
    }

    /// Be the writer for one connection, whose socket has little room.
    fn fill(&mut self, who: usize, tenths: usize) {
        if self.is_lent(who) {
            return;
        }
        let connection = self.take_off_lists(who);
        let mut batch = Batch::default();
        if connection.next(&mut batch) == Step::Send {
            self.settle(who, &mut batch, tenths);
            if connection.next(&mut batch) == Step::Send {
                let settled = connection.settle(&mut batch, Sent::Full(Instant::now()));
                self.fanout.shared.counters.add_conflated(settled.superfluous);
                self.clients[who].expected.allow_skips();
            }
        }
    }

    fn take_off_lists(&self, who: usize) -> Arc<Connection> {
        let mut work = lock(&self.fanout.shared.work);
        work.due.retain(|each| each.id != who as u64);
        work.gathered.retain(|each| each.id != who as u64);
        drop(work);
        self.connection(who)
    }

    fn settle(&mut self, who: usize, batch: &mut Batch, tenths: usize) -> Next {
        let bytes = batch.pieces().collect::<Vec<_>>().concat();
        let sent = &bytes[..bytes.len() * tenths / 10];
        self.clients[who].got.extend(sent);
        let settled = self.connection(who).settle(batch, Sent::Bytes(sent.len()));
        assert_eq!(settled.superfluous, 0);
        settled.next
    }

    fn end(mut self) {
        while !self.lent.is_empty() {
            self.give_back(0, Some(10));
        }
        for name in CHANNELS {
            if let Some(channel) = self.fanout.channels.find(name) {
                let mut taken = Taken::default();
                channel.go_round(&self.fanout.shared.budget, &mut taken);
                assert!(!channel.has_waiting());
                self.fanout.shared.conclude(taken);
            }
        }
        self.check_lists();
        let mut skipped = 0;
        for who in 0..CONNECTIONS {
            self.write(who);
            let client = &self.clients[who];
            if !client.is_cut {
                skipped += client.expected.check(std::str::from_utf8(&client.got).unwrap());
            }
            self.fanout.remove(who as u64);
        }
        let statistics = self.fanout.statistics();
        if !self.clients.iter().any(|client| client.is_cut) {
            assert_eq!(statistics.conflated, skipped as u64);
        }
        assert_eq!((statistics.subscriptions, statistics.channels), (0, 0));
        self.rounds.clear();
        assert_eq!(statistics.queued_bytes, 0);
        assert_eq!(self.fanout.shared.budget.held_bytes(), 0);
    }
}

proptest! {
    #[test]
    fn everybody_gets_what_is_said_while_it_listens_once_and_in_order_but_for_what_it_conflates(
        there in MANY - 6..MANY + 6,
        wanted in proptest::collection::vec(any_wanted(), MANY + 6),
        acts in proptest::collection::vec(any_act(), 0..200),
        gathers in any::<bool>(),
    ) {
        let mut world = World::new(gathers);
        for (who, wanted) in wanted.into_iter().take(there).enumerate() {
            world.subscribe(who, 0, wanted);
        }
        for act in acts {
            world.act(act);
            world.check_lists();
        }
        world.end();
    }
}
