#![allow(unsafe_code)]
//! Collections under their lock: reading, changing and replacing them.

use super::{Change, Held, Key, Locked, Unbroken};
use crate::collections::{Collection, Contents, Draft, Form, Object, Pack, Thresholds};
use crate::entry::{Entry, EntryRef};
use crate::keyspace::Keyspace;
use crate::memory::Memory;
use crate::table::Found;
use crate::value::{Deadline, NewValue, ValueKind};

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

fn found_contents<'g, C: Collection>(
    found: Option<&(Held<'g>, Found<'g>)>,
) -> Result<Option<Contents<'g, C>>, WrongKind> {
    found
        .map(|(_, found)| contents_of(&found.entry()))
        .transpose()
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
        let held = self.held(key);
        let Some(entry) = held.find_entry(key.hash, key.bytes) else {
            self.core.miss(key);
            return Ok(None);
        };
        let now_ms = held.time_ms(self.core.now_ms);
        if !entry.has_expired(now_ms) {
            let contents = entry.contents::<C>();
            if !contents.is_some_and(|contents| C::is_due(contents, now_ms)) {
                self.core.hit(key, &entry, self.touches);
                return contents.map(Some).ok_or(WrongKind);
            }
            self.expire_fields(key);
        }
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
        let core = self.core;
        let mut found = self.lookup(key);
        let mut contents = found_contents::<C>(found.as_ref())?;
        if let (Some((held, _)), Some(present)) = (&found, contents)
            && C::is_due(present, held.time_ms(core.now_ms))
        {
            self.expire_fields(key);
            found = self.lookup(key);
            contents = found_contents(found.as_ref())?;
        }
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
                self.changed_in_place::<C>(held, &found, key);
            }
            (Outcome::Packed, Some((held, found))) if self.overwrite_pack::<C>(&found, pack) => {
                self.changed_in_place::<C>(held, &found, key);
            }
            (Outcome::Packed, found) => self.replace_pack::<C>(found, key, pack),
            (Outcome::Converted(large), _) => {
                self.set_object(key, Box::new(large.into_object()), Deadline::Keep);
            }
            (Outcome::InPlace, None) => unreachable!("what is not there is changed nowhere"),
        }
    }

    fn overwrite_pack<C: Collection>(&mut self, found: &Found<'g>, pack: &[u8]) -> bool {
        self.begin_change();
        found.entry().overwrite_pack::<C>(pack)
    }

    /// Puts a pack into the place of a collection that was found, or makes a key of it.
    fn replace_pack<C: Collection>(
        &mut self,
        found: Option<(Held<'g>, Found<'g>)>,
        key: Key<'_>,
        pack: &[u8],
    ) {
        let value = NewValue::Packed(C::KIND, pack);
        let Some((mut held, found)) = found else {
            return self.set(key, value, Deadline::Keep);
        };
        let touch = self.core.touch_of(key.bytes);
        let policy = touch.overwritten(found.entry().policy());
        let deadline_ms = found.entry().deadline_ms();
        let memory = &mut *self.core.memory.borrow_mut();
        let entry = Entry::allocate(key.bytes, value, deadline_ms, policy, &mut memory.magazines);
        self.store(&mut held, Some(&found), key, entry, memory);
    }

    fn changed_in_place<C: Collection>(
        &mut self,
        mut held: Held<'g>,
        found: &Found<'g>,
        key: Key<'_>,
    ) {
        if self.touches {
            let touch = self.core.touch_of(key.bytes);
            self.core.use_as(&found.entry(), &touch);
        }
        // What is small and has got its first deadline has not been changed in place.
        if C::KIND == ValueKind::Hash && found.entry().may_need_filing() {
            held.fields_changed(found, &mut self.core.memory.borrow_mut());
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
