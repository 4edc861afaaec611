//! Pushes as JSON: `{"push":{…}}` for who reads replies, the inner object alone for who reads bare pushes.
//!
//! Nothing made here has a raw line break in it, whatever was published: one would end the message early for
//! every subscriber (lines, events) or make two of it (WebSocket, where JSON messages may be joined by one).

use std::borrow::Cow;

use memchr::memchr2;

use super::push::{Announcement, ClientInfo, Parts, Publication, Shape};
use super::{Form, Reader};
use crate::json::{write_escaped, write_string};

/// A publication push.
pub(super) fn publication<'a>(form: &Form, publication: &Publication<'a>, shape: Shape<'_>) -> Parts<'a> {
    let mut before = begin(form);
    before.extend_from_slice(b",\"pub\":{\"data\":");
    let mut after = Vec::new();
    let data = match shape {
        Shape::Value => on_one_line(publication.payload),
        Shape::Text => string(publication.payload),
        Shape::Delta(delta) => {
            after.extend_from_slice(b",\"delta\":true");
            string(delta)
        }
    };
    if let Some(info) = &publication.info {
        after.push(b',');
        put_info(&mut after, info);
    }
    if publication.offset != 0 {
        after.extend_from_slice(b",\"offset\":");
        after.extend_from_slice(publication.offset.to_string().as_bytes());
    }
    after.push(b'}');
    end(&mut after, form.reader);
    Parts { before, data, after }
}

/// A join or leave push.
pub(super) fn announcement(form: &Form, announcement: Announcement, info: &ClientInfo<'_>) -> Vec<u8> {
    let mut out = begin(form);
    out.extend_from_slice(match announcement {
        Announcement::Join => b",\"join\":{",
        Announcement::Leave => b",\"leave\":{",
    });
    put_info(&mut out, info);
    out.push(b'}');
    end(&mut out, form.reader);
    out
}

/// JSON text without raw line breaks. In valid JSON they are whitespace, which a blank is as well: inside a
/// string they would be escaped.
pub(super) fn on_one_line(json: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\n', b'\r', json).is_none() {
        return Cow::Borrowed(json);
    }
    let blank = |&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    Cow::Owned(json.iter().map(blank).collect())
}

fn begin(form: &Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + form.spelling.len());
    if !form.reader.unidirectional {
        out.extend_from_slice(b"{\"push\":");
    }
    out.extend_from_slice(b"{\"channel\":");
    write_string(form.spelling.as_bytes(), &mut out);
    out
}

fn end(out: &mut Vec<u8>, reader: Reader) {
    out.push(b'}');
    if !reader.unidirectional {
        out.push(b'}');
    }
}

fn string(text: &[u8]) -> Cow<'static, [u8]> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 2);
    out.push(b'"');
    write_escaped(text, &mut out);
    out.push(b'"');
    Cow::Owned(out)
}

/// `user` and `client` are always written, even when they are empty: SDKs read them unasked.
fn put_info(out: &mut Vec<u8>, info: &ClientInfo<'_>) {
    out.extend_from_slice(b"\"info\":{\"user\":");
    write_string(info.user.as_bytes(), out);
    out.extend_from_slice(b",\"client\":");
    write_string(info.client.as_bytes(), out);
    for (key, json) in [
        (&b",\"conn_info\":"[..], info.conn_info),
        (b",\"chan_info\":", info.chan_info),
    ] {
        if !json.is_empty() {
            out.extend_from_slice(key);
            out.extend_from_slice(&on_one_line(json));
        }
    }
    out.push(b'}');
}
