//! Fields as the scanner hands them out: checked, not converted, borrowing from the body.

use super::name::Name;
use super::number::Number;

/// A field in the order of the line.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its key.
    pub key: Name<'a>,
    /// Its value, checked but not converted.
    pub value: Value<'a>,
}

/// A field's value; text borrows from the body.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Int, uint or float.
    Number(Number<'a>),
    /// One of the spellings of true or false.
    Bool(bool),
    /// A string.
    Text {
        /// The inside of the quotes as written; UTF-8.
        raw: &'a [u8],
        /// Whether that is the inside of a JSON string as it stands.
        plain: bool,
    },
}
