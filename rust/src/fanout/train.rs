//! What TLS makes of the front of a queue: bytes that go as they are, whole, and before anything else.
//!
//! Sealed only for a send that follows at once, and no more than one send takes: what waits is plaintext, which newer
//! publications can take the place of and which all subscribers share. What the socket did not take of a train was
//! counted in its session, and is kept.

use std::io::IoSlice;
use std::sync::Arc;

use super::budget::{Budget, Buffer};
use super::queue::MAX_BATCH_BUFFERS;
use crate::tls::{Fault, Session};

/// The most plaintext that is sealed for one send: four records, some 30 µs.
const TRAIN_BYTES: usize = 64 * 1024;

/// What is left of a train that the socket did not take whole.
#[derive(Debug)]
pub(super) struct Left {
    buffer: Buffer,
    sent: usize,
}

impl Left {
    pub fn len(&self) -> usize {
        self.buffer.len() - self.sent
    }
}

/// See the module. Of a batch, which is taken and settled.
#[derive(Debug, Default)]
pub(super) struct Train {
    fresh: Vec<u8>,
    /// How much of the batch is in what is fresh.
    plaintext: usize,
    left: Option<Left>,
}

impl Train {
    /// Go on with what was left of an earlier one.
    pub fn resume(&mut self, left: Left) {
        self.left = Some(left);
    }

    /// Seal as much of `pieces` as one send takes, behind what the session has to say itself. Nothing, where something
    /// is left of an earlier one.
    ///
    /// # Errors
    /// When nothing more can be said, not even why.
    pub fn seal<'a>(
        &mut self,
        session: &Session,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Fault> {
        if self.left.is_some() {
            return Ok(());
        }
        let (mut slices, mut count) = ([IoSlice::new(&[]); MAX_BATCH_BUFFERS], 0);
        let mut room = TRAIN_BYTES;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            if room == 0 {
                break;
            }
            let piece = &piece[..piece.len().min(room)];
            *slice = IoSlice::new(piece);
            room -= piece.len();
            count += 1;
        }
        if count == 0 {
            session.take_output(&mut self.fresh);
            return Ok(());
        }
        match session.seal(&slices[..count], &mut self.fresh) {
            Ok(()) => self.plaintext = TRAIN_BYTES - room,
            Err(fault) => {
                session.take_output(&mut self.fresh);
                if self.fresh.is_empty() {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// What is left of an earlier one, in bytes; 0 for one that is new.
    pub fn left_bytes(&self) -> usize {
        self.left.as_ref().map_or(0, Left::len)
    }

    /// What is to be sent instead of the batch's own bytes, if that is so.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.left {
            Some(left) => Some(&left.buffer[left.sent..]),
            None => Some(self.fresh.as_slice()).filter(|fresh| !fresh.is_empty()),
        }
    }

    /// The socket took the first `sent` bytes: how much of the batch they stand for, with all that is left now.
    pub fn settle(&mut self, sent: usize, budget: &Arc<Budget>) -> (usize, Option<Left>) {
        let left = match self.left.take() {
            Some(left) => Left {
                sent: left.sent + sent,
                ..left
            },
            None => Left {
                buffer: Buffer::new(budget, self.fresh[sent..].to_vec()),
                sent: 0,
            },
        };
        let plaintext = self.plaintext;
        self.clear();
        (plaintext, Some(left).filter(|left| left.len() > 0))
    }

    pub fn clear(&mut self) {
        self.fresh.clear();
        self.plaintext = 0;
        self.left = None;
    }
}

#[cfg(test)]
mod tests;
