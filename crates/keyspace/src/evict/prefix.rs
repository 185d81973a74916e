//! Eviction from prefixes that have a limit. The keys come from the prefix's index instead of random places of the
//! tables; how they are compared and removed is the same.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Among, Choice, Evictor, MadeRoom, SHARE_OF_EXCESS, evict_first};
use crate::access::Locked;
use crate::keyspace::{Keyspace, Worker};
use crate::limits::PREFIXES_MAX;
use crate::policy::sampled::{Candidate, NEW_MAX, Pool};
use crate::policy::{EvictionPolicy, Order};
use crate::prefix::Prefixes;
use crate::prefix::cap::Cap;
use crate::prefix::counts::{self, PrefixCounts};
use crate::prefix::index::Record;
use crate::table::Spotted;

/// Times that nothing was found to evict before it counts as nothing, and the same when it did so the last time.
const ATTEMPTS_MAX: usize = 64;
const ATTEMPTS_MAX_STUCK: usize = 1;
/// Records that are looked at in one attempt, for each that is wanted.
const LOOKS_RATIO: usize = 16;
/// The clock ticks as often as one in so many keys of a prefix was evicted, but no more often than every so many
/// milliseconds: its ticks are those of all other keys too.
const TICKS_PER_TURNOVER: u64 = 64;
const TICK_MS_MIN: u64 = 10;

/// One worker's candidates, by prefix.
#[derive(Default)]
pub(super) struct Evictors {
    of_prefixes: Vec<OfPrefix>,
    ticked_ms: u64,
}

#[derive(Default)]
struct OfPrefix {
    pool: Pool,
    evicted_since_tick: u64,
}

impl Evictors {
    /// Forgets all candidates: their scores mean nothing under another policy.
    pub fn clear(&mut self) {
        self.of_prefixes.clear();
    }

    fn of(&mut self, id: usize) -> &mut OfPrefix {
        if self.of_prefixes.len() <= id {
            self.of_prefixes
                .resize_with(PREFIXES_MAX, OfPrefix::default);
        }
        &mut self.of_prefixes[id]
    }
}

/// A prefix from which is evicted.
#[derive(Clone, Copy)]
struct Target<'k> {
    prefixes: &'k Prefixes,
    cap: &'k Cap,
    id: usize,
    policy: EvictionPolicy,
    order: Order,
}

impl Worker {
    /// As [`Worker::make_room`], first in the prefixes that have a limit and then in the whole keyspace.
    pub(super) fn make_room_with_prefixes(&mut self, now_ms: u64, keys_max: usize) -> MadeRoom {
        let (evicted, is_behind) = self.make_room_in_prefixes(now_ms, keys_max);
        let mut made = self.make_room_in_all(now_ms, keys_max.saturating_sub(evicted));
        made.evicted += evicted;
        made.is_behind |= is_behind;
        made
    }

    /// How many keys were evicted, and whether there is more to do.
    fn make_room_in_prefixes(&mut self, now_ms: u64, keys_max: usize) -> (usize, bool) {
        let counts = self.prefix_counts();
        let mut ids = counts.changed() | counts.shared.over();
        if !self.memory.get_mut().new_in_prefixes.is_empty() {
            self.file_new_keys(now_ms);
        }
        let (mut evicted, mut is_behind) = (0, false);
        while ids != 0 {
            let id = ids.trailing_zeros() as usize;
            ids &= ids - 1;
            let written = self.prefix_counts().report(id);
            if self.prefix_counts().shared.over() & 1 << id == 0 {
                continue;
            }
            let (from_this, is_this_behind) =
                self.keep_limit(now_ms, id, written, keys_max.saturating_sub(evicted));
            evicted += from_this;
            is_behind |= is_this_behind;
        }
        (evicted, is_behind)
    }

    fn prefix_counts(&self) -> &PrefixCounts {
        let counts = self.keyspace.counters[self.id].prefixes();
        counts.expect("asked for before")
    }

    /// Takes the keys that have come into the indexes of their prefixes.
    fn file_new_keys(&mut self, now_ms: u64) {
        let keyspace = Arc::clone(&self.keyspace);
        let Some(prefixes) = keyspace.prefixes.as_deref() else {
            return;
        };
        let mut new = std::mem::take(&mut self.memory.get_mut().new_in_prefixes);
        for (id, record) in new.drain(..) {
            let Some(cap) = &prefixes.caps[usize::from(id)] else {
                continue;
            };
            if let Some(mut taken) = cap.index.add(record) {
                let mut group = self.group(now_ms);
                let mut locked = group.lock_nothing();
                let mut is_there = |record: &Record| locked.look_at(*record, |_, _| ()).is_some();
                taken.records.retain(&mut is_there);
                cap.index.put_back(&taken);
            }
        }
        self.memory.get_mut().new_in_prefixes = new;
    }

    /// Evicts keys of a prefix that is above its limit, in proportion to what was written.
    #[cold]
    fn keep_limit(
        &mut self,
        now_ms: u64,
        id: usize,
        written: i64,
        keys_max: usize,
    ) -> (usize, bool) {
        let keyspace = Arc::clone(&self.keyspace);
        let Some(target) = target(&keyspace, id) else {
            return (0, false);
        };
        let excess = target.cap.excess_bytes();
        let part = written.max(0) * 2 + excess / SHARE_OF_EXCESS + 1;
        let wanted = if target.cap.is_reached(0) {
            excess
        } else {
            part.min(excess)
        };
        let mut evictor = std::mem::take(&mut self.evictor);
        evictor.begin(keyspace.budget.generation.load(Relaxed));
        let was_stuck = target.cap.is_stuck();
        let attempts_max = if was_stuck {
            ATTEMPTS_MAX_STUCK
        } else {
            ATTEMPTS_MAX
        };
        let (mut evicted, mut attempts) = (0, 0);
        while evicted < keys_max
            && attempts < attempts_max
            && -self.prefix_counts().unreported_bytes(id) < wanted
        {
            let mut group = self.group(now_ms);
            let mut locked = group.lock_nothing();
            if evictor.evict_from(&mut locked, target) {
                evicted += 1;
                attempts = 0;
            } else {
                attempts += 1;
            }
        }
        evictor.tick_for(&keyspace, target, now_ms, evicted as u64);
        self.evictor = evictor;
        self.prefix_counts().report(id);
        let is_stuck = evicted == 0 && attempts >= attempts_max;
        target.cap.set_stuck(is_stuck);
        (evicted, target.prefixes.over() & 1 << id != 0 && !is_stuck)
    }
}

/// The prefix of this number, if something may be evicted from it.
fn target(keyspace: &Keyspace, id: usize) -> Option<Target<'_>> {
    let prefixes = keyspace.prefixes.as_deref()?;
    let policy = prefixes.policy(id, keyspace.budget.policy());
    Some(Target {
        prefixes,
        cap: prefixes.caps[id].as_ref()?,
        id,
        policy,
        // Adaptive S3 is that of the whole keyspace. The keys of one prefix go by their last access under it.
        order: match policy.order()? {
            Order::S3Fifo => Order::Lru,
            order => order,
        },
    })
}

impl Evictor {
    /// Evicts one key of a prefix; false when none was found.
    fn evict_from(&mut self, locked: &mut Locked<'_>, target: Target<'_>) -> bool {
        let touch = locked.touch_bits();
        let choice = Choice {
            touch: target.prefixes.touch(Some(target.id), touch),
            order: target.order,
            is_volatile: target.policy.is_volatile(),
            among: Among::Prefix(target.prefixes, target.id),
        };
        let wanted = match choice.order {
            Order::Random => 1,
            Order::Lru | Order::Lfu | Order::Ttl | Order::S3Fifo => {
                (locked.keyspace().eviction().samples as usize).min(NEW_MAX)
            }
        };
        self.offer_some_of(locked, target, &choice, wanted);
        let pool = &mut self.prefixes.of(target.id).pool;
        pool.sort();
        let Some((database, hash)) = evict_first(pool, locked, &choice) else {
            return false;
        };
        let place = target.prefixes.place(database);
        target.cap.index.remove(Record::new(hash, place));
        true
    }

    /// Lets the access clock tick as fast as the prefix's keys go.
    fn tick_for(&mut self, keyspace: &Keyspace, target: Target<'_>, now_ms: u64, evicted: u64) {
        let of_prefix = self.prefixes.of(target.id);
        of_prefix.evicted_since_tick += evicted;
        let keys = counts::sum(&keyspace.counters, |counts| counts.keys(target.id));
        let is_due = of_prefix.evicted_since_tick > keys / TICKS_PER_TURNOVER;
        if target.order == Order::Lru && is_due && now_ms >= self.prefixes.ticked_ms + TICK_MS_MIN {
            self.prefixes.of(target.id).evicted_since_tick = 0;
            self.prefixes.ticked_ms = now_ms;
            keyspace.budget.clock.hurry(now_ms);
        }
    }

    /// Looks at some keys of the prefix.
    fn offer_some_of(
        &mut self,
        locked: &mut Locked<'_>,
        target: Target<'_>,
        choice: &Choice<'_>,
        wanted: usize,
    ) {
        let (mut offered, mut looked_at) = (0, 0);
        let mut records: Vec<Record> = Vec::new();
        while offered < wanted && looked_at < wanted * LOOKS_RATIO {
            records.clear();
            let index = &target.cap.index;
            index.sample(self.random.bits(), wanted, |record| records.push(record));
            if records.is_empty() {
                return;
            }
            looked_at += records.len();
            for record in &records {
                let found = locked.look_at(*record, |key, entry| {
                    choice.score(entry).map(|score| Candidate {
                        spotted: Spotted {
                            position: key.hash,
                            address: entry.owner().address(),
                        },
                        database: key.database,
                        score,
                    })
                });
                match found {
                    None => index.remove(*record),
                    Some(None) => {}
                    Some(Some(candidate)) => {
                        offered += 1;
                        self.prefixes.of(target.id).pool.offer(candidate);
                    }
                }
            }
        }
    }
}
