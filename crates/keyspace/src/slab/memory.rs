#![allow(unsafe_code)]
//! Memory from the system: chunks of 2 MB, aligned to 2 MB, and zeros.
//!
//! Where there is no `mmap` (Miri, systems that are not Unix) the global allocator gives them.
//!
//! Soundness: a [`Mapping`] owns its memory from [`Mapping::new`] until it is dropped, and hands out nothing but its
//! address. Advice to the system is only that: its failures change how much memory is resident, nothing else.

use std::ptr::NonNull;

use super::HugePages;

/// The size and the alignment of a chunk: a huge page of most systems.
pub(super) const CHUNK_BYTES: usize = 2 << 20;

/// The smallest page that a system has.
const SYSTEM_PAGE_BYTES_MIN: usize = 4096;

/// One chunk of memory, given back when it is dropped.
pub(super) struct Mapping(NonNull<u8>);

// SAFETY: the mapping owns its memory, which belongs to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// A new chunk; none if the system has no memory for it.
    pub fn new(huge_pages: HugePages) -> Option<Self> {
        let mapping = Self(system::map_aligned()?);
        if huge_pages == HugePages::Yes {
            // SAFETY: the chunk is ours.
            unsafe { system::ask_for_huge_pages(mapping.0) };
        }
        Some(mapping)
    }

    pub fn start(&self) -> NonNull<u8> {
        self.0
    }

    /// Has the system give all the memory now. Before anything is in the chunk: it is filled with zeros, here and there.
    pub fn touch(&mut self) {
        for offset in (0..CHUNK_BYTES).step_by(SYSTEM_PAGE_BYTES_MIN) {
            // SAFETY: the byte is in the chunk, which is ours alone.
            unsafe { self.0.add(offset).write_volatile(0) };
        }
        // The system would make a huge page again of what is left of one, with all that was given back of it.
        // SAFETY: the chunk is ours.
        unsafe { system::ask_for_no_more_huge_pages(self.0) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the chunk is ours, whole, and nobody uses it after its owner.
        unsafe { system::unmap(self.0, CHUNK_BYTES) };
    }
}

/// Gives the memory of a range back; the range stays mapped, with any content.
///
/// # Safety
/// The range is part of a [`Mapping`], begins and ends at a page of the system, and nobody uses what is in it.
pub(super) unsafe fn release(start: NonNull<u8>, bytes: usize) {
    // SAFETY: as the caller promises.
    unsafe { system::release(start, bytes) };
}

/// Zeros that take no memory of the machine until they are touched, aligned to a page of the system; none if it has none.
pub(crate) fn map_zeros(bytes: usize) -> Option<NonNull<u8>> {
    system::map(bytes)
}

/// Gives them back.
///
/// # Safety
/// `start` came from [`map_zeros`] with as many bytes, and nobody uses it any more.
pub(crate) unsafe fn unmap_zeros(start: NonNull<u8>, bytes: usize) {
    // SAFETY: as the caller promises.
    unsafe { system::unmap(start, bytes) };
}

#[cfg(all(unix, not(miri)))]
mod system {
    //! `mmap` and its relatives.

    use std::ptr::{NonNull, null_mut};

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    use super::CHUNK_BYTES;

    pub fn map_aligned() -> Option<NonNull<u8>> {
        // The system places a mapping beside the one before, so all but the first are aligned most of the time.
        let start = map(CHUNK_BYTES)?;
        if start.addr().get().is_multiple_of(CHUNK_BYTES) {
            return Some(start);
        }
        // SAFETY: the mapping is ours, and nobody has its address.
        unsafe { unmap(start, CHUNK_BYTES) };
        let wide = map(2 * CHUNK_BYTES)?;
        let head = wide.align_offset(CHUNK_BYTES);
        // SAFETY: both ends lie in the mapping, which is ours; nobody has an address in them.
        unsafe {
            let chunk = wide.add(head);
            if head > 0 {
                unmap(wide, head);
            }
            unmap(chunk.add(CHUNK_BYTES), CHUNK_BYTES - head);
            Some(chunk)
        }
    }

    pub fn map(bytes: usize) -> Option<NonNull<u8>> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses the place, so nothing that is mapped changes.
        let start = unsafe { mmap_anonymous(null_mut(), bytes, access, MapFlags::PRIVATE) };
        NonNull::new(start.ok()?.cast())
    }

    pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller owns the range. It stays mapped if the system cannot split a mapping, which loses only it.
        let _ = unsafe { munmap(start.as_ptr().cast(), bytes) };
    }

    pub unsafe fn ask_for_huge_pages(chunk: NonNull<u8>) {
        #[cfg(target_os = "linux")]
        // SAFETY: this advice changes no content.
        let _ = unsafe { madvise(chunk.as_ptr().cast(), CHUNK_BYTES, Advice::LinuxHugepage) };
        #[cfg(not(target_os = "linux"))]
        let _ = chunk;
    }

    pub unsafe fn ask_for_no_more_huge_pages(chunk: NonNull<u8>) {
        #[cfg(target_os = "linux")]
        // SAFETY: this advice changes no content.
        let _ = unsafe { madvise(chunk.as_ptr().cast(), CHUNK_BYTES, Advice::LinuxNoHugepage) };
        #[cfg(not(target_os = "linux"))]
        let _ = chunk;
    }

    pub unsafe fn release(start: NonNull<u8>, bytes: usize) {
        #[cfg(target_os = "linux")]
        let advice = Advice::LinuxDontNeed;
        #[cfg(not(target_os = "linux"))]
        let advice = Advice::DontNeed;
        // SAFETY: the caller promises that nobody uses what is in the range.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, advice) };
    }
}

#[cfg(not(all(unix, not(miri))))]
mod system {
    //! Chunks and zeros from the global allocator.

    use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
    use std::ptr::NonNull;

    use super::{CHUNK_BYTES, SYSTEM_PAGE_BYTES_MIN};

    fn layout(bytes: usize) -> Layout {
        let align = if bytes == CHUNK_BYTES {
            CHUNK_BYTES
        } else {
            SYSTEM_PAGE_BYTES_MIN
        };
        Layout::from_size_align(bytes, align).expect("alignments are powers of two")
    }

    pub fn map_aligned() -> Option<NonNull<u8>> {
        // SAFETY: the layout has a size.
        NonNull::new(unsafe { alloc(layout(CHUNK_BYTES)) })
    }

    pub fn map(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: nobody maps nothing.
        NonNull::new(unsafe { alloc_zeroed(layout(bytes)) })
    }

    pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: only what was mapped whole is given back here.
        unsafe { dealloc(start.as_ptr(), layout(bytes)) };
    }

    pub unsafe fn ask_for_huge_pages(_chunk: NonNull<u8>) {}

    pub unsafe fn ask_for_no_more_huge_pages(_chunk: NonNull<u8>) {}

    pub unsafe fn release(_start: NonNull<u8>, _bytes: usize) {}
}
