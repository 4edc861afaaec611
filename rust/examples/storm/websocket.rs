//! A blocking client of both measured servers, around the parts of `_core::load` that do no I/O.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use _core::load::http::Responses;
use _core::load::websocket::upgrade::Request;
use _core::load::websocket::{Masks, Message, Opcode, Reader, put_frame};

/// For one answer of a server outside the measured time.
const ANSWER: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 1 << 16;
/// A thousand publications in one answer, and then some.
const MAX_MESSAGE_BYTES: usize = 1 << 30;

/// Where a measured server takes upgrades.
#[derive(Clone)]
pub struct Endpoint {
    pub address: String,
    pub path: String,
}

/// One connection after its upgrade.
pub struct WebSocket {
    pub socket: TcpStream,
    reader: Reader,
    masks: Masks,
}

/// What a read came to.
#[derive(PartialEq, Eq)]
pub enum Arrival {
    Bytes(usize),
    Nothing,
    Closed,
}

impl WebSocket {
    pub fn connect(endpoint: &Endpoint) -> Self {
        let mut socket = TcpStream::connect(&endpoint.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(ANSWER)).unwrap();
        let request = Request {
            host: &endpoint.address,
            path: &endpoint.path,
            subprotocol: None,
            headers: &[],
        };
        socket.write_all(&request.bytes()).unwrap();
        let (mut responses, mut buffer) = (Responses::default(), vec![0; READ_BYTES]);
        let response = loop {
            if let Some(response) = responses.next_whole().unwrap() {
                break response;
            }
            let length = socket.read(&mut buffer).unwrap();
            assert!(length > 0, "no answer to the upgrade");
            responses.feed(&buffer[..length]);
        };
        request.check(&response).unwrap();
        assert!(
            responses.rest().is_empty(),
            "a server speaks when it is spoken to"
        );
        Self {
            socket,
            reader: Reader::new(MAX_MESSAGE_BYTES),
            masks: Masks::new(),
        }
    }

    /// Send one text message; for a non-blocking socket it must fit the kernel's buffer.
    pub fn send(&mut self, message: &str) {
        let mut frame = Vec::with_capacity(message.len() + 14);
        put_frame(
            &mut frame,
            Opcode::Text,
            message.as_bytes(),
            self.masks.next_mask(),
        );
        self.socket.write_all(&frame).unwrap();
    }

    /// Read once, and tell every line of every message that is whole; pings are answered and left out. A server that
    /// breaks the protocol ends the measurement.
    pub fn receive(&mut self, buffer: &mut [u8], mut found: impl FnMut(&[u8])) -> Arrival {
        let length = match self.socket.read(buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Arrival::Nothing;
            }
            Ok(0) | Err(_) => return Arrival::Closed,
            Ok(length) => length,
        };
        let (mut pings, mut open) = (0, true);
        let taken = self.reader.feed(&buffer[..length], |message| match message {
            Message::Text(text) => {
                for line in text.split(|&byte| byte == b'\n') {
                    match line {
                        b"{}" => pings += 1,
                        b"" => {}
                        line => found(line),
                    }
                }
            }
            Message::Close(..) => open = false,
            _ => {}
        });
        taken.unwrap();
        for _ in 0..pings {
            self.send("{}");
        }
        if open {
            Arrival::Bytes(length)
        } else {
            Arrival::Closed
        }
    }

    /// Send commands, and wait for the reply with this id, which must be no error. For a blocking socket.
    pub fn ask(&mut self, commands: &str, id: usize) -> String {
        self.send(commands);
        let (mut buffer, mut reply) = (vec![0; READ_BYTES], None);
        let wanted = format!("{{\"id\":{id},");
        while reply.is_none() {
            let arrival = self.receive(&mut buffer, |line| {
                let line = String::from_utf8_lossy(line);
                assert!(!line.contains("\"error\":{"), "refused: {line}");
                if line.starts_with(&wanted) {
                    reply = Some(line.into_owned());
                }
            });
            assert!(matches!(arrival, Arrival::Bytes(_)), "no answer");
        }
        reply.unwrap()
    }
}
