//! Where one worker's memory comes from, and where what it has unlinked waits.

use std::sync::Arc;

use crate::background::{Background, Waste};
use crate::entry::Owned;
use crate::prefix::index::Record;
use crate::quiescence::{Garbage, Quiescence};
use crate::slab::{Magazines, Slabs};

/// Values that are freed at once; more of them go to the background thread.
const FREED_AT_ONCE_MAX: usize = 64;

/// Memory of collections that are freed at once; more of it goes to the background thread.
const COLLECTION_BYTES_AT_ONCE_MAX: u64 = 64 << 10;

/// One worker's share of the keyspace's memory.
pub(crate) struct Memory {
    pub magazines: Magazines,
    pub garbage: Garbage,
    /// Keys of prefixes with a limit that have come and are in no index yet.
    pub new_in_prefixes: Vec<(u8, Record)>,
    /// Where a small collection is changed; kept for its memory.
    pub pack: Vec<u8>,
    background: Arc<Background>,
}

impl Memory {
    pub fn new(slabs: Arc<Slabs>, background: Arc<Background>) -> Self {
        Self {
            magazines: Magazines::new(slabs),
            garbage: Garbage::default(),
            new_in_prefixes: Vec::new(),
            pack: Vec::new(),
            background,
        }
    }

    /// See [`Garbage::collect`].
    #[inline]
    pub fn collect(&mut self, quiescence: &Quiescence, all: bool) {
        let owned = self.garbage.collect(quiescence, &mut self.magazines, all);
        if !owned.is_empty() {
            self.free_owned(owned);
        }
    }

    /// Frees a large string in one piece, and a collection in as many as it has elements.
    #[cold]
    fn free_owned(&mut self, owned: Vec<Owned>) {
        let collection_bytes = |owned: &Owned| match owned {
            Owned::Bytes(_) => 0,
            Owned::Object(_) => owned.memory_bytes(),
        };
        if owned.len() <= FREED_AT_ONCE_MAX
            && owned.iter().map(collection_bytes).sum::<u64>() <= COLLECTION_BYTES_AT_ONCE_MAX
        {
            return self.background.free_now(Waste::Values(owned));
        }
        let bytes = owned.iter().map(Owned::memory_bytes).sum();
        self.background.free(Waste::Values(owned), bytes);
    }
}
