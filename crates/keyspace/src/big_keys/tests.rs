//! The list against all sizes.

use std::collections::BTreeMap;

use super::{BYTES_MIN, BigKeys, LISTED_MAX};
use crate::access::Key;
use crate::random::Random;

/// The list and an exact model of what it is told.
struct Model {
    big_keys: BigKeys,
    sizes: BTreeMap<u64, i64>,
    random: Random,
}

impl Model {
    fn new() -> Self {
        Self {
            big_keys: BigKeys::new(),
            sizes: BTreeMap::new(),
            random: Random::default(),
        }
    }

    fn set(&mut self, number: u64, bytes: i64) {
        let old_bytes = match bytes {
            0 => self.sizes.remove(&number),
            _ => self.sizes.insert(number, bytes),
        };
        let old_bytes = old_bytes.unwrap_or(0);
        let name = number.to_string();
        let key = Key {
            database: 0,
            bytes: name.as_bytes(),
            hash: number,
        };
        if self.big_keys.concerns(old_bytes, bytes) {
            self.big_keys.update(key, old_bytes, bytes);
        }
    }

    #[track_caller]
    fn check_top(&self, count: usize) {
        let mut expected: Vec<u64> = self.sizes.values().map(|bytes| *bytes as u64).collect();
        expected.retain(|bytes| *bytes > BYTES_MIN);
        expected.sort_unstable_by(|one, other| other.cmp(one));
        expected.truncate(count);
        let listed = self.big_keys.listed.lock().largest(count);
        for big in &listed {
            let number: u64 = String::from_utf8_lossy(&big.key).parse().expect("a number");
            assert_eq!(self.sizes.get(&number).copied(), Some(big.bytes as i64));
        }
        let listed: Vec<u64> = listed.iter().map(|big| big.bytes).collect();
        assert_eq!(listed, expected);
    }
}

#[test]
fn the_largest_are_listed_whatever_happens() {
    let mut model = Model::new();
    for step in 0..100_000 {
        let number = model.random.bits() % 5_000;
        let bytes = match model.random.bits() % 8 {
            0 => 0,
            1 => 100_000_000 / (1 + model.random.bits() % 100_000),
            _ => model.random.bits() % 6_000,
        };
        model.set(number, bytes as i64);
        if step % 500 == 0 {
            model.check_top(32);
        }
    }
}

#[test]
fn the_next_ones_follow_when_the_largest_go() {
    let mut model = Model::new();
    for number in 0..10_000 {
        model.set(number, 10_000 + number as i64);
    }
    model.check_top(LISTED_MAX);
    for number in (9_850..10_000).rev() {
        model.set(number, 0);
        model.check_top(32);
    }
    // Half of the list is gone: what is stored now comes in, though larger keys are there that nobody remembers.
    model.set(1, 5_000);
    let listed = model.big_keys.listed.lock().largest(LISTED_MAX);
    assert_eq!(listed.last().map(|big| big.bytes), Some(5_000));
}

#[test]
fn what_the_list_surely_has_is_not_told_again() {
    let mut model = Model::new();
    let locks_for = |model: &mut Model, number, bytes| {
        let places = std::mem::take(&mut model.big_keys.listed.lock().places);
        model.set(number, bytes);
        let has_changed = !model.big_keys.listed.lock().places.is_empty();
        model.big_keys.listed.lock().places = places;
        has_changed
    };
    for number in 0..300 {
        model.set(number, 10_000 + number as i64);
    }
    assert!(!locks_for(&mut model, 299, 10_299));
    assert!(locks_for(&mut model, 299, 20_000));
    assert!(!locks_for(&mut model, 1, 10_001));
}
