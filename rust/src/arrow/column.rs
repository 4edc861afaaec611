//! The values of a column, as JSON; and what JSON's numbers cannot say of them, for behind all columns.

use super::Error;
use super::file::{Column, Piece};
use super::frame::Output;
use super::kind::Kind;
use crate::json::write_string;

use serde_json::value::RawValue;
use std::io::Write as _;

const NULL: &[u8] = b"null";
const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;

/// What is written behind the values of all columns.
#[derive(Default)]
pub(super) struct Leftovers {
    /// The rows of numbers that JSON has not.
    pub(super) nan: Vec<usize>,
    pub(super) infinity: Vec<usize>,
    pub(super) negative_infinity: Vec<usize>,
    /// Whether a time has more than its milliseconds say.
    pub(super) nanos: bool,
}

impl Leftovers {
    pub(super) fn has_entities(&self) -> bool {
        !(self.nan.is_empty() && self.infinity.is_empty() && self.negative_infinity.is_empty())
    }
}

/// Write the values of one piece, each with a comma behind it. `first_row` is how many rows come before it.
pub(super) fn write_piece(
    column: &Column<'_>,
    piece: &Piece<'_>,
    first_row: usize,
    left: &mut Leftovers,
    out: &mut Output,
) -> Result<(), Error> {
    macro_rules! integers {
        ($number:ty) => {
            write_fixed(column, piece, out, |bytes, _, out| {
                write_display(<$number>::from_le_bytes(bytes), out);
                Ok(())
            })
        };
    }
    match column.kind {
        Kind::Int8 => integers!(i8),
        Kind::Int16 => integers!(i16),
        Kind::Int32 => integers!(i32),
        Kind::Int64 => integers!(i64),
        Kind::Uint8 => integers!(u8),
        Kind::Uint16 | Kind::Enum => integers!(u16),
        Kind::Uint32 => integers!(u32),
        Kind::Uint64 => integers!(u64),
        Kind::Float32 => write_fixed(column, piece, out, |bytes, row, out| {
            let value = f32::from_le_bytes(bytes);
            if note_entity(f64::from(value), first_row + row, left, out) {
                // Its own digits: as a double it would have others.
                write_float(value, f64::from(value).abs(), out);
            }
            Ok(())
        }),
        Kind::Float64 => write_fixed(column, piece, out, |bytes, row, out| {
            let value = f64::from_le_bytes(bytes);
            if note_entity(value, first_row + row, left, out) {
                write_float(value, value.abs(), out);
            }
            Ok(())
        }),
        Kind::Time(unit_ns) => write_fixed(column, piece, out, |bytes, _, out| {
            let (milliseconds, nanos) = split_time(column, i64::from_le_bytes(bytes), unit_ns)?;
            left.nanos |= nanos != 0;
            write_display(milliseconds, out);
            Ok(())
        }),
        Kind::Bool => write_bools(column, piece, out),
        Kind::Text => write_variable(column, piece, out, |bytes, out| {
            match std::str::from_utf8(bytes) {
                Ok(text) => write_string(text.as_bytes(), out),
                Err(_) => write_string(String::from_utf8_lossy(bytes).as_bytes(), out),
            }
            Ok(())
        }),
        Kind::Json => write_variable(column, piece, out, |bytes, out| write_json(column, bytes, out)),
    }
}

/// Write what the milliseconds of a piece of times leave out, each with a comma behind it.
pub(super) fn write_nanos(
    column: &Column<'_>,
    piece: &Piece<'_>,
    unit_ns: i64,
    out: &mut Output,
) -> Result<(), Error> {
    let validity = Validity::of(column, piece)?;
    for (row, &bytes) in fixed(column, piece)?.iter().enumerate() {
        let (_, nanos) = split_time(column, i64::from_le_bytes(bytes), unit_ns)?;
        write_display(if validity.has(row) { nanos } else { 0 }, &mut out.bytes);
        out.end_value()?;
    }
    Ok(())
}

/// Which of a piece's values are there.
struct Validity<'a>(Option<&'a [u8]>);

impl<'a> Validity<'a> {
    fn of(column: &Column<'_>, piece: &Piece<'a>) -> Result<Self, Error> {
        if !piece.nulls {
            return Ok(Self(None));
        }
        let bits = piece.buffers[0];
        if bits.len() < piece.rows.div_ceil(8) {
            return Err(column.fault("it has nulls, and does not say where"));
        }
        Ok(Self(Some(bits)))
    }

    fn has(&self, row: usize) -> bool {
        self.0.is_none_or(|bits| bit(bits, row))
    }
}

fn bit(bits: &[u8], at: usize) -> bool {
    bits[at / 8] >> (at % 8) & 1 != 0
}

/// The values of `N` bytes each, one for each row.
fn fixed<'a, const N: usize>(column: &Column<'_>, piece: &Piece<'a>) -> Result<&'a [[u8; N]], Error> {
    let (values, _) = piece.buffers[1].as_chunks::<N>();
    values
        .get(..piece.rows)
        .ok_or_else(|| column.fault("it has fewer bytes than its rows need"))
}

fn write_fixed<const N: usize>(
    column: &Column<'_>,
    piece: &Piece<'_>,
    out: &mut Output,
    mut write: impl FnMut([u8; N], usize, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let validity = Validity::of(column, piece)?;
    for (row, &bytes) in fixed(column, piece)?.iter().enumerate() {
        if validity.has(row) {
            write(bytes, row, &mut out.bytes)?;
        } else {
            out.bytes.extend_from_slice(NULL);
        }
        out.end_value()?;
    }
    Ok(())
}

fn write_bools(column: &Column<'_>, piece: &Piece<'_>, out: &mut Output) -> Result<(), Error> {
    let validity = Validity::of(column, piece)?;
    let bits = piece.buffers[1];
    if bits.len() < piece.rows.div_ceil(8) {
        return Err(column.fault("it has fewer bytes than its rows need"));
    }
    for row in 0..piece.rows {
        let word: &[u8] = match (validity.has(row), bit(bits, row)) {
            (false, _) => NULL,
            (true, true) => b"true",
            (true, false) => b"false",
        };
        out.bytes.extend_from_slice(word);
        out.end_value()?;
    }
    Ok(())
}

/// Values of any length: each begins where the one before it ends.
fn write_variable(
    column: &Column<'_>,
    piece: &Piece<'_>,
    out: &mut Output,
    mut write: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    if piece.rows == 0 {
        return Ok(()); // no offset either
    }
    let validity = Validity::of(column, piece)?;
    let (offsets, _) = piece.buffers[1].as_chunks::<4>();
    let ends = offsets
        .get(1..=piece.rows)
        .ok_or_else(|| column.fault("it has fewer bytes than its rows need"))?;
    let outside = || column.fault("a value is not within its bytes");
    let mut start = offset(offsets[0]).ok_or_else(outside)?;
    for (row, &end) in ends.iter().enumerate() {
        let end = offset(end).ok_or_else(outside)?;
        let bytes = piece.buffers[2].get(start..end).ok_or_else(outside)?;
        start = end;
        if validity.has(row) {
            out.check_room(bytes.len())?;
            write(bytes, &mut out.bytes)?;
        } else {
            out.bytes.extend_from_slice(NULL);
        }
        out.end_value()?;
    }
    Ok(())
}

fn offset(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(bytes)).ok()
}

fn write_json(column: &Column<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if bytes.is_empty() {
        out.extend_from_slice(NULL);
        return Ok(());
    }
    serde_json::from_slice::<&RawValue>(bytes).map_err(|_| column.fault("a value is no JSON"))?;
    write_on_one_line(bytes, out);
    Ok(())
}

/// Write JSON without line breaks: in JSON they stand between its parts only.
pub(super) fn write_on_one_line(json: &[u8], out: &mut Vec<u8>) {
    out.extend(json.iter().map(|&byte| if byte < b' ' { b' ' } else { byte }));
}

/// Whether JSON has this number; if not, null is written and the row is noted.
fn note_entity(value: f64, row: usize, left: &mut Leftovers, out: &mut Vec<u8>) -> bool {
    let rows = if value.is_nan() {
        &mut left.nan
    } else if value == f64::INFINITY {
        &mut left.infinity
    } else if value == f64::NEG_INFINITY {
        &mut left.negative_infinity
    } else {
        return true;
    };
    rows.push(row);
    out.extend_from_slice(NULL);
    false
}

/// Write a finite float in its shortest digits, and what is very small or large with an exponent.
fn write_float(value: impl std::fmt::Display + std::fmt::LowerExp, magnitude: f64, out: &mut Vec<u8>) {
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        write_display(format_args!("{value:e}"), out);
    } else {
        write_display(value, out);
    }
}

pub(super) fn write_display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing into memory cannot fail, and a number's Display does not.
    let _ = write!(out, "{value}");
}

/// Whole milliseconds since 1970, and the nanoseconds beyond them.
fn split_time(column: &Column<'_>, value: i64, unit_ns: i64) -> Result<(i64, i64), Error> {
    if unit_ns >= NANOSECONDS_PER_MILLISECOND {
        let milliseconds = value.checked_mul(unit_ns / NANOSECONDS_PER_MILLISECOND);
        let milliseconds =
            milliseconds.ok_or_else(|| column.fault("a time does not fit 64 bits of milliseconds"))?;
        return Ok((milliseconds, 0));
    }
    let per_millisecond = NANOSECONDS_PER_MILLISECOND / unit_ns;
    Ok((
        value.div_euclid(per_millisecond),
        value.rem_euclid(per_millisecond) * unit_ns,
    ))
}
