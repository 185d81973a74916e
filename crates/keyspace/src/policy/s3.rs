//! Adaptive S3: S3-FIFO with a CLOCK over the hash table in place of its main queue, and a small queue whose size follows
//! miniature simulations; none of them is a fourth choice. docs/eviction.md has the rules and what was measured.
//!
//! J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023.
//!
//! | file | what it holds |
//! |---|---|
//! | `ghost` | what is remembered of evicted keys |
//! | `region` | the state of a part of the keys: small queue, ghost, hand |
//! | `regions` | the regions of a database, more of them with more keys |
//! | `cache`, `shadows` | the simulations, and the mode that they choose |
//!
//! The count of an entry, and whether it is queued, are in its policy bits. What is done with entries is in `evict`.

pub(crate) mod cache;
mod ghost;
pub(crate) mod region;
pub(crate) mod regions;
pub(crate) mod shadows;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use self::regions::Regions;
use crate::limits::DATABASES;

/// Where the count of an entry saturates.
pub(crate) const COUNT_MAX: u8 = 2;
/// What a key counts that enters main at once in plain mode: the hand passes it once.
const COUNT_PLAIN: u8 = 1;
/// How many entries of main the hand passes for one eviction; the next one goes, whatever it counts.
pub(crate) const PASSED_MAX: usize = 64;

/// What happens to keys that are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They enter main at once, whose CLOCK is then close to least recently used.
    Plain,
    /// They enter a small queue of this part of all entries, and main if they are requested again.
    Queue { percent: u8 },
}

/// What the shadows try out. Larger queues are no better than none.
pub(crate) const MODES: [Mode; 4] = [
    Mode::Plain,
    Mode::Queue { percent: 2 },
    Mode::Queue { percent: 10 },
    Mode::Queue { percent: 30 },
];

impl Mode {
    /// How long the queue may be, with so many entries in all.
    pub fn target(self, entries: usize) -> usize {
        match self {
            Self::Plain => 0,
            Self::Queue { percent } => (entries * usize::from(percent) / 100).max(1),
        }
    }

    /// Whether a new key is queued, and what it counts.
    fn place(self, is_known: bool) -> (bool, u8) {
        match self {
            Self::Plain => (false, COUNT_PLAIN),
            Self::Queue { .. } => (!is_known, 0),
        }
    }

    /// What an entry of main counts when the hand has passed it.
    pub fn passed(self, count: u8) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Queue { .. } => count.saturating_sub(1),
        }
    }
}

/// The policy's state, of all databases.
#[derive(Default)]
pub(crate) struct AdaptiveS3 {
    /// The place in [`MODES`].
    mode: AtomicU8,
    /// Entries that the shadows stand for; 0 while there are none.
    shadow_entries: AtomicU64,
    databases: [OnceLock<Regions>; DATABASES],
}

impl AdaptiveS3 {
    /// The mode of all regions.
    #[inline]
    pub fn mode(&self) -> Mode {
        MODES[usize::from(self.mode.load(Relaxed)) % MODES.len()]
    }

    pub fn set_mode(&self, mode: Mode) {
        let place = MODES.iter().position(|other| *other == mode).unwrap_or(0);
        self.mode.store(place as u8, Relaxed);
    }

    /// The regions of a database.
    pub fn regions(&self, database: u8) -> &Regions {
        self.databases[usize::from(database)].get_or_init(Regions::default)
    }

    /// Those that there are, with their databases.
    pub fn all(&self) -> impl Iterator<Item = (u8, &Regions)> {
        let regions = self.databases.iter().map(OnceLock::get);
        (0..)
            .zip(regions)
            .filter_map(|(database, regions)| Some((database, regions?)))
    }

    /// Whether there are shadows.
    #[inline]
    pub fn has_shadows(&self) -> bool {
        self.shadow_entries.load(Relaxed) > 0
    }

    /// Whether shadows of so many entries are to be started: there are none, or some of a cache of another size.
    pub fn wants_shadows(&self, entries: u64) -> bool {
        let shadow_entries = self.shadow_entries.load(Relaxed);
        let is_right = shadow_entries / 2 <= entries && entries / 2 <= shadow_entries;
        entries > 0 && !is_right && self.shadow_entries.swap(entries, Relaxed) == shadow_entries
    }

    /// Forgets everything. Entries that were queued count as main's from now on.
    pub fn forget(&self) {
        self.mode.store(0, Relaxed);
        self.shadow_entries.store(0, Relaxed);
        for regions in self.databases.iter().filter_map(OnceLock::get) {
            regions.forget();
        }
    }

    /// As [`AdaptiveS3::forget`], for some databases.
    pub fn forget_databases(&self, databases: impl Iterator<Item = u8>) {
        for database in databases {
            if let Some(regions) = self.databases[usize::from(database)].get() {
                regions.forget();
            }
        }
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        let regions = self.databases.iter().filter_map(OnceLock::get);
        regions.map(Regions::bytes).sum()
    }
}

/// The place of a hash among `count`, in hash order.
#[inline]
fn scaled(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}
