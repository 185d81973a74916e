#![allow(unsafe_code)]
//! The pages of one class, behind the lock of the class.
//!
//! Pages that have free objects are in a doubly linked list through their headers. A full page that gets a free
//! object goes to the front, so new objects fill the fullest pages and the others can empty.
//!
//! Soundness: `&mut self` is the lock of the class. Every page in the list, and every page with an object that is
//! given back here, is of this class, so its parts are ours while no other parts of it live; each function lets go of
//! the parts of one page before it takes those of the next.

use std::ptr::NonNull;

use super::class::{SHAPES, Shape};
use super::page::Page;
use super::pool::PageMemory;

/// The most pages that are looked at under the lock for those that are to be emptied: some hundred microseconds.
const LOOKED_AT_MAX: usize = 4096;

/// The pages of a class.
pub(super) struct ClassPages {
    class: usize,
    partly_used: Option<Page>,
    /// Pages that give out no more objects.
    emptying: Option<Page>,
    pages: usize,
    /// Objects that are in use or in a magazine.
    used: usize,
}

// SAFETY: the pages belong to no thread; the class's lock decides who touches their headers.
unsafe impl Send for ClassPages {}

impl ClassPages {
    pub fn new(class: usize) -> Self {
        Self {
            class,
            partly_used: None,
            emptying: None,
            pages: 0,
            used: 0,
        }
    }

    pub fn shape(&self) -> Shape {
        SHAPES[self.class]
    }

    pub fn pages(&self) -> usize {
        self.pages
    }

    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether no page has a free object.
    pub fn is_full(&self) -> bool {
        self.partly_used.is_none()
    }

    pub fn add(&mut self, memory: &PageMemory) {
        self.pages += 1;
        self.link(Page::format(memory, self.class));
    }

    /// Takes objects until there are `count` of them in `objects`, or no page has a free one.
    pub fn take(&mut self, count: usize, objects: &mut Vec<NonNull<u8>>) {
        let before = objects.len();
        while objects.len() < count
            && let Some(page) = self.partly_used
        {
            // SAFETY: a page of our list, and its only parts.
            let mut parts = unsafe { page.parts() };
            parts.take(count, objects);
            if parts.header.free == 0 {
                self.unlink(page);
            }
        }
        self.used += objects.len() - before;
    }

    /// Takes an object back, and returns its page if it is wholly free now.
    ///
    /// # Safety
    /// The object came from [`Self::take`] of this class, and nobody uses it any more.
    pub unsafe fn give(&mut self, object: NonNull<u8>) -> Option<PageMemory> {
        let page = Page::of(object);
        // SAFETY: the page is of this class, and these are its only parts.
        let mut parts = unsafe { page.parts() };
        debug_assert_eq!(parts.class(), self.class, "the class of the layout");
        self.used -= 1;
        let was_full = parts.header.free == 0;
        parts.give(object);
        match (was_full, parts.is_wholly_free()) {
            (true, false) => self.link(page),
            (false, false) => {}
            (was_full, true) => {
                if !was_full {
                    self.unlink(page);
                }
                self.pages -= 1;
                // SAFETY: no object of it is in use, and the list does not have it.
                return Some(unsafe { page.retire() });
            }
        }
        None
    }

    /// Chooses the sparsest pages that have no more objects in use than the others have room for, and adds their
    /// addresses to `addresses`. Looks at no more than [`LOOKED_AT_MAX`] pages: the lock is held meanwhile.
    pub fn begin_emptying(&mut self, addresses: &mut Vec<usize>) {
        let mut pages = Vec::new();
        let mut next = self.partly_used;
        while let Some(page) = next
            && pages.len() < LOOKED_AT_MAX
        {
            // SAFETY: a page of our list, and its only parts.
            let parts = unsafe { page.parts() };
            pages.push((parts.header.free, page));
            next = parts.header.next;
        }
        pages.sort_unstable_by_key(|(free, _)| std::cmp::Reverse(*free));
        let objects = self.shape().objects;
        let mut room: usize = pages.iter().map(|(free, _)| usize::from(*free)).sum();
        for (free, page) in pages {
            let (free, in_use) = (usize::from(free), objects - usize::from(free));
            if free + in_use > room {
                break;
            }
            room -= free + in_use;
            self.unlink(page);
            // SAFETY: a page of this class, and its only parts.
            unsafe { page.parts() }.header.is_emptying = true;
            self.link(page);
            addresses.push(page.address());
        }
    }

    /// Lets the pages that are being emptied serve again; how many those are.
    pub fn end_emptying(&mut self) -> usize {
        let mut left = 0;
        while let Some(page) = self.emptying {
            self.unlink(page);
            // SAFETY: a page of this class, and its only parts.
            unsafe { page.parts() }.header.is_emptying = false;
            self.link(page);
            left += 1;
        }
        left
    }

    /// The list that a page belongs to.
    fn list(&mut self, is_emptying: bool) -> &mut Option<Page> {
        if is_emptying {
            &mut self.emptying
        } else {
            &mut self.partly_used
        }
    }

    fn link(&mut self, page: Page) {
        // SAFETY: a page of this class, and its only parts.
        let is_emptying = unsafe { page.parts() }.header.is_emptying;
        let first = self.list(is_emptying).replace(page);
        if let Some(next) = first {
            // SAFETY: a page of our list, and its only parts.
            unsafe { next.parts() }.header.previous = Some(page);
        }
        // SAFETY: a page of this class, and its only parts.
        let parts = unsafe { page.parts() };
        parts.header.next = first;
        parts.header.previous = None;
    }

    fn unlink(&mut self, page: Page) {
        // SAFETY: a page of our list, and its only parts.
        let parts = unsafe { page.parts() };
        let is_emptying = parts.header.is_emptying;
        let (next, previous) = (parts.header.next.take(), parts.header.previous.take());
        match previous {
            // SAFETY: a page of our list, and its only parts.
            Some(previous) => unsafe { previous.parts() }.header.next = next,
            None => *self.list(is_emptying) = next,
        }
        if let Some(next) = next {
            // SAFETY: a page of our list, and its only parts.
            unsafe { next.parts() }.header.previous = previous;
        }
    }
}
