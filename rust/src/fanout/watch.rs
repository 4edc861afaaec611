//! What the writer sleeps in: an epoll set with the sockets of all connections and the signal that wakes it.
//!
//! Connections are watched edge-triggered for room and hang-up, so that one `epoll_ctl` serves a connection's
//! whole life. Events carry the handle, never the descriptor: one that is late names a handle nobody has any
//! more, even if the descriptor's number serves another connection by then.

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
        epoll::add(&watch.epoll, watch.wake.as_fd(), wake, epoll::EventFlags::IN)?;
        Ok(watch)
    }

    /// Begin to watch the socket of connection `id`.
    pub fn add(&self, socket: &Socket, id: u64) -> rustix::io::Result<()> {
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, socket.fd()?, epoll::EventData::new_u64(id), flags)
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
