//! A measurement's columns as a text that outlives the process. Written and read here, nowhere else.
//!
//! `{"version":1,"format":"wide","measurement":"cpu","labels":[{"host":"a"}],"columns":[["user","number",0]]}`:
//! names as meant, every set of labels once and in the order in which columns first have them, and for each
//! column its field key, its family and the number of its labels. A labels column has one set without labels.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::column::{Column, Family};
use super::format::Format;
use super::label_set::LabelSet;
use super::restore::RestoreError;
use crate::json;
use crate::line_protocol::is_name;

/// Of the shape of the text. A reader of another refuses it, and the columns begin afresh.
const VERSION: u32 = 1;

/// What such a text says; its names can be a sender's, but whether they go together is not known yet.
pub(super) struct ColumnsText {
    pub(super) format: Format,
    pub(super) measurement: String,
    pub(super) labels: Vec<BTreeMap<String, String>>,
    /// Field key, family and number of labels.
    pub(super) columns: Vec<(String, Family, usize)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    version: u32,
    format: String,
    measurement: String,
    labels: Vec<BTreeMap<String, String>>,
    columns: Vec<(String, String, usize)>,
}

impl ColumnsText {
    pub(super) fn parse(text: &[u8]) -> Result<Self, RestoreError> {
        let shape: Shape = serde_json::from_slice(text).map_err(|error| RestoreError::Unreadable {
            column: error.column(),
        })?;
        if shape.version != VERSION {
            return Err(RestoreError::Version(shape.version));
        }
        let format = Format::find(&shape.format).ok_or(RestoreError::Inconsistent("an unknown format"))?;
        let columns: Option<Vec<_>> = shape
            .columns
            .into_iter()
            .map(|(key, family, labels)| Some((key, Family::find(&family)?, labels)))
            .collect();
        let text = Self {
            format,
            measurement: shape.measurement,
            labels: shape.labels,
            columns: columns.ok_or(RestoreError::Inconsistent("an unknown family"))?,
        };
        let integer = |&(_, family, _): &(String, Family, usize)| family == Family::Integer;
        if !format.has_integer_columns() && text.columns.iter().any(integer) {
            return Err(RestoreError::Inconsistent("integers, which its format has not"));
        }
        if !text.names().all(is_name) {
            return Err(RestoreError::Inconsistent("a name that no line can have"));
        }
        Ok(text)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let labels = self.labels.iter().flatten().flat_map(|(key, value)| [key, value]);
        let keys = self.columns.iter().map(|(key, ..)| key);
        labels.chain(keys).chain([&self.measurement]).map(String::as_str)
    }
}

/// The text of a measurement. It is never longer than the limit that the schema was held against.
pub(super) fn write(format: Format, name: &[u8], label_sets: &[LabelSet], columns: &[Column]) -> Vec<u8> {
    let mut out = format!(
        "{{\"version\":{VERSION},\"format\":\"{}\",\"measurement\":",
        format.word()
    )
    .into_bytes();
    json::write_string(name, &mut out);
    out.extend_from_slice(b",\"labels\":[");
    write_list(label_sets, &mut out, |set, out| {
        let labels = set.labels();
        out.extend_from_slice(if labels.is_empty() { b"{}" } else { labels });
    });
    out.extend_from_slice(b"],\"columns\":[");
    write_list(columns, &mut out, |column, out| {
        out.push(b'[');
        json::write_string(&column.name, out);
        out.extend_from_slice(format!(",\"{}\",{}]", column.family.word(), column.label_set).as_bytes());
    });
    out.extend_from_slice(b"]}");
    out
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}
