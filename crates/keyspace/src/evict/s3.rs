//! Eviction under adaptive S3: what the rules of `policy::s3` do to entries.

use super::{Evicted, Evictor};
use crate::access::{Key, Locked};
use crate::entry::EntryRef;
use crate::hash::{spread, uniform};
use crate::keyspace::{Keyspace, Worker};
use crate::policy::Order;
use crate::policy::bits::Place;
use crate::policy::s3::region::{Hand, Next, Region};
use crate::policy::s3::regions::{RegionGuard, start};
use crate::policy::s3::shadows::Shadows;
use crate::policy::s3::{Mode, PASSED_MAX};
use crate::table::Look;

/// What is looked at for one eviction before others get their turn: entries of the queue or segments of the table.
const STEPS_MAX: usize = 256;
/// Who was not used for so many ticks is in no queue any more, whatever its bits say: they may be another policy's.
const QUEUED_TICKS_MAX: u32 = super::TICKS_PER_TURNOVER as u32;
/// Entries that the hand passes under one lock.
const PASSED_AT_ONCE_MAX: usize = 256;
/// Entries that leave a queue between two groups while there is room.
const SETTLED_MAX: usize = 64;

impl Keyspace {
    /// The place of a key that is about to be stored.
    pub(crate) fn enter(&self, key: Key<'_>, has_deadline: bool) -> Place {
        let (is_queued, count) = if !self.budget.has_limit() {
            (false, 1)
        } else if self.budget.policy().is_volatile() && !has_deadline {
            (false, 0)
        } else {
            let mode = self.s3.mode();
            let regions = self.s3.regions(key.database);
            let mut guard = regions.lock(key.hash);
            self.count(&mut guard, key.database);
            let place = guard.region.enter(key.hash, mode);
            if guard.region.is_queue_long(mode) {
                regions.note_long(guard.number);
            }
            place
        };
        Place { is_queued, count }
    }

    /// Counts the entries of a region, if it is time.
    fn count(&self, guard: &mut RegionGuard<'_>, database: u8) {
        let is_volatile = self.budget.policy().is_volatile();
        let shards = self.num_shards() >> guard.bits;
        let first = guard.number * shards;
        guard.region.count(|| {
            let tables = (first..first + shards).map(|shard| self.table(database, shard));
            if is_volatile {
                tables.map(|table| table.deadlines()).sum()
            } else {
                tables.map(|table| table.len()).sum()
            }
        });
    }

    /// Has shadows of a cache of so many entries, or of up to twice or half as many, under a policy that they tell of.
    pub(super) fn fit_shadows(&self, order: Order, entries: u64) {
        if matches!(order, Order::Lru | Order::S3Fifo) && self.s3.wants_shadows(entries) {
            let shadows = Shadows::new(entries, self.s3.mode());
            self.samples.set_shadows(Some(shadows));
        }
    }

    /// Has as many regions as the databases' keys want.
    pub(super) fn fit_regions(&self, databases: &[(u8, u64)]) {
        for (database, keys) in databases {
            self.s3.regions(*database).fit(*keys, self.shard_bits);
        }
    }
}

impl Worker {
    /// While there is room, main takes what the queues cannot hold.
    pub(super) fn settle_queues(&mut self, now_ms: u64) {
        let keyspace = std::sync::Arc::clone(&self.keyspace);
        for (database, regions) in keyspace.s3.all() {
            let Some(position) = regions.take_long() else {
                continue;
            };
            let mut group = self.group(now_ms);
            let mut locked = group.lock_nothing();
            for _ in 0..SETTLED_MAX {
                let oldest = {
                    let mut guard = regions.lock(position);
                    if !guard.region.is_queue_long(keyspace.s3.mode()) {
                        break;
                    }
                    regions.note_long(guard.number);
                    guard.region.take_oldest()
                };
                let Some(hash) = oldest else { break };
                locked.evict(database, hash, |entry| {
                    entry.set_policy(|bits| promoted(bits, None));
                    false
                });
            }
        }
    }
}

impl Evictor {
    /// Evicts one key of a database by the rules.
    pub(super) fn evict_s3(
        &mut self,
        locked: &mut Locked<'_>,
        database: u8,
        is_volatile: bool,
    ) -> Evicted {
        let keyspace = locked.keyspace();
        let Some(position) = self.claim(keyspace, database) else {
            return Evicted::NotYet;
        };
        let mut search = Search {
            keyspace,
            database,
            position,
            is_volatile,
            passed: 0,
        };
        let evicted = search.evict(locked);
        let mut guard = keyspace.s3.regions(database).lock(position);
        guard.region.is_claimed = false;
        evicted
    }

    /// Claims the hand of the fuller of two regions at random; a position in it.
    fn claim(&mut self, keyspace: &Keyspace, database: u8) -> Option<u64> {
        let regions = keyspace.s3.regions(database);
        let mut best = None;
        for _ in 0..2 {
            let position = spread(self.random.bits());
            let mut guard = regions.lock(position);
            if guard.region.is_claimed {
                continue;
            }
            keyspace.count(&mut guard, database);
            let fullness = fullness(&guard);
            if best.is_none_or(|(other, _)| fullness > other) {
                best = Some((fullness, position));
            }
            if guard.bits == 0 {
                break;
            }
        }
        let (_, position) = best?;
        let mut guard = regions.lock(position);
        let is_free = !std::mem::replace(&mut guard.region.is_claimed, true);
        is_free.then_some(position)
    }
}

/// Entries in proportion to the part of the keys that belongs here.
fn fullness(guard: &RegionGuard<'_>) -> f64 {
    let border = |number: usize| match start(number, guard.bits) {
        0 if number > 0 => 1.0,
        position => uniform(position),
    };
    guard.region.entries() as f64 / (border(guard.number + 1) - border(guard.number))
}

/// The search for one key to evict in a region that was claimed.
struct Search<'k> {
    keyspace: &'k Keyspace,
    database: u8,
    /// In the region.
    position: u64,
    is_volatile: bool,
    /// Entries of main that were passed.
    passed: usize,
}

impl Search<'_> {
    fn evict(&mut self, locked: &mut Locked<'_>) -> Evicted {
        let mut segments = 0;
        for _ in 0..STEPS_MAX {
            let (next, mut hand, has_queue, end) = self.next();
            let evicted = match next {
                Next::Queued(hash) => self.leave_queue(locked, hash).then_some(hash),
                Next::Main(mode) => {
                    segments += 1;
                    let evicted = self.evict_main(locked, mode, &mut hand, has_queue);
                    self.put_hand(hand, end);
                    evicted
                }
            };
            if let Some(hash) = evicted {
                self.region(|region| region.evicted(hash));
                return Evicted::Keys(1);
            }
        }
        // All that was looked at are empty parts of the table.
        if segments == STEPS_MAX && self.region(|region| region.entries()) == 0 {
            return Evicted::Nothing;
        }
        Evicted::NotYet
    }

    fn region<R>(&self, work: impl FnOnce(&mut Region) -> R) -> R {
        let regions = self.keyspace.s3.regions(self.database);
        work(&mut regions.lock(self.position).region)
    }

    /// Where to look next, the hand, whether there is a queue, and the position after the region's.
    fn next(&self) -> (Next, Hand, bool, u64) {
        let regions = self.keyspace.s3.regions(self.database);
        let mut guard = regions.lock(self.position);
        self.keyspace.count(&mut guard, self.database);
        let first = start(guard.number, guard.bits);
        let end = start(guard.number + 1, guard.bits);
        let next = guard.region.next(self.keyspace.s3.mode());
        let hand = &mut guard.region.hand;
        if hand.position < first || end != 0 && hand.position >= end {
            *hand = Hand {
                position: first,
                ..Hand::default()
            };
        }
        (next, *hand, guard.region.has_queue(), end)
    }

    fn put_hand(&self, hand: Hand, end: u64) {
        self.region(|region| {
            let is_at_end = end != 0 && hand.position >= end;
            if is_at_end || hand.position < region.hand.position {
                region.end_round();
            }
            region.hand = hand;
        });
    }

    /// The oldest of the queue becomes main if it was requested again; otherwise it goes, which is returned.
    fn leave_queue(&self, locked: &mut Locked<'_>, hash: u64) -> bool {
        locked.evict(self.database, hash, |entry| {
            let place = Place::of(entry.policy());
            let stays = !place.is_queued
                || place.count > 0
                || !may_go(self.keyspace, self.is_volatile, entry);
            if place.is_queued && stays {
                entry.set_policy(|bits| promoted(bits, Some(0)));
            }
            !stays
        })
    }

    /// The hand goes on through a segment; the hash of the key that went.
    fn evict_main(
        &mut self,
        locked: &mut Locked<'_>,
        mode: Mode,
        hand: &mut Hand,
        has_queue: bool,
    ) -> Option<u64> {
        if !locked.has_candidates(self.database, hand.position, self.is_volatile) {
            let shard = self.keyspace.shard(hand.position);
            *hand = Hand {
                position: locked.next_shard(shard),
                ..Hand::default()
            };
            return None;
        }
        let (keyspace, is_volatile, passed) = (self.keyspace, self.is_volatile, &mut self.passed);
        let touch = locked.touch_bits();
        let mut looked = 0;
        locked.evict_at_hand(self.database, hand, |entry| {
            looked += 1;
            if looked > PASSED_AT_ONCE_MAX {
                return Look::Stop;
            }
            let bits = entry.policy();
            let place = Place::of(bits);
            let is_queued = place.is_queued && touch.idle_ticks(bits) <= QUEUED_TICKS_MAX;
            let is_main = !(is_queued && has_queue);
            if !is_main || !may_go(keyspace, is_volatile, entry) {
                return Look::Pass;
            }
            if place.count == 0 || *passed >= PASSED_MAX {
                return Look::Take;
            }
            *passed += 1;
            let count = mode.passed(place.count);
            entry.set_policy(|bits| promoted(bits, Some(count)));
            Look::Pass
        })
    }
}

fn may_go(keyspace: &Keyspace, is_volatile: bool, entry: EntryRef<'_>) -> bool {
    let prefixes = keyspace.prefixes.as_ref();
    (!is_volatile || entry.deadline_ms().is_some())
        && prefixes.is_none_or(|prefixes| prefixes.may_go(entry))
}

/// The bits of an entry of main, with this count or the one that it has.
fn promoted(bits: u32, count: Option<u8>) -> u32 {
    let place = Place {
        is_queued: false,
        count: count.unwrap_or(Place::of(bits).count),
    };
    place.set(bits)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::budget::{Eviction, Limit};
    use crate::keyspace::{Keyspace, Options, Worker};
    use crate::policy::s3::cache::S3Cache;
    use crate::policy::s3::{MODES, Mode};
    use crate::policy::{EvictionPolicy, Order};
    use crate::slab::HugePages;
    use crate::value::{Deadline, NewValue};

    const NOW_MS: u64 = 1_000_000;
    /// Of a key of 8 bytes without a value.
    const ENTRY_BYTES: u64 = 16;

    fn keyspace(policy: EvictionPolicy, entries: u64) -> (Arc<Keyspace>, Worker) {
        let keyspace = Keyspace::new(Options {
            num_shards: 64,
            workers_max: 1,
            seed: 3,
            huge_pages: HugePages::No,
        });
        keyspace.set_eviction(Eviction {
            policy,
            ..Eviction::default()
        });
        let bytes = entries * ENTRY_BYTES;
        keyspace.set_limit(Some(Limit {
            bytes,
            low_bytes: bytes,
        }));
        let worker = keyspace.worker();
        (keyspace, worker)
    }

    /// A read, and a write of what is missing; whether it was there.
    fn request(worker: &mut Worker, number: u64, deadline: Deadline) -> bool {
        let bytes = number.to_be_bytes();
        let key = worker.keyspace().key(0, &bytes);
        let mut group = worker.group(NOW_MS);
        if group.read(key, true).is_ok_and(|entry| entry.is_some()) {
            return true;
        }
        let mut locked = group.lock_one(0, key.hash).expect("nobody else");
        locked.set(key, NewValue::Bytes(b""), deadline);
        drop(locked);
        drop(group);
        worker.make_room(NOW_MS, usize::MAX);
        false
    }

    /// Some keys are frequent, and long scans come between.
    fn requests() -> impl Iterator<Item = u64> {
        let mut state = 7u64;
        (0..200_000u64).map(move |at| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let random = state >> 11;
            if at % 5_000 < 1_500 {
                1_000_000 + at
            } else {
                let part = (random as f64 / (1u64 << 53) as f64).powi(3);
                (part * 20_000.0) as u64
            }
        })
    }

    #[test]
    fn each_mode_misses_as_its_model_does() {
        for (entries, tolerance) in [(1500, 0.02), (9000, 0.02)] {
            for mode in MODES {
                let (keyspace, mut worker) =
                    keyspace(EvictionPolicy::AllKeys(Order::S3Fifo), entries);
                keyspace.s3.set_mode(mode);
                // As if there were shadows already, so that nobody chooses another mode.
                assert!(keyspace.s3.wants_shadows(entries));
                let mut model = S3Cache::new(entries as usize, mode);
                let (mut misses, mut model_misses) = (0, 0);
                for number in requests() {
                    misses += i32::from(!request(&mut worker, number, Deadline::None));
                    let hash = keyspace.hash(&number.to_be_bytes());
                    let is_there = model.read(hash);
                    model_misses += i32::from(!is_there);
                    model.write(hash);
                }
                let ratio = f64::from(misses) / f64::from(model_misses);
                println!("{entries} {mode:?}: {misses}, the model {model_misses}");
                assert!(
                    (ratio - 1.0).abs() < tolerance,
                    "{mode:?}: {misses}, {model_misses}"
                );
                assert_eq!(keyspace.keys(0), entries);
            }
        }
    }

    #[test]
    fn only_keys_with_a_deadline_go_when_it_says_so() {
        for mode in MODES {
            let (keyspace, mut worker) = keyspace(EvictionPolicy::Volatile(Order::S3Fifo), 3000);
            keyspace.s3.set_mode(mode);
            for number in 0..1000 {
                request(&mut worker, number, Deadline::None);
            }
            for number in 1000..20_000 {
                request(&mut worker, number, Deadline::At(NOW_MS * 2));
            }
            assert!((0..1000).all(|number| request(&mut worker, number, Deadline::None)));
            // The others have two words more.
            assert!(
                (1000..2000).contains(&keyspace.deadlines(0)),
                "{}",
                keyspace.deadlines(0)
            );
        }
    }

    #[test]
    fn keys_of_another_policy_go_too() {
        let (keyspace, mut worker) = keyspace(EvictionPolicy::AllKeys(Order::Lfu), 3000);
        for number in 0..3000 {
            request(&mut worker, number, Deadline::None);
        }
        keyspace.set_eviction(Eviction {
            policy: EvictionPolicy::AllKeys(Order::S3Fifo),
            ..Eviction::default()
        });
        keyspace.s3.set_mode(Mode::Queue { percent: 10 });
        for number in 10_000..30_000 {
            request(&mut worker, number, Deadline::None);
        }
        let old = (0..3000u64)
            .filter(|number| {
                let key = number.to_be_bytes();
                let key = keyspace.key(0, &key);
                worker
                    .group(NOW_MS)
                    .read(key, false)
                    .is_ok_and(|entry| entry.is_some())
            })
            .count();
        assert_eq!(old, 0);
    }

    #[test]
    fn flushes_and_deletes_leave_nothing_behind() {
        let (keyspace, mut worker) = keyspace(EvictionPolicy::AllKeys(Order::S3Fifo), 5000);
        keyspace.s3.set_mode(Mode::Queue { percent: 30 });
        for round in 0..20 {
            for number in 0..10_000 {
                request(&mut worker, round * 3_000 + number, Deadline::None);
            }
            for number in 0..10_000 {
                let bytes = (round * 3_000 + number).to_be_bytes();
                let key = keyspace.key(0, &bytes);
                let mut group = worker.group(NOW_MS);
                let mut locked = group.lock_one(0, key.hash).expect("nobody else");
                locked.remove(key);
                drop(locked);
                drop(group);
                worker.make_room(NOW_MS, usize::MAX);
            }
            assert_eq!(keyspace.keys(0), 0);
            assert!(keyspace.s3.bytes() < 200_000, "{}", keyspace.s3.bytes());
        }
        let mut plan = crate::Plan::default();
        plan.add_everything();
        let mut group = worker.group(NOW_MS);
        group
            .lock(&mut plan)
            .expect("nobody else")
            .flush(0..16, crate::Free::Now);
        drop(group);
        assert_eq!(keyspace.s3.bytes(), 0);
    }
}
