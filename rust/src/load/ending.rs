//! How connections end, and how often each end was met.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::protocol::Reason;

/// What is kept of a server's words.
const MAX_WORDS: usize = 200;
/// Kinds of ends that are told apart; a server may choose its codes as it likes.
const MAX_ENDINGS: usize = 64;

/// The kind of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No TCP connection; the code is the system's error number.
    CannotConnect,
    /// The upgrade, or a push, was answered with the HTTP status that is the code.
    Refused,
    /// The server broke HTTP, WebSocket or the Centrifuge protocol.
    BadAnswer,
    /// The `connect` command was answered with an error.
    ConnectRefused,
    /// A `subscribe` command was answered with an error.
    SubscribeRefused,
    /// A `publish` command was answered with an error.
    PublishRefused,
    /// The server ended a subscription.
    Unsubscribed,
    /// The server closed the WebSocket with this code.
    Closed,
    /// The connection broke without a close; the code is the system's error number, 0 for an end of the stream.
    Lost,
    /// Nothing came in time.
    TimedOut,
}

/// Why a connection is of no use any more, or what was asked was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its kind.
    pub kind: Kind,
    /// Its code within that kind.
    pub code: u32,
    /// For a person. May be the server's, so it is not trusted.
    pub words: String,
}

impl Ending {
    /// An end with these words, cut where they are too long.
    #[must_use]
    pub fn new(kind: Kind, code: u32, words: &str) -> Self {
        Self {
            kind,
            code,
            words: words.chars().take(MAX_WORDS).collect(),
        }
    }

    /// An error of the system.
    #[must_use]
    pub fn of_error(kind: Kind, error: &io::Error) -> Self {
        let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
        let words = error.to_string();
        // The number, which is the code.
        let words = words.split(" (os error").next().unwrap_or_default();
        Self::new(kind, code.unwrap_or(0), words)
    }

    /// What the server said.
    #[must_use]
    pub fn of_reason(kind: Kind, reason: &Reason) -> Self {
        Self::new(kind, reason.code, &reason.words)
    }

    /// An answer that breaks its protocol.
    #[must_use]
    pub fn bad_answer(words: &str) -> Self {
        Self::new(Kind::BadAnswer, 0, words)
    }
}

/// How often each end was met, by kind and code. Of the words the first ones are kept.
#[derive(Clone, Debug, Default)]
pub struct Endings(BTreeMap<(Kind, u32), (String, u64)>);

/// One kind and code, for a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The kind.
    pub what: Kind,
    /// The code.
    pub code: u32,
    /// What was said the first time.
    pub words: String,
    /// How often.
    pub count: u64,
}

impl Endings {
    /// Count one.
    pub fn count(&mut self, ending: Ending) {
        self.count_many(ending, 1);
    }

    /// Count those of another thread.
    pub fn add(&mut self, other: &Self) {
        for (&(kind, code), (words, count)) in &other.0 {
            self.count_many(Ending::new(kind, code, words), *count);
        }
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().map(|(_, count)| count).sum()
    }

    /// For a report.
    #[must_use]
    pub fn findings(&self) -> Vec<Counted> {
        let counted = self.0.iter().map(|(&(what, code), (words, count))| Counted {
            what,
            code,
            words: words.clone(),
            count: *count,
        });
        counted.collect()
    }

    fn count_many(&mut self, ending: Ending, count: u64) {
        let mut key = (ending.kind, ending.code);
        if self.0.len() >= MAX_ENDINGS && !self.0.contains_key(&key) {
            key.1 = 0;
        }
        self.0.entry(key).or_insert((ending.words, 0)).1 += count;
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Endings, Kind};

    #[test]
    fn ends_are_counted_by_kind_and_code() {
        let mut endings = Endings::default();
        endings.count(Ending::new(Kind::Closed, 3008, "slow"));
        endings.count(Ending::new(Kind::Closed, 3008, "slow, again"));
        endings.count(Ending::new(Kind::Refused, 401, &"é".repeat(1000)));
        let mut all = endings.clone();
        all.add(&endings);
        let found = all.findings();
        assert_eq!((all.total(), found.len()), (6, 2));
        assert_eq!(
            (found[0].what, found[0].code, found[0].count),
            (Kind::Refused, 401, 2)
        );
        assert_eq!(found[0].words.chars().count(), 200);
        assert_eq!((found[1].words.as_str(), found[1].count), ("slow", 4));
    }

    #[test]
    fn a_server_that_invents_codes_fills_no_memory() {
        let mut endings = Endings::default();
        for code in 1..1000 {
            endings.count(Ending::new(Kind::Closed, code, ""));
        }
        assert!(endings.findings().len() <= 65);
        assert_eq!(endings.total(), 999);
    }
}
