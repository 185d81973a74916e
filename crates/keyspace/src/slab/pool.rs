#![allow(unsafe_code)]
//! Chunks cut into pages of 64 KB, and the pages that belong to no class.
//!
//! The lowest chunk that is partly used gives its pages first, so that the others can empty. A wholly free chunk is
//! unmapped, but for one spare while pages are taken. Free pages in partly used chunks keep their memory up to a limit, and beyond it
//! stay mapped without memory. With huge pages, the spare is also what `provider` prepares.
//!
//! Soundness: a [`PageMemory`] is made by the pool for a page whose bit it has just cleared, and the bit is set again
//! only when the pool takes the `PageMemory` back; so there is one at most for each page, and its chunk, which has a
//! page in use, stays mapped.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;

use super::HugePages;
use super::memory::{self, CHUNK_BYTES, Mapping};
use super::provider::Provider;

/// The size and the alignment of a page.
pub(super) const PAGE_BYTES: usize = 64 << 10;
/// Free pages that keep their memory, at most one in so many; more are given back to the system.
const FREE_RESIDENT_RATIO: usize = 64;
pub(super) const FREE_RESIDENT_PAGES_MIN: usize = 8;
const FREE_RESIDENT_PAGES_MAX: usize = 64;
/// With so many chunks, huge pages are worth a spare one.
const CHUNKS_WITH_SPARE: usize = 8;

const CHUNK_PAGES: usize = CHUNK_BYTES / PAGE_BYTES;
const ALL_FREE: u32 = u32::MAX;
const _: () = assert!(CHUNK_PAGES == u32::BITS as usize);

/// One page that nobody else has. It is lost until the end of the pool if it is not given back.
pub(super) struct PageMemory(NonNull<u8>);

impl PageMemory {
    /// # Safety
    /// The page came from a [`PageMemory`] of the pool that it will be given back to, and the caller gives it up.
    pub unsafe fn new(start: NonNull<u8>) -> Self {
        Self(start)
    }

    pub fn start(&self) -> NonNull<u8> {
        self.0
    }

    fn release(&mut self) {
        // SAFETY: the page is ours, and part of a mapping.
        unsafe { memory::release(self.0, PAGE_BYTES) };
    }
}

/// All chunks, and which of their pages are free.
pub(super) struct Pool {
    huge_pages: HugePages,
    chunks: Arc<Mutex<Chunks>>,
    provider: Provider,
}

/// What the pool has.
#[derive(Clone, Copy, Default)]
pub(super) struct PoolStats {
    pub chunks: usize,
    pub free_pages: usize,
    /// Those of the free pages that have no memory.
    pub released_pages: usize,
}

#[derive(Default)]
pub(super) struct Chunks {
    by_address: BTreeMap<usize, Chunk>,
    /// Those with pages in use and free pages.
    partly_free: BTreeSet<usize>,
    /// The one that may be wholly free.
    spare: Option<usize>,
    free_pages: usize,
    released_pages: usize,
    /// Whether a page was taken since [`Pool::give_idle_spare_back`].
    is_in_use: bool,
}

struct Chunk {
    mapping: Mapping,
    /// A bit for each free page.
    free: u32,
    /// A bit for each free page without memory.
    released: u32,
}

impl Pool {
    pub fn new(huge_pages: HugePages) -> Self {
        Self {
            huge_pages,
            chunks: Arc::default(),
            provider: Provider::default(),
        }
    }

    /// A free page; none if the system has no memory.
    pub fn take(&self) -> Option<PageMemory> {
        let page = self.chunks.lock().take();
        let page = match page {
            Some(page) => Some(page),
            None => self.take_of_new(),
        };
        let wants_spare = {
            let chunks = self.chunks.lock();
            chunks.spare.is_none() && chunks.by_address.len() >= CHUNKS_WITH_SPARE
        };
        if wants_spare && self.huge_pages == HugePages::Yes {
            self.provider.request(&self.chunks);
        }
        page
    }

    /// A page of a new chunk, of small pages.
    fn take_of_new(&self) -> Option<PageMemory> {
        // No system call under the lock. If another worker maps a chunk meanwhile, one of the two is not needed.
        let mapping = Mapping::new(HugePages::No)?;
        let (page, unneeded) = {
            let mut chunks = self.chunks.lock();
            let unneeded = chunks.add(mapping, ALL_FREE);
            (chunks.take(), unneeded)
        };
        drop(unneeded);
        page
    }

    pub fn give(&self, mut page: PageMemory) {
        let is_released = {
            let chunks = self.chunks.lock();
            chunks.resident_pages() >= chunks.resident_pages_max()
        };
        if is_released {
            page.release();
        }
        let unneeded = self.chunks.lock().give(&page, is_released);
        drop(unneeded);
    }

    /// Gives the spare chunk back to the system if no page was taken since the last call.
    pub fn give_idle_spare_back(&self) {
        let unneeded = self.chunks.lock().take_idle_spare();
        drop(unneeded);
    }

    pub fn stats(&self) -> PoolStats {
        let chunks = self.chunks.lock();
        PoolStats {
            chunks: chunks.by_address.len(),
            free_pages: chunks.free_pages,
            released_pages: chunks.released_pages,
        }
    }
}

impl Chunks {
    fn resident_pages(&self) -> usize {
        self.free_pages - self.released_pages
    }

    /// How many free pages may keep their memory.
    fn resident_pages_max(&self) -> usize {
        let pages = self.by_address.len() * CHUNK_PAGES;
        (pages / FREE_RESIDENT_RATIO).clamp(FREE_RESIDENT_PAGES_MIN, FREE_RESIDENT_PAGES_MAX)
    }

    /// Makes a chunk that has all its memory the spare; returns it if there is one.
    pub fn add_touched(&mut self, mapping: Mapping) -> Option<Mapping> {
        self.add(mapping, 0)
    }

    /// Makes the chunk the spare; returns it if there is one. `released` are its pages without memory.
    fn add(&mut self, mapping: Mapping, released: u32) -> Option<Mapping> {
        if self.spare.is_some() {
            return Some(mapping);
        }
        let address = mapping.start().addr().get();
        let chunk = Chunk {
            mapping,
            free: ALL_FREE,
            released,
        };
        self.by_address.insert(address, chunk);
        self.spare = Some(address);
        self.free_pages += CHUNK_PAGES;
        self.released_pages += released.count_ones() as usize;
        None
    }

    fn take(&mut self) -> Option<PageMemory> {
        let partly_free = self.partly_free.first().copied();
        let address = partly_free.or_else(|| self.spare.take())?;
        let chunk = self.by_address.get_mut(&address)?;
        let resident = chunk.free & !chunk.released;
        let candidates = if resident == 0 { chunk.free } else { resident };
        let index = candidates.trailing_zeros();
        let bit = 1 << index;
        self.is_in_use = true;
        self.free_pages -= 1;
        self.released_pages -= usize::from(chunk.released & bit != 0);
        chunk.free &= !bit;
        chunk.released &= !bit;
        if chunk.free == 0 {
            self.partly_free.remove(&address);
        } else {
            self.partly_free.insert(address);
        }
        // SAFETY: the index is that of a page of the chunk.
        Some(PageMemory(unsafe {
            chunk.mapping.start().add(index as usize * PAGE_BYTES)
        }))
    }

    /// Takes the page back; returns the chunk to unmap, if any.
    fn give(&mut self, page: &PageMemory, is_released: bool) -> Option<Mapping> {
        let page_address = page.start().addr().get();
        let address = page_address & !(CHUNK_BYTES - 1);
        let chunk = self.by_address.get_mut(&address);
        let chunk = chunk.expect("a page in use has its chunk");
        let bit = 1 << ((page_address - address) / PAGE_BYTES);
        debug_assert_eq!(chunk.free & bit, 0, "a page is given back once");
        chunk.free |= bit;
        chunk.released |= if is_released { bit } else { 0 };
        self.free_pages += 1;
        self.released_pages += usize::from(is_released);
        if chunk.free != ALL_FREE {
            self.partly_free.insert(address);
            return None;
        }
        self.partly_free.remove(&address);
        if self.spare.is_none() {
            self.spare = Some(address);
            return None;
        }
        self.remove(address)
    }

    fn take_idle_spare(&mut self) -> Option<Mapping> {
        if std::mem::take(&mut self.is_in_use) {
            return None;
        }
        let spare = self.spare.take()?;
        self.remove(spare)
    }

    /// Takes a chunk out that is wholly free.
    fn remove(&mut self, address: usize) -> Option<Mapping> {
        let chunk = self.by_address.remove(&address)?;
        self.free_pages -= CHUNK_PAGES;
        self.released_pages -= chunk.released.count_ones() as usize;
        Some(chunk.mapping)
    }
}
