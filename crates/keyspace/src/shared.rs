#![allow(unsafe_code)]
//! Large strings: counted references to part of a buffer, so that a value can be stored, sent and copied without
//! copying its bytes.
//!
//! The buffer is a vector that nobody changes while there is more than one reference to it. It may be longer than the
//! value: a request that was received whole becomes its value's buffer, with the few bytes of its other arguments.
//!
//! Soundness: two words are a [`SharedBytes`] in another form; they are made by giving one up and turned back once.

use std::ops::Range;
use std::sync::Arc;

use crate::entry::LARGE_BYTES_MIN;
use crate::slab::global_bytes;

/// Part of a shared buffer.
#[derive(Clone, Debug)]
pub struct SharedBytes {
    buffer: Arc<Vec<u8>>,
    start: u32,
    len: u32,
}

/// A value takes over a buffer of which it is at least this many of 8 parts.
const VALUE_EIGHTHS_MIN: usize = 7;

impl SharedBytes {
    /// The part of the buffer that `part`, a slice of it, is. None when it is not, or is too small a part of the buffer's
    /// memory to be worth the rest.
    pub fn within(buffer: &Arc<Vec<u8>>, part: &[u8]) -> Option<Self> {
        let bounds = buffer.as_ptr_range();
        let part_bounds = part.as_ptr_range();
        let is_within = bounds.start <= part_bounds.start && part_bounds.end <= bounds.end;
        if !is_within
            || part.len() < LARGE_BYTES_MIN
            || part.len() * 8 < buffer.capacity() * VALUE_EIGHTHS_MIN
        {
            return None;
        }
        let start = part_bounds.start.addr() - bounds.start.addr();
        Some(Self {
            buffer: Arc::clone(buffer),
            start: u32::try_from(start).ok()?,
            len: u32::try_from(part.len()).ok()?,
        })
    }

    /// The same without the bytes outside of `range`, which counts from its own start.
    ///
    /// # Panics
    /// When the range is not inside of it.
    #[must_use]
    pub fn part(mut self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len as usize);
        self.start += range.start as u32;
        self.len = (range.end - range.start) as u32;
        self
    }

    /// Bytes that its memory takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let counted_bytes = size_of::<Vec<u8>>() + 2 * size_of::<usize>();
        (global_bytes(self.buffer.capacity()) + global_bytes(counted_bytes)) as u64
    }

    pub(crate) fn buffer(&self) -> &Arc<Vec<u8>> {
        &self.buffer
    }

    /// Changes it when nobody shares it; else false, and `change` is not called.
    pub(crate) fn change_in_place(&mut self, change: impl FnOnce(&mut StringMut<'_>)) -> bool {
        let Some(bytes) = Arc::get_mut(&mut self.buffer) else {
            return false;
        };
        let start = self.start as usize;
        bytes.truncate(start + self.len as usize);
        change(&mut StringMut { bytes, start });
        self.len = (self.buffer.len() - start) as u32;
        true
    }

    /// Gives up the reference for two words: the buffer's address, and the range.
    pub(crate) fn into_words(self) -> [u64; 2] {
        let range = self.range_word();
        [Arc::into_raw(self.buffer).expose_provenance() as u64, range]
    }

    /// The second of its words.
    pub(crate) fn range_word(&self) -> u64 {
        u64::from(self.start) | u64::from(self.len) << 32
    }

    /// # Safety
    /// The words came from [`SharedBytes::into_words`], or the second from [`SharedBytes::range_word`] of the same, and the count
    /// that was given up is taken back only once.
    pub(crate) unsafe fn from_words([address, range]: [u64; 2]) -> Self {
        let buffer = std::ptr::with_exposed_provenance(address as usize);
        Self {
            // SAFETY: by the contract.
            buffer: unsafe { Arc::from_raw(buffer) },
            start: range as u32,
            len: (range >> 32) as u32,
        }
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        let start = self.start as usize;
        &self.buffer[start..start + self.len as usize]
    }
}

impl From<Vec<u8>> for SharedBytes {
    /// # Panics
    /// When it is 4 GB or more, which no value is.
    fn from(bytes: Vec<u8>) -> Self {
        let len = u32::try_from(bytes.len()).expect("a value is shorter than 4 GB");
        Self {
            buffer: Arc::new(bytes),
            start: 0,
            len,
        }
    }
}

/// A string that is being changed.
pub struct StringMut<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where in `bytes` the string begins; it ends where they end.
    start: usize,
}

impl<'a> StringMut<'a> {
    /// All of `bytes`.
    pub(crate) fn whole(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, start: 0 }
    }

    /// Its length.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, tail: &[u8]) {
        self.bytes.extend_from_slice(tail);
    }

    /// Puts `part` to the bytes from `offset` on. What is missing before it becomes zeros.
    pub fn overwrite(&mut self, offset: usize, part: &[u8]) {
        let from = self.start + offset;
        let end = from + part.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[from..end].copy_from_slice(part);
    }

    /// Its bytes, of which there are at least `len` then: what is missing becomes zeros.
    pub fn at_least(&mut self, len: usize) -> &mut [u8] {
        let end = self.start + len;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.start..]
    }

    /// Makes it these bytes.
    pub fn replace(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.start);
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, SharedBytes};

    #[test]
    fn a_request_becomes_its_value() {
        let mut request = Vec::with_capacity(20_000);
        request.extend_from_slice(b"SET k ");
        request.extend_from_slice(&[b'v'; 19_900]);
        request.extend_from_slice(b"\r\n");
        let request = Arc::new(request);
        let mut value = SharedBytes::within(&request, &request[6..19_906]).expect("most of it");
        assert!(SharedBytes::within(&request, &request[6..17_000]).is_none());
        assert!(SharedBytes::within(&request, &[b'v'; 19_900]).is_none());
        assert_eq!(value.as_ref(), [b'v'; 19_900]);
        assert_eq!(value.clone().part(1..3).as_ref(), b"vv");
        assert!(!value.change_in_place(|_| unreachable!("the request is still there")));
        drop(request);
        assert!(value.change_in_place(|string| {
            string.append(b"tail");
            string.overwrite(0, b"head");
            string.overwrite(19_910, b"end");
            assert_eq!(string.at_least(5).len(), 19_913);
        }));
        let expected = [&b"head"[..], &[b'v'; 19_896], b"tail", &[0; 6], b"end"].concat();
        assert_eq!(value.as_ref(), expected);
        assert!(value.change_in_place(|string| {
            string.replace(b"new");
            string.at_least(5)[4] = b'!';
        }));
        assert_eq!(value.as_ref(), b"new\0!");
    }
}
