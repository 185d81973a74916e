#![allow(unsafe_code)]
//! Hashes whose fields have deadlines: removing the fields whose time is up, and keeping the index in step.
//!
//! The index has one record of such a hash, for the earliest of its own deadline and of its fields'. When that has come,
//! some fields go, and the hash is filed again: for its next deadline, or such that it comes up again after others when
//! there are more. A hash goes with its last field, and at once when all of them are over, however many there are.
//!
//! Soundness: the fields of a large hash are changed in their place, under the lock.

use super::{Found, Held};
use crate::collections::{Collection, Contents, Hash, keep_unexpired};
use crate::entry::{Entry, EntryRef};
use crate::memory::Memory;
use crate::value::{NewValue, ValueKind};

/// The fields of a hash that are to go.
#[derive(Clone, Copy)]
pub(crate) struct PassedFields {
    /// How many.
    pub count: usize,
    /// Whether there are no others, so that the key goes too.
    pub are_all: bool,
    now_ms: u64,
}

impl PassedFields {
    /// Those of an entry, about `fields_max` at most; None when there are none.
    pub fn of(entry: EntryRef<'_>, now_ms: u64, fields_max: usize) -> Option<Self> {
        let hash = entry.contents::<Hash>()?;
        let count = hash.passed(now_ms);
        let are_all = hash.count(now_ms) == 0;
        let is_bounded = match hash {
            Contents::Packed(_) => false,
            Contents::Large(_) => !are_all,
        };
        (count > 0).then_some(Self {
            count: if is_bounded {
                count.min(fields_max)
            } else {
                count
            },
            are_all,
            now_ms,
        })
    }
}

impl<'t> Held<'t> {
    /// Removes these fields of the hash that was found, and the key with the last.
    pub fn expire_fields(&mut self, found: Found<'t>, passed: PassedFields, memory: &mut Memory) {
        if passed.are_all {
            return self.remove(found, memory);
        }
        let entry = found.entry();
        match entry.contents::<Hash>() {
            None => {}
            Some(Contents::Packed(pack)) => {
                let mut kept = std::mem::take(&mut memory.pack);
                keep_unexpired(pack, passed.now_ms, &mut kept);
                let kept_pack = NewValue::Packed(ValueKind::Hash, &kept);
                let (deadline_ms, policy) = (entry.deadline_ms(), entry.policy());
                let magazines = &mut memory.magazines;
                let new = Entry::allocate(entry.key(), kept_pack, deadline_ms, policy, magazines);
                memory.pack = kept;
                self.replace(&found, new, memory);
            }
            Some(Contents::Large(_)) => {
                // SAFETY: the contents are not used any more, and the lock keeps others away.
                let object = unsafe { entry.object_mut() };
                if let Some(hash) = object.and_then(Hash::of_mut) {
                    hash.expire(passed.now_ms, passed.count);
                }
                self.count_object(&found);
                self.fields_changed(&found, memory);
            }
        }
    }

    /// After the fields of a hash have been changed in its place: it has a word for deadlines when it needs one.
    pub fn fields_changed(&mut self, found: &Found<'t>, memory: &mut Memory) {
        let entry = found.entry();
        let Some(old) = entry.note_fields() else {
            if entry.next_field_ms().is_some() {
                let new = entry.duplicate(entry.key(), None, &mut memory.magazines);
                self.replace(found, new, memory);
            }
            return;
        };
        let has_fields = entry.deadline_word().is_some_and(|word| word.has_fields());
        if old.has_fields() || has_fields {
            self.follow_deadline(found.hash, Some(old), Some(entry), memory);
        }
    }
}
