//! A channel's schema: how many columns it has, and which is the time.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

/// A whole schema, as it stands in the channel's newest packet that has one.
pub(super) struct Schema<'a> {
    /// On one line, because a message is one.
    pub(super) text: &'a str,
    /// One at least.
    pub(super) columns: usize,
    /// The first column of type `time`.
    pub(super) time: usize,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    fields: Vec<Field<'a>>,
}

#[derive(Deserialize)]
struct Field<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
}

impl<'a> Schema<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, SchemaError> {
        let text = str::from_utf8(text).map_err(SchemaError::NotUtf8)?;
        if !text.starts_with('{') {
            return Err(SchemaError::NoObject);
        }
        if let Some(byte) = text.bytes().position(|byte| byte < 0x20) {
            return Err(SchemaError::Control { byte });
        }
        let Fields { fields } = serde_json::from_str(text).map_err(SchemaError::Malformed)?;
        let time = fields.iter().position(|field| field.kind == "time");
        Ok(Self {
            text,
            columns: fields.len(),
            time: time.ok_or(SchemaError::NoTime)?,
        })
    }
}

/// Why a text is no frame's schema.
#[derive(Debug)]
pub enum SchemaError {
    /// It is not UTF-8.
    NotUtf8(std::str::Utf8Error),
    /// It does not begin as a JSON object.
    NoObject,
    /// It has a raw line break or another control character.
    Control {
        /// Where, from 0.
        byte: usize,
    },
    /// It is no JSON, or has no list of fields.
    Malformed(serde_json::Error),
    /// No field is of type `time`.
    NoTime,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the schema must be a frame's, as the core writes it: ")?;
        match self {
            Self::NotUtf8(error) => error.fmt(out),
            Self::NoObject => out.write_str("it does not begin with {"),
            Self::Control { byte } => write!(out, "it has a raw control character at byte {byte}"),
            Self::Malformed(error) => error.fmt(out),
            Self::NoTime => out.write_str("it has no field of type \"time\""),
        }
    }
}

impl std::error::Error for SchemaError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_first_column_of_its_type() {
        let text = br#"{"name":"m","fields":[{"name":"time"},{"type":"t\u0069me"},{"type":"time"}]}"#;
        let schema = Schema::read(text).unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!((schema.columns, schema.time), (3, 1));
    }

    #[test]
    fn what_is_no_schema_is_said_to_be_none() {
        for (text, part) in [
            ("", "begin with {"),
            ("[[{\"type\":\"time\"}]]", "begin with {"),
            ("{}", "missing field `fields`"),
            ("{\"fields\":", "EOF"),
            ("{\"fields\":[]}", "no field of type"),
            ("{\"fields\":[{\"type\":\"number\"}]}", "no field of type"),
            ("{\"fields\":[{\"type\":7}]}", "invalid type"),
            ("{\"fields\":[{\"type\":\"time\"}]}x", "trailing"),
            ("{\"fields\":\n[{\"type\":\"time\"}]}", "at byte 10"),
        ] {
            let told = Schema::read(text.as_bytes()).err().map(|error| error.to_string());
            assert!(
                told.as_ref().is_some_and(|told| told.contains(part)),
                "{text}: {told:?}"
            );
        }
    }
}
