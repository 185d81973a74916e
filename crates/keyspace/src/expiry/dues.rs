//! When each shard of a database has something to expire: one number for each, looked at by whoever sweeps.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The numbers of one database. All zero says that there is nothing.
#[derive(Clone, Copy)]
pub(crate) struct Dues<'t> {
    /// How many wheels there are, then a time for each shard, in milliseconds of the Unix epoch; 0: never.
    words: &'t [AtomicU64],
}

impl<'t> Dues<'t> {
    /// Words for so many shards.
    pub const fn words(shards: usize) -> usize {
        shards + 1
    }

    pub fn new(words: &'t [AtomicU64]) -> Self {
        Self { words }
    }

    /// Wheels of this database.
    pub fn wheels(self) -> u64 {
        self.words[0].load(Relaxed)
    }

    pub fn add_wheel(self) {
        self.words[0].fetch_add(1, Relaxed);
    }

    pub fn remove_wheel(self) {
        self.words[0].fetch_sub(1, Relaxed);
    }

    /// When a shard's turn comes.
    #[inline]
    pub fn get(self, shard: usize) -> Option<u64> {
        let due_ms = self.words[shard + 1].load(Relaxed);
        (due_ms != 0).then_some(due_ms)
    }

    /// For the holder of the shard's lock, as all that follow.
    pub fn set(self, shard: usize, due_ms: Option<u64>) {
        self.words[shard + 1].store(due_ms.unwrap_or(0), Relaxed);
    }

    /// Makes a shard's turn come at this time, unless it comes before.
    pub fn bring_forward(self, shard: usize, due_ms: u64) {
        if self.get(shard).is_none_or(|before_ms| due_ms < before_ms) {
            self.set(shard, Some(due_ms));
        }
    }
}
