//! What is said of a frame and its columns, in the keys that Grafana's SDK uses.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Error;
use super::flatbuffer::{Table, Tables};

/// Entries of one table or column that are looked at: the SDK writes three.
const MAX_ENTRIES: usize = 64;

/// Of the frame. Texts are not read yet.
#[derive(Default)]
pub(super) struct FrameMetadata<'a> {
    pub(super) name: &'a str,
    pub(super) ref_id: &'a str,
    pub(super) meta: Option<&'a str>,
}

impl<'a> FrameMetadata<'a> {
    pub(super) fn read(entries: Tables<'a>) -> Result<Self, Error> {
        let mut found = Self::default();
        for_each(entries, |key, value| match key {
            "name" => found.name = value,
            "refId" => found.ref_id = value,
            "meta" => found.meta = Some(value),
            _ => {}
        })?;
        Ok(found)
    }
}

/// Of a column. Texts are not read yet.
#[derive(Default)]
pub(super) struct ColumnMetadata<'a> {
    pub(super) labels: Option<&'a str>,
    pub(super) config: Option<&'a str>,
    pub(super) is_enum: bool,
}

impl<'a> ColumnMetadata<'a> {
    pub(super) fn read(entries: Tables<'a>) -> Result<Self, Error> {
        let mut found = Self::default();
        for_each(entries, |key, value| match key {
            "labels" => found.labels = Some(value),
            "config" => found.config = Some(value),
            "tstype" => found.is_enum = value == "enum",
            _ => {}
        })?;
        Ok(found)
    }
}

/// Call `tell` for each key, from the last: of several values the first counts.
fn for_each<'a>(entries: Tables<'a>, mut tell: impl FnMut(&'a str, &'a str)) -> Result<(), Error> {
    if entries.len() > MAX_ENTRIES {
        return Err(Error::TooMany("metadata"));
    }
    let entries: Vec<Table<'a>> = entries.iter().collect::<Result<_, _>>()?;
    for entry in entries.iter().rev() {
        let (key, value) = (entry.text(0)?, entry.text(1)?);
        tell(key.unwrap_or_default(), value.unwrap_or_default());
    }
    Ok(())
}

/// Labels, in the order of their names; None for the JSON `null`.
pub(super) fn read_labels(text: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
    let labels: Option<BTreeMap<String, Option<String>>> =
        serde_json::from_str(text).map_err(|_| Error::Metadata("labels"))?;
    let named = |labels: BTreeMap<_, Option<_>>| {
        let filled = labels
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()));
        filled.collect()
    };
    Ok(labels.map(named))
}

/// What is within the braces of a JSON object, and whether `key` is one of its members; nothing for the JSON `null`.
pub(super) fn read_members<'a>(
    what: &'static str,
    text: &'a str,
    key: &str,
) -> Result<(&'a str, bool), Error> {
    let wrong = |_| Error::Metadata(what);
    let members: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(text).map_err(wrong)?;
    let Some(members) = members else {
        return Ok(("", false));
    };
    let inside = text.trim_ascii();
    Ok((
        inside[1..inside.len() - 1].trim_ascii(),
        members.contains_key(key),
    ))
}
