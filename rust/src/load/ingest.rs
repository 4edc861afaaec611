//! A thread of connections that post bodies, each as fast as it is answered.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memchr_iter;

use super::ending::{Ending, Endings, Kind};
use super::http::Response;
use super::latency::{Durations, Window};
use super::plan::{Plan, Work};
use super::poll::{Poll, Ready};
use super::poster::{Place, Poster};
use super::publishing::Failure;
use super::shared::{Shared, UsageLog, until};

const READ_BYTES: usize = 1 << 16;
/// How long a connection rests that could not be made.
const REST_NS: u64 = 100_000_000;
/// Without a body being accepted for so long the server is taken to be gone.
const STUCK_NS: u64 = 10_000_000_000;
/// Digits of a time in nanoseconds, from 2001 to 2286.
const TIME_DIGITS: usize = 19;

/// What a thread of posts is to do.
#[derive(Debug)]
pub struct Terms {
    /// Where bodies go.
    pub place: Place,
    /// A body for each connection.
    pub bodies: Vec<Vec<u8>>,
    /// Lines in each body.
    pub lines: u64,
    /// Whether the times in them are to be the present.
    pub fresh_times: bool,
}

impl Terms {
    /// What each thread of posts is to do; connections take `bodies` in turn.
    #[must_use]
    pub fn divide(plan: &Plan, bodies: &[Vec<u8>]) -> Vec<Self> {
        let Work::Ingest {
            path,
            headers,
            connections,
            threads,
            lines,
            fresh_times,
        } = &plan.work
        else {
            return Vec::new();
        };
        let headers: Vec<_> = plan.server.headers.iter().chain(headers).cloned().collect();
        let threads = (*threads).min(*connections);
        let mine = |thread: usize| {
            let connections = (thread..*connections).step_by(threads);
            connections.filter_map(|connection| bodies.get(connection % bodies.len().max(1)).cloned())
        };
        let terms = (0..threads).map(|thread| Self {
            place: Place::new(plan.server.endpoint(), &plan.server.host, path, &headers),
            bodies: mine(thread).collect(),
            lines: *lines,
            fresh_times: *fresh_times,
        });
        terms.collect()
    }
}

/// What a thread of posts has done in the window.
#[derive(Debug)]
pub struct IngestFindings {
    /// Bodies that were accepted.
    pub accepted: u64,
    /// Their bytes, as they were sent.
    pub bytes: u64,
    /// Lines in them.
    pub lines: u64,
    /// Bodies that were not.
    pub refused: Endings,
    /// From the first byte of a request to its answer, where it was accepted.
    pub answers: Durations,
    /// Accepted lines in each slice.
    pub slices: Vec<u64>,
    /// How busy the thread was.
    pub usage: UsageLog,
    /// Why it stopped early, if it did.
    pub failure: Option<Failure>,
}

struct Post {
    poster: Poster,
    body_bytes: u64,
    /// Where times stand in the request.
    times: Vec<usize>,
    posted_ns: u64,
    watched: bool,
}

struct Posts<'a> {
    shared: &'a Shared,
    terms: &'a Terms,
    poll: Poll,
    all: Vec<Post>,
    /// Connections that could not be made, and when they are tried again.
    resting: VecDeque<(u64, usize)>,
    accepted_any: bool,
    accepted_ns: u64,
    found: IngestFindings,
}

/// The body of the thread.
///
/// # Errors
/// When there is no descriptor for the set of sockets.
pub fn run(shared: &Shared, terms: &Terms) -> io::Result<IngestFindings> {
    let mut posts = Posts {
        shared,
        terms,
        poll: Poll::new()?,
        all: Vec::new(),
        resting: VecDeque::new(),
        accepted_any: false,
        accepted_ns: 0,
        found: IngestFindings {
            accepted: 0,
            bytes: 0,
            lines: 0,
            refused: Endings::default(),
            answers: Durations::new()?,
            slices: Vec::new(),
            usage: UsageLog::default(),
            failure: None,
        },
    };
    posts.found.failure = posts.work().err();
    Ok(posts.found)
}

impl Posts<'_> {
    fn work(&mut self) -> Result<(), Failure> {
        for body in &self.terms.bodies {
            self.open(body)?;
        }
        let window = loop {
            if let Some(window) = self.shared.begun() {
                break window;
            }
            if self.shared.is_over() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        self.found.slices = vec![0; window.slices()];
        self.accepted_ns = self.shared.clock.now_ns();
        for token in 0..self.all.len() {
            self.post(token)?;
        }
        let (mut ready, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        loop {
            let now_ns = self.shared.clock.now_ns();
            self.found.usage.look(&window, now_ns);
            if now_ns >= window.end_ns || self.shared.is_over() {
                return Ok(());
            }
            if now_ns - self.accepted_ns > STUCK_NS {
                return Err(Failure::Stuck(std::time::Duration::from_nanos(STUCK_NS)));
            }
            self.wake(now_ns)?;
            let waited = self.poll.wait(until(now_ns, window.end_ns), &mut ready);
            waited.map_err(|error| Failure::Connection(Ending::of_error(Kind::Lost, &error)))?;
            for &ready in &ready {
                self.attend(ready, &mut buffer, &window)?;
            }
        }
    }

    fn open(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut poster = Poster::begin(&self.terms.place).map_err(Failure::Connection)?;
        let begin = self.terms.place.put_request(poster.request(), body);
        let times = if self.terms.fresh_times {
            find_times(body)
        } else {
            Vec::new()
        };
        let added = self.poll.add(poster.socket(), self.all.len(), true);
        added.map_err(|error| Failure::Connection(Ending::of_error(Kind::CannotConnect, &error)))?;
        self.all.push(Post {
            poster,
            body_bytes: body.len() as u64,
            times: times.into_iter().map(|time| begin + time).collect(),
            posted_ns: 0,
            watched: true,
        });
        Ok(())
    }

    fn post(&mut self, token: usize) -> Result<(), Failure> {
        let post = &mut self.all[token];
        if !post.times.is_empty() {
            put_times(post.poster.request(), &post.times);
        }
        post.posted_ns = self.shared.clock.now_ns();
        if let Err(ending) = post.poster.post() {
            return self.fail(token, ending);
        }
        self.watch(token);
        Ok(())
    }

    fn attend(&mut self, ready: Ready, buffer: &mut [u8], window: &Window) -> Result<(), Failure> {
        let Some(post) = self.all.get_mut(ready.token) else {
            return Ok(());
        };
        match post.poster.attend(ready, buffer) {
            Ok(None) => {
                self.watch(ready.token);
                Ok(())
            }
            Ok(Some(response)) => {
                self.count(ready.token, &response, window)?;
                if response.closes {
                    self.reconnect(ready.token)?;
                }
                self.post(ready.token)
            }
            Err(ending) => self.fail(ready.token, ending),
        }
    }

    fn count(&mut self, token: usize, response: &Response, window: &Window) -> Result<(), Failure> {
        let (now_ns, post) = (self.shared.clock.now_ns(), &self.all[token]);
        if response.status / 100 != 2 {
            let words = String::from_utf8_lossy(&response.body);
            let refused = Ending::new(Kind::Refused, response.status.into(), words.trim());
            if !self.accepted_any {
                let mut refusals = Endings::default();
                refusals.count(refused);
                return Err(Failure::Refused(refusals));
            }
            if window.contains(now_ns) {
                self.found.refused.count(refused);
            }
            return Ok(());
        }
        self.accepted_any = true;
        self.accepted_ns = now_ns;
        self.shared.answered.fetch_add(1, Relaxed);
        if let Some(slice) = window.find_slice(now_ns) {
            self.found.accepted += 1;
            self.found.bytes += post.body_bytes;
            self.found.lines += self.terms.lines;
            self.found.slices[slice] += self.terms.lines;
            self.found.answers.record(now_ns - post.posted_ns);
        }
        Ok(())
    }

    /// A connection has ended: the next one does what it was to do.
    fn fail(&mut self, token: usize, ending: Ending) -> Result<(), Failure> {
        if !self.accepted_any {
            return Err(Failure::Connection(ending));
        }
        let (cannot, busy) = (
            ending.kind == Kind::CannotConnect,
            self.all[token].poster.is_busy(),
        );
        if cannot || busy {
            self.found.refused.count(ending);
        }
        if cannot {
            self.resting
                .push_back((self.shared.clock.now_ns() + REST_NS, token));
            return Ok(());
        }
        self.reconnect(token)?;
        self.post(token)
    }

    /// Try again what could not be made a while ago.
    fn wake(&mut self, now_ns: u64) -> Result<(), Failure> {
        while let Some(&(when_ns, token)) = self.resting.front()
            && when_ns <= now_ns
        {
            self.resting.pop_front();
            self.reconnect(token)?;
            self.post(token)?;
        }
        Ok(())
    }

    fn reconnect(&mut self, token: usize) -> Result<(), Failure> {
        let post = &mut self.all[token];
        post.poster
            .reconnect(&self.terms.place, false)
            .map_err(Failure::Connection)?;
        post.watched = true;
        let added = self.poll.add(post.poster.socket(), token, true);
        added.map_err(|error| Failure::Connection(Ending::of_error(Kind::CannotConnect, &error)))
    }

    fn watch(&mut self, token: usize) {
        let post = &mut self.all[token];
        let wants_room = post.poster.wants_room();
        if wants_room != post.watched {
            post.watched = wants_room;
            // It is in the set.
            let _ = self.poll.watch(post.poster.socket(), token, wants_room);
        }
    }
}

/// Where the last word of a line is a time of 19 digits.
fn find_times(body: &[u8]) -> Vec<usize> {
    let ends = memchr_iter(b'\n', body);
    let times = ends.filter_map(|end| {
        let begin = end.checked_sub(TIME_DIGITS)?;
        let digits = body[begin..end].iter().all(u8::is_ascii_digit);
        (digits && begin > 0 && body[begin - 1] == b' ').then_some(begin)
    });
    times.collect()
}

/// Make each of them the present, a nanosecond after the one before.
fn put_times(request: &mut [u8], times: &[usize]) {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for (mut number, &at) in (since_1970.as_nanos()..).zip(times) {
        for place in request[at..at + TIME_DIGITS].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{find_times, put_times};

    #[test]
    fn times_at_the_ends_of_lines_become_the_present() {
        let mut body =
            b"a x=1 1000000000000000000\nb y=\"1111111111111111111\"\nc z=2 1000000000000000001\n".to_vec();
        let times = find_times(&body);
        assert_eq!(times.len(), 2);
        put_times(&mut body, &times);
        let text = String::from_utf8(body).unwrap();
        let times: Vec<u64> = text
            .lines()
            .filter(|line| !line.starts_with('b'))
            .map(|line| line[6..].parse().unwrap())
            .collect();
        assert!(times[0] > 1_700_000_000_000_000_000);
        assert_eq!(times[1], times[0] + 1);
        assert!(text.contains("\nb y=\"1111111111111111111\"\n"));
    }
}
