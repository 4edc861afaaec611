//! Timestamps: integers of the push's precision to nanoseconds since 1970.

use super::scan::read_digits;

/// The unit of a body's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `ns`, the protocol's own.
    Nanoseconds,
    /// `us`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
    /// `m`, of `InfluxDB` 1
    Minutes,
    /// `h`, of `InfluxDB` 1
    Hours,
    /// `auto`: each timestamp's own, by its size.
    Auto,
}

/// Timestamps nearer to 1970 than this count seconds: until the year 2128. Times a thousand, and again, they
/// are the limits of milliseconds and microseconds. The number is `InfluxDB` 3's.
const AUTO_SECONDS: u64 = 5_000_000_000;

impl Precision {
    /// The precision that goes by this word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        match word {
            "ns" => Some(Self::Nanoseconds),
            "us" => Some(Self::Microseconds),
            "ms" => Some(Self::Milliseconds),
            "s" => Some(Self::Seconds),
            "m" => Some(Self::Minutes),
            "h" => Some(Self::Hours),
            "auto" => Some(Self::Auto),
            _ => None,
        }
    }

    /// What one unit of the timestamp `value` is.
    pub(crate) const fn nanoseconds(self, value: i64) -> i64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Hours => 3_600_000_000_000,
            Self::Auto => match value.unsigned_abs() {
                size if size < AUTO_SECONDS => 1_000_000_000,
                size if size < AUTO_SECONDS * 1_000 => 1_000_000,
                size if size < AUTO_SECONDS * 1_000_000 => 1_000,
                _ => 1,
            },
        }
    }

    /// Nanoseconds of a timestamp of these digits, of which there is one at least; `None` past the range.
    #[inline]
    pub(super) fn read(self, negative: bool, digits: &[u8]) -> Option<i64> {
        let size = read_digits(digits)?;
        let value = if negative {
            // The least i64 has no positive twin.
            0_i64.checked_sub_unsigned(size)?
        } else {
            i64::try_from(size).ok()?
        };
        value.checked_mul(self.nanoseconds(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(precision: Precision, text: &str) -> Option<i64> {
        let digits = text.trim_start_matches('-');
        precision.read(digits.len() < text.len(), digits.as_bytes())
    }

    #[test]
    fn the_whole_range_and_nothing_beyond() {
        let ns = |text: &str| read(Precision::Nanoseconds, text);
        assert_eq!(ns("9223372036854775807"), Some(i64::MAX));
        assert_eq!(ns("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(ns("9223372036854775808"), None);
        assert_eq!(ns("-9223372036854775809"), None);
        assert_eq!(ns("18446744073709551616"), None);
        assert_eq!(ns("00000000000000000000000000001"), Some(1));
        assert_eq!(ns("-0"), Some(0));
        assert_eq!(
            read(Precision::Seconds, "9223372036"),
            Some(9_223_372_036_000_000_000)
        );
        assert_eq!(read(Precision::Seconds, "9223372037"), None);
        assert_eq!(read(Precision::Hours, "2562047"), Some(9_223_369_200_000_000_000));
        assert_eq!(read(Precision::Hours, "2562048"), None);
        assert_eq!(read(Precision::Minutes, "-1"), Some(-60_000_000_000));
    }

    #[test]
    fn auto_tells_the_unit_by_the_size() {
        let auto = |text: &str| read(Precision::Auto, text);
        assert_eq!(auto("0"), Some(0));
        for sign in ["", "-"] {
            let signed = |nanoseconds: i64| Some(if sign == "-" { -nanoseconds } else { nanoseconds });
            assert_eq!(
                auto(&format!("{sign}4999999999")),
                signed(4_999_999_999_000_000_000)
            );
            assert_eq!(auto(&format!("{sign}5000000000")), signed(5_000_000_000_000_000));
            assert_eq!(
                auto(&format!("{sign}4999999999999")),
                signed(4_999_999_999_999_000_000)
            );
            assert_eq!(
                auto(&format!("{sign}5000000000000")),
                signed(5_000_000_000_000_000)
            );
            assert_eq!(
                auto(&format!("{sign}4999999999999999")),
                signed(4_999_999_999_999_999_000)
            );
            assert_eq!(
                auto(&format!("{sign}5000000000000000")),
                signed(5_000_000_000_000_000)
            );
        }
        assert_eq!(auto("-9223372036854775808"), Some(i64::MIN));
    }
}
