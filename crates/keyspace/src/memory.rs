//! Where one worker's memory comes from, and where what it has unlinked waits.

use std::sync::Arc;

use crate::background::{Background, Waste};
use crate::prefix::index::Record;
use crate::quiescence::{Garbage, Quiescence};
use crate::shared::SharedBytes;
use crate::slab::{Magazines, Slabs};

/// Large values that are freed at once; more of them go to the background thread.
const LARGE_FREED_MAX: usize = 64;

/// One worker's share of the keyspace's memory.
pub(crate) struct Memory {
    pub magazines: Magazines,
    pub garbage: Garbage,
    /// Keys of prefixes with a limit that have come and are in no index yet.
    pub new_in_prefixes: Vec<(u8, Record)>,
    background: Arc<Background>,
}

impl Memory {
    pub fn new(slabs: Arc<Slabs>, background: Arc<Background>) -> Self {
        Self {
            magazines: Magazines::new(slabs),
            garbage: Garbage::default(),
            new_in_prefixes: Vec::new(),
            background,
        }
    }

    /// See [`Garbage::collect`].
    #[inline]
    pub fn collect(&mut self, quiescence: &Quiescence, all: bool) {
        let large = self.garbage.collect(quiescence, &mut self.magazines, all);
        if large.len() <= LARGE_FREED_MAX {
            return self.background.free_now(Waste::Large(large));
        }
        let bytes = large.iter().map(SharedBytes::memory_bytes).sum();
        self.background.free(Waste::Large(large), bytes);
    }
}
