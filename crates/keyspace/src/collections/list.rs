//! Lists: a run of elements in a pack, or a deque of chunks of some kilobytes.
//!
//! A pack stays small, since what changes it copies it. The ends of a deque take O(1); an element in the middle is found
//! by the chunks' counts, from the nearer end. Whether `OBJECT ENCODING` says `quicklist` is a matter of
//! `list-max-listpack-size`, as in Redis, and not of these two forms.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

pub use super::chunk::End;
use super::chunk::{CHUNK_BYTES_MAX, Chunk};
use super::pack::HEAD_BYTES;
use super::run::{Element, Run};
use super::{Collection, Contents, Draft, Form, Item, Object, Pack, PackMut};
use crate::slab::global_bytes;
use crate::value::{Encoding, ValueKind};

/// The longest pack, in bytes.
const PACK_BYTES_MAX: usize = 1 << 10;
/// What a listpack of Redis takes besides its elements.
const LISTPACK_HEAD_BYTES: usize = 7;
/// The flag of a pack that is a quicklist by name.
const QUICKLIST: u8 = 1;

/// A large list.
#[derive(Clone)]
pub struct List {
    chunks: VecDeque<Chunk>,
    len: usize,
    /// Bytes of all elements.
    bytes: usize,
    /// The memory of all chunks' buffers.
    buffer_bytes: usize,
    is_quicklist: bool,
}

/// Where an element is, or the end: the chunk, the element's index in it, and its place.
#[derive(Clone, Copy)]
struct Spot {
    chunk: usize,
    index: usize,
    at: usize,
}

impl List {
    fn new(run: Run<'_>) -> Self {
        let mut list = Self {
            chunks: VecDeque::new(),
            len: 0,
            bytes: 0,
            buffer_bytes: 0,
            is_quicklist: false,
        };
        if run.len > 0 {
            list.add_chunk(0, Chunk::of_run(run));
        }
        list
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.buffer_bytes + global_bytes(self.chunks.capacity() * size_of::<Chunk>())
    }

    fn count(&mut self, chunk: &Chunk) {
        self.len += chunk.len();
        self.bytes += chunk.bytes_len();
        self.buffer_bytes += chunk.memory_bytes();
    }

    fn discount(&mut self, chunk: &Chunk) {
        self.len -= chunk.len();
        self.bytes -= chunk.bytes_len();
        self.buffer_bytes -= chunk.memory_bytes();
    }

    fn add_chunk(&mut self, at: usize, chunk: Chunk) {
        self.count(&chunk);
        self.chunks.insert(at, chunk);
    }

    /// Changes a chunk; it goes when it is empty then.
    #[inline]
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Chunk) -> R) -> R {
        let chunk = &mut self.chunks[at];
        self.len -= chunk.len();
        self.bytes -= chunk.bytes_len();
        self.buffer_bytes -= chunk.memory_bytes();
        let result = change(chunk);
        self.len += chunk.len();
        self.bytes += chunk.bytes_len();
        self.buffer_bytes += chunk.memory_bytes();
        if chunk.len() == 0 {
            self.buffer_bytes -= chunk.memory_bytes();
            self.chunks.remove(at);
        }
        result
    }

    /// A chunk for an element that no other one has room for.
    fn fresh_chunk(&self, element: &Element<'_>, end: End) -> Chunk {
        let bytes = if self.chunks.len() < 2 {
            element.len()
        } else {
            CHUNK_BYTES_MAX.max(element.len())
        };
        let mut chunk = Chunk::new(bytes, end);
        chunk.insert(0, element);
        chunk
    }

    fn push(&mut self, end: End, element: &Element<'_>) {
        let count = self.chunks.len();
        let (nearest, beyond) = match end {
            End::Front => (0, 0),
            End::Back => (count.saturating_sub(1), count),
        };
        let has_room = |chunk: &Chunk| chunk.may_take(element.len());
        if self.chunks.get(nearest).is_some_and(has_room) {
            return self.change(nearest, |chunk| {
                let at = match end {
                    End::Front => 0,
                    End::Back => chunk.bytes_len(),
                };
                chunk.insert(at, element);
            });
        }
        let chunk = self.fresh_chunk(element, end);
        self.add_chunk(beyond, chunk);
    }

    /// Puts an element before the one at a spot.
    fn insert(&mut self, spot: Spot, element: &Element<'_>) {
        if spot.chunk == self.chunks.len() {
            return self.push(End::Back, element);
        }
        if self.chunks[spot.chunk].may_take(element.len()) {
            return self.change(spot.chunk, |chunk| chunk.insert(spot.at, element));
        }
        let mut middle = spot.chunk;
        if spot.index > 0 {
            let rest = self.change(spot.chunk, |chunk| chunk.split_off(spot.at, spot.index));
            middle += 1;
            if rest.len() > 0 {
                self.add_chunk(middle, rest);
            }
        }
        if middle > 0 && self.chunks[middle - 1].may_take(element.len()) {
            return self.change(middle - 1, |chunk| chunk.insert(chunk.bytes_len(), element));
        }
        if let Some(chunk) = self.chunks.get(middle)
            && chunk.may_take(element.len())
        {
            return self.change(middle, |chunk| chunk.insert(0, element));
        }
        let mut alone = Chunk::new(element.len(), End::Back);
        alone.insert(0, element);
        self.add_chunk(middle, alone);
    }

    /// Replaces the element at a spot.
    fn replace(&mut self, spot: Spot, element: &Element<'_>) {
        let run = self.chunks[spot.chunk].run();
        let (len, end) = (run.len, run.next(spot.at));
        if end - spot.at == element.len() {
            return self.chunks[spot.chunk].overwrite(spot.at, element);
        }
        self.change(spot.chunk, |chunk| chunk.remove(spot.at..end, 1));
        // A chunk that had nothing else is gone, and its place is that of the next one's beginning.
        let spot = if len == 1 {
            Spot {
                index: 0,
                at: 0,
                ..spot
            }
        } else {
            spot
        };
        self.insert(spot, element);
    }

    /// Removes so many elements, which are there, from an end.
    fn trim(&mut self, end: End, mut elements: usize) {
        while elements > 0 {
            let last = self.chunks.len() - 1;
            let at = match end {
                End::Front => 0,
                End::Back => last,
            };
            let len = self.chunks[at].len();
            if len <= elements {
                let chunk = match end {
                    End::Front => self.chunks.pop_front(),
                    End::Back => self.chunks.pop_back(),
                };
                if let Some(chunk) = chunk {
                    self.discount(&chunk);
                }
                elements -= len;
                continue;
            }
            let is_alone = last == 0;
            self.change(at, |chunk| {
                let run = chunk.run();
                let range = match end {
                    End::Front => 0..run.place(elements),
                    End::Back => run.place(len - elements)..run.bytes.len(),
                };
                chunk.remove(range, elements);
                if is_alone {
                    chunk.shrink();
                }
            });
            break;
        }
        if self.chunks.capacity() > 64 && self.chunks.len() < self.chunks.capacity() / 8 {
            self.chunks.shrink_to(self.chunks.len() * 2);
        }
    }

    /// Removes up to so many elements that are this one, the first or the last ones; how many.
    fn remove_equal(&mut self, element: &Element<'_>, limit: usize, is_from_back: bool) -> usize {
        let mut removed = 0;
        let count = self.chunks.len();
        for step in 0..count {
            if removed == limit {
                break;
            }
            let at = if is_from_back { count - 1 - step } else { step };
            let run = self.chunks[at].run();
            let found = run.find(element, limit - removed, is_from_back);
            if found.is_empty() {
                continue;
            }
            removed += found.len();
            let bytes = run.without(&found);
            let rest = Chunk::of_run(Run {
                bytes: &bytes,
                len: run.len - found.len(),
            });
            self.count(&rest);
            let old = std::mem::replace(&mut self.chunks[at], rest);
            self.discount(&old);
        }
        if removed > 0 {
            self.join();
        }
        removed
    }

    /// Joins chunks that have become short with those before them, and drops the empty ones.
    fn join(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        (self.len, self.bytes, self.buffer_bytes) = (0, 0, 0);
        let mut joined: VecDeque<Chunk> = VecDeque::new();
        for chunk in chunks.into_iter().filter(|chunk| chunk.len() > 0) {
            match joined.back_mut() {
                Some(last) if last.bytes_len() + chunk.bytes_len() <= CHUNK_BYTES_MAX / 2 => {
                    last.append(chunk.run());
                }
                _ => joined.push_back(chunk),
            }
        }
        joined.iter().for_each(|chunk| self.count(chunk));
        self.chunks = joined;
    }

    /// The spot of the element with this index, or the end.
    fn spot(&self, index: usize) -> Spot {
        let (chunk, index) = self.chunk_of(index);
        let run = self.chunks.get(chunk).map(Chunk::run);
        let at = run.map_or(0, |run| run.place(index));
        Spot { chunk, index, at }
    }

    /// The chunk of the element with this index, and the index in it.
    fn chunk_of(&self, index: usize) -> (usize, usize) {
        if index <= self.len / 2 {
            let mut left = index;
            for (at, chunk) in self.chunks.iter().enumerate() {
                if left < chunk.len() {
                    return (at, left);
                }
                left -= chunk.len();
            }
            return (self.chunks.len(), 0);
        }
        let mut start = self.len;
        for (at, chunk) in self.chunks.iter().enumerate().rev() {
            start -= chunk.len();
            if index >= start && index < start + chunk.len() {
                return (at, index - start);
            }
        }
        (self.chunks.len(), 0)
    }
}

impl Collection for List {
    const KIND: ValueKind = ValueKind::List;

    in_object!(List);

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn elements(contents: Contents<'_, Self>) -> usize {
        contents.len()
    }

    fn encoding(contents: Contents<'_, Self>) -> Encoding {
        let is_quicklist = match contents {
            Contents::Packed(pack) => pack.flags() == QUICKLIST,
            Contents::Large(list) => list.is_quicklist,
        };
        if is_quicklist {
            Encoding::Quicklist
        } else {
            Encoding::Listpack
        }
    }
}

fn run_of(pack: Pack<'_>) -> Run<'_> {
    Run {
        bytes: pack.body(),
        len: pack.len(),
    }
}

impl<'a> Contents<'a, List> {
    /// The number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len(),
            Self::Large(list) => list.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The elements' bytes, as they are kept.
    fn bytes(self) -> usize {
        match self {
            Self::Packed(pack) => pack.body().len(),
            Self::Large(list) => list.bytes,
        }
    }

    fn run(self, index: usize) -> Option<Run<'a>> {
        match self {
            Self::Packed(pack) => (index == 0).then(|| run_of(pack)),
            Self::Large(list) => list.chunks.get(index).map(Chunk::run),
        }
    }

    fn runs(self) -> usize {
        match self {
            Self::Packed(_) => 1,
            Self::Large(list) => list.chunks.len(),
        }
    }

    /// The element with this index.
    pub fn get(self, index: usize) -> Option<Item<'a>> {
        self.elements_from(index).next()
    }

    /// The elements from this index on.
    pub fn elements_from(self, index: usize) -> Elements<'a> {
        let (chunk, index) = match self {
            Self::Packed(pack) => (0, index.min(pack.len())),
            Self::Large(list) => list.chunk_of(index),
        };
        let run = self.run(chunk).unwrap_or(EMPTY);
        Elements {
            list: self,
            chunk,
            run,
            at: run.place(index),
        }
    }

    /// The elements from the last one back.
    pub fn elements_back(self) -> ElementsBack<'a> {
        let chunk = self.runs().saturating_sub(1);
        let run = self.run(chunk).unwrap_or(EMPTY);
        ElementsBack {
            list: self,
            chunk,
            run,
            at: run.bytes.len(),
        }
    }
}

const EMPTY: Run<'static> = Run { bytes: &[], len: 0 };

/// Elements of a list in their order.
#[derive(Clone)]
pub struct Elements<'a> {
    list: Contents<'a, List>,
    chunk: usize,
    run: Run<'a>,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Item<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.at == self.run.bytes.len() {
            self.run = self.list.run(self.chunk + 1)?;
            self.chunk += 1;
            self.at = 0;
        }
        let is_there = self.at < self.run.bytes.len();
        let (item, next) = is_there.then(|| self.run.item_and_next(self.at))?;
        self.at = next;
        Some(item)
    }
}

/// Elements of a list, the last one first.
#[derive(Clone)]
pub struct ElementsBack<'a> {
    list: Contents<'a, List>,
    chunk: usize,
    run: Run<'a>,
    at: usize,
}

impl<'a> Iterator for ElementsBack<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.at == 0 {
            self.run = self.list.run(self.chunk.checked_sub(1)?)?;
            self.chunk -= 1;
            self.at = self.run.bytes.len();
        }
        self.at = (self.at > 0).then(|| self.run.previous(self.at))?;
        Some(self.run.item(self.at))
    }
}

/// Which elements count as equal ones of a list: up to `limit` from this end.
#[derive(Clone, Copy, Debug)]
pub struct Equal {
    /// From where they are looked for.
    pub from: End,
    /// How many at most.
    pub limit: usize,
}

impl Draft<'_, List> {
    /// Adds an element at an end.
    pub fn push(&mut self, end: End, element: &[u8]) {
        let element = Element::new(Item::from_client(element));
        match self.large_for(&element) {
            Some(list) => list.push(end, &element),
            None => {
                let at = match end {
                    End::Front => 0,
                    End::Back => self.contents().bytes(),
                };
                self.insert_packed(at, &element);
            }
        }
        self.has_grown();
    }

    /// Shows up to so many elements, from an end on, and removes them; nothing is removed when showing fails.
    ///
    /// # Errors
    /// That of `show`.
    pub fn take<E>(
        &mut self,
        end: End,
        elements: usize,
        mut show: impl FnMut(Item<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let list = self.contents();
        let elements = elements.min(list.len());
        match end {
            End::Front => list
                .elements_from(0)
                .take(elements)
                .try_for_each(&mut show)?,
            End::Back => list
                .elements_back()
                .take(elements)
                .try_for_each(&mut show)?,
        }
        self.trim(end, elements);
        Ok(())
    }

    /// Removes up to so many elements from an end.
    pub fn trim(&mut self, end: End, elements: usize) {
        if self.is_empty() {
            return;
        }
        let elements = elements.min(self.contents().len());
        match &mut self.form {
            Form::Large(list) => list.trim(end, elements),
            Form::Converted(list) => list.trim(end, elements),
            Form::Packed(bytes) => {
                let pack = Pack::new(bytes);
                let (run, flags) = (run_of(pack), pack.flags());
                let kept = run.len - elements;
                let range = match end {
                    End::Front => 0..run.place(elements),
                    End::Back => run.place(kept)..run.bytes.len(),
                };
                bytes.drain(HEAD_BYTES + range.start..HEAD_BYTES + range.end);
                PackMut::new(bytes).set_count(kept, flags);
            }
        }
        self.has_shrunk();
    }

    /// Puts an element before the one with this index.
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        let element = Element::new(Item::from_client(element));
        match self.large_for(&element) {
            Some(list) => list.insert(list.spot(index), &element),
            None => {
                let at = self.packed_place(index);
                self.insert_packed(at, &element);
            }
        }
        self.has_grown();
    }

    /// Replaces the element with this index, which is there.
    pub fn set(&mut self, index: usize, element: &[u8]) {
        let element = Element::new(Item::from_client(element));
        match self.large_for(&element) {
            Some(list) => list.replace(list.spot(index), &element),
            None => {
                let at = self.packed_place(index);
                self.remove_packed(at);
                self.insert_packed(at, &element);
            }
        }
        self.has_grown();
        self.has_shrunk();
    }

    /// Removes elements that are this one; how many.
    pub fn remove_equal(&mut self, element: &[u8], equal: Equal) -> usize {
        let element = Element::new(Item::from_client(element));
        let is_from_back = equal.from == End::Back;
        let removed = match &mut self.form {
            Form::Large(list) => list.remove_equal(&element, equal.limit, is_from_back),
            Form::Converted(list) => list.remove_equal(&element, equal.limit, is_from_back),
            Form::Packed(bytes) => {
                let pack = Pack::new(bytes);
                let (run, flags) = (run_of(pack), pack.flags());
                let found = run.find(&element, equal.limit, is_from_back);
                if !found.is_empty() {
                    let (kept, rest) = (run.len - found.len(), run.without(&found));
                    bytes.truncate(HEAD_BYTES);
                    bytes.extend_from_slice(&rest);
                    PackMut::new(bytes).set_count(kept, flags);
                }
                found.len()
            }
        };
        if removed > 0 {
            self.has_shrunk();
        }
        removed
    }

    /// The deque, if this is one or becomes one with this element.
    fn large_for(&mut self, element: &Element<'_>) -> Option<&mut List> {
        if let Form::Packed(bytes) = &mut self.form {
            let pack = Pack::new(bytes);
            if pack.bytes_len() + element.len() <= PACK_BYTES_MAX {
                return None;
            }
            let mut list = List::new(run_of(pack));
            list.is_quicklist = pack.flags() == QUICKLIST;
            self.form = Form::Converted(list);
        }
        match &mut self.form {
            Form::Packed(_) => None,
            Form::Large(list) => Some(list),
            Form::Converted(list) => Some(list),
        }
    }

    fn packed_place(&self, index: usize) -> usize {
        self.contents().run(0).map_or(0, |run| run.place(index))
    }

    fn insert_packed(&mut self, at: usize, element: &Element<'_>) {
        if let Form::Packed(bytes) = &mut self.form {
            let mut pack = PackMut::new(bytes);
            let (count, flags) = (pack.view().len(), pack.view().flags());
            pack.set_count(count + 1, flags);
            let (start, len, end) = (HEAD_BYTES + at, element.len(), bytes.len());
            bytes.resize(end + len, 0);
            bytes.copy_within(start..end, start + len);
            element.write(&mut bytes[start..start + len]);
        }
    }

    fn remove_packed(&mut self, at: usize) {
        if let Form::Packed(bytes) = &mut self.form {
            let pack = Pack::new(bytes);
            let (count, flags, end) = (pack.len(), pack.flags(), run_of(pack).next(at));
            bytes.drain(HEAD_BYTES + at..HEAD_BYTES + end);
            PackMut::new(bytes).set_count(count - 1, flags);
        }
    }

    fn has_grown(&mut self) {
        self.has_changed = true;
        if !self.is_within(1) {
            self.name(true);
        }
    }

    /// As Redis, it is a listpack again when it takes half of what one may take.
    fn has_shrunk(&mut self) {
        self.has_changed = true;
        let is_quicklist = List::encoding(self.contents()) == Encoding::Quicklist;
        if is_quicklist && self.is_within(2) {
            self.name(false);
        }
    }

    /// Whether it takes at most the `part`th part of what a listpack may take.
    fn is_within(&self, part: usize) -> bool {
        const SAFE_BYTES_MAX: usize = 8192;
        let size = self.collections.thresholds.list_size.load(Relaxed);
        let (len, bytes) = (self.contents().len(), self.contents().bytes());
        let bytes = bytes + LISTPACK_HEAD_BYTES;
        match usize::try_from(size) {
            Ok(count) => bytes <= SAFE_BYTES_MAX && len <= count.max(1) / part,
            Err(_) => bytes <= (4096 << (-1 - size).min(4)) / part,
        }
    }

    fn name(&mut self, is_quicklist: bool) {
        match &mut self.form {
            Form::Large(list) => list.is_quicklist = is_quicklist,
            Form::Converted(list) => list.is_quicklist = is_quicklist,
            Form::Packed(bytes) => {
                let flags = if is_quicklist { QUICKLIST } else { 0 };
                PackMut::new(bytes).set_flags(flags);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::collections::Collections;
    use crate::random::Random;
    use crate::value::Number;

    fn bytes(item: Item<'_>) -> Vec<u8> {
        item.bytes(&mut Number::new()).to_vec()
    }

    fn element(random: &mut Random, longest: usize) -> Vec<u8> {
        match random.below(4) {
            0 => random.below(5).to_string().into_bytes(),
            1 => random.bits().cast_signed().to_string().into_bytes(),
            2 => vec![b'x'; random.below(longest)],
            _ => format!("e{}", random.below(20)).into_bytes(),
        }
    }

    fn end(random: &mut Random) -> End {
        if random.below(2) == 0 {
            End::Front
        } else {
            End::Back
        }
    }

    fn change(
        draft: &mut Draft<'_, List>,
        model: &mut VecDeque<Vec<u8>>,
        random: &mut Random,
        longest: usize,
    ) {
        let end = end(random);
        let value = element(random, longest);
        match random.below(100) {
            0..60 => {
                draft.push(end, &value);
                match end {
                    End::Front => model.push_front(value),
                    End::Back => model.push_back(value),
                }
            }
            60..75 => {
                let count = 1 + random.below(3);
                let mut taken = Vec::new();
                let shown: Result<(), Infallible> = draft.take(end, count, |item| {
                    taken.push(bytes(item));
                    Ok(())
                });
                assert_eq!(shown, Ok(()));
                let pop = |_| match end {
                    End::Front => model.pop_front(),
                    End::Back => model.pop_back(),
                };
                let expected: Vec<_> = (0..count).filter_map(pop).collect();
                assert_eq!(taken, expected);
            }
            75..90 => {
                let index = random.below(model.len() + 1);
                draft.insert(index, &value);
                model.insert(index, value);
            }
            90..97 if !model.is_empty() => {
                let index = random.below(model.len());
                draft.set(index, &value);
                model[index] = value;
            }
            97 => {
                let limit = 1 + random.below(9);
                let removed = draft.remove_equal(&value, Equal { from: end, limit });
                let matching = model.iter().enumerate();
                let matching = matching.filter(|(_, other)| **other == value);
                let mut found: Vec<usize> = matching.map(|(index, _)| index).collect();
                if end == End::Front {
                    found.truncate(limit);
                } else {
                    found.drain(..found.len().saturating_sub(limit));
                }
                assert_eq!(removed, found.len());
                for index in found.iter().rev() {
                    model.remove(*index);
                }
            }
            98 if random.below(30) == 0 => {
                let kept = random.below(10);
                let gone = model.len().saturating_sub(kept);
                draft.trim(end, gone);
                match end {
                    End::Front => drop(model.drain(..gone)),
                    End::Back => model.truncate(kept),
                }
            }
            _ => {}
        }
    }

    fn check_against(draft: &Draft<'_, List>, model: &VecDeque<Vec<u8>>, random: &mut Random) {
        let list = draft.contents();
        assert!(list.elements_from(0).map(bytes).eq(model.iter().cloned()));
        assert!(
            list.elements_back()
                .map(bytes)
                .eq(model.iter().rev().cloned())
        );
        let index = random.below(model.len() + 2);
        let rest = model.iter().skip(index).cloned();
        assert!(list.elements_from(index).map(bytes).eq(rest));
        if let Contents::Large(list) = list {
            let chunks = || list.chunks.iter();
            assert_eq!(list.bytes, chunks().map(Chunk::bytes_len).sum());
            assert_eq!(list.buffer_bytes, chunks().map(Chunk::memory_bytes).sum());
            assert!(chunks().all(|chunk| chunk.len() > 0));
            assert!(chunks().all(|chunk| chunk.len() == 1 || chunk.bytes_len() <= CHUNK_BYTES_MAX));
        }
    }

    #[test]
    fn a_list_is_a_deque_in_both_forms() {
        let collections = Collections::new(5);
        for (seed, longest) in [(1, 10), (2, 300), (3, 3_000), (4, 20_000), (5, 200)] {
            let mut random = Random::new(seed);
            let mut pack = Vec::new();
            let mut draft = Draft {
                form: Form::Packed(&mut pack),
                has_changed: false,
                collections: &collections,
            };
            let mut model = VecDeque::new();
            let mut names = std::collections::BTreeSet::new();
            for turn in 0..6_000 {
                change(&mut draft, &mut model, &mut random, longest);
                assert_eq!(draft.contents().len(), model.len());
                names.insert(List::encoding(draft.contents()).name());
                if turn % 32 == 0 {
                    check_against(&draft, &model, &mut random);
                }
            }
            assert!(names.contains("quicklist") && names.contains("listpack"));
        }
    }

    #[test]
    fn a_name_follows_the_threshold_and_comes_back_at_half_of_it() {
        let collections = Collections::new(5);
        collections.thresholds.list_size.store(4, Relaxed);
        let mut pack = Vec::new();
        let mut draft = Draft {
            form: Form::Packed(&mut pack),
            has_changed: false,
            collections: &collections,
        };
        let mut name_after = |change: &dyn Fn(&mut Draft<'_, List>)| {
            change(&mut draft);
            List::encoding(draft.contents()).name()
        };
        for _ in 0..4 {
            assert_eq!(name_after(&|list| list.push(End::Back, b"a")), "listpack");
        }
        assert_eq!(name_after(&|list| list.push(End::Back, b"a")), "quicklist");
        assert_eq!(name_after(&|list| list.trim(End::Back, 2)), "quicklist");
        assert_eq!(name_after(&|list| list.trim(End::Back, 1)), "listpack");
    }
}
