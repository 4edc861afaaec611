//! Why an Arrow file is no data frame, as a sentence for whoever runs the plugin.

use std::fmt::{self, Display, Formatter};

use crate::line_protocol::Excerpt;

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It does not begin and end as an Arrow file.
    NotArrow,
    /// What it says of itself does not hold together; what of it.
    Torn(&'static str),
    /// Something of Arrow that data frames do not have.
    Unsupported(&'static str),
    /// A column of a type that data frames do not have.
    ColumnType {
        /// The column's name.
        name: String,
        /// Arrow's number of the type.
        number: u8,
    },
    /// A column whose bytes are not what its type needs.
    Column {
        /// The column's name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Metadata that is not the JSON it has to be: which.
    Metadata(&'static str),
    /// More of something than is looked at.
    TooMany(&'static str),
    /// The frame is larger as JSON than it may be.
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

impl Display for Error {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotArrow => to.write_str("it is no Arrow file"),
            Self::Torn(what) => write!(to, "the Arrow file is damaged: {what}"),
            Self::Unsupported(what) => write!(to, "the Arrow file has {what}, which data frames do not have"),
            Self::ColumnType { name, number } => write!(
                to,
                "column {} is of the Arrow type {}, which data frames do not have",
                Excerpt(name.as_bytes()),
                type_name(*number)
            ),
            Self::Column { name, what } => write!(to, "column {}: {what}", Excerpt(name.as_bytes())),
            Self::Metadata(key) => write!(to, "its metadata {key:?} is not the JSON that belongs there"),
            Self::TooMany(what) => write!(to, "it has more {what} than are read"),
            Self::TooLarge { max_bytes } => write!(to, "it is larger than {max_bytes} bytes as JSON"),
        }
    }
}

impl std::error::Error for Error {}

/// The name in Arrow's `Schema.fbs` of the type of this number.
fn type_name(number: u8) -> String {
    const NAMES: [&str; 27] = [
        "none",
        "Null",
        "Int",
        "FloatingPoint",
        "Binary",
        "Utf8",
        "Bool",
        "Decimal",
        "Date",
        "Time",
        "Timestamp",
        "Interval",
        "List",
        "Struct",
        "Union",
        "FixedSizeBinary",
        "FixedSizeList",
        "Map",
        "Duration",
        "LargeBinary",
        "LargeUtf8",
        "LargeList",
        "RunEndEncoded",
        "BinaryView",
        "Utf8View",
        "ListView",
        "LargeListView",
    ];
    NAMES
        .get(usize::from(number))
        .map_or_else(|| number.to_string(), |name| (*name).to_owned())
}
