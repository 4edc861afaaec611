//! Any bytes that a server may send to the bench's client: no panic, bounded memory, and the same messages whole as in
//! pieces.
//!
//! The first byte chooses: the size of the pieces, and whether it is HTTP or a WebSocket, in JSON or Protobuf.
#![no_main]

use _core::load::http::Responses;
use _core::load::mark::Marks;
use _core::load::order::Order;
use _core::load::protocol::{Protocol, Said, explain, read};
use _core::load::websocket::{Message, Reader};
use libfuzzer_sys::fuzz_target;

const MAX_MESSAGE_BYTES: usize = 4096;

/// All that is heard, up to the first fault; as text, to be compared.
fn hear(bytes: &[u8], piece: usize, protocol: Protocol) -> (Vec<String>, bool) {
    let (marks, mut order) = (Marks::new(0x6162_6364), Order::default());
    let (mut reader, mut heard) = (Reader::new(MAX_MESSAGE_BYTES), Vec::new());
    let mut well = true;
    for part in bytes.chunks(piece) {
        let outcome = reader.feed(part, |message| match message {
            Message::Text(payload) | Message::Binary(payload) => {
                assert!(payload.len() <= MAX_MESSAGE_BYTES);
                read(protocol, payload, |said| match said {
                    Said::Push(push) => {
                        let mark = marks.find(push);
                        if let Some(mark) = mark {
                            order.take(mark.number);
                            assert!(order.missing(order.next()) <= order.next());
                        }
                        heard.push(format!("{mark:?} {:?}", explain(protocol, push)));
                    }
                    said => heard.push(format!("{said:?}")),
                });
            }
            message => heard.push(format!("{message:?}")),
        });
        if outcome.is_err() {
            well = false;
            break;
        }
    }
    (heard, well)
}

fn answers(bytes: &[u8], piece: usize) -> Vec<String> {
    let (mut responses, mut told) = (Responses::default(), Vec::new());
    for part in bytes.chunks(piece) {
        responses.feed(part);
        loop {
            match responses.next_whole() {
                Ok(Some(response)) => told.push(format!("{response:?}")),
                Ok(None) => break,
                Err(fault) => {
                    told.push(format!("{fault:?}"));
                    return told;
                }
            }
        }
    }
    let _ = responses.at_end();
    told
}

fuzz_target!(|input: &[u8]| {
    let [choice, input @ ..] = input else {
        return;
    };
    let piece = 1 + usize::from(choice & 0x1f);
    let whole = input.len().max(1);
    match choice >> 5 {
        0 => assert_eq!(answers(input, piece), answers(input, whole)),
        choice => {
            let protocol = if choice & 1 == 0 { Protocol::Json } else { Protocol::Protobuf };
            assert_eq!(hear(input, piece, protocol), hear(input, whole, protocol));
        }
    }
});
