//! The elements of a large collection by their names: a hash table that grows and shrinks in small steps.
//!
//! Linear hashing (W. Litwin, 1980) over partitions of about [`PARTITION_LEN`] elements: each insert splits or removal
//! merges one partition at most, so no command pays for all.
//!
//! The low bits of a hash choose the partition. Read from the lowest to the highest, they are an order in which each
//! partition is a range, however many there are: so a place in that order survives growth and shrinking, and is the
//! cursor of HSCAN, SSCAN and ZSCAN. What is there during a whole scan is seen once at least.

use std::sync::Arc;

use super::element::Element;
use super::partition::Partition;
use crate::hash::KeyHasher;
use crate::random::Random;
use crate::slab::global_bytes;

/// The mean number of elements in a partition: the tags of most are on one cache line.
const PARTITION_LEN: usize = 32;
/// When there are fewer than this in the mean, partitions are merged.
const PARTITION_LEN_MIN: usize = 12;
/// A look ahead goes through its stages with so many hashes.
pub const AHEAD: usize = 16;

/// Elements, found by their names.
#[derive(Clone)]
pub(crate) struct ElementTable {
    /// At least one. What somebody else still goes through is copied before it is changed.
    partitions: Vec<Partition>,
    len: usize,
    /// Memory of the elements and of the partitions, in bytes.
    bytes: usize,
    /// Elements that a partition has had at most.
    partition_len_max: usize,
    hasher: Arc<KeyHasher>,
}

impl ElementTable {
    pub fn new(hasher: Arc<KeyHasher>) -> Self {
        Self {
            partitions: vec![Partition::new()],
            len: 0,
            bytes: 0,
            partition_len_max: 1,
            hasher,
        }
    }

    /// A copy that shares no partition with this table: for who keeps places of its elements, which a clone shares until
    /// one of the two is changed.
    pub fn deep_clone(&self) -> Self {
        Self {
            partitions: self.partitions.iter().map(Partition::deep_clone).collect(),
            hasher: self.hasher(),
            ..*self
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Memory that it owns, in bytes, as the allocator rounds it.
    pub fn memory_bytes(&self) -> usize {
        self.bytes + global_bytes(self.partitions.capacity() * size_of::<Partition>())
    }

    /// The hash of a name.
    #[inline]
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.uniform_hash(name)
    }

    /// What hashes names.
    pub fn hasher(&self) -> Arc<KeyHasher> {
        Arc::clone(&self.hasher)
    }

    /// An element whose name has this hash and that `is_it` knows.
    pub fn find_hash(&self, hash: u64, is_it: impl Fn(&Element) -> bool) -> Option<&Element> {
        let partition = &self.partitions[self.partition_of(hash)];
        let is_it = |element: &Element| is_it(element) && self.hash(element.name()) == hash;
        partition
            .find(hash, is_it)
            .map(|at| &partition.elements()[at])
    }

    /// The bits of hashes that tell partitions apart, before those that are not yet split are put together.
    fn mask(&self) -> usize {
        self.partitions.len().next_power_of_two() - 1
    }

    #[inline]
    fn partition_of(&self, hash: u64) -> usize {
        let mask = self.mask();
        let partition = hash as usize & mask;
        if partition < self.partitions.len() {
            partition
        } else {
            partition & (mask >> 1)
        }
    }

    /// The partition of a name's hash, and where the element of that name is in it.
    #[inline]
    fn find(&self, hash: u64, name: &[u8]) -> (usize, Option<usize>) {
        let partition = self.partition_of(hash);
        let is_it = |element: &Element| element.name() == name;
        (partition, self.partitions[partition].find(hash, is_it))
    }

    /// The element of this name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Element> {
        let (partition, at) = self.find(self.hash(name), name);
        Some(&self.partitions[partition].elements()[at?])
    }

    /// Whether there is an element of this name.
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Has the processor fetch what lookups of these names will need, of [`AHEAD`] of them at most: stage by stage, so
    /// that it waits for all at once.
    pub fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> NamesAhead<'_> {
        let mut ahead = NamesAhead {
            names: [(0, &self.partitions[0]); AHEAD],
            len: 0,
        };
        for (name, place) in names.zip(&mut ahead.names) {
            let hash = self.hash(name);
            let partition = &self.partitions[self.partition_of(hash)];
            partition.prefetch_tags();
            *place = (hash, partition);
            ahead.len += 1;
        }
        for (hash, partition) in ahead.iter() {
            partition.prefetch_pointers(hash);
        }
        for (hash, partition) in ahead.iter() {
            partition.prefetch_elements(hash);
        }
        ahead
    }

    /// Shows `change` the element of this name, which may change its value; None when there is none.
    pub fn update<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Element) -> R) -> Option<R> {
        let (partition, at) = self.find(self.hash(name), name);
        let element = self.partitions[partition].element_mut(at?);
        let before = element.memory_bytes();
        let result = change(element);
        self.bytes = self.bytes - before + element.memory_bytes();
        Some(result)
    }

    /// Adds an element unless there is one of its name; the one that is there then, and whether it is new.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> (&Element, bool) {
        let hash = self.hash(name);
        if let (partition, Some(at)) = self.find(hash, name) {
            return (&self.partitions[partition].elements()[at], false);
        }
        (self.add(hash, name, value), true)
    }

    /// Gives the element of this name a value; whether it is new.
    pub fn put(&mut self, name: &[u8], value: &[u8]) -> bool {
        let is_there = self.update(name, |element| element.set_value(value));
        if is_there.is_none() {
            self.add(self.hash(name), name, value);
        }
        is_there.is_none()
    }

    /// Adds an element whose name is not there.
    fn add(&mut self, hash: u64, name: &[u8], value: &[u8]) -> &Element {
        if self.len >= self.partitions.len() * PARTITION_LEN {
            self.split();
        }
        let element = Element::new(name, value);
        self.bytes += element.memory_bytes();
        self.len += 1;
        let partition = self.partition_of(hash);
        let at = self.place(partition, hash, element);
        &self.partitions[partition].elements()[at]
    }

    /// Puts an element, which is not there, into a partition; where it is then.
    fn place(&mut self, partition: usize, hash: u64, element: Element) -> usize {
        let partition = &mut self.partitions[partition];
        let bytes_before = partition.memory_bytes();
        let at = partition.push(hash, element);
        self.bytes = self.bytes - bytes_before + partition.memory_bytes();
        self.partition_len_max = self.partition_len_max.max(partition.len());
        at
    }

    /// Removes the element of this name.
    pub fn remove(&mut self, name: &[u8]) -> Option<Element> {
        let (partition, at) = self.find(self.hash(name), name);
        let partition = &mut self.partitions[partition];
        let bytes_before = partition.memory_bytes();
        let element = partition.take(at?);
        self.bytes = self.bytes - bytes_before + partition.memory_bytes();
        self.bytes -= element.memory_bytes();
        self.len -= 1;
        if self.partitions.len() > 1 && self.len < self.partitions.len() * PARTITION_LEN_MIN {
            self.merge();
        }
        Some(element)
    }

    /// Splits the next partition in its turn.
    fn split(&mut self) {
        let new = self.partitions.len();
        let half = 1 << new.ilog2();
        let old = new - half;
        self.bytes -= self.partitions[old].memory_bytes();
        let elements = self.partitions[old].take_all();
        self.partitions.push(Partition::new());
        for element in elements {
            let hash = self.hash(element.name());
            let at = if hash as usize & half == 0 { old } else { new };
            self.place(at, hash, element);
        }
    }

    /// Puts the last partition into the one that it was split from.
    fn merge(&mut self) {
        let Some(mut last) = self.partitions.pop() else {
            return;
        };
        self.bytes -= last.memory_bytes();
        let into = self.partitions.len() - (1 << self.partitions.len().ilog2());
        for element in last.take_all() {
            let hash = self.hash(element.name());
            self.place(into, hash, element);
        }
        if self.partitions.capacity() > 4 * self.partitions.len() {
            self.partitions.shrink_to(2 * self.partitions.len());
        }
    }

    /// All elements, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Element> {
        self.partitions.iter().flat_map(Partition::elements)
    }

    /// All elements as they are now, to be gone through in steps. Takes a moment for each partition, not for each element.
    pub fn left(&self) -> ElementsLeft {
        ElementsLeft {
            bytes: self.bytes,
            partitions: self.shared_partitions().into_iter(),
        }
    }

    /// All partitions, each counted once more.
    fn shared_partitions(&self) -> Vec<Partition> {
        let mut shared = Vec::with_capacity(self.partitions.len());
        for (at, partition) in self.partitions.iter().enumerate() {
            if let Some(later) = self.partitions.get(at + AHEAD) {
                later.prefetch_tags();
            }
            shared.push(partition.clone());
        }
        shared
    }

    /// An element that is as likely as any other. There must be one.
    pub fn random(&self, random: &mut Random) -> &Element {
        assert!(self.len > 0, "the caller looks before");
        loop {
            let bits = random.bits();
            // Of each partition as many places are drawn as the largest has had, so that all are as likely.
            let partition = below(bits >> 32, self.partitions.len());
            let place = below(bits & u64::from(u32::MAX), self.partition_len_max);
            if let Some(element) = self.partitions[partition].elements().get(place) {
                return element;
            }
        }
    }

    /// Shows `visit` about `count` elements from a cursor on; the cursor to go on from, 0 at the end.
    pub fn scan<'t>(
        &'t self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&'t Element),
    ) -> u64 {
        let mut cursor = cursor;
        let mut left = count.max(1);
        let mut here = Vec::new();
        while left > 0 {
            let partition = self.partition_of(cursor.reverse_bits());
            here.clear();
            here.extend(
                self.partitions[partition]
                    .elements()
                    .iter()
                    .filter_map(|element| {
                        let position = self.hash(element.name()).reverse_bits();
                        (position >= cursor).then_some((position, element))
                    }),
            );
            here.sort_unstable_by_key(|(position, _)| *position);
            let mut shown = 0;
            for (position, element) in &here {
                // Those of one position go together.
                if shown >= left && *position != cursor {
                    return *position;
                }
                cursor = *position;
                visit(element);
                shown += 1;
            }
            left -= shown.min(left);
            match self.range_end(partition) {
                Some(end) => cursor = end,
                None => return 0,
            }
        }
        cursor
    }

    /// The first position behind those of a partition; None when it has the last ones.
    fn range_end(&self, partition: usize) -> Option<u64> {
        let mask = self.mask();
        let half = mask.div_ceil(2);
        let is_split = partition >= half || partition + half < self.partitions.len();
        let bits = if is_split {
            mask.count_ones()
        } else {
            half.trailing_zeros()
        };
        let last_of_all = u64::MAX.checked_shr(bits).unwrap_or(0);
        let start = (partition as u64).reverse_bits();
        (start | last_of_all).checked_add(1)
    }
}

/// Names that will be looked up soon.
pub(super) struct NamesAhead<'t> {
    /// Their hashes and partitions.
    names: [(u64, &'t Partition); AHEAD],
    len: usize,
}

impl<'t> NamesAhead<'t> {
    fn iter(&self) -> impl Iterator<Item = (u64, &'t Partition)> {
        self.names[..self.len].iter().copied()
    }

    /// The elements that may have these names, most of which have.
    pub fn elements(&self) -> impl Iterator<Item = &'t Element> {
        self.iter()
            .filter_map(|(hash, partition)| partition.first_candidate(hash))
    }
}

/// Elements of one moment that are still to be gone through.
pub struct ElementsLeft {
    bytes: usize,
    partitions: std::vec::IntoIter<Partition>,
}

impl ElementsLeft {
    /// The memory that the elements took, about: names, values and what they are kept in.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Shows `visit` about so many elements more, name and value; whether that were the last.
    pub fn step(&mut self, elements: usize, mut visit: impl FnMut(&[u8], &[u8])) -> bool {
        let mut shown = 0;
        while shown < elements {
            let Some(partition) = self.partitions.next() else {
                return true;
            };
            for element in partition.elements() {
                visit(element.name(), element.value());
            }
            shown += partition.len();
        }
        self.partitions.as_slice().is_empty()
    }
}

/// A number below `limit`, from 32 random bits.
fn below(bits: u64, limit: usize) -> usize {
    ((bits * limit as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn table() -> ElementTable {
        ElementTable::new(Arc::new(KeyHasher::new(7)))
    }

    fn owned_bytes(table: &ElementTable) -> usize {
        let elements: usize = table.iter().map(Element::memory_bytes).sum();
        let partitions = table.partitions.iter().map(Partition::memory_bytes);
        elements + partitions.sum::<usize>()
    }

    #[test]
    fn it_is_a_map() {
        let mut random = Random::new(3);
        let mut table = table();
        let mut model = BTreeMap::new();
        // It grows and shrinks again.
        for turn in 0..60_000u64 {
            let name = (random.bits() % 9_000).to_string().into_bytes();
            let grows = turn % 30_000 < 15_000;
            if random.bits() % 4 < if grows { 3 } else { 1 } {
                let value = vec![b'v'; random.bits() as usize % 40];
                let is_new = !model.contains_key(&name);
                if turn % 2 == 0 {
                    assert_eq!(table.put(&name, &value), is_new);
                } else {
                    assert_eq!(table.insert(&name, &value).1, is_new);
                    table.update(&name, |element| element.set_value(&value));
                }
                let hash = table.hash(&name);
                let found = table.find_hash(hash, |element| element.value() == value);
                assert_eq!(found.map(Element::name), Some(&name[..]));
                model.insert(name, value);
            } else {
                let removed = table.remove(&name).map(|element| element.value().to_vec());
                assert_eq!(removed, model.remove(&name));
            }
            assert_eq!(table.len(), model.len());
        }
        let all: BTreeMap<_, _> = table
            .iter()
            .map(|element| (element.name().to_vec(), element.value().to_vec()))
            .collect();
        assert_eq!(all, model);
        assert_eq!(table.bytes, owned_bytes(&table));
        for name in model.keys() {
            table.remove(name);
        }
        assert_eq!((table.len(), table.partitions.len()), (0, 1));
        assert_eq!(table.bytes, owned_bytes(&table));
    }

    #[test]
    fn a_scan_meets_all_that_stay_while_it_grows_and_shrinks() {
        for (start, step) in [(1, 40), (0, 100), (5_000, 0)] {
            let mut table = table();
            let kept: BTreeSet<Vec<u8>> = (0..start)
                .map(|at| format!("kept:{at}").into_bytes())
                .collect();
            for name in &kept {
                table.insert(name, b"");
            }
            for at in 0..5_000 {
                table.insert(format!("gone:{at}").as_bytes(), b"");
            }
            let mut seen = BTreeSet::new();
            let (mut cursor, mut turn) = (0, 0);
            loop {
                cursor = table.scan(cursor, 10, |element| {
                    seen.insert(element.name().to_vec());
                });
                if cursor == 0 {
                    break;
                }
                for at in 0..step {
                    if turn % 2 == 0 {
                        table.insert(format!("new:{turn}:{at}").as_bytes(), b"");
                    } else {
                        table.remove(format!("gone:{}", turn * 50 + at).as_bytes());
                    }
                }
                turn += 1;
                assert!(turn < 100_000, "it ends");
            }
            assert!(kept.is_subset(&seen));
        }
    }

    #[test]
    fn what_is_gone_through_in_steps_is_what_there_was() {
        for (before, after) in [(3_000, 10), (3_000, 9_000), (100, 100)] {
            let mut table = table();
            let name = |at: i32| format!("name:{at}").into_bytes();
            for at in 0..before {
                table.insert(&name(at), b"old");
            }
            let mut left = table.left();
            let mut seen = BTreeSet::new();
            for round in 0.. {
                let is_done = left.step(100, |name, value| {
                    assert_eq!(value, b"old");
                    assert!(seen.insert(name.to_vec()), "twice");
                });
                if is_done {
                    break;
                }
                // What is not reached yet changes, comes and goes.
                for at in (0..before.max(after)).skip(round).step_by(7) {
                    if at < after {
                        table.insert(&name(at), b"");
                        table.update(&name(at), |element| element.set_value(b"new"));
                    } else {
                        table.remove(&name(at));
                    }
                }
            }
            assert_eq!(seen, (0..before).map(name).collect());
            assert_eq!(table.bytes, owned_bytes(&table));
        }
    }

    #[test]
    fn random_elements_are_all_of_them_equally() {
        for len in [1, 2, 60, 1_000] {
            let mut table = table();
            for at in 0..len {
                table.insert(at.to_string().as_bytes(), b"");
            }
            let mut random = Random::new(len);
            let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for _ in 0..len * 200 {
                let name = table.random(&mut random).name().to_vec();
                *counts.entry(name).or_default() += 1;
            }
            assert_eq!(counts.len() as u64, len);
            // Seven standard deviations.
            assert!(counts.values().all(|count| (100..=300).contains(count)));
        }
    }
}
