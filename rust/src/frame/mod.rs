//! Points to frames, one per measurement and push, in the [`Format`] of their stream.
//!
//! [`Stream`] lives as long as its stream and holds what must stick: every measurement's columns in their
//! order of first appearance. A push goes in two passes. The first reads the body line by line into rows and
//! cells that borrow from it, and settles for each line alone whether it is taken. The second writes
//! measurement by measurement, column by column. No value is copied in between, and numbers are copied as
//! text.

mod column;
mod columns_text;
mod format;
mod key_hash;
mod label_set;
mod labels;
mod measurement;
mod mismatch;
mod packet;
mod path;
mod placing;
mod points;
mod push;
mod restore;
mod rows;
mod series;
mod stream;
mod window;

pub use format::Format;
pub(crate) use labels::{Labels, unique_name};
pub use packet::Packet;
pub use push::{PushOutcome, Rejection};
pub use restore::{RestoreError, Restored};
pub use stream::{Allowance, Limits, Stream};
pub use window::{SchemaError, Window, merge_packets};
