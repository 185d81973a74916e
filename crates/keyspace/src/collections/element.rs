#![allow(unsafe_code)]
//! One element of a large collection: a name and a value in one allocation behind a thin pointer.
//!
//! ```text
//! name's length, 7 bits to a byte | value's length, likewise | name | value
//! ```
//!
//! A set's members have empty values, a hash's fields have theirs, and a sorted set's members their scores.
//!
//! Soundness: an [`Element`] owns its allocation alone. A second structure over the same elements keeps
//! [`ElementPlace`]s, which are addresses only; looking at one is unsafe and the promise that its element is alive.

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::prefetch::prefetch_line;
use crate::slab::{local, object_bytes};

/// An element of this length is prefetched as a whole, wherever it lies.
const PREFETCHED_BYTES: usize = 48;
/// The bytes of the two lengths at most: 32 bits each.
const HEAD_BYTES_MAX: usize = 10;

/// An element that is owned.
pub(crate) struct Element(NonNull<u8>);

// SAFETY: it owns its memory alone, and changes it only through `&mut`.
unsafe impl Send for Element {}
// SAFETY: as above.
unsafe impl Sync for Element {}

/// The lengths of the parts of an element.
#[derive(Clone, Copy)]
struct Shape {
    head: usize,
    name: usize,
    value: usize,
}

impl Shape {
    fn bytes(self) -> usize {
        self.head + self.name + self.value
    }

    fn layout(self) -> Layout {
        Layout::array::<u8>(self.bytes()).expect("names and values are at most 512 MB")
    }
}

/// Writes a length; the bytes that it took.
fn write_length(mut length: usize, to: &mut [u8]) -> usize {
    let mut at = 0;
    while length >= 0x80 {
        to[at] = length as u8 | 0x80;
        length >>= 7;
        at += 1;
    }
    to[at] = length as u8;
    at + 1
}

impl Element {
    /// # Panics
    /// When one of them has 4 GB or more, which is more than a client may send.
    pub fn new(name: &[u8], value: &[u8]) -> Self {
        assert!(u32::try_from(name.len().max(value.len())).is_ok());
        let mut head = [0; HEAD_BYTES_MAX];
        let name_head = write_length(name.len(), &mut head);
        let head_len = name_head + write_length(value.len(), &mut head[name_head..]);
        let shape = Shape {
            head: head_len,
            name: name.len(),
            value: value.len(),
        };
        // SAFETY: the layout has at least the two lengths, and the three parts fill it.
        unsafe {
            let start = local::allocate(shape.layout());
            start.copy_from_nonoverlapping(NonNull::from(&head[..head_len]).cast(), head_len);
            let at = start.add(head_len);
            at.copy_from_nonoverlapping(NonNull::from(name).cast(), name.len());
            let at = at.add(name.len());
            at.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
            Self(start)
        }
    }

    #[inline]
    fn shape(&self) -> Shape {
        // SAFETY: the element is alive.
        unsafe { self.place().shape() }
    }

    /// The address.
    #[inline]
    pub fn place(&self) -> ElementPlace {
        ElementPlace(self.0)
    }

    /// The name: a member or a field.
    #[inline]
    pub fn name(&self) -> &[u8] {
        // SAFETY: the element is alive, and borrowed.
        unsafe { self.place().name() }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        // SAFETY: the element is alive, and borrowed.
        unsafe { self.place().value() }
    }

    /// The value, to be overwritten with one of the same length.
    #[inline]
    pub fn value_mut(&mut self) -> &mut [u8] {
        let shape = self.shape();
        // SAFETY: the value lies there, is initialised, and `self` is borrowed alone.
        unsafe {
            let start = self.0.add(shape.head + shape.name);
            std::slice::from_raw_parts_mut(start.as_ptr(), shape.value)
        }
    }

    /// Gives it another value, in place when that is as long as the old one.
    pub fn set_value(&mut self, value: &[u8]) {
        if self.shape().value == value.len() {
            self.value_mut().copy_from_slice(value);
        } else {
            *self = Self::new(self.name(), value);
        }
    }

    /// Asks for it, up to some length.
    #[inline]
    pub fn prefetch(&self) {
        let start = self.0.as_ptr();
        prefetch_line(start);
        prefetch_line(start.wrapping_add(PREFETCHED_BYTES));
    }

    /// The memory of the element, in bytes, as the slabs round it.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        object_bytes(self.shape().layout())
    }
}

impl Drop for Element {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and nobody else frees it.
        unsafe { local::free(self.0, self.shape().layout()) };
    }
}

impl Clone for Element {
    fn clone(&self) -> Self {
        Self::new(self.name(), self.value())
    }
}

/// The address of an element, for a second structure over the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ElementPlace(NonNull<u8>);

// SAFETY: an address. Looking at what is there is unsafe.
unsafe impl Send for ElementPlace {}
// SAFETY: as above.
unsafe impl Sync for ElementPlace {}

impl ElementPlace {
    /// # Safety
    /// The element is alive.
    #[inline]
    unsafe fn shape(self) -> Shape {
        let mut at = 0;
        let mut length = || {
            let mut length = 0;
            let mut shift = 0;
            loop {
                // SAFETY: `Element::new` has written both lengths in full.
                let byte = unsafe { self.0.add(at).read() };
                at += 1;
                length |= usize::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    return length;
                }
                shift += 7;
            }
        };
        let (name, value) = (length(), length());
        Shape {
            head: at,
            name,
            value,
        }
    }

    /// The element's name.
    ///
    /// # Safety
    /// The element is alive and not changed for `'a`.
    #[inline]
    pub unsafe fn name<'a>(self) -> &'a [u8] {
        // SAFETY: by the contract; the name lies there and is initialised.
        unsafe {
            let shape = self.shape();
            std::slice::from_raw_parts(self.0.add(shape.head).as_ptr(), shape.name)
        }
    }

    /// The element's value.
    ///
    /// # Safety
    /// The element is alive and not changed for `'a`.
    #[inline]
    pub unsafe fn value<'a>(self) -> &'a [u8] {
        // SAFETY: by the contract; the value lies there and is initialised.
        unsafe {
            let shape = self.shape();
            let start = self.0.add(shape.head + shape.name);
            std::slice::from_raw_parts(start.as_ptr(), shape.value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn an_element_keeps_its_name_and_value() {
        for name_len in [0, 1, 127, 128, 20_000] {
            for value_len in [0, 8, 127, 128, 70_000] {
                let name = vec![b'n'; name_len];
                let mut element = Element::new(&name, &vec![b'v'; value_len]);
                assert_eq!(element.name(), name);
                assert_eq!(element.value(), vec![b'v'; value_len]);
                element.set_value(&vec![b'w'; value_len]);
                assert_eq!(element.value(), vec![b'w'; value_len]);
                element.set_value(b"another");
                let copy = element.clone();
                drop(element);
                assert_eq!((copy.name(), copy.value()), (&name[..], &b"another"[..]));
            }
        }
    }
}
