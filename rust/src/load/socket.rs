//! Sockets that never wait: connecting, and what could not be written at once.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// Begin a connection. It is there, or has failed, once the socket can be written to: [`TcpStream::take_error`].
///
/// # Errors
/// When the system refuses at once: no descriptor, no port, no such network.
pub fn begin_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// What waits until the socket takes it.
#[derive(Debug, Default)]
pub struct Outgoing {
    waiting: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() - self.sent
    }

    /// Send, behind what waits; what the socket does not take now waits for `flush`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn send(&mut self, socket: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        let taken = if self.is_empty() { write(socket, bytes)? } else { 0 };
        self.waiting.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Send what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        self.sent += write(socket, &self.waiting[self.sent..])?;
        if self.sent == self.waiting.len() {
            self.waiting.clear();
            self.sent = 0;
        }
        Ok(())
    }
}

/// Write as much as the socket takes now.
///
/// # Errors
/// When the connection is lost.
pub fn write(socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match socket.write(&bytes[taken..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};

    use super::Outgoing;

    /// Takes so many bytes, then none until there is room again.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room).min(3);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.taken.extend_from_slice(&bytes[..count]);
            self.room -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_socket_does_not_take_waits_in_order() {
        let mut socket = Narrow {
            taken: Vec::new(),
            room: 4,
        };
        let mut outgoing = Outgoing::default();
        outgoing.send(&mut socket, b"abcdef").unwrap();
        outgoing.send(&mut socket, b"gh").unwrap();
        assert_eq!((socket.taken.as_slice(), outgoing.len()), (&b"abcd"[..], 4));
        socket.room = 3;
        outgoing.flush(&mut socket).unwrap();
        assert_eq!((outgoing.len(), outgoing.is_empty()), (1, false));
        socket.room = 100;
        outgoing.flush(&mut socket).unwrap();
        outgoing.send(&mut socket, b"i").unwrap();
        assert_eq!(
            (socket.taken.as_slice(), outgoing.is_empty()),
            (&b"abcdefghi"[..], true)
        );
    }
}
