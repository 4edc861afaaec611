//! What the writer sleeps in: an epoll set with the sockets of all connections and the signal that wakes it.
//!
//! Connections are watched for hang-up all their lives, and for room only while there is none: a socket has room when it
//! comes, and a pair of sockets says so whenever something is read from it, and each time the writer would wake for
//! nothing. Events carry the handle, never the descriptor: one that is late names a handle nobody has any more, even if
//! the descriptor's number serves another connection by then.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::event::Signal;
use super::socket::Socket;

/// The wake-up signal's place among the handles, which begin at 1.
const WAKE: u64 = 0;

/// How many events are read at once; more stay in the kernel for the next pass.
pub(super) const MAX_READY: usize = 256;

/// Older kernels count the milliseconds in 31 bits. To wake up in vain once an hour costs nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What the kernel has to say.
#[derive(Clone, Copy)]
pub(super) enum Notice {
    /// Somebody has raised the wake-up signal.
    Wake,
    /// The socket of this connection has room again.
    Room(u64),
    /// The peer of this connection is gone.
    Gone(u64),
}

impl From<epoll::Event> for Notice {
    fn from(event: epoll::Event) -> Notice {
        let (id, flags) = (event.data.u64(), event.flags);
        if id == WAKE {
            Notice::Wake
        } else if flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            Notice::Gone(id)
        } else {
            Notice::Room(id)
        }
    }
}

/// See the module.
pub(super) struct Watch {
    epoll: OwnedFd,
    pub wake: Signal,
}

impl Watch {
    pub fn new() -> rustix::io::Result<Watch> {
        let watch = Watch {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            wake: Signal::new()?,
        };
        let wake = epoll::EventData::new_u64(WAKE);
        // Each time it is raised is an edge: it need not be cleared in between.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&watch.epoll, watch.wake.as_fd(), wake, flags)?;
        Ok(watch)
    }

    /// Begin to watch the socket of connection `id`, for hang-up.
    pub fn add(&self, socket: &Socket, id: u64) -> rustix::io::Result<()> {
        let data = epoll::EventData::new_u64(id);
        epoll::add(&self.epoll, socket.fd()?, data, epoll::EventFlags::ET)
    }

    /// It is full: notice when it has room, or at once if it has by now.
    pub fn await_room(&self, socket: &Socket, id: u64) {
        self.change(socket, id, epoll::EventFlags::OUT | epoll::EventFlags::ET);
    }

    /// It has room.
    pub fn await_no_room(&self, socket: &Socket, id: u64) {
        self.change(socket, id, epoll::EventFlags::ET);
    }

    /// Fails only as `delete` does. Then the time that a socket may be full runs out.
    fn change(&self, socket: &Socket, id: u64, flags: epoll::EventFlags) {
        let data = epoll::EventData::new_u64(id);
        let _ = socket
            .fd()
            .and_then(|fd| epoll::modify(&self.epoll, fd, data, flags));
    }

    /// Stop watching. Fails only for a descriptor that was closed against the rules, which has left the set
    /// by itself.
    pub fn delete(&self, socket: &Socket) {
        let _ = socket.fd().and_then(|fd| epoll::delete(&self.epoll, fd));
    }

    /// Wait for events, for about `limit` at most; `ready` holds them afterwards.
    pub fn wait(&self, ready: &mut Vec<epoll::Event>, limit: Option<Duration>) -> rustix::io::Result<()> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit.min(LONGEST_WAIT)).ok());
        ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(ready), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// What is to be noticed by now: W for the signal, R for room and G for gone.
    fn noticed(watch: &Watch) -> String {
        let mut ready = Vec::with_capacity(MAX_READY);
        watch.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        let letters = ready.into_iter().map(|event| match event.into() {
            Notice::Wake => 'W',
            Notice::Room(7) => 'R',
            Notice::Gone(7) => 'G',
            Notice::Room(_) | Notice::Gone(_) => '?',
        });
        letters.collect()
    }

    #[test]
    fn room_is_noticed_only_where_there_was_none_and_the_end_always() {
        let watch = Watch::new().unwrap();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::new(ours.as_raw_fd());
        watch.add(&socket, 7).unwrap();
        ours.write_all(b"1").unwrap();
        theirs.read_exact(&mut [0]).unwrap();
        assert_eq!(noticed(&watch), "");
        while ours.write(&[0; 4096]).is_ok() {}
        watch.await_room(&socket, 7);
        assert_eq!(noticed(&watch), "");
        theirs.set_nonblocking(true).unwrap();
        let _ = theirs.read_to_end(&mut Vec::new());
        assert_eq!(noticed(&watch), "R");
        watch.await_no_room(&socket, 7);
        ours.write_all(b"1").unwrap();
        theirs.read_exact(&mut [0]).unwrap();
        assert_eq!(noticed(&watch), "");
        watch.await_room(&socket, 7);
        assert_eq!(noticed(&watch), "R", "it was made before anybody waited for it");
        watch.await_no_room(&socket, 7);
        drop(theirs);
        assert_eq!(noticed(&watch), "G");
    }

    #[test]
    fn signal_wakes_each_time_it_is_raised_and_not_without() {
        let watch = Watch::new().unwrap();
        for _ in 0..3 {
            watch.wake.raise();
            assert_eq!(noticed(&watch), "W");
            assert_eq!(noticed(&watch), "");
        }
    }
}
