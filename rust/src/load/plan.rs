//! What is asked for, as the command line says it: JSON, checked here once, so that nothing behind it doubts.

use std::time::Duration;

use serde::Deserialize;

use super::mark::MARK_BYTES;
use super::server::Server;

/// A mark has sixteen bits for its channel.
const MAX_CHANNELS: usize = 1 << 16;
const MAX_THREADS: usize = 256;
const MAX_SUBSCRIBERS: usize = 1 << 20;
const MAX_CONNECTIONS: usize = 1 << 16;
/// A mark has 48 bits for a time, and 40 for a number.
const MAX_SECONDS: f64 = 86_400.0;
const MAX_PER_SECOND: f64 = 1e6;
/// What a publication is made of beside its mark: quotes, a key, and for a line its measurement and a timestamp.
const AROUND_MARK_BYTES: usize = 11;
const AROUND_LINE_BYTES: usize = 30;
const MAX_PUBLICATION_BYTES: usize = 16 << 20;

/// A run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Tells its publications from those of other runs.
    pub run: u32,
    /// The server.
    pub server: Server,
    /// Who listens.
    pub audience: Audience,
    /// What is measured.
    pub work: Work,
    /// How long before the figures count.
    pub warm_up_seconds: f64,
    /// How long they count.
    pub seconds: f64,
    /// How long to wait for what is still on its way, after that.
    pub drain_seconds: f64,
}

/// What clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// JSON.
    Json,
    /// Protobuf.
    Protobuf,
}

impl From<Protocol> for super::protocol::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Json => Self::Json,
            Protocol::Protobuf => Self::Protobuf,
        }
    }
}

/// The subscribers of a run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// The path of the WebSocket.
    pub path: String,
    /// What they speak.
    pub protocol: Protocol,
    /// What they say for themselves in `connect`.
    pub token: Option<String>,
    /// How many.
    pub subscribers: usize,
    /// What each of them subscribes to.
    pub channels: Vec<String>,
    /// Threads for them.
    pub threads: usize,
    /// How many connect at the same time.
    pub at_once: usize,
    /// How long one may take until it is ready.
    pub handshake_seconds: f64,
}

/// What a run measures.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Publications at a steady rate.
    Latency {
        /// How they are published.
        publishing: Publishing,
        /// On each channel.
        per_second: f64,
    },
    /// Publications as fast as they are delivered.
    Fanout {
        /// How they are published.
        publishing: Publishing,
        /// Publications that may be on their way to subscribers.
        in_flight: u64,
    },
    /// Bodies, as fast as they are answered.
    Ingest {
        /// The path that they are posted to.
        path: String,
        /// More headers.
        headers: Vec<(String, String)>,
        /// Connections that post.
        connections: usize,
        /// Threads for them.
        threads: usize,
        /// Lines in each body.
        lines: u64,
        /// Whether the last word of every line is a time of 19 digits, to be replaced by the present.
        fresh_times: bool,
    },
    /// Clients that connect, subscribe, and then listen.
    Connect {
        /// How long they stay.
        idle_seconds: f64,
    },
}

/// How publications get to the server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publishing {
    /// The way.
    pub way: Way,
    /// The path that is pushed to; for commands that of the WebSocket.
    pub path: String,
    /// What a channel is called there: a measurement, or a channel. As many as the audience has.
    pub names: Vec<String>,
    /// What it says for itself in `connect`.
    pub token: Option<String>,
    /// Connections, among which channels are divided.
    pub connections: usize,
    /// Bytes of one publication as it is sent: JSON data, or a line.
    pub bytes: usize,
    /// How long the first publication may take until all have it.
    pub first_seconds: f64,
}

/// A way to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Line protocol, a request each.
    Push,
    /// Line protocol on a WebSocket, a message each.
    PushSocket,
    /// The client protocol's `publish` command.
    Command,
}

/// A plan that cannot be carried out.
#[derive(Debug)]
pub struct Unusable(pub String);

fn check(good: bool, words: impl Into<String>) -> Result<(), Unusable> {
    if good { Ok(()) } else { Err(Unusable(words.into())) }
}

/// A number of seconds that was checked.
#[must_use]
pub fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

impl Plan {
    /// Read a plan.
    ///
    /// # Errors
    /// When it is no plan, or asks for what cannot be.
    pub fn parse(text: &[u8]) -> Result<Self, Unusable> {
        let mut plan: Self = serde_json::from_slice(text).map_err(|error| Unusable(error.to_string()))?;
        plan.check()?;
        let prepared = plan.server.prepare();
        prepared.map_err(|words| Unusable(format!("server.tls: {words}")))?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), Unusable> {
        for (name, seconds, least) in [
            ("seconds", self.seconds, 0.001),
            ("warm_up_seconds", self.warm_up_seconds, 0.0),
            ("drain_seconds", self.drain_seconds, 0.0),
            ("handshake_seconds", self.audience.handshake_seconds, 0.001),
        ] {
            let good = (least..=MAX_SECONDS).contains(&seconds);
            check(good, format!("{name} must be from {least} to {MAX_SECONDS}"))?;
        }
        check_headers(&self.server.headers)?;
        check_text("server.host", &self.server.host)?;
        check_text("audience.path", &self.audience.path)?;
        let audience = &self.audience;
        check(audience.subscribers <= MAX_SUBSCRIBERS, "too many subscribers")?;
        check(audience.channels.len() <= MAX_CHANNELS, "too many channels")?;
        check(
            (1..=MAX_THREADS).contains(&audience.threads),
            "audience.threads must be from 1 to 256",
        )?;
        check(audience.at_once > 0, "audience.at_once must be 1 or more")?;
        self.work.check(audience)
    }
}

impl Work {
    fn check(&self, audience: &Audience) -> Result<(), Unusable> {
        match self {
            Self::Latency {
                publishing,
                per_second,
            } => {
                check(
                    *per_second > 0.0 && *per_second <= MAX_PER_SECOND,
                    "per_second must be above 0 and at most a million",
                )?;
                publishing.check(audience)
            }
            Self::Fanout {
                publishing,
                in_flight,
            } => {
                check(*in_flight > 0, "in_flight must be 1 or more")?;
                publishing.check(audience)
            }
            Self::Ingest {
                path,
                headers,
                connections,
                threads,
                ..
            } => {
                check_text("work.ingest.path", path)?;
                check_headers(headers)?;
                check(
                    (1..=MAX_CONNECTIONS).contains(connections),
                    "connections must be from 1 to 65536",
                )?;
                check(
                    (1..=MAX_THREADS).contains(threads),
                    "threads must be from 1 to 256",
                )
            }
            Self::Connect { idle_seconds } => check(
                (0.0..=MAX_SECONDS).contains(idle_seconds),
                "idle_seconds must be from 0 to a day",
            ),
        }
    }
}

impl Publishing {
    fn check(&self, audience: &Audience) -> Result<(), Unusable> {
        check_text("publishing.path", &self.path)?;
        check(!self.names.is_empty(), "there must be a channel")?;
        check(
            self.names.len() == audience.channels.len(),
            "every channel needs a name to publish by",
        )?;
        check(audience.subscribers > 0, "there must be a subscriber")?;
        check(
            (1..=self.names.len()).contains(&self.connections),
            "no more connections than channels, and one",
        )?;
        check(
            (0.001..=MAX_SECONDS).contains(&self.first_seconds),
            "first_seconds must be from 0.001 to a day",
        )?;
        let around = match self.way {
            Way::Command => AROUND_MARK_BYTES,
            Way::Push | Way::PushSocket => {
                AROUND_LINE_BYTES + self.names.iter().map(String::len).max().unwrap_or(0)
            }
        };
        let least = MARK_BYTES + around;
        check(
            (least..=MAX_PUBLICATION_BYTES).contains(&self.bytes),
            format!("bytes must be from {least} to {MAX_PUBLICATION_BYTES}"),
        )
    }
}

fn check_headers(headers: &[(String, String)]) -> Result<(), Unusable> {
    for (name, value) in headers {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        check(
            !name.is_empty() && name.bytes().all(token),
            "a header's name has a character that none may have",
        )?;
        check(
            !value.bytes().any(|byte| byte < b' ' || byte == 0x7f),
            "a header holds a control character",
        )?;
    }
    Ok(())
}

/// What goes into a request line: nothing that could end it.
fn check_text(what: &str, text: &str) -> Result<(), Unusable> {
    check(
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
        format!("{what} cannot be sent"),
    )
}

#[cfg(test)]
mod tests {
    use super::Plan;

    fn plan(change: impl FnOnce(&mut serde_json::Value)) -> Result<Plan, String> {
        let mut plan = serde_json::json!({
            "run": 1,
            "server": {"address": "127.0.0.1:1", "host": "h:1", "headers": [["A", "b"]], "pid": null, "tls": null},
            "audience": {
                "path": "/ws", "protocol": "json", "token": null, "subscribers": 2, "channels": ["a"], "threads": 1,
                "at_once": 1, "handshake_seconds": 1.0
            },
            "work": {"latency": {"per_second": 5.0, "publishing": {
                "way": "push", "path": "/push", "names": ["a"], "token": null, "connections": 1, "bytes": 200,
                "first_seconds": 1.0
            }}},
            "warm_up_seconds": 0.0, "seconds": 1.0, "drain_seconds": 1.0
        });
        change(&mut plan);
        Plan::parse(plan.to_string().as_bytes()).map_err(|error| error.0)
    }

    #[test]
    fn a_plan_is_read() {
        let plan = plan(|_| ()).unwrap();
        assert_eq!((plan.audience.subscribers, plan.server.headers.len()), (2, 1));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (place, value, words) in [
            ("/nope", serde_json::json!(1), "nope"),
            ("/seconds", serde_json::json!(0.0), "seconds must be"),
            ("/seconds", serde_json::json!(1e9), "seconds must be"),
            ("/server/address", serde_json::json!("localhost"), "address"),
            ("/server/headers/0/0", serde_json::json!("A:"), "header's name"),
            (
                "/server/headers/0/1",
                serde_json::json!("b\r\nC: d"),
                "control character",
            ),
            (
                "/server/tls",
                serde_json::json!({"name": "h", "authorities": ""}),
                "server.tls: there is no authority",
            ),
            (
                "/server/tls",
                serde_json::json!({"name": "a b", "authorities": ""}),
                "server.tls: a b",
            ),
            ("/audience/path", serde_json::json!("/a b"), "audience.path"),
            ("/audience/threads", serde_json::json!(0), "threads"),
            (
                "/audience/channels",
                serde_json::json!(["a", "b"]),
                "needs a name",
            ),
            ("/audience/subscribers", serde_json::json!(0), "subscriber"),
            ("/work/latency/per_second", serde_json::json!(0.0), "per_second"),
            (
                "/work/latency/publishing/bytes",
                serde_json::json!(80),
                "bytes must be from",
            ),
            (
                "/work/latency/publishing/connections",
                serde_json::json!(2),
                "connections",
            ),
            ("/work/latency/publishing/way", serde_json::json!("post"), "post"),
        ] {
            let outcome = plan(|plan| match plan.pointer_mut(place) {
                Some(found) => *found = value.clone(),
                None => plan[&place[1..]] = value.clone(),
            });
            let error = outcome.err().unwrap_or_default();
            assert!(error.contains(words), "{place} = {value}: {error:?}");
        }
    }
}
