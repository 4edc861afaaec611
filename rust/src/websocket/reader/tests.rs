//! The reader beside what was said: any conversation comes out as it went in, however it is masked and cut.

use proptest::prelude::*;

use super::{Event, Limits, NO_STATUS, Reader};
use crate::websocket::{FINAL, Fault, Opcode};
use crate::wire::websocket::put_header;

const LIMITS: Limits = Limits {
    message_bytes: 1000,
    free_fragments: 10,
    fragment_bytes: 8,
};

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(&mut out, first, payload.len());
    out[1] |= 0x80;
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .enumerate()
            .map(|(place, byte)| byte ^ mask[place % 4]),
    );
    out
}

/// What comes of `bytes` in pieces of `piece` bytes, and how it ends.
fn read(bytes: &[u8], piece: usize) -> (Vec<String>, Option<Fault>) {
    let (mut reader, mut told) = (Reader::new(LIMITS), Vec::new());
    for part in bytes.chunks(piece) {
        let mut at = 0;
        loop {
            match reader.read(&part[at..]) {
                Ok((taken, event)) => {
                    at += taken;
                    match event {
                        Some(event) => told.push(format!("{event:?}")),
                        None => break,
                    }
                }
                Err(fault) => return (told, Some(fault)),
            }
        }
        assert_eq!(at, part.len());
    }
    (told, None)
}

/// What a client may say.
#[derive(Clone, Debug)]
enum Word {
    Message {
        is_text: bool,
        fragments: Vec<String>,
        between: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    let message = (
        any::<bool>(),
        prop::collection::vec("[a-zé\u{10348}]{0,60}", 1..5),
        control(),
    );
    let word = prop_oneof![
        message.prop_map(|(is_text, fragments, between)| Word::Message {
            is_text,
            fragments,
            between
        }),
        control().prop_map(Word::Ping),
        control().prop_map(Word::Pong),
    ];
    prop::collection::vec(word, 0..12)
}

/// A message's frames with a ping before each but the first; text is cut between bytes, not between characters.
fn say_message(is_text: bool, fragments: &[String], between: &[u8], mask: [u8; 4]) -> (Vec<u8>, Vec<String>) {
    let whole = fragments.concat().into_bytes();
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    let size = whole.len().div_ceil(fragments.len()).max(1);
    let pieces: Vec<&[u8]> = if whole.is_empty() {
        vec![&[]]
    } else {
        whole.chunks(size).collect()
    };
    for (number, piece) in pieces.iter().enumerate() {
        let opcode = match (number, is_text) {
            (0, true) => Opcode::Text,
            (0, false) => Opcode::Binary,
            _ => Opcode::Continuation,
        };
        if number > 0 {
            bytes.extend(frame(FINAL | Opcode::Ping.number(), between, mask));
            told.push(format!("{:?}", Event::Ping(between)));
        }
        let last = if number + 1 == pieces.len() { FINAL } else { 0 };
        bytes.extend(frame(last | opcode.number(), piece, mask));
    }
    told.push(format!("{:?}", Event::Message(&whole)));
    (bytes, told)
}

fn say(words: &[Word], mask: [u8; 4]) -> (Vec<u8>, Vec<String>) {
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    for word in words {
        match word {
            Word::Message {
                is_text,
                fragments,
                between,
            } => {
                let (said, heard) = say_message(*is_text, fragments, between, mask);
                bytes.extend(said);
                told.extend(heard);
            }
            Word::Ping(payload) => {
                bytes.extend(frame(FINAL | Opcode::Ping.number(), payload, mask));
                told.push(format!("{:?}", Event::Ping(payload)));
            }
            Word::Pong(payload) => bytes.extend(frame(FINAL | Opcode::Pong.number(), payload, mask)),
        }
    }
    (bytes, told)
}

proptest! {
    #[test]
    fn what_is_said_is_heard_however_it_is_cut(words in words(), mask: [u8; 4], piece in 1usize..300) {
        let (mut bytes, mut told) = say(&words, mask);
        prop_assert_eq!(read(&bytes, piece), (told.clone(), None));
        bytes.extend(frame(0x88, b"\x0f\xa0bye", mask));
        bytes.extend(b"never read");
        told.push(format!("{:?}", Event::Close(4000, "bye")));
        prop_assert_eq!(read(&bytes, piece), (told, None));
    }

    #[test]
    fn any_bytes_are_read_the_same_whole_and_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1usize..40) {
        prop_assert_eq!(read(&bytes, piece), read(&bytes, 1000));
    }
}

#[test]
fn at_rest_nothing_is_held() {
    let mut reader = Reader::new(LIMITS);
    let said = [frame(0x82, &[7; 500], [1; 4]), frame(0x89, b"ping", [1; 4])].concat();
    let (half, rest) = said.split_at(100);
    assert_eq!(reader.read(half), Ok((100, None)));
    assert_eq!((reader.message_bytes(), reader.at_rest()), (92, false));
    let (taken, event) = reader.read(rest).unwrap();
    assert_eq!(event, Some(Event::Message(&[7; 500])));
    assert_eq!(reader.message_bytes(), 0);
    assert_eq!(reader.read(&rest[taken..]).unwrap().1, Some(Event::Ping(b"ping")));
    assert_eq!(reader.read(b""), Ok((0, None)));
    assert!(reader.at_rest());
    assert_eq!((reader.message.capacity(), reader.control.capacity()), (0, 0));
}

#[test]
fn what_breaks_the_rules_ends_it_with_the_right_code() {
    let masked = |first, payload: &[u8]| frame(first, payload, [9, 8, 7, 6]);
    let crumbs = [masked(0x02, b"x"), masked(0x00, b"x").repeat(10)].concat();
    for (bytes, fault, code) in [
        (vec![0xc1, 0x80], Fault::Extension, 1002),
        (vec![0x81, 0x01], Fault::Unmasked, 1002),
        (vec![0x83, 0x80], Fault::UnknownOpcode, 1002),
        (vec![0x09, 0x80], Fault::BadControl, 1002),
        (vec![0x82, 0xfe, 0, 125], Fault::BadLength, 1002),
        (masked(0x80, b"x"), Fault::StrayContinuation, 1002),
        (
            [masked(0x01, b"x"), masked(0x81, b"x")].concat(),
            Fault::Interrupted,
            1002,
        ),
        (masked(0x82, &[0; 1001])[..8].to_vec(), Fault::TooLarge, 1009),
        (
            [masked(0x02, &[0; 600]), masked(0x80, &[0; 401])].concat(),
            Fault::TooLarge,
            1009,
        ),
        (crumbs, Fault::TinyFragments, 1008),
        (masked(0x81, b"\xff"), Fault::BadText, 1007),
        (masked(0x81, b"\xc3"), Fault::BadText, 1007),
        (
            [masked(0x01, b"\xc3"), masked(0x80, b"\x28")].concat(),
            Fault::BadText,
            1007,
        ),
        (
            masked(0x01, b"\xff then much more")[..7].to_vec(),
            Fault::BadText,
            1007,
        ),
        (masked(0x88, b"\x03"), Fault::BadClose, 1002),
        (masked(0x88, b"\x03\xed"), Fault::BadClose, 1002),
        (masked(0x88, b"\x03\xe8\xff"), Fault::BadText, 1007),
    ] {
        for piece in [1, 4096] {
            assert_eq!(read(&bytes, piece), (vec![], Some(fault)), "{bytes:?}");
        }
        assert_eq!(fault.code(), code);
        assert!(!fault.words().is_empty());
    }
}

#[test]
fn fragments_may_be_tiny_while_they_are_few_or_their_message_is_large() {
    let few = [
        frame(0x02, b"", [0; 4]),
        frame(0x00, b"", [0; 4]).repeat(9),
        frame(0x80, b"", [0; 4]),
    ]
    .concat();
    assert_eq!(read(&few, 7).0, [format!("{:?}", Event::Message(b""))]);
    let large = [frame(0x02, &[1; 88], [0; 4]), frame(0x00, b"", [0; 4]).repeat(10)].concat();
    assert_eq!(read(&large, 7), (vec![], None));
}

#[test]
fn a_close_without_a_code_is_one() {
    let expected = [format!("{:?}", Event::Close(NO_STATUS, ""))];
    assert_eq!(read(&frame(0x88, b"", [0; 4]), 1).0, expected);
}

#[test]
fn a_fault_is_the_last_thing_that_is_read() {
    let mut reader = Reader::new(LIMITS);
    assert_eq!(reader.read(b"\x81\x01"), Err(Fault::Unmasked));
    assert_eq!(reader.read(&frame(0x82, b"x", [0; 4])), Ok((7, None)));
}
