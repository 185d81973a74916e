#![allow(unsafe_code)]
//! One page in use: a header, a bitmap of its free objects, and the objects at its end.
//!
//! ```text
//! magic 3 | emptying 1 | class 2 | free objects 2 | next 8 | previous 8 | bitmap, 1 bit an object | unused | objects
//! ```
//!
//! Soundness: header and bitmap are touched only through [`Page::parts`], whose callers hold the lock of the page's
//! class; no object overlaps them. The owner of an object touches the object alone.

use std::ptr::NonNull;
use std::slice;

use super::class::{SHAPES, Shape};
use super::pool::{PAGE_BYTES, PageMemory};
use crate::prefetch::prefetch_line;

const MAGIC: [u8; 3] = *b"sla";
const WORD_BITS: usize = u64::BITS as usize;

/// What a page has before its bitmap.
pub(super) const HEADER_BYTES: usize = size_of::<Header>();

/// The beginning of a page.
#[repr(C)]
pub(super) struct Header {
    magic: [u8; 3],
    /// Whether it gives out no more objects.
    pub is_emptying: bool,
    class: u16,
    /// How many objects are free: those that are neither in use nor in a magazine.
    pub free: u16,
    /// The neighbours in the list of partly used pages of the class.
    pub next: Option<Page>,
    pub previous: Option<Page>,
}

/// The address of a page in use. Copying it does not copy the page.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Page(NonNull<Header>);

/// What may be changed in a page by the holder of its class's lock.
pub(super) struct Parts<'a> {
    pub header: &'a mut Header,
    /// A bit for each free object.
    bitmap: &'a mut [u64],
    shape: Shape,
    page: Page,
}

impl Page {
    /// A page of the class with all its objects free.
    pub fn format(memory: &PageMemory, class: usize) -> Self {
        let shape = SHAPES[class];
        let header = memory.start().cast::<Header>();
        // SAFETY: nobody else has the page; header and bitmap lie within it, and all of the bitmap is written.
        unsafe {
            header.write(Header {
                magic: MAGIC,
                is_emptying: false,
                class: class as u16,
                free: shape.objects as u16,
                next: None,
                previous: None,
            });
            let words = header.add(1).cast::<u64>();
            for word in 0..shape.bitmap_words() {
                let bits = (shape.objects - word * WORD_BITS).min(WORD_BITS);
                words.add(word).write(u64::MAX >> (WORD_BITS - bits));
            }
        }
        Self(header)
    }

    /// The page that an object lies in.
    pub fn of(object: NonNull<u8>) -> Self {
        let start = object.as_ptr().map_addr(|at| at & !(PAGE_BYTES - 1));
        // An object never lies at the beginning of memory, and neither does its page.
        Self(NonNull::new(start).unwrap_or(object).cast())
    }

    /// Where it begins.
    pub fn address(self) -> usize {
        self.0.addr().get()
    }

    /// Starts to load what [`Parts::give`] needs to take back an object of this shape.
    pub fn prefetch(object: NonNull<u8>, shape: Shape) {
        let start = Self::of(object).0.as_ptr().cast::<u8>();
        let word = shape.number(object.addr().get() % PAGE_BYTES) / WORD_BITS;
        prefetch_line(start);
        prefetch_line(start.wrapping_add(HEADER_BYTES + word * size_of::<u64>()));
    }

    /// # Safety
    /// The caller holds the lock of the page's class while the parts live, and has no other parts of this page.
    pub unsafe fn parts<'a>(self) -> Parts<'a> {
        // SAFETY: nobody else touches header and bitmap, as the caller promises; `format` has written both.
        unsafe {
            let header = &mut *self.0.as_ptr();
            debug_assert_eq!(header.magic, MAGIC, "the header of a page in use");
            let shape = SHAPES[usize::from(header.class)];
            let words = self.0.add(1).cast::<u64>().as_ptr();
            Parts {
                header,
                bitmap: slice::from_raw_parts_mut(words, shape.bitmap_words()),
                shape,
                page: self,
            }
        }
    }

    /// # Safety
    /// All objects of the page are free, no list has it, and the caller holds the lock of its class.
    pub unsafe fn retire(self) -> PageMemory {
        // SAFETY: nobody else has the page any more, which came from a `PageMemory`.
        unsafe {
            (*self.0.as_ptr()).magic = [0; 3];
            PageMemory::new(self.0.cast())
        }
    }
}

impl Parts<'_> {
    pub fn class(&self) -> usize {
        usize::from(self.header.class)
    }

    pub fn is_wholly_free(&self) -> bool {
        usize::from(self.header.free) == self.shape.objects
    }

    /// Takes free objects, in the order of their addresses, until there are `count` of them in `objects`.
    pub fn take(&mut self, count: usize, objects: &mut Vec<NonNull<u8>>) {
        for (index, word) in self.bitmap.iter_mut().enumerate() {
            while *word != 0 {
                if objects.len() >= count {
                    return;
                }
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                self.header.free -= 1;
                let number = index * WORD_BITS + bit;
                let offset = self.shape.offset(number);
                // SAFETY: only bits of objects within the page are ever set.
                objects.push(unsafe { self.page.0.cast::<u8>().add(offset) });
            }
        }
    }

    /// Makes an object free.
    pub fn give(&mut self, object: NonNull<u8>) {
        let offset = object.addr().get() % PAGE_BYTES;
        let number = self.shape.number(offset);
        debug_assert_eq!(self.shape.offset(number), offset, "where an object begins");
        let word = &mut self.bitmap[number / WORD_BITS];
        let bit = 1 << (number % WORD_BITS);
        debug_assert_eq!(*word & bit, 0, "an object is freed once");
        *word |= bit;
        self.header.free += 1;
    }
}
