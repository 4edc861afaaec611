//! One client of a Centrifuge server: it connects, subscribes, answers pings, and hands pushes on.

use super::clock::Clock;
use super::connection::{Attended, Connection, Site};
use super::ending::{Ending, Kind};
use super::poll::Ready;
use super::protocol::{self, Answer, Command, Protocol, Push, Said};
use super::websocket::{Message, Opcode};

/// The id of the `connect` command; `subscribe` commands follow it.
const CONNECT: u32 = 1;

/// What a client is to be.
#[derive(Debug)]
pub struct Role {
    /// Where it connects.
    pub site: Site,
    /// What it speaks.
    pub protocol: Protocol,
    /// What it says for itself.
    pub token: Option<String>,
    /// What it subscribes to.
    pub channels: Vec<String>,
}

/// Who is told of what a client hears.
pub trait Listener {
    /// A push has arrived. Whether it was what one waits for; others are looked into by the client.
    fn hear(&mut self, push: &[u8], now_ns: u64) -> bool;

    /// That push was somebody else's publication.
    fn overhear(&mut self);

    /// A command that the client was given by [`Client::send`] was carried out, or refused.
    ///
    /// # Errors
    /// When that is the end of the client.
    fn answer(&mut self, id: u32, answer: Answer) -> Result<(), Ending>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    /// So many of its first commands are not answered yet.
    Greeting(usize),
    Ready,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    stage: Stage,
    /// Whether the server wants its pings answered.
    pong: bool,
}

impl Client {
    /// Begin a connection.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn begin(role: &Role) -> Result<Self, Ending> {
        Ok(Self {
            connection: Connection::begin(&role.site)?,
            stage: Stage::Opening,
            pong: false,
        })
    }

    /// The connection under it.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether it is connected and all its subscriptions are live.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// The id of the first command that it may be given.
    #[must_use]
    pub fn first_id(role: &Role) -> u32 {
        CONNECT + 1 + u32::try_from(role.channels.len()).unwrap_or(u32::MAX / 2)
    }

    /// Send a message of commands.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn send(&mut self, role: &Role, message: &[u8]) -> Result<(), Ending> {
        self.connection.send(opcode(role.protocol), message)
    }

    /// Say goodbye.
    pub fn leave(self) {
        self.connection.leave();
    }

    /// Do what the socket is ready for, at most one read.
    ///
    /// # Errors
    /// How the client has ended.
    pub fn attend(
        &mut self,
        role: &Role,
        ready: Ready,
        buffer: &mut [u8],
        clock: Clock,
        listener: &mut impl Listener,
    ) -> Result<Attended, Ending> {
        let Self {
            connection,
            stage,
            pong,
        } = self;
        let mut heard = Heard {
            role,
            stage: *stage,
            pong: *pong,
            pings: 0,
            ending: None,
        };
        let attended = connection.attend(&role.site, ready, buffer, clock, |message, now_ns| {
            heard.take(&message, now_ns, listener);
        });
        let Heard {
            stage: now,
            pong: wanted,
            pings,
            ending,
            ..
        } = heard;
        (*stage, *pong) = (now, wanted);
        if let Some(ending) = ending {
            return Err(ending);
        }
        let attended = attended?;
        if attended.opened {
            self.greet(role)?;
        }
        if self.pong {
            for _ in 0..pings {
                self.send(role, protocol::pong(role.protocol))?;
            }
        }
        Ok(attended)
    }

    /// Connect and subscribe to everything in one message, as centrifuge-js does.
    fn greet(&mut self, role: &Role) -> Result<(), Ending> {
        let (mut message, mut id) = (Vec::new(), CONNECT);
        let token = role.token.as_deref();
        protocol::put_command(role.protocol, &mut message, id, Command::Connect { token });
        for channel in &role.channels {
            id += 1;
            protocol::put_command(role.protocol, &mut message, id, Command::Subscribe { channel });
        }
        self.stage = Stage::Greeting(role.channels.len() + 1);
        self.send(role, &message)
    }
}

const fn opcode(protocol: Protocol) -> Opcode {
    match protocol {
        Protocol::Json => Opcode::Text,
        Protocol::Protobuf => Opcode::Binary,
    }
}

/// What one read comes to.
struct Heard<'a> {
    role: &'a Role,
    stage: Stage,
    pong: bool,
    pings: usize,
    ending: Option<Ending>,
}

impl Heard<'_> {
    fn take(&mut self, message: &Message<'_>, now_ns: u64, listener: &mut impl Listener) {
        let (Message::Text(payload) | Message::Binary(payload)) = message else {
            return;
        };
        protocol::read(self.role.protocol, payload, |said| {
            if self.ending.is_some() {
                return;
            }
            let outcome = match said {
                Said::Ping => {
                    self.pings += 1;
                    Ok(())
                }
                Said::Push(push) if listener.hear(push, now_ns) => Ok(()),
                Said::Push(push) => look_into(self.role.protocol, push, listener),
                Said::Reply(id, answer) => self.take_answer(id, answer, listener),
                Said::Unreadable => Err(Ending::bad_answer("a message that is no Centrifuge protocol v2")),
            };
            self.ending = outcome.err();
        });
    }

    fn take_answer(&mut self, id: u32, answer: Answer, listener: &mut impl Listener) -> Result<(), Ending> {
        if id >= Client::first_id(self.role) {
            return listener.answer(id, answer);
        }
        match answer {
            Answer::Refused(reason) => {
                let kind = if id == CONNECT {
                    Kind::ConnectRefused
                } else {
                    Kind::SubscribeRefused
                };
                return Err(Ending::of_reason(kind, &reason));
            }
            Answer::Connected { pong } => self.pong = pong,
            Answer::Done => {}
        }
        if let Stage::Greeting(waiting) = self.stage {
            self.stage = if waiting > 1 {
                Stage::Greeting(waiting - 1)
            } else {
                Stage::Ready
            };
        }
        Ok(())
    }
}

/// A push that was not what anybody waits for.
fn look_into(protocol: Protocol, push: &[u8], listener: &mut impl Listener) -> Result<(), Ending> {
    match protocol::explain(protocol, push) {
        Push::Publication => {
            listener.overhear();
            Ok(())
        }
        Push::Other => Ok(()),
        Push::Unsubscribed(reason) => Err(Ending::of_reason(Kind::Unsubscribed, &reason)),
        Push::Disconnected(reason) => Err(Ending::of_reason(Kind::Closed, &reason)),
        Push::Unreadable => Err(Ending::bad_answer("a push that cannot be read")),
    }
}
