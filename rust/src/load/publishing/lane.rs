//! One connection that publications go out on: requests, a push socket, or `publish` commands.

use std::net::TcpStream;

use super::content::Content;
use crate::load::client::{Client, Listener, Role};
use crate::load::clock::Clock;
use crate::load::connection::{Connection, Site};
use crate::load::ending::{Ending, Endings, Kind};
use crate::load::latency::Durations;
use crate::load::mark::Mark;
use crate::load::plan::{Plan, Publishing, Way};
use crate::load::poll::Ready;
use crate::load::poster::{Place, Poster};
use crate::load::protocol::{self, Answer, Command};
use crate::load::websocket::Opcode;

/// Commands whose answers may be on their way. A server that paces its clients holds no more of ours than this.
const MAX_UNANSWERED: usize = 1_000;
/// Messages that a WebSocket is given with one write where it may have as many: a system call for each costs more
/// than the messages do. Few enough that the first does not wait for the last.
const MOST_JOINED: u64 = 16;

/// What the server said to publications.
#[derive(Debug)]
pub struct Outcomes {
    /// Requests and commands that were not accepted, or whose answer was lost.
    pub refused: Endings,
    /// From a request to its answer.
    pub answers: Durations,
    /// Connections that were made again.
    pub reconnections: u64,
}

#[derive(Debug)]
enum Carrier {
    Posts {
        place: Place,
        poster: Poster,
        body: Vec<u8>,
        posted_ns: u64,
    },
    Socket {
        site: Site,
        connection: Connection,
        open: bool,
    },
    Commands {
        role: Box<Role>,
        client: Client,
        next_id: u32,
        unanswered: usize,
    },
}

/// One connection, and the channels that it is for.
#[derive(Debug)]
pub struct Lane {
    carrier: Carrier,
    /// Whether the set of sockets looks for room.
    pub watched: bool,
}

/// What came of attending to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attended {
    /// Whatever there was to do.
    Done,
    /// It has another socket now.
    Reconnected,
}

impl Lane {
    /// Begin a connection.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn begin(plan: &Plan, publishing: &Publishing) -> Result<Self, Ending> {
        let site = |subprotocol| Site {
            server: plan.server.endpoint(),
            host: plan.server.host.clone(),
            path: publishing.path.clone(),
            headers: plan.server.headers.clone(),
            subprotocol,
        };
        let carrier = match publishing.way {
            Way::Push => {
                let server = &plan.server;
                let place = Place::new(server.endpoint(), &server.host, &publishing.path, &server.headers);
                Carrier::Posts {
                    poster: Poster::begin(&place)?,
                    place,
                    body: Vec::new(),
                    posted_ns: 0,
                }
            }
            Way::PushSocket => {
                let site = site(None);
                let connection = Connection::begin(&site)?;
                Carrier::Socket {
                    site,
                    connection,
                    open: false,
                }
            }
            Way::Command => {
                let protocol = plan.audience.protocol.into();
                let role = Role {
                    site: site(protocol::subprotocol(protocol)),
                    protocol,
                    token: publishing.token.clone(),
                    channels: Vec::new(),
                };
                Carrier::Commands {
                    client: Client::begin(&role)?,
                    next_id: Client::first_id(&role),
                    role: Box::new(role),
                    unanswered: 0,
                }
            }
        };
        let watched = true;
        Ok(Self { carrier, watched })
    }

    /// The socket, for a [`crate::load::poll::Poll`].
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match &self.carrier {
            Carrier::Posts { poster, .. } => poster.socket(),
            Carrier::Socket { connection, .. } => connection.socket(),
            Carrier::Commands { client, .. } => client.connection().socket(),
        }
    }

    /// Whether it must be told when the socket has room.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        match &self.carrier {
            Carrier::Posts { poster, .. } => poster.wants_room(),
            Carrier::Socket { connection, .. } => connection.wants_room(),
            Carrier::Commands { client, .. } => client.connection().wants_room(),
        }
    }

    /// Whether it can be given publications now.
    #[must_use]
    pub fn is_free(&self) -> bool {
        match &self.carrier {
            Carrier::Posts { poster, .. } => poster.is_idle(),
            Carrier::Socket { connection, open, .. } => *open && !connection.wants_room(),
            Carrier::Commands {
                client, unanswered, ..
            } => client.is_ready() && !client.connection().wants_room() && *unanswered < MAX_UNANSWERED,
        }
    }

    /// Whether everything was answered that will be.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        match &self.carrier {
            Carrier::Posts { poster, .. } => !poster.is_busy(),
            Carrier::Socket { connection, .. } => !connection.wants_room(),
            Carrier::Commands { unanswered, .. } => *unanswered == 0,
        }
    }

    /// How many messages it may be given at once.
    #[must_use]
    pub fn most_messages(&self) -> u64 {
        match &self.carrier {
            Carrier::Socket { .. } => MOST_JOINED,
            Carrier::Posts { .. } | Carrier::Commands { .. } => 1,
        }
    }

    /// Send publications, so many in each message or body.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn send(
        &mut self,
        content: &Content,
        marks: &[Mark],
        in_each: usize,
        clock: Clock,
    ) -> Result<(), Ending> {
        match &mut self.carrier {
            Carrier::Posts {
                place,
                poster,
                body,
                posted_ns,
            } => {
                body.clear();
                for mark in marks {
                    content.put(mark, body);
                }
                place.put_request(poster.request(), body);
                *posted_ns = clock.now_ns();
                poster.post()
            }
            Carrier::Socket { connection, .. } => {
                let body = |marks: &[Mark]| {
                    let mut body = Vec::new();
                    for mark in marks {
                        content.put(mark, &mut body);
                    }
                    body
                };
                let bodies: Vec<_> = marks.chunks(in_each.max(1)).map(body).collect();
                connection.send_all(Opcode::Text, bodies.iter().map(Vec::as_slice))
            }
            Carrier::Commands {
                role,
                client,
                next_id,
                unanswered,
            } => {
                let (mut message, mut data) = (Vec::new(), Vec::new());
                for mark in marks {
                    data.clear();
                    content.put(mark, &mut data);
                    let channel = content.name(mark.channel);
                    let command = Command::Publish { channel, data: &data };
                    protocol::put_command(role.protocol, &mut message, *next_id, command);
                    *next_id = next_id.checked_add(1).unwrap_or(Client::first_id(role));
                }
                *unanswered += marks.len();
                client.send(role, &message)
            }
        }
    }

    /// Do what the socket is ready for.
    ///
    /// # Errors
    /// When the connection is lost and cannot be made again.
    pub fn attend(
        &mut self,
        ready: Ready,
        buffer: &mut [u8],
        clock: Clock,
        outcomes: &mut Outcomes,
    ) -> Result<Attended, Ending> {
        match &mut self.carrier {
            Carrier::Posts {
                place,
                poster,
                posted_ns,
                ..
            } => attend_poster(poster, place, *posted_ns, ready, buffer, clock, outcomes),
            Carrier::Socket {
                site,
                connection,
                open,
            } => {
                let attended = connection.attend(site, ready, buffer, clock, |_, _| ())?;
                *open |= attended.opened;
                Ok(Attended::Done)
            }
            Carrier::Commands {
                role,
                client,
                unanswered,
                ..
            } => {
                let mut listener = Answers { unanswered, outcomes };
                client.attend(role, ready, buffer, clock, &mut listener)?;
                Ok(Attended::Done)
            }
        }
    }

    /// Say goodbye.
    pub fn leave(self) {
        match self.carrier {
            Carrier::Posts { .. } => {}
            Carrier::Socket { connection, .. } => connection.leave(),
            Carrier::Commands { client, .. } => client.leave(),
        }
    }
}

/// One read of a poster. A connection that ends with a request under way has cost that request, no more.
fn attend_poster(
    poster: &mut Poster,
    place: &Place,
    posted_ns: u64,
    ready: Ready,
    buffer: &mut [u8],
    clock: Clock,
    outcomes: &mut Outcomes,
) -> Result<Attended, Ending> {
    let was_busy = poster.is_busy();
    let closes = match poster.attend(ready, buffer) {
        Ok(None) => return Ok(Attended::Done),
        Ok(Some(response)) => {
            if response.status / 100 == 2 {
                outcomes.answers.record(clock.now_ns() - posted_ns);
            } else {
                let words = String::from_utf8_lossy(&response.body);
                let refused = Ending::new(Kind::Refused, response.status.into(), words.trim());
                outcomes.refused.count(refused);
            }
            response.closes
        }
        Err(ending) if ending.kind == Kind::CannotConnect => return Err(ending),
        Err(ending) => {
            if was_busy {
                outcomes.refused.count(ending);
            }
            true
        }
    };
    if !closes {
        return Ok(Attended::Done);
    }
    outcomes.reconnections += 1;
    poster.reconnect(place, false)?;
    Ok(Attended::Reconnected)
}

struct Answers<'a> {
    unanswered: &'a mut usize,
    outcomes: &'a mut Outcomes,
}

impl Listener for Answers<'_> {
    fn hear(&mut self, _: &[u8], _: u64) -> bool {
        // It subscribes to nothing; what the server subscribes it to is for others.
        false
    }

    fn overhear(&mut self) {}

    fn answer(&mut self, _: u32, answer: Answer) -> Result<(), Ending> {
        *self.unanswered = self.unanswered.saturating_sub(1);
        if let Answer::Refused(reason) = answer {
            let refused = Ending::of_reason(Kind::PublishRefused, &reason);
            self.outcomes.refused.count(refused);
        }
        Ok(())
    }
}
