//! Items one after the other that can be read in both directions: each is followed by its length, as in a listpack.

use super::Item;
use super::pack::{Encoded, item_at, item_len, read_item};

/// An element as it lies in a run: its item, and the item's length in groups of seven bits, the lowest of them last.
pub(super) struct Element<'a> {
    item: Encoded<'a>,
    item_len: usize,
    back_len: usize,
}

impl<'a> Element<'a> {
    #[inline]
    pub fn new(item: Item<'a>) -> Self {
        let item = Encoded::new(item);
        let item_len = item.len();
        Self {
            item,
            item_len,
            back_len: back_len(item_len),
        }
    }

    /// The bytes that it takes.
    #[inline]
    pub fn len(&self) -> usize {
        self.item_len + self.back_len
    }

    /// Writes it; `place` is as long.
    #[inline]
    pub fn write(&self, place: &mut [u8]) {
        let (item, back) = place.split_at_mut(self.item_len);
        self.item.write(item);
        let mut rest = self.item_len;
        for (index, byte) in back.iter_mut().rev().enumerate() {
            let has_more = index + 1 < self.back_len;
            *byte = (rest & 0x7f) as u8 | u8::from(has_more) << 7;
            rest >>= 7;
        }
    }

    /// Whether `bytes`, which begin with an item, begin with this one.
    #[inline]
    pub fn lies_at(&self, bytes: &[u8]) -> bool {
        self.item.lies_at(bytes)
    }
}

/// The bytes that the length behind an item of so many bytes takes.
#[inline]
fn back_len(item_len: usize) -> usize {
    match item_len {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Elements, to be read. Places are offsets in its bytes.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub bytes: &'a [u8],
    /// The number of elements.
    pub len: usize,
}

impl<'a> Run<'a> {
    /// The item at a place.
    #[inline]
    pub fn item(self, at: usize) -> Item<'a> {
        item_at(&self.bytes[at..])
    }

    /// The item at a place, and the place behind its element.
    #[inline]
    pub fn item_and_next(self, at: usize) -> (Item<'a>, usize) {
        let (item, len) = read_item(&self.bytes[at..]);
        (item, at + len + back_len(len))
    }

    /// The place behind the element at this place.
    #[inline]
    pub fn next(self, at: usize) -> usize {
        let len = item_len(&self.bytes[at..]);
        at + len + back_len(len)
    }

    /// The place of the element that ends at this place.
    #[inline]
    pub fn previous(self, at: usize) -> usize {
        let (mut len, mut shift, mut end) = (0, 0, at);
        loop {
            end -= 1;
            let byte = self.bytes[end];
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return end - len;
            }
        }
    }

    /// The place of the element with this index, or the end.
    #[inline]
    pub fn place(self, index: usize) -> usize {
        if index <= self.len / 2 {
            return (0..index).fold(0, |at, _| self.next(at));
        }
        (index..self.len).fold(self.bytes.len(), |at, _| self.previous(at))
    }

    /// Whether the element at a place is this one.
    #[inline]
    pub fn is_at(self, at: usize, element: &Element<'_>) -> bool {
        element.lies_at(&self.bytes[at..])
    }

    /// The indices of up to `limit` elements that are this one, the first ones or the last ones, in their order.
    pub fn find(self, element: &Element<'_>, limit: usize, is_from_back: bool) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = if is_from_back { self.bytes.len() } else { 0 };
        for step in 0..self.len {
            if found.len() == limit {
                break;
            }
            if is_from_back {
                at = self.previous(at);
            }
            if self.is_at(at, element) {
                found.push(if is_from_back {
                    self.len - 1 - step
                } else {
                    step
                });
            }
            if !is_from_back {
                at = self.next(at);
            }
        }
        if is_from_back {
            found.reverse();
        }
        found
    }

    /// The bytes without the elements with these indices, which ascend.
    pub fn without(self, indices: &[usize]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.bytes.len());
        let (mut at, mut indices) = (0, indices.iter().peekable());
        for index in 0..self.len {
            let next = self.next(at);
            if indices.next_if_eq(&&index).is_none() {
                kept.extend_from_slice(&self.bytes[at..next]);
            }
            at = next;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_in_both_directions() {
        let texts: Vec<Vec<u8>> = [
            0, 1, 62, 63, 64, 125, 126, 127, 4095, 4096, 16_380, 2_097_200,
        ]
        .iter()
        .map(|len| vec![b'x'; *len])
        .chain([b"5".to_vec(), b"-70000".to_vec()])
        .collect();
        let mut bytes = Vec::new();
        for text in &texts {
            let element = Element::new(Item::from_client(text));
            let start = bytes.len();
            bytes.resize(start + element.len(), 0);
            element.write(&mut bytes[start..]);
        }
        let run = Run {
            bytes: &bytes,
            len: texts.len(),
        };
        let mut at = 0;
        for (index, text) in texts.iter().enumerate() {
            assert_eq!(run.item(at), Item::from_client(text));
            assert_eq!(run.place(index), at);
            let next = run.next(at);
            assert_eq!(run.previous(next), at);
            at = next;
        }
        assert_eq!(at, bytes.len());
    }
}
