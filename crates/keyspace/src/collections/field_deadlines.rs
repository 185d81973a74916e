//! The deadlines of the fields of a large hash: by field, and in their order.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::element_table::ElementTable;
use crate::hash::KeyHasher;

/// What a deadline takes in the order: a node of 192 bytes has 6 to 11 of them.
const ORDERED_BYTES: usize = 24;

/// Deadlines in milliseconds of the Unix epoch.
#[derive(Clone)]
pub(crate) struct FieldDeadlines {
    /// Each field's, 8 bytes.
    by_field: ElementTable,
    /// With the hashes of the fields.
    ordered: BTreeSet<(u64, u64)>,
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
            ordered: BTreeSet::new(),
        }
    }

    pub fn memory_bytes(&self) -> usize {
        self.by_field.memory_bytes() + self.ordered.len() * ORDERED_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.by_field.len() == 0
    }

    /// A field's.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<u64> {
        let element = self.by_field.get(field)?;
        Some(deadline_of(element.value()))
    }

    /// The earliest.
    pub fn first_ms(&self) -> Option<u64> {
        Some(self.ordered.first()?.0)
    }

    /// How many have passed.
    pub fn passed(&self, now_ms: u64) -> usize {
        self.ordered.range(..(now_ms, 0)).count()
    }

    /// Gives a field this one.
    pub fn set(&mut self, field: &[u8], deadline_ms: u64) {
        self.remove(field);
        self.by_field.insert(field, &deadline_ms.to_le_bytes());
        self.ordered
            .insert((deadline_ms, self.by_field.hash(field)));
    }

    /// Takes a field's away.
    pub fn remove(&mut self, field: &[u8]) -> Option<u64> {
        let element = self.by_field.remove(field)?;
        let deadline_ms = deadline_of(element.value());
        let hash = self.by_field.hash(field);
        if self.field_at(deadline_ms, hash).is_none() {
            self.ordered.remove(&(deadline_ms, hash));
        }
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
        let (deadline_ms, hash) = *self.ordered.first()?;
        if deadline_ms >= now_ms {
            return None;
        }
        let field = self.field_at(deadline_ms, hash)?.to_vec();
        self.remove(&field);
        Some(field)
    }
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
        assert_eq!(deadlines.passed(20_500), passed);
        for (field, deadline_ms) in model {
            assert_eq!(deadlines.get(&field), Some(deadline_ms));
        }
    }
}
