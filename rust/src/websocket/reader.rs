//! Frames of a client, put together to messages as they arrive.
//!
//! Holds what has come of a message, never what a header only announces, and at rest nothing at all.

use super::{Fault, Header, Opcode, Sender};

/// The code of a close that names none (§7.1.5).
pub const NO_STATUS: u16 = 1005;

/// What one message may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its bytes.
    pub message_bytes: usize,
    /// Fragments that may be as small as they like.
    pub free_fragments: usize,
    /// What those of a message with more must have on the average: each costs as much as a large one.
    pub fragment_bytes: usize,
}

/// What a client has sent. Pongs are left out: any byte is a sign of life.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message, text as its bytes.
    Message(&'a [u8]),
    /// To be answered with a pong that holds the same.
    Ping(&'a [u8]),
    /// The end, with a code that may be sent, or [`NO_STATUS`]. Nothing is read behind it.
    Close(u16, &'a str),
}

/// The frame whose payload is coming.
#[derive(Debug)]
struct Frame {
    header: Header,
    left: usize,
}

/// The message that has begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    is_text: bool,
    fragments: usize,
    /// How much of it is known to be UTF-8.
    checked: usize,
}

/// What has arrived on one connection and is not whole yet.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    head: [u8; Header::MAX_BYTES],
    head_bytes: usize,
    frame: Option<Frame>,
    begun: Option<Begun>,
    message: Vec<u8>,
    control: Vec<u8>,
    ended: bool,
}

impl Reader {
    /// A connection of which nothing was read yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            head: [0; Header::MAX_BYTES],
            head_bytes: 0,
            frame: None,
            begun: None,
            message: Vec::new(),
            control: Vec::new(),
            ended: false,
        }
    }

    /// How large a message may be.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        self.limits.message_bytes
    }

    /// Let messages be of so many bytes from the next frame on.
    pub fn limit_message_bytes(&mut self, message_bytes: usize) {
        self.limits.message_bytes = message_bytes;
    }

    /// Whether what came ends where a message does, or a control frame between two.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.head_bytes == 0 && self.frame.is_none() && self.begun.is_none()
    }

    /// How much has come of the message under way.
    #[must_use]
    pub fn message_bytes(&self) -> usize {
        self.begun.map_or(0, |_| self.message.len())
    }

    /// Go on through `input` to the next event; how much of it was taken. Without an event it was all.
    ///
    /// # Errors
    /// What the client did wrong. Nothing is read any more then.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Event<'_>>), Fault> {
        let mut at = 0;
        let whole = loop {
            if self.ended {
                return Ok((input.len(), None));
            }
            match self.step(&input[at..]) {
                Ok(Step::Whole(opcode, taken)) => {
                    at += taken;
                    if opcode != Opcode::Pong {
                        break opcode;
                    }
                }
                Ok(Step::Took(taken)) => at += taken,
                Ok(Step::Wants) => {
                    self.let_go();
                    return Ok((input.len(), None));
                }
                Err(fault) => {
                    self.ended = true;
                    return Err(fault);
                }
            }
        };
        let event = match whole {
            Opcode::Close => {
                self.ended = true;
                read_close(&self.control)?
            }
            Opcode::Ping => Event::Ping(&self.control),
            _ => Event::Message(&self.message),
        };
        Ok((at, Some(event)))
    }

    /// One header, or what is there of one payload.
    fn step(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let Some(frame) = &mut self.frame else {
            return self.begin_frame(input);
        };
        let header = frame.header;
        let piece = &input[..input.len().min(frame.left)];
        let passed = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX) - frame.left;
        frame.left -= piece.len();
        let ends = frame.left == 0;
        if piece.is_empty() && !ends {
            return Ok(Step::Wants);
        }
        if ends {
            self.frame = None;
        }
        if header.opcode.is_control() {
            append_unmasked(&mut self.control, piece, header.mask, passed);
        } else {
            append_unmasked(&mut self.message, piece, header.mask, passed);
            self.check_text(ends && header.last)?;
            if ends && header.last {
                self.begun = None;
            }
        }
        let whole = ends && header.last;
        Ok(if whole {
            Step::Whole(header.opcode, piece.len())
        } else {
            Step::Took(piece.len())
        })
    }

    /// Take in a header, or as much of it as there is.
    fn begin_frame(&mut self, input: &[u8]) -> Result<Step, Fault> {
        if self.head_bytes == 0 {
            // The usual case: a header in one piece.
            if let Some(header) = Header::read(input, Sender::Client)? {
                self.admit(header)?;
                return Ok(Step::Took(header.bytes));
            }
        }
        for (index, byte) in input.iter().enumerate() {
            self.head[self.head_bytes] = *byte;
            self.head_bytes += 1;
            if let Some(header) = Header::read(&self.head[..self.head_bytes], Sender::Client)? {
                self.head_bytes = 0;
                self.admit(header)?;
                return Ok(Step::Took(index + 1));
            }
        }
        Ok(Step::Wants)
    }

    /// Let the frame come, if it may.
    fn admit(&mut self, header: Header) -> Result<(), Fault> {
        let left = usize::try_from(header.payload_bytes).map_err(|_| Fault::TooLarge)?;
        if header.opcode.is_control() {
            self.control.clear();
        } else {
            self.admit_data(header, left)?;
        }
        self.frame = Some(Frame { header, left });
        Ok(())
    }

    fn admit_data(&mut self, header: Header, payload_bytes: usize) -> Result<(), Fault> {
        let mut begun = match (self.begun, header.opcode) {
            (None, Opcode::Continuation) => return Err(Fault::StrayContinuation),
            (Some(begun), Opcode::Continuation) => begun,
            (Some(_), _) => return Err(Fault::Interrupted),
            (None, opcode) => {
                self.message.clear();
                Begun {
                    is_text: opcode == Opcode::Text,
                    fragments: 0,
                    checked: 0,
                }
            }
        };
        if payload_bytes > self.limits.message_bytes.saturating_sub(self.message.len()) {
            return Err(Fault::TooLarge);
        }
        begun.fragments += 1;
        let bytes = self.message.len() + payload_bytes;
        let many = begun.fragments > self.limits.free_fragments;
        if !header.last && many && bytes / begun.fragments < self.limits.fragment_bytes {
            return Err(Fault::TinyFragments);
        }
        self.begun = Some(begun);
        Ok(())
    }

    /// What came of a text is UTF-8 so far, and at its end altogether.
    fn check_text(&mut self, whole: bool) -> Result<(), Fault> {
        let Some(begun) = &mut self.begun else {
            return Ok(());
        };
        if !begun.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.message[begun.checked..]) {
            Ok(text) => begun.checked += text.len(),
            Err(error) if error.error_len().is_none() && !whole => begun.checked += error.valid_up_to(),
            Err(_) => return Err(Fault::BadText),
        }
        Ok(())
    }

    /// Keep nothing that was told already.
    fn let_go(&mut self) {
        if self.frame.is_none() {
            self.control = Vec::new();
        }
        if self.begun.is_none() {
            self.message = Vec::new();
        }
    }
}

enum Step {
    /// So many bytes, and a frame or message is whole.
    Whole(Opcode, usize),
    /// So many bytes, and there may be more to do.
    Took(usize),
    /// All there was, and more must come.
    Wants,
}

/// §7.4: which codes may be sent, and which are only spoken of.
fn read_close(payload: &[u8]) -> Result<Event<'_>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(Event::Close(NO_STATUS, ""))
        } else {
            Err(Fault::BadClose)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Fault::BadClose);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Fault::BadText)?;
    Ok(Event::Close(code, reason))
}

/// Append a piece of a payload of which `passed` bytes came before.
fn append_unmasked(out: &mut Vec<u8>, piece: &[u8], mut mask: [u8; 4], passed: usize) {
    mask.rotate_left(passed % 4);
    let begin = out.len();
    out.extend_from_slice(piece);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = out[begin..].as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
