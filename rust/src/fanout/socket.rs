//! The system calls on the sockets of connections, whose descriptors Python owns: the one place with unsafe in here.
//! Where a connection speaks TLS, what is sent is sealed here, under the same turn.
//!
//! Knows nothing of queues, turns or locks. Who may call, and when, is said in [`super::connection`]. No call waits.
#![allow(unsafe_code)] // borrowing descriptors that Python owns; see the SAFETY note

use std::io::IoSlice;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown};

use super::queue::{Batch, MAX_BATCH_BUFFERS};
use super::steps::Sent;
use crate::tls::Session;

/// The socket of one connection, by its descriptor's number, and the TLS that is spoken on it.
#[derive(Debug)]
pub(super) struct Socket {
    fd: RawFd,
    session: Option<Arc<Session>>,
}

impl Socket {
    pub fn new(fd: RawFd) -> Socket {
        Socket { fd, session: None }
    }

    /// The same, over TLS. Its handshake is over, and from now on nobody else sends what it gives out.
    pub fn secured(fd: RawFd, session: Arc<Session>) -> Socket {
        Socket {
            fd,
            session: Some(session),
        }
    }

    /// Whether there is something to be sent though nothing is queued.
    pub fn speaks(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.speaks())
    }

    /// Say goodbye, where there is a way to; once.
    pub fn part(&self) {
        if let Some(session) = &self.session {
            session.part();
        }
    }

    /// The descriptor. Fails for a number that cannot be one.
    pub fn fd(&self) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.fd < 0 {
            return Err(Errno::BADF);
        }
        // SAFETY: not negative, and open: its owner keeps it so for the length of `Fanout::add`, and from then on until
        // it hears that the connection is released. Only the writer's thread says that: with the connection's turn,
        // or at its own end, when it has waited for a turn that is lent. So it is open for who has the turn after
        // `add`; and without the turn for the writer's thread alone, as long as it finds the connection in the
        // registry, which it takes it out of before it says so (`Writer::notice`).
        Ok(unsafe { BorrowedFd::borrow_raw(self.fd) })
    }

    /// Give it what it has room for.
    pub fn send(&self, batch: &mut Batch) -> Sent {
        if let Some(session) = &self.session
            && batch.seal(session).is_err()
        {
            return Sent::Broken;
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut pieces = batch.pieces();
        let sent = match (self.fd(), pieces.next(), pieces.next()) {
            // Its turn came, and there was nothing to seal either.
            (_, None, _) => Ok(0),
            (Err(error), _, _) => Err(error),
            // Most have one, and the kernel need not be told where the others are.
            (Ok(fd), Some(only), None) => send(fd, only, flags),
            (Ok(fd), _, _) => send_several(fd, batch, flags),
        };
        match sent {
            Ok(bytes) => Sent::Bytes(bytes),
            Err(Errno::AGAIN) => Sent::Full(Instant::now()),
            Err(Errno::INTR) => Sent::Bytes(0),
            Err(_) => Sent::Broken,
        }
    }

    /// End it in both directions. Fails only when the peer is gone already.
    pub fn shut_down(&self) {
        let _ = self.fd().and_then(|fd| shutdown(fd, Shutdown::Both));
    }
}

fn send_several(fd: BorrowedFd<'_>, batch: &Batch, flags: SendFlags) -> rustix::io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_BATCH_BUFFERS];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(batch.pieces()) {
        *slice = IoSlice::new(piece);
        count += 1;
    }
    sendmsg(fd, &slices[..count], &mut SendAncillaryBuffer::default(), flags)
}
