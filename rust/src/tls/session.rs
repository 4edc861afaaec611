//! One connection's TLS, between the thread that reads and the one that writes.

use std::fmt;
use std::io::{IoSlice, Read, Write};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::{Error, ServerConfig, ServerConnection};

/// What is wrong, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault(error.to_string())
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        Fault(error.to_string())
    }
}

/// See the module. What it gives out is to be sent whole and in that order: whoever takes that and sends it must be
/// one at a time.
#[derive(Debug)]
pub struct Session {
    state: Mutex<State>,
    /// Whether it has something to say that nobody has taken. Read without the lock, which whoever decrypts may hold.
    speaks: AtomicBool,
    /// Whether the peer has said goodbye, and nothing follows.
    ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    connection: ServerConnection,
    /// The goodbye was said: nothing may follow it.
    parted: bool,
}

impl Session {
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Session, Fault> {
        let mut connection = ServerConnection::new(Arc::clone(config))?;
        // What waits is bounded by what callers seal at once, and none of it may be left out.
        connection.set_buffer_limit(None);
        let state = State {
            connection,
            parted: false,
        };
        Ok(Session {
            state: Mutex::new(state),
            speaks: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in here is rustls's; what it leaves behind is good enough to end the connection with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, state: &State) {
        self.speaks.store(state.connection.wants_write(), Release);
    }

    /// Take in what the peer has sent; the plaintext that it makes whole. There may be something to say afterwards:
    /// a part of the handshake, or why it has failed.
    ///
    /// # Errors
    /// In words, when the peer breaks the protocol, or says that we do; from then on always. Plaintext of the same
    /// `data` is not handed out.
    pub fn receive(&self, mut data: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut state = self.state();
        let mut plaintext = Vec::new();
        let outcome = loop {
            let outcome = take_in(&mut state.connection, &mut data, &mut plaintext);
            match outcome {
                Ok(true) if !data.is_empty() => {}
                Ok(goes_on) => {
                    self.ended.store(!goes_on, Release);
                    break Ok(plaintext);
                }
                Err(fault) => break Err(fault),
            }
        };
        self.settle(&state);
        outcome
    }

    /// Encrypt what all `pieces` hold, in as few records as that takes, and put into `sealed` what is to be sent now:
    /// first what was to be said before.
    ///
    /// # Errors
    /// In words, and nothing is encrypted, before the handshake is over, after the goodbye, and once [`Self::receive`]
    /// has failed.
    pub fn seal(&self, pieces: &[IoSlice<'_>], sealed: &mut Vec<u8>) -> Result<(), Fault> {
        let mut state = self.state();
        let State { connection, parted } = &mut *state;
        if *parted || connection.is_handshaking() {
            let when = if *parted {
                "the goodbye was said"
            } else {
                "the handshake is not over"
            };
            return Err(Fault(when.to_owned()));
        }
        let before = sealed.len();
        // All of it, as there is no limit to what waits.
        let taken = connection.writer().write_vectored(pieces)?;
        take_output(connection, sealed)?;
        self.settle(&state);
        if taken > 0 && sealed.len() == before {
            // The goodbye, which was said with the last record that they were good for, was taken before.
            return Err(Fault("the keys are used up".to_owned()));
        }
        Ok(())
    }

    /// Put into `output` what is to be sent, if there is something.
    pub fn take_output(&self, output: &mut Vec<u8>) {
        let mut state = self.state();
        // A Vec takes everything.
        let _ = take_output(&mut state.connection, output);
        self.settle(&state);
    }

    /// Say goodbye (`close_notify`), once; it is there to be taken then. Nothing can be sealed after it.
    pub fn part(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.parted, true) {
            state.connection.send_close_notify();
        }
        self.settle(&state);
    }

    /// Whether there is something to be taken and sent.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.speaks.load(Acquire)
    }

    /// Whether the peer has said goodbye: there will be no more plaintext.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// Whether keys are not agreed on yet.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.state().connection.is_handshaking()
    }

    /// The protocol that was agreed on (ALPN); None where the client did not ask.
    #[must_use]
    pub fn protocol(&self) -> Option<String> {
        let state = self.state();
        let protocol = state.connection.alpn_protocol()?;
        Some(String::from_utf8_lossy(protocol).into_owned())
    }
}

/// Take in a part of `data`. False when the peer has said goodbye, and the rest means nothing.
fn take_in(
    connection: &mut ServerConnection,
    data: &mut &[u8],
    plaintext: &mut Vec<u8>,
) -> Result<bool, Fault> {
    let before = data.len();
    connection.read_tls(data)?;
    let state = connection.process_new_packets()?;
    let begun = plaintext.len();
    plaintext.resize(begun + state.plaintext_bytes_to_read(), 0);
    connection.reader().read_exact(&mut plaintext[begun..])?;
    let goes_on = !state.peer_has_closed();
    if goes_on && before > 0 && data.len() == before {
        return Err(Fault("more came than can be kept".to_owned()));
    }
    Ok(goes_on)
}

fn take_output(connection: &mut ServerConnection, output: &mut Vec<u8>) -> std::io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(output)?;
    }
    Ok(())
}
