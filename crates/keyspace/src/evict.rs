//! Eviction: workers take out keys as they write, in proportion to what they write, and help when there is much to do.

mod prefix;
mod s3;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use crate::access::Locked;
use crate::ahead::Spot;
use crate::budget::Eviction;
use crate::entry::EntryRef;
use crate::hash::spread;
use crate::keyspace::{Keyspace, Worker};
use crate::limits::DATABASES;
use crate::policy::Order;
use crate::policy::bits::Touch;
use crate::policy::sampled::{Candidate, NEW_MAX, Pool, SCORE_MAX};
use crate::prefix::Prefixes;
use crate::random::Random;

/// Keys that are evicted in one go: what they are chosen from is asked for together, so that one does not wait for memory
/// after the other.
const BATCH: usize = 16;
/// Places that will be looked at next, of one bucket each, and to how many of them the entries are asked for: those that
/// one batch needs.
const PLACES: usize = 2 * ENTRIES_AHEAD;
const ENTRIES_AHEAD: usize = 16;
/// Buckets that are looked at from a random one on: finding the first one costs more than the next ones, and who is a
/// neighbour has nothing to do with use.
const RUN: usize = 4;
/// Random shards that are looked at before the next ones in order are.
const RANDOM_SHARDS: usize = 32;
/// Times that nothing was found to evict before it counts as nothing.
const ATTEMPTS_MAX: usize = 64;
/// What each worker takes on of what is too much, besides what it has written itself.
const SHARE_OF_EXCESS: i64 = 8;
/// So few keys lie near the processor: looking at one costs little, ...
const NEAR_KEYS_MAX: u64 = 1 << 15;
/// ... so so many times as many are looked at, for an order that is close to exact.
const NEAR_SAMPLES: u32 = 6;
/// The shadows of adaptive S3 start when one part in so many of the limit is used.
const FILLED_RATIO: u64 = 16;
/// The clock ticks as often as one in so many keys was evicted.
const TICKS_PER_TURNOVER: u64 = 1024;

/// One worker's part of eviction.
#[derive(Default)]
pub(crate) struct Evictor {
    pool: Pool,
    /// Where is looked next.
    places: VecDeque<Spot>,
    /// Buckets that follow the last one of them and will be looked at, too.
    left_of_run: usize,
    /// The [`crate::budget::Budget::generation`] that the pool belongs to.
    generation: u32,
    random: Random,
    evicted_since_tick: u64,
    prefixes: prefix::Evictors,
}

/// How much is to be evicted in one go.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// At most so many keys ...
    keys: usize,
    /// ... and no more when the worker has added so many bytes, which is below zero.
    added_bytes: i64,
}

/// What came of looking for a key to evict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evicted {
    /// So many.
    Keys(usize),
    /// There may be some elsewhere, or later.
    NotYet,
    Nothing,
}

/// What one call of [`Worker::make_room`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadeRoom {
    /// Keys evicted.
    pub evicted: usize,
    /// What this worker has added since the last call, in bytes; 0 without a limit.
    pub written_bytes: u64,
    /// There is more to do.
    pub is_behind: bool,
    /// Writes wait.
    pub is_full: bool,
}

impl Worker {
    /// Evicts keys if memory is short: as much as this worker has added since the last call and a part of what is too
    /// much, but at most about `keys_max`. Between groups.
    #[inline]
    pub fn make_room(&mut self, now_ms: u64, keys_max: usize) -> MadeRoom {
        if self.keyspace.prefixes.is_some() {
            return self.make_room_with_prefixes(now_ms, keys_max);
        }
        self.make_room_in_all(now_ms, keys_max)
    }

    #[inline]
    fn make_room_in_all(&mut self, now_ms: u64, keys_max: usize) -> MadeRoom {
        let counters = &self.keyspace.counters[self.id];
        let budget = &self.keyspace.budget;
        if !budget.has_limit() {
            budget.report(&counters.unreported_bytes, false);
            return MadeRoom::default();
        }
        let written = counters.unreported_bytes.load(Relaxed);
        budget.report(&counters.unreported_bytes, true);
        let written_bytes = written.max(0).cast_unsigned();
        let excess = budget.excess_bytes();
        let is_full = self.keyspace.room_bytes() <= 0;
        if excess <= 0 {
            self.prepare(now_ms);
            return MadeRoom {
                written_bytes,
                is_full,
                ..MadeRoom::default()
            };
        }
        let part = written.max(0) * 2 + excess / SHARE_OF_EXCESS + 1;
        let wanted = if is_full { excess } else { part.min(excess) };
        MadeRoom {
            written_bytes,
            is_full,
            ..self.evict(now_ms, wanted, keys_max)
        }
    }

    #[cold]
    fn evict(&mut self, now_ms: u64, wanted_bytes: i64, keys_max: usize) -> MadeRoom {
        let mut eviction = self.keyspace.budget.eviction();
        let Some(order) = eviction.policy.order() else {
            return MadeRoom::default();
        };
        let mut evictor = std::mem::take(&mut self.evictor);
        evictor.begin(self.keyspace.budget.generation.load(Relaxed));
        let databases = self.databases_with(eviction.policy.is_volatile());
        let keys: u64 = databases.iter().map(|(_, keys)| keys).sum();
        self.keyspace.fit_shadows(order, keys);
        if keys <= NEAR_KEYS_MAX {
            eviction.samples = eviction.samples.saturating_mul(NEAR_SAMPLES);
        }
        let mut made = MadeRoom::default();
        let (mut attempts, mut is_nothing) = (0, true);
        if order == Order::S3Fifo {
            self.keyspace.fit_regions(&databases);
        }
        let key_bytes = (self.keyspace.used_bytes() / keys.max(1)).max(1);
        while made.evicted < keys_max && attempts < ATTEMPTS_MAX {
            let unreported = &self.keyspace.counters[self.id].unreported_bytes;
            let left_bytes = wanted_bytes + unreported.load(Relaxed);
            if left_bytes <= 0 {
                break;
            }
            let left_keys = left_bytes.cast_unsigned().div_ceil(key_bytes);
            let wanted = Wanted {
                keys: (left_keys as usize).min(keys_max - made.evicted).min(BATCH),
                added_bytes: -wanted_bytes,
            };
            let mut group = self.group(now_ms);
            let mut locked = group.lock_nothing();
            match evictor.evict_some(&mut locked, eviction, order, &databases, wanted) {
                Evicted::Keys(keys) => {
                    made.evicted += keys;
                    attempts = 0;
                }
                Evicted::NotYet => (attempts, is_nothing) = (attempts + 1, false),
                Evicted::Nothing => attempts += 1,
            }
        }
        let is_stuck = made.evicted == 0 && attempts >= ATTEMPTS_MAX && is_nothing;
        evictor.tick(self, now_ms, made.evicted);
        self.evictor = evictor;
        let keyspace = &self.keyspace;
        keyspace
            .budget
            .report(&keyspace.counters[self.id].unreported_bytes, true);
        keyspace.budget.set_stuck(is_stuck);
        made.is_behind = keyspace.budget.excess_bytes() > 0 && !is_stuck;
        made
    }

    /// What there is to do with a limit while there is room.
    fn prepare(&mut self, now_ms: u64) {
        let Some(order) = self.keyspace.budget.policy().order() else {
            return;
        };
        if order == Order::S3Fifo {
            self.settle_queues(now_ms);
        } else if order != Order::Lru {
            return;
        }
        let keyspace = &self.keyspace;
        let (used, limit) = (keyspace.budget.used_bytes(), keyspace.budget.limit_bytes());
        let used = used.max(1).cast_unsigned();
        if !keyspace.s3.has_shadows() && used > limit / FILLED_RATIO {
            let keys = u128::from(keyspace.keys_of_all()) * u128::from(limit) / u128::from(used);
            keyspace.fit_shadows(order, u64::try_from(keys).unwrap_or(u64::MAX));
        }
    }

    /// The databases that have keys to evict, and how many.
    fn databases_with(&self, deadlines: bool) -> Vec<(u8, u64)> {
        let keys = |database| {
            if deadlines {
                self.keyspace.deadlines(database)
            } else {
                self.keyspace.keys_to_evict(database)
            }
        };
        (0..DATABASES as u8)
            .map(|database| (database, keys(database)))
            .filter(|(_, keys)| *keys > 0)
            .collect()
    }
}

impl Evictor {
    pub fn new(worker: usize) -> Self {
        Self {
            random: Random::new(worker as u64 + 1),
            ..Self::default()
        }
    }

    fn begin(&mut self, generation: u32) {
        if self.generation != generation {
            self.pool.clear();
            self.places.clear();
            self.prefixes.clear();
            self.generation = generation;
        }
    }

    /// Lets the access clock tick as fast as keys go.
    fn tick(&mut self, worker: &Worker, now_ms: u64, evicted: usize) {
        self.evicted_since_tick += evicted as u64;
        if self.evicted_since_tick > worker.keyspace.keys_of_all() / TICKS_PER_TURNOVER {
            self.evicted_since_tick = 0;
            worker.keyspace.budget.clock.hurry(now_ms);
        }
    }

    /// Evicts some keys.
    fn evict_some(
        &mut self,
        locked: &mut Locked<'_>,
        eviction: Eviction,
        order: Order,
        databases: &[(u8, u64)],
        wanted: Wanted,
    ) -> Evicted {
        if order == Order::S3Fifo {
            return match self.database(databases) {
                Some(database) => self.evict_s3(locked, database, eviction.policy.is_volatile()),
                None => Evicted::Nothing,
            };
        }
        let choice = Choice {
            touch: locked.touch_bits(),
            order,
            is_volatile: eviction.policy.is_volatile(),
            among: Among::All(locked.keyspace(), locked.now_ms()),
        };
        // A key with a deadline may be far from any place. No more go than were looked for: they would be the worst ones.
        let keys = if choice.is_volatile { 1 } else { wanted.keys };
        let samples = match order {
            Order::Random => keys,
            Order::Lru | Order::Lfu | Order::Ttl | Order::S3Fifo => {
                (keys * eviction.samples as usize).min(NEW_MAX)
            }
        };
        self.offer_some(locked, databases, &choice, samples);
        self.pool.sort();
        for candidate in self.pool.first(keys) {
            candidate.spotted.ask_for_key();
        }
        let mut evicted = 0;
        while evicted < keys
            && locked.added_bytes() > wanted.added_bytes
            && evict_first(&mut self.pool, locked, &choice).is_some()
        {
            evicted += 1;
        }
        match evicted {
            0 => Evicted::Nothing,
            _ => Evicted::Keys(evicted),
        }
    }

    /// Looks at about so many entries at random.
    fn offer_some(
        &mut self,
        locked: &Locked<'_>,
        databases: &[(u8, u64)],
        choice: &Choice<'_>,
        samples: usize,
    ) {
        let mut offered = 0;
        while offered < samples && !databases.is_empty() {
            self.look_ahead(locked, databases, choice);
            let Some(place) = self.places.pop_front() else {
                return;
            };
            match self.sample(locked, choice, place) {
                0 => return,
                more => offered += more,
            }
        }
    }

    /// Asks for what the next places have, and for the buckets of those after them: by the time that it is their turn,
    /// mostly between other groups, all has come.
    fn look_ahead(&mut self, locked: &Locked<'_>, databases: &[(u8, u64)], choice: &Choice<'_>) {
        // Where all entries go, the next buckets are to keep theirs.
        let run = if choice.order == Order::Random {
            1
        } else {
            RUN
        };
        while self.places.len() < PLACES {
            let last = self.places.back().filter(|_| self.left_of_run > 0);
            let place = match last {
                Some(last) => locked.next_place(*last),
                None => self.place(locked, databases, choice.is_volatile),
            };
            self.left_of_run = self.left_of_run.checked_sub(1).unwrap_or(run - 1);
            locked.ask_for_bucket(place);
            self.places.push_back(place);
            if let Some(place) = self.places.get(ENTRIES_AHEAD) {
                locked.ask_for_entries(*place);
            }
        }
    }

    /// A random place where there may be keys to evict.
    fn place(&mut self, locked: &Locked<'_>, databases: &[(u8, u64)], is_volatile: bool) -> Spot {
        let database = self.database(databases).unwrap_or(0);
        let mut position = spread(self.random.bits());
        for _ in 0..RANDOM_SHARDS {
            if locked.has_candidates(database, position, is_volatile) {
                break;
            }
            position = spread(self.random.bits());
        }
        Spot { database, position }
    }

    /// A database at random, in proportion to its keys.
    fn database(&mut self, databases: &[(u8, u64)]) -> Option<u8> {
        if let [(database, _)] = databases {
            return Some(*database);
        }
        let all: u64 = databases.iter().map(|(_, keys)| keys).sum();
        let mut at = self.random.bits() % all.max(1);
        for (database, keys) in databases {
            if at < *keys {
                return Some(*database);
            }
            at -= keys;
        }
        None
    }

    /// Looks at the entries of this place, or of the first one after it that has some that may go; how many may.
    fn sample(&mut self, locked: &Locked<'_>, choice: &Choice<'_>, place: Spot) -> usize {
        let Spot {
            database,
            mut position,
        } = place;
        let pool = &mut self.pool;
        let mut offered = 0;
        // Where there is one key that may go among millions that may not, all of them are gone through.
        let mut is_second_half = false;
        loop {
            position = locked.spot(database, position, choice.is_volatile, |spotted, entry| {
                if let Some(score) = choice.score(entry) {
                    offered += 1;
                    pool.offer(Candidate {
                        spotted,
                        database,
                        score,
                    });
                }
            });
            if offered > 0 || is_second_half && (position == 0 || position > place.position) {
                return offered;
            }
            is_second_half |= position == 0;
        }
    }
}

/// Evicts the first candidate that is still one; its database and hash, None when there is none.
fn evict_first(pool: &mut Pool, locked: &mut Locked<'_>, choice: &Choice<'_>) -> Option<(u8, u64)> {
    while let Some(candidate) = pool.take() {
        // Those that have been used since do not go; their turn comes again.
        let is_still_first = |entry: EntryRef<'_>| {
            choice
                .score(entry)
                .is_some_and(|score| score >= candidate.score)
        };
        let Candidate {
            database, spotted, ..
        } = candidate;
        if let Some(hash) = locked.evict_spotted(database, spotted, is_still_first) {
            return Some((database, hash));
        }
    }
    None
}

/// Which entries may go, and when.
struct Choice<'k> {
    touch: Touch,
    order: Order,
    is_volatile: bool,
    among: Among<'k>,
}

/// The entries that are compared.
#[derive(Clone, Copy)]
enum Among<'k> {
    /// Those of the whole keyspace, now in milliseconds.
    All(&'k Keyspace, u64),
    /// Those of one prefix, with its number.
    Prefix(&'k Prefixes, usize),
}

impl Choice<'_> {
    /// The policy bits as this policy reads them; None when the entry's prefix keeps it, or is another one: where an
    /// entry was spotted, there may be anybody's by now.
    #[inline]
    fn bits(&self, entry: EntryRef<'_>) -> Option<u32> {
        match self.among {
            Among::All(keyspace, now_ms) => match &keyspace.prefixes {
                None => Some(entry.policy()),
                Some(prefixes) => prefixes.bits_for_all(keyspace, entry, &self.touch, now_ms),
            },
            Among::Prefix(prefixes, id) => {
                (prefixes.find(entry.key()) == Some(id)).then(|| entry.policy())
            }
        }
    }

    fn age(&self, bits: u32) -> u64 {
        u64::from(u32::MAX - self.touch.last_tick(bits))
    }

    /// The higher, the sooner it goes; None when it may not go.
    #[inline(always)]
    fn score(&self, entry: EntryRef<'_>) -> Option<u64> {
        let deadline_ms = entry.deadline_ms();
        if self.is_volatile && deadline_ms.is_none() {
            return None;
        }
        let bits = self.bits(entry)?;
        Some(match self.order {
            // Before the first tick, time was already long.
            Order::Lru | Order::S3Fifo => self.age(bits),
            // Adaptive S3 keeps no frequencies.
            Order::Lfu if self.touch.has_places() => self.age(bits),
            Order::Lfu => u64::from(u8::MAX) - u64::from(self.touch.counter(bits)),
            Order::Ttl => SCORE_MAX - deadline_ms.unwrap_or(SCORE_MAX).min(SCORE_MAX),
            Order::Random => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::budget::{Eviction, Limit, Room};
    use crate::keyspace::{Keyspace, Options, Worker};
    use crate::policy::{EvictionPolicy, Order};
    use crate::slab::HugePages;
    use crate::value::{Deadline, NewValue};

    const NOW_MS: u64 = 1_000_000;

    fn keyspace(policy: EvictionPolicy, limit_bytes: u64) -> (Arc<Keyspace>, Worker) {
        let keyspace = Keyspace::new(Options {
            num_shards: 16,
            workers_max: 1,
            seed: 3,
            huge_pages: HugePages::No,
        });
        keyspace.set_eviction(Eviction {
            policy,
            ..Eviction::default()
        });
        keyspace.set_limit(Some(Limit {
            bytes: limit_bytes,
            low_bytes: limit_bytes,
        }));
        let worker = keyspace.worker();
        (keyspace, worker)
    }

    fn set(worker: &mut Worker, number: u64, deadline: Deadline) -> Room {
        let bytes = number.to_be_bytes();
        let key = worker.keyspace().key(0, &bytes);
        let mut group = worker.group(NOW_MS);
        let room = group.room();
        if room == Room::Enough {
            let mut locked = group.lock_one(0, key.hash).expect("nobody else");
            locked.set(key, NewValue::Bytes(&[b'v'; 48]), deadline);
        }
        room
    }

    fn get(worker: &mut Worker, number: u64) -> bool {
        let bytes = number.to_be_bytes();
        let key = worker.keyspace().key(0, &bytes);
        let group = worker.group(NOW_MS);
        group.read(key, true).is_ok_and(|entry| entry.is_some())
    }

    #[test]
    fn many_at_once_go_in_the_same_order() {
        for policy in [
            EvictionPolicy::AllKeys(Order::Ttl),
            EvictionPolicy::Volatile(Order::Ttl),
        ] {
            let (keyspace, mut worker) = keyspace(policy, 1000 * 72);
            // As it is with many keys.
            keyspace.set_eviction(Eviction {
                policy,
                samples: 1,
                ..Eviction::default()
            });
            keyspace.set_limit(Some(Limit {
                bytes: 1100 * 72,
                low_bytes: 1000 * 72,
            }));
            for number in 0..10_000 {
                let room = set(&mut worker, number, Deadline::At(NOW_MS + number));
                assert_eq!(room, Room::Enough);
                if number % 64 == 0 {
                    worker.make_room(NOW_MS, usize::MAX);
                }
            }
            let new = (9000..10_000).filter(|number| get(&mut worker, *number));
            let new = new.count();
            assert!(new > 700, "{policy:?}: {new}");
        }
    }

    #[test]
    fn however_many_samples_are_asked_for_it_ends() {
        for policy in [
            EvictionPolicy::AllKeys(Order::Lru),
            EvictionPolicy::Volatile(Order::Lru),
        ] {
            let (keyspace, mut worker) = keyspace(policy, 100 * 72);
            keyspace.set_eviction(Eviction {
                policy,
                samples: u32::MAX,
                ..Eviction::default()
            });
            for number in 0..200 {
                set(&mut worker, number, Deadline::At(NOW_MS + number));
                worker.make_room(NOW_MS, usize::MAX);
            }
            assert!(keyspace.used_bytes() <= 101 * 72);
        }
    }

    fn churn(policy: EvictionPolicy, hot: impl Fn(u64) -> bool) -> (u64, u64) {
        const KEYS: u64 = 1000;
        let (keyspace, mut worker) = keyspace(policy, KEYS * 64);
        for number in 0..10 * KEYS {
            assert_eq!(
                set(&mut worker, number, Deadline::At(NOW_MS + number)),
                Room::Enough
            );
            worker.make_room(NOW_MS, usize::MAX);
            assert!(keyspace.used_bytes() <= KEYS * 72);
            for hot in (0..number).take(50).filter(|number| hot(*number)) {
                get(&mut worker, hot);
            }
        }
        let there = |from, to| {
            (from..to)
                .filter(|number| get(&mut worker, *number))
                .count() as u64
        };
        let mut there = there;
        (there(0, 50), there(9 * KEYS, 10 * KEYS))
    }

    #[test]
    fn what_is_used_stays() {
        for order in [Order::Lru, Order::Lfu] {
            let (hot, _) = churn(EvictionPolicy::AllKeys(order), |_| true);
            assert!(hot >= 49, "{order:?}: {hot} of 50");
        }
        let (old, new) = churn(EvictionPolicy::AllKeys(Order::Lru), |_| false);
        assert!(old == 0 && new > 800, "{old} old, {new} new ones");
        let (old, new) = churn(EvictionPolicy::Volatile(Order::Ttl), |_| false);
        assert!(old == 0 && new > 700, "{old} old, {new} new ones");
    }

    #[test]
    fn only_keys_with_a_deadline_go_when_it_says_so() {
        let (keyspace, mut worker) = keyspace(EvictionPolicy::Volatile(Order::Lru), 500 * 72);
        for number in 0..400 {
            set(&mut worker, number, Deadline::None);
        }
        for number in 1000..3000 {
            assert_ne!(
                set(&mut worker, number, Deadline::At(NOW_MS * 2)),
                Room::None
            );
            worker.make_room(NOW_MS, usize::MAX);
        }
        assert!((0..400).all(|number| get(&mut worker, number)));
        assert!(keyspace.used_bytes() <= 501 * 72);
        let mut number = 10_000;
        while set(&mut worker, number, Deadline::None) != Room::None {
            worker.make_room(NOW_MS, usize::MAX);
            number += 1;
        }
        // Nothing is left that may go, but what is there can be read, and taking something out makes room.
        assert_eq!(keyspace.deadlines(0), 0);
        assert!(get(&mut worker, 0));
    }

    #[test]
    fn without_eviction_writes_are_refused() {
        let (keyspace, mut worker) = keyspace(EvictionPolicy::NoEviction, 100 * 64);
        let written = (0..1000)
            .take_while(|number| set(&mut worker, *number, Deadline::None) == Room::Enough)
            .count();
        assert!((100..=102).contains(&written), "{written}");
        assert_eq!(worker.make_room(NOW_MS, usize::MAX).evicted, 0);
        assert_eq!(keyspace.keys(0), written as u64);
    }

    #[test]
    fn bytes_are_counted_and_a_flush_forgets_them() {
        let (keyspace, mut worker) = keyspace(EvictionPolicy::NoEviction, u64::MAX / 4);
        for number in 0..5000 {
            set(&mut worker, number % 3000, Deadline::None);
        }
        assert_eq!(keyspace.used_bytes(), 3000 * 64);
        assert_eq!(keyspace.stats(NOW_MS).databases[0].bytes, 3000 * 64);
        assert!(keyspace.stats(NOW_MS).databases[0].table_bytes > 0);
        let mut plan = crate::Plan::default();
        plan.add_everything();
        let mut group = worker.group(NOW_MS);
        group
            .lock(&mut plan)
            .expect("nobody else")
            .flush(0..1, crate::Free::Now);
        drop(group);
        assert_eq!(keyspace.used_bytes(), 0);
        assert_eq!(keyspace.stats(NOW_MS).databases[0].table_bytes, 0);
    }
}
