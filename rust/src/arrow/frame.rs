//! A data frame's JSON: its schema, its values column by column, and what those leave out.

use super::Error;
use super::column::{Leftovers, write_display, write_nanos, write_on_one_line, write_piece};
use super::file::{Column, File};
use super::flatbuffer::Allowance;
use super::kind::Kind;
use super::metadata::{FrameMetadata, read_labels, read_members};
use crate::json::write_string;

/// One text of metadata: read, it takes a multiple of that for a moment.
const MAX_METADATA_BYTES: usize = 4 << 20;

/// The JSON that is written, and the limit that it must keep.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    max_bytes: usize,
    /// Bytes of metadata that were parsed: many columns may share one long text, of which little is written.
    parsed: usize,
}

impl Output {
    /// `Error::TooLarge` where `count` more bytes do not fit.
    pub(super) fn check_room(&self, count: usize) -> Result<(), Error> {
        if self.bytes.len().saturating_add(count) > self.max_bytes {
            return Err(Error::TooLarge {
                max_bytes: self.max_bytes,
            });
        }
        Ok(())
    }

    /// End one value of a list: a comma, and the limit is asked for.
    pub(super) fn end_value(&mut self) -> Result<(), Error> {
        self.bytes.push(b',');
        self.check_room(0)
    }

    fn parse(&mut self, text: &str) -> Result<(), Error> {
        if text.len() > MAX_METADATA_BYTES {
            return Err(Error::TooMany("bytes of metadata"));
        }
        self.parsed += text.len();
        if self.parsed > self.max_bytes {
            return Err(Error::TooLarge {
                max_bytes: self.max_bytes,
            });
        }
        self.check_room(text.len())
    }

    fn write(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// End a list each of whose items, if there are any, has a comma behind it.
    fn close(&mut self, bracket: u8) {
        if self.bytes.last() == Some(&b',') {
            self.bytes.pop();
        }
        self.bytes.push(bracket);
    }
}

/// Turn an Arrow file into frame JSON of `max_bytes` at most, on one line. A frame without an own `refId` gets `ref_id`.
///
/// # Errors
/// For everything that is no data frame, whatever its bytes are; and for one that is too large.
pub fn frame_to_json(file: &[u8], ref_id: &str, max_bytes: usize) -> Result<Vec<u8>, Error> {
    let allowance = Allowance::for_file(file.len());
    let file = File::open(file, &allowance)?;
    let mut out = Output {
        bytes: Vec::new(),
        max_bytes,
        parsed: 0,
    };
    out.write("{\"schema\":{");
    write_frame_metadata(&file.metadata, ref_id, &mut out)?;
    out.write("\"fields\":[");
    for column in &file.columns {
        write_field(column, &mut out)?;
    }
    out.close(b']');
    out.write("},\"data\":{\"values\":[");
    let mut left = Vec::with_capacity(file.columns.len());
    for (number, column) in file.columns.iter().enumerate() {
        left.push(write_column(&file, number, column, &mut out)?);
    }
    out.close(b']');
    if left.iter().any(Leftovers::has_entities) {
        out.write(",\"entities\":[");
        for one in &left {
            write_entities(one, &mut out)?;
        }
        out.close(b']');
    }
    if left.iter().any(|one| one.nanos) {
        out.write(",\"nanos\":[");
        for (number, (column, one)) in file.columns.iter().zip(&left).enumerate() {
            write_column_nanos(&file, number, column, one.nanos, &mut out)?;
        }
        out.close(b']');
    }
    out.write("}}");
    out.check_room(0)?;
    Ok(out.bytes)
}

fn write_frame_metadata(metadata: &FrameMetadata<'_>, ref_id: &str, out: &mut Output) -> Result<(), Error> {
    let ref_id = if metadata.ref_id.is_empty() {
        ref_id
    } else {
        metadata.ref_id
    };
    for (key, text) in [("\"name\":", metadata.name), ("\"refId\":", ref_id)] {
        if !text.is_empty() {
            out.check_room(text.len())?;
            out.write(key);
            write_string(text.as_bytes(), &mut out.bytes);
            out.end_value()?;
        }
    }
    if let Some(text) = metadata.meta {
        out.parse(text)?;
        let (members, typed) = read_members("meta", text, "typeVersion")?;
        out.write("\"meta\":{");
        if !typed {
            out.write("\"typeVersion\":[0,0],");
        }
        write_on_one_line(members.as_bytes(), &mut out.bytes);
        out.close(b'}');
        out.end_value()?;
    }
    Ok(())
}

fn write_field(column: &Column<'_>, out: &mut Output) -> Result<(), Error> {
    out.write("{");
    if !column.name.is_empty() {
        out.check_room(column.name.len())?;
        out.write("\"name\":");
        write_string(column.name.as_bytes(), &mut out.bytes);
        out.write(",");
    }
    let (kind, element) = column.kind.words();
    for part in ["\"type\":\"", kind, "\",\"typeInfo\":{\"frame\":\"", element] {
        out.write(part);
    }
    out.write(if column.nullable {
        "\",\"nullable\":true},"
    } else {
        "\"},"
    });
    if let Some(text) = column.metadata.labels {
        out.parse(text)?;
        if let Some(labels) = read_labels(text)? {
            out.write("\"labels\":{");
            for (name, value) in &labels {
                write_string(name.as_bytes(), &mut out.bytes);
                out.write(":");
                write_string(value.as_bytes(), &mut out.bytes);
                out.write(",");
            }
            out.close(b'}');
            out.write(",");
        }
    }
    if let Some(text) = column.metadata.config {
        out.parse(text)?;
        let (members, _) = read_members("config", text, "")?;
        out.write("\"config\":{");
        write_on_one_line(members.as_bytes(), &mut out.bytes);
        out.write("},");
    }
    out.close(b'}');
    out.end_value()
}

fn write_column(
    file: &File<'_>,
    number: usize,
    column: &Column<'_>,
    out: &mut Output,
) -> Result<Leftovers, Error> {
    let mut left = Leftovers::default();
    let mut rows = 0;
    out.write("[");
    for batch in &file.batches {
        let piece = batch.piece(number, column)?;
        write_piece(column, &piece, rows, &mut left, out)?;
        rows += piece.rows;
    }
    out.close(b']');
    out.end_value()?;
    Ok(left)
}

fn write_entities(left: &Leftovers, out: &mut Output) -> Result<(), Error> {
    if !left.has_entities() {
        out.write("null");
        return out.end_value();
    }
    out.write("{");
    for (key, rows) in [
        ("\"NaN\":[", &left.nan),
        ("\"Inf\":[", &left.infinity),
        ("\"NegInf\":[", &left.negative_infinity),
    ] {
        if rows.is_empty() {
            continue;
        }
        out.write(key);
        for row in rows {
            write_display(row, &mut out.bytes);
            out.end_value()?;
        }
        out.close(b']');
        out.write(",");
    }
    out.close(b'}');
    out.end_value()
}

fn write_column_nanos(
    file: &File<'_>,
    number: usize,
    column: &Column<'_>,
    has_nanos: bool,
    out: &mut Output,
) -> Result<(), Error> {
    match column.kind {
        Kind::Time(unit_ns) if has_nanos => {
            out.write("[");
            for batch in &file.batches {
                write_nanos(column, &batch.piece(number, column)?, unit_ns, out)?;
            }
            out.close(b']');
        }
        _ => out.write("null"),
    }
    out.end_value()
}
