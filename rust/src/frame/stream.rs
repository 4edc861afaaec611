//! What a stream keeps from push to push.

use std::collections::HashMap;

use super::column::{Cell, Family, cell_bytes};
use super::format::Format;
use super::key_hash::KeyHashes;
use super::labels::Labels;
use super::measurement::Measurement;
use super::packet::NULL_BYTES;
use super::path;
use super::push::{self, Push, PushOutcome, keep_last_of_each_key};
use super::rows::Row;
use super::series::{Series, SeriesCache};
use crate::line_protocol::{Fault, Field, Name, Precision, Reason, Scanner, TakeFields};

/// What a stream may hold beside its rows. The server shares out what all streams hold: it sets this before
/// each push.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Bytes of the schemas of all measurements together, as bounded from above: names and labels of columns
    /// stay for the stream's life.
    pub schemas_bytes: usize,
    /// Bytes of remembered spellings of series.
    pub series_bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            schemas_bytes: 16 << 20,
            series_bytes: 8 << 20,
        }
    }
}

/// The limits of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Measurements in the stream's life.
    pub max_measurements: usize,
    /// Columns of a measurement, those that are no fields not counted.
    pub max_columns: usize,
    /// Bytes of a measurement's name once it is escaped into a channel's path.
    pub max_path_bytes: usize,
    /// Bytes of a packet beside its schema, and of a measurement's schema. Who has both, as a new subscriber
    /// does, has at most twice as many.
    pub max_packet_bytes: usize,
    /// Bytes of all frames of one push together, as counted before the cut into packets.
    pub max_push_output_bytes: usize,
    /// Refused lines of a push that are described one by one.
    pub max_rejections: usize,
}

impl Limits {
    /// Which limit the line would break, and by what.
    fn refusal<'a>(&self, allowance: Allowance, prospect: &Prospect<'_, 'a>) -> Option<(Reason, &'a [u8])> {
        let Prospect {
            measurement, unknown, ..
        } = prospect;
        let room = self.max_columns.saturating_sub(measurement.columns.len());
        if let Some(field) = unknown.get(room) {
            Some((Reason::ColumnLimit, field.key.raw))
        } else if let Some(field) =
            measurement.first_column_past(self.max_packet_bytes, prospect.label_set, unknown)
        {
            Some((Reason::SchemaLimit, field.key.raw))
        } else if let Some(field) = unknown
            .first()
            .filter(|_| prospect.schemas_bytes > allowance.schemas_bytes)
        {
            Some((Reason::SchemasLimit, field.key.raw))
        } else if prospect.packet_bytes > self.max_packet_bytes {
            Some((Reason::RowLimit, &[]))
        } else if prospect.output_bytes > self.max_push_output_bytes {
            Some((Reason::OutputLimit, &[]))
        } else {
            None
        }
    }
}

/// What a line would make of its stream.
struct Prospect<'p, 'a> {
    /// As it is before.
    measurement: &'p Measurement,
    /// The line's labels there.
    label_set: usize,
    /// The fields whose columns would be new.
    unknown: &'p [Field<'a>],
    /// Of the schemas of all measurements.
    schemas_bytes: usize,
    /// Of a packet that has no schema, and of rows only the largest.
    packet_bytes: usize,
    /// Of all frames of the push.
    output_bytes: usize,
}

/// The pushed bodies of one stream go in, its frames come out.
pub struct Stream {
    pub(super) format: Format,
    pub(super) limits: Limits,
    pub(super) measurements: Vec<Measurement>,
    pub(super) numbers: HashMap<Box<[u8]>, usize, KeyHashes>,
    series: SeriesCache,
    pub(super) hashes: KeyHashes,
    pub(super) allowance: Allowance,
    /// Of all measurements; a bound from above.
    pub(super) schemas_bytes: usize,
    /// Lines read so far, to tell one from the next.
    lines: u64,
}

impl Stream {
    /// A stream of the default format that has seen nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with_format(Format::default(), limits)
    }

    /// A stream of that format that has seen nothing yet.
    #[must_use]
    pub fn with_format(format: Format, limits: Limits) -> Self {
        let hashes = KeyHashes::default();
        Self {
            format,
            limits,
            measurements: Vec::new(),
            numbers: HashMap::with_hasher(hashes.clone()),
            series: SeriesCache::default(),
            hashes,
            allowance: Allowance::default(),
            schemas_bytes: 0,
            lines: 0,
        }
    }

    /// Parse one body; points without a timestamp get `received_ns`.
    pub fn push(&mut self, body: &[u8], received_ns: i64, precision: Precision) -> PushOutcome {
        push::run(self, body, received_ns, precision)
    }

    /// Set what may be held from now on. What is held already stays, but for the memory of series.
    pub fn allow(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// What is held now.
    #[must_use]
    pub fn held(&self) -> Allowance {
        Allowance {
            schemas_bytes: self.schemas_bytes,
            series_bytes: self.series.held_bytes(),
        }
    }

    /// The names of the measurements in order of first appearance.
    pub fn measurements(&self) -> impl Iterator<Item = String> + '_ {
        self.measurements
            .iter()
            .map(|measurement| String::from_utf8_lossy(&measurement.name).into_owned())
    }

    /// Take the line that `scanner` stands before. On a fault nothing of it is kept, but for what
    /// [`Push::forget_line`] forgets.
    pub(super) fn take_line<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        push: &mut Push<'a>,
        received_ns: i64,
        precision: Precision,
    ) -> Result<(), Fault<'a>> {
        self.lines += 1;
        push.unknown.clear();
        let spelling = scanner.peek_series();
        let Some(series) = self.series.find(spelling).cloned() else {
            return self.take_first_line(scanner, push, received_ns, precision);
        };
        scanner.take_series(spelling);
        let start = push.cells.len();
        let measurement = &mut self.measurements[series.measurement];
        let set = series.label_set;
        let mut placing = measurement.placing(self.lines, set, &mut push.cells, &mut push.unknown);
        scanner.read_fields(&mut placing)?;
        let time_ns = scanner.read_time(precision)?.unwrap_or(received_ns);
        self.take_row(scanner, push, series, start, time_ns)
    }

    /// Take a line of a series that is not remembered.
    fn take_first_line<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        push: &mut Push<'a>,
        received_ns: i64,
        precision: Precision,
    ) -> Result<(), Fault<'a>> {
        let spelling = scanner.peek_series();
        let name = scanner.read_series(&mut push.tags)?;
        push.fields.clear();
        scanner.read_fields(&mut push.fields)?;
        let time_ns = scanner.read_time(precision)?.unwrap_or(received_ns);
        let found = self.numbers.get(&*name.text()).copied();
        if found.is_none() {
            self.add_measurement(scanner, name)?;
        }
        let number = found.unwrap_or(self.measurements.len() - 1);
        let measurement = &mut self.measurements[number];
        let labels = Labels::new(&push.tags);
        let text = if self.format.has_labels_column() {
            labels.cell()
        } else {
            labels.object()
        };
        let label_set = measurement.find_label_set(&text);
        let series = Series {
            measurement: number,
            label_set: label_set.unwrap_or_else(|| measurement.add_label_set(&labels, &text)),
            labels: text,
        };
        let (start, set) = (push.cells.len(), series.label_set);
        let mut placing = measurement.placing(self.lines, set, &mut push.cells, &mut push.unknown);
        push.fields.drain(..).for_each(|field| placing.take(field));
        let taken = self.take_row(scanner, push, series.clone(), start, time_ns);
        if taken.is_ok() {
            self.series.insert(spelling, series, self.allowance.series_bytes);
        } else if found.is_none() {
            self.remove_last_measurement();
        } else if label_set.is_none() {
            self.measurements[number].remove_last_label_set(&series.labels);
        }
        taken
    }

    fn add_measurement<'a>(&mut self, scanner: &Scanner<'a>, name: Name<'a>) -> Result<(), Fault<'a>> {
        if self.measurements.len() >= self.limits.max_measurements {
            return Err(scanner.refuse(Reason::MeasurementLimit, name.raw));
        }
        let text = name.text();
        let path = path::escape(&text);
        if path.len() > self.limits.max_path_bytes {
            return Err(scanner.refuse(Reason::PathLimit, name.raw));
        }
        self.numbers.insert(text.as_ref().into(), self.measurements.len());
        let measurement = Measurement::new(self.format, &text, &path, self.hashes.clone());
        self.schemas_bytes += measurement.schema_bytes();
        self.measurements.push(measurement);
        Ok(())
    }

    fn remove_last_measurement(&mut self) {
        if let Some(measurement) = self.measurements.pop() {
            self.schemas_bytes -= measurement.schema_bytes();
            self.numbers.remove(&measurement.name);
        }
    }

    /// Make a row of the push of the cells from `start` on and of the fields that are unknown, if the limits
    /// allow.
    fn take_row<'a>(
        &mut self,
        scanner: &Scanner<'a>,
        push: &mut Push<'a>,
        series: Series,
        start: usize,
        time_ns: i64,
    ) -> Result<(), Fault<'a>> {
        let measurement = &mut self.measurements[series.measurement];
        let batch_number = push.batch_number(series.measurement);
        let batch = &mut push.batches[batch_number].1;
        keep_last_of_each_key(&mut push.unknown);
        let shared = batch.shared_row(self.format, time_ns);
        let mut row = Row::new(self.format, time_ns, shared.is_none(), series.labels, start);
        let mut widens = false;
        for cell in &push.cells[start..] {
            let family = measurement.columns[cell.column].family;
            widens |= family.widens(&cell.value);
            row.bytes += cell_bytes(&cell.value, family).saturating_sub(NULL_BYTES);
        }
        for field in &push.unknown {
            let family = Family::of(&field.value, self.format);
            row.bytes += cell_bytes(&field.value, family).saturating_sub(NULL_BYTES);
        }
        let whole = shared.unwrap_or(0) + row.bytes;
        let columns = measurement.columns.len() + push.unknown.len();
        let grew = batch.grew || widens || !push.unknown.is_empty();
        let schema = measurement.schema_bytes_with(series.label_set, &push.unknown);
        let schemas_bytes = self.schemas_bytes - measurement.schema_bytes() + schema;
        let grown = batch.grown(columns, if grew { schema } else { 0 }, &row);
        let output_bytes = push.output_bytes - batch.output_bytes + grown;
        let prospect = Prospect {
            measurement,
            label_set: series.label_set,
            unknown: &push.unknown,
            schemas_bytes,
            packet_bytes: batch.largest_packet(columns, whole),
            output_bytes,
        };
        if let Some((reason, subject)) = self.limits.refusal(self.allowance, &prospect) {
            return Err(scanner.refuse(reason, subject));
        }
        push.output_bytes = output_bytes;
        batch.output_bytes = grown;
        batch.grew = grew;
        let schema_before = measurement.schema_bytes();
        if widens {
            measurement.widen(&push.cells[start..]);
        }
        for field in push.unknown.drain(..) {
            let family = Family::of(&field.value, self.format);
            let column = measurement.add_column(series.label_set, &field.key.text(), family);
            push.cells.push(Cell {
                value: field.value,
                column,
            });
        }
        self.schemas_bytes += measurement.schema_bytes() - schema_before;
        row.end = push.cells.len();
        batch.push(self.format, row, whole);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_the_labels_of_a_refused_line() {
        let limits = Limits {
            max_measurements: 1,
            max_columns: 1,
            max_path_bytes: 9,
            max_packet_bytes: 1 << 10,
            max_push_output_bytes: 1 << 10,
            max_rejections: 0,
        };
        let mut stream = Stream::with_format(Format::Wide, limits);
        let outcome = stream.push(b"m,h=a f=1\nm,h=b f=1\nm,h=c f=1", 0, Precision::Seconds);
        assert_eq!((outcome.accepted, outcome.rejected), (1, 2));
        let kept = |labels: &[u8]| stream.measurements[0].find_label_set(labels).is_some();
        assert!(kept(br#"{"h":"a"}"#) && !kept(br#"{"h":"b"}"#) && !kept(br#"{"h":"c"}"#));
        assert_eq!(stream.schemas_bytes, stream.measurements[0].schema_bytes());
    }
}
