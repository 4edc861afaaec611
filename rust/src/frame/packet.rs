//! Rows of one measurement to packets: sorted, cut by size, written column by column.

use std::sync::Arc;

use super::column::{Cell, NULL, write_cell};
use super::format::Format;
use super::measurement::Measurement;
use super::mismatch::Mismatches;
use super::points;
use super::push::PushOutcome;
use super::rows::{Batch, Row};
use super::stream::Limits;
use crate::json;

/// A frame, ready to publish.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    /// The measurement's name as meant.
    pub measurement: Arc<str>,
    /// The name as the last part of its channel.
    pub path: Arc<str>,
    /// The frame as JSON, without a raw newline.
    pub payload: Vec<u8>,
    /// The schema as JSON, when it is new or grew; `payload` holds it too.
    pub schema: Option<Vec<u8>>,
    /// How many rows it has: times and tags with a labels column, times without one.
    pub rows: usize,
}

/// What an absent value takes: `null,`.
pub(super) const NULL_BYTES: usize = NULL.len() + 1;
/// What time and its remainder take at most: `-9223372036854,` and `999999,`.
pub(super) const TIME_BYTES: usize = 15 + 7;
/// What a column without rows takes: `[],` and, where there are remainders, `null,`.
const COLUMN_BYTES: usize = 3 + NULL_BYTES;
/// What a frame without columns takes: `{"schema":,"data":{"values":[],"nanos":[]}}`.
const FRAME_BYTES: usize = 48;
const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;

/// Turn a batch into packets of the outcome, and count there what came of its cells.
///
/// No packet passes `max_packet_bytes`, except one that has its schema and one row; the schema's bytes, it
/// passes by at most. That rests on the limits that each line was held against. Beyond the packets it needs
/// memory for one packet's rows and cells.
pub(super) fn write_packets(
    measurement: &mut Measurement,
    mut batch: Batch,
    cells: &[Cell],
    limits: &Limits,
    outcome: &mut PushOutcome,
) {
    order(measurement, &mut batch.rows, limits.max_packet_bytes);
    outcome.late += measurement.count_late(&batch.rows);
    let name: Arc<str> = String::from_utf8_lossy(&measurement.name).into();
    let columns = measurement.columns.len();
    let mut mismatches = Mismatches::new(limits.max_rejections - outcome.mismatches.len());
    let mut rest = &batch.rows[..];
    while !rest.is_empty() {
        let schema = measurement.take_schema();
        let frame = frame_bytes(columns) + schema.as_ref().map_or(0, Vec::len);
        let (entries, bytes) = fit_rows(rest, frame, NULL_BYTES * columns, limits.max_packet_bytes);
        let (rows, behind) = rest.split_at(entries);
        rest = behind;
        let mut payload = Vec::with_capacity(bytes + json::SHORT_BYTES);
        payload.push(b'{');
        if let Some(schema) = &schema {
            payload.extend_from_slice(b"\"schema\":");
            payload.extend_from_slice(schema);
            payload.push(b',');
        }
        payload.extend_from_slice(b"\"data\":{\"values\":[");
        write_leading_columns(measurement.format, rows, &mut payload);
        let count = rows.iter().filter(|row| row.opens).count();
        write_columns(measurement, rows, count, cells, &mut payload, &mut mismatches);
        payload.push(b']');
        write_nanos(measurement.format, rows, columns, &mut payload);
        payload.extend_from_slice(b"}}");
        debug_assert!(payload.len() <= bytes);
        outcome.packets.push(Packet {
            measurement: Arc::clone(&name),
            path: Arc::clone(&measurement.path),
            payload,
            schema,
            rows: count,
        });
    }
    outcome.mismatched += mismatches.count;
    outcome.mismatches.append(&mut mismatches.sentences);
}

/// Bring the lines into the order of their rows: by time, and the lines of one row together.
fn order(measurement: &Measurement, lines: &mut [Row], max_packet_bytes: usize) {
    if !lines.is_sorted_by_key(|line| line.time_ns) {
        lines.sort_by_key(|line| line.time_ns);
    }
    if measurement.format.has_labels_column() {
        let columns = measurement.columns.len();
        let frame = frame_bytes(columns) + NULL_BYTES * columns;
        points::join_lines(lines, max_packet_bytes.saturating_sub(frame));
    }
}

/// What a frame takes at most beyond its rows and its schema. It may have a `labels` column beside the time.
pub(super) fn frame_bytes(columns: usize) -> usize {
    FRAME_BYTES + COLUMN_BYTES * (columns + 2)
}

/// How many of the entries, those of one row at least and none of another row in part, fit one packet, and
/// what they take at most.
fn fit_rows(rows: &[Row], frame: usize, nulls: usize, max_packet_bytes: usize) -> (usize, usize) {
    let mut bytes = frame;
    let mut start = 0;
    while start < rows.len() {
        let mut end = start + 1;
        let mut next = bytes + nulls + rows[start].bytes;
        while let Some(row) = rows.get(end).filter(|row| !row.opens) {
            next += row.bytes;
            end += 1;
        }
        if start > 0 && next > max_packet_bytes {
            break;
        }
        (start, bytes) = (end, next);
    }
    (start, bytes)
}

fn write_leading_columns(format: Format, rows: &[Row], out: &mut Vec<u8>) {
    if format.has_labels_column() {
        write_list(out, rows, |row, out| out.extend_from_slice(&row.labels));
        out.push(b',');
    }
    // Most rows of a push are of one moment: its text is kept from row to row.
    let (mut written, mut text) = (None, Vec::new());
    write_list(out, rows, |row, out| {
        let milliseconds = row.time_ns.div_euclid(NANOSECONDS_PER_MILLISECOND);
        if written.replace(milliseconds) != Some(milliseconds) {
            text.clear();
            write_integer(milliseconds, &mut text);
        }
        json::write_short(&text, out);
    });
}

/// Every column's values. The cells are dealt to their columns first (a counting sort), so that the columns
/// are written one after the other, whatever the order of the fields was and however sparse they are. Of two
/// cells for one place the later counts.
fn write_columns(
    measurement: &Measurement,
    rows: &[Row],
    row_count: usize,
    cells: &[Cell],
    out: &mut Vec<u8>,
    mismatches: &mut Mismatches,
) {
    let columns = &measurement.columns;
    // ends[c] counts the cells of column c, then is where they begin, and after the dealing where they end.
    let mut ends = vec![0_usize; columns.len()];
    for cell in rows.iter().flat_map(|row| &cells[row.start..row.end]) {
        ends[cell.column] += 1;
    }
    let mut total = 0;
    for end in &mut ends {
        total += std::mem::replace(end, total);
    }
    let mut dealt = vec![(0_usize, 0_usize); total];
    let mut opened = 0;
    for row in rows {
        opened += usize::from(row.opens);
        for at in row.start..row.end {
            let end = &mut ends[cells[at].column];
            dealt[*end] = (opened - 1, at);
            *end += 1;
        }
    }
    let mut start = 0;
    for (number, (column, end)) in columns.iter().zip(ends).enumerate() {
        out.extend_from_slice(b",[");
        let mut written = 0;
        let dealt = &dealt[start..end];
        for (place, &(row, at)) in dealt.iter().enumerate() {
            if dealt.get(place + 1).is_some_and(|next| next.0 == row) {
                continue;
            }
            write_nulls(row - written, out);
            let value = &cells[at].value;
            if !write_cell(value, column.family, out) {
                mismatches.note(measurement, number, value);
            }
            out.push(b',');
            written = row + 1;
        }
        write_nulls(row_count - written, out);
        close_list(out);
        start = end;
    }
}

fn write_nulls(count: usize, out: &mut Vec<u8>) {
    for _ in 0..count {
        out.extend_from_slice(b"null,");
    }
}

/// What the milliseconds leave over, if anything: one entry per column, null for all but the time.
fn write_nanos(format: Format, rows: &[Row], columns: usize, out: &mut Vec<u8>) {
    let remainder = |row: &Row| row.time_ns.rem_euclid(NANOSECONDS_PER_MILLISECOND);
    if rows.iter().all(|row| remainder(row) == 0) {
        return;
    }
    out.extend_from_slice(b",\"nanos\":[");
    if format.has_labels_column() {
        out.extend_from_slice(b"null,");
    }
    write_list(out, rows, |row, out| write_integer(remainder(row), out));
    for _ in 0..columns {
        out.extend_from_slice(b",null");
    }
    out.push(b']');
}

fn write_list(out: &mut Vec<u8>, rows: &[Row], mut write: impl FnMut(&Row, &mut Vec<u8>)) {
    out.push(b'[');
    for row in rows.iter().filter(|row| row.opens) {
        write(row, out);
        out.push(b',');
    }
    close_list(out);
}

/// End a list each of whose items, of which there is one at least, has a comma behind it.
fn close_list(out: &mut Vec<u8>) {
    out.pop();
    out.push(b']');
}

pub(super) fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    while rest >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&DIGIT_PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    if rest > 0 || value == 0 {
        at -= 1;
        digits[at] = DIGIT_PAIRS[(rest % 10) as usize][1];
    }
    if value < 0 {
        out.push(b'-');
    }
    json::write_short(&digits[at..], out);
}

/// `00` to `99`.
const DIGIT_PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b"0123456789"[number / 10], b"0123456789"[number % 10]];
        number += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written() {
        for value in [
            0,
            7,
            -7,
            10,
            99,
            -100,
            101,
            1_000,
            1_700_000_000_123,
            i64::MAX,
            i64::MIN,
        ] {
            let mut out = Vec::new();
            write_integer(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
