//! The limit that `bench` measures beside: a server that does nothing but `send`, once for every subscriber and
//! publication, in a loop.
//!
//! It speaks as much as the load of `framecast bench` needs to take it for a server: the upgrade of the key that the load
//! sends, `connect` and `subscribe` in JSON without a look at what they ask, and pushes of `NAME text="…" TIME` lines, by POST
//! and on a WebSocket, whose frames are what Framecast sends for them, byte for byte. No queues, no checks, no past; a subscriber that does
//! not read holds up everybody.
//!
//! `bare_sender` prints `listening on http://ADDRESS`, and serves until it is terminated.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;

use _core::load::websocket::upgrade::ACCEPT;
use _core::wire::{Form, Framing, Publication, Reader, Shape};
use memchr::{memchr, memmem};
use serde_json::{Value, json};

const PUSH_PATH: &str = "/api/live/push/";
const ACCEPTED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const READER: Reader = Reader {
    framing: Framing::TextMessages,
    unidirectional: false,
};
/// A thread of a connection needs next to nothing, and ten thousand may begin at once.
const STACK_BYTES: usize = 1 << 17;

/// One channel: who hears it, and how many publications there were.
struct Channel {
    form: Form,
    subscribers: Vec<TcpStream>,
    published: u64,
}

impl Channel {
    fn new(name: &str) -> Self {
        let form = Form {
            reader: READER,
            spelling: name.into(),
            detailed: false,
        };
        Self {
            form,
            subscribers: Vec::new(),
            published: 0,
        }
    }

    /// The bare loop.
    fn publish(&mut self, payload: &[u8]) {
        self.published += 1;
        let publication = Publication {
            payload,
            detail: None,
            offset: self.published,
            info: None,
            brings_schema: false,
        };
        let message = self.form.publication(&publication, Shape::Value);
        self.subscribers
            .retain_mut(|socket| socket.write_all(&message).is_ok());
    }
}

static CHANNELS: Mutex<Option<HashMap<String, Channel>>> = Mutex::new(None);

fn with_channel(name: &str, work: impl FnOnce(&mut Channel)) {
    let mut channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
    let channels = channels.get_or_insert_with(HashMap::new);
    if let Some(channel) = channels.get_mut(name) {
        work(channel);
    } else {
        work(
            channels
                .entry(name.to_owned())
                .or_insert_with(|| Channel::new(name)),
        );
    }
}

/// What arrives on a connection, and was not taken yet.
struct Incoming {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Incoming {
    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1 << 14];
        match self.socket.read(&mut buffer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => {
                self.unread.extend_from_slice(&buffer[..length]);
                Ok(())
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.more()?;
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    /// A request's line and headers.
    fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = memmem::find(&self.unread, b"\r\n\r\n") {
                return Ok(String::from_utf8_lossy(&self.take(at + 4)?).into_owned());
            }
            self.more()?;
        }
    }

    /// The payload of a client's WebSocket frame, which is masked (RFC 6455 §5.2). A message is one frame here; pings
    /// and pongs, which have no use here, are passed over.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let head = self.take(2)?;
            let length = match head[1] & 0x7f {
                126 => usize::from(u16::from_be_bytes(self.take(2)?.try_into().unwrap())),
                127 => usize::try_from(u64::from_be_bytes(self.take(8)?.try_into().unwrap())).unwrap(),
                length => usize::from(length),
            };
            let mask = self.take(4)?;
            let mut payload = self.take(length)?;
            for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
            match head[0] & 0xf {
                1 | 2 => return Ok(payload),
                8 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }
}

fn serve(socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let unread = Vec::new();
    let mut incoming = Incoming { socket, unread };
    let head = incoming.head()?;
    if let Some(rest) = head.strip_prefix("POST ") {
        return serve_pushes(incoming, rest.to_owned());
    }
    let upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let answer = format!("{upgraded}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
    incoming.socket.write_all(answer.as_bytes())?;
    match pushed_stream(head.strip_prefix("GET ").unwrap_or_default()) {
        "" => subscribe(incoming),
        stream => loop {
            publish(stream, &incoming.message()?);
        },
    }
}

/// The stream in what begins with the path of a push; nothing where it is no push.
fn pushed_stream(request: &str) -> &str {
    let path = request.split([' ', '?']).next().unwrap_or_default();
    path.strip_prefix(PUSH_PATH).unwrap_or_default()
}

/// Greet a subscriber. From then on nobody reads what it says: without pings it has nothing to.
fn subscribe(mut incoming: Incoming) -> io::Result<()> {
    let commands = incoming.message()?;
    for line in commands.split(|&byte| byte == b'\n') {
        let command: Value = serde_json::from_slice(line)?;
        let id = &command["id"];
        if let Some(name) = command["subscribe"]["channel"].as_str() {
            let mut socket = incoming.socket.try_clone()?;
            // Whoever has read the answer hears all that is published from then on.
            with_channel(name, |channel| {
                let told = say(&mut socket, &json!({"id": id, "subscribe": {}}));
                channel.subscribers.extend(told.ok().map(|()| socket));
            });
        } else {
            let connect = json!({"client": "bare", "version": "bare"});
            say(&mut incoming.socket, &json!({"id": id, "connect": connect}))?;
        }
    }
    Ok(())
}

fn say(socket: &mut TcpStream, reply: &Value) -> io::Result<()> {
    socket.write_all(&READER.message(reply.to_string().as_bytes()))
}

/// Pushes on a keep-alive connection; the first head was read up to its path.
fn serve_pushes(mut incoming: Incoming, mut head: String) -> io::Result<()> {
    loop {
        let stream = pushed_stream(&head).to_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: ")?.trim().parse().ok());
        let body = incoming.take(length.unwrap_or(0))?;
        incoming.socket.write_all(ACCEPTED)?;
        publish(&stream, &body);
        head = incoming.head()?.split_off("POST ".len());
    }
}

fn publish(stream: &str, body: &[u8]) {
    for line in body.split(|&byte| byte == b'\n') {
        publish_line(stream, line);
    }
}

/// A line of the load: its name ends with the first blank, its text stands between the only quotes.
fn publish_line(stream: &str, line: &[u8]) {
    let Some((name, rest)) = memchr(b' ', line).map(|at| line.split_at(at)) else {
        return;
    };
    let mut quoted = rest.split(|&byte| byte == b'"');
    let (text, time) = (
        quoted.nth(1).unwrap_or_default(),
        quoted.next().unwrap_or_default(),
    );
    let milliseconds = time.get(1..14).unwrap_or(b"0");
    let payload = [
        b"{\"data\":{\"values\":[[\"\"],[",
        milliseconds,
        b"],[\"",
        text,
        b"\"]]}}",
    ]
    .concat();
    let channel = format!("stream/{stream}/{}", String::from_utf8_lossy(name));
    with_channel(&channel, |channel| channel.publish(&payload));
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    for socket in listener.incoming().flatten() {
        // Whoever breaks off is done with.
        let serving = move || drop(serve(socket));
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn(serving)
            .expect("a thread");
    }
}
