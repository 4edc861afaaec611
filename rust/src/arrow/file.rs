//! An Arrow file: its schema, and where in it the bytes of each column lie.

use super::Error;
use super::flatbuffer::{Allowance, Table};
use super::kind::Kind;
use super::metadata::{ColumnMetadata, FrameMetadata};

const MAGIC: &[u8] = b"ARROW1";
/// The length of the footer and the magic.
const TAIL_BYTES: usize = 10;
/// Fields of one frame. The SDK's own time series have one for each label set.
const MAX_FIELDS: usize = 65_536;
/// Record batches of one file: the SDK writes one.
const MAX_BATCHES: usize = 65_536;
/// Columns of all batches together: each costs a look, though it may have no rows.
const MAX_PIECES: usize = 1 << 20;

/// `MessageHeader`, in Arrow's `Message.fbs`.
const RECORD_BATCH: u8 = 3;
const BLOCK_BYTES: usize = 24;
const NODE_BYTES: usize = 16;
const BUFFER_BYTES: usize = 16;

/// A file whose columns can be read.
pub(super) struct File<'a> {
    pub(super) metadata: FrameMetadata<'a>,
    pub(super) columns: Vec<Column<'a>>,
    pub(super) batches: Vec<Batch<'a>>,
}

/// What the schema says of a column.
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) metadata: ColumnMetadata<'a>,
    /// How many buffers of a batch come before its own.
    first_buffer: usize,
}

/// Rows of all columns.
pub(super) struct Batch<'a> {
    rows: usize,
    nodes: &'a [u8],
    buffers: &'a [u8],
    body: &'a [u8],
    allowance: &'a Allowance,
}

/// The part of a column that lies in one batch.
pub(super) struct Piece<'a> {
    pub(super) rows: usize,
    pub(super) nulls: bool,
    /// As many as `Kind::buffers`, then empty ones.
    pub(super) buffers: [&'a [u8]; 3],
}

impl<'a> File<'a> {
    pub(super) fn open(bytes: &'a [u8], allowance: &'a Allowance) -> Result<Self, Error> {
        let footer = Table::root(find_footer(bytes)?, allowance)?;
        let schema = footer.table(1)?.ok_or(Error::Torn("it has no schema"))?;
        if schema.short(0)? != 0 {
            return Err(Error::Unsupported("big-endian numbers"));
        }
        let metadata = FrameMetadata::read(schema.tables(2)?)?;
        let fields = schema.tables(1)?;
        let blocks = footer.items(3, BLOCK_BYTES)?.unwrap_or_default();
        let batches = blocks.len() / BLOCK_BYTES;
        if fields.len() > MAX_FIELDS {
            return Err(Error::TooMany("fields"));
        }
        if batches > MAX_BATCHES || batches.saturating_mul(fields.len()) > MAX_PIECES {
            return Err(Error::TooMany("record batches"));
        }
        let mut columns = Vec::with_capacity(fields.len());
        let mut first_buffer = 0;
        for field in fields.iter() {
            let column = Column::read(field?, first_buffer)?;
            first_buffer += column.kind.buffers();
            columns.push(column);
        }
        let batches = blocks
            .chunks_exact(BLOCK_BYTES)
            .map(|block| Batch::read(bytes, block, allowance))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            metadata,
            columns,
            batches,
        })
    }
}

fn find_footer(bytes: &[u8]) -> Result<&[u8], Error> {
    let (front, tail) = bytes
        .split_at_checked(bytes.len().saturating_sub(TAIL_BYTES))
        .ok_or(Error::NotArrow)?;
    if !front.starts_with(MAGIC) || !tail.ends_with(MAGIC) || tail.len() != TAIL_BYTES {
        return Err(Error::NotArrow);
    }
    let length = i32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
    let start = usize::try_from(length)
        .ok()
        .and_then(|length| front.len().checked_sub(length))
        .ok_or(Error::Torn("its footer is not in it"))?;
    Ok(&front[start..])
}

impl<'a> Column<'a> {
    fn read(field: Table<'a>, first_buffer: usize) -> Result<Self, Error> {
        let name = field.text(0)?.unwrap_or_default();
        if field.has(4) {
            return Err(Error::Unsupported("a column with a dictionary"));
        }
        let metadata = ColumnMetadata::read(field.tables(6)?)?;
        let number = field.byte(2)?;
        let Some(kind) = Kind::find(number, field.table(3)?, metadata.is_enum)? else {
            let name = name.to_owned();
            return Err(Error::ColumnType { name, number });
        };
        Ok(Self {
            name,
            kind,
            nullable: field.byte(1)? != 0,
            metadata,
            first_buffer,
        })
    }

    /// What is wrong with it, by its name.
    pub(super) fn fault(&self, what: &'static str) -> Error {
        Error::Column {
            name: self.name.to_owned(),
            what,
        }
    }
}

impl<'a> Batch<'a> {
    fn read(file: &'a [u8], block: &[u8], allowance: &'a Allowance) -> Result<Self, Error> {
        const NOT_THERE: Error = Error::Torn("a record batch is not in it");
        let start = usize::try_from(long_at(block, 0)).map_err(|_| NOT_THERE)?;
        let length = i32::from_le_bytes([block[8], block[9], block[10], block[11]]);
        let length = usize::try_from(length).map_err(|_| NOT_THERE)?;
        let body_length = usize::try_from(long_at(block, 16)).map_err(|_| NOT_THERE)?;
        let body_start = start.checked_add(length).ok_or(NOT_THERE)?;
        let body_end = body_start.checked_add(body_length).ok_or(NOT_THERE)?;
        let body = file.get(body_start..body_end).ok_or(NOT_THERE)?;
        // Before the message stands its length, and since Arrow 0.15 a mark before that.
        let ([0xff, 0xff, 0xff, 0xff, _, _, _, _, message @ ..] | [_, _, _, _, message @ ..]) =
            &file[start..body_start]
        else {
            return Err(NOT_THERE);
        };
        let message = Table::root(message, allowance)?;
        if message.byte(1)? != RECORD_BATCH {
            return Err(Error::Torn("where a record batch should be is none"));
        }
        let batch = message.table(2)?.ok_or(NOT_THERE)?;
        if batch.has(3) {
            return Err(Error::Unsupported("compressed columns"));
        }
        Ok(Self {
            rows: usize::try_from(batch.long(0)?)
                .map_err(|_| Error::Torn("a record batch has no number of rows"))?,
            nodes: batch.items(1, NODE_BYTES)?.unwrap_or_default(),
            buffers: batch.items(2, BUFFER_BYTES)?.unwrap_or_default(),
            body,
            allowance,
        })
    }

    /// The part that it has of the column of this number.
    pub(super) fn piece(&self, number: usize, column: &Column<'_>) -> Result<Piece<'a>, Error> {
        let node =
            entry(self.nodes, number, NODE_BYTES).ok_or_else(|| column.fault("a record batch lacks it"))?;
        if usize::try_from(long_at(node, 0)) != Ok(self.rows) {
            return Err(column.fault("it has another number of rows than its record batch"));
        }
        let mut buffers: [&[u8]; 3] = [&[]; 3];
        for (place, buffer) in buffers.iter_mut().take(column.kind.buffers()).enumerate() {
            *buffer = self
                .buffer(column.first_buffer + place)
                .ok_or_else(|| column.fault("its bytes are not in the file"))?;
            self.allowance.take(buffer.len())?;
        }
        Ok(Piece {
            rows: self.rows,
            nulls: long_at(node, 8) != 0,
            buffers,
        })
    }

    fn buffer(&self, number: usize) -> Option<&'a [u8]> {
        let place = entry(self.buffers, number, BUFFER_BYTES)?;
        let start = usize::try_from(long_at(place, 0)).ok()?;
        let length = usize::try_from(long_at(place, 8)).ok()?;
        self.body.get(start..start.checked_add(length)?)
    }
}

fn entry(list: &[u8], number: usize, size: usize) -> Option<&[u8]> {
    let start = number.checked_mul(size)?;
    list.get(start..start.checked_add(size)?)
}

/// Of a struct that has at least eight bytes from there on.
fn long_at(entry: &[u8], at: usize) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&entry[at..at + 8]);
    i64::from_le_bytes(bytes)
}
