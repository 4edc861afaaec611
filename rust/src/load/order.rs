//! Whether publications of one channel arrive whole and in order at one subscriber.

use std::ops::Range;

/// Holes that are remembered. Of older ones only the size is, so that a number in them that still comes counts as
/// late, and one that comes a second time does as well.
const REMEMBERED_HOLES: usize = 64;

/// How a publication stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the next.
    Next,
    /// So many before it have not come.
    AfterGap(u64),
    /// It was missing so far: a later one had come before it.
    Late,
    /// It had come before.
    Again,
}

/// What one subscriber has of one channel. Numbers count from 0.
#[derive(Clone, Debug, Default)]
pub struct Order {
    next: u64,
    /// The numbers below `next` that have not come, oldest first, but for the forgotten ones.
    holes: Vec<Range<u64>>,
    /// How many more are missing, all below `forgotten_below`.
    forgotten: u64,
    forgotten_below: u64,
}

impl Order {
    /// The number behind the highest that came.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many of the first `published` have not come.
    #[must_use]
    pub fn missing(&self, published: u64) -> u64 {
        let holes = self.holes.iter().map(|hole| hole.end - hole.start);
        holes.sum::<u64>() + self.forgotten + published.saturating_sub(self.next)
    }

    /// Note that publication `number` has come.
    pub fn take(&mut self, number: u64) -> Place {
        if number == self.next {
            self.next += 1;
            return Place::Next;
        }
        if number > self.next {
            let gap = number - self.next;
            self.holes.push(self.next..number);
            self.forget();
            self.next = number + 1;
            return Place::AfterGap(gap);
        }
        if let Some(at) = self.holes.iter().position(|hole| hole.contains(&number)) {
            self.fill(at, number);
            return Place::Late;
        }
        if number < self.forgotten_below && self.forgotten > 0 {
            self.forgotten -= 1;
            return Place::Late;
        }
        Place::Again
    }

    /// Keep the number of holes within the limit.
    fn forget(&mut self) {
        if self.holes.len() > REMEMBERED_HOLES {
            let oldest = self.holes.remove(0);
            self.forgotten += oldest.end - oldest.start;
            self.forgotten_below = self.forgotten_below.max(oldest.end);
        }
    }

    fn fill(&mut self, at: usize, number: u64) {
        let hole = self.holes[at].clone();
        let parts = [hole.start..number, number + 1..hole.end];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        self.holes.splice(at..=at, parts);
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Order, Place};

    #[test]
    fn a_healthy_channel_has_no_news() {
        let mut order = Order::default();
        for number in 0..1000 {
            assert_eq!(order.take(number), Place::Next);
        }
        assert_eq!(
            (order.next(), order.missing(1000), order.missing(1003)),
            (1000, 0, 3)
        );
    }

    #[test]
    fn gaps_late_ones_and_doubles_are_told_apart() {
        let mut order = Order::default();
        let places = [0, 4, 2, 2, 4, 1, 3, 5].map(|number| order.take(number));
        assert_eq!(
            places,
            [
                Place::Next,
                Place::AfterGap(3),
                Place::Late,
                Place::Again,
                Place::Again,
                Place::Late,
                Place::Late,
                Place::Next
            ]
        );
        assert_eq!(order.missing(6), 0);
    }

    #[test]
    fn what_is_remembered_of_a_lossy_channel_stays_bounded() {
        let mut order = Order::default();
        for number in 0..100_000 {
            order.take(2 * number + 1);
        }
        assert!(order.holes.len() <= super::REMEMBERED_HOLES);
        assert_eq!(order.missing(200_000), 100_000);
        assert_eq!(order.take(0), Place::Late);
        assert_eq!(order.missing(200_000), 99_999);
        assert_eq!(order.take(199_998), Place::Late);
        assert_eq!(order.take(199_998), Place::Again);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_numbers(numbers in prop::collection::vec(0_u64..60, 0..200)) {
            let (mut order, mut seen) = (Order::default(), BTreeSet::new());
            for number in numbers {
                let next = seen.last().map_or(0, |last| last + 1);
                let expected = match number {
                    number if number == next => Place::Next,
                    number if number > next => Place::AfterGap(number - next),
                    number if seen.contains(&number) => Place::Again,
                    _ => Place::Late,
                };
                prop_assert_eq!(order.take(number), expected);
                seen.insert(number);
                prop_assert_eq!(order.missing(70), 70 - seen.len() as u64);
            }
        }
    }
}
