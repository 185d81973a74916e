//! The adaptive S3 policy as a plain model: what the server's implementation is to do, rule by rule.
//!
//! S3-FIFO (J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for cache eviction",
//! SOSP 2023) with a main part that is a CLOCK over the hash table instead of a queue, a ghost of fingerprints, and a
//! small queue whose share follows miniature simulations. docs/eviction.md has the rules and what was measured.
//!
//! `region` is the policy itself for a part of the keys, `ghost` what it remembers of evicted keys, `shadows` choose
//! the mode: how large the small queue is, or that there is none.
//!
//! It shares no code with the server's policy, because that one is tested against it (`super::server`), and the rules and
//! most figures of docs/eviction.md are those of the model.

mod ghost;
mod region;
mod shadows;

use self::region::Region;
use self::shadows::Shadows;
use super::Cache;

/// No region is smaller: its share of the keys would be too uneven.
const REGION_ENTRIES_MIN: usize = 1000;

/// What happens to keys that are new.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// They enter a small queue with this share of all entries, and main if they are requested again.
    Queue { share: f64 },
    /// They enter main at once, whose CLOCK is then close to least recently used.
    Plain,
}

/// What the shadows try out. Larger queues are no better than none.
const MODES: [Mode; 4] = [
    Mode::Plain,
    Mode::Queue { share: 0.02 },
    Mode::Queue { share: 0.1 },
    Mode::Queue { share: 0.3 },
];

/// Spreads the keys over regions; one set of shadows decides for all of them.
pub struct ReferenceS3 {
    regions: Vec<Region>,
    shadows: Shadows,
    seed: u64,
}

impl ReferenceS3 {
    /// A cache of that many entries in at most that many regions; a small one has fewer. Different seeds put the
    /// keys into different places.
    pub fn new(entries: usize, regions_max: usize, seed: u64) -> Self {
        let count = regions_max.min(entries / REGION_ENTRIES_MIN).max(1);
        // Sizes that add up to all entries.
        let region_entries = |number| entries * (number + 1) / count - entries * number / count;
        let regions = (0..count).map(|number| Region::new(region_entries(number), MODES[0]));
        ReferenceS3 {
            regions: regions.collect(),
            shadows: Shadows::new(entries),
            seed,
        }
    }
}

impl Cache for ReferenceS3 {
    fn access(&mut self, id: u32) -> bool {
        let hash = mixed(u64::from(id) ^ self.seed << 32);
        if let Some(mode) = self.shadows.access(hash) {
            for region in &mut self.regions {
                region.set_mode(mode);
            }
        }
        // The highest bits choose the region, as they choose the shard of a server.
        let region = scaled(hash, self.regions.len());
        self.regions[region].access(mixed(hash))
    }
}

/// Other bits from those of a hash, so that two uses of it know nothing of each other.
fn mixed(hash: u64) -> u64 {
    crate::keys::Random::new(hash).bits()
}

/// The place of a hash among `count`, in hash order.
fn scaled(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::{Cache, ReferenceS3};
    use crate::simulate::exact_lru::ExactLru;
    use crate::simulate::generate::Generator;

    fn misses(cache: &mut dyn Cache, requests: &[u32]) -> usize {
        requests.iter().filter(|&&id| !cache.access(id)).count()
    }

    #[track_caller]
    fn check_against_lru(generator: &str, entries: usize, percent_max: usize) {
        let generator: Generator = generator.parse().unwrap();
        let requests = generator.trace(1).requests;
        let lru = misses(&mut ExactLru::new(entries), &requests);
        for regions in [1, 64] {
            let s3 = misses(&mut ReferenceS3::new(entries, regions, 1), &requests);
            assert!(
                s3 * 100 <= lru * percent_max,
                "{regions} regions: {s3} misses, {lru} of LRU"
            );
        }
    }

    #[test]
    fn scans_do_not_wash_out_what_is_frequent() {
        check_against_lru("scan:keys=20000,requests=200000,length=2000", 2000, 92);
    }

    #[test]
    fn a_part_of_a_loop_stays() {
        check_against_lru("loop:keys=10000,requests=200000", 5000, 80);
    }

    #[test]
    fn a_hot_set_that_changes_costs_little() {
        check_against_lru(
            "shift:keys=20000,requests=200000,length=1000,period=10000",
            2000,
            105,
        );
    }
}
