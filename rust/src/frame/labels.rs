//! A line's tags as labels: the text of a `labels` cell, the `labels` of a column, and what a column's name
//! says of them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::json;
use crate::line_protocol::Tag;

type Text<'a> = Cow<'a, [u8]>;

/// A line's tags as meant: sorted by key, of a repeated key the last.
pub(crate) struct Labels<'a> {
    pairs: Vec<(Text<'a>, Text<'a>)>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(tags: &[Tag<'a>]) -> Self {
        Self::sort(
            tags.iter()
                .map(|tag| (tag.key.text(), tag.value.text()))
                .collect(),
        )
    }

    /// The same from keys and values as meant.
    pub(crate) fn of_pairs(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        Self::sort(pairs.map(|(key, value)| (key.into(), value.into())).collect())
    }

    fn sort(mut pairs: Vec<(Text<'a>, Text<'a>)>) -> Self {
        // Both are stable; of two neighbours with one key the earlier takes the later's value.
        pairs.sort_by(|left, right| left.0.cmp(&right.0));
        pairs.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Self { pairs }
    }

    /// Labels whose keys are sorted and differ.
    pub(super) fn from_sorted(pairs: Vec<(Text<'a>, Text<'a>)>) -> Self {
        debug_assert!(pairs.is_sorted_by(|left, right| left.0 < right.0));
        Self { pairs }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The `labels` cell as a JSON string: `k1=v1, k2=v2` as Grafana has it, or `{k1="v1", k2="v2"}` where
    /// the panel would misread that, because it takes the plain text apart at commas and equals signs.
    pub(super) fn cell(&self) -> Arc<[u8]> {
        let splits = |text: &[u8]| text.iter().any(|byte| b",=".contains(byte));
        let quoted = self.pairs.first().is_some_and(|(key, _)| key.starts_with(b"{"))
            || self.pairs.iter().any(|(key, value)| splits(key) || splits(value));
        let mut text = Vec::new();
        if quoted {
            text.push(b'{');
            self.join(&mut text, |key, value, text| {
                text.extend_from_slice(key);
                text.push(b'=');
                json::write_string(value, text);
            });
            text.push(b'}');
        } else {
            self.write_plain(&mut text);
        }
        let mut cell = Vec::with_capacity(text.len() + 2);
        json::write_string(&text, &mut cell);
        cell.into()
    }

    /// The `labels` of a column: a JSON object.
    pub(super) fn object(&self) -> Arc<[u8]> {
        let mut out = vec![b'{'];
        for (at, (key, value)) in self.pairs.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write_string(key, &mut out);
            out.push(b':');
            json::write_string(value, &mut out);
        }
        out.push(b'}');
        out.into()
    }

    /// What sets a column's name apart: `{k1=v1, k2=v2}`, each part escaped; nothing without labels.
    pub(crate) fn name_suffix(&self) -> Box<[u8]> {
        let mut text = Vec::new();
        if !self.pairs.is_empty() {
            text.push(b'{');
            self.join(&mut text, |key, value, text| {
                escape(key, text);
                text.push(b'=');
                escape(value, text);
            });
            text.push(b'}');
        }
        text.into()
    }

    /// The same for a person: ` {k1=v1, k2=v2}` as the sender wrote them.
    pub(crate) fn display_suffix(&self) -> Box<[u8]> {
        let mut text = Vec::new();
        if !self.pairs.is_empty() {
            text.extend_from_slice(b" {");
            self.write_plain(&mut text);
            text.push(b'}');
        }
        text.into()
    }

    fn write_plain(&self, text: &mut Vec<u8>) {
        self.join(text, |key, value, text| {
            text.extend_from_slice(key);
            text.push(b'=');
            text.extend_from_slice(value);
        });
    }

    fn join(&self, text: &mut Vec<u8>, mut write: impl FnMut(&[u8], &[u8], &mut Vec<u8>)) {
        for (at, (key, value)) in self.pairs.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(b", ");
            }
            write(key, value, text);
        }
    }
}

/// The name of a `series` column, which no other column has: the field key, escaped, and its labels'
/// `name_suffix`.
pub(crate) fn unique_name(key: &[u8], name_suffix: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(key.len() + name_suffix.len());
    escape(key, &mut name);
    if key == b"time" && name_suffix.is_empty() {
        // The time column's name is taken.
        name.extend_from_slice(b"{}");
    }
    name.extend_from_slice(name_suffix);
    name
}

/// Put a backslash before each byte that means something in a column's name; no two texts become one.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if is_escaped(byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// What a byte of a field key takes at most in a column's name, as JSON: a backslash doubles there.
pub(super) fn escaped_bytes(byte: u8) -> usize {
    match byte {
        b'\\' => 4,
        b'"' => 2,
        _ if is_escaped(byte) => 3,
        _ => 1,
    }
}

fn is_escaped(byte: u8) -> bool {
    b",={}\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_protocol::Scanner;
    use proptest::prelude::*;

    fn labels(line: &str) -> Labels<'_> {
        let mut tags = Vec::new();
        Scanner::new(line.as_bytes()).read_series(&mut tags).unwrap();
        Labels::new(&tags)
    }

    fn cell(line: &str) -> String {
        serde_json::from_slice(&labels(line).cell()).unwrap()
    }

    #[test]
    fn labels_are_sorted_and_the_last_of_a_key_counts() {
        assert_eq!(cell("m f=1"), "");
        assert_eq!(cell("m,b=2,a=1,b=3 f=1"), "a=1, b=3");
        assert_eq!(cell(r#"m,q="\ x f=1"#), r#"q=" x"#);
        let object = labels(r#"m,b=2,a="1,b=3 f=1"#).object();
        assert_eq!(&*object, br#"{"a":"\"1","b":"3"}"#);
        assert_eq!(&*labels("m f=1").object(), b"{}");
    }

    #[test]
    fn a_cell_that_would_be_misread_is_quoted() {
        assert_eq!(cell(r"m,p=C:\x\=1\,\ q f=1"), r#"{p="C:\\x=1, q"}"#);
        assert_eq!(cell(r#"m,a=1,k\,="v" f=1"#), r#"{a="1", k,="\"v\""}"#);
        assert_eq!(cell("m,{a=1 f=1"), r#"{{a="1"}"#);
        assert_eq!(cell("m,a={1} f=1"), "a={1}");
    }

    #[test]
    fn names_say_the_labels() {
        let both = |line| {
            let labels = labels(line);
            (
                String::from_utf8(labels.name_suffix().into()).unwrap(),
                String::from_utf8(labels.display_suffix().into()).unwrap(),
            )
        };
        assert_eq!(both("m f=1"), (String::new(), String::new()));
        assert_eq!(both("m,b=2,a=1 f=1"), ("{a=1, b=2}".into(), " {a=1, b=2}".into()));
        let awkward = (r"{a=\{\\1\=\}\,}".into(), r" {a={\1=},}".into());
        assert_eq!(both(r"m,a={\1\=}\, f=1"), awkward);
    }

    proptest! {
        #[test]
        fn different_labels_have_different_names(
            left in prop::collection::btree_map("[a,={} \\\\]{1,3}", "[a,={} \\\\]{1,3}", 0..3),
            right in prop::collection::btree_map("[a,={} \\\\]{1,3}", "[a,={} \\\\]{1,3}", 0..3),
        ) {
            let of = |pairs: &std::collections::BTreeMap<String, String>| {
                let pairs = pairs.iter().map(|(key, value)| {
                    (Cow::Owned(key.clone().into_bytes()), Cow::Owned(value.clone().into_bytes()))
                });
                let labels = Labels { pairs: pairs.collect() };
                (labels.name_suffix(), labels.object())
            };
            prop_assert_eq!(left == right, of(&left).0 == of(&right).0);
            prop_assert_eq!(left == right, of(&left).1 == of(&right).1);
        }
    }
}
