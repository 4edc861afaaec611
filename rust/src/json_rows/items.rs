//! The objects and frames of a body: one value, several behind one another, or arrays of them.

use std::fmt::{self, Display, Formatter};

use serde_json::value::RawValue;

use super::fault::{Fault, Reason};
use super::text::Elements;

/// A body that cannot be read at all. Its `Display` is the sentence for the sender.
#[derive(Debug, PartialEq, Eq)]
pub struct BadBody(String);

impl Display for BadBody {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadBody {}

impl BadBody {
    pub(super) fn measurement(fault: &Fault) -> Self {
        let rule = match fault.reason {
            Reason::BadName => "it must not be empty, begin with # or end in a backslash".to_owned(),
            _ => fault.to_string(),
        };
        Self(format!(
            "the path behind the stream cannot be a measurement: {rule}"
        ))
    }
}

/// What a body holds.
pub(super) enum Item<'a> {
    /// A well-formed value that is no array, or an element of one.
    Value(&'a str),
    /// A line of newline-delimited JSON that is none.
    BadLine { number: usize, error: serde_json::Error },
}

/// Hand out the items of a body in their order. With `newline_delimited` a bad line costs that line.
pub(super) fn each_item<'a>(
    body: &'a [u8],
    newline_delimited: bool,
    mut take: impl FnMut(Item<'a>),
) -> Result<(), BadBody> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if newline_delimited {
        each_line(text, take);
        return Ok(());
    }
    let mut empty = true;
    for value in serde_json::Deserializer::from_str(text).into_iter::<&'a RawValue>() {
        let value = value.map_err(|error| not_json(&error))?;
        each_element(value.get(), &mut take);
        empty = false;
    }
    if empty {
        return Err(BadBody(format!("the body is empty; {WANTED}")));
    }
    Ok(())
}

const WANTED: &str = "send an object, an array of objects, or a data frame";

fn each_line<'a>(text: &'a str, mut take: impl FnMut(Item<'a>)) {
    for (at, line) in text.split('\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_str::<&'a RawValue>(line) {
            Ok(value) => each_element(value.get(), &mut take),
            Err(error) => take(Item::BadLine {
                number: at + 1,
                error,
            }),
        }
    }
}

fn each_element<'a>(value: &'a str, take: &mut impl FnMut(Item<'a>)) {
    match Elements::of(value) {
        Some(elements) => elements.for_each(|element| take(Item::Value(element))),
        None => take(Item::Value(value)),
    }
}

fn not_json(error: &serde_json::Error) -> BadBody {
    let place = format!("line {}, column {}", error.line(), error.column());
    BadBody(format!("{place}: the body is no JSON: {}; {WANTED}", what(error)))
}

/// What `serde_json` says, without the place.
pub(super) fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

fn not_utf8(body: &[u8], at: usize) -> BadBody {
    let line_start = memchr::memrchr(b'\n', &body[..at]).map_or(0, |found| found + 1);
    let line = 1 + memchr::memchr_iter(b'\n', &body[..at]).count();
    let column = at - line_start + 1;
    BadBody(format!(
        "line {line}, column {column}: the body is not UTF-8, as JSON must be"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(body: &str, newline_delimited: bool) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        each_item(body.as_bytes(), newline_delimited, |item| {
            found.push(match item {
                Item::Value(text) => text.to_owned(),
                Item::BadLine { number, .. } => format!("bad {number}"),
            });
        })
        .map(|()| found)
        .map_err(|error| error.to_string())
    }

    #[test]
    fn values_arrays_and_several_of_either() {
        assert_eq!(items("\u{feff} {\"a\":1}\n", false).unwrap(), ["{\"a\":1}"]);
        assert_eq!(
            items("[{},[1], 2]{}\n[3]", false).unwrap(),
            ["{}", "[1]", "2", "{}", "3"]
        );
        assert_eq!(items("[]", false).unwrap(), [""; 0]);
    }

    #[test]
    fn a_bad_line_costs_that_line() {
        let body = "{}\r\n\n{\n [1,{}] \n{}{}\n4";
        assert_eq!(
            items(body, true).unwrap(),
            ["{}", "bad 3", "1", "{}", "bad 5", "4"]
        );
        assert_eq!(items("\n", true).unwrap(), [""; 0]);
    }

    #[test]
    fn a_bad_body_says_where_and_what_to_do() {
        for (body, start) in [
            ("", "the body is empty; send an object"),
            (
                "{}\n{\"a\":1,}",
                "line 2, column 8: the body is no JSON: key must be a string; send",
            ),
            (
                "[{}",
                "line 1, column 3: the body is no JSON: EOF while parsing a list; send",
            ),
            (
                "m f=1",
                "line 1, column 1: the body is no JSON: expected value; send",
            ),
        ] {
            let error = items(body, false).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        let error = each_item(b"{\n\"\xff\"}", false, |_| {}).unwrap_err();
        assert!(
            error.0.starts_with("line 2, column 2: the body is not UTF-8"),
            "{error}"
        );
    }
}
