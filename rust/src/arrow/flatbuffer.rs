//! Tables of a `FlatBuffer`, as far as Arrow's metadata needs them: every offset is checked before it is followed.
//!
//! A table is found by an offset, and says in its vtable where each of its fields lies; a field that is not there has
//! its default. All numbers are little endian. Nothing recurses, and nothing is allocated. Every list that is looked at
//! counts for the [`Allowance`].

use std::cell::Cell;

use super::Error;

const DAMAGED: Error = Error::Torn("its metadata leads nowhere");

/// How many bytes of lists, texts and columns may still be looked at.
///
/// Offsets may all lead to one place, so that a small file is an endless one: sixty thousand columns with one name of a
/// mebibyte, or batches that share their values. What writers write lies side by side.
pub(super) struct Allowance(Cell<usize>);

impl Allowance {
    /// For a file of so many bytes: each once, and once more for times, which are read twice.
    pub(super) fn for_file(length: usize) -> Self {
        Self(Cell::new(length.saturating_mul(2)))
    }

    /// Look at `count` bytes.
    pub(super) fn take(&self, count: usize) -> Result<(), Error> {
        let left = self.0.get().checked_sub(count);
        self.0
            .set(left.ok_or(Error::Torn("its parts lie in one another"))?);
        Ok(())
    }
}

/// One table.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    buffer: &'a [u8],
    allowance: &'a Allowance,
    at: usize,
    /// Where the fields lie, an offset of two bytes for each.
    slots: &'a [u8],
}

impl<'a> Table<'a> {
    /// The table that a buffer begins with.
    pub(super) fn root(buffer: &'a [u8], allowance: &'a Allowance) -> Result<Self, Error> {
        Self::read(buffer, follow(buffer, 0)?, allowance)
    }

    fn read(buffer: &'a [u8], at: usize, allowance: &'a Allowance) -> Result<Self, Error> {
        let back = i32::from_le_bytes(bytes_at(buffer, at)?);
        let table = i64::try_from(at).map_err(|_| DAMAGED)?;
        let vtable = usize::try_from(table - i64::from(back)).map_err(|_| DAMAGED)?;
        let size = usize::from(u16::from_le_bytes(bytes_at(buffer, vtable)?));
        let slots = slice(buffer, vtable, size)?.get(4..).ok_or(DAMAGED)?;
        Ok(Self {
            buffer,
            allowance,
            at,
            slots,
        })
    }

    /// Where the field of this slot lies; None where it has its default.
    fn field(&self, slot: usize) -> Option<usize> {
        let offset = self.slots.get(2 * slot..2 * slot + 2)?;
        match u16::from_le_bytes([offset[0], offset[1]]) {
            0 => None,
            offset => self.at.checked_add(usize::from(offset)),
        }
    }

    fn number<const N: usize>(&self, slot: usize) -> Result<[u8; N], Error> {
        self.field(slot)
            .map_or(Ok([0; N]), |at| bytes_at(self.buffer, at))
    }

    /// A number of one byte, or a truth value; 0 where it is not there, as below.
    pub(super) fn byte(&self, slot: usize) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.number(slot)?))
    }

    pub(super) fn short(&self, slot: usize) -> Result<i16, Error> {
        Ok(i16::from_le_bytes(self.number(slot)?))
    }

    pub(super) fn int(&self, slot: usize) -> Result<i32, Error> {
        Ok(i32::from_le_bytes(self.number(slot)?))
    }

    pub(super) fn long(&self, slot: usize) -> Result<i64, Error> {
        Ok(i64::from_le_bytes(self.number(slot)?))
    }

    /// Whether there is such a field at all.
    pub(super) fn has(&self, slot: usize) -> bool {
        self.field(slot).is_some()
    }

    /// Another table.
    pub(super) fn table(&self, slot: usize) -> Result<Option<Table<'a>>, Error> {
        self.field(slot)
            .map(|at| Self::read(self.buffer, follow(self.buffer, at)?, self.allowance))
            .transpose()
    }

    /// A text.
    pub(super) fn text(&self, slot: usize) -> Result<Option<&'a str>, Error> {
        let bytes = self.items(slot, 1)?;
        bytes
            .map(|bytes| {
                std::str::from_utf8(bytes).map_err(|_| Error::Torn("a text of its metadata is no UTF-8"))
            })
            .transpose()
    }

    /// The bytes of a list of structs or numbers of `size` bytes each.
    pub(super) fn items(&self, slot: usize, size: usize) -> Result<Option<&'a [u8]>, Error> {
        let Some((start, count)) = self.list(slot)? else {
            return Ok(None);
        };
        self.list_bytes(start, count, size).map(Some)
    }

    /// A list of tables.
    pub(super) fn tables(&self, slot: usize) -> Result<Tables<'a>, Error> {
        let (start, count) = self.list(slot)?.unwrap_or_default();
        self.list_bytes(start, count, 4)?;
        Ok(Tables {
            buffer: self.buffer,
            allowance: self.allowance,
            start,
            count,
        })
    }

    fn list_bytes(&self, start: usize, count: usize, size: usize) -> Result<&'a [u8], Error> {
        let bytes = slice(self.buffer, start, count.checked_mul(size).ok_or(DAMAGED)?)?;
        self.allowance.take(bytes.len())?;
        Ok(bytes)
    }

    /// Where a list begins, and how many entries it says that it has.
    fn list(&self, slot: usize) -> Result<Option<(usize, usize)>, Error> {
        let Some(at) = self.field(slot) else {
            return Ok(None);
        };
        let at = follow(self.buffer, at)?;
        let count = u32::from_le_bytes(bytes_at(self.buffer, at)?);
        Ok(Some((at + 4, count as usize)))
    }
}

/// A list of tables, all of whose entries are there. Several may lead to one table.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    buffer: &'a [u8],
    allowance: &'a Allowance,
    /// Where the entries begin, each an offset from where it stands.
    start: usize,
    count: usize,
}

impl<'a> Tables<'a> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Result<Table<'a>, Error>> {
        (0..self.count).map(move |number| {
            let at = follow(self.buffer, self.start + 4 * number)?;
            Table::read(self.buffer, at, self.allowance)
        })
    }
}

fn follow(buffer: &[u8], at: usize) -> Result<usize, Error> {
    let offset = u32::from_le_bytes(bytes_at(buffer, at)?) as usize;
    at.checked_add(offset).ok_or(DAMAGED)
}

fn slice(buffer: &[u8], at: usize, length: usize) -> Result<&[u8], Error> {
    let end = at.checked_add(length).ok_or(DAMAGED)?;
    buffer.get(at..end).ok_or(DAMAGED)
}

fn bytes_at<const N: usize>(buffer: &[u8], at: usize) -> Result<[u8; N], Error> {
    slice(buffer, at, N)?.try_into().map_err(|_| DAMAGED)
}
