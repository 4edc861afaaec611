//! The protocol in Protobuf: messages with their length before them. Field numbers are those of the schema
//! `centrifugal.centrifuge.protocol`.

use super::{Answer, Command, Push, Reason, Said};
use crate::wire::protobuf::{put_bytes, put_bytes_if_any, put_number_if_any, put_varint};

const NAME: &[u8] = b"framecast-bench";

const COMMAND_ID: u8 = 1;
const COMMAND_CONNECT: u8 = 4;
const COMMAND_SUBSCRIBE: u8 = 5;
const COMMAND_PUBLISH: u8 = 7;

const CONNECT_TOKEN: u8 = 1;
const CONNECT_NAME: u8 = 4;
const SUBSCRIBE_CHANNEL: u8 = 1;
const PUBLISH_CHANNEL: u8 = 1;
const PUBLISH_DATA: u8 = 2;

const REPLY_ID: u64 = 1;
const REPLY_ERROR: u64 = 2;
const REPLY_PUSH: u64 = 4;
const REPLY_CONNECT: u64 = 5;

const ERROR_CODE: u64 = 1;
const ERROR_MESSAGE: u64 = 2;
const CONNECTED_PONG: u64 = 8;

const PUSH_PUBLICATION: u64 = 4;
const PUSH_UNSUBSCRIBE: u64 = 7;
const PUSH_DISCONNECT: u64 = 11;
const UNSUBSCRIBE_CODE: u64 = 2;
const UNSUBSCRIBE_REASON: u64 = 3;
const DISCONNECT_CODE: u64 = 1;
const DISCONNECT_REASON: u64 = 2;

pub(super) fn put_command(message: &mut Vec<u8>, id: u32, command: Command<'_>) {
    let (field, mut inside) = match command {
        Command::Connect { .. } => (COMMAND_CONNECT, Vec::new()),
        Command::Subscribe { .. } => (COMMAND_SUBSCRIBE, Vec::new()),
        Command::Publish { data, .. } => (COMMAND_PUBLISH, Vec::with_capacity(data.len() + 64)),
    };
    match command {
        Command::Connect { token } => {
            put_bytes_if_any(&mut inside, CONNECT_TOKEN, token.unwrap_or_default().as_bytes());
            put_bytes(&mut inside, CONNECT_NAME, NAME);
        }
        Command::Subscribe { channel } => put_bytes(&mut inside, SUBSCRIBE_CHANNEL, channel.as_bytes()),
        Command::Publish { channel, data } => {
            put_bytes(&mut inside, PUBLISH_CHANNEL, channel.as_bytes());
            put_bytes(&mut inside, PUBLISH_DATA, data);
        }
    }
    let mut command = Vec::with_capacity(inside.len() + 16);
    put_number_if_any(&mut command, COMMAND_ID, id.into());
    put_bytes(&mut command, field, &inside);
    put_varint(message, command.len() as u64);
    message.extend_from_slice(&command);
}

/// What one field holds, as far as we tell kinds apart.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            Value::Number(_) => &[],
        }
    }

    fn number(self) -> u64 {
        match self {
            Value::Number(number) => number,
            Value::Bytes(_) => 0,
        }
    }

    fn code(self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    fn words(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// The fields of a message, in order. Ends early, and is `broken`, where no field can be read.
struct Fields<'a> {
    rest: &'a [u8],
    broken: bool,
}

impl<'a> Fields<'a> {
    fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            broken: false,
        }
    }

    /// The last value of field `wanted`, which is the one that counts; None when there is none, or no message.
    fn find(message: &'a [u8], wanted: u64) -> Option<Value<'a>> {
        let mut fields = Self::of(message);
        let found = fields.by_ref().filter(|&(number, _)| number == wanted).last();
        if fields.broken {
            None
        } else {
            found.map(|(_, value)| value)
        }
    }

    fn read(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = take_varint(&mut self.rest)?;
        let value = match tag & 7 {
            0 => Value::Number(take_varint(&mut self.rest)?),
            1 => Value::Bytes(take(&mut self.rest, 8)?),
            2 => {
                let length = usize::try_from(take_varint(&mut self.rest)?).ok()?;
                Value::Bytes(take(&mut self.rest, length)?)
            }
            5 => Value::Bytes(take(&mut self.rest, 4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.broken {
            return None;
        }
        let field = self.read();
        self.broken = field.is_none();
        field
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

pub(super) fn read<'a>(message: &'a [u8], mut tell: impl FnMut(Said<'a>)) {
    let mut rest = message;
    while !rest.is_empty() {
        let length = take_varint(&mut rest).and_then(|length| usize::try_from(length).ok());
        match length.and_then(|length| take(&mut rest, length)) {
            Some(reply) => tell(read_reply(reply)),
            None => return tell(Said::Unreadable),
        }
    }
}

fn read_reply(reply: &[u8]) -> Said<'_> {
    let (mut id, mut answer) = (0, Answer::Done);
    let mut fields = Fields::of(reply);
    for (field, value) in fields.by_ref() {
        match field {
            REPLY_ID => id = value.code(),
            REPLY_PUSH => return Said::Push(value.bytes()),
            REPLY_ERROR => {
                answer = Answer::Refused(read_reason(value.bytes(), ERROR_CODE, ERROR_MESSAGE));
            }
            REPLY_CONNECT => {
                let pong = Fields::find(value.bytes(), CONNECTED_PONG).is_some_and(|pong| pong.number() != 0);
                answer = Answer::Connected { pong };
            }
            _ => {}
        }
    }
    match id {
        _ if fields.broken => Said::Unreadable,
        0 => Said::Ping,
        id => Said::Reply(id, answer),
    }
}

fn read_reason(message: &[u8], code: u64, words: u64) -> Reason {
    Reason {
        code: Fields::find(message, code).map_or(0, Value::code),
        words: Fields::find(message, words).map_or_else(String::new, Value::words),
    }
}

pub(super) fn explain(push: &[u8]) -> Push {
    let mut fields = Fields::of(push);
    let mut found = Push::Other;
    for (field, value) in fields.by_ref() {
        match field {
            PUSH_PUBLICATION => found = Push::Publication,
            PUSH_UNSUBSCRIBE => {
                let reason = read_reason(value.bytes(), UNSUBSCRIBE_CODE, UNSUBSCRIBE_REASON);
                found = Push::Unsubscribed(reason);
            }
            PUSH_DISCONNECT => {
                let reason = read_reason(value.bytes(), DISCONNECT_CODE, DISCONNECT_REASON);
                found = Push::Disconnected(reason);
            }
            _ => {}
        }
    }
    if fields.broken { Push::Unreadable } else { found }
}
