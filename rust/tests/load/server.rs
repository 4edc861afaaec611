//! A small server that does what a test tells it to: enough of the Centrifuge protocol for the load to be its client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use _core::load::websocket::upgrade;

/// What the server does to its clients.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// The answer to every upgrade, instead of the right one.
    pub upgrade: Option<&'static str>,
    /// What is sent as a WebSocket frame instead of the answer to the first message.
    pub greeting: Option<Vec<u8>>,
    /// Upgrades are not answered at all.
    pub silent: bool,
    /// Errors of `publish` commands.
    pub publish_error: Option<&'static str>,
    /// Publications are accepted and thrown away.
    pub deaf: bool,
    /// The answers to pushes, in turn; the last one for ever. Each closes the connection if it says so.
    pub answers: Vec<&'static str>,
    /// How long a push waits for its answer, once, and which one.
    pub stall: Option<(usize, Duration)>,
}

pub struct Server {
    pub address: SocketAddr,
}

struct State {
    manners: Manners,
    subscribers: Mutex<Vec<TcpStream>>,
    pushes: Mutex<usize>,
}

impl Server {
    pub fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            manners,
            subscribers: Mutex::default(),
            pushes: Mutex::default(),
        });
        thread::spawn(move || {
            for socket in listener.incoming() {
                let state = Arc::clone(&state);
                // A client that leaves ends its thread, as it may.
                thread::spawn(move || serve(socket.unwrap(), &state));
            }
        });
        Self { address }
    }
}

/// One connection; None when it has ended.
fn serve(mut socket: TcpStream, state: &State) -> Option<()> {
    loop {
        let head = read_head(&mut socket)?;
        if head.starts_with("POST") {
            answer_push(&mut socket, &head, state)?;
        } else {
            return serve_websocket(socket, state);
        }
    }
}

fn read_head(socket: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

fn answer_push(socket: &mut TcpStream, head: &str, state: &State) -> Option<()> {
    let length = head
        .split("Content-Length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    socket.read_exact(&mut body).ok()?;
    let number = {
        let mut pushes = state.pushes.lock().unwrap();
        *pushes += 1;
        *pushes - 1
    };
    if let Some((place, length)) = state.manners.stall
        && place == number
    {
        thread::sleep(length);
    }
    let answers = &state.manners.answers;
    let answer = answers.get(number).or(answers.last()).copied();
    let answer = answer.unwrap_or("HTTP/1.1 204 No Content\r\n\r\n");
    if answer.starts_with("HTTP/1.1 2") {
        for line in String::from_utf8(body).unwrap().lines() {
            let data = line.split('"').nth(1).unwrap_or_default();
            publish(&format!("\"{data}\""), state);
        }
    }
    socket.write_all(answer.as_bytes()).ok()?;
    (!answer.contains("Connection: close")).then_some(())
}

fn publish(data: &str, state: &State) {
    if state.manners.deaf {
        return;
    }
    let push = format!("{{\"push\":{{\"channel\":\"c\",\"pub\":{{\"data\":{data}}}}}}}");
    let mut subscribers = state.subscribers.lock().unwrap();
    subscribers.retain_mut(|socket| socket.write_all(&text_frame(&push)).is_ok());
}

fn serve_websocket(mut socket: TcpStream, state: &State) -> Option<()> {
    let manners = &state.manners;
    if manners.silent {
        let _ = socket.read(&mut [0]);
        return None;
    }
    let right = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        upgrade::ACCEPT
    );
    socket
        .write_all(manners.upgrade.unwrap_or(&right).as_bytes())
        .ok()?;
    if manners.upgrade.is_some() {
        return None;
    }
    loop {
        let message = read_message(&mut socket)?;
        if let Some(greeting) = &manners.greeting {
            socket.write_all(greeting).ok()?;
            // Whoever is told goodbye says so too; until then it may read.
            read_message(&mut socket);
            return None;
        }
        let mut answers = Vec::new();
        for line in message.lines() {
            let command: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = &command["id"];
            if command.get("connect").is_some() {
                answers.push(format!(
                    "{{\"id\":{id},\"connect\":{{\"client\":\"x\",\"ping\":25,\"pong\":true}}}}"
                ));
            } else if command.get("subscribe").is_some() {
                state
                    .subscribers
                    .lock()
                    .unwrap()
                    .push(socket.try_clone().unwrap());
                answers.push(format!("{{\"id\":{id},\"subscribe\":{{}}}}"));
            } else if let Some(error) = manners.publish_error {
                answers.push(format!("{{\"id\":{id},\"error\":{error}}}"));
            } else {
                publish(&command["publish"]["data"].to_string(), state);
                answers.push(format!("{{\"id\":{id},\"publish\":{{}}}}"));
            }
        }
        socket.write_all(&text_frame(&answers.join("\n"))).ok()?;
    }
}

/// The next text message of a client, unmasked.
fn read_message(socket: &mut TcpStream) -> Option<String> {
    let mut begin = [0; 2];
    socket.read_exact(&mut begin).ok()?;
    assert_eq!(begin[1] & 0x80, 0x80, "a client masks");
    let length = match begin[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            socket.read_exact(&mut length).ok()?;
            usize::from(u16::from_be_bytes(length))
        }
        short => usize::from(short),
    };
    let (mut mask, mut payload) = ([0; 4], vec![0; length]);
    socket.read_exact(&mut mask).ok()?;
    socket.read_exact(&mut payload).ok()?;
    for (place, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[place % 4];
    }
    (begin[0] == 0x81).then(|| String::from_utf8(payload).unwrap())
}

pub fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    _core::wire::websocket::put_header(&mut frame, 0x81, text.len());
    frame.extend_from_slice(text.as_bytes());
    frame
}

pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
    [&[0x88, u8::try_from(payload.len()).unwrap()][..], &payload].concat()
}
