//! A table of connections in small, reusable places, with ids that tell a connection from those that had its
//! place before.

use crate::backend::ConnectionId;

/// Up to `limit` values. Places that were freed last are used first, so that the table stays compact.
pub(crate) struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    limit: u32,
}

struct Place<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn new(limit: u32) -> Slots<T> {
        Slots {
            places: Vec::new(),
            free: Vec::new(),
            limit,
        }
    }

    /// Puts `value` into a place of its own; `None` when the limit is reached.
    pub(crate) fn insert(&mut self, value: T) -> Option<ConnectionId> {
        if let Some(slot) = self.free.pop() {
            self.places[slot as usize].value = Some(value);
            return self.id_at(slot);
        }
        let slot = u32::try_from(self.places.len()).ok()?;
        if slot >= self.limit {
            return None;
        }
        self.places.push(Place {
            generation: 0,
            value: Some(value),
        });
        self.id_at(slot)
    }

    /// The value that `id` names, unless it has been vacated since.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        let place = self.places.get_mut(id.slot as usize)?;
        if place.generation == id.generation {
            place.value.as_mut()
        } else {
            None
        }
    }

    /// The same, to look at.
    #[inline]
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&T> {
        let place = self.places.get(id.slot as usize)?;
        place
            .value
            .as_ref()
            .filter(|_| place.generation == id.generation)
    }

    /// Whether `id` names a value.
    #[inline]
    pub(crate) fn contains(&self, id: ConnectionId) -> bool {
        let place = self.places.get(id.slot as usize);
        place.is_some_and(|place| place.generation == id.generation && place.value.is_some())
    }

    /// The value in a place, whoever has it.
    #[inline]
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.places.get_mut(slot as usize)?.value.as_mut()
    }

    /// The id of whoever has the place; `None` when it is vacant.
    #[inline]
    pub(crate) fn id_at(&self, slot: u32) -> Option<ConnectionId> {
        let place = self.places.get(slot as usize)?;
        place.value.as_ref()?;
        Some(ConnectionId {
            slot,
            generation: place.generation,
        })
    }

    /// How many places there are, vacant ones included.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Takes the value out of its place. The place is not used again before `release`.
    pub(crate) fn vacate(&mut self, slot: u32) -> Option<T> {
        let place = self.places.get_mut(slot as usize)?;
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        Some(value)
    }

    /// Lets a vacated place be used again.
    pub(crate) fn release(&mut self, slot: u32) {
        debug_assert!(self.places[slot as usize].value.is_none());
        self.free.push(slot);
    }

    /// All values.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places
            .iter_mut()
            .filter_map(|place| place.value.as_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn a_stale_id_names_nothing() {
        let mut slots = Slots::new(2);
        let first = slots.insert("first").expect("room");
        assert_eq!(slots.vacate(first.slot), Some("first"));
        assert!(!slots.contains(first));
        let second = slots.insert("second").expect("room");
        assert_ne!(first.slot, second.slot, "not released yet");
        assert!(slots.insert("third").is_none(), "the limit");
        slots.release(first.slot);
        let third = slots.insert("third").expect("room");
        assert_eq!(first.slot, third.slot);
        assert!(slots.get_mut(first).is_none());
        assert_eq!(slots.get_mut(third), Some(&mut "third"));
        assert_eq!(slots.id_at(third.slot), Some(third));
        assert_eq!(slots.values_mut().count(), 2);
    }
}
