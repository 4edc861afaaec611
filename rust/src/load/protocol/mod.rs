//! As much of the Centrifuge client protocol v2 as a subscriber and a publisher of a measurement need, in JSON and
//! Protobuf, free of I/O (<https://centrifugal.dev/docs/transports/client_protocol>).
//!
//! Publications are looked for by their marks, not parsed: whoever measures a server must be faster than it.

mod json;
mod protobuf;

pub use crate::wire::Protocol;

/// What a client says.
#[derive(Clone, Copy, Debug)]
pub enum Command<'a> {
    /// The first of all.
    Connect {
        /// A JWT, or whatever the server wants.
        token: Option<&'a str>,
    },
    /// Hear what is published on a channel.
    Subscribe {
        /// As the server spells it.
        channel: &'a str,
    },
    /// Publish on a channel.
    Publish {
        /// As the server spells it.
        channel: &'a str,
        /// JSON.
        data: &'a [u8],
    },
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A ping.
    Ping,
    /// A push that was not looked into.
    Push(&'a [u8]),
    /// The answer to the command with this id.
    Reply(u32, Answer),
    /// Nothing that can be understood.
    Unreadable,
}

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The client is connected.
    Connected {
        /// Whether the server wants its pings answered.
        pong: bool,
    },
    /// It was carried out.
    Done,
    /// It was not.
    Refused(Reason),
}

/// A code of the protocol, with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Of errors from 100, of unsubscribes and disconnects from 2000.
    pub code: u32,
    /// For a person.
    pub words: String,
}

/// What a push without a mark is.
#[derive(Debug, PartialEq, Eq)]
pub enum Push {
    /// A publication of somebody else.
    Publication,
    /// The end of a subscription.
    Unsubscribed(Reason),
    /// The end of the connection.
    Disconnected(Reason),
    /// A join, a leave, or what is newer than we are.
    Other,
    /// Nothing that can be understood.
    Unreadable,
}

/// The query or subprotocol that asks for a protocol; JSON is what a server speaks unasked.
#[must_use]
pub const fn subprotocol(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Json => None,
        Protocol::Protobuf => Some("centrifuge-protobuf"),
    }
}

/// Append a command to a message, which may hold some already.
pub fn put_command(protocol: Protocol, message: &mut Vec<u8>, id: u32, command: Command<'_>) {
    match protocol {
        Protocol::Json => json::put_command(message, id, command),
        Protocol::Protobuf => protobuf::put_command(message, id, command),
    }
}

/// The message that answers a ping.
#[must_use]
pub const fn pong(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Json => b"{}",
        Protocol::Protobuf => b"\0",
    }
}

/// Tell everything that a message of the server says.
pub fn read<'a>(protocol: Protocol, message: &'a [u8], tell: impl FnMut(Said<'a>)) {
    match protocol {
        Protocol::Json => json::read(message, tell),
        Protocol::Protobuf => protobuf::read(message, tell),
    }
}

/// Look into a push that has no mark.
#[must_use]
pub fn explain(protocol: Protocol, push: &[u8]) -> Push {
    match protocol {
        Protocol::Json => json::explain(push),
        Protocol::Protobuf => protobuf::explain(push),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Command, Protocol, Push, Reason, Said, explain, put_command, read};

    fn said(protocol: Protocol, message: &[u8]) -> Vec<String> {
        let mut told = Vec::new();
        read(protocol, message, |said| {
            told.push(match said {
                Said::Push(push) => format!("push {:?}", explain(protocol, push)),
                other => format!("{other:?}"),
            });
        });
        told
    }

    fn commands(protocol: Protocol) -> Vec<u8> {
        let mut message = Vec::new();
        let (channel, data) = ("a\"b", &b"{\"x\":1}"[..]);
        put_command(protocol, &mut message, 1, Command::Connect { token: None });
        put_command(protocol, &mut message, 2, Command::Connect { token: Some("t") });
        put_command(protocol, &mut message, 3, Command::Subscribe { channel });
        put_command(protocol, &mut message, 300, Command::Publish { channel, data });
        message
    }

    #[test]
    fn json_commands_are_lines() {
        let text = String::from_utf8(commands(Protocol::Json)).unwrap();
        let expected = concat!(
            r#"{"id":1,"connect":{"name":"framecast-bench"}}"#,
            "\n",
            r#"{"id":2,"connect":{"name":"framecast-bench","token":"t"}}"#,
            "\n",
            r#"{"id":3,"subscribe":{"channel":"a\"b"}}"#,
            "\n",
            r#"{"id":300,"publish":{"channel":"a\"b","data":{"x":1}}}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn protobuf_commands_have_their_length_before_them() {
        let name = b"\x22\x0fframecast-bench";
        let expected = [
            &b"\x15\x08\x01\x22\x11"[..],
            name,
            b"\x18\x08\x02\x22\x14\x0a\x01t",
            name,
            b"\x09\x08\x03\x2a\x05\x0a\x03a\"b",
            b"\x13\x08\xac\x02\x3a\x0e\x0a\x03a\"b\x12\x07{\"x\":1}",
        ];
        assert_eq!(commands(Protocol::Protobuf), expected.concat());
    }

    #[test]
    fn what_a_server_says_in_json_is_understood() {
        let message = br#"{}
{"id":1,"connect":{"client":"c","version":"1","ping":25,"pong":true}}
{"connect":{"client":"c"},"id":7}
{"id":2,"subscribe":{"data":{"push":1}}}
{"id":3,"error":{"code":103,"message":"permission \"denied\""}}
{"push":{"channel":"a","pub":{"data":[1]}}}
{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"gap"}}}
{ "push": {"disconnect":{"code":3004}}}
{"push":{"channel":"a","join":{"info":{}}}}
{"push":{"channel
nonsense
"#;
        let refused = Answer::Refused(Reason {
            code: 103,
            words: "permission \"denied\"".to_owned(),
        });
        let unsubscribed = Push::Unsubscribed(Reason {
            code: 2500,
            words: "gap".to_owned(),
        });
        let disconnected = Push::Disconnected(Reason {
            code: 3004,
            words: String::new(),
        });
        let expected = [
            format!("{:?}", Said::Ping),
            format!("{:?}", Said::Reply(1, Answer::Connected { pong: true })),
            format!("{:?}", Said::Reply(7, Answer::Connected { pong: false })),
            format!("{:?}", Said::Reply(2, Answer::Done)),
            format!("{:?}", Said::Reply(3, refused)),
            format!("push {:?}", Push::Publication),
            format!("push {unsubscribed:?}"),
            format!("push {disconnected:?}"),
            format!("push {:?}", Push::Other),
            format!("push {:?}", Push::Unreadable),
            format!("{:?}", Said::Unreadable),
        ];
        assert_eq!(said(Protocol::Json, message), expected);
    }

    #[test]
    fn what_a_server_says_in_protobuf_is_understood() {
        let ping = b"\0";
        let connected = b"\x09\x08\x01\x2a\x05\x0a\x01c\x40\x01";
        let done = b"\x04\x08\x02\x32\x00";
        let denied = b"\x0b\x08\x03\x12\x07\x08\x67\x12\x03no!";
        let publication = b"\x16\x22\x14\x12\x07plain:p\x22\x09\x22\x07{\"a\":1}";
        let gone = b"\x0e\x22\x0c\x12\x01a\x3a\x07\x10\xc4\x13\x1a\x02ok";
        let bye = b"\x07\x22\x05\x5a\x03\x08\xbc\x17";
        let join = b"\x07\x22\x05\x12\x01a\x2a\x00";
        let cut = b"\x04\x22\x02\x22\x05";
        let parts: [&[u8]; 9] = [ping, connected, done, denied, publication, gone, bye, join, cut];
        let all = [&parts.concat(), &b"\x7f\x01"[..]].concat();
        let reason = |code, words: &str| Reason {
            code,
            words: words.to_owned(),
        };
        let expected = [
            format!("{:?}", Said::Ping),
            format!("{:?}", Said::Reply(1, Answer::Connected { pong: true })),
            format!("{:?}", Said::Reply(2, Answer::Done)),
            format!("{:?}", Said::Reply(3, Answer::Refused(reason(103, "no!")))),
            format!("push {:?}", Push::Publication),
            format!("push {:?}", Push::Unsubscribed(reason(2500, "ok"))),
            format!("push {:?}", Push::Disconnected(reason(3004, ""))),
            format!("push {:?}", Push::Other),
            format!("push {:?}", Push::Unreadable),
            format!("{:?}", Said::Unreadable),
        ];
        assert_eq!(said(Protocol::Protobuf, &all), expected);
    }
}
