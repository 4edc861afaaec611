//! Any bytes that a client may send on a WebSocket: no panic, bounded memory, and the same events whole as in pieces.
//!
//! The first byte is the size of the pieces.
#![no_main]

use _core::websocket::{Event, Fault, Limits, Reader};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    message_bytes: 4096,
    free_fragments: 16,
    fragment_bytes: 8,
};

/// All that is heard, as text to be compared, and the fault that ends it.
fn hear(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Fault>) {
    let (mut reader, mut heard) = (Reader::new(LIMITS), Vec::new());
    for part in bytes.chunks(piece) {
        let mut at = 0;
        loop {
            match reader.read(&part[at..]) {
                Ok((taken, Some(event))) => {
                    at += taken;
                    if let Event::Message(message) = event {
                        assert!(message.len() <= LIMITS.message_bytes);
                    }
                    heard.push(format!("{event:?}"));
                }
                Ok((taken, None)) => {
                    assert_eq!(at + taken, part.len());
                    break;
                }
                Err(fault) => return (heard, Some(fault)),
            }
            assert!(reader.message_bytes() <= LIMITS.message_bytes);
        }
    }
    (heard, None)
}

fuzz_target!(|input: &[u8]| {
    let [piece, input @ ..] = input else {
        return;
    };
    let piece = 1 + usize::from(*piece);
    assert_eq!(hear(input, piece), hear(input, input.len().max(1)));
});
