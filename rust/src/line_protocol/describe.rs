//! A body's points as JSON, for people and for the case files that judge parsers; not a hot path.

use std::collections::HashMap;

use super::error::Fault;
use super::field::{Field, Value};
use super::name::{Name, Tag};
use super::number::{NumberKind, shortest_float};
use super::scanner::Scanner;
use super::time::Precision;
use crate::json;

/// Parse `body` on its own and say in JSON what it holds, or where it is wrong; the shape is `_core.pyi`'s.
#[must_use]
pub fn describe_points(body: &[u8], precision: Precision) -> Vec<u8> {
    let mut scanner = Scanner::new(body);
    let (mut tags, mut fields) = (Vec::new(), Vec::new());
    let (mut points, mut rejections) = (Vec::new(), Vec::new());
    let mut first = None;
    while scanner.next_line() {
        match read_point(&mut scanner, &mut tags, &mut fields, precision) {
            Ok((measurement, time_ns)) => {
                separate(&mut points);
                write_point(measurement, &tags, &fields, time_ns, &mut points);
            }
            Err(fault) => {
                scanner.skip_line();
                separate(&mut rejections);
                write_list(&mut rejections, b"{", b"}", |out| write_fault(&fault, out));
                first.get_or_insert(fault);
            }
        }
    }
    let mut out = Vec::new();
    match first {
        None => write_list(&mut out, b"{\"points\":[", b"]}", |out| {
            out.extend_from_slice(&points);
        }),
        Some(fault) => {
            out.extend_from_slice(b"{\"error\":true,");
            write_fault(&fault, &mut out);
            write_list(&mut out, b",\"rejections\":[", b"]", |out| {
                out.extend_from_slice(&rejections);
            });
            write_list(&mut out, b",\"points_ok\":[", b"]}", |out| {
                out.extend_from_slice(&points);
            });
        }
    }
    out
}

fn read_point<'a>(
    scanner: &mut Scanner<'a>,
    tags: &mut Vec<Tag<'a>>,
    fields: &mut Vec<Field<'a>>,
    precision: Precision,
) -> Result<(Name<'a>, Option<i64>), Fault<'a>> {
    let measurement = scanner.read_series(tags)?;
    fields.clear();
    scanner.read_fields(fields)?;
    Ok((measurement, scanner.read_time(precision)?))
}

fn write_point(measurement: Name, tags: &[Tag], fields: &[Field], time_ns: Option<i64>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"measurement\":");
    json::write_string(&measurement.text(), out);
    write_list(out, b",\"tags\":[", b"]", |out| {
        for tag in last_wins(tags, |tag| tag.key) {
            separate(out);
            write_list(out, b"[", b"]", |out| {
                json::write_string(&tag.key.text(), out);
                out.push(b',');
                json::write_string(&tag.value.text(), out);
            });
        }
    });
    write_list(out, b",\"fields\":[", b"]", |out| {
        for field in last_wins(fields, |field| field.key) {
            separate(out);
            write_list(out, b"[", b"]", |out| {
                json::write_string(&field.key.text(), out);
                write_value(&field.value, out);
            });
        }
    });
    let time = time_ns.map_or_else(|| "null".to_owned(), |time| format!("\"{time}\""));
    out.extend_from_slice(format!(",\"time_ns\":{time}}}").as_bytes());
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    let text = match value {
        Value::Bool(value) => format!(",\"bool\",{value}"),
        Value::Text { raw, .. } => {
            out.extend_from_slice(b",\"string\",");
            return json::write_protocol_string(raw, out);
        }
        Value::Number(number) => match number.kind {
            NumberKind::Int => format!(",\"int\",\"{}\"", number.as_i64().unwrap_or_default()),
            NumberKind::Uint => format!(",\"uint\",\"{}\"", number.as_u64().unwrap_or_default()),
            NumberKind::Float => format!(",\"float\",\"{}\"", shortest_float(number.as_f64())),
        },
    };
    out.extend_from_slice(text.as_bytes());
}

fn write_fault(fault: &Fault, out: &mut Vec<u8>) {
    let place = fault.place;
    let head = format!(
        "\"line\":{},\"column\":{},\"reason\":\"{}\"",
        place.line,
        place.column,
        fault.reason.word()
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b",\"message\":");
    json::write_string(fault.to_string().as_bytes(), out);
}

/// The items in the order in which their keys first appear, each as it stands last.
fn last_wins<'a, T: Copy>(items: &[T], key: impl Fn(&T) -> Name<'a>) -> Vec<T> {
    let mut places = HashMap::with_capacity(items.len());
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        let place = *places.entry(key(item).raw).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => *earlier = *item,
            None => kept.push(*item),
        }
    }
    kept
}

fn write_list(out: &mut Vec<u8>, before: &[u8], after: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(before);
    write(out);
    out.extend_from_slice(after);
}

/// A comma, unless nothing or an opening bracket goes before.
fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'[')) {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(body: &str) -> String {
        String::from_utf8(describe_points(body.as_bytes(), Precision::Nanoseconds)).unwrap()
    }

    #[test]
    fn a_good_body_is_its_points() {
        assert_eq!(
            describe("m,t=1,u=[,t=2 a=1.0,b=t,a=2i 5\n"),
            r#"{"points":[{"measurement":"m","tags":[["t","2"],["u","["]],"fields":[["a","int","2"],["b","bool",true]],"time_ns":"5"}]}"#
        );
        assert_eq!(describe("# nothing\r\n\n"), r#"{"points":[]}"#);
    }

    #[test]
    fn a_bad_line_costs_that_line() {
        let text = describe("m a=1\n\nm x 1\nm a=2");
        assert!(text.starts_with(
            r#"{"error":true,"line":3,"column":4,"reason":"missing_value","message":"line 3, column 4: field \"x\" has no value","rejections":[{"line":3,"#
        ), "{text}");
        assert_eq!(text.matches("\"measurement\"").count(), 2);
    }

    #[test]
    fn an_open_quote_names_where_it_was_opened() {
        let text = describe("m a=1\nm b=\"open\nm c=\"x\" 1\nm d=1");
        assert!(text.contains("opened at line 2, column 5"), "{text}");
        assert!(text.contains(r#""line":3,"column":6"#), "{text}");
        assert_eq!(text.matches("\"measurement\"").count(), 2);
        assert!(
            describe("m a=1\nm b=\"open\nm c=1").contains(r#""line":2,"column":5,"reason":"open_quote""#)
        );
    }
}
