//! A measurement's name as the last part of a channel: reversible, whatever the name holds.

/// Letters, digits, `_ - .` and single inner slashes stay; every other byte becomes `=XX` (`app gauge` →
/// `app=20gauge`).
pub(super) fn escape(name: &[u8]) -> String {
    let mut path = String::with_capacity(name.len());
    for (at, &byte) in name.iter().enumerate() {
        let beside_slash = |other: Option<&u8>| other.is_none_or(|&other| other == b'/');
        let inner = || {
            !beside_slash(at.checked_sub(1).and_then(|before| name.get(before)))
                && !beside_slash(name.get(at + 1))
        };
        if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) || (byte == b'/' && inner()) {
            path.push(char::from(byte));
        } else {
            path.push('=');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    path
}

/// The name that [`escape`] makes `path` of, where there is one; what it makes of no name may come back as some
/// name too.
pub(super) fn unescape(path: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == b'=' {
            let hex = std::str::from_utf8(behind.get(..2)?).ok()?;
            name.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &behind[2..];
        } else {
            name.push(byte);
            rest = behind;
        }
    }
    Some(name)
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_channel_cannot_hold_is_escaped() {
        assert_eq!(escape(b"app gauge"), "app=20gauge");
        assert_eq!(escape(b"a/b.c-d_e"), "a/b.c-d_e");
        assert_eq!(escape(b"/a//b/"), "=2Fa=2F=2Fb=2F");
        assert_eq!(escape("k=ü".as_bytes()), "k=3D=C3=BC");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'/'), Just(b'=')], 0..40)) {
            let path = escape(&name);
            prop_assert_eq!(unescape(&path), Some(name));
            prop_assert!(!path.contains("//") && !path.starts_with('/') && !path.ends_with('/'));
        }
    }
}
