//! Expiry on time: each shard has an index of its deadlines, and a worker goes to the shards whose time has come.
//!
//! ```text
//! Dues     one number for each shard: when something is to be done there next
//! Wheel    one for each shard that has deadlines: drawers, each for a stretch of time
//! Records  what is in a drawer: 32 bits of a key's hash for each, which lead to its place in the table
//! ```
//!
//! An entry with a deadline has one record; its [`DeadlineWord`](crate::deadline::DeadlineWord) tells in which drawer.
//! When the drawer's time has come, the entry is removed, or filed again if its deadline is later. So a deadline that
//! is moved to a later time, the usual case of a key that is written again and again, costs nothing: the record stays
//! where it is. For an earlier one there is a new record if the old would come too late.
//!
//! The records of entries that are gone stay until their drawer's turn, which nobody's entry knows any more. When they
//! are more than those of entries, the wheel is renewed: all of its records are filed again, some at a time, in the
//! sweep.
//!
//! | file | what it holds |
//! |---|---|
//! | `place` | ticks, drawers, and how an entry knows where its record is |
//! | `records` | the records of a drawer |
//! | `wheel` | the drawers of a shard |
//! | `dues` | when each shard's turn comes |
//! | `lag` | how late keys went |
//!
//! How the index and the table work together is in `table/deadlines.rs`, and in `table/fields.rs` for hashes whose fields
//! have deadlines.

pub(crate) mod dues;
pub(crate) mod lag;
mod place;
mod records;
mod wheel;

pub(crate) use place::{FILED_MS_MAX, Place, Ticks, WhichWheel};
pub(crate) use records::Batch;
pub(crate) use wheel::Wheel;

use crate::keyspace::{Keyspace, Worker};
use crate::limits::DATABASES;
use crate::table::Table;

/// Where a worker's round has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SweepPosition {
    database: usize,
    /// Counts the worker's own shards: worker 1 of 4 has shards 1, 5, 9, ...
    turn: usize,
}

/// What one call of [`Worker::sweep`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records looked at, and fields of hashes removed.
    pub looked_at: usize,
    /// Entries removed.
    pub removed: usize,
    /// When there is something to do again, in milliseconds of the Unix epoch: now if there is still more, and
    /// `u64::MAX` when there are no deadlines. Those that are set later may be earlier.
    pub next_ms: u64,
}

impl Keyspace {
    /// Whether there is a deadline anywhere, or there was one lately. Costs one load.
    #[inline]
    pub fn has_deadlines(&self) -> bool {
        self.databases.has_wheels()
    }

    /// Asks the processor for a table, as the holder of its lock will need it.
    fn prefetch_deadlines(&self, database: usize, shard: usize) {
        let table = self.table(database as u8, shard);
        Table::prefetch(table);
        Table::prefetch_lock(table);
    }

    /// Asks for what [`Keyspace::prefetch_deadlines`] has made known.
    fn prefetch_wheel(&self, database: usize, shard: usize) {
        self.table(database as u8, shard).prefetch_wheel();
    }
}

impl Worker {
    /// Removes expired keys and fields from this worker's share of the shards, as worker `index` of `workers`, until
    /// about `records_max` records have been looked at and fields removed, or nothing is due. Goes on there next time.
    pub fn sweep(
        &mut self,
        now_ms: u64,
        index: usize,
        workers: usize,
        records_max: usize,
    ) -> Swept {
        let mut swept = Swept {
            next_ms: u64::MAX,
            ..Swept::default()
        };
        let begin = self.sweep;
        let share = Share { index, workers };
        let turns = self.keyspace.num_shards().div_ceil(workers);
        let mut batch = Batch::new();
        // The database where this begins is gone through to its end, and at last from its beginning.
        for at in 0..=DATABASES {
            self.sweep.database = (begin.database + at) % DATABASES;
            self.sweep.turn = if at == 0 { begin.turn } else { 0 };
            let end = if at == DATABASES { begin.turn } else { turns };
            while self.sweep.turn < end {
                let due = self.sweep_some(now_ms, share, end, records_max, &mut batch, &mut swept);
                if due == Due::Now {
                    swept.next_ms = now_ms;
                    return swept;
                }
            }
        }
        swept
    }

    /// Goes on in one database until some shards have been looked at in which something was due, or to the end.
    fn sweep_some(
        &mut self,
        now_ms: u64,
        share: Share,
        end: usize,
        records_max: usize,
        batch: &mut Batch,
        swept: &mut Swept,
    ) -> Due {
        let SweepPosition { database, mut turn } = self.sweep;
        // The tables of a database are those that it has while a group lasts.
        let mut group = self.group(now_ms);
        let keyspace = group.keyspace();
        let dues = keyspace.databases.dues(database);
        let mut turns = [0; TOGETHER];
        let mut count = 0;
        if dues.wheels() == 0 {
            turn = end;
        }
        while turn < end && count < TOGETHER {
            let shard = share.shard(turn);
            let is_there = shard < keyspace.num_shards();
            let due_ms = is_there
                .then(|| dues.get(shard))
                .flatten()
                .unwrap_or(u64::MAX);
            if due_ms <= now_ms {
                keyspace.prefetch_deadlines(database, shard);
                turns[count] = turn;
                count += 1;
            } else {
                swept.next_ms = swept.next_ms.min(due_ms);
            }
            turn += 1;
        }
        for (at, due_turn) in turns[..count].iter().enumerate() {
            if let Some(later) = turns[..count].get(at + WHEELS_AHEAD) {
                keyspace.prefetch_wheel(database, share.shard(*later));
            }
            let fired = group.lock_nothing().expire_due(
                database as u8,
                share.shard(*due_turn),
                records_max.saturating_sub(swept.looked_at),
                batch,
            );
            swept.looked_at += fired.looked_at + 1;
            swept.removed += fired.removed;
            if swept.looked_at >= records_max {
                drop(group);
                self.sweep.turn = *due_turn;
                return Due::Now;
            }
            swept.next_ms = swept.next_ms.min(fired.next_ms.unwrap_or(u64::MAX));
        }
        drop(group);
        self.sweep.turn = turn;
        Due::Later
    }
}

/// Shards that are asked for together.
const TOGETHER: usize = 32;
/// How far ahead of its turn a shard's wheel is asked for, after its table.
const WHEELS_AHEAD: usize = 4;

/// Whether there is more to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Now,
    Later,
}

/// The shards of one worker.
#[derive(Clone, Copy)]
struct Share {
    index: usize,
    workers: usize,
}

impl Share {
    fn shard(self, turn: usize) -> usize {
        self.index + turn * self.workers
    }
}
