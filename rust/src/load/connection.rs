//! One WebSocket to a server: connecting, the upgrade, messages. Never waits, and takes nothing on trust.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::clock::Clock;
use super::ending::{Ending, Kind};
use super::http::{Response, Responses};
use super::poll::Ready;
use super::socket::Outgoing;
use super::stream::{Endpoint, Stream};
use super::websocket::upgrade::{Refusal, Request};
use super::websocket::{Masks, Message, NORMAL, Opcode, Reader, put_frame};

/// The most a server may say in one message: a whole past of a channel fits.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// What may wait for a server that does not read; our answers to its pings are most of it.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// Where a server has its WebSocket, and how to ask for one.
#[derive(Clone, Debug)]
pub struct Site {
    /// The server.
    pub server: Endpoint,
    /// What the `Host` header holds.
    pub host: String,
    /// The path, with its query.
    pub path: String,
    /// More headers of the upgrade.
    pub headers: Vec<(String, String)>,
    /// The subprotocol that must be agreed on, if any.
    pub subprotocol: Option<&'static str>,
}

impl Site {
    fn request(&self) -> Request<'_> {
        Request {
            host: &self.host,
            path: &self.path,
            subprotocol: self.subprotocol,
            headers: &self.headers,
        }
    }
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Upgrading(Responses),
    Open(Reader),
}

/// One WebSocket.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    stage: Stage,
    outgoing: Outgoing,
    masks: Masks,
}

/// What came of attending to a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attended {
    /// It was opened just now.
    pub opened: bool,
    /// So many bytes were read.
    pub bytes: usize,
}

impl Connection {
    /// Begin a connection.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn begin(site: &Site) -> Result<Self, Ending> {
        let cannot = |error| Ending::of_error(Kind::CannotConnect, &error);
        Ok(Self {
            stream: Stream::begin(&site.server).map_err(cannot)?,
            stage: Stage::Connecting,
            outgoing: Outgoing::default(),
            masks: Masks::new(),
        })
    }

    /// The socket, for a [`super::poll::Poll`].
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// Whether it must be told when the socket has room.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        matches!(self.stage, Stage::Connecting) || !self.outgoing.is_empty() || self.stream.wants_room()
    }

    /// Send a message; what the socket does not take waits.
    ///
    /// # Errors
    /// When the connection is lost, or the server has not read for too long.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Ending> {
        self.send_all(opcode, [payload])
    }

    /// Send messages, each in a frame of its own, with one write.
    ///
    /// # Errors
    /// As of [`Self::send`].
    pub fn send_all<'p>(
        &mut self,
        opcode: Opcode,
        payloads: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<(), Ending> {
        let mut frames = Vec::new();
        for payload in payloads {
            put_frame(&mut frames, opcode, payload, self.masks.next_mask());
        }
        self.outgoing
            .send(&mut self.stream, &frames)
            .map_err(|error| lost(&error))?;
        if self.outgoing.len() > MAX_WAITING_BYTES {
            return Err(Ending::new(Kind::TimedOut, 0, "the server reads too slowly"));
        }
        Ok(())
    }

    /// Say goodbye, as far as the socket takes it; the connection is dropped afterwards.
    pub fn leave(mut self) {
        if matches!(self.stage, Stage::Open(_)) && self.outgoing.is_empty() {
            let _ = self.send(Opcode::Close, &NORMAL.to_be_bytes());
        }
    }

    /// Do what the socket is ready for, at most one read; tell each message with the moment of its arrival.
    ///
    /// # Errors
    /// How the connection has ended. Messages before that were told.
    pub fn attend(
        &mut self,
        site: &Site,
        ready: Ready,
        buffer: &mut [u8],
        clock: Clock,
        mut tell: impl FnMut(Message<'_>, u64),
    ) -> Result<Attended, Ending> {
        let mut attended = Attended::default();
        if ready.writable {
            self.take_room(site)?;
        }
        if !ready.readable || matches!(self.stage, Stage::Connecting) {
            return Ok(attended);
        }
        attended.bytes = match self.stream.read(buffer) {
            Ok(0) => return Err(self.at_end()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(attended);
            }
            Err(error) => return Err(lost(&error)),
        };
        let now_ns = clock.now_ns();
        let bytes = &buffer[..attended.bytes];
        if let Stage::Open(_) = self.stage {
            self.read(bytes, |message| tell(message, now_ns))?;
        } else if let Some(rest) = self.read_upgrade(site, bytes)? {
            attended.opened = true;
            self.read(&rest, |message| tell(message, now_ns))?;
        }
        Ok(attended)
    }

    /// The connection has come about, or there is room for what waits.
    fn take_room(&mut self, site: &Site) -> Result<(), Ending> {
        if let Stage::Connecting = self.stage {
            if let Some(error) = self.stream.take_error() {
                return Err(Ending::of_error(Kind::CannotConnect, &error));
            }
            self.stage = Stage::Upgrading(Responses::default());
            let request = site.request().bytes();
            return self
                .outgoing
                .send(&mut self.stream, &request)
                .map_err(|error| lost(&error));
        }
        let flushed = self.stream.flush();
        let flushed = flushed.and_then(|()| self.outgoing.flush(&mut self.stream));
        flushed.map_err(|error| lost(&error))
    }

    /// Read the answer to the upgrade; once it is whole and good, what came behind it.
    fn read_upgrade(&mut self, site: &Site, bytes: &[u8]) -> Result<Option<Vec<u8>>, Ending> {
        let Stage::Upgrading(responses) = &mut self.stage else {
            return Ok(None);
        };
        responses.feed(bytes);
        let whole = responses
            .next_whole()
            .map_err(|fault| Ending::bad_answer(fault.words()))?;
        let Some(response) = whole else {
            return Ok(None);
        };
        if let Err(refusal) = site.request().check(&response) {
            return Err(refused(refusal, &response));
        }
        let rest = responses.rest();
        self.stage = Stage::Open(Reader::new(MAX_MESSAGE_BYTES));
        Ok(Some(rest))
    }

    fn read(&mut self, bytes: &[u8], mut tell: impl FnMut(Message<'_>)) -> Result<(), Ending> {
        let Stage::Open(reader) = &mut self.stage else {
            return Ok(());
        };
        let (mut pongs, mut closed) = (Vec::new(), None);
        let outcome = reader.feed(bytes, |message| match message {
            Message::Ping(payload) => pongs.push(payload.to_vec()),
            Message::Close(code, reason) => {
                let code = code.map_or(0, u32::from);
                closed = Some(Ending::new(Kind::Closed, code, &String::from_utf8_lossy(reason)));
            }
            message => tell(message),
        });
        outcome.map_err(|fault| Ending::bad_answer(fault.words()))?;
        for pong in pongs {
            self.send(Opcode::Pong, &pong)?;
        }
        closed.map_or(Ok(()), Err)
    }

    /// The stream is over: the end of a refusal, or of everything.
    fn at_end(&mut self) -> Ending {
        if let Stage::Upgrading(responses) = &mut self.stage
            && let Ok(Some(response)) = responses.at_end()
        {
            return refused(Refusal::Status(response.status), &response);
        }
        Ending::new(Kind::Lost, 0, "the server ended the connection without a close")
    }
}

fn lost(error: &std::io::Error) -> Ending {
    Ending::of_error(Kind::Lost, error)
}

fn refused(refusal: Refusal, response: &Response) -> Ending {
    match refusal {
        Refusal::Status(status) => {
            let words = String::from_utf8_lossy(&response.body);
            Ending::new(Kind::Refused, status.into(), words.trim())
        }
        Refusal::NoWebSocket => Ending::bad_answer("101 without a WebSocket behind it"),
        Refusal::Subprotocol => Ending::bad_answer("the server does not speak Protobuf on this path"),
    }
}
