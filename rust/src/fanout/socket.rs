//! The system calls on the sockets of connections, whose descriptors Python owns: the one place with unsafe in here.
//!
//! Knows nothing of queues, turns or locks. Who may call, and when, is said in [`super::connection`]. No call waits.
#![allow(unsafe_code)] // borrowing descriptors that Python owns; see the SAFETY note

use std::io::IoSlice;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown};

use super::queue::{Batch, MAX_BATCH_BUFFERS};
use super::steps::Sent;

/// The socket of one connection, by its descriptor's number.
#[derive(Debug)]
pub(super) struct Socket(RawFd);

impl Socket {
    pub fn new(fd: RawFd) -> Socket {
        Socket(fd)
    }

    /// The descriptor. Fails for a number that cannot be one.
    pub fn fd(&self) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.0 < 0 {
            return Err(Errno::BADF);
        }
        // SAFETY: not negative, and open: its owner keeps it so for the length of `Fanout::add`, and from then on until
        // it hears that the connection is released. Who uses it after `add` holds the connection's turn, without
        // which nobody says that.
        Ok(unsafe { BorrowedFd::borrow_raw(self.0) })
    }

    /// Give it what it has room for.
    pub fn send(&self, batch: &Batch) -> Sent {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut pieces = batch.pieces();
        let sent = match (self.fd(), pieces.next(), pieces.next()) {
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
