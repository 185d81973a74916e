//! Compaction: sparse pages of the slabs are emptied by moving what is in them, so that resident memory follows the data
//! down.
//!
//! A round begins with a choice of pages, which give out no more objects ([`Slabs::begin_emptying`]). Workers go through
//! all tables, a segment at a time: a slot has the address of its entry, so what lies in those pages is seen without
//! touching it. An entry is moved by copying it, storing the new address in its slot and retiring the old place, which is
//! what replacing it is; readers see the one or the other, and both are the same. At the end of a round pages that are
//! not empty, because something in them is not in a table, serve again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::keyspace::{Keyspace, Worker};
use crate::limits::DATABASES;
use crate::slab::PageSet;
use crate::table::MovedSegment;

/// Waste below this is not worth a round, in bytes ...
const WASTE_BYTES_MIN: usize = 1 << 20;
/// ... nor below one part in so many of what is in pages, ...
const WASTE_RATIO: usize = 8;
/// ... or in so many when memory is short.
const WASTE_RATIO_LITTLE: usize = 32;
/// What is moved in one go before others have their turn, about: some hundred microseconds.
const MOVED_BYTES: usize = 512 << 10;
/// A round after one that gave back less than one part in so many of what it wanted waits for more waste.
const POOR_RATIO: usize = 4;

/// How long a round waits for its last pages, in milliseconds.
const END_AFTER_MS: u64 = 20;

/// How much waste is worth a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waste {
    /// Much, as moving costs time.
    Usual,
    /// Little: memory is short.
    Little,
}

/// The current round, if there is one.
#[derive(Default)]
pub(crate) struct Compaction {
    /// Changes with each round, and at its end: odd while there is one.
    generation: AtomicU64,
    state: Mutex<State>,
    /// Entries and arrays of buckets that were moved since the start.
    moved: AtomicU64,
}

#[derive(Default)]
struct State {
    round: Option<Arc<Round>>,
    pages_before: usize,
    /// When the last table was seen to be done.
    done_ms: Option<u64>,
    /// Waste that the next round needs, after a poor one.
    waste_wanted: usize,
}

struct Round {
    pages: Arc<PageSet>,
    /// The next table that nobody has begun with: database by database, shard by shard.
    next: AtomicUsize,
    /// Tables that are done.
    done: AtomicUsize,
    tables: usize,
}

/// One worker's part of a round.
#[derive(Default)]
pub(crate) struct Mover {
    generation: u64,
    round: Option<Arc<Round>>,
    /// The table that it is at, and the position in it.
    at: Option<(usize, u64)>,
}

/// What compaction has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionStats {
    /// Whether a round is under way.
    pub is_running: bool,
    /// Rounds that have begun.
    pub rounds: u64,
    /// What was moved: entries, and arrays of buckets.
    pub moved: u64,
}

impl Keyspace {
    /// Begins a round of compaction if much is wasted and none is under way, or ends the one that is. To be called from
    /// time to time; the workers do the work ([`Worker::compact`]).
    pub fn compact_if_worth_it(&self, now_ms: u64, worth: Waste) {
        let compaction = &self.compaction;
        let mut state = compaction.state.lock();
        if let Some(round) = &state.round {
            let is_done = round.done.load(Relaxed) == round.tables;
            match state.done_ms {
                // The old places of what was moved last are free only when no reader has them.
                Some(done_ms) if now_ms >= done_ms + END_AFTER_MS => self.end_round(&mut state),
                None if is_done => state.done_ms = Some(now_ms),
                _ => {}
            }
            return;
        }
        let stats = self.slabs().stats();
        let waste = stats.page_bytes - stats.used_bytes;
        let ratio = match worth {
            Waste::Usual => WASTE_RATIO,
            Waste::Little => WASTE_RATIO_LITTLE,
        };
        let wanted = (stats.page_bytes / ratio)
            .max(WASTE_BYTES_MIN)
            .max(state.waste_wanted);
        if waste < wanted {
            return;
        }
        let mut databases = (0..DATABASES as u8).rev();
        let last = databases.find(|database| self.keys(*database) > 0);
        let Some(tables) = last.map(|last| (usize::from(last) + 1) * self.num_shards()) else {
            return;
        };
        let pages = self.slabs().begin_emptying();
        state.pages_before = pages.len();
        state.waste_wanted = waste;
        state.done_ms = None;
        state.round = Some(Arc::new(Round {
            pages: Arc::new(PageSet::new(&pages)),
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            tables,
        }));
        compaction.generation.fetch_add(1, Relaxed);
    }

    /// What compaction has done since the start.
    pub fn compaction_stats(&self) -> CompactionStats {
        let generation = self.compaction.generation.load(Relaxed);
        CompactionStats {
            is_running: generation % 2 == 1,
            rounds: generation.div_ceil(2),
            moved: self.compaction.moved.load(Relaxed),
        }
    }

    fn end_round(&self, state: &mut State) {
        state.round = None;
        let left = self.slabs().end_emptying();
        if (state.pages_before - left.min(state.pages_before)) * POOR_RATIO > state.pages_before {
            state.waste_wanted = 0;
        } else {
            state.waste_wanted += state.waste_wanted / POOR_RATIO;
        }
        self.compaction.generation.fetch_add(1, Relaxed);
    }
}

impl Worker {
    /// Goes on with the round of compaction, if there is one, for about `slots_max` slots; whether there is more to do.
    /// Between groups.
    #[inline]
    pub fn compact(&mut self, now_ms: u64, slots_max: usize) -> bool {
        let generation = self.keyspace.compaction.generation.load(Relaxed);
        if generation == self.mover.generation && self.mover.round.is_none() {
            return false;
        }
        self.compact_more(now_ms, slots_max, generation)
    }

    #[cold]
    fn compact_more(&mut self, now_ms: u64, slots_max: usize, generation: u64) -> bool {
        let mut mover = std::mem::take(&mut self.mover);
        if generation != mover.generation {
            let round = self.keyspace.compaction.state.lock().round.clone();
            let pages = round.as_ref().map(|round| Arc::clone(&round.pages));
            self.memory.get_mut().magazines.set_emptying(pages);
            mover = Mover {
                generation,
                round,
                at: None,
            };
        }
        let is_busy = match mover.round.clone() {
            Some(round) => self.go_on(&mut mover, &round, now_ms, slots_max),
            None => false,
        };
        self.mover = mover;
        is_busy
    }

    /// Takes one table after the other, a segment at a time.
    fn go_on(&mut self, mover: &mut Mover, round: &Round, now_ms: u64, slots_max: usize) -> bool {
        let shards = self.keyspace.num_shards();
        let (mut slots, mut bytes) = (0, 0);
        while slots < slots_max && bytes < MOVED_BYTES {
            let (table, position) = match mover.at {
                Some(at) => at,
                None => {
                    let table = round.next.fetch_add(1, Relaxed);
                    if table >= round.tables {
                        mover.round = None;
                        self.collect();
                        return false;
                    }
                    (table, self.keyspace.start_of(table % shards))
                }
            };
            let step = self.move_segment(table, position, now_ms, round);
            slots += step.slots + 1;
            bytes += step.bytes;
            let shard = self.keyspace.shard(step.next);
            let goes_on = step.next != 0 && shard == table % shards;
            mover.at = goes_on.then_some((table, step.next));
            if !goes_on {
                round.done.fetch_add(1, Relaxed);
            }
        }
        true
    }

    fn move_segment(
        &mut self,
        table: usize,
        position: u64,
        now_ms: u64,
        round: &Round,
    ) -> MovedSegment {
        let shards = self.keyspace.num_shards();
        let (database, shard) = ((table / shards) as u8, table % shards);
        let mut group = self.group(now_ms);
        let keyspace = group.keyspace();
        if keyspace.table(database, shard).len() == 0 {
            return MovedSegment::default();
        }
        let step = group
            .lock_nothing()
            .move_segment(database, shard, position, &round.pages);
        keyspace.compaction.moved.fetch_add(step.moved, Relaxed);
        step
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Waste;
    use crate::keyspace::{Keyspace, Options, Worker};
    use crate::prefix::PrefixRule;
    use crate::slab::HugePages;
    use crate::value::{Deadline, NewValue, Number};

    const NOW_MS: u64 = 1_000_000;

    fn value(number: u64) -> Vec<u8> {
        let len = number.wrapping_mul(0x9e37_79b9) % 3000 + 20;
        (0..len).map(|at| (at ^ number) as u8).collect()
    }

    fn set(worker: &mut Worker, number: u64) {
        let bytes = number.to_be_bytes();
        let key = worker.keyspace().key(0, &bytes);
        let mut group = worker.group(NOW_MS);
        let mut locked = group.lock_one(0, key.hash).expect("nobody else");
        match number % 5 {
            0 => locked.set(key, NewValue::Integer(number.cast_signed()), Deadline::None),
            1 => locked.set(
                key,
                NewValue::Bytes(&value(number)),
                Deadline::At(NOW_MS * 2),
            ),
            _ => locked.set(key, NewValue::Bytes(&value(number)), Deadline::None),
        }
    }

    fn remove(worker: &mut Worker, number: u64) -> bool {
        let bytes = number.to_be_bytes();
        let key = worker.keyspace().key(0, &bytes);
        let mut group = worker.group(NOW_MS);
        group
            .lock_one(0, key.hash)
            .expect("nobody else")
            .remove(key)
    }

    fn is_right(worker: &mut Worker, number: u64) -> bool {
        let bytes = number.to_be_bytes();
        let key = worker.keyspace().key(0, &bytes);
        let group = worker.group(NOW_MS);
        let expected = match number % 5 {
            0 => number.to_string().into_bytes(),
            _ => value(number),
        };
        group.read(key, true).is_ok_and(|entry| {
            entry.is_some_and(|entry| {
                entry.string().unwrap().bytes(&mut Number::new()) == expected
                    && entry.deadline_ms().is_some() == (number % 5 == 1)
            })
        })
    }

    #[test]
    #[cfg_attr(slab_passthrough, ignore)]
    fn memory_follows_the_data_down() {
        const KEYS: u64 = 60_000;
        let options = Options {
            num_shards: 8,
            workers_max: 1,
            seed: 9,
            huge_pages: HugePages::No,
        };
        let of_all = PrefixRule {
            start: vec![0],
            ..PrefixRule::default()
        };
        let keyspace = Keyspace::with_prefixes(options, vec![of_all]);
        let mut worker = keyspace.worker();
        (0..KEYS).for_each(|number| set(&mut worker, number));
        let mut left: BTreeSet<u64> = (0..KEYS).collect();
        for number in (0..KEYS).filter(|number| number * 7 / 3 % 5 > 0) {
            assert!(remove(&mut worker, number));
            left.remove(&number);
        }
        worker.collect();
        let before = keyspace.slab_stats();
        let mut now_ms = NOW_MS;
        for turn in 0..20_000 {
            now_ms += 100;
            keyspace.compact_if_worth_it(now_ms, Waste::Usual);
            worker.compact(now_ms, 256);
            // Others go on meanwhile.
            let number = turn % KEYS;
            if remove(&mut worker, number) {
                set(&mut worker, number);
            }
            if !keyspace.compaction_stats().is_running && turn > 100 {
                break;
            }
        }
        worker.collect();
        worker.give_memory_back();
        let after = keyspace.slab_stats();
        let [before, after] = [before, after].map(|stats| stats.page_bytes);
        assert!(before > 3 * after, "{before} bytes before, {after} after");
        assert!(keyspace.compaction_stats().moved > 0);
        assert_eq!(keyspace.keys(0), left.len() as u64);
        assert!(left.iter().all(|number| is_right(&mut worker, *number)));
        let bytes = keyspace.used_bytes();
        let of_prefix = &keyspace.prefix_stats()[0];
        assert_eq!(
            (of_prefix.keys, of_prefix.bytes),
            (keyspace.keys(0), bytes),
            "what is moved is counted once"
        );
        assert!(left.iter().all(|number| remove(&mut worker, *number)));
        assert!(bytes > 0 && keyspace.used_bytes() == 0);
    }
}
