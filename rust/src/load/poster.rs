//! One keep-alive connection that posts: a request, its answer, the next request (RFC 9112 §9.3).
//!
//! Never pipelines, which servers need not take. A connection that the server ended between two requests, as it may,
//! is made again without a word.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::ending::{Ending, Kind};
use super::http::{Response, Responses};
use super::poll::Ready;
use super::socket::write;
use super::stream::{Endpoint, Stream};

/// Where requests go.
#[derive(Clone, Debug)]
pub struct Place {
    /// The server.
    pub server: Endpoint,
    /// Request line and headers, all but the length and the empty line.
    head: Vec<u8>,
}

impl Place {
    /// Requests to this path.
    #[must_use]
    pub fn new(server: Endpoint, host: &str, path: &str, headers: &[(String, String)]) -> Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            // Writing into memory does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        Self {
            server,
            head: head.into_bytes(),
        }
    }

    /// Write a request with this body; where in it the body begins.
    pub fn put_request(&self, request: &mut Vec<u8>, body: &[u8]) -> usize {
        request.clear();
        request.extend_from_slice(&self.head);
        request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        let begin = request.len();
        request.extend_from_slice(body);
        begin
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Idle,
    /// A request is on its way, or its answer.
    Busy,
}

/// One connection, and the request that it carries. The request is the owner's to fill, by [`Self::request`].
#[derive(Debug)]
pub struct Poster {
    stream: Stream,
    stage: Stage,
    responses: Responses,
    /// The present request, and how much of it the socket has taken.
    request: Vec<u8>,
    sent: usize,
    /// Whether the request is to be sent once the connection is there.
    pending: bool,
}

impl Poster {
    /// Begin a connection.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn begin(place: &Place) -> Result<Self, Ending> {
        let stream = Stream::begin(&place.server);
        Ok(Self {
            stream: stream.map_err(|error| Ending::of_error(Kind::CannotConnect, &error))?,
            stage: Stage::Connecting,
            responses: Responses::default(),
            request: Vec::new(),
            sent: 0,
            pending: false,
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
        self.stage == Stage::Connecting
            || (self.stage == Stage::Busy && self.sent < self.request.len())
            || self.stream.wants_room()
    }

    /// Whether it can post now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Whether a request was posted whose answer has not come.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.stage == Stage::Busy || self.pending
    }

    /// The request, to be filled before [`Self::post`].
    pub fn request(&mut self) -> &mut Vec<u8> {
        &mut self.request
    }

    /// Send the request.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn post(&mut self) -> Result<(), Ending> {
        self.sent = 0;
        if self.stage == Stage::Connecting {
            self.pending = true;
            return Ok(());
        }
        self.pending = false;
        self.stage = Stage::Busy;
        self.write()
    }

    /// Make the connection again, with the same request still to be sent if `again`.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn reconnect(&mut self, place: &Place, again: bool) -> Result<(), Ending> {
        let stream = Stream::begin(&place.server);
        self.stream = stream.map_err(|error| Ending::of_error(Kind::CannotConnect, &error))?;
        self.stage = Stage::Connecting;
        self.responses = Responses::default();
        self.sent = 0;
        self.pending = again;
        Ok(())
    }

    /// Do what the socket is ready for; the answer, when it is there. After one that closes, [`Self::reconnect`].
    ///
    /// # Errors
    /// How the connection has ended. With nothing under way that is no fault of anybody.
    pub fn attend(&mut self, ready: Ready, buffer: &mut [u8]) -> Result<Option<Response>, Ending> {
        if ready.writable {
            self.take_room()?;
        }
        if !ready.readable || self.stage == Stage::Connecting {
            return Ok(None);
        }
        match self.stream.read(buffer) {
            Ok(0) => {
                let last = self.responses.at_end();
                let last = last.map_err(|fault| Ending::bad_answer(fault.words()))?;
                let Some(last) = last.filter(|_| self.stage == Stage::Busy) else {
                    return Err(Ending::new(
                        Kind::Lost,
                        0,
                        "the server ended the connection without an answer",
                    ));
                };
                self.stage = Stage::Idle;
                Ok(Some(Response { closes: true, ..last }))
            }
            Ok(count) => {
                self.responses.feed(&buffer[..count]);
                let whole = self.responses.next_whole();
                let whole = whole.map_err(|fault| Ending::bad_answer(fault.words()))?;
                if whole.is_some() {
                    self.stage = Stage::Idle;
                }
                // One that came before its request was sent leaves a connection that the server would misread.
                let cut = self.sent < self.request.len();
                Ok(whole.map(|response| Response {
                    closes: response.closes || cut,
                    ..response
                }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(Ending::of_error(Kind::Lost, &error)),
        }
    }

    fn take_room(&mut self) -> Result<(), Ending> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error() {
                return Err(Ending::of_error(Kind::CannotConnect, &error));
            }
            self.stage = Stage::Idle;
            if self.pending {
                return self.post();
            }
        }
        let flushed = self.stream.flush();
        flushed.map_err(|error| Ending::of_error(Kind::Lost, &error))?;
        if self.stage == Stage::Busy {
            return self.write();
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Ending> {
        let taken = write(&mut self.stream, &self.request[self.sent..]);
        self.sent += taken.map_err(|error| Ending::of_error(Kind::Lost, &error))?;
        Ok(())
    }
}
