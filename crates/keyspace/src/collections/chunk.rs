//! A piece of a large list: a run with room at both of its ends.

use std::ops::Range;

use super::run::{Element, Run};
use crate::slab::global_bytes;

/// The bytes of a chunk of several elements.
pub(super) const CHUNK_BYTES_MAX: usize = 8 << 10;
const CHUNK_BYTES_MIN: usize = 512;

/// Where a new element goes; the room of a chunk that grows is on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Before the first element.
    Front,
    /// Behind the last one.
    Back,
}

/// See the module. It is never empty outside of the functions that change it.
#[derive(Clone)]
pub(super) struct Chunk {
    buffer: Box<[u8]>,
    start: u32,
    end: u32,
    len: u32,
}

impl Chunk {
    /// An empty one with room for so many bytes.
    pub fn new(bytes: usize, end: End) -> Self {
        let place = match end {
            End::Front => bytes as u32,
            End::Back => 0,
        };
        Self {
            buffer: vec![0; bytes].into(),
            start: place,
            end: place,
            len: 0,
        }
    }

    /// One with the elements of a run.
    pub fn of_run(run: Run<'_>) -> Self {
        Self {
            buffer: run.bytes.into(),
            start: 0,
            end: run.bytes.len() as u32,
            len: run.len as u32,
        }
    }

    /// The elements.
    #[inline]
    pub fn run(&self) -> Run<'_> {
        Run {
            bytes: &self.buffer[self.start as usize..self.end as usize],
            len: self.len as usize,
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The bytes of the elements.
    #[inline]
    pub fn bytes_len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// The memory that the buffer takes.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        global_bytes(self.buffer.len())
    }

    /// Whether there may be so many bytes more.
    #[inline]
    pub fn may_take(&self, bytes: usize) -> bool {
        self.len == 0 || self.bytes_len() + bytes <= CHUNK_BYTES_MAX
    }

    /// Puts an element before what is at `at`.
    #[inline]
    pub fn insert(&mut self, at: usize, element: &Element<'_>) {
        let len = element.len();
        self.open(at, len);
        let at = self.start as usize + at;
        element.write(&mut self.buffer[at..at + len]);
        self.len += 1;
    }

    /// Removes so many elements, which take these bytes.
    #[inline]
    pub fn remove(&mut self, range: Range<usize>, elements: usize) {
        let (start, end) = (self.start as usize, self.end as usize);
        let removed = range.len() as u32;
        self.len -= elements as u32;
        if range.start < self.bytes_len() - range.end {
            let before = start..start + range.start;
            self.buffer.copy_within(before, start + range.len());
            self.start += removed;
        } else {
            self.buffer
                .copy_within(start + range.end..end, start + range.start);
            self.end -= removed;
        }
    }

    /// Puts an element over another one that takes as many bytes.
    pub fn overwrite(&mut self, at: usize, element: &Element<'_>) {
        let at = self.start as usize + at;
        element.write(&mut self.buffer[at..at + element.len()]);
    }

    /// Takes the elements from one on, which is at `at`.
    pub fn split_off(&mut self, at: usize, index: usize) -> Self {
        let run = self.run();
        let rest = Self::of_run(Run {
            bytes: &run.bytes[at..],
            len: run.len - index,
        });
        self.end = self.start + at as u32;
        self.len = index as u32;
        rest
    }

    /// Appends the elements of a run.
    pub fn append(&mut self, run: Run<'_>) {
        let at = self.bytes_len();
        self.open(at, run.bytes.len());
        let start = self.start as usize + at;
        self.buffer[start..start + run.bytes.len()].copy_from_slice(run.bytes);
        self.len += run.len as u32;
    }

    /// Gives back most of the room when there is little else.
    pub fn shrink(&mut self) {
        if self.buffer.len() > CHUNK_BYTES_MIN && self.bytes_len() < self.buffer.len() / 8 {
            let bytes = CHUNK_BYTES_MIN.max(self.bytes_len() * 2);
            self.lay_out(bytes, self.bytes_len(), 0);
        }
    }

    /// Makes room for `gap` bytes before what is at `at`.
    #[inline]
    fn open(&mut self, at: usize, gap: usize) {
        let (start, end) = (self.start as usize, self.end as usize);
        let has_front = start >= gap;
        let has_back = self.buffer.len() - end >= gap;
        let behind = self.bytes_len() - at;
        // What is put at an end never moves all that is there, but when the room is laid out anew.
        if has_front && behind > 0 && (at < behind || !has_back) || has_front && at == 0 {
            self.buffer.copy_within(start..start + at, start - gap);
            self.start -= gap as u32;
        } else if has_back && (at > 0 || behind == 0) {
            self.buffer.copy_within(start + at..end, start + at + gap);
            self.end += gap as u32;
        } else {
            let needed = self.bytes_len() + gap;
            let doubled = (2 * self.buffer.len()).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
            let bytes = if needed <= self.buffer.len() {
                self.buffer.len()
            } else {
                doubled.max(needed)
            };
            self.lay_out(bytes, at, gap);
        }
    }

    /// Lays the elements out anew, with a gap before what is at `at` and the room on that side.
    #[inline(never)]
    fn lay_out(&mut self, bytes: usize, at: usize, gap: usize) {
        let (before, behind) = self.run().bytes.split_at(at);
        let len = before.len() + gap + behind.len();
        let room = bytes - len;
        let start = match (before.len(), behind.len()) {
            (0, 0) => 0,
            (_, 0) => room / 4,
            (0, _) => room - room / 4,
            _ => room / 2,
        };
        let mut buffer = vec![0; bytes].into_boxed_slice();
        buffer[start..start + at].copy_from_slice(before);
        buffer[start + at + gap..start + len].copy_from_slice(behind);
        self.buffer = buffer;
        self.start = start as u32;
        self.end = (start + len) as u32;
    }
}
