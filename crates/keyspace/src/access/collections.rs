#![allow(unsafe_code)]
//! Collections under their lock: reading, changing and replacing them.

use super::{Change, Held, Key, Locked, Unbroken};
use crate::collections::{Collection, Contents, Draft, Form, Object, Pack, Thresholds};
use crate::entry::{Entry, EntryRef};
use crate::keyspace::Keyspace;
use crate::memory::Memory;
use crate::table::Found;
use crate::value::{Deadline, NewValue};

/// Memory that is kept for the next small collection that is changed.
const PACK_BYTES_KEPT: usize = 64 << 10;

/// The key has a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongKind;

/// A collection that is no key's yet.
pub enum Built<C> {
    /// A small one.
    Packed(Vec<u8>),
    /// A large one.
    Large(C),
}

impl<C: Collection> Built<C> {
    /// It, to be read.
    pub fn contents(&self) -> Contents<'_, C> {
        match self {
            Self::Packed(pack) => Contents::Packed(Pack::new(pack)),
            Self::Large(large) => Contents::Large(large),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.contents().is_empty_collection()
    }
}

/// What a change has made of a collection.
enum Outcome<C> {
    Unchanged,
    /// The pack in the worker's memory is what it is now.
    Packed,
    Converted(C),
    InPlace,
    Empty,
}

fn contents_of<'e, C: Collection>(entry: &EntryRef<'e>) -> Result<Contents<'e, C>, WrongKind> {
    entry.contents().ok_or(WrongKind)
}

impl<'g> Locked<'g> {
    /// The collection of a key, for a command that reads it: counts a hit or miss and marks the access.
    ///
    /// # Errors
    /// [`WrongKind`] when it is something else.
    #[inline]
    pub fn read_collection<C: Collection>(
        &mut self,
        key: Key<'_>,
    ) -> Result<Option<Contents<'_, C>>, WrongKind> {
        self.read(key).as_ref().map(contents_of).transpose()
    }

    /// As [`Locked::read_collection`], beside others: expired keys are not there, nothing is counted.
    ///
    /// # Errors
    /// [`WrongKind`] when it is something else.
    pub fn peek_collection<C: Collection>(
        &self,
        key: Key<'_>,
    ) -> Result<Option<Contents<'_, C>>, WrongKind> {
        self.peek(key).as_ref().map(contents_of).transpose()
    }

    /// Has the processor fetch what lookups of these names in a large collection will need, of [`AHEAD`](crate::AHEAD) of them at most.
    /// A hint.
    pub fn look_ahead_within<'n>(&self, key: Key<'_>, names: impl Iterator<Item = &'n [u8]>) {
        let entry = self.held(key).find_entry(key.hash, key.bytes);
        if let Some(object) = entry.and_then(|entry| entry.object()) {
            object.look_ahead(names);
        }
    }

    /// Has `change` change a collection, which is empty before if the key is not there, and keeps its deadline. When it
    /// is empty afterwards, the key is removed, or is not made.
    ///
    /// # Errors
    /// [`WrongKind`] when the key is something else; `change` is not called then.
    pub fn change_collection<C: Collection, R>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut Draft<'_, C>) -> R,
    ) -> Result<R, WrongKind> {
        let found = self.lookup(key);
        let core = self.core;
        let contents = found
            .as_ref()
            .map(|(_, found)| contents_of::<C>(&found.entry()));
        let contents = contents.transpose()?;
        let mut pack = std::mem::take(&mut core.memory.borrow_mut().pack);
        pack.clear();
        let mut large = None;
        match (contents, &found) {
            (Some(Contents::Packed(packed)), _) => pack.extend_from_slice(packed.bytes()),
            (Some(Contents::Large(_)), Some((_, found))) => {
                self.begin_change();
                // SAFETY: the reference that was just looked at is not used any more, and the lock keeps others away.
                let object = unsafe { found.entry().object_mut() };
                large = object.and_then(C::of_mut);
            }
            (Some(Contents::Large(_)) | None, _) => {}
        }
        let unbroken = Unbroken;
        let form = match large {
            Some(large) => Form::Large(large),
            None => Form::Packed(&mut pack),
        };
        let mut draft = Draft {
            form,
            has_changed: false,
            collections: &core.keyspace.collections,
        };
        let result = change(&mut draft);
        let outcome = outcome(draft);
        self.put_back(found, key, outcome, &pack);
        drop(unbroken);
        pack.shrink_to(PACK_BYTES_KEPT);
        core.memory.borrow_mut().pack = pack;
        Ok(result)
    }

    /// Puts what has become of a collection into the place of what it was.
    fn put_back<C: Collection>(
        &mut self,
        found: Option<(Held<'g>, Found<'g>)>,
        key: Key<'_>,
        outcome: Outcome<C>,
        pack: &[u8],
    ) {
        match (outcome, found) {
            (Outcome::Unchanged, _) | (Outcome::Empty, None) => {}
            (Outcome::Empty, Some((held, found))) => {
                self.remove_found(held, found, key, Change::Removed);
            }
            (Outcome::InPlace, Some((mut held, found))) => {
                held.count_object(&found);
                self.changed_in_place(key, found.entry());
            }
            (Outcome::Packed, Some((_, found))) if self.overwrite_pack(&found, pack) => {
                self.changed_in_place(key, found.entry());
            }
            (Outcome::Packed, _) => {
                self.set(key, NewValue::Packed(C::KIND, pack), Deadline::Keep);
            }
            (Outcome::Converted(large), _) => {
                self.set_object(key, Box::new(large.into_object()), Deadline::Keep);
            }
            (Outcome::InPlace, None) => unreachable!("what is not there is changed nowhere"),
        }
    }

    fn overwrite_pack(&mut self, found: &Found<'g>, pack: &[u8]) -> bool {
        self.begin_change();
        found.entry().overwrite_pack(pack)
    }

    fn changed_in_place(&mut self, key: Key<'_>, entry: EntryRef<'_>) {
        if self.touches {
            let touch = self.core.touch_of(key.bytes);
            self.core.use_as(&entry, &touch);
        }
        self.announce(key, Change::Written);
    }

    /// Makes a collection that is no key's yet.
    pub fn build_collection<C: Collection>(
        &self,
        make: impl FnOnce(&mut Draft<'_, C>),
    ) -> Built<C> {
        let mut pack = Vec::new();
        let mut draft = Draft {
            form: Form::Packed(&mut pack),
            has_changed: false,
            collections: &self.core.keyspace.collections,
        };
        make(&mut draft);
        match outcome(draft) {
            Outcome::Converted(large) => Built::Large(large),
            Outcome::Packed | Outcome::InPlace => Built::Packed(pack),
            Outcome::Unchanged | Outcome::Empty => Built::Packed(Vec::new()),
        }
    }

    /// Sets a key to a collection that was built, whatever it was before; removes it when that is empty.
    pub fn store_collection<C: Collection>(
        &mut self,
        key: Key<'_>,
        built: Built<C>,
        deadline: Deadline,
    ) {
        match built {
            built if built.is_empty() => {
                self.remove(key);
            }
            Built::Packed(pack) => self.set(key, NewValue::Packed(C::KIND, &pack), deadline),
            Built::Large(large) => self.set_object(key, Box::new(large.into_object()), deadline),
        }
    }

    fn set_object(&mut self, key: Key<'_>, object: Box<Object>, deadline: Deadline) {
        let held = self.held(key);
        self.set_entry(
            held,
            key,
            deadline,
            |deadline_ms, policy, memory: &mut Memory| {
                Entry::allocate_object(
                    key.bytes,
                    object,
                    deadline_ms,
                    policy,
                    &mut memory.magazines,
                )
            },
        );
    }
}

fn outcome<C: Collection>(draft: Draft<'_, C>) -> Outcome<C> {
    if !draft.has_changed {
        return Outcome::Unchanged;
    }
    if draft.is_empty() {
        return Outcome::Empty;
    }
    match draft.form {
        Form::Packed(_) => Outcome::Packed,
        Form::Large(_) => Outcome::InPlace,
        Form::Converted(large) => Outcome::Converted(large),
    }
}

impl Keyspace {
    /// Up to where collections are packed.
    pub fn thresholds(&self) -> &Thresholds {
        &self.collections.thresholds
    }
}
