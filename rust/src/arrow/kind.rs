//! What a data frame's field may be made of, as Arrow says it and as frame JSON does.

use super::Error;
use super::flatbuffer::Table;

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float32,
    Float64,
    Text,
    Bool,
    /// The number is how many nanoseconds one of the column's units has.
    Time(i64),
    Json,
    /// An index into texts that the field's config has.
    Enum,
}

const INT: u8 = 2;
const FLOATING_POINT: u8 = 3;
const BINARY: u8 = 4;
const UTF8: u8 = 5;
const BOOL: u8 = 6;
const TIMESTAMP: u8 = 10;

impl Kind {
    /// The kind of a column of the Arrow type of this number, which `details` describes. `is_enum` is what the SDK notes
    /// beside it: both are numbers of 16 bits. None for a type that data frames do not have.
    pub(super) fn find(number: u8, details: Option<Table<'_>>, is_enum: bool) -> Result<Option<Self>, Error> {
        let Some(details) = details else {
            return Err(Error::Torn("a column has no type"));
        };
        Ok(match number {
            INT => match (details.int(0)?, details.byte(1)? != 0) {
                (8, true) => Some(Self::Int8),
                (16, true) => Some(Self::Int16),
                (32, true) => Some(Self::Int32),
                (64, true) => Some(Self::Int64),
                (8, false) => Some(Self::Uint8),
                (16, false) => Some(if is_enum { Self::Enum } else { Self::Uint16 }),
                (32, false) => Some(Self::Uint32),
                (64, false) => Some(Self::Uint64),
                _ => None,
            },
            FLOATING_POINT => match details.short(0)? {
                1 => Some(Self::Float32),
                2 => Some(Self::Float64),
                _ => None,
            },
            BINARY => Some(Self::Json),
            UTF8 => Some(Self::Text),
            BOOL => Some(Self::Bool),
            TIMESTAMP => match details.short(0)? {
                0 => Some(Self::Time(1_000_000_000)),
                1 => Some(Self::Time(1_000_000)),
                2 => Some(Self::Time(1_000)),
                3 => Some(Self::Time(1)),
                _ => None,
            },
            _ => None,
        })
    }

    /// The field's `type`, and its `typeInfo.frame`.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Int8 => ("number", "int8"),
            Self::Int16 => ("number", "int16"),
            Self::Int32 => ("number", "int32"),
            Self::Int64 => ("number", "int64"),
            Self::Uint8 => ("number", "uint8"),
            Self::Uint16 => ("number", "uint16"),
            Self::Uint32 => ("number", "uint32"),
            Self::Uint64 => ("number", "uint64"),
            Self::Float32 => ("number", "float32"),
            Self::Float64 => ("number", "float64"),
            Self::Text => ("string", "string"),
            Self::Bool => ("boolean", "bool"),
            Self::Time(_) => ("time", "time.Time"),
            Self::Json => ("other", "json.RawMessage"),
            Self::Enum => ("enum", "enum"),
        }
    }

    /// How many buffers a column has: which values are there, and the values; of texts also where each ends.
    pub(super) fn buffers(self) -> usize {
        match self {
            Self::Text | Self::Json => 3,
            _ => 2,
        }
    }
}
