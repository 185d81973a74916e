//! Receive buffers that the kernel fills, and the ring through which io_uring is told which of them are free.
//!
//! All unsafe code about this memory is here. The kernel takes buffers in the order in which they were put
//! into the ring. If all were always in it, receiving would cycle through the whole pool and every receive
//! would miss the CPU's caches. So only about twice as many are offered as recent wakes needed; the others
//! wait on a stack, hottest on top, and those never needed never get memory.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags};

use crate::backend::Buffer;

/// The only buffer group of a ring.
pub(crate) const GROUP: u16 = 0;

/// Offered when nothing is known yet.
const OFFERED_MIN: u32 = 8;

/// Bytes between the ends of buffers: without them the first lines of all buffers would share a few sets of
/// the CPU's caches, as sizes are powers of two.
const STAGGER_BYTES: usize = 192;

/// The demand is kept in fractions of a buffer, so that it can decay slowly.
const DEMAND_SCALE: u32 = 256;

/// A wake that needs less than the demand lowers it by this share.
const DEMAND_DECAY: u32 = 128;

/// Anonymous memory that is given to the process page by page, on first use.
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Mapping> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new private mapping at an address that the kernel chooses aliases nothing.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, bytes })
    }

    /// How much of the first `bytes` is resident; all of it where the system does not tell.
    fn resident_bytes(&self, bytes: usize) -> usize {
        let page_bytes = rustix::param::page_size();
        let bytes = bytes.next_multiple_of(page_bytes);
        assert!(bytes <= self.bytes.next_multiple_of(page_bytes));
        let mut pages = vec![0_u8; bytes / page_bytes];
        // SAFETY: the range is part of the mapping, and there is a byte for each of its pages.
        let result =
            unsafe { libc::mincore(self.start.as_ptr().cast(), bytes, pages.as_mut_ptr()) };
        if result != 0 {
            return bytes;
        }
        pages.iter().filter(|page| **page & 1 != 0).count() * page_bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `new`, and every borrow of it has ended with `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

/// The pool of receive buffers of one io_uring.
///
/// A buffer is at any time in one of three places: with the kernel (`offered`), with the caller (as a
/// `backend::Buffer`), or free. The kernel writes only to the first kind, and `bytes` is only asked for the second.
pub(crate) struct BufferRing {
    entries: Mapping,
    arena: Mapping,
    entries_mask: u16,
    tail: u16,
    buffer_bytes: usize,
    stride_bytes: usize,
    buffers_max: u32,
    /// Buffers that have been used at least once lie below this index.
    touched: u32,
    free: Vec<u16>,
    offered: u32,
    /// Buffers needed since the last `refill`, and the decaying maximum of that.
    needed: u32,
    demand: u32,
}

impl BufferRing {
    /// Reserves address space for `buffers_max` buffers of `buffer_bytes`.
    pub(crate) fn new(buffers_max: u32, buffer_bytes: usize) -> io::Result<BufferRing> {
        assert!(buffers_max <= crate::backend::BUFFERS_LIMIT);
        let entries_count = buffers_max.next_power_of_two();
        let stride_bytes = buffer_bytes.next_multiple_of(64) + STAGGER_BYTES;
        Ok(BufferRing {
            entries: Mapping::new(entries_count as usize * size_of::<BufRingEntry>())?,
            arena: Mapping::new(buffers_max as usize * stride_bytes)?,
            entries_mask: (entries_count - 1) as u16,
            tail: 0,
            buffer_bytes,
            stride_bytes,
            buffers_max,
            touched: 0,
            free: Vec::new(),
            offered: 0,
            needed: 0,
            demand: 0,
        })
    }

    /// Makes the ring known to `ring`. The caller keeps `self` alive until no receive of `ring` is in flight.
    pub(crate) fn register(&self, ring: &IoUring) -> io::Result<()> {
        let address = self.entries.start.as_ptr() as u64;
        let entries_count = self.entries_mask + 1;
        // SAFETY: the mapping is page-aligned, holds `entries_count` entries, is zeroed (tail 0), and lives as
        // long as the caller promises.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(address, entries_count, GROUP, 0)
        }
    }

    /// The kernel has filled one buffer: it is the caller's until `give_back`.
    #[inline]
    pub(crate) fn taken(&mut self) {
        debug_assert!(self.offered > 0);
        self.offered -= 1;
        self.needed += 1;
    }

    /// The kernel has found no buffer for a receive.
    pub(crate) fn missed(&mut self) {
        self.needed += 1;
    }

    /// A buffer that `taken` has counted is free again.
    #[inline]
    pub(crate) fn give_back(&mut self, index: u16) {
        self.free.push(index);
    }

    /// How many buffers the kernel can fill now.
    pub(crate) fn offered(&self) -> u32 {
        self.offered
    }

    /// Offers the kernel as many buffers as the demand asks for. Called once for each wake.
    #[inline]
    pub(crate) fn refill(&mut self) {
        let needed = std::mem::take(&mut self.needed);
        if needed > 0 {
            let decayed = self.demand - self.demand.div_ceil(DEMAND_DECAY);
            self.demand = decayed.max(needed * DEMAND_SCALE);
        }
        let target = (2 * self.demand.div_ceil(DEMAND_SCALE)).max(OFFERED_MIN);
        let tail_before = self.tail;
        while self.offered < target {
            let Some(index) = self.take_free() else { break };
            self.offer(index);
        }
        if self.tail != tail_before {
            self.publish();
        }
    }

    /// Memory of the buffers that have been used.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.arena
            .resident_bytes(self.touched as usize * self.stride_bytes)
    }

    /// The size of each.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// The bytes of a buffer that the caller holds.
    #[inline]
    pub(crate) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        let range = buffer.range();
        assert!(buffer.index < self.touched && range.end <= self.buffer_bytes);
        // SAFETY: in bounds by the assertion; mapped memory is initialised; the kernel does not write to a
        // buffer that the caller holds, and nobody else does.
        unsafe {
            let start = self.start_of(buffer.index).add(range.start);
            std::slice::from_raw_parts(start, buffer.len())
        }
    }

    fn take_free(&mut self) -> Option<u16> {
        if let Some(index) = self.free.pop() {
            return Some(index);
        }
        if self.touched == self.buffers_max {
            return None;
        }
        self.touched += 1;
        Some((self.touched - 1) as u16)
    }

    #[inline]
    fn offer(&mut self, index: u16) {
        let address = self.start_of(index.into()) as u64;
        let position = usize::from(self.tail & self.entries_mask);
        // SAFETY: the position is inside the mapping by the mask; the kernel reads an entry only after the tail
        // has passed it; at most `buffers_max` entries are in the ring, so none is overwritten. The first
        // entry's reserved field is the tail, and the setters do not touch it.
        unsafe {
            let entry = &mut *self
                .entries
                .start
                .as_ptr()
                .cast::<BufRingEntry>()
                .add(position);
            entry.set_addr(address);
            entry.set_len(self.buffer_bytes as u32);
            entry.set_bid(index);
        }
        self.tail = self.tail.wrapping_add(1);
        self.offered += 1;
    }

    fn publish(&self) {
        // SAFETY: the mapping starts with an entry, whose reserved field is the ring's tail: an aligned u16
        // that the kernel reads and only this thread writes.
        let tail =
            unsafe { &*BufRingEntry::tail(self.entries.start.as_ptr().cast()).cast::<AtomicU16>() };
        // Release: the entries must be visible before the tail that covers them.
        tail.store(self.tail, Ordering::Release);
    }

    fn start_of(&self, index: u32) -> *mut u8 {
        debug_assert!(index < self.buffers_max);
        // SAFETY: the arena holds `buffers_max` strides, and indices are below that.
        unsafe {
            self.arena
                .start
                .as_ptr()
                .add(index as usize * self.stride_bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BufferRing, OFFERED_MIN};

    #[test]
    fn offers_follow_demand() {
        let mut ring = BufferRing::new(1024, 4096).expect("address space");
        ring.refill();
        assert_eq!(ring.offered(), OFFERED_MIN);
        for _ in 0..8 {
            ring.taken();
        }
        for _ in 0..92 {
            ring.missed();
        }
        ring.refill();
        assert_eq!(ring.offered(), 200, "twice what was needed");
        (0..8).for_each(|index| ring.give_back(index));
        for _ in 0..5000 {
            ring.taken();
            ring.give_back(0);
            ring.refill();
        }
        assert!(
            ring.offered() <= 16,
            "the demand decays: {}",
            ring.offered()
        );
    }

    #[test]
    fn never_offers_more_than_there_are() {
        let mut ring = BufferRing::new(5, 64).expect("address space");
        ring.refill();
        assert_eq!(ring.offered(), 5);
        (0..5).for_each(|_| ring.taken());
        ring.refill();
        assert_eq!(ring.offered(), 0);
        ring.give_back(3);
        ring.refill();
        assert_eq!(ring.offered(), 1);
    }
}
