//! The policies of the server itself: a keyspace in this process, with a limit of so many entries.

use std::sync::Arc;

use keyspace::{
    Deadline, Eviction, EvictionPolicy, HugePages, Keyspace, Limit, NewValue, Options, Worker,
};

use super::Cache;

/// An entry without a value: header and key.
const ENTRY_BYTES: u64 = 16;
/// The access clock ticks as keys are evicted, so time stands still.
const NOW_MS: u64 = 1_000_000;
const NUM_SHARDS: usize = 256;

/// A keyspace under a policy.
pub struct ServerPolicy {
    worker: Worker,
    keyspace: Arc<Keyspace>,
}

impl ServerPolicy {
    /// An empty keyspace of that many entries.
    pub fn new(policy: EvictionPolicy, entries: usize, seed: u64) -> Self {
        let keyspace = Keyspace::new(Options {
            num_shards: NUM_SHARDS,
            workers_max: 1,
            seed,
            huge_pages: HugePages::No,
        });
        keyspace.set_eviction(Eviction {
            policy,
            ..Eviction::default()
        });
        let bytes = entries as u64 * ENTRY_BYTES;
        keyspace.set_limit(Some(Limit {
            bytes,
            low_bytes: bytes,
        }));
        Self {
            worker: keyspace.worker(),
            keyspace,
        }
    }
}

impl Cache for ServerPolicy {
    fn access(&mut self, id: u32) -> bool {
        let bytes = u64::from(id).to_be_bytes();
        let key = self.keyspace.key(0, &bytes);
        let mut group = self.worker.group(NOW_MS);
        if group.read(key, true).is_ok_and(|entry| entry.is_some()) {
            return true;
        }
        let mut locked = group
            .lock_one(key.database, key.hash)
            .expect("nobody else has a lock");
        locked.set(key, NewValue::Bytes(b""), Deadline::None);
        drop(locked);
        drop(group);
        self.worker.make_room(NOW_MS, usize::MAX);
        false
    }
}

#[cfg(test)]
mod tests {
    use keyspace::{EvictionPolicy, Order};

    use super::ServerPolicy;
    use crate::simulate::Cache;
    use crate::simulate::exact_lru::ExactLru;
    use crate::simulate::generate::Generator;
    use crate::simulate::reference_s3::ReferenceS3;

    const GENERATORS: [&str; 3] = [
        "scan:keys=20000,requests=200000,length=2000",
        "zipf:theta=0.9,keys=20000,requests=200000",
        "shift:keys=20000,requests=200000,length=1000,period=10000",
    ];

    /// The misses of the server's policy in percent of another cache's.
    fn percent(generator: &str, order: Order, other: &mut dyn Cache, entries: usize) -> usize {
        let generator: Generator = generator.parse().unwrap();
        let requests = generator.trace(1).requests;
        let mut server = ServerPolicy::new(EvictionPolicy::AllKeys(order), entries, 1);
        let misses =
            |cache: &mut dyn Cache| requests.iter().filter(|&&id| !cache.access(id)).count();
        misses(&mut server) * 100 / misses(other)
    }

    #[test]
    fn lru_is_close_to_the_exact_order() {
        for generator in GENERATORS {
            let percent = percent(generator, Order::Lru, &mut ExactLru::new(2000), 2000);
            assert!((98..=101).contains(&percent), "{generator}: {percent} %");
        }
    }

    #[test]
    fn adaptive_s3_is_close_to_its_model() {
        for generator in GENERATORS {
            for entries in [1500, 6000] {
                let mut model = ReferenceS3::new(entries, 64, 1);
                let percent = percent(generator, Order::S3Fifo, &mut model, entries);
                // On so few requests it matters when the mode is chosen.
                assert!((93..=106).contains(&percent), "{generator}: {percent} %");
            }
        }
    }
}
