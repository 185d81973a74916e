//! The nearest or farthest of what was found, in order.
//!
//! Members may be at the same distance. Which of them come first, and which COUNT leaves out, is as in Redis, which sorts
//! everything with a stable sort and a part with a quicksort (Bentley and McIlroy, "Engineering a sort function", 1993)
//! that leaves the parts alone that nobody wants.

use std::cmp::Ordering;

/// Shorter parts are sorted by other means.
const PART_ITEMS_MIN: usize = 7;

/// From so many items on the pivot is chosen out of nine.
const NINE_ITEMS_MIN: usize = 41;

/// Parts of parts, so often, are sorted by other means: then the order is one that would make a quicksort slow.
const DEPTH_MAX: usize = 64;

/// Sorts, such that the first `wanted` items are those that belong there.
pub fn sort_first<T>(items: &mut [T], wanted: usize, compare: &impl Fn(&T, &T) -> Ordering) {
    if wanted >= items.len() {
        items.sort_by(compare);
    } else if wanted > 0 {
        sort_part(items, wanted, DEPTH_MAX, compare);
    }
}

fn sort_part<T>(
    mut items: &mut [T],
    mut wanted: usize,
    mut depth: usize,
    compare: &impl Fn(&T, &T) -> Ordering,
) {
    while items.len() >= PART_ITEMS_MIN && depth > 0 {
        depth -= 1;
        items.swap(0, pivot(items, compare));
        let (less, greater) = partition(items, compare);
        sort_part(&mut items[..less], wanted, depth, compare);
        let behind = items.len() - greater;
        if behind >= wanted {
            return;
        }
        items = &mut items[behind..];
        wanted -= behind;
    }
    items.sort_by(compare);
}

/// The place of an item that is probably in the middle.
fn pivot<T>(items: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let (len, middle) = (items.len(), items.len() / 2);
    let median = |first: usize, second: usize, third: usize| {
        let is_less = |left: usize, right: usize| compare(&items[left], &items[right]).is_lt();
        if is_less(first, second) {
            match (is_less(second, third), is_less(first, third)) {
                (true, _) => second,
                (false, true) => third,
                (false, false) => first,
            }
        } else if compare(&items[second], &items[third]).is_gt() {
            second
        } else if is_less(first, third) {
            first
        } else {
            third
        }
    };
    if len == PART_ITEMS_MIN {
        return middle;
    }
    if len < NINE_ITEMS_MIN {
        return median(0, middle, len - 1);
    }
    let step = len / 8;
    median(
        median(0, step, 2 * step),
        median(middle - step, middle, middle + step),
        median(len - 1 - 2 * step, len - 1 - step, len - 1),
    )
}

/// Puts what is less than the first item before what equals it, and what is greater behind that; the numbers of items
/// that are less and greater.
fn partition<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let len = items.len();
    // Equal ones gather at both ends: before `equal`, and from `equal_end` on.
    let (mut equal, mut equal_end) = (1, len);
    let (mut from, mut end) = (1, len);
    loop {
        while from < end {
            match compare(&items[from], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(equal, from);
                    equal += 1;
                }
                Ordering::Less => {}
            }
            from += 1;
        }
        while from < end {
            match compare(&items[end - 1], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    equal_end -= 1;
                    items.swap(end - 1, equal_end);
                }
                Ordering::Greater => {}
            }
            end -= 1;
        }
        if from >= end {
            break;
        }
        items.swap(from, end - 1);
        from += 1;
        end -= 1;
    }
    let (less, greater) = (from - equal, equal_end - end);
    swap_ends(&mut items[..from], equal.min(less));
    swap_ends(&mut items[from..], greater.min(len - equal_end));
    (less, greater)
}

/// Swaps so many items at the beginning with as many at the end.
fn swap_ends<T>(items: &mut [T], count: usize) {
    let (first, last) = items.split_at_mut(items.len() - count);
    first[..count].swap_with_slice(last);
}

#[cfg(test)]
mod tests {
    use super::sort_first;

    #[test]
    fn the_first_ones_are_in_order() {
        let mut random = keyspace::Random::new(3);
        for turn in 0..3_000 {
            let len = random.below(120);
            let different = 1 + random.below(1 + turn % 60);
            let mut items: Vec<(usize, usize)> = (0..len)
                .map(|place| (random.below(different), place))
                .collect();
            let wanted = random.below(len + 2);
            let mut expected: Vec<usize> = items.iter().map(|item| item.0).collect();
            expected.sort_unstable();
            sort_first(&mut items, wanted, &|left, right| left.0.cmp(&right.0));
            let first = items.iter().map(|item| item.0).take(wanted);
            assert!(first.eq(expected.iter().copied().take(wanted)));
            // Nothing is lost.
            let mut places: Vec<usize> = items.iter().map(|item| item.1).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..len));
        }
    }

    /// Every pivot is a bad one.
    #[test]
    fn no_order_takes_long() {
        use std::cell::{Cell, RefCell};

        // McIlroy's adversary decides about the order while it is asked, "A killer adversary for quicksort", 1999.
        const LEN: usize = 20_000;
        let solid = Cell::new(0);
        let values = RefCell::new(vec![LEN; LEN]);
        let candidate = Cell::new(0);
        let compared = Cell::new(0_usize);
        let compare = |left: &usize, right: &usize| {
            compared.set(compared.get() + 1);
            let mut values = values.borrow_mut();
            if values[*left] == LEN && values[*right] == LEN && left != right {
                let fixed = if *left == candidate.get() {
                    *left
                } else {
                    *right
                };
                values[fixed] = solid.get();
                solid.set(solid.get() + 1);
            }
            if values[*left] == LEN {
                candidate.set(*left);
            } else if values[*right] == LEN {
                candidate.set(*right);
            }
            values[*left].cmp(&values[*right])
        };
        let mut items: Vec<usize> = (0..LEN).collect();
        sort_first(&mut items, LEN / 2, &compare);
        assert!(compared.get() < LEN * 200, "{} comparisons", compared.get());
    }
}
