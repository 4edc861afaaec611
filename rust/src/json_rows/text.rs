//! A walk over JSON text that `serde_json` has found well-formed: value by value, without copies and without
//! keeping what was passed. Text that is not well-formed only ends the walk early.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// What a value is, by its first byte; numbers, arrays and objects are the text as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    /// With its quotes.
    Text(&'a str),
    Array(&'a str),
    Object(&'a str),
}

impl<'a> Value<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Self::Text(text),
            Some(b'[') => Self::Array(text),
            Some(b'{') => Self::Object(text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'-' | b'0'..=b'9') => Self::Number(text),
            _ => Self::Null,
        }
    }
}

/// What a JSON string says; None where it names half a character (`\ud800` alone).
pub(super) fn unquote(quoted: &str) -> Option<Cow<'_, str>> {
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str(quoted).ok().map(Cow::Owned)
}

/// The elements of an array, from its text.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    /// None when it is no array.
    pub(super) fn of(array: &'a str) -> Option<Self> {
        array.strip_prefix('[').map(|rest| Self { rest })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        take_value(&mut self.rest)
    }
}

/// The keys, quoted, and values of an object, from its text.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    rest: &'a str,
}

impl<'a> Members<'a> {
    /// None when it is no object.
    pub(super) fn of(object: &'a str) -> Option<Self> {
        object.strip_prefix('{').map(|rest| Self { rest })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        Some((take_value(&mut self.rest)?, take_value(&mut self.rest)?))
    }
}

/// The value of the object's member of that name, of several the last.
pub(super) fn find_member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let named = |(key, value)| (unquote(key)? == name).then_some(value);
    Members::of(object)?.filter_map(named).last()
}

/// Pass over separators and take what stands behind them; None before a closing bracket and at the end.
fn take_value<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let begun = rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
    let mut values = serde_json::Deserializer::from_str(begun).into_iter::<&'a RawValue>();
    let value = values.next()?.ok()?.get();
    *rest = &begun[values.byte_offset()..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_passed_over() {
        let array = r#" , -1.5e+3 ,"a,]\"", [1,[2]] ,{"a":[{}]},null,true,false , "b"]  "#;
        let array = format!("[{}", &array[2..]);
        let elements: Vec<_> = Elements::of(&array).unwrap().collect();
        assert_eq!(
            elements,
            [
                "-1.5e+3",
                r#""a,]\"""#,
                "[1,[2]]",
                r#"{"a":[{}]}"#,
                "null",
                "true",
                "false",
                "\"b\""
            ]
        );
        assert_eq!(Elements::of("[ ]").unwrap().count(), 0);
        assert!(Elements::of("{}").is_none() && Members::of("[]").is_none());
    }

    #[test]
    fn members_are_keys_and_values() {
        let object = "{ \"a\" : 1 ,\n\"b:,\":{\"c\":2},\"a\":\"\" }";
        let members: Vec<_> = Members::of(object).unwrap().collect();
        assert_eq!(
            members,
            [("\"a\"", "1"), ("\"b:,\"", r#"{"c":2}"#), ("\"a\"", "\"\"")]
        );
        assert_eq!(find_member(object, "a"), Some("\"\""));
        assert_eq!(find_member(object, "c"), None);
    }

    #[test]
    fn strings_say_what_they_mean_or_nothing() {
        assert_eq!(unquote(r#""aé""#).unwrap(), "aé");
        assert_eq!(unquote(r#""\ud83d\ude00\n\/""#).unwrap(), "😀\n/");
        assert_eq!(unquote(r#""\ud83d""#), None);
        assert_eq!(unquote("1"), None);
    }

    #[test]
    fn nesting_of_any_depth_is_passed_over() {
        let deep = format!("[{}{},1]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Elements::of(&deep).unwrap().count(), 2);
    }
}
