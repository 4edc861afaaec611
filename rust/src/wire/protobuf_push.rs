//! Pushes as Protobuf, each with its length before it: a Reply that holds a Push, or the Push alone for who
//! reads bare pushes. Numbers are those of the schema `centrifugal.centrifuge.protocol`.

use std::borrow::Cow;

use super::Form;
use super::protobuf::{field_bytes, put_bytes, put_bytes_if_any, put_length, put_number_if_any, put_varint};
use super::push::{Announcement, ClientInfo, Parts, Publication, Shape};

const REPLY_PUSH: u8 = 4;

const PUSH_CHANNEL: u8 = 2;
const PUSH_PUBLICATION: u8 = 4;
const PUSH_JOIN: u8 = 5;
const PUSH_LEAVE: u8 = 6;

const PUBLICATION_DATA: u8 = 4;
const PUBLICATION_INFO: u8 = 5;
const PUBLICATION_OFFSET: u8 = 6;
const PUBLICATION_DELTA: u8 = 8;

const JOIN_INFO: u8 = 1;

const INFO_USER: u8 = 1;
const INFO_CLIENT: u8 = 2;
const INFO_CONNECTION: u8 = 3;
const INFO_CHANNEL: u8 = 4;

/// A publication push.
pub(super) fn publication<'a>(form: &Form, publication: &Publication<'a>, shape: Shape<'a>) -> Parts<'a> {
    let (data, is_delta) = match shape {
        Shape::Value | Shape::Text => (publication.payload, false),
        Shape::Delta(delta) => (delta, true),
    };
    let mut after = Vec::new();
    if let Some(info) = &publication.info {
        put_bytes(&mut after, PUBLICATION_INFO, &encode_info(info));
    }
    put_number_if_any(&mut after, PUBLICATION_OFFSET, publication.offset);
    put_number_if_any(&mut after, PUBLICATION_DELTA, u64::from(is_delta));
    let length = field_bytes(data.len()) + after.len();
    let mut before = begin(form, PUSH_PUBLICATION, length);
    put_length(&mut before, PUBLICATION_DATA, data.len());
    Parts {
        before,
        data: Cow::Borrowed(data),
        after,
    }
}

/// A join or leave push.
pub(super) fn announcement(form: &Form, announcement: Announcement, info: &ClientInfo<'_>) -> Vec<u8> {
    let info = encode_info(info);
    let field = match announcement {
        Announcement::Join => PUSH_JOIN,
        Announcement::Leave => PUSH_LEAVE,
    };
    let mut out = begin(form, field, field_bytes(info.len()));
    put_bytes(&mut out, JOIN_INFO, &info);
    out
}

/// Everything up to the inside of the push's message field `field`, which holds `length` bytes.
fn begin(form: &Form, field: u8, length: usize) -> Vec<u8> {
    let push_bytes = field_bytes(form.spelling.len()) + field_bytes(length);
    let mut out = Vec::with_capacity(32 + form.spelling.len());
    if form.reader.unidirectional {
        put_varint(&mut out, push_bytes as u64);
    } else {
        put_varint(&mut out, field_bytes(push_bytes) as u64);
        put_length(&mut out, REPLY_PUSH, push_bytes);
    }
    put_bytes(&mut out, PUSH_CHANNEL, form.spelling.as_bytes());
    put_length(&mut out, field, length);
    out
}

fn encode_info(info: &ClientInfo<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes_if_any(&mut out, INFO_USER, info.user.as_bytes());
    put_bytes_if_any(&mut out, INFO_CLIENT, info.client.as_bytes());
    put_bytes_if_any(&mut out, INFO_CONNECTION, info.conn_info);
    put_bytes_if_any(&mut out, INFO_CHANNEL, info.chan_info);
    out
}
