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

/// Who the scanner hands the fields of a line to, one by one; a fault of the line may come behind any.
pub trait TakeFields<'a> {
    /// A key that may well come next: where it does, the scanner knows it by its bytes alone. It must be one
    /// that a line can have, and hold no separator and no backslash: then it is spelled in this way only.
    fn expected_key(&self) -> Option<&[u8]>;

    /// Take the value of the key that was expected.
    fn take_expected(&mut self, value: Value<'a>);

    /// Take a field of any key.
    fn take(&mut self, field: Field<'a>);
}

/// Keeps all fields, in the order of the line.
impl<'a> TakeFields<'a> for Vec<Field<'a>> {
    fn expected_key(&self) -> Option<&[u8]> {
        None
    }

    fn take_expected(&mut self, _value: Value<'a>) {}

    fn take(&mut self, field: Field<'a>) {
        self.push(field);
    }
}
