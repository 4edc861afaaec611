//! Callers' threads that send by themselves, each for as long as it likes.

use super::super::connection::{Next, Sent};
use super::super::direct::PAUSE;
use super::super::lock;
use super::super::queue::Batch;
use super::World;

impl World {
    pub fn is_lent(&self, who: usize) -> bool {
        self.lent.iter().any(|(to, _)| *to == who)
    }

    /// Be a caller that has just made a connection due.
    pub fn lend(&mut self) {
        self.clock += PAUSE / 2;
        let Some(connection) = lock(&self.fanout.shared.work).due.pop() else {
            return;
        };
        let mut batch = Batch::default();
        if connection.lend(&mut batch, self.clock) {
            self.lent.push((usize::try_from(connection.id).unwrap(), batch));
        } else {
            self.fanout.shared.schedule(connection);
        }
    }

    /// A caller's send has been made.
    pub fn give_back(&mut self, place: usize, tenths: Option<usize>) {
        if self.lent.is_empty() {
            return;
        }
        let (who, mut batch) = self.lent.remove(place % self.lent.len());
        let next = if let Some(tenths) = tenths {
            self.settle(who, &mut batch, tenths)
        } else {
            self.clients[who].is_cut = true;
            self.clients[who].go();
            self.connection(who).settle(&mut batch, Sent::Broken).next
        };
        if next == Next::Pass {
            self.fanout.shared.schedule(self.connection(who));
        }
    }
}
