//! Size classes: which layouts the slabs serve, and how the objects of a class lie in a page.

use std::alloc::Layout;

use super::page::HEADER_BYTES;
use super::pool::PAGE_BYTES;

const WORD_BYTES: usize = 8;
const LINE_BYTES: usize = 64;
/// The largest object whose class is its size in words; from here on classes are some counts of cache lines.
const WORDS_BYTES_MAX: usize = 1024;
/// Each wastes less than 3 % of a page. The last is for four objects: beyond it pages would be too coarse.
pub(crate) const LINES: [usize; 27] = [
    18, 20, 22, 24, 26, 28, 31, 34, 36, 39, 42, 46, 51, 56, 63, 68, 73, 78, 85, 93, 102, 113, 127,
    146, 170, 204, 255,
];
const LINES_MAX: usize = LINES[LINES.len() - 1];
const WORD_CLASSES: usize = WORDS_BYTES_MAX / WORD_BYTES + 1;
/// The smallest object. Classes 0 and 1 have it too, so that a class is a size in words without a branch.
const OBJECT_BYTES_MIN: usize = 16;

/// The most bytes that a worker keeps of one class.
const MAGAZINE_BYTES: usize = 32 << 10;
const MAGAZINE_OBJECTS_MIN: usize = 2;
/// Four times what is retired before it is freed, so that overwriting small values stays in the magazine.
pub(super) const MAGAZINE_OBJECTS_MAX: usize = 4 * crate::quiescence::COLLECT_AT;

/// How many classes there are.
pub(super) const CLASSES: usize = WORD_CLASSES + LINES.len();

/// How the objects of one class lie in a page: at its end, so that they are aligned to every power of two (up to the
/// page) that divides their size.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub object_bytes: usize,
    pub objects: usize,
}

impl Shape {
    const fn new(object_bytes: usize) -> Self {
        let mut objects = (PAGE_BYTES - HEADER_BYTES) / object_bytes;
        while HEADER_BYTES + bitmap_words(objects) * WORD_BYTES + objects * object_bytes
            > PAGE_BYTES
        {
            objects -= 1;
        }
        Self {
            object_bytes,
            objects,
        }
    }

    /// Where the first object begins.
    pub const fn first_offset(self) -> usize {
        PAGE_BYTES - self.objects * self.object_bytes
    }

    /// Where the object with the number begins.
    pub fn offset(self, number: usize) -> usize {
        self.first_offset() + number * self.object_bytes
    }

    /// The number of the object that begins so many bytes into the page.
    pub fn number(self, offset: usize) -> usize {
        // A division of 32 bits is quicker than one of 64.
        ((offset - self.first_offset()) as u32 / self.object_bytes as u32) as usize
    }

    pub const fn bitmap_words(self) -> usize {
        bitmap_words(self.objects)
    }

    /// How many objects a magazine of this class holds.
    pub fn magazine_objects(self) -> usize {
        (MAGAZINE_BYTES / self.object_bytes).clamp(MAGAZINE_OBJECTS_MIN, MAGAZINE_OBJECTS_MAX)
    }
}

pub(super) static SHAPES: [Shape; CLASSES] = {
    let mut shapes = [Shape::new(OBJECT_BYTES_MIN); CLASSES];
    let mut class = OBJECT_BYTES_MIN / WORD_BYTES;
    while class < CLASSES {
        shapes[class] = Shape::new(if class < WORD_CLASSES {
            class * WORD_BYTES
        } else {
            LINES[class - WORD_CLASSES] * LINE_BYTES
        });
        class += 1;
    }
    shapes
};

/// The class of each number of cache lines.
static CLASS_OF_LINES: [u8; LINES_MAX + 1] = {
    let mut classes = [0; LINES_MAX + 1];
    let mut lines = 0;
    while lines <= LINES_MAX {
        classes[lines] = class_of_lines(lines) as u8;
        lines += 1;
    }
    classes
};

const fn class_of_lines(lines: usize) -> usize {
    if lines * LINE_BYTES <= WORDS_BYTES_MAX {
        let lines = if lines == 0 { 1 } else { lines };
        return lines * (LINE_BYTES / WORD_BYTES);
    }
    let mut index = 0;
    while LINES[index] < lines {
        index += 1;
    }
    WORD_CLASSES + index
}

const fn bitmap_words(objects: usize) -> usize {
    objects.div_ceil(u64::BITS as usize)
}

/// The memory that an object of this layout takes.
#[inline]
pub(crate) fn object_bytes(layout: Layout) -> usize {
    if layout.size() <= WORDS_BYTES_MAX {
        layout.size().next_multiple_of(WORD_BYTES)
    } else {
        large_object_bytes(layout)
    }
}

#[cold]
#[inline(never)]
fn large_object_bytes(layout: Layout) -> usize {
    match class_of(layout) {
        Some(class) => SHAPES[class].object_bytes,
        None => global_bytes(layout.size()),
    }
}

/// The memory that the global allocator gives for so many bytes, which is jemalloc in the server: multiples of 16 up to
/// 128, then four sizes for each doubling, and whole pages from 16 KB on.
pub(crate) fn global_bytes(bytes: usize) -> usize {
    const PAGE_BYTES: usize = 4096;
    let step = match bytes {
        0..=128 => 16,
        129..16_384 => 1 << ((bytes - 1).ilog2() - 2),
        _ => PAGE_BYTES,
    };
    bytes.next_multiple_of(step)
}

/// The class that serves a layout; none if the global allocator does.
#[inline]
pub(super) fn class_of(layout: Layout) -> Option<usize> {
    if cfg!(slab_passthrough) {
        None
    } else if layout.align() <= WORD_BYTES && layout.size() <= WORDS_BYTES_MAX {
        Some(layout.size().div_ceil(WORD_BYTES))
    } else if layout.align() <= LINE_BYTES && layout.size() <= LINES_MAX * LINE_BYTES {
        Some(usize::from(
            CLASS_OF_LINES[layout.size().div_ceil(LINE_BYTES)],
        ))
    } else {
        None
    }
}
