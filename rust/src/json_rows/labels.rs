//! Frames of our own formats read back: the text of a `labels` cell as tags, and the name of a `series` column
//! as the field key it was made of.

use std::borrow::Cow;

use super::text::unquote;
use crate::frame::{Labels, unique_name};
use crate::json;

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The tags in a cell of `k1=v1, k2=v2` or `{k1="v1", k2="v2"}`; None where they cannot be told apart.
///
/// In the plain form, which Grafana writes without any escape, a key ends at its first `=`, and a part without
/// one belongs to the value before it. In the other a key ends at `="`.
pub(super) fn read_cell(text: &str) -> Option<Vec<Pair<'_>>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    match text.strip_prefix('{') {
        Some(inside) => read_quoted(inside),
        None => read_plain(text),
    }
}

fn read_plain(text: &str) -> Option<Vec<Pair<'_>>> {
    let mut pairs = Vec::new();
    let mut begin = 0;
    let mut end = 0;
    for part in text.split(", ") {
        if part.contains('=') && end > 0 {
            pairs.push(read_pair(&text[begin..end])?);
            begin = end + 2;
        }
        end += part.len() + if end > 0 || begin > 0 { 2 } else { 0 };
    }
    pairs.push(read_pair(&text[begin..])?);
    Some(pairs)
}

fn read_pair(text: &str) -> Option<Pair<'_>> {
    let (key, value) = text.split_once('=')?;
    Some((key.into(), value.into()))
}

fn read_quoted(mut rest: &str) -> Option<Vec<Pair<'_>>> {
    let mut pairs = Vec::new();
    loop {
        let equals = rest.find("=\"")?;
        let (key, quoted) = (&rest[..equals], &rest[equals + 1..]);
        let length = json::string_end(quoted.as_bytes())?;
        pairs.push((key.into(), unquote(&quoted[..length])?));
        match &quoted[length..] {
            "}" => return Some(pairs),
            behind => rest = behind.strip_prefix(", ")?,
        }
    }
}

/// The field key of a column that is named and shown as those of our `series` frames; else its name.
pub(super) fn field_key<'a>(name: &'a str, display: Option<&'a str>, labels: &Labels) -> &'a str {
    let made = |display: &'a str| {
        let suffix = labels.display_suffix();
        let key = display.strip_suffix(std::str::from_utf8(&suffix).ok()?)?;
        let made = unique_name(key.as_bytes(), &labels.name_suffix());
        (made == name.as_bytes()).then_some(key)
    };
    display.and_then(made).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let pairs = read_cell(text)?;
        Some(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }

    fn check(text: &str, pairs: &[(&str, &str)]) {
        let pairs = pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(read(text), Some(pairs.collect()), "{text}");
    }

    #[test]
    fn both_forms_are_read() {
        check("", &[]);
        check("a=1", &[("a", "1")]);
        check("a=1, b=é, c= x ", &[("a", "1"), ("b", "é"), ("c", " x ")]);
        check(r#"{a="1"}"#, &[("a", "1")]);
        check(r#"{a,="x, y=\"\\", b="}"}"#, &[("a,", "x, y=\"\\"), ("b", "}")]);
        check(r#"{{a="1"}"#, &[("{a", "1")]);
    }

    #[test]
    fn what_grafana_does_not_escape_is_read_as_it_was_most_likely_meant() {
        check("a=x, y, b=2", &[("a", "x, y"), ("b", "2")]);
        check("a=x,y, b=p=q", &[("a", "x,y"), ("b", "p=q")]);
        check("a=", &[("a", "")]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_none() {
        for text in [
            "a",
            "a, b=1",
            "{",
            "{}",
            "{a}",
            r#"{a="1""#,
            r#"{a="1",b="2"}"#,
            r#"{a="1"} "#,
            r#"{a="\q"}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
