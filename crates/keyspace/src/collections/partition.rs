#![allow(unsafe_code)]
//! One partition of an element table: a tag and an element for each, in one allocation.
//!
//! ```text
//! owners | length | capacity | tags, one byte each | elements, one pointer each
//! ```
//!
//! A tag is a byte of the hash of the element's name. A lookup compares all tags, which lie in a cache line or two, and
//! then the names behind those that are equal: mostly one. Elements are in no order.
//!
//! Those who go through a table in steps share its partitions. Who changes one that is shared copies it first.
//!
//! Soundness: a partition has `length` elements, which are initialised as all tags are, and room for `capacity`. It changes only
//! through `&mut Partition` and while `owners` is 1, which [`Partition::own`] sees to; nobody else can come to it then,
//! since another owner would be needed to clone from.

use std::alloc::Layout;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use super::element::Element;
use crate::prefetch::prefetch_line;
use crate::slab::{local, object_bytes};

/// The tags that are compared at once.
const WORD: usize = 8;
/// What lies behind the first line of a partition is on the next one, mostly.
const LINE_BYTES: usize = 64;
/// Room grows by so many elements, and by an eighth where that is more.
const GROWTH: usize = 4;

/// What comes before the tags.
#[repr(C)]
struct Head {
    owners: AtomicU32,
    length: u16,
    capacity: u16,
}

/// Elements with their tags; counted.
pub(super) struct Partition(Option<NonNull<Head>>);

// SAFETY: it is a counted reference to elements, which are changed by an only owner.
unsafe impl Send for Partition {}
// SAFETY: as above.
unsafe impl Sync for Partition {}

/// The tag of a hash: bits that do not choose the partition.
#[inline]
fn tag_of(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// Where the elements begin.
#[inline]
fn elements_at(capacity: usize) -> usize {
    size_of::<Head>() + capacity.next_multiple_of(WORD)
}

// The elements are aligned, since all before them are whole words.
const _: () = assert!(align_of::<Element>() <= WORD && size_of::<Head>().is_multiple_of(WORD));

fn layout(capacity: usize) -> Layout {
    let bytes = elements_at(capacity) + capacity * size_of::<Element>();
    Layout::from_size_align(bytes, align_of::<Head>().max(align_of::<Element>()))
        .expect("it has at most 65,535 elements")
}

/// The highest bits of the bytes that are zero. (H. S. Warren, *Hacker's Delight*, 6-1.)
#[inline]
fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; WORD]);
    !(((word & LOW) + LOW) | word | LOW)
}

/// The places of the bits of a word that are set.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

fn capacity_for(length: usize) -> usize {
    (length + length / 8).next_multiple_of(GROWTH)
}

impl Partition {
    /// The elements at most.
    pub const LEN_MAX: usize = 32 << 10;

    /// One without elements, which takes no memory.
    pub const fn new() -> Self {
        Self(None)
    }

    #[inline]
    fn head(&self) -> Option<&Head> {
        // SAFETY: it is there while somebody owns it.
        self.0.map(|head| unsafe { head.as_ref() })
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.head().map_or(0, |head| head.length.into())
    }

    fn capacity(&self) -> usize {
        self.head().map_or(0, |head| head.capacity.into())
    }

    /// The memory that it takes besides its elements', in bytes.
    pub fn memory_bytes(&self) -> usize {
        match self.capacity() {
            0 => 0,
            capacity => object_bytes(layout(capacity)),
        }
    }

    #[inline]
    fn tags(&self) -> &[[u8; WORD]] {
        match self.0 {
            None => &[],
            // SAFETY: there are as many tags as there is capacity for, in whole words, and they do not change while
            // `self` is borrowed.
            Some(head) => unsafe {
                slice::from_raw_parts(head.add(1).cast().as_ptr(), self.len().div_ceil(WORD))
            },
        }
    }

    /// The places of what may have this hash.
    #[inline]
    fn candidates(&self, hash: u64) -> impl Iterator<Item = usize> {
        let length = self.len();
        let wanted = u64::from_le_bytes([tag_of(hash); WORD]);
        let words = self.tags().iter().enumerate();
        words.flat_map(move |(word, tags)| {
            let equal = zero_bytes(u64::from_le_bytes(*tags) ^ wanted);
            let places = Bits(equal).map(move |bit| word * WORD + bit / 8);
            places.filter(move |at| *at < length)
        })
    }

    /// The elements.
    #[inline]
    pub fn elements(&self) -> &[Element] {
        match self.0 {
            None => &[],
            // SAFETY: there are so many elements, and they do not change while `self` is borrowed.
            Some(head) => unsafe {
                let first = head.byte_add(elements_at(self.capacity()));
                slice::from_raw_parts(first.cast().as_ptr(), self.len())
            },
        }
    }

    /// Where an element is whose name has this hash and that `is_it` knows.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(&Element) -> bool) -> Option<usize> {
        let elements = self.elements();
        self.candidates(hash).find(|at| is_it(&elements[*at]))
    }

    /// Asks for the tags.
    #[inline]
    pub fn prefetch_tags(&self) {
        if let Some(head) = self.0 {
            let line = head.as_ptr().cast::<u8>();
            prefetch_line(line);
            prefetch_line(line.wrapping_add(LINE_BYTES));
        }
    }

    /// Asks for the pointers to what may have this hash.
    #[inline]
    pub fn prefetch_pointers(&self, hash: u64) {
        let elements = self.elements();
        for at in self.candidates(hash) {
            prefetch_line(ptr::from_ref(&elements[at]).cast());
        }
    }

    /// Asks for what may have this hash.
    #[inline]
    pub fn prefetch_elements(&self, hash: u64) {
        let elements = self.elements();
        for at in self.candidates(hash) {
            elements[at].prefetch();
        }
    }

    /// An element that may have this hash.
    pub fn first_candidate(&self, hash: u64) -> Option<&Element> {
        let at = self.candidates(hash).next()?;
        self.elements().get(at)
    }

    /// An element to be changed.
    pub fn element_mut(&mut self, at: usize) -> &mut Element {
        self.own(self.len());
        &mut self.elements_mut()[at]
    }

    fn elements_mut(&mut self) -> &mut [Element] {
        let length = self.len();
        match self.0 {
            None => &mut [],
            // SAFETY: as in `elements`; the callers are the only owners.
            Some(head) => unsafe {
                let first = head.byte_add(elements_at(self.capacity()));
                slice::from_raw_parts_mut(first.cast().as_ptr(), length)
            },
        }
    }

    /// Adds an element with this hash; where it is.
    ///
    /// # Panics
    /// With more than [`Partition::LEN_MAX`].
    pub fn push(&mut self, hash: u64, element: Element) -> usize {
        let length = self.len();
        assert!(length < Self::LEN_MAX, "a partition is split before");
        self.own(length + 1);
        let head = self.0.expect("there is room for one");
        // SAFETY: there is room for one more tag and element, and no other owner.
        unsafe {
            let first = head.byte_add(elements_at(self.capacity()));
            head.add(1).cast::<u8>().add(length).write(tag_of(hash));
            first.cast::<Element>().add(length).write(element);
            (*head.as_ptr()).length += 1;
        }
        length
    }

    /// Takes an element out; the last one gets its place.
    pub fn take(&mut self, at: usize) -> Element {
        let last = self.len() - 1;
        assert!(at <= last, "there is such an element");
        self.own(self.len());
        let head = self.0.expect("there is an element");
        // SAFETY: both places are below the length, and there is no other owner. The element that is read out counts no
        // more, nor does the last one's old place.
        let element = unsafe {
            let first = head
                .byte_add(elements_at(self.capacity()))
                .cast::<Element>();
            let tags = head.add(1).cast::<u8>();
            let element = first.add(at).read();
            first.add(at).copy_from(first.add(last), 1);
            tags.add(at).copy_from(tags.add(last), 1);
            (*head.as_ptr()).length -= 1;
            element
        };
        if capacity_for(last) + 2 * GROWTH <= self.capacity() {
            self.resize(last);
        }
        element
    }

    /// Takes all elements out; the partition is empty then.
    pub fn take_all(&mut self) -> Vec<Element> {
        self.own(self.len());
        let mut all = Vec::with_capacity(self.len());
        if let Some(head) = self.0.take() {
            // SAFETY: there is no other owner, so each element moves once; the memory is freed without them.
            unsafe {
                let capacity = usize::from(head.as_ref().capacity);
                let length = usize::from(head.as_ref().length);
                let first = head.byte_add(elements_at(capacity)).cast::<Element>();
                all.extend((0..length).map(|at| first.add(at).read()));
                local::free(head.cast(), layout(capacity));
            }
        }
        all
    }

    /// A copy with elements of its own.
    pub fn deep_clone(&self) -> Self {
        self.copied(self.len())
    }

    /// Makes this its only owner, with room for so many elements.
    fn own(&mut self, length: usize) {
        let is_shared = self
            .head()
            .is_some_and(|head| head.owners.load(Ordering::Acquire) > 1);
        if is_shared {
            *self = self.copied(length);
        } else if length > self.capacity() {
            self.resize(length);
        }
    }

    /// Another one with copies of the elements, and room for so many.
    fn copied(&self, length: usize) -> Self {
        let capacity = self.capacity();
        let is_enough = length <= capacity;
        let mut copy = Self::with_capacity(if is_enough {
            capacity
        } else {
            capacity_for(length)
        });
        for (tag, element) in self.tags().as_flattened().iter().zip(self.elements()) {
            copy.push(u64::from(*tag) << 56, element.clone());
        }
        copy
    }

    fn with_capacity(capacity: usize) -> Self {
        if capacity == 0 {
            return Self::new();
        }
        let head = local::allocate(layout(capacity)).cast::<Head>();
        // SAFETY: the memory is ours, and large enough.
        unsafe {
            head.write(Head {
                owners: AtomicU32::new(1),
                length: 0,
                capacity: capacity as u16,
            });
            let tags = head.add(1).cast::<u8>();
            tags.write_bytes(0, capacity.next_multiple_of(WORD));
        }
        Self(Some(head))
    }

    /// Moves everything to a place with room for so many. There is no other owner.
    fn resize(&mut self, length: usize) {
        let new = Self::with_capacity(capacity_for(length));
        if let (Some(to), Some(from)) = (new.0, self.0) {
            let (room, capacity, length) = (new.capacity(), self.capacity(), self.len());
            debug_assert!(length <= room);
            // SAFETY: there is room for all. What has moved is not dropped here, as the length is 0 from now on.
            unsafe {
                let tags = from.add(1).cast::<u8>();
                to.add(1)
                    .cast::<u8>()
                    .copy_from_nonoverlapping(tags, length);
                let elements = from.byte_add(elements_at(capacity)).cast::<Element>();
                to.byte_add(elements_at(room))
                    .cast::<Element>()
                    .copy_from_nonoverlapping(elements, length);
                (*to.as_ptr()).length = length as u16;
                (*from.as_ptr()).length = 0;
            }
        }
        *self = new;
    }
}

impl Clone for Partition {
    /// The same one, counted once more.
    fn clone(&self) -> Self {
        if let Some(head) = self.head() {
            head.owners.fetch_add(1, Ordering::Relaxed);
        }
        Self(self.0)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let Some(head) = self.0 else { return };
        // SAFETY: it is there while somebody owns it. The last owner drops the elements and frees the memory; what the
        // others did happened before, as with `Arc`.
        unsafe {
            if head.as_ref().owners.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            head.as_ref().owners.load(Ordering::Acquire);
            ptr::drop_in_place(self.elements_mut());
            local::free(head.cast(), layout(self.capacity()));
        }
    }
}
