#![allow(unsafe_code)]
//! The allocator of small entries and of bucket arrays: slabs with classes of 8 bytes, and a magazine per worker.
//!
//! General-purpose allocators round 88 bytes up to 96. Here an object takes its size rounded up to 8 bytes, a bit, and
//! its share of a page header of 24 bytes; and it is known which pages are nearly empty, so that they can be emptied.
//!
//! ```text
//! worker: Magazines, a stack of free objects per class     no lock
//! class:  ClassPages, its pages with free objects          the class's lock
//! pool:   free pages of 64 KB, in chunks of 2 MB           the pool's lock
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `class` | size classes: 8 to 1024 bytes in steps of 8, then some counts of cache lines up to 255 |
//! | `page` | header, bitmap and objects of a page in use |
//! | `page_set` | pages that are being emptied |
//! | `class_pages` | the pages of one class |
//! | `pool` | chunks, and the pages that no class has |
//! | `memory` | chunks from the system |
//! | `local` | slabs and magazines for elements of collections |
//!
//! Allocating pops from the worker's magazine of the class, freeing pushes onto it, whoever allocated the object. An
//! empty magazine is filled by half from the pages of the class, in the order of addresses; a full one gives the older
//! half back. (Magazines and slabs: Bonwick and Adams, *Magazines and Vmem*, 2001.) A page whose objects are all free
//! goes back to the pool, for any class to take. What is too large, or aligned otherwise, goes to the global allocator.
//!
//! # Why it is sound
//!
//! Each byte of a page has one owner at any time:
//!
//! - A page that no class has is the pool's: a bit says so, behind the pool's lock. Taking it makes the only
//!   [`pool::PageMemory`] of that page, giving it back ends that.
//! - The header and the bitmap of a page in use belong to its class: only the holder of the class's lock touches them.
//!   A page has one class from [`page::Page::format`] to [`page::Page::retire`], and retires only when every object is
//!   back, so nobody can ask for the page of an object while it changes its class.
//! - An object whose bit is set belongs to its class, and nobody touches it. Clearing the bit hands it to one magazine.
//! - An object in a magazine belongs to that worker, which has `&mut` to its magazines. Nothing is written into a free
//!   object, so a magazine cannot be damaged through it.
//! - An object that was allocated belongs to the caller until [`Magazines::free`], which is where the caller's promise
//!   is needed: the object is live, the layout is that of its allocation, and nobody uses it afterwards. The objects of
//!   a page do not overlap each other or the bitmap, by the arithmetic of [`class::Shape`], which tests check for every
//!   class.
//!
//! An object moves between threads only under a class's lock (page) or by the caller's own means (a shard's lock),
//! either of which orders what was written to it. Locks are taken one at a time: no class's lock is held while another
//! class or the pool is asked, and no system call is made under any.
//!
//! Chunks are unmapped when all their pages are free, or with [`Slabs`] itself, which every [`Magazines`] keeps alive.
//! An object that is not freed before the last of them goes is gone with it, without being dropped.
//!
//! Built with `--cfg slab_passthrough`, every object comes from the global allocator, so that the address sanitizer
//! sees each use after free. Miri takes chunks from the global allocator instead of `mmap`, and runs the rest as it is:
//! pages are found from their objects by `map_addr`, with no integer turned into a pointer.

mod class;
mod class_pages;
pub(crate) mod local;
mod memory;
mod page;
mod page_set;
mod pool;
mod provider;
#[cfg(test)]
mod tests;

use std::alloc::{self, Layout, handle_alloc_error};
use std::ops::Add;
use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;

use class::{CLASSES, SHAPES, class_of};
pub(crate) use class::{LINES, global_bytes, object_bytes};
use class_pages::ClassPages;
use memory::CHUNK_BYTES;
pub(crate) use memory::{map_zeros, unmap_zeros};
use page::Page;
pub(crate) use page_set::PageSet;
use pool::{PAGE_BYTES, PageMemory, Pool};

/// Whether chunks ask the system for huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// They do.
    Yes,
    /// They leave it to the system's setting.
    No,
}

/// The slabs that all workers share.
pub(crate) struct Slabs {
    classes: Box<[Class]>,
    pool: Pool,
}

#[repr(align(128))]
struct Class(Mutex<ClassPages>);

/// One worker's free objects. Dropping them gives them back to their pages.
pub(crate) struct Magazines {
    slabs: Arc<Slabs>,
    /// Of each class the free objects, never more than the vector has had room for from the start.
    objects: [Vec<NonNull<u8>>; CLASSES],
    /// How many there were at the last [`Magazines::give_idle_back`].
    lens_before: [u16; CLASSES],
    /// Pages without objects. Giving them back to the system takes longer than a command may wait, when there are many.
    emptied: Vec<PageMemory>,
    /// Pages whose objects are not kept here.
    emptying: Option<Arc<PageSet>>,
}

// SAFETY: the objects in magazines belong to them alone, and to no thread.
unsafe impl Send for Magazines {}

/// How much memory the slabs have, in bytes but for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlabStats {
    /// Chunks of 2 MB.
    pub chunks: usize,
    /// Address space of the chunks.
    pub mapped_bytes: usize,
    /// Pages that belong to a class, headers included.
    pub page_bytes: usize,
    /// Objects that are in use or in a magazine.
    pub used_bytes: usize,
    /// Pages that belong to no class.
    pub free_page_bytes: usize,
    /// Those of the free pages that have no memory: not used yet, or given back to the system.
    pub released_bytes: usize,
}

impl Add for SlabStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            chunks: self.chunks + other.chunks,
            mapped_bytes: self.mapped_bytes + other.mapped_bytes,
            page_bytes: self.page_bytes + other.page_bytes,
            used_bytes: self.used_bytes + other.used_bytes,
            free_page_bytes: self.free_page_bytes + other.free_page_bytes,
            released_bytes: self.released_bytes + other.released_bytes,
        }
    }
}

/// One size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClassStats {
    /// The size of an object, in bytes.
    pub object_bytes: usize,
    /// Pages of the class.
    pub pages: usize,
    /// Objects that are in use or in a magazine.
    pub objects_used: usize,
    /// Objects that fit into its pages.
    pub objects_capacity: usize,
}

impl Slabs {
    pub fn new(huge_pages: HugePages) -> Arc<Self> {
        let class = |class| Class(Mutex::new(ClassPages::new(class)));
        Arc::new(Self {
            classes: (0..CLASSES).map(class).collect(),
            pool: Pool::new(huge_pages),
        })
    }

    pub fn stats(&self) -> SlabStats {
        let pool = self.pool.stats();
        let mut stats = SlabStats {
            chunks: pool.chunks,
            mapped_bytes: pool.chunks * CHUNK_BYTES,
            free_page_bytes: pool.free_pages * PAGE_BYTES,
            released_bytes: pool.released_pages * PAGE_BYTES,
            ..SlabStats::default()
        };
        for class in self.class_stats() {
            stats.page_bytes += class.pages * PAGE_BYTES;
            stats.used_bytes += class.objects_used * class.object_bytes;
        }
        stats
    }

    /// The classes that have pages, smallest objects first.
    pub fn class_stats(&self) -> impl Iterator<Item = ClassStats> {
        let stats = self.classes.iter().map(|class| {
            let pages = class.0.lock();
            ClassStats {
                object_bytes: pages.shape().object_bytes,
                pages: pages.pages(),
                objects_used: pages.used(),
                objects_capacity: pages.pages() * pages.shape().objects,
            }
        });
        stats.filter(|class| class.pages > 0)
    }

    /// Chooses sparse pages of each class, whose objects would find room in its other pages. They give out no more
    /// objects until [`Slabs::end_emptying`]. Their addresses.
    pub fn begin_emptying(&self) -> Vec<usize> {
        let mut addresses = Vec::new();
        for class in &self.classes {
            class.0.lock().begin_emptying(&mut addresses);
        }
        addresses
    }

    /// Gives the spare chunk back to the system if no page was taken since the last call.
    pub fn give_idle_spare_back(&self) {
        self.pool.give_idle_spare_back();
    }

    /// Lets the pages that are not empty serve again; how many those are.
    pub fn end_emptying(&self) -> usize {
        let end = |class: &Class| class.0.lock().end_emptying();
        self.classes.iter().map(end).sum()
    }

    /// Fills an empty magazine by half; leaves it empty if the system has no memory.
    fn refill(&self, class: usize, objects: &mut Vec<NonNull<u8>>) {
        let mut pages = self.classes[class].0.lock();
        if pages.is_full() {
            drop(pages);
            let Some(memory) = self.pool.take() else {
                return;
            };
            pages = self.classes[class].0.lock();
            pages.add(&memory);
        }
        pages.take(SHAPES[class].magazine_objects() / 2, objects);
        // The last is allocated first.
        objects.reverse();
    }

    /// Gives objects back to their pages; those that are empty then are the caller's.
    ///
    /// # Safety
    /// The objects are of this class of these slabs, and nobody uses them any more.
    unsafe fn give(&self, class: usize, objects: &[NonNull<u8>], emptied: &mut Vec<PageMemory>) {
        for object in objects {
            Page::prefetch(*object, SHAPES[class]);
        }
        let mut pages = self.classes[class].0.lock();
        // SAFETY: as the caller promises.
        emptied.extend(
            objects
                .iter()
                .filter_map(|object| unsafe { pages.give(*object) }),
        );
    }
}

impl Magazines {
    pub fn new(slabs: Arc<Slabs>) -> Self {
        Self {
            slabs,
            objects: std::array::from_fn(|class| {
                Vec::with_capacity(SHAPES[class].magazine_objects())
            }),
            lens_before: [0; CLASSES],
            emptied: Vec::new(),
            emptying: None,
        }
    }

    /// Memory for the layout, with any content. Ends the process if the system has none.
    #[inline]
    pub fn allocate(&mut self, layout: Layout) -> NonNull<u8> {
        let Some(class) = class_of(layout) else {
            return allocate_globally(layout);
        };
        match self.objects[class].pop() {
            Some(object) => object,
            None => self.refill(class, layout),
        }
    }

    /// Memory for the layout, filled with zeros. Ends the process if the system has none.
    #[inline]
    pub fn allocate_zeroed(&mut self, layout: Layout) -> NonNull<u8> {
        let start = self.allocate(layout);
        // SAFETY: the memory has at least the layout's size, and is ours.
        unsafe { start.write_bytes(0, layout.size()) };
        start
    }

    /// Takes memory back.
    ///
    /// # Safety
    /// The memory was allocated with this layout by magazines of the same [`Slabs`], has not been freed since, and
    /// nobody uses it any more.
    #[inline]
    pub unsafe fn free(&mut self, start: NonNull<u8>, layout: Layout) {
        let Some(class) = class_of(layout) else {
            // SAFETY: the same layout went to the global allocator.
            return unsafe { free_globally(start, layout) };
        };
        let is_emptying = self.emptying.as_ref().is_some_and(|pages| pages.has(start));
        let objects = &mut self.objects[class];
        if is_emptying {
            // SAFETY: as the caller promises.
            unsafe { self.slabs.give(class, &[start], &mut self.emptied) };
        } else if objects.len() < objects.capacity() {
            objects.push(start);
        } else {
            // SAFETY: as the caller promises.
            unsafe { self.give_half(class, start) };
        }
    }

    /// Keeps no objects of these pages from now on.
    pub fn set_emptying(&mut self, pages: Option<Arc<PageSet>>) {
        if pages.is_some() {
            self.flush();
        }
        self.emptying = pages;
    }

    /// Gives every object back to its page.
    pub fn flush(&mut self) {
        (0..CLASSES).for_each(|class| self.flush_class(class));
    }

    /// Gives back the objects of classes that have as many as at the last call: what a class that is not in use keeps
    /// would hold on to whole pages.
    pub fn give_idle_back(&mut self) {
        for class in 0..CLASSES {
            if self.objects[class].len() == usize::from(self.lens_before[class]) {
                self.flush_class(class);
            }
            self.lens_before[class] = self.objects[class].len() as u16;
        }
    }

    /// Memory of the free objects that are kept here.
    pub fn kept_bytes(&self) -> usize {
        let objects = self.objects.iter().zip(&SHAPES);
        objects
            .map(|(objects, shape)| objects.len() * shape.object_bytes)
            .sum()
    }

    /// Gives back pages that have been emptied, at most so many; whether there are more.
    pub fn give_pages_back(&mut self, pages_max: usize) -> bool {
        let left = self.emptied.len().saturating_sub(pages_max);
        for memory in self.emptied.drain(left..) {
            self.slabs.pool.give(memory);
        }
        left > 0
    }

    fn flush_class(&mut self, class: usize) {
        let objects = &mut self.objects[class];
        if !objects.is_empty() {
            // SAFETY: what is in a magazine is of its class, and nobody uses it.
            unsafe { self.slabs.give(class, objects, &mut self.emptied) };
            objects.clear();
        }
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self, class: usize, layout: Layout) -> NonNull<u8> {
        let objects = &mut self.objects[class];
        self.slabs.refill(class, objects);
        match objects.pop() {
            Some(object) => object,
            None => handle_alloc_error(layout),
        }
    }

    /// Gives the older half back to make room for one more.
    ///
    /// # Safety
    /// As [`Self::free`], for an object of this class.
    #[cold]
    #[inline(never)]
    unsafe fn give_half(&mut self, class: usize, start: NonNull<u8>) {
        let objects = &mut self.objects[class];
        let half = objects.len() / 2;
        // SAFETY: what is in a magazine is of its class, and nobody uses it.
        unsafe { self.slabs.give(class, &objects[..half], &mut self.emptied) };
        objects.drain(..half);
        objects.push(start);
    }
}

impl Drop for Magazines {
    fn drop(&mut self) {
        self.flush();
        self.give_pages_back(usize::MAX);
    }
}

#[cold]
#[inline(never)]
fn allocate_globally(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "an allocation has a size");
    // SAFETY: the layout has a size.
    let start = unsafe { alloc::alloc(layout) };
    NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
/// As [`Magazines::free`], for a layout that no class serves.
#[cold]
#[inline(never)]
unsafe fn free_globally(start: NonNull<u8>, layout: Layout) {
    // SAFETY: as the caller promises.
    unsafe { alloc::dealloc(start.as_ptr(), layout) };
}
