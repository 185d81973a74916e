//! The sketch against exact counts, on streams whose keys are distributed as those of caches.

use std::collections::HashMap;

use super::sketch::{KEY_BYTES_MAX, Sketch};
use super::{HALF_LIFE_MS, HotKey, HotKeys, decayed_ms};
use crate::access::Key;
use crate::hash::KeyHasher;
use crate::random::Random;

/// A stream of numbers of keys, the more often the smaller, by a power law.
struct Zipf {
    sums: Vec<f64>,
    random: Random,
}

impl Zipf {
    fn new(keys: usize, exponent: f64, seed: u64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=keys).map(|rank| (rank as f64).powf(-exponent));
        let sums = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self {
            sums,
            random: Random::new(seed),
        }
    }

    fn next(&mut self) -> usize {
        let total = self.sums.last().copied().expect("there are keys");
        let place = (self.random.bits() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.sums.partition_point(|sum| *sum < place)
    }
}

fn with_key<R>(name: &str, work: impl FnOnce(Key<'_>) -> R) -> R {
    work(Key {
        database: 0,
        bytes: name.as_bytes(),
        hash: KeyHasher::new(7).hash(name.as_bytes()),
    })
}

/// The names and counts of the sketch, largest first.
fn listed(sketch: &Sketch) -> Vec<(String, u64)> {
    let mut listed: Vec<(String, u64)> = sketch
        .listed()
        .map(|(key, count)| (String::from_utf8_lossy(key.bytes).into_owned(), count))
        .collect();
    listed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    listed
}

#[test]
fn the_top_of_zipf_streams_is_found() {
    for (exponent, samples) in [(0.9, 60_000), (1.0, 20_000), (1.2, 10_000)] {
        let mut zipf = Zipf::new(200_000, exponent, 11);
        let mut exact = HashMap::<usize, u64>::new();
        let mut sketch = Sketch::new(1);
        for _ in 0..samples {
            let rank = zipf.next();
            *exact.entry(rank).or_default() += 1;
            with_key(&rank.to_string(), |key| sketch.record(key, 0));
        }
        let mut ranks: Vec<(usize, u64)> = exact.into_iter().collect();
        ranks.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let listed: HashMap<String, u64> = listed(&sketch).into_iter().take(15).collect();
        for (rank, count) in &ranks[..10] {
            let estimate = listed.get(&rank.to_string()).copied().unwrap_or(0);
            let is_near = estimate <= *count && estimate + count / 10 + 3 >= *count;
            assert!(
                is_near,
                "{exponent}: {rank} came {count} times, not {estimate}"
            );
        }
    }
}

#[test]
fn no_key_is_hot_where_all_are_alike() {
    let mut uniform = Zipf::new(100_000, 0.0, 5);
    let mut sketch = Sketch::new(1);
    for _ in 0..50_000 {
        let number = uniform.next();
        with_key(&number.to_string(), |key| sketch.record(key, 0));
    }
    let counts = listed(&sketch);
    assert!(counts.iter().all(|(_, count)| *count < 12), "{counts:?}");
}

#[test]
fn a_new_hot_key_takes_the_place_of_an_old_one() {
    let mut sketch = Sketch::new(1);
    let mut noise = Zipf::new(10_000, 0.0, 5);
    for period in 0..8 {
        let hot = if period < 2 { "old" } else { "new" };
        for _ in 0..2000 {
            with_key(hot, |key| sketch.record(key, period));
            let other = noise.next();
            with_key(&other.to_string(), |key| sketch.record(key, period));
        }
    }
    let listed = listed(&sketch);
    assert_eq!(listed[0].0, "new");
    let old = with_key("old", |key| sketch.count(key));
    assert!(old < 100, "{old}");
}

#[test]
fn long_keys_are_not_listed() {
    let mut sketch = Sketch::new(1);
    for _ in 0..100 {
        with_key(&"k".repeat(KEY_BYTES_MAX + 1), |key| sketch.record(key, 0));
        with_key(&"k".repeat(KEY_BYTES_MAX), |key| sketch.record(key, 0));
    }
    assert_eq!(listed(&sketch).len(), 1);
}

#[test]
fn time_is_halved_as_counts_are() {
    assert_eq!(decayed_ms(100, 100), 0);
    assert_eq!(decayed_ms(100, 5_100), 5_000);
    assert_eq!(decayed_ms(5_000, 100), 0);
    assert_eq!(decayed_ms(5_000, HALF_LIFE_MS + 1_000), 5_000 + 1_000);
    let long = decayed_ms(5, 1_000 * HALF_LIFE_MS);
    assert!(long.abs_diff(HALF_LIFE_MS) < 32, "{long}");
}

#[test]
fn workers_are_counted_together() {
    let hot_keys = HotKeys::new(3);
    let now_ms = 1_000_000 * HALF_LIFE_MS;
    for at in 0..300 {
        let worker = at % 3;
        with_key("shared", |key| hot_keys.record(worker, key, now_ms));
        if worker == 1 {
            with_key("one", |key| hot_keys.record(worker, key, now_ms));
        }
    }
    let hottest = |count| hot_keys.hottest(count, now_ms + 10_000);
    let hot = |key: &str, accesses_per_second| HotKey {
        database: 0,
        key: key.as_bytes().into(),
        accesses_per_second,
    };
    let expected = [hot("shared", 300 * 128 / 10), hot("one", 100 * 128 / 10)];
    assert_eq!(hottest(5), expected);
    assert_eq!(hottest(1), expected[..1]);
    hot_keys.forget(&(1..2));
    assert_eq!(hottest(5), expected);
    hot_keys.forget(&(0..1));
    assert_eq!(hottest(5), []);
}
