//! A published frame's data, checked to be JSON and cut into columns.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Where one frame's columns are in its text. Each is JSON, but not yet known to be a list.
pub(super) struct Payload<'a> {
    pub(super) columns: Vec<&'a str>,
    /// The remainders of the time column.
    pub(super) nanos: Option<&'a str>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

// Others than these say how to read the values (Grafana's entities, enums, bases, factors): rather none of the
// frame than a wrong number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<'a> {
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
    #[serde(borrow)]
    nanos: Option<Vec<Option<&'a RawValue>>>,
}

impl<'a> Payload<'a> {
    /// None if it has no data, more columns than `max_columns`, or remainders for another than that at `time`.
    pub(super) fn read(text: &'a [u8], max_columns: usize, time: usize) -> Option<Self> {
        let Frame { data } = serde_json::from_str(str::from_utf8(text).ok()?).ok()?;
        let columns = data.values.len();
        if columns > max_columns {
            return None;
        }
        let nanos = data.nanos.unwrap_or_default();
        if !nanos.is_empty() && nanos.len() != columns {
            return None;
        }
        let elsewhere = |(column, entry): (usize, &Option<_>)| column != time && entry.is_some();
        if nanos.iter().enumerate().any(elsewhere) {
            return None;
        }
        Some(Self {
            columns: data.values.into_iter().map(RawValue::get).collect(),
            nanos: nanos.get(time).copied().flatten().map(RawValue::get),
        })
    }
}
