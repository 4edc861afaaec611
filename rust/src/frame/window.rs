//! What a new subscriber begins with: several packets of one channel as one frame, its window of recent
//! history.
//!
//! Packets are kept as they were published and joined when somebody asks, rather than kept a second time row
//! by row. So there is one truth: what a window shows is what a recovering subscriber is sent again. Both may
//! come from any broker, which keeps bytes and knows no rows; and publishing, far more frequent than
//! subscribing, does no work for a window that nobody may open.
//!
//! Nothing that others published is trusted. A payload that is no frame as this crate writes them is passed
//! over as a whole, without a word: subscribers have had it or not, and the window of the rest is still good.
//! Cells are copied as text, so that a number keeps its digits.
//!
//! It goes in two passes over the cells: the first measures rows and reads their times, the second writes one
//! column after the other. In between only rows are remembered, and where columns are: the alternative, the
//! place of every cell, took 16 bytes for cells of two and as long as the whole merge takes now.

mod cells;
mod payload;
mod schema;

use std::ops::Range;

pub use schema::SchemaError;

use self::cells::cells;
use self::payload::Payload;
use self::schema::Schema;
use super::packet::{NULL_BYTES, write_integer};

/// What of the packets is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Whether the frame begins with the schema.
    pub with_schema: bool,
    /// Rows of the frame.
    pub max_rows: usize,
    /// Bytes of the frame beside its schema, as a frame that has none.
    pub max_bytes: usize,
}

/// A frame without columns and remainders: `{"data":{"values":[]}}`.
const FRAME_BYTES: usize = 22;
/// What remainders add for no columns: `,"nanos":[]`.
const NANOS_BYTES: usize = 11;
/// Rows that are kept before it is worth dropping some.
const SPARE_ROWS: usize = 1 << 10;
/// The place of a row that the frame leaves out.
const LEFT_OUT: u32 = u32::MAX;

/// Make one frame of the newest rows of `payloads`, which are in the order of their publication.
///
/// Rows are in time order, equal times in that order. A payload may have fewer columns than the schema has
/// now: its rows get null there. A cell of the time column that is no whole number sorts before all times.
/// There are remainders if some row that is left has one. Without rows the frame is the schema alone, or
/// without it a list for each column, which may pass `max_bytes`.
///
/// Takes time for the payloads' bytes and the sort of their rows, and memory for the result and a small
/// multiple of the payloads.
///
/// # Errors
/// When `schema` is none.
pub fn merge_packets<P: AsRef<[u8]>>(
    schema: &[u8],
    payloads: &[P],
    window: Window,
) -> Result<Vec<u8>, SchemaError> {
    let schema = Schema::read(schema)?;
    let mut rows = Rows::default();
    let mut packets: Vec<Packet> = payloads
        .iter()
        .filter_map(|payload| rows.take(&schema, payload.as_ref(), window.max_rows))
        .collect();
    rows.sort();
    let (kept, bytes) = rows.newest(&schema, window);
    let places = places(rows.count as usize, kept);
    packets.retain(|packet| places[packet.rows.clone()].iter().any(|&place| place != LEFT_OUT));
    let mut out = Vec::with_capacity(bytes + schema.text.len() + NANOS_BYTES);
    out.push(b'{');
    if window.with_schema {
        out.extend_from_slice(b"\"schema\":");
        out.extend_from_slice(schema.text.as_bytes());
    }
    if !(window.with_schema && kept.is_empty()) {
        if window.with_schema {
            out.push(b',');
        }
        let start = out.len();
        out.extend_from_slice(b"\"data\":{\"values\":[");
        write_columns(&schema, &packets, &places, kept.len(), &mut out);
        out.push(b']');
        write_nanos(&schema, kept, &mut out);
        out.push(b'}');
        debug_assert_eq!(out.len() - start + 2, bytes);
    }
    out.push(b'}');
    Ok(out)
}

/// A payload that was taken, and which of all rows are its.
struct Packet<'a> {
    payload: Payload<'a>,
    rows: Range<usize>,
}

/// One row of a packet that was taken.
#[derive(Clone, Copy)]
struct Row {
    time_ms: i64,
    nanos: u32,
    /// Its number in the order of publication.
    number: u32,
    /// What its cells take as text, each with a comma.
    bytes: usize,
}

impl Row {
    /// What rows are sorted by; no two are equal.
    fn key(&self) -> (i64, u32, u32) {
        (self.time_ms, self.nanos, self.number)
    }

    /// What its remainder takes as text, with a comma.
    fn nanos_bytes(&self) -> usize {
        self.nanos.checked_ilog10().map_or(1, |power| power as usize + 1) + 1
    }
}

/// The rows of all packets that were taken, but for some that are too old.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    /// How many rows were taken, and the number of the next.
    count: u32,
}

impl Rows {
    /// Take a payload's rows; all of them, or none if it is no frame of this schema.
    fn take<'a>(&mut self, schema: &Schema, payload: &'a [u8], max_rows: usize) -> Option<Packet<'a>> {
        let start = self.rows.len();
        let payload = Payload::read(payload, schema.columns, schema.time)?;
        if self.measure(schema, &payload).is_none() {
            self.rows.truncate(start);
            return None;
        }
        let first = self.count;
        self.count += u32::try_from(self.rows.len() - start).unwrap_or(0);
        self.forget_oldest(max_rows);
        Some(Packet {
            payload,
            rows: first as usize..self.count as usize,
        })
    }

    /// Add the payload's rows; on None some are added.
    fn measure(&mut self, schema: &Schema, payload: &Payload) -> Option<()> {
        let start = self.rows.len();
        let lacking = schema.columns - payload.columns.len();
        let mut numbers = self.count..LEFT_OUT;
        for cell in cells(payload.columns.get(schema.time)?)? {
            self.rows.push(Row {
                time_ms: cell.parse().unwrap_or(i64::MIN),
                nanos: 0,
                number: numbers.next()?,
                bytes: NULL_BYTES * lacking,
            });
        }
        let rows = &mut self.rows[start..];
        for column in &payload.columns {
            each_cell(column, rows, |cell, row| {
                row.bytes += cell.len() + 1;
                !cell.starts_with(['[', '{'])
            })?;
        }
        payload.nanos.map_or(Some(()), |nanos| {
            each_cell(nanos, rows, |cell, row| {
                row.nanos = cell.parse().unwrap_or(u32::MAX);
                row.nanos < 1_000_000
            })
        })
    }

    /// Keep memory in bounds: rows that cannot be among the newest any more are dropped, many at a time.
    fn forget_oldest(&mut self, max_rows: usize) {
        if self.rows.len() / 2 > max_rows.max(SPARE_ROWS) {
            let older = self.rows.len() - max_rows;
            self.rows.select_nth_unstable_by_key(older - 1, Row::key);
            self.rows.drain(..older);
        }
    }

    fn sort(&mut self) {
        if !self.rows.is_sorted_by_key(Row::key) {
            self.rows.sort_unstable_by_key(Row::key);
        }
    }

    /// Of sorted rows the newest that the window has room for, and what the frame takes without its schema.
    fn newest(&self, schema: &Schema, window: Window) -> (&[Row], usize) {
        // A list's brackets, and a comma between two; where there are rows, their commas are one too many.
        let lists = FRAME_BYTES + 3 * schema.columns - 1;
        let values = FRAME_BYTES + 2 * schema.columns - 1;
        let no_nanos = NANOS_BYTES + NULL_BYTES * (schema.columns - 1) + 1;
        let (mut cells, mut nanos, mut remainders) = (0, 0, false);
        let (mut count, mut bytes) = (0, lists);
        for row in self.rows.iter().rev().take(window.max_rows) {
            cells += row.bytes;
            nanos += row.nanos_bytes();
            remainders |= row.nanos > 0;
            let next = values + cells + if remainders { no_nanos + nanos } else { 0 };
            if next > window.max_bytes {
                break;
            }
            (count, bytes) = (count + 1, next);
        }
        (&self.rows[self.rows.len() - count..], bytes)
    }
}

/// Show every cell of a column with its row; None if they are not as many, or one is refused.
fn each_cell(column: &str, rows: &mut [Row], mut take: impl FnMut(&str, &mut Row) -> bool) -> Option<()> {
    let mut rows = rows.iter_mut();
    for cell in cells(column)? {
        if !take(cell, rows.next()?) {
            return None;
        }
    }
    rows.next().is_none().then_some(())
}

/// Where in the frame each row is, by its number.
fn places(count: usize, kept: &[Row]) -> Vec<u32> {
    let mut places = vec![LEFT_OUT; count];
    for (place, row) in (0..).zip(kept) {
        places[row.number as usize] = place;
    }
    places
}

/// Every column's cells. They are dealt to their places first, so that the order in which rows were published
/// does not matter.
fn write_columns(schema: &Schema, packets: &[Packet], places: &[u32], row_count: usize, out: &mut Vec<u8>) {
    let mut dealt = vec![""; row_count];
    for column in 0..schema.columns {
        dealt.fill("null");
        for packet in packets {
            let Some(column) = packet.payload.columns.get(column) else {
                continue;
            };
            let places = &places[packet.rows.clone()];
            for (cell, &place) in cells(column).into_iter().flatten().zip(places) {
                if let Some(slot) = dealt.get_mut(place as usize) {
                    *slot = cell;
                }
            }
        }
        if column > 0 {
            out.push(b',');
        }
        write_list(&dealt, out, |cell, out| out.extend_from_slice(cell.as_bytes()));
    }
}

/// The remainders, if some row has one: null for every column but the time's.
fn write_nanos(schema: &Schema, kept: &[Row], out: &mut Vec<u8>) {
    if kept.iter().all(|row| row.nanos == 0) {
        return;
    }
    out.extend_from_slice(b",\"nanos\":[");
    for column in 0..schema.columns {
        if column > 0 {
            out.push(b',');
        }
        if column == schema.time {
            write_list(kept, out, |row, out| write_integer(row.nanos.into(), out));
        } else {
            out.extend_from_slice(b"null");
        }
    }
    out.push(b']');
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
