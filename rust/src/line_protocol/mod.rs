//! Line protocol: bytes to points that borrow from them. Knows nothing of frames, streams or Python.
//!
//! [`Scanner`] walks a body line by line: measurement and tags ([`Name`]s), fields (numbers stay text), time.
//! What a line does wrong is a [`Fault`] with one of the [`Reason`]s, and costs that line only. Every input,
//! however hostile, is read in time and memory proportional to its length. The dialect is
//! `docs/line-protocol.md`.

mod byte_class;
mod describe;
mod error;
mod field;
mod name;
mod number;
mod scan;
mod scanner;
mod string;
mod time;

pub use describe::describe_points;
pub use error::{Excerpt, Fault, Place, Reason};
pub use field::{Field, TakeFields, Value};
pub(crate) use name::is_name;
pub use name::{Name, Tag};
pub use number::{Number, NumberKind};
pub use scanner::Scanner;
pub use time::Precision;

/// The most bytes that one part of a line may have as written: a name, a tag value, the inside of a string.
///
/// The strictest of the parsers of the field draw their line here; no metric has a use for more.
pub const MAX_PART_BYTES: usize = 65_536;

/// The most tags of one line; a series is told by a dozen.
pub const MAX_TAGS: usize = 1_024;

/// The most fields of one line, a repeated key counted each time.
///
/// Far above what a measurement has columns for: it bounds what a line takes in memory (a field's entry is
/// many times `a=1,`), and is the same for every stream, so that a dry run judges as a push does.
pub const MAX_FIELDS: usize = 65_536;
