//! The deadlines of the fields of a large hash: by field, and in their order.

use std::sync::Arc;

use super::counted_tree::{CountedTree, Direction};
use super::element_table::ElementTable;
use crate::hash::KeyHasher;
use crate::slab::global_bytes;

/// Deadlines in milliseconds of the Unix epoch.
pub(crate) struct FieldDeadlines {
    /// Each field's, 8 bytes.
    by_field: ElementTable,
    /// With the hashes of the fields; twice where two fields share both.
    ordered: CountedTree<(u64, u64)>,
}

impl Clone for FieldDeadlines {
    fn clone(&self) -> Self {
        let all = 0..self.ordered.len();
        Self {
            by_field: self.by_field.clone(),
            ordered: CountedTree::from_sorted(self.ordered.range(all, Direction::Forward)),
        }
    }
}

fn deadline_of(value: &[u8]) -> u64 {
    value
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl FieldDeadlines {
    pub fn new(hasher: Arc<KeyHasher>) -> Self {
        Self {
            by_field: ElementTable::new(hasher),
            ordered: CountedTree::new(),
        }
    }

    /// Memory of it, in bytes, as the allocator rounds it.
    pub fn memory_bytes(&self) -> usize {
        let own = global_bytes(size_of::<Self>());
        own + self.by_field.memory_bytes() + self.ordered.memory_bytes()
    }

    pub fn is_empty(&self) -> bool {
        self.by_field.len() == 0
    }

    /// A field's.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<u64> {
        field_deadline_ms(&self.by_field, field)
    }

    /// Those by field as they are now, for [`field_deadline_ms`]. Takes a moment for each part of the table.
    pub fn by_field(&self) -> ElementTable {
        self.by_field.clone()
    }

    /// The earliest.
    #[inline]
    pub fn first_ms(&self) -> Option<u64> {
        Some(self.first()?.0)
    }

    #[inline]
    fn first(&self) -> Option<(u64, u64)> {
        self.ordered.first()
    }

    /// How many have passed.
    pub fn passed(&self, now_ms: u64) -> usize {
        self.ordered
            .count_where(|(deadline_ms, _)| *deadline_ms < now_ms)
    }

    /// Gives a field this one.
    pub fn set(&mut self, field: &[u8], deadline_ms: u64) {
        let hash = self.by_field.hash(field);
        let bytes = deadline_ms.to_le_bytes();
        let before = self.by_field.update(field, |element| {
            let before_ms = deadline_of(element.value());
            element.value_mut().copy_from_slice(&bytes);
            before_ms
        });
        match before {
            Some(before_ms) => {
                self.ordered.remove(&(before_ms, hash));
            }
            None => {
                self.by_field.insert(field, &bytes);
            }
        }
        self.ordered.insert((deadline_ms, hash));
    }

    /// Takes a field's away.
    pub fn remove(&mut self, field: &[u8]) -> Option<u64> {
        let element = self.by_field.remove(field)?;
        let deadline_ms = deadline_of(element.value());
        self.ordered
            .remove(&(deadline_ms, self.by_field.hash(field)));
        Some(deadline_ms)
    }

    /// The field of a deadline in the order.
    fn field_at(&self, deadline_ms: u64, hash: u64) -> Option<&[u8]> {
        let bytes = deadline_ms.to_le_bytes();
        let element = self
            .by_field
            .find_hash(hash, |element| element.value() == bytes)?;
        Some(element.name())
    }

    /// Takes away one that has passed; its field.
    pub fn take_passed(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        let (deadline_ms, hash) = self.first()?;
        if deadline_ms >= now_ms {
            return None;
        }
        let field = self.field_at(deadline_ms, hash)?.to_vec();
        self.remove(&field);
        Some(field)
    }
}

/// A field's deadline in what [`FieldDeadlines::by_field`] gave.
pub(crate) fn field_deadline_ms(by_field: &ElementTable, field: &[u8]) -> Option<u64> {
    Some(deadline_of(by_field.get(field)?.value()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    #[test]
    fn deadlines_are_found_by_field_and_in_their_order() {
        let mut random = Random::new(3);
        let mut deadlines = FieldDeadlines::new(Arc::new(KeyHasher::new(1)));
        let mut model = BTreeMap::new();
        for now_ms in 0..20_000 {
            let field = random.below(500).to_string().into_bytes();
            match random.below(4) {
                0 => assert_eq!(deadlines.remove(&field), model.remove(&field)),
                1 => {
                    while let Some(field) = deadlines.take_passed(now_ms) {
                        let deadline_ms = model.remove(&field).expect("it had one");
                        assert!(deadline_ms < now_ms);
                    }
                    assert!(model.values().all(|deadline_ms| *deadline_ms >= now_ms));
                }
                _ => {
                    let deadline_ms = now_ms + random.below(2_000) as u64;
                    deadlines.set(&field, deadline_ms);
                    model.insert(field, deadline_ms);
                }
            }
            assert_eq!(deadlines.first_ms(), model.values().min().copied());
            assert_eq!(deadlines.is_empty(), model.is_empty());
        }
        let passed = model.values().filter(|ms| **ms < 20_500).count();
        let deadlines = deadlines.clone();
        assert_eq!(deadlines.passed(20_500), passed);
        for (field, deadline_ms) in model {
            assert_eq!(deadlines.get(&field), Some(deadline_ms));
        }
    }
}
