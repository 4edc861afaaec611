//! Waiting for many sockets at once.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// How many sockets are told of at once; the others stay in the kernel for the next time.
const MAX_READY: usize = 512;

/// A socket that can be attended to.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// As it was added.
    pub token: usize,
    /// There is something to read, or an end to be noticed.
    pub readable: bool,
    /// There is room, or a connection has come about.
    pub writable: bool,
}

/// The token of the alarm.
const ALARM: u64 = u64::MAX;

/// A set of sockets, each with a token.
///
/// Level-triggered: edges would need reads up to the end of what is there, which is one more system call for each
/// message at a steady rate.
#[allow(missing_debug_implementations)] // its events have none
pub struct Poll {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
    /// Ends a wait to the microsecond; epoll's own limit counts in milliseconds.
    alarm: Option<OwnedFd>,
}

fn flags(writing: bool) -> epoll::EventFlags {
    if writing {
        epoll::EventFlags::IN | epoll::EventFlags::OUT
    } else {
        epoll::EventFlags::IN
    }
}

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(MAX_READY),
            alarm: None,
        })
    }

    /// An empty set whose waits end in time.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn exact() -> io::Result<Self> {
        let mut poll = Self::new()?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let alarm = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let data = epoll::EventData::new_u64(ALARM);
        epoll::add(&poll.epoll, &alarm, data, epoll::EventFlags::IN)?;
        poll.alarm = Some(alarm);
        Ok(poll)
    }

    /// Add a socket. It leaves by being closed.
    ///
    /// # Errors
    /// When the kernel has no memory for it.
    pub fn add(&self, socket: &TcpStream, token: usize, writing: bool) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token as u64);
        Ok(epoll::add(&self.epoll, socket, data, flags(writing))?)
    }

    /// Look for room as well from now on, or no more.
    ///
    /// # Errors
    /// When the socket is not in the set.
    pub fn watch(&self, socket: &TcpStream, token: usize, writing: bool) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token as u64);
        Ok(epoll::modify(&self.epoll, socket, data, flags(writing))?)
    }

    /// Leave a socket out that stays open.
    ///
    /// # Errors
    /// When the socket is not in the set.
    pub fn remove(&self, socket: &TcpStream) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Wait until a socket is ready, for so long at most; `ready` holds those that are.
    ///
    /// # Errors
    /// Never, on a set that is well.
    pub fn wait(&mut self, limit: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        self.ready.clear();
        let (limit, zero) = (Timespec::try_from(limit).ok(), limit.is_zero());
        if let (Some(alarm), Some(limit), false) = (&self.alarm, limit, zero) {
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: limit,
            };
            // Setting it anew also takes back that it went off.
            timerfd_settime(alarm, TimerfdTimerFlags::empty(), &once)?;
        }
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.ready.retain(|event| event.data.u64() != ALARM);
        ready.extend(self.ready.drain(..).map(|event| {
            let flags = event.flags;
            let gone = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            Ready {
                token: usize::try_from(event.data.u64()).unwrap_or(usize::MAX),
                readable: gone || flags.contains(epoll::EventFlags::IN),
                writable: gone || flags.contains(epoll::EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::Poll;

    #[test]
    fn a_wait_ends_by_a_socket_or_by_its_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for mut poll in [Poll::new().unwrap(), Poll::exact().unwrap()] {
            let mine = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut theirs, _) = listener.accept().unwrap();
            let mut ready = Vec::new();
            poll.add(&mine, 7, false).unwrap();
            poll.wait(Duration::from_micros(300), &mut ready).unwrap();
            assert!(ready.is_empty());
            theirs.write_all(b"x").unwrap();
            poll.wait(Duration::from_secs(60), &mut ready).unwrap();
            assert_eq!(
                (ready[0].token, ready[0].readable, ready[0].writable),
                (7, true, false)
            );
            poll.watch(&mine, 7, true).unwrap();
            poll.wait(Duration::ZERO, &mut ready).unwrap();
            assert!(ready[0].writable);
        }
    }
}
