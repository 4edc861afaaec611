//! Pushes byte by byte, in every form: what Centrifuge's own server was seen to write, and what the schema
//! says.
#![allow(clippy::unwrap_used)]

use _core::wire::{Announcement, ClientInfo, Form, Framing, Publication, Reader, Shape};

const INFO: ClientInfo<'static> = ClientInfo {
    user: "u\"1",
    client: "c",
    conn_info: b"{\"a\":\n1}",
    chan_info: b"[]",
};
const NOBODY: ClientInfo<'static> = ClientInfo {
    user: "",
    client: "",
    conn_info: b"",
    chan_info: b"",
};

fn form(framing: Framing, unidirectional: bool, spelling: &str) -> Form {
    Form {
        reader: Reader {
            framing,
            unidirectional,
        },
        spelling: spelling.into(),
        detailed: false,
    }
}

fn value(data: &[u8], offset: u64) -> Publication<'_> {
    Publication {
        payload: data,
        detail: None,
        offset,
        info: None,
        brings_schema: false,
    }
}

fn shaped(spelling: &str, publication: &Publication<'_>, shape: Shape<'_>) -> String {
    let line = form(Framing::Lines, false, spelling).publication(publication, shape);
    String::from_utf8(line).unwrap()
}

fn line(spelling: &str, publication: &Publication<'_>) -> String {
    shaped(spelling, publication, Shape::Value)
}

fn delimited(unidirectional: bool, publication: &Publication<'_>) -> Vec<u8> {
    form(Framing::Delimited, unidirectional, "a").publication(publication, Shape::Value)
}

#[test]
fn publication_carries_the_data_verbatim() {
    assert_eq!(
        line("full:a", &value(br#"{"x": 1.50}"#, 7)),
        "{\"push\":{\"channel\":\"full:a\",\"pub\":{\"data\":{\"x\": 1.50},\"offset\":7}}}\n"
    );
}

#[test]
fn offset_zero_is_left_out_and_the_largest_is_written_whole() {
    assert_eq!(
        line("a", &value(b"[]", 0)),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":[]}}}\n"
    );
    assert_eq!(
        line("a", &value(b"1", u64::MAX)),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1,\"offset\":18446744073709551615}}}\n"
    );
    let number = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert!(delimited(false, &value(b"1", u64::MAX)).ends_with(&number));
}

#[test]
fn channel_name_is_escaped_as_a_json_string() {
    assert_eq!(
        line("q\"b\\n\n\u{1}ü\u{7f}", &value(b"1", 0)),
        "{\"push\":{\"channel\":\"q\\\"b\\\\n\\n\\u0001ü\u{7f}\",\"pub\":{\"data\":1}}}\n"
    );
}

#[test]
fn line_breaks_in_what_was_published_become_blanks() {
    assert_eq!(
        line("a", &value(b"{\r\n\"x\":\n1}", 0)),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":{  \"x\": 1}}}}\n"
    );
    assert_eq!(
        line("a", &value(b"[1,\r2]", 0)),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":[1, 2]}}}\n"
    );
}

#[test]
fn info_is_written_before_the_offset_and_its_optional_parts_when_they_are_there() {
    let mut publication = value(b"1", 2);
    publication.info = Some(INFO);
    assert_eq!(
        line("a", &publication),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1,\"info\":{\"user\":\"u\\\"1\",\"client\":\"c\",\
         \"conn_info\":{\"a\": 1},\"chan_info\":[]},\"offset\":2}}}\n"
    );
    publication.info = Some(NOBODY);
    assert_eq!(
        line("a", &publication),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":1,\"info\":{\"user\":\"\",\"client\":\"\"},\"offset\":2}}}\n"
    );
}

#[test]
fn reader_of_deltas_gets_strings_and_is_told_which_is_a_delta() {
    let publication = value(b"{\"a\":\n1}", 3);
    assert_eq!(
        shaped("a", &publication, Shape::Text),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"{\\\"a\\\":\\n1}\",\"offset\":3}}}\n"
    );
    let delta = Shape::Delta(b"1R\n1P@0,2:1}14Nkhp;");
    assert_eq!(
        shaped("a", &publication, delta),
        "{\"push\":{\"channel\":\"a\",\"pub\":{\"data\":\"1R\\n1P@0,2:1}14Nkhp;\",\"delta\":true,\"offset\":3}}}\n"
    );
    let form = form(Framing::Delimited, true, "a");
    assert_eq!(
        form.publication(&publication, delta),
        b"\x1e\x12\x01a\x22\x19\x22\x131R\n1P@0,2:1}14Nkhp;\x30\x03\x40\x01"
    );
    assert_eq!(
        form.publication(&publication, Shape::Text),
        form.publication(&publication, Shape::Value)
    );
}

#[test]
fn bare_push_is_for_who_reads_in_one_direction() {
    let publication = value(b"1", 2);
    assert_eq!(
        form(Framing::Events, true, "a").publication(&publication, Shape::Value),
        b"data: {\"channel\":\"a\",\"pub\":{\"data\":1,\"offset\":2}}\n\n"
    );
    let bare = b"\x0a\x12\x01a\x22\x05\x22\x011\x30\x02";
    assert_eq!(delimited(true, &publication), bare);
    let mut reply = b"\x0c\x22".to_vec();
    reply.extend_from_slice(bare);
    assert_eq!(delimited(false, &publication), reply);
}

#[test]
fn protobuf_publication_is_what_the_reference_server_writes() {
    let publication = value(b"{\"a\":1}", 0);
    let expected = b"\x16\x22\x14\x12\x07plain:p\x22\x09\x22\x07{\"a\":1}";
    let form = form(Framing::BinaryMessages, false, "plain:p");
    let message = form.publication(&publication, Shape::Value);
    assert_eq!(message[..2], [0x82, 0x17]);
    assert_eq!(message[2..], *expected);
}

#[test]
fn protobuf_info_leaves_out_what_is_empty_and_stays_when_all_is() {
    let mut publication = value(b"1", 2);
    publication.info = Some(NOBODY);
    assert_eq!(
        delimited(true, &publication),
        b"\x0c\x12\x01a\x22\x07\x22\x011\x2a\x00\x30\x02"
    );
    publication.info = Some(INFO);
    let info = b"\x0a\x03u\"1\x12\x01c\x1a\x08{\"a\":\n1}\x22\x02[]";
    let mut expected = b"\x22\x12\x01a\x22\x1d\x22\x011\x2a\x16".to_vec();
    expected.extend_from_slice(info);
    expected.extend_from_slice(b"\x30\x02");
    assert_eq!(delimited(true, &publication), expected);
}

#[test]
fn long_publication_takes_longer_lengths_everywhere() {
    let data = vec![b'7'; 70_000];
    let message = form(Framing::BinaryMessages, false, "a").publication(&value(&data, 0), Shape::Value);
    // Two tags and lengths inside each other, each length in three bytes.
    assert_eq!(message[..2], [0x82, 127]);
    assert_eq!(message[2..10], 70_018_u64.to_be_bytes());
    assert_eq!(
        message[10..],
        [
            b"\xff\xa2\x04\x22\xfb\xa2\x04\x12\x01a\x22\xf4\xa2\x04\x22\xf0\xa2\x04",
            &data[..]
        ]
        .concat()
    );
}

#[test]
fn joins_and_leaves_tell_who() {
    let told = |framing, announcement, info| form(framing, false, "a").announcement(announcement, info);
    assert_eq!(
        told(Framing::Lines, Announcement::Join, &NOBODY),
        b"{\"push\":{\"channel\":\"a\",\"join\":{\"info\":{\"user\":\"\",\"client\":\"\"}}}}\n"
    );
    assert_eq!(
        told(Framing::Events, Announcement::Leave, &NOBODY),
        b"data: {\"push\":{\"channel\":\"a\",\"leave\":{\"info\":{\"user\":\"\",\"client\":\"\"}}}}\n\n"
    );
    let info = ClientInfo {
        user: "u",
        client: "c",
        ..NOBODY
    };
    assert_eq!(
        told(Framing::Delimited, Announcement::Join, &info),
        b"\x0f\x22\x0d\x12\x01a\x2a\x08\x0a\x06\x0a\x01u\x12\x01c"
    );
    assert_eq!(
        form(Framing::Delimited, true, "a").announcement(Announcement::Leave, &info),
        b"\x0d\x12\x01a\x32\x08\x0a\x06\x0a\x01u\x12\x01c"
    );
}
