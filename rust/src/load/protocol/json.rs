//! The protocol in JSON: an object a line.

use std::borrow::Cow;

use memchr::memchr_iter;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Answer, Command, Push, Reason, Said};
use crate::json::write_string;

/// How every server that we know begins a push.
const PUSH: &[u8] = b"{\"push\":";
const NAME: &[u8] = b"\"name\":\"framecast-bench\"";

pub(super) fn put_command(message: &mut Vec<u8>, id: u32, command: Command<'_>) {
    if !message.is_empty() {
        message.push(b'\n');
    }
    message.extend_from_slice(b"{\"id\":");
    message.extend_from_slice(id.to_string().as_bytes());
    match command {
        Command::Connect { token } => {
            message.extend_from_slice(b",\"connect\":{");
            message.extend_from_slice(NAME);
            if let Some(token) = token {
                message.extend_from_slice(b",\"token\":");
                write_string(token.as_bytes(), message);
            }
        }
        Command::Subscribe { channel } => {
            message.extend_from_slice(b",\"subscribe\":{\"channel\":");
            write_string(channel.as_bytes(), message);
        }
        Command::Publish { channel, data } => {
            message.extend_from_slice(b",\"publish\":{\"channel\":");
            write_string(channel.as_bytes(), message);
            message.extend_from_slice(b",\"data\":");
            message.extend_from_slice(data);
        }
    }
    message.extend_from_slice(b"}}");
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    id: u32,
    #[serde(borrow)]
    error: Option<Coded<'a>>,
    connect: Option<Connected>,
    push: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Coded<'a> {
    #[serde(default)]
    code: u32,
    #[serde(borrow, default, alias = "reason")]
    message: Cow<'a, str>,
}

impl From<Coded<'_>> for Reason {
    fn from(coded: Coded<'_>) -> Self {
        Self {
            code: coded.code,
            words: coded.message.into_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Connected {
    #[serde(default)]
    pong: bool,
}

pub(super) fn read<'a>(message: &'a [u8], mut tell: impl FnMut(Said<'a>)) {
    let mut begin = 0;
    for end in memchr_iter(b'\n', message).chain([message.len()]) {
        let line = &message[begin..end];
        begin = end + 1;
        if line.starts_with(PUSH) {
            tell(Said::Push(line));
        } else if line == b"{}" {
            tell(Said::Ping);
        } else if !line.is_empty() {
            tell(read_reply(line));
        }
    }
}

fn read_reply(line: &[u8]) -> Said<'_> {
    let Ok(reply) = serde_json::from_slice::<Reply>(line) else {
        return Said::Unreadable;
    };
    let answer = match reply {
        Reply { push: Some(_), .. } => return Said::Push(line),
        Reply { id: 0, .. } => return Said::Ping,
        Reply {
            error: Some(error), ..
        } => Answer::Refused(error.into()),
        Reply {
            connect: Some(connected),
            ..
        } => Answer::Connected { pong: connected.pong },
        Reply { .. } => Answer::Done,
    };
    Said::Reply(reply.id, answer)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    push: PushFields<'a>,
}

#[derive(Deserialize)]
struct PushFields<'a> {
    #[serde(rename = "pub")]
    publication: Option<IgnoredAny>,
    #[serde(borrow)]
    unsubscribe: Option<Coded<'a>>,
    #[serde(borrow)]
    disconnect: Option<Coded<'a>>,
}

pub(super) fn explain(push: &[u8]) -> Push {
    match serde_json::from_slice::<Envelope>(push) {
        Err(_) => Push::Unreadable,
        Ok(Envelope { push }) => match push {
            PushFields {
                publication: Some(_), ..
            } => Push::Publication,
            PushFields {
                unsubscribe: Some(reason),
                ..
            } => Push::Unsubscribed(reason.into()),
            PushFields {
                disconnect: Some(reason),
                ..
            } => Push::Disconnected(reason.into()),
            PushFields { .. } => Push::Other,
        },
    }
}
