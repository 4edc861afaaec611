//! Numbers stay text: this module says which texts are numbers, and which of them are JSON as they stand.

use super::scan::leading_digits;
use crate::json;

/// What a bare (unquoted) field value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberKind {
    /// A 64-bit signed integer, written with the suffix `i`.
    Int,
    /// A 64-bit unsigned integer, written with the suffix `u`.
    Uint,
    /// A finite 64-bit float.
    Float,
}

/// A number as written (without its suffix), known to be in range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<'a> {
    /// The text; ASCII.
    pub text: &'a [u8],
    /// Its type.
    pub kind: NumberKind,
    /// Whether the text is `-?(0|[1-9][0-9]*)(\.[0-9]+)?`: JSON, and equal, as it stands.
    pub plain: bool,
}

/// Digits that every `i64` and `u64` of that length has room for.
const SAFE_DIGITS: usize = 18;
/// Digits before the point that every finite float has room for.
const SAFE_FLOAT_BYTES: usize = 300;

impl<'a> Number<'a> {
    /// The number that `text` begins with, as long as its grammar goes on, and how many bytes it has there:
    /// whoever reads a bare value must see that nothing of it is left. None without a digit in front.
    #[inline]
    pub(super) fn begin(text: &'a [u8]) -> Option<(Self, usize)> {
        let sign = usize::from(text.first() == Some(&b'-'));
        let whole = leading_digits(&text[sign..]);
        let mut end = sign + whole;
        // Of more digits than one the first is no zero.
        let mut plain = whole == 1 || (whole > 0 && text[sign] != b'0');
        let kind = match text.get(end) {
            Some(b'i') if whole > 0 => NumberKind::Int,
            Some(b'u') if whole > 0 && sign == 0 => NumberKind::Uint,
            _ => NumberKind::Float,
        };
        if kind != NumberKind::Float {
            let text = &text[..end];
            return Some((Self { text, kind, plain }, end + 1));
        }
        if text.get(end) == Some(&b'.') {
            let fraction = leading_digits(&text[end + 1..]);
            if whole + fraction == 0 {
                return None;
            }
            end += 1 + fraction;
            plain &= fraction > 0;
        } else if whole == 0 {
            return None;
        }
        if let [b'e' | b'E', rest @ ..] = &text[end..] {
            let sign = usize::from(matches!(rest, [b'+' | b'-', ..]));
            let exponent = leading_digits(&rest[sign..]);
            if exponent == 0 {
                return None;
            }
            end += 1 + sign + exponent;
            plain = false;
        }
        let text = &text[..end];
        Some((Self { text, kind, plain }, end))
    }

    /// Whether its type has room for the value.
    #[inline]
    pub(super) fn is_in_range(&self) -> bool {
        match self.kind {
            // A sign makes them one digit fewer.
            NumberKind::Int => self.text.len() <= SAFE_DIGITS || self.as_i64().is_some(),
            NumberKind::Uint => self.text.len() <= SAFE_DIGITS || self.as_u64().is_some(),
            NumberKind::Float => {
                (self.plain && self.text.len() <= SAFE_FLOAT_BYTES) || self.as_f64().is_finite()
            }
        }
    }

    /// Whether the value is an integer that an `i64` has room for.
    #[must_use]
    pub fn fits_i64(&self) -> bool {
        match self.kind {
            NumberKind::Int => true,
            NumberKind::Uint => self.text.len() <= SAFE_DIGITS || self.as_i64().is_some(),
            NumberKind::Float => false,
        }
    }

    /// The value of an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        std::str::from_utf8(self.text).ok()?.parse().ok()
    }

    /// The value of an [`NumberKind::Uint`].
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        std::str::from_utf8(self.text).ok()?.parse().ok()
    }

    /// The value as the nearest float; not finite when there is none.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        std::str::from_utf8(self.text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(f64::INFINITY)
    }

    /// The value as JSON.
    #[inline]
    pub fn write_json(&self, out: &mut Vec<u8>) {
        if self.plain {
            json::write_short(self.text, out);
        } else {
            self.write_again(out);
        }
    }

    fn write_again(&self, out: &mut Vec<u8>) {
        let text = match self.kind {
            NumberKind::Int => self.as_i64().map(|value| value.to_string()),
            NumberKind::Uint => self.as_u64().map(|value| value.to_string()),
            NumberKind::Float => Some(shortest_float(self.as_f64())),
        };
        out.extend_from_slice(text.as_deref().unwrap_or("null").as_bytes());
    }

    /// At most so many bytes does [`Self::write_json`] write.
    #[must_use]
    pub fn json_bytes(&self) -> usize {
        // The longest reprinted float is like -2.2250738585072014e-308, the longest integer has 20 digits.
        if self.plain { self.text.len() } else { 24 }
    }
}

/// The shortest JSON text that reads back as this finite float; no point without need.
#[must_use]
pub fn shortest_float(value: f64) -> String {
    let mut text = format!("{value:?}");
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

/// The seven spellings of true and of false that all parsers of the field agree on.
pub(super) fn parse_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => Some(true),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is all of `text`.
    fn parse(text: &str) -> Option<Number<'_>> {
        let (number, length) = Number::begin(text.as_bytes())?;
        (length == text.len()).then_some(number)
    }

    /// As JSON, if there is room for its value.
    fn json(text: &str) -> Option<String> {
        let number = parse(text).filter(Number::is_in_range)?;
        let mut out = Vec::new();
        number.write_json(&mut out);
        assert!(out.len() <= number.json_bytes());
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn plain_text_passes_and_the_rest_is_reprinted() {
        for (text, want) in [
            ("0", "0"),
            ("-0", "-0"),
            ("1.50", "1.50"),
            ("-0i", "-0"),
            ("12u", "12"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("1.", "1"),
            ("007", "7"),
            ("-007i", "-7"),
            ("1e3", "1000"),
            ("1E+3", "1000"),
            ("1e-400", "0"),
            ("00.5", "0.5"),
            ("-0.5", "-0.5"),
            ("10.5", "10.5"),
            ("1e300", "1e300"),
            ("9223372036854775807i", "9223372036854775807"),
            ("-9223372036854775808i", "-9223372036854775808"),
            ("18446744073709551615u", "18446744073709551615"),
            ("00000000000000000000001i", "1"),
            ("-2.2250738585072014e-308", "-2.2250738585072014e-308"),
        ] {
            assert_eq!(json(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn integers_of_64_bits_are_told_from_what_is_larger() {
        let fits = |text: &str| parse(text).unwrap().fits_i64();
        for text in [
            "0i",
            "-9223372036854775808i",
            "7u",
            "9223372036854775807u",
            "0000000000000000000007u",
        ] {
            assert!(fits(text), "{text}");
        }
        for text in ["9223372036854775808u", "18446744073709551615u", "1", "1.0", "1e3"] {
            assert!(!fits(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_from_what_does_not_fit() {
        for text in [
            "", "-", ".", "-.", "+1", "+1i", "1_0", "0x10", "NaN", "Inf", "1e", "1e+", "--1", "1.1.1", "i",
            "-i", "u", "-1u", "1.5i", "1ii", "1e5i", "1I", "e5", ".e5", "1 ", "nan", "infinity",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in [
            "9223372036854775808i",
            "-9223372036854775809i",
            "18446744073709551616u",
            "1e309",
            "-1e309",
            "1e99999999999",
            &"9".repeat(400),
        ] {
            assert!(!parse(text).unwrap().is_in_range(), "{text}");
        }
    }
}
