//! Points: lines of one measurement with the same tags and the same time are one point, and one row of a frame
//! with a labels column.

use std::collections::HashMap;

use super::key_hash::KeyHashes;
use super::packet::TIME_BYTES;
use super::rows::Row;

/// A point whose row has begun.
#[derive(Clone, Copy)]
struct Begun {
    time_ns: i64,
    /// The number of its last row.
    row: usize,
    /// What that row adds to a frame, at most, beyond a null for every column.
    bytes: usize,
}

/// Make one row of the lines of each point, which must be in time order. Rows keep the order in which they
/// begin, and the lines of one their own. No row passes `max_row_bytes` by this: a point with more has several.
///
/// Linear in the number of lines, whatever they hold; lines whose times all differ are only looked at.
pub(super) fn join_lines(lines: &mut [Row], max_row_bytes: usize) {
    if lines.is_sorted_by(|line, next| line.time_ns < next.time_ns) {
        return;
    }
    let (mut numbers, count) = number_rows(lines, max_row_bytes);
    if count == lines.len() {
        return;
    }
    let mut begun = 0;
    for (line, &number) in lines.iter_mut().zip(&numbers) {
        line.opens = number == begun;
        if line.opens {
            begun += 1;
        } else {
            line.bytes = part_bytes(line);
        }
    }
    to_places(&mut numbers, count);
    permute(lines, &mut numbers);
}

/// What a line adds to a row that has its time and labels already.
fn part_bytes(line: &Row) -> usize {
    line.bytes - TIME_BYTES - line.labels.len() - 1
}

/// For each line the number of its row, in the order in which rows begin; and how many rows there are.
fn number_rows(lines: &[Row], max_row_bytes: usize) -> (Vec<usize>, usize) {
    // By the text, which is all that a subscriber can tell rows by: one set of tags may be spelled in several
    // ways, each with an allocation of its own. A point of an earlier time is left in its place, since emptying
    // a table takes as long as it is large, however few were added last.
    let mut points: HashMap<&[u8], Begun, KeyHashes> = HashMap::default();
    let mut count = 0;
    let mut numbers = Vec::with_capacity(lines.len());
    for of_one_time in lines.chunk_by(|line, next| line.time_ns == next.time_ns) {
        if of_one_time.len() == 1 {
            numbers.push(count);
            count += 1;
            continue;
        }
        for line in of_one_time {
            let new = Begun {
                time_ns: line.time_ns,
                row: count,
                bytes: line.bytes,
            };
            let point = points.entry(&line.labels).or_insert(new);
            let whole = point.bytes + part_bytes(line);
            if point.row < count && point.time_ns == line.time_ns && whole <= max_row_bytes {
                point.bytes = whole;
            } else {
                *point = new;
                count += 1;
            }
            numbers.push(point.row);
        }
    }
    (numbers, count)
}

/// Turn the numbers of rows into the places of their lines, row by row (a counting sort).
fn to_places(numbers: &mut [usize], count: usize) {
    let mut next = vec![0; count];
    for &number in &*numbers {
        next[number] += 1;
    }
    let mut total = 0;
    for place in &mut next {
        total += std::mem::replace(place, total);
    }
    for number in numbers {
        let place = &mut next[*number];
        *number = *place;
        *place += 1;
    }
}

/// Bring each item to its place; each swap brings one there for good.
fn permute<T>(items: &mut [T], places: &mut [usize]) {
    for at in 0..items.len() {
        while places[at] != at {
            let place = places[at];
            items.swap(at, place);
            places.swap(at, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Lines of these times and labels; `start` tells them apart, and each takes ten bytes for its cells.
    fn lines(points: &[(i64, u8)]) -> Vec<Row> {
        let line = |(start, &(time_ns, label)): (usize, &(i64, u8))| Row {
            time_ns,
            opens: true,
            labels: Arc::from([label]),
            start,
            end: start,
            bytes: TIME_BYTES + 2 + 10,
        };
        points.iter().enumerate().map(line).collect()
    }

    /// The lines of each row.
    fn joined(points: &[(i64, u8)], parts: usize) -> Vec<Vec<usize>> {
        let mut lines = lines(points);
        let most = TIME_BYTES + 2 + 10 * parts;
        join_lines(&mut lines, most);
        let mut rows: Vec<Vec<usize>> = Vec::new();
        for row in lines.chunk_by(|_, next| !next.opens) {
            assert!(row[0].opens);
            assert!(row.iter().map(|line| line.bytes).sum::<usize>() <= most);
            rows.push(row.iter().map(|line| line.start).collect());
        }
        rows
    }

    #[test]
    fn a_row_that_is_full_is_followed_by_another_of_its_point() {
        let points = [(0, b'a'), (0, b'b'), (0, b'a'), (0, b'a'), (0, b'b'), (0, b'a')];
        assert_eq!(joined(&points, 2), [vec![0, 2], vec![1, 4], vec![3, 5]]);
        assert_eq!(joined(&points, 4), [vec![0, 2, 3, 5], vec![1, 4]]);
        assert_eq!(joined(&points, 1).len(), points.len());
    }

    proptest! {
        #[test]
        fn rows_are_those_of_a_search_through_all_rows_before(
            mut points in prop::collection::vec((0_i64..4, prop::sample::select(&b"abc"[..])), 0..24),
            parts in 1_usize..5,
        ) {
            points.sort_by_key(|point| point.0);
            let mut expected: Vec<Vec<usize>> = Vec::new();
            for (number, point) in points.iter().enumerate() {
                let last = expected.iter_mut().rev().find(|row| points[row[0]] == *point);
                match last.filter(|row| row.len() < parts) {
                    Some(row) => row.push(number),
                    None => expected.push(vec![number]),
                }
            }
            prop_assert_eq!(joined(&points, parts), expected);
        }
    }
}
