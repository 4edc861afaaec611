//! Asking for a WebSocket (RFC 6455 §4.1), and what an answer makes of it.

use std::io::Write as _;

use crate::load::http::Response;

/// The sample key of RFC 6455 §1.3.
///
/// A key only shows that the other side speaks WebSocket; it keeps no secret. With one whose answer is known the
/// answer is checked without SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What the RFC says is the answer to that key.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Whom to ask for a WebSocket, and how.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What the `Host` header holds.
    pub host: &'a str,
    /// The path, with its query.
    pub path: &'a str,
    /// The subprotocol to ask for, if any.
    pub subprotocol: Option<&'a str>,
    /// More headers.
    pub headers: &'a [(String, String)],
}

impl Request<'_> {
    /// The bytes of the request.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
            self.path, self.host
        )
        .into_bytes();
        if let Some(subprotocol) = self.subprotocol {
            // Writing into memory does not fail.
            let _ = write!(out, "Sec-WebSocket-Protocol: {subprotocol}\r\n");
        }
        for (name, value) in self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Whether this answer opens the WebSocket.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(&self, response: &Response) -> Result<(), Refusal> {
        if response.status != 101 {
            return Err(Refusal::Status(response.status));
        }
        if response.accept.as_deref() != Some(ACCEPT) {
            return Err(Refusal::NoWebSocket);
        }
        match self.subprotocol {
            Some(asked) if response.subprotocol.as_deref() != Some(asked) => Err(Refusal::Subprotocol),
            _ => Ok(()),
        }
    }
}

/// Why there is no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This HTTP status instead of 101.
    Status(u16),
    /// 101 without the answer to the key: whoever answered does not speak WebSocket.
    NoWebSocket,
    /// The subprotocol was not agreed to.
    Subprotocol,
}

#[cfg(test)]
mod tests {
    use super::{ACCEPT, Refusal, Request};
    use crate::load::http::Response;

    #[test]
    fn an_upgrade_is_asked_for_with_all_headers() {
        let headers = [("Authorization".to_owned(), "Bearer x".to_owned())];
        let request = Request {
            host: "h:1",
            path: "/ws?a=b",
            subprotocol: Some("centrifuge-protobuf"),
            headers: &headers,
        };
        let text = String::from_utf8(request.bytes()).unwrap();
        assert!(text.starts_with("GET /ws?a=b HTTP/1.1\r\nHost: h:1\r\n"));
        assert!(text.contains("\r\nSec-WebSocket-Protocol: centrifuge-protobuf\r\n"));
        assert!(text.ends_with("\r\nAuthorization: Bearer x\r\n\r\n"));
    }

    #[test]
    fn only_the_right_answer_opens_it() {
        let request = |subprotocol| Request {
            host: "h",
            path: "/",
            subprotocol,
            headers: &[],
        };
        let answer = |status, accept: Option<&str>, subprotocol: Option<&str>| Response {
            status,
            accept: accept.map(str::to_owned),
            subprotocol: subprotocol.map(str::to_owned),
            ..Response::default()
        };
        let good = answer(101, Some(ACCEPT), None);
        assert_eq!(request(None).check(&good), Ok(()));
        assert_eq!(request(Some("p")).check(&good), Err(Refusal::Subprotocol));
        assert_eq!(
            request(Some("p")).check(&answer(101, Some(ACCEPT), Some("p"))),
            Ok(())
        );
        assert_eq!(
            request(None).check(&answer(101, None, None)),
            Err(Refusal::NoWebSocket)
        );
        assert_eq!(
            request(None).check(&answer(401, None, None)),
            Err(Refusal::Status(401))
        );
    }
}
