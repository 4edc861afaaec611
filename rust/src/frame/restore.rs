//! Columns that outlived their process come back: all of a measurement's, or none and the reason.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::columns_text::ColumnsText;
use super::format::Format;
use super::labels::Labels;
use super::measurement::Measurement;
use super::path;
use super::stream::Stream;

/// A measurement that is back.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its name as meant.
    pub measurement: Arc<str>,
    /// The name as the last part of its channel.
    pub path: Arc<str>,
    /// The whole schema as JSON.
    pub schema: Vec<u8>,
}

/// Why a text cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// It is not what `columns` writes.
    Unreadable {
        /// Where that shows, in bytes from 1; 0 when nowhere in particular.
        column: usize,
    },
    /// Its shape is of another version.
    Version(u32),
    /// Its parts do not go together: they name something they have not, or have it twice.
    Inconsistent(&'static str),
    /// It is of a stream with frames of another format.
    OtherFormat(Format),
    /// The stream has that measurement.
    Repeated,
    /// It is past a limit of the stream, which was higher when it was written.
    Limit(&'static str, usize),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { column } => write!(to, "not the text of columns, at byte {column}"),
            Self::Version(version) => write!(to, "the text of columns is of the unknown version {version}"),
            Self::Inconsistent(what) => write!(to, "the text of columns has {what}"),
            Self::OtherFormat(format) => {
                write!(
                    to,
                    "the columns are of {} frames, the stream is not",
                    format.word()
                )
            }
            Self::Repeated => write!(to, "the stream has that measurement already"),
            Self::Limit(what, limit) => write!(to, "more than the {limit} {what} that are allowed"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl Stream {
    /// All columns of the measurement with that path, as text for [`Stream::restore`]; `None` if there is none.
    #[must_use]
    pub fn columns(&self, path: &str) -> Option<Vec<u8>> {
        let number = *self.numbers.get(&*path::unescape(path)?)?;
        let measurement = &self.measurements[number];
        (&*measurement.path == path).then(|| measurement.columns_text())
    }

    /// Add a measurement with the columns that `text` says. They count as sent: the next packet has no schema
    /// unless a column is added.
    ///
    /// # Errors
    /// When the text is not of [`Stream::columns`], is of another format, or is past the limits. Then nothing
    /// of it is kept.
    pub fn restore(&mut self, text: &[u8]) -> Result<Restored, RestoreError> {
        // No text is longer than what its schema may have: nothing longer is even read.
        if text.len() > self.limits.max_packet_bytes {
            return Err(RestoreError::Limit(
                "bytes of a schema",
                self.limits.max_packet_bytes,
            ));
        }
        let text = ColumnsText::parse(text)?;
        if text.format != self.format {
            return Err(RestoreError::OtherFormat(text.format));
        }
        if self.numbers.contains_key(text.measurement.as_bytes()) {
            return Err(RestoreError::Repeated);
        }
        let path = path::escape(text.measurement.as_bytes());
        let mut measurement = Measurement::new(
            self.format,
            text.measurement.as_bytes(),
            &path,
            self.hashes.clone(),
        );
        add_columns(&mut measurement, &text)?;
        let schemas_bytes = self.schemas_bytes + measurement.schema_bytes();
        self.check_limits(&measurement, schemas_bytes)?;
        self.schemas_bytes = schemas_bytes;
        self.numbers
            .insert(measurement.name.clone(), self.measurements.len());
        let restored = Restored {
            measurement: text.measurement.into(),
            path: Arc::clone(&measurement.path),
            schema: measurement.take_schema().unwrap_or_default(),
        };
        self.measurements.push(measurement);
        Ok(restored)
    }

    fn check_limits(&self, measurement: &Measurement, schemas_bytes: usize) -> Result<(), RestoreError> {
        let limits = &self.limits;
        let checks = [
            (
                self.measurements.len() + 1,
                "measurements of a stream",
                limits.max_measurements,
            ),
            (
                measurement.columns.len(),
                "columns of a measurement",
                limits.max_columns,
            ),
            (
                measurement.path.len(),
                "bytes of a channel's path",
                limits.max_path_bytes,
            ),
            (
                measurement.schema_bytes(),
                "bytes of a schema",
                limits.max_packet_bytes,
            ),
            (
                schemas_bytes,
                "bytes of all schemas",
                self.allowance.schemas_bytes,
            ),
        ];
        match checks.into_iter().find(|&(has, _, limit)| has > limit) {
            Some((_, what, limit)) => Err(RestoreError::Limit(what, limit)),
            None => Ok(()),
        }
    }
}

/// Add the columns that the text says.
fn add_columns(measurement: &mut Measurement, text: &ColumnsText) -> Result<(), RestoreError> {
    let mut sets = 0;
    for (key, family, set) in &text.columns {
        if *set == sets {
            let labels = text
                .labels
                .get(sets)
                .ok_or(RestoreError::Inconsistent("labels that are missing"))?;
            let pairs = labels
                .iter()
                .map(|(key, value)| (Cow::Borrowed(key.as_bytes()), Cow::Borrowed(value.as_bytes())));
            add_label_set(measurement, &Labels::from_sorted(pairs.collect()))?;
            sets += 1;
        } else if *set > sets {
            return Err(RestoreError::Inconsistent(
                "labels that are missing or out of order",
            ));
        }
        if measurement.has_column(*set, key.as_bytes()) {
            return Err(RestoreError::Inconsistent("a column twice"));
        }
        measurement.add_column(*set, key.as_bytes(), *family);
    }
    if sets == 0 || sets != text.labels.len() {
        return Err(RestoreError::Inconsistent("labels without columns"));
    }
    Ok(())
}

fn add_label_set(measurement: &mut Measurement, labels: &Labels) -> Result<(), RestoreError> {
    if measurement.format.has_labels_column() && !labels.is_empty() {
        return Err(RestoreError::Inconsistent("labels, though they are a column"));
    }
    let object = labels.object();
    if measurement.find_label_set(&object).is_some() {
        return Err(RestoreError::Inconsistent("labels twice"));
    }
    measurement.add_label_set(labels, &object);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::stream::Limits;
    use super::*;
    use crate::line_protocol::Precision;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        max_measurements: 10,
        max_columns: 100,
        max_path_bytes: 150,
        max_packet_bytes: 1 << 16,
        max_push_output_bytes: 1 << 20,
        max_rejections: 0,
    };

    /// Names with and without escapes, and few enough to meet again.
    const LINE: &str = r#"[mn"](\\[ ,])?(,[ab](\\=)?=[xy"\\]x){0,2} [ab"](\\[=, ])?=1(,[ab\\]a=t){0,2}"#;

    proptest! {
        #[test]
        fn what_is_restored_counts_as_before(
            lines in prop::collection::vec(LINE, 1..20),
            format in prop::sample::select(&Format::ALL[..]),
        ) {
            let mut stream = Stream::with_format(format, LIMITS);
            stream.push(lines.join("\n").as_bytes(), 0, Precision::Seconds);
            let mut again = Stream::with_format(format, LIMITS);
            for measurement in &stream.measurements {
                let text = stream.columns(&measurement.path).unwrap();
                let restored = again.restore(&text).unwrap();
                prop_assert_eq!(&restored.path, &measurement.path);
                prop_assert_eq!(again.columns(&restored.path), Some(text));
            }
            prop_assert_eq!(again.schemas_bytes, stream.schemas_bytes);
            for (left, right) in stream.measurements.iter().zip(&again.measurements) {
                prop_assert_eq!(left.schema_bytes(), right.schema_bytes());
                prop_assert!(left.columns_text().len() <= left.schema_bytes());
            }
        }
    }
}
