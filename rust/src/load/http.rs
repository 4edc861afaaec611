//! HTTP/1.1 as a client that posts reads it (RFC 9112), free of I/O: one answer after the other on a connection.
//!
//! Heads and bodies are bounded, since answers to pushes and refused upgrades are small.

use memchr::{memchr, memmem};

/// A head that is longer is no answer of a server that we measure.
const MAX_HEAD_BYTES: usize = 1 << 14;
/// A body that is longer is given up, with its connection.
const MAX_BODY_BYTES: usize = 1 << 20;
/// What is kept of a body: the message of a refusal.
const KEPT_BODY_BYTES: usize = 1 << 10;

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The beginning of the body, without its transfer coding.
    pub body: Vec<u8>,
    /// Whether the connection is over with it.
    pub closes: bool,
    /// `Sec-WebSocket-Accept`.
    pub accept: Option<String>,
    /// `Sec-WebSocket-Protocol`.
    pub subprotocol: Option<String>,
}

/// Why the bytes of a server are no HTTP/1.1 answer that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not HTTP/1.
    NotHttp,
    /// A header or a chunk that cannot be read.
    Malformed,
    /// A head or a body beyond the limit.
    TooLarge,
}

impl Fault {
    /// For a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotHttp => "an answer that is not HTTP/1.1",
            Self::Malformed => "an HTTP answer that cannot be read",
            Self::TooLarge => "an HTTP answer beyond the limit",
        }
    }
}

/// How a body ends (RFC 9112 §6.3).
#[derive(Clone, Copy)]
enum Length {
    Known(usize),
    Chunked,
    UntilClose,
}

/// What arrived on one connection and was not taken yet.
#[derive(Debug, Default)]
pub struct Responses {
    unread: Vec<u8>,
}

impl Responses {
    /// Take in what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next answer that is whole. Interim ones (1xx but 101) are passed over.
    ///
    /// # Errors
    /// When it never will be.
    pub fn next_whole(&mut self) -> Result<Option<Response>, Fault> {
        self.next(false)
    }

    /// The last answer, whose body ends with the connection; what there is of it when it ends too early.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn at_end(&mut self) -> Result<Option<Response>, Fault> {
        self.next(true)
    }

    /// What came behind the answers that were taken: the first bytes of a WebSocket.
    #[must_use]
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    fn next(&mut self, ended: bool) -> Result<Option<Response>, Fault> {
        loop {
            let Some(head_bytes) = memmem::find(&self.unread, b"\r\n\r\n").map(|at| at + 4) else {
                return self.without_head();
            };
            if head_bytes > MAX_HEAD_BYTES {
                return Err(Fault::TooLarge);
            }
            let (mut response, length) = read_head(&self.unread[..head_bytes])?;
            if response.status / 100 == 1 && response.status != 101 {
                self.unread.drain(..head_bytes);
                continue;
            }
            let Some(body) = read_body(&self.unread[head_bytes..], length, ended)? else {
                return Ok(None);
            };
            response.body = body.kept;
            response.closes |= matches!(length, Length::UntilClose);
            self.unread.drain(..head_bytes + body.bytes);
            return Ok(Some(response));
        }
    }

    /// Wait for more, unless it cannot become a head.
    fn without_head(&self) -> Result<Option<Response>, Fault> {
        const BEGIN: &[u8] = b"HTTP/1.";
        let begin = &self.unread[..self.unread.len().min(BEGIN.len())];
        if !BEGIN.starts_with(begin) {
            return Err(Fault::NotHttp);
        }
        if self.unread.len() > MAX_HEAD_BYTES {
            return Err(Fault::TooLarge);
        }
        Ok(None)
    }
}

fn read_head(head: &[u8]) -> Result<(Response, Length), Fault> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let rest = status_line.strip_prefix("HTTP/1.").ok_or(Fault::NotHttp)?;
    let status = rest.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut response = Response {
        status: status
            .filter(|status| (100..=999).contains(status))
            .ok_or(Fault::NotHttp)?,
        closes: rest.starts_with('0'),
        ..Response::default()
    };
    let without_body = matches!(response.status, 100..=199 | 204 | 304);
    let mut length = Length::UntilClose;
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Fault::Malformed)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            if !matches!(length, Length::Chunked) {
                length = Length::Known(value.parse().map_err(|_| Fault::Malformed)?);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = if value.eq_ignore_ascii_case("chunked") {
                Length::Chunked
            } else {
                return Err(Fault::Malformed);
            };
        } else if name.eq_ignore_ascii_case("connection") {
            response.closes |= value
                .split(',')
                .any(|word| word.trim().eq_ignore_ascii_case("close"));
        } else if name.eq_ignore_ascii_case("sec-websocket-accept") {
            response.accept = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("sec-websocket-protocol") {
            response.subprotocol = Some(value.to_owned());
        }
    }
    if without_body {
        length = Length::Known(0);
    }
    Ok((response, length))
}

struct Body {
    kept: Vec<u8>,
    /// With its transfer coding.
    bytes: usize,
}

/// The body at the front of `bytes` if it is whole, or as much as there is when nothing comes any more.
fn read_body(bytes: &[u8], length: Length, ended: bool) -> Result<Option<Body>, Fault> {
    match length {
        Length::Chunked => read_chunks(bytes, ended),
        Length::Known(length) if length > MAX_BODY_BYTES => Err(Fault::TooLarge),
        Length::Known(length) if bytes.len() < length && !ended => Ok(None),
        Length::Known(length) => Ok(Some(kept(&bytes[..length.min(bytes.len())]))),
        Length::UntilClose if bytes.len() > MAX_BODY_BYTES => Err(Fault::TooLarge),
        Length::UntilClose if !ended => Ok(None),
        Length::UntilClose => Ok(Some(kept(bytes))),
    }
}

fn kept(bytes: &[u8]) -> Body {
    Body {
        kept: bytes[..bytes.len().min(KEPT_BODY_BYTES)].to_vec(),
        bytes: bytes.len(),
    }
}

fn read_chunks(bytes: &[u8], ended: bool) -> Result<Option<Body>, Fault> {
    let mut body = Body {
        kept: Vec::new(),
        bytes: 0,
    };
    if bytes.len() > MAX_BODY_BYTES {
        return Err(Fault::TooLarge);
    }
    let unfinished = |body: Body| Ok(ended.then_some(body));
    loop {
        let rest = &bytes[body.bytes..];
        let Some(line_end) = memchr(b'\n', rest) else {
            return unfinished(body);
        };
        let line = String::from_utf8_lossy(&rest[..line_end]);
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| Fault::Malformed)?;
        if size > MAX_BODY_BYTES {
            return Err(Fault::TooLarge);
        }
        let behind = &rest[line_end + 1..];
        if size == 0 {
            // Trailers are passed over, up to the empty line.
            let end = if behind.starts_with(b"\r\n") {
                Some(2)
            } else {
                memmem::find(behind, b"\r\n\r\n").map(|at| at + 4)
            };
            let Some(end) = end else {
                return unfinished(body);
            };
            body.bytes += line_end + 1 + end;
            return Ok(Some(body));
        }
        let Some(data) = behind.get(..size + 2) else {
            return unfinished(body);
        };
        if !data.ends_with(b"\r\n") {
            return Err(Fault::Malformed);
        }
        let room = KEPT_BODY_BYTES - body.kept.len();
        body.kept.extend_from_slice(&data[..size.min(room)]);
        body.bytes += line_end + 1 + size + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Response, Responses};

    /// What comes of `bytes`, whole and byte by byte, which must not differ.
    fn read(bytes: &[u8]) -> (Vec<Response>, Option<Fault>, Vec<u8>) {
        let mut outcomes = [1, bytes.len()].map(|piece| {
            let (mut responses, mut told) = (Responses::default(), Vec::new());
            let mut parts = bytes.chunks(piece);
            let fault = 'fault: {
                for part in &mut parts {
                    responses.feed(part);
                    loop {
                        match responses.next_whole() {
                            Ok(Some(response)) if response.status == 101 => {
                                told.push(response);
                                break 'fault None;
                            }
                            Ok(Some(response)) => told.push(response),
                            Ok(None) => break,
                            Err(fault) => break 'fault Some(fault),
                        }
                    }
                }
                None
            };
            let rest = parts.fold(responses.rest(), |rest, part| [&rest, part].concat());
            (told, fault, rest)
        });
        assert_eq!(outcomes[0].0, outcomes[1].0);
        assert_eq!(outcomes[0].1, outcomes[1].1);
        std::mem::take(&mut outcomes[1])
    }

    fn answer(status: u16, body: &[u8]) -> Response {
        Response {
            status,
            body: body.to_vec(),
            ..Response::default()
        }
    }

    #[test]
    fn answers_follow_one_another_whatever_ends_their_bodies() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
            HTTP/1.1 204 No Content\r\n\r\n\
            HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n\
            HTTP/1.1 429 Slow down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (told, fault, rest) = read(bytes);
        let closing = Response {
            closes: true,
            ..answer(429, b"")
        };
        assert_eq!(
            told,
            [
                answer(200, b"hi"),
                answer(204, b""),
                answer(500, b"abcde"),
                closing
            ]
        );
        assert_eq!((fault, rest), (None, Vec::new()));
    }

    #[test]
    fn what_is_behind_an_upgrade_is_kept() {
        let bytes = b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: abc\r\n\
            sec-websocket-protocol:  p \r\n\r\n\x81\x02hi";
        let (told, fault, rest) = read(bytes);
        assert_eq!(told[0].accept.as_deref(), Some("abc"));
        assert_eq!(told[0].subprotocol.as_deref(), Some("p"));
        assert_eq!((fault, rest), (None, b"\x81\x02hi".to_vec()));
    }

    #[test]
    fn a_body_may_end_with_the_connection() {
        for (head, body) in [
            ("", &b"no"[..]),
            ("Content-Length: 5\r\n", b"no"),
            ("Transfer-Encoding: chunked\r\n", b"2\r\nno\r\n"),
        ] {
            let mut responses = Responses::default();
            responses.feed(format!("HTTP/1.1 401 No\r\n{head}\r\n").as_bytes());
            responses.feed(body);
            assert_eq!(responses.next_whole(), Ok(None));
            let last = responses.at_end().unwrap().unwrap();
            assert_eq!((last.status, &last.body[..]), (401, &b"no"[..]));
        }
        assert_eq!(Responses::default().at_end(), Ok(None));
    }

    #[test]
    fn what_is_no_answer_is_named() {
        let long = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 20_000]].concat();
        for (bytes, fault) in [
            (&b"SSH-2.0"[..], Fault::NotHttp),
            (b"HTTP/1.1 hello\r\n\r\n", Fault::NotHttp),
            (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Fault::Malformed),
            (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Fault::Malformed),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n",
                Fault::TooLarge,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                Fault::Malformed,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                Fault::Malformed,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
                Fault::TooLarge,
            ),
            (&long, Fault::TooLarge),
        ] {
            assert_eq!(
                read(bytes).1,
                Some(fault),
                "{:?}",
                String::from_utf8_lossy(&bytes[..20.min(bytes.len())])
            );
            assert!(!fault.words().is_empty());
        }
    }
}
