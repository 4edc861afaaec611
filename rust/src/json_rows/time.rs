//! Times as JSON senders write them, to nanoseconds since 1970: numbers of any spelling, numbers in strings,
//! and RFC 3339.

use super::fault::{Fault, Reason};
use super::text::{Value, unquote};
use crate::line_protocol::Precision;

/// Digits behind the point that are looked at: finer than a nanosecond for every unit there is.
const FRACTION_DIGITS: usize = 18;
const FRACTION: i128 = 10_i128.pow(18);
/// Digits before it that 64 bits can need.
const WHOLE_DIGITS: usize = 19;
/// No spelling of a date is longer.
const MAX_DATE_BYTES: usize = 100;

/// Nanoseconds since 1970 of a time in `precision`'s unit, rounded down.
///
/// # Errors
/// `BadTime` for what is none; `TimeRange` for what does not fit.
pub(super) fn parse(text: &str, precision: Precision) -> Result<i64, Fault> {
    narrow(parse_wide(text, precision)?, text)
}

/// The same before anybody asked whether it fits; milliseconds that are rounded down may need their remainder
/// first.
pub(super) fn parse_wide(text: &str, precision: Precision) -> Result<i128, Fault> {
    let bad = || Fault::new(Reason::BadTime, text);
    let found = match Value::of(text) {
        Value::Number(number) => parse_number(number, precision),
        Value::Text(quoted) => {
            let inside = unquote(quoted).ok_or_else(bad)?;
            match parse_number(&inside, precision) {
                Found::No => parse_date(&inside).map_or(Found::No, Found::Nanoseconds),
                found => found,
            }
        }
        _ => Found::No,
    };
    match found {
        Found::Nanoseconds(time_ns) => Ok(time_ns),
        Found::TooLarge => Err(Fault::new(Reason::TimeRange, text)),
        Found::No => Err(bad()),
    }
}

pub(super) fn narrow(time_ns: i128, text: &str) -> Result<i64, Fault> {
    i64::try_from(time_ns).map_err(|_| Fault::new(Reason::TimeRange, text))
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nanoseconds(i128),
    TooLarge,
    No,
}

fn parse_date(text: &str) -> Option<i128> {
    if text.len() > MAX_DATE_BYTES {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_nanosecond())
}

/// `-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?`, in whole digits: a float would lose some.
fn parse_number(text: &str, precision: Precision) -> Found {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(shift) = exponent.map_or(Some(0), parse_exponent) else {
        return Found::No;
    };
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Found::No;
    }
    let all = || whole.bytes().chain(fraction.bytes());
    let zeros = all().take_while(|&byte| byte == b'0').count();
    if zeros == whole.len() + fraction.len() {
        return Found::Nanoseconds(0);
    }
    // How many digits, the leading zeros not counted, stand before the point; below 0 it is zeros behind it.
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / 4);
    let point = length(whole.len()) - length(zeros) + shift;
    let Some(missing) = WHOLE_DIGITS.checked_sub(usize::try_from(point.max(0)).unwrap_or(usize::MAX)) else {
        return Found::TooLarge;
    };
    let behind = usize::try_from(-point.min(0)).unwrap_or(usize::MAX);
    let padding = std::iter::repeat_n(b'0', behind.min(FRACTION_DIGITS));
    let mut places = padding.chain(all().skip(zeros)).chain(std::iter::repeat(b'0'));
    let mut take = |count: usize| {
        (0..count).fold(0_i128, |sum, _| {
            sum * 10 + i128::from(places.next().unwrap_or(b'0') - b'0')
        })
    };
    let whole = take(WHOLE_DIGITS - missing);
    let fraction = take(FRACTION_DIGITS);
    Found::Nanoseconds(scale(whole, fraction, unsigned.len() < text.len(), precision))
}

/// The exponent's value, cut to where nothing changes any more.
fn parse_exponent(text: &str) -> Option<i64> {
    const END: i64 = 1 << 40;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().unwrap_or(END).min(END);
    Some(if negative { -value } else { value })
}

fn scale(whole: i128, fraction: i128, negative: bool, precision: Precision) -> i128 {
    let size = i64::try_from(whole).unwrap_or(i64::MAX);
    let unit = i128::from(precision.nanoseconds(size));
    let rest = fraction * unit;
    let (floor, exact) = (whole * unit + rest / FRACTION, rest % FRACTION == 0);
    match (negative, exact) {
        (false, _) => floor,
        (true, true) => -floor,
        (true, false) => -floor - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ns(text: &str, precision: Precision) -> Result<i64, Reason> {
        parse(text, precision).map_err(|fault| fault.reason)
    }

    #[test]
    fn numbers_of_every_spelling() {
        let auto = Precision::Auto;
        for (text, want) in [
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.25", 1_700_000_000_250_000_000),
            ("1700000000.123456789", 1_700_000_000_123_456_789),
            ("1700000000.1234567899", 1_700_000_000_123_456_789),
            ("1.7e9", 1_700_000_000_000_000_000),
            ("1.7E+12", 1_700_000_000_000_000_000),
            ("17000000000000e-1", 1_700_000_000_000_000_000),
            ("1700000000000", 1_700_000_000_000_000_000),
            ("1700000000000000", 1_700_000_000_000_000_000),
            ("1700000000000000001", 1_700_000_000_000_000_001),
            ("0", 0),
            ("-0.0", 0),
            ("0.000000001", 1),
            ("1e-9", 1),
            ("1e-10", 0),
            ("-1e-10", -1),
            ("-1.5", -1_500_000_000),
            ("1e-99999999999999999999", 0),
            ("0e99999999999999999999", 0),
            ("\"1700000000\"", 1_700_000_000_000_000_000),
            ("\"1970-01-01T00:00:01Z\"", 1_000_000_000),
            ("\"1970-01-01T01:00:00.000000001+01:00\"", 1),
            ("\"1969-12-31t23:59:59z\"", -1_000_000_000),
            ("\"1970-01-01 00:00:01\\u005a\"", 1_000_000_000),
        ] {
            assert_eq!(ns(text, auto), Ok(want), "{text}");
        }
        assert_eq!(ns("1.5", Precision::Milliseconds), Ok(1_500_000));
        assert_eq!(ns("1.5", Precision::Nanoseconds), Ok(1));
        assert_eq!(ns("-9223372036854775808", Precision::Nanoseconds), Ok(i64::MIN));
    }

    #[test]
    fn what_is_no_time_is_told_from_what_does_not_fit() {
        for text in [
            "null",
            "true",
            "[1]",
            "{}",
            "\"\"",
            "\"noon\"",
            "\"1.\\ud800\"",
            "\"2026-01-31T12:00:00\"",
            "\"2026-02-30T12:00:00Z\"",
            "\"1e\"",
            "\"1e+\"",
            "\"--1\"",
            "\".5\"",
            "\"1 \"",
        ] {
            assert_eq!(ns(text, Precision::Auto), Err(Reason::BadTime), "{text}");
        }
        for text in [
            "1e19",
            "1e99999999999999999999",
            "9223372036854775808",
            "\"9999-01-01T00:00:00Z\"",
        ] {
            assert_eq!(ns(text, Precision::Nanoseconds), Err(Reason::TimeRange), "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_what_line_protocol_makes_of_them(value: i64) {
            for precision in [Precision::Nanoseconds, Precision::Milliseconds, Precision::Auto] {
                let want = value.checked_mul(precision.nanoseconds(value));
                prop_assert_eq!(ns(&value.to_string(), precision).ok(), want);
                prop_assert_eq!(ns(&format!("{value}000E-3"), precision).ok(), want);
            }
        }
    }
}
