//! Where one worker's memory comes from, and where what it has unlinked waits.

use std::sync::Arc;

use crate::background::{Background, Waste};
use crate::prefix::index::Record;
use crate::quiescence::{Garbage, Quiescence};
use crate::slab::{Magazines, Slabs};

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
        if !large.is_empty() {
            let bytes = large
                .iter()
                .map(|value| value.allocated_bytes() as u64)
                .sum();
            self.background.free(Waste::Large(large), bytes);
        }
    }
}
