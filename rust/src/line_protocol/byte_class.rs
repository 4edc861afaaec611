//! What each byte means to the scanner, as one table: a look-up instead of a chain of comparisons.

/// 0x00–0x1f and 0x7f: never part of a name.
pub(super) const CONTROL: u8 = 1;
/// `,`
pub(super) const COMMA: u8 = 1 << 1;
/// `=`
pub(super) const EQUALS: u8 = 1 << 2;
/// The blank, the only white space there is.
pub(super) const BLANK: u8 = 1 << 3;
/// `\`
pub(super) const BACKSLASH: u8 = 1 << 4;
/// LF and CR.
pub(super) const LINE_END: u8 = 1 << 5;
/// Above 0x7f: part of a longer character, if UTF-8 at all.
pub(super) const HIGH: u8 = 1 << 6;

/// The classes of every byte.
pub(super) const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte {
            0x0a | 0x0d => CONTROL | LINE_END,
            0x00..=0x1f | 0x7f => CONTROL,
            0x20 => BLANK,
            0x2c => COMMA,
            0x3d => EQUALS,
            0x5c => BACKSLASH,
            0x80..=0xff => HIGH,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// The classes of `byte`.
#[inline]
pub(super) fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}
