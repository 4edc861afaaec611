//! Sending from the thread that has something to say, where that spares waking the writer.
//!
//! To wake another thread takes as long as to send, and on one core the message waits for both threads' turns. So who
//! finds the writer asleep, and has the turn of a connection that was quiet, makes one send itself. Whatever else is to be
//! done, the writer does: where not everything went, because there was no room, the peer is gone, or more came meanwhile,
//! the turn is handed on to it, and it alone waits for room, cuts and releases.
//!
//! What this must never do is hold a caller up, or keep the writer from joining what comes quickly: it is for little, for
//! few, and for one connection only now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Next, Sent};
use super::lock;
use super::queue::Batch;
use super::round::Taken;
use super::shared::Shared;

/// To so many a publication is sent by who publishes it, one after another. For one that saves a fifth of the latency and of
/// the processor's time, for four a tenth; but each send holds the publisher up, for 10 to 20 µs where all is quiet, and it
/// must not be held up for 100.
const FEW: usize = 2;

/// More than this is left to the writer: to copy it takes a caller's thread more than to wake another.
pub(super) const LITTLE_BYTES: usize = 16 * 1024;

/// What comes sooner than this behind a direct send goes through the writer, which joins what comes while it is at work.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

impl Shared {
    /// Attend to a connection whose turn the caller has taken: at once, or by leaving it to the writer.
    pub fn attend(&self, connection: Arc<Connection>) {
        let is_asleep = lock(&self.work).asleep;
        if !(is_asleep && self.send_at_once(&connection)) {
            self.schedule(connection);
        }
    }

    /// The same for those for whom something was published, and count that.
    pub fn conclude_at_once(&self, taken: Taken) {
        if !self.window.is_zero() || taken.due.len() > FEW {
            self.conclude(taken);
            return;
        }
        self.count(&taken);
        for connection in taken.due {
            self.attend(connection);
        }
    }

    /// True when nothing is left to do; otherwise the turn is still the caller's, to hand it on.
    fn send_at_once(&self, connection: &Arc<Connection>) -> bool {
        let Some(mut loan) = Loan::take(self, connection) else {
            return false;
        };
        let sent = match self.send(connection, &mut loan.batch) {
            // The writer, which is to wait for room, finds out for itself.
            Sent::Full(_) => Sent::Bytes(0),
            sent => sent,
        };
        loan.settle(sent) == Next::Rest
    }
}

/// A turn that is lent, and what is to be sent in it. Where it is not settled, because the caller panicked in between,
/// nobody knows how much went out: then the connection is broken, and the writer's to cut. Left lent, it would never be
/// attended to again, and a writer that ends would wait for it for ever.
struct Loan<'a> {
    shared: &'a Shared,
    connection: &'a Arc<Connection>,
    batch: Batch,
    is_settled: bool,
}

impl<'a> Loan<'a> {
    /// None when it is better left to the writer.
    fn take(shared: &'a Shared, connection: &'a Arc<Connection>) -> Option<Loan<'a>> {
        let mut batch = Batch::default();
        // Not made before: even one that is never used is settled in the end.
        if !connection.lend(&mut batch, Instant::now()) {
            return None;
        }
        Some(Loan {
            shared,
            connection,
            batch,
            is_settled: false,
        })
    }

    fn settle(mut self, sent: Sent) -> Next {
        let settled = self.connection.settle(&mut self.batch, sent);
        self.is_settled = true;
        settled.next
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let _ = self.connection.settle(&mut self.batch, Sent::Broken);
            self.shared.schedule(Arc::clone(self.connection));
        }
    }
}

#[cfg(test)]
mod tests;
