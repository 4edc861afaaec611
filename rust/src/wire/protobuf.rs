//! The two kinds of Protobuf field that we write, and the lengths they take (protobuf.dev, "Encoding").

/// Write `number` as a varint: seven bits a byte, the low ones first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// How many bytes [`put_varint`] writes.
pub(crate) fn varint_bytes(number: u64) -> usize {
    // Seven bits a byte, and one byte for zero.
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Write the beginning of a field that holds `length` bytes: a string, bytes or a message. Fields are numbered
/// below 16.
pub(crate) fn put_length(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(field << 3 | 2);
    put_varint(out, length as u64);
}

/// How many bytes a field that holds `length` bytes takes in all.
pub(crate) fn field_bytes(length: usize) -> usize {
    1 + varint_bytes(length as u64) + length
}

/// Write a field that holds these bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_length(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Write a field that holds these bytes, or nothing, which means the same, when there are none.
pub(crate) fn put_bytes_if_any(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_bytes(out, field, bytes);
    }
}

/// Write a field that holds a number, or nothing, which means the same, when it is 0.
pub(crate) fn put_number_if_any(out: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        out.push(field << 3);
        put_varint(out, number);
    }
}

#[cfg(test)]
mod tests {
    use super::{put_varint, varint_bytes};

    #[test]
    fn varints_grow_by_a_byte_at_every_seven_bits() {
        for (number, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (0x3fff, &[0xff, 0x7f]),
            (0x4000, &[0x80, 0x80, 1]),
            (
                u64::MAX,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            ),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(out, expected);
        }
        for shift in 0..64 {
            for number in [1 << shift, (1 << shift) - 1] {
                let mut out = Vec::new();
                put_varint(&mut out, number);
                assert_eq!(out.len(), varint_bytes(number), "{number}");
            }
        }
    }
}
