#![allow(unsafe_code)]
//! The records of one drawer: 32 bits each, in chunks from the slabs.
//!
//! ```text
//! chunk: address of the next chunk 48 | size in words 16 | record 4 | record 4 | ...
//! ```
//!
//! The first chunk is the only one with room left, and grows by a quarter until it is full at 1 KB; then another comes
//! before it. So there is one word and at most a quarter of a kilobyte too many, however many records there are.
//!
//! Soundness: a [`Records`] owns its chunks, which nobody else knows, and is used through `&mut`. Whoever drops one that
//! is not empty loses its memory, so its owner empties it before.

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::slab::Magazines;

const ADDRESS_MASK: u64 = (1 << 48) - 1;
const HEADER_BYTES: usize = 8;
const RECORD_BYTES: usize = 4;
const CHUNK_BYTES_MIN: usize = 16;
const CHUNK_BYTES_MAX: usize = 1024;
/// The most records of one chunk.
pub(super) const CHUNK_RECORDS_MAX: usize = (CHUNK_BYTES_MAX - HEADER_BYTES) / RECORD_BYTES;

/// Address of the first chunk, and in the upper 16 bits how many records it has; 0 when there are none.
#[derive(Default)]
pub(super) struct Records(u64);

/// The records of one chunk, copied out of it.
pub(crate) struct Batch {
    records: [u32; CHUNK_RECORDS_MAX],
    len: usize,
}

impl Batch {
    pub fn new() -> Self {
        Self {
            records: [0; CHUNK_RECORDS_MAX],
            len: 0,
        }
    }

    pub fn records(&self) -> &[u32] {
        &self.records[..self.len]
    }
}

/// A chunk, by its address.
#[derive(Clone, Copy)]
struct Chunk(NonNull<u8>);

impl Chunk {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, HEADER_BYTES).expect("a chunk is small")
    }

    fn allocate(bytes: usize, next: u64, magazines: &mut Magazines) -> Self {
        let start = magazines.allocate(Self::layout(bytes));
        let header = next | ((bytes / 8) as u64) << 48;
        // SAFETY: it has just been allocated, with room for the header and aligned for it.
        unsafe { start.cast::<u64>().write(header) };
        Self(start)
    }

    fn address(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// # Safety
    /// The chunk is alive.
    unsafe fn next_and_bytes(self) -> (u64, usize) {
        // SAFETY: a live chunk begins with its header.
        let header = unsafe { self.0.cast::<u64>().read() };
        (header & ADDRESS_MASK, (header >> 48) as usize * 8)
    }

    /// # Safety
    /// `at` lies inside the chunk.
    unsafe fn record(self, at: usize) -> NonNull<u32> {
        // SAFETY: by the contract.
        unsafe { self.0.add(HEADER_BYTES + at * RECORD_BYTES).cast() }
    }

    /// # Safety
    /// The chunk is alive, has this size, and is not used after this.
    unsafe fn free(self, bytes: usize, magazines: &mut Magazines) {
        // SAFETY: allocated with this layout; by the contract it is freed once.
        unsafe { magazines.free(self.0, Self::layout(bytes)) };
    }
}

/// The next size of a first chunk.
fn grown(bytes: usize) -> usize {
    (bytes + bytes.div_ceil(4))
        .next_multiple_of(16)
        .min(CHUNK_BYTES_MAX)
}

impl Records {
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn first(&self) -> Option<(Chunk, usize)> {
        let address = (self.0 & ADDRESS_MASK) as usize;
        let start = NonNull::new(std::ptr::with_exposed_provenance_mut(address))?;
        Some((Chunk(start), (self.0 >> 48) as usize))
    }

    fn set_first(&mut self, chunk: Chunk, len: usize) {
        self.0 = chunk.address() | (len as u64) << 48;
    }

    /// Adds a record; how many bytes that has taken.
    pub fn push(&mut self, record: u32, magazines: &mut Magazines) -> usize {
        let (chunk, len, taken) = self.room(magazines);
        // SAFETY: there is room for one more.
        unsafe { chunk.record(len).write(record) };
        self.set_first(chunk, len + 1);
        taken
    }

    /// The first chunk, which has room, how many records it has, and how many bytes it has been made larger.
    fn room(&mut self, magazines: &mut Magazines) -> (Chunk, usize, usize) {
        let Some((old, len)) = self.first() else {
            let chunk = Chunk::allocate(CHUNK_BYTES_MIN, 0, magazines);
            return (chunk, 0, CHUNK_BYTES_MIN);
        };
        // SAFETY: our chunks are alive.
        let (next, bytes) = unsafe { old.next_and_bytes() };
        if HEADER_BYTES + (len + 1) * RECORD_BYTES <= bytes {
            return (old, len, 0);
        }
        if bytes == CHUNK_BYTES_MAX {
            let chunk = Chunk::allocate(CHUNK_BYTES_MAX / 4, old.address(), magazines);
            return (chunk, 0, CHUNK_BYTES_MAX / 4);
        }
        let larger = grown(bytes);
        let chunk = Chunk::allocate(larger, next, magazines);
        // SAFETY: both have room for `len` records, and are not the same. The old one is ours, and forgotten.
        unsafe {
            chunk.record(0).copy_from_nonoverlapping(old.record(0), len);
            old.free(bytes, magazines);
        }
        (chunk, len, larger - bytes)
    }

    /// Takes one chunk of records out; how many bytes that has given back. There must be one.
    pub fn pop(&mut self, batch: &mut Batch, magazines: &mut Magazines) -> usize {
        let (chunk, len) = self.first().expect("asked for before");
        // SAFETY: our chunks are alive, and the first one has `len` records, which fit a batch. It is forgotten.
        let (next, bytes) = unsafe {
            let (next, bytes) = chunk.next_and_bytes();
            let records = NonNull::from(&mut batch.records[..len]).cast();
            chunk.record(0).copy_to_nonoverlapping(records, len);
            chunk.free(bytes, magazines);
            (next, bytes)
        };
        batch.len = len;
        // Every chunk but the first is full.
        let full = if next == 0 { 0 } else { CHUNK_RECORDS_MAX };
        self.0 = next | (full as u64) << 48;
        bytes
    }

    /// Gives the memory of all records back; how many bytes.
    pub fn clear(&mut self, magazines: &mut Magazines) -> usize {
        let mut given = 0;
        while let Some((chunk, _)) = self.first() {
            // SAFETY: our chunks are alive; this one is forgotten.
            unsafe {
                let (next, bytes) = chunk.next_and_bytes();
                chunk.free(bytes, magazines);
                self.0 = next;
                given += bytes;
            }
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, CHUNK_RECORDS_MAX, Records};
    use crate::slab::{HugePages, Magazines, Slabs};

    #[test]
    fn what_is_pushed_is_popped_and_the_memory_comes_back() {
        let mut magazines = Magazines::new(Slabs::new(HugePages::No));
        for count in [
            0,
            1,
            2,
            3,
            100,
            CHUNK_RECORDS_MAX,
            CHUNK_RECORDS_MAX + 1,
            5000,
        ] {
            let mut records = Records::default();
            let mut bytes = 0;
            for record in 0..count as u32 {
                bytes += records.push(record, &mut magazines);
            }
            assert!(bytes <= count * 5 + 256, "{bytes} bytes for {count}");
            let mut seen = Vec::new();
            let mut batch = Batch::new();
            while !records.is_empty() {
                bytes -= records.pop(&mut batch, &mut magazines);
                seen.extend_from_slice(batch.records());
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..count as u32).collect::<Vec<_>>());
            assert_eq!(bytes, 0);
        }
    }

    #[test]
    fn clearing_gives_all_back() {
        let mut magazines = Magazines::new(Slabs::new(HugePages::No));
        let mut records = Records::default();
        let taken: usize = (0..1000)
            .map(|record| records.push(record, &mut magazines))
            .sum();
        assert_eq!(records.clear(&mut magazines), taken);
        assert!(records.is_empty());
    }
}
