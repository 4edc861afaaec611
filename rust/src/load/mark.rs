//! What makes a publication of a measurement known again: which it is, when it was due and when it was sent.
//!
//! A mark is fifty letters and digits that stand in the data of the publication. It means the same in JSON, in line
//! protocol and in the frames that a server makes of it, since none of them writes such letters differently.

use memchr::memmem::Finder;

/// What every mark begins with, before the number of the run.
const NAME: &[u8] = b"fcm";
const RUN_DIGITS: usize = 8;
const CHANNEL_DIGITS: usize = 4;
const NUMBER_DIGITS: usize = 10;
const TIME_DIGITS: usize = 12;

/// How many bytes a mark is.
pub const MARK_BYTES: usize = NAME.len() + RUN_DIGITS + CHANNEL_DIGITS + NUMBER_DIGITS + 2 * TIME_DIGITS + 1;
const END: u8 = b'z';

/// One publication. Times are nanoseconds of the run's clock, and fit 48 bits: three days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The channel's place among those of the run.
    pub channel: u16,
    /// Counts from 0 in each channel.
    pub number: u64,
    /// When it was due.
    pub due_ns: u64,
    /// When it was handed to the socket.
    pub sent_ns: u64,
}

/// The marks of one run.
#[derive(Debug)]
pub struct Marks {
    begin: [u8; NAME.len() + RUN_DIGITS],
    finder: Finder<'static>,
}

impl Marks {
    /// The marks of the run with this number; those of another run are not found.
    #[must_use]
    pub fn new(run: u32) -> Self {
        let mut begin = [0; NAME.len() + RUN_DIGITS];
        let (name, digits) = begin.split_at_mut(NAME.len());
        name.copy_from_slice(NAME);
        put_hex(digits, u64::from(run));
        Self {
            begin,
            finder: Finder::new(&begin).into_owned(),
        }
    }

    /// Append a mark.
    pub fn put(&self, mark: &Mark, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.begin);
        for (number, digits) in [
            (u64::from(mark.channel), CHANNEL_DIGITS),
            (mark.number, NUMBER_DIGITS),
            (mark.due_ns, TIME_DIGITS),
            (mark.sent_ns, TIME_DIGITS),
        ] {
            let at = out.len();
            out.resize(at + digits, 0);
            put_hex(&mut out[at..], number);
        }
        out.push(END);
    }

    /// The first mark in the data of a publication.
    #[must_use]
    pub fn find(&self, data: &[u8]) -> Option<Mark> {
        self.read(data, self.finder.find(data)?)
    }

    /// Every mark in a text of many publications, in order.
    pub fn find_all(&self, text: &[u8]) -> impl Iterator<Item = Mark> {
        self.finder.find_iter(text).filter_map(|at| self.read(text, at))
    }

    fn read(&self, data: &[u8], at: usize) -> Option<Mark> {
        let digits = data.get(at + self.begin.len()..at + MARK_BYTES)?;
        let (channel, digits) = hex(digits, CHANNEL_DIGITS)?;
        let (number, digits) = hex(digits, NUMBER_DIGITS)?;
        let (due_ns, digits) = hex(digits, TIME_DIGITS)?;
        let (sent_ns, digits) = hex(digits, TIME_DIGITS)?;
        let channel = u16::try_from(channel).ok()?;
        (digits == [END]).then_some(Mark {
            channel,
            number,
            due_ns,
            sent_ns,
        })
    }
}

/// Fill with the last hexadecimal digits of `number`.
fn put_hex(out: &mut [u8], mut number: u64) {
    for place in out.iter_mut().rev() {
        *place = b"0123456789abcdef"[usize::from(number.to_le_bytes()[0] & 15)];
        number >>= 4;
    }
}

/// The number in the first digits, and what is behind them.
fn hex(text: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (digits, rest) = text.split_at_checked(digits)?;
    // Every mark that is heard comes by here: all are looked up first, and judged together.
    let (number, seen) = digits.iter().fold((0, 0), |(number, seen): (u64, u8), &digit| {
        let value = HEX[usize::from(digit)];
        (number << 4 | u64::from(value), seen | value)
    });
    (seen & NO_DIGIT == 0).then_some((number, rest))
}

const NO_DIGIT: u8 = 0xf0;

/// What each byte is worth as a hexadecimal digit of ours.
const HEX: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::{MARK_BYTES, Mark, Marks};

    const MARK: Mark = Mark {
        channel: 0xbeef,
        number: 0x12_3456_789a,
        due_ns: 0xffff_ffff_ffff,
        sent_ns: 1,
    };

    fn text(run: u32) -> Vec<u8> {
        let mut out = Vec::new();
        Marks::new(run).put(&MARK, &mut out);
        out
    }

    #[test]
    fn a_mark_is_found_where_it_stands() {
        let mark = text(7);
        assert_eq!(mark.len(), MARK_BYTES);
        assert!(mark.iter().all(u8::is_ascii_alphanumeric));
        let data = [&b"{\"values\":[[\""[..], &mark, b"xxx\"]]}"].concat();
        assert_eq!(Marks::new(7).find(&data), Some(MARK));
        assert_eq!(Marks::new(7).find(&mark), Some(MARK));
        let many = [&data[..], &mark[..20], &data, &mark].concat();
        assert_eq!(Marks::new(7).find_all(&many).collect::<Vec<_>>(), [MARK; 3]);
    }

    #[test]
    fn what_is_no_mark_of_this_run_is_not_found() {
        let mark = text(7);
        assert_eq!(Marks::new(8).find(&mark), None);
        assert_eq!(Marks::new(7).find(b""), None);
        for end in 0..mark.len() {
            assert_eq!(Marks::new(7).find(&mark[..end]), None, "cut off after {end}");
        }
        for at in 11..mark.len() {
            let mut broken = mark.clone();
            broken[at] = b'X';
            assert_eq!(Marks::new(7).find(&broken), None, "broken at {at}");
        }
    }
}
