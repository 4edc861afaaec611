//! Just enough of RFC 6455 and the Centrifuge protocol in JSON to be a client of both measured servers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// For one answer of a server outside the measured time.
const ANSWER: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 1 << 16;

/// Where a measured server takes upgrades.
#[derive(Clone)]
pub struct Endpoint {
    pub address: String,
    pub path: String,
}

/// One connection after its upgrade, and what arrived of a message that is not whole yet.
pub struct WebSocket {
    pub socket: TcpStream,
    unread: Vec<u8>,
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
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            endpoint.path, endpoint.address
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).unwrap();
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8_lossy(&head);
        assert!(head.starts_with("HTTP/1.1 101 "), "refused: {head}");
        Self {
            socket,
            unread: Vec::new(),
        }
    }

    /// Send one text message; for a non-blocking socket it must fit the kernel's buffer.
    pub fn send(&mut self, message: &str) {
        self.socket.write_all(&text_frame(message)).unwrap();
    }

    /// Read once; whole messages are then there for `lines`.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Arrival {
        match self.socket.read(buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Arrival::Nothing
            }
            Ok(0) | Err(_) => Arrival::Closed,
            Ok(length) => {
                self.unread.extend_from_slice(&buffer[..length]);
                Arrival::Bytes(length)
            }
        }
    }

    /// Every line of every message that is whole, pings answered and left out. False once the server has closed.
    pub fn lines(&mut self, mut found: impl FnMut(&[u8])) -> bool {
        let (mut at, mut pings, mut open) = (0, 0, true);
        while let Some(frame) = Frame::first(&self.unread[at..]) {
            let payload = &self.unread[at + frame.header..at + frame.header + frame.length];
            match frame.opcode {
                TEXT => {
                    for line in payload.split(|&byte| byte == b'\n') {
                        match line {
                            b"{}" => pings += 1,
                            b"" => {}
                            line => found(line),
                        }
                    }
                }
                CLOSE => open = false,
                _ => {}
            }
            at += frame.header + frame.length;
        }
        self.unread.drain(..at);
        if self.unread.is_empty() {
            // A thousand answers of a thousand publications would not be given back otherwise.
            self.unread.shrink_to(READ_BYTES);
        }
        for _ in 0..pings {
            let _ = self.socket.write_all(&text_frame("{}"));
        }
        open
    }

    /// Send commands, and wait for the reply with this id, which must be no error. For a blocking socket.
    pub fn ask(&mut self, commands: &str, id: usize) -> String {
        self.send(commands);
        let (mut buffer, mut reply) = (vec![0; READ_BYTES], None);
        let wanted = format!("{{\"id\":{id},");
        while reply.is_none() {
            assert!(
                matches!(self.receive(&mut buffer), Arrival::Bytes(_)),
                "no answer"
            );
            let open = self.lines(|line| {
                let line = String::from_utf8_lossy(line);
                assert!(!line.contains("\"error\":{"), "refused: {line}");
                if line.starts_with(&wanted) {
                    reply = Some(line.into_owned());
                }
            });
            assert!(open, "closed by the server");
        }
        reply.unwrap()
    }
}

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;
/// In the place of the length: it follows in two bytes, or in eight.
const SHORT_LENGTH: u8 = 126;
const LONG_LENGTH: u8 = 127;

struct Frame {
    opcode: u8,
    header: usize,
    length: usize,
}

impl Frame {
    /// The frame at the front, if it is whole.
    fn first(bytes: &[u8]) -> Option<Self> {
        let &[opcode, short] = bytes.get(..2)? else {
            return None;
        };
        let (header, length) = match short {
            LONG_LENGTH => {
                let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap());
                (10, usize::try_from(length).unwrap())
            }
            SHORT_LENGTH => (
                4,
                usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())),
            ),
            short => (2, usize::from(short)),
        };
        (bytes.len() >= header + length).then_some(Self {
            opcode,
            header,
            length,
        })
    }
}

/// A client's frame must be masked; a mask of zeros leaves the text as it is.
fn text_frame(message: &str) -> Vec<u8> {
    let mut frame = vec![TEXT];
    match message.len() {
        length @ 0..126 => frame.push(MASKED | u8::try_from(length).unwrap()),
        length @ 126..65536 => {
            frame.push(MASKED | SHORT_LENGTH);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(MASKED | LONG_LENGTH);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(message.as_bytes());
    frame
}
