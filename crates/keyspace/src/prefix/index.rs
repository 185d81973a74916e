//! The keys of a prefix that has a limit, so that some of them can be found among those of everybody else.
//!
//! A key is a record of 8 bytes: the upper 60 bits of its hash, and its database. Records lie in drawers by bits that
//! have nothing to do with the use of keys, each a hash set of its own. They come in after a group of commands, and a
//! record whose key is gone goes when it is met: when something is to be evicted, or when its drawer is full. So a key
//! that is there always has its record, one that is not may have one, and nobody has two. A drawer is at most 7/8 full
//! and is made new with 5/8: a key costs about 10 to 13 bytes, and as much again while its prefix's keys come and go
//! faster than drawers fill.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Bits of the database in a record.
const DATABASE_BITS: u32 = 4;
const DATABASE_MASK: u64 = (1 << DATABASE_BITS) - 1;
const _: () = assert!(crate::limits::DATABASES == 1 << DATABASE_BITS);

const DRAWER_BITS: u32 = 10;
const DRAWERS: usize = 1 << DRAWER_BITS;
/// The slots of a drawer at first.
const SLOTS_MIN: usize = 8;

/// A key by its hash and database. 0 is none: a key that would have it is in no index, one in 2^60.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record(u64);

impl Record {
    #[inline]
    pub fn new(hash: u64, database_place: u8) -> Self {
        Self(hash & !DATABASE_MASK | u64::from(database_place))
    }

    /// The hash without its last bits: it leads to the key.
    pub fn position(self) -> u64 {
        self.0 & !DATABASE_MASK
    }

    /// Whether it is of a key that has this hash.
    pub fn is_of(self, hash: u64) -> bool {
        hash & !DATABASE_MASK == self.position()
    }

    /// Where the counts of its database are.
    pub fn database_place(self) -> u8 {
        (self.0 & DATABASE_MASK) as u8
    }

    fn mixed(self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn drawer(self) -> usize {
        (self.mixed() >> (u64::BITS - DRAWER_BITS)) as usize
    }
}

/// See the head of this file.
pub(crate) struct Index {
    drawers: Box<[Mutex<Drawer>]>,
    bytes: AtomicI64,
}

/// The records of a drawer that was full: those whose keys are still there are to be put back.
#[must_use]
pub(crate) struct Taken {
    drawer: usize,
    pub records: Vec<Record>,
}

#[derive(Default)]
struct Drawer {
    slots: Vec<Record>,
    len: usize,
}

impl Index {
    /// The memory that it takes at first.
    pub const EMPTY_BYTES: usize = DRAWERS * size_of::<Mutex<Drawer>>();

    pub fn new() -> Self {
        Self {
            drawers: (0..DRAWERS).map(|_| Mutex::default()).collect(),
            bytes: AtomicI64::new(Self::EMPTY_BYTES as i64),
        }
    }

    /// The memory that it takes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed).max(0).cast_unsigned()
    }

    /// Adds a record that is not there yet. When its drawer is full, the drawer's records and this one are handed out.
    pub fn add(&self, record: Record) -> Option<Taken> {
        if record == Record::default() {
            return None;
        }
        let drawer = record.drawer();
        let mut drawer_held = self.drawers[drawer].lock();
        if drawer_held.add(record) {
            return None;
        }
        let mut records = drawer_held.take();
        self.count(-slots_bytes(&records));
        records.retain(|record| *record != Record::default());
        records.push(record);
        Some(Taken { drawer, records })
    }

    /// Puts back what [`Index::add`] has handed out, as far as it is still of use.
    pub fn put_back(&self, taken: &Taken) {
        let mut drawer = self.drawers[taken.drawer].lock();
        let mut others = drawer.take();
        self.count(-slots_bytes(&others));
        others.retain(|record| *record != Record::default());
        let all = taken.records.iter().chain(&others);
        *drawer = Drawer::of(all.copied(), taken.records.len() + others.len());
        self.count(slots_bytes(&drawer.slots));
    }

    /// Removes a record.
    pub fn remove(&self, record: Record) {
        let mut drawer = self.drawers[record.drawer()].lock();
        drawer.remove(record);
        if drawer.slots.len() > SLOTS_MIN && drawer.len < drawer.slots.len() / 4 {
            let len = drawer.len;
            let all = drawer.take();
            self.count(-slots_bytes(&all));
            *drawer = Drawer::of(all.into_iter(), len);
            self.count(slots_bytes(&drawer.slots));
        }
    }

    /// Emits some records that lie together at a random place, at most `count`.
    pub fn sample(&self, random: u64, count: usize, mut emit: impl FnMut(Record)) {
        let start = random as usize % DRAWERS;
        for at in 0..DRAWERS {
            let drawer = self.drawers[(start + at) % DRAWERS].lock();
            if drawer.len > 0 {
                let begin = drawer.place(random);
                let slots = drawer.slots[begin..].iter().chain(&drawer.slots[..begin]);
                let records = slots.filter(|record| **record != Record::default());
                records.take(count).for_each(|record| emit(*record));
                return;
            }
        }
    }

    /// Forgets all records.
    pub fn clear(&self) {
        for drawer in &self.drawers {
            let old = drawer.lock().take();
            self.count(-slots_bytes(&old));
        }
    }

    fn count(&self, bytes: i64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }
}

fn slots_bytes(slots: &[Record]) -> i64 {
    size_of_val(slots) as i64
}

impl Drawer {
    /// A drawer with these records, of which there are at most `len`.
    fn of(records: impl Iterator<Item = Record>, len: usize) -> Self {
        let slots = if len == 0 {
            0
        } else {
            (len * 8 / 5).max(SLOTS_MIN)
        };
        let mut drawer = Self {
            slots: vec![Record::default(); slots],
            len: 0,
        };
        for record in records.filter(|record| *record != Record::default()) {
            drawer.insert(record);
        }
        drawer
    }

    /// Empties it; its slots.
    fn take(&mut self) -> Vec<Record> {
        self.len = 0;
        std::mem::take(&mut self.slots)
    }

    /// Adds a record; false when there is no room.
    fn add(&mut self, record: Record) -> bool {
        if self.len * 8 >= self.slots.len() * 7 {
            return false;
        }
        self.insert(record);
        true
    }

    fn insert(&mut self, record: Record) {
        let mut at = self.place(record.mixed() << DRAWER_BITS);
        while self.slots[at] != Record::default() {
            if self.slots[at] == record {
                return;
            }
            at = self.after(at);
        }
        self.slots[at] = record;
        self.len += 1;
    }

    fn remove(&mut self, record: Record) {
        if self.slots.is_empty() || record == Record::default() {
            return;
        }
        let mut hole = self.place(record.mixed() << DRAWER_BITS);
        while self.slots[hole] != record {
            if self.slots[hole] == Record::default() {
                return;
            }
            hole = self.after(hole);
        }
        // What lies behind and belongs before comes forward (Knuth, *The Art of Computer Programming*, 6.4, R).
        let mut at = self.after(hole);
        while self.slots[at] != Record::default() {
            let home = self.place(self.slots[at].mixed() << DRAWER_BITS);
            let is_between = if hole <= at {
                hole < home && home <= at
            } else {
                hole < home || home <= at
            };
            if !is_between {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.slots[hole] = Record::default();
        self.len -= 1;
    }

    /// The slot that a number falls on.
    fn place(&self, number: u64) -> usize {
        ((u128::from(number) * self.slots.len() as u128) >> 64) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() {
            0
        } else {
            at + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Index, Record};
    use crate::random::Random;

    fn hash(number: u64) -> u64 {
        crate::hash::spread(number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn record(number: u64) -> Record {
        Record::new(hash(number), (number % 16) as u8)
    }

    fn all(index: &Index) -> Vec<u64> {
        let mut records = Vec::new();
        for drawer in &index.drawers {
            let drawer = drawer.lock();
            let there = drawer.slots.iter().filter(|record| record.0 != 0);
            let before = records.len();
            records.extend(there.map(|record| record.0));
            assert_eq!(records.len() - before, drawer.len);
        }
        records
    }

    #[test]
    fn records_come_and_go_like_those_of_a_set() {
        let index = Index::new();
        let mut expected = BTreeSet::new();
        let mut random = Random::default();
        for step in 0..300_000u64 {
            let number = 1 + random.bits() % 20_000;
            // First there are more and more of them, then fewer.
            if random.bits() % 16 < if step < 150_000 { 12 } else { 2 } {
                expected.insert(record(number).0);
                if let Some(taken) = index.add(record(number)) {
                    index.put_back(&taken);
                }
            } else {
                expected.remove(&record(number).0);
                index.remove(record(number));
            }
        }
        let mut records = all(&index);
        records.sort_unstable();
        assert_eq!(records, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_key_costs_about_a_dozen_bytes() {
        const KEYS: u64 = 200_000;
        let index = Index::new();
        let at_first = index.bytes();
        for number in 1..=KEYS {
            if let Some(taken) = index.add(record(number)) {
                index.put_back(&taken);
            }
        }
        let bytes = (index.bytes() - at_first) as f64 / KEYS as f64;
        assert!((9.0..14.0).contains(&bytes), "{bytes} bytes for a key");
        for number in 1..=KEYS {
            index.remove(record(number));
        }
        assert!(all(&index).is_empty());
        assert!(index.bytes() - at_first <= 1024 * 8 * 8);
        index.clear();
        assert_eq!(index.bytes(), at_first);
    }

    #[test]
    fn every_record_may_be_met() {
        let index = Index::new();
        (1..=30).for_each(|number| {
            assert!(index.add(record(number)).is_none_or(|taken| {
                index.put_back(&taken);
                true
            }));
        });
        let mut met = BTreeSet::new();
        for number in 0..20_000 {
            let random = hash(number) ^ number;
            index.sample(random, 1, |record| {
                met.insert(record.0);
            });
        }
        assert_eq!(met.len(), 30);
    }

    #[test]
    fn records_lead_to_their_keys() {
        let hash = hash(77);
        let record = Record::new(hash, 9);
        assert_eq!(record.database_place(), 9);
        assert!(record.is_of(hash) && record.is_of(hash ^ 3));
        assert!(!record.is_of(hash ^ 16));
    }
}
