//! What may happen in the model.

use proptest::prelude::*;

use super::CONNECTIONS;

#[derive(Clone, Copy, Debug)]
pub enum Act {
    Subscribe(usize, usize, Wanted),
    Unsubscribe(usize, usize),
    /// On which channel, and whether it brings a schema.
    Publish(usize, bool),
    Announce(usize),
    Send(usize),
    Measure(usize),
    Cut(usize),
    Leave(usize),
    Finish(usize),
    BeginRound(usize),
    GoOn(usize),
    Write(usize),
    /// The socket takes so many tenths of a batch, and is full then.
    Fill(usize, usize),
    /// A caller's thread begins to send to the last who became due; and ends one of those sends, of which the socket
    /// takes so many tenths, or nothing any more.
    Lend,
    GiveBack(usize, Option<usize>),
}

#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // wishes, each by itself
pub struct Wanted {
    /// Spelled in one of two ways.
    pub short: bool,
    pub events: bool,
    pub deltas: bool,
    pub conflates: bool,
}

pub fn any_wanted() -> impl Strategy<Value = Wanted> {
    any::<[bool; 4]>().prop_map(|[short, events, deltas, conflates]| Wanted {
        short,
        events,
        deltas: deltas && !conflates,
        conflates,
    })
}

pub fn any_act() -> impl Strategy<Value = Act> {
    let who = 0..CONNECTIONS;
    // The first channel is around the border all the time.
    let which = prop_oneof![4 => Just(0_usize), 1 => Just(1_usize)];
    prop_oneof![
        6 => (who.clone(), which.clone(), any_wanted()).prop_map(|(who, which, wanted)| Act::Subscribe(who, which, wanted)),
        6 => (who.clone(), which.clone()).prop_map(|(who, which)| Act::Unsubscribe(who, which)),
        12 => (which.clone(), prop::bool::weighted(0.2)).prop_map(|(which, schema)| Act::Publish(which, schema)),
        2 => which.clone().prop_map(Act::Announce),
        2 => who.clone().prop_map(Act::Send),
        1 => who.clone().prop_map(Act::Measure),
        1 => who.clone().prop_map(Act::Cut),
        1 => who.clone().prop_map(Act::Leave),
        1 => who.clone().prop_map(Act::Finish),
        4 => which.prop_map(Act::BeginRound),
        12 => any::<usize>().prop_map(Act::GoOn),
        3 => who.clone().prop_map(Act::Write),
        6 => (who, 0_usize..=10).prop_map(|(who, tenths)| Act::Fill(who, tenths)),
        12 => Just(Act::Lend),
        9 => (any::<usize>(), prop::option::weighted(0.95, 0_usize..=10))
            .prop_map(|(place, tenths)| Act::GiveBack(place, tenths)),
    ]
}
