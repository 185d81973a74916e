//! Prefixes: keys that begin with configured bytes are counted apart, and may have a limit, a policy and lifetimes of
//! their own.
//!
//! | file | what it holds |
//! |---|---|
//! | `matcher` | which prefix a key has: the longest that matches |
//! | `counts` | what a worker counts of each prefix |
//! | `cap` | how much a prefix may take, and how much it does |
//! | `index` | the keys of a prefix that has a limit, to evict from |
//!
//! Without prefixes nothing of this costs more than a look at [`crate::stats::Counters::prefixes`]. How keys of a prefix
//! are evicted is told in `evict/prefix`.

pub(crate) mod cap;
pub(crate) mod counts;
pub(crate) mod index;
mod matcher;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use cap::Cap;
use index::Index;
use matcher::Matcher;

use crate::entry::EntryRef;
use crate::keyspace::Keyspace;
use crate::limits::{DATABASES, PREFIXES_MAX};
use crate::policy::bits::{Touch, Use};
use crate::policy::{EvictionPolicy, Order};
use crate::stats::Counters;

/// What holds for the keys of one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixRule {
    /// What the keys begin with. Of several that match, the longest counts.
    pub start: Vec<u8>,
    /// The most bytes that their entries may take, as [`Keyspace::used_bytes`] counts them; None for no limit.
    pub bytes_max: Option<u64>,
    /// Which of them go at that limit; None for the policy of the keyspace. Those of a prefix that has
    /// [`EvictionPolicy::NoEviction`] stay when the keyspace is short of memory, too.
    pub policy: Option<EvictionPolicy>,
    /// What a key lives that is stored without a deadline, in milliseconds.
    pub default_ttl_ms: Option<u64>,
    /// The most that a key lives, in milliseconds.
    pub ttl_ms_max: Option<u64>,
}

/// The numbers of one prefix, all databases together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixStats {
    /// What its keys begin with.
    pub start: Vec<u8>,
    /// Keys, those that have expired and are not yet removed included.
    pub keys: u64,
    /// Memory of their entries and values, in bytes.
    pub bytes: u64,
    /// Lookups by reading commands that found their key.
    pub hits: u64,
    /// Lookups by reading commands that did not.
    pub misses: u64,
    /// Keys that were evicted, for the prefix's limit or that of the keyspace.
    pub evicted: u64,
    /// See [`PrefixRule::bytes_max`].
    pub bytes_max: Option<u64>,
}

/// Whether a key keeps the lifetime that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// It has a new one: without a deadline it gets the prefix's.
    New,
    /// It keeps it, or is to have none on purpose.
    Kept,
}

/// All prefixes of a keyspace.
pub(crate) struct Prefixes {
    rules: Box<[PrefixRule]>,
    matcher: Matcher,
    pub caps: Box<[Option<Cap>]>,
    /// Prefixes at their limit, a bit each. A hint.
    full: AtomicU64,
    /// Prefixes of which keys are to be evicted, a bit each. A hint.
    over: AtomicU64,
    /// The number that each database has in counts and indexes. So exchanging databases exchanges two numbers.
    places: [AtomicU8; DATABASES],
}

impl Prefixes {
    /// # Panics
    /// When there are too many, one is empty, or two are the same.
    pub fn new(rules: Vec<PrefixRule>) -> Option<Arc<Self>> {
        assert!(rules.len() <= PREFIXES_MAX, "the number is checked before");
        if rules.is_empty() {
            return None;
        }
        let caps = rules.iter().map(|rule| rule.bytes_max.map(Cap::new));
        Some(Arc::new(Self {
            matcher: Matcher::new(rules.iter().map(|rule| rule.start.as_slice())),
            caps: caps.collect(),
            rules: rules.into(),
            full: AtomicU64::new(0),
            over: AtomicU64::new(0),
            places: std::array::from_fn(|database| AtomicU8::new(database as u8)),
        }))
    }

    /// The number of a key's prefix.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.matcher.find(key)
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Where a database's counts are.
    #[inline]
    pub fn place(&self, database: u8) -> u8 {
        self.places[usize::from(database)].load(Relaxed)
    }

    /// The database whose counts are there.
    pub fn database_at(&self, place: u8) -> u8 {
        let is_it = |database: &u8| self.place(*database) == place;
        (0..DATABASES as u8).find(is_it).unwrap_or(place)
    }

    /// Exchanges two databases. While the keyspace is locked as a whole.
    pub fn swap_databases(&self, first: u8, second: u8) {
        let [first, second] = [first, second].map(|database| &self.places[usize::from(database)]);
        let old = first.swap(second.load(Relaxed), Relaxed);
        second.store(old, Relaxed);
    }

    /// Which keys of a prefix go at its limit.
    pub fn policy(&self, id: usize, of_all: EvictionPolicy) -> EvictionPolicy {
        self.rules[id].policy.unwrap_or(of_all)
    }

    /// What the policy bits of a prefix's entries are used for, if it has an opinion.
    fn bits(&self, id: usize) -> Option<Use> {
        let policy = self.rules[id].policy?;
        match policy.order()? {
            Order::Lru | Order::Lfu => Some(policy.bits()),
            Order::Random | Order::Ttl | Order::S3Fifo => None,
        }
    }

    /// What the policy bits of a key's entry are used for.
    pub fn bits_of(&self, key: &[u8], of_all: Use) -> Use {
        // Adaptive S3 has a place for each entry.
        if of_all == Use::Count {
            return of_all;
        }
        let own = self.find(key).and_then(|id| self.bits(id));
        own.unwrap_or(of_all)
    }

    /// What an access makes of the policy bits of a prefix's entries.
    pub fn touch(&self, id: Option<usize>, touch: Touch) -> Touch {
        if touch.has_places() {
            return touch;
        }
        match id.and_then(|id| self.bits(id)) {
            Some(used_for) => touch.used_for(used_for),
            None => touch,
        }
    }

    /// The deadline of a key that is to have this one, by the rules of its prefix.
    pub fn deadline_ms(
        &self,
        key: &[u8],
        deadline_ms: Option<u64>,
        lifetime: Lifetime,
        now_ms: u64,
    ) -> Option<u64> {
        let Some(id) = self.find(key) else {
            return deadline_ms;
        };
        let rule = &self.rules[id];
        let default_ttl_ms = match lifetime {
            Lifetime::New => rule.default_ttl_ms,
            Lifetime::Kept => None,
        };
        let deadline_ms = deadline_ms.or(default_ttl_ms.map(|ttl_ms| now_ms + ttl_ms));
        match rule.ttl_ms_max {
            Some(ttl_ms) => Some(deadline_ms.unwrap_or(u64::MAX).min(now_ms + ttl_ms)),
            None => deadline_ms,
        }
    }

    /// Whether an entry may go when the keyspace is short of memory.
    pub fn may_go(&self, entry: EntryRef<'_>) -> bool {
        self.find(entry.key())
            .is_none_or(|id| self.rules[id].policy != Some(EvictionPolicy::NoEviction))
    }

    /// The policy bits of an entry in the form that the policy of the whole keyspace reads; None when it may not go.
    pub fn bits_for_all(
        &self,
        keyspace: &Keyspace,
        entry: EntryRef<'_>,
        touch: &Touch,
        now_ms: u64,
    ) -> Option<u32> {
        let bits = entry.policy();
        let Some(id) = self.find(entry.key()) else {
            return Some(bits);
        };
        if self.rules[id].policy == Some(EvictionPolicy::NoEviction) {
            return None;
        }
        let of_all = keyspace.budget.policy().bits();
        let clock = &keyspace.budget.clock;
        Some(match (self.bits(id).unwrap_or(of_all), of_all) {
            (Use::Frequency, Use::Stamp) => {
                let used_ms = now_ms.saturating_sub(touch.idle_minutes_ms(bits));
                clock.tick_at(used_ms)
            }
            (Use::Stamp, Use::Frequency) => {
                let idle_ms = clock.since_ms(touch.idle_ticks(bits), now_ms);
                touch.seldom_used(now_ms.saturating_sub(idle_ms))
            }
            (Use::Stamp, Use::Stamp) | (Use::Frequency, Use::Frequency) => bits,
            (Use::Count, _) | (_, Use::Count) => bits,
        })
    }

    /// Keys of prefixes that are never evicted, in one database.
    pub fn kept_keys(&self, workers: &[Counters], database: u8) -> u64 {
        let is_kept = |rule: &PrefixRule| rule.policy == Some(EvictionPolicy::NoEviction);
        let ids = (0..self.len()).filter(|id| is_kept(&self.rules[*id]));
        let place = usize::from(self.place(database));
        ids.map(|id| counts::sum(workers, |counts| counts.keys_in(id, place)))
            .sum()
    }

    /// The numbers of all prefixes, in the order of the rules.
    pub fn stats(&self, workers: &[Counters]) -> Vec<PrefixStats> {
        let stats = |(id, rule): (usize, &PrefixRule)| PrefixStats {
            start: rule.start.clone(),
            keys: counts::sum(workers, |counts| counts.keys(id)),
            bytes: counts::sum(workers, |counts| counts.bytes(id)),
            hits: counts::sum(workers, |counts| counts.hits(id)),
            misses: counts::sum(workers, |counts| counts.misses(id)),
            evicted: counts::sum(workers, |counts| counts.evicted(id)),
            bytes_max: rule.bytes_max,
        };
        self.rules.iter().enumerate().map(stats).collect()
    }

    /// Memory of the indexes, in bytes.
    pub fn index_bytes(&self) -> u64 {
        let caps = self.caps.iter().flatten();
        caps.map(|cap| cap.index.bytes()).sum()
    }

    /// Memory of the indexes while they are empty, in bytes.
    pub fn empty_index_bytes(&self) -> u64 {
        let indexes = self.caps.iter().flatten().count();
        (indexes * Index::EMPTY_BYTES) as u64
    }
}
