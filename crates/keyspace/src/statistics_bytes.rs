//! What the statistics themselves take of the memory, added up from sizes and capacities when somebody asks.

use std::collections::HashMap;

use crate::keyspace::Keyspace;
use crate::prefix::counts::PrefixCounts;
use crate::samples::Buffer;
use crate::stats::Counters;

/// Memory of statistics, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatisticsBytes {
    /// What they take from the start on.
    pub at_start: u64,
    /// What they take beyond that by now.
    pub since: u64,
}

impl Keyspace {
    /// What the statistics take: counters, samples with what is made of them, hot keys and big keys. What is counted for
    /// prefixes is part of it, their indexes are not.
    pub fn statistics_bytes(&self) -> StatisticsBytes {
        let counters = size_of_val::<[Counters]>(&self.counters);
        let prefixes = self.counters.iter().filter_map(Counters::prefixes);
        let prefixes: usize = prefixes.map(PrefixCounts::memory_bytes).sum();
        let buffers = self.registered_workers() * Buffer::MEMORY_BYTES;
        let at_start = counters + prefixes + buffers + self.hot_keys.bytes_at_start();
        let since = self.hot_keys.bytes_since_start()
            + self.big_keys.memory_bytes()
            + self.samples.observers().memory_bytes();
        StatisticsBytes {
            at_start: at_start as u64,
            since: since as u64,
        }
    }
}

/// What a vector has allocated.
pub(crate) fn vec_bytes<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

/// What a hash map has allocated: a power of two of places with a control byte each, of which 7/8 are used at most.
pub(crate) fn map_bytes<K, V, S>(map: &HashMap<K, V, S>) -> usize {
    match map.capacity() {
        0 => 0,
        capacity => (capacity * 8 / 7).next_power_of_two() * (size_of::<(K, V)>() + 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::map_bytes;

    #[test]
    fn a_map_is_a_power_of_two() {
        let mut map: HashMap<u64, u64> = HashMap::new();
        assert_eq!(map_bytes(&map), 0);
        for (keys, places) in [(3, 4), (4, 8), (8, 16), (100, 128), (7_000, 8192)] {
            (0..keys).for_each(|key| {
                map.insert(key, key);
            });
            assert_eq!(map_bytes(&map), places * 17, "{keys}");
        }
    }
}
