//! The columns of one measurement that share their labels: where a field key finds its column, and what the
//! schema says of it. In the labels column's format one set holds all columns.

use std::collections::HashMap;
use std::sync::Arc;

use super::column::Family;
use super::format::Format;
use super::key_hash::KeyHashes;
use super::labels::{Labels, escaped_bytes, unique_name};
use crate::json;

/// Never removed once a line of it was taken: then it has a column.
pub(super) struct LabelSet {
    /// From a field key as meant to its column.
    pub(super) numbers: HashMap<Box<[u8]>, usize, KeyHashes>,
    /// The column whose field came first the last time: a guess.
    pub(super) first: usize,
    /// As JSON; nothing where labels are a column.
    object: Arc<[u8]>,
    /// What the columns' names have behind the field key; `Series` only.
    name_suffix: Box<[u8]>,
    /// The same for a person.
    display_suffix: Box<[u8]>,
    /// What the schema takes at most for a column, its key not counted.
    column_bytes: usize,
}

impl LabelSet {
    pub(super) fn new(format: Format, labels: &Labels, object: Arc<[u8]>, hashes: KeyHashes) -> Self {
        let (object, name_suffix, display_suffix) = match format {
            Format::LabelsColumn => Default::default(),
            Format::Wide => (object, Box::default(), Box::default()),
            Format::Series => (object, labels.name_suffix(), labels.display_suffix()),
        };
        // The brackets, and the longest of `Family::schema`; labels or a config come with words of their own.
        let words = if format.has_labels_column() { 96 } else { 96 + 60 };
        let column_bytes = words + object.len() + json_bytes(&name_suffix) + json_bytes(&display_suffix);
        Self {
            numbers: HashMap::with_hasher(hashes),
            first: 0,
            object,
            name_suffix,
            display_suffix,
            column_bytes,
        }
    }

    /// As JSON; nothing where labels are a column.
    pub(super) fn labels(&self) -> &[u8] {
        &self.object
    }

    /// At most so many bytes does [`Self::write_column`] write, for a key as meant or as written.
    pub(super) fn column_bytes(&self, format: Format, key: &[u8]) -> usize {
        // Keys hold no control bytes: an escape at most doubles them.
        let name_bytes = match format {
            Format::LabelsColumn | Format::Wide => 2 * key.len(),
            Format::Series => json_bytes(key) + key.iter().map(|&byte| escaped_bytes(byte)).sum::<usize>(),
        };
        self.column_bytes + name_bytes
    }

    /// A column in the schema, with a comma before it.
    pub(super) fn write_column(&self, format: Format, key: &[u8], family: Family, out: &mut Vec<u8>) {
        out.extend_from_slice(b",{\"name\":");
        if format == Format::Series {
            json::write_string(&unique_name(key, &self.name_suffix), out);
        } else {
            json::write_string(key, out);
        }
        out.extend_from_slice(family.schema());
        if !format.has_labels_column() {
            out.extend_from_slice(b",\"labels\":");
            out.extend_from_slice(&self.object);
        }
        if format == Format::Series {
            out.extend_from_slice(b",\"config\":{\"displayNameFromDS\":\"");
            json::write_escaped(key, out);
            json::write_escaped(&self.display_suffix, out);
            out.extend_from_slice(b"\"}");
        }
        out.push(b'}');
    }
}

/// What a text without control bytes takes inside a JSON string.
fn json_bytes(text: &[u8]) -> usize {
    text.iter()
        .map(|byte| 1 + usize::from(b"\"\\".contains(byte)))
        .sum()
}
