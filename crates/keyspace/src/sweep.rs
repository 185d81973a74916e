//! Active expiry: each worker goes round and round through its share of the shards that have deadlines.

use std::sync::atomic::Ordering::Relaxed;

use crate::keyspace::Worker;
use crate::limits::DATABASES;

/// Where a worker's round has come to, and what it has seen in this database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SweepPosition {
    database: usize,
    /// Counts the worker's own shards: worker 1 of 4 has shards 1, 5, 9, ...
    turn: usize,
    /// The next segment in the shard.
    position: Option<u64>,
    ttl_ms_sum: u64,
    ttls: u64,
}

/// What one call of [`Worker::sweep`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries looked at.
    pub looked_at: usize,
    /// Entries removed.
    pub removed: usize,
    /// Nothing that has a deadline is left in this worker's share, or one round is complete.
    pub round_ended: bool,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        self.looked_at += more.looked_at;
        self.removed += more.removed;
        self.round_ended |= more.round_ended;
    }
}

impl Worker {
    /// Removes expired keys from this worker's share of the shards, as worker `index` of `workers`, until about
    /// `entries_max` entries have been looked at or the round has ended. Goes on there next time.
    pub fn sweep(
        &mut self,
        now_ms: u64,
        index: usize,
        workers: usize,
        entries_max: usize,
    ) -> Swept {
        let mut swept = Swept::default();
        while swept.looked_at < entries_max {
            let database = self.sweep.database;
            let shard = index + self.sweep.turn * workers;
            let is_empty = self.keyspace.deadlines(database as u8) == 0;
            if is_empty || shard >= self.keyspace.num_shards() {
                self.end_database(!is_empty);
                if self.sweep.database == 0 {
                    swept.round_ended = true;
                    return swept;
                }
                continue;
            }
            self.sweep_shard(now_ms, shard, entries_max, &mut swept);
        }
        swept
    }

    fn end_database(&mut self, was_swept: bool) {
        let SweepPosition {
            database,
            ttl_ms_sum,
            ttls,
            ..
        } = self.sweep;
        let mean_ttl_ms = ttl_ms_sum.checked_div(ttls).unwrap_or(0);
        if ttls > 0 || !was_swept {
            self.keyspace.mean_ttl_ms[database].store(mean_ttl_ms, Relaxed);
        }
        self.sweep = SweepPosition {
            database: (database + 1) % DATABASES,
            ..SweepPosition::default()
        };
    }

    /// Goes on in one shard, segment by segment.
    fn sweep_shard(&mut self, now_ms: u64, shard: usize, entries_max: usize, swept: &mut Swept) {
        let start = (shard as u64)
            .checked_shl(64 - self.keyspace.shard_bits)
            .unwrap_or(0);
        let database = self.sweep.database as u8;
        let mut round = self.sweep;
        let mut position = round.position.unwrap_or(start);
        while swept.looked_at < entries_max {
            let mut group = self.group(now_ms);
            let mut locked = group.lock_nothing();
            if locked.keyspace().table(database, shard).deadlines() == 0 {
                round.position = None;
                break;
            }
            let step = locked.expire_segment(database, shard, position);
            swept.looked_at += step.looked_at;
            swept.removed += step.removed;
            round.ttl_ms_sum += step.ttl_ms_sum;
            round.ttls += step.ttls;
            position = step.next;
            let has_ended = position == 0 || locked.keyspace().shard(position) != shard;
            round.position = (!has_ended).then_some(position);
            if has_ended {
                break;
            }
        }
        if round.position.is_none() {
            round.turn += 1;
            // Passing an empty shard costs something too.
            swept.looked_at += 1;
        }
        self.sweep = round;
    }
}
