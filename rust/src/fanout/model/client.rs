//! Who subscribes in the model, and how it reads.

use std::collections::BTreeMap;

use super::acts::Wanted;
use super::expectation::{Expectation, Strand};
use crate::wire::{Form, Framing, Reader};

/// A subscriber of the model, and the publication before the one that is next for it, if it got that one.
pub struct Listener {
    pub wanted: Wanted,
    pub before: Option<String>,
    pub strand: Option<Strand>,
}

#[derive(Default)]
pub struct Client {
    pub is_gone: bool,
    pub is_cut: bool,
    pub expected: Expectation,
    pub got: Vec<u8>,
    pub channels: BTreeMap<usize, Listener>,
}

impl Client {
    pub fn go(&mut self) {
        self.is_gone = true;
        self.channels.clear();
    }
}

pub fn form(wanted: Wanted, which: usize) -> Form {
    Form {
        reader: Reader {
            framing: Framing::Lines,
            unidirectional: false,
        },
        spelling: spelling(wanted.short, which).into(),
        detailed: false,
    }
}

pub fn spelling(short: bool, which: usize) -> String {
    format!("{}-{which}", if short { "s" } else { "longer" })
}
