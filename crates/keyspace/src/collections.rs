//! Collections: what hashes, lists, sets and sorted sets have in common. Each type has a file of its own.
//!
//! A small collection is a [`Pack`] in the entry itself; a large one is an [`Object`] that the entry owns. Both are read
//! and changed under the shard's lock only. [`Contents`] is one to be read, [`Draft`] one to be changed: a draft of a
//! pack is a copy, which becomes an object when it grows beyond its [`Thresholds`], and `access/collections` puts what
//! has become of it back. An empty collection is no key.

/// The way of a type of collection into an object and out of it, for its [`Collection`].
macro_rules! in_object {
    ($variant:ident) => {
        fn of(object: &Object) -> Option<&Self> {
            if let Object::$variant(collection) = object {
                Some(collection)
            } else {
                None
            }
        }

        fn of_mut(object: &mut Object) -> Option<&mut Self> {
            if let Object::$variant(collection) = object {
                Some(collection)
            } else {
                None
            }
        }

        fn into_object(self) -> Object {
            Object::$variant(self)
        }
    };
}

mod chunk;
mod counted_tree;
mod element;
mod element_table;
mod field_deadlines;
mod hash;
mod list;
mod pack;
mod partition;
mod ranked_elements;
mod run;
mod set;
mod sorted_set;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

pub use counted_tree::Direction;
pub use element_table::{AHEAD, ElementsLeft};
pub(crate) use hash::keep_unexpired;
pub use hash::{Field, FieldsLeft, Hash};
pub use list::{Elements, ElementsBack, End, Equal, List};
pub(crate) use pack::PackMut;
pub use pack::{Item, PACK_ITEMS_MAX, Pack};
pub use set::{Members, Set};
pub use sorted_set::{NameBound, ScoreBound, Scored, SortedSet};

use crate::hash::KeyHasher;
use crate::slab::global_bytes;
use crate::value::{Encoding, ValueKind};

/// What is large and has an allocation of its own, behind its entry.
#[derive(Clone)]
pub enum Object {
    /// A hash.
    Hash(Hash),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
}

impl Object {
    /// The type.
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::Hash(_) => ValueKind::Hash,
            Self::List(_) => ValueKind::List,
            Self::Set(_) => ValueKind::Set,
            Self::SortedSet(_) => ValueKind::SortedSet,
        }
    }

    /// Has the processor fetch what lookups of these names will need, of [`AHEAD`] of them at most.
    pub(crate) fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) {
        match self {
            Self::Hash(hash) => hash.look_ahead(names),
            Self::Set(set) => set.look_ahead(names),
            Self::SortedSet(sorted_set) => sorted_set.look_ahead(names),
            Self::List(_) => {}
        }
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let owned = match self {
            Self::Hash(hash) => hash.memory_bytes(),
            Self::List(list) => list.memory_bytes(),
            Self::Set(set) => set.memory_bytes(),
            Self::SortedSet(sorted_set) => sorted_set.memory_bytes(),
        };
        global_bytes(size_of::<Self>()) + owned
    }
}

/// A type of collection, in its large form.
pub trait Collection: Clone + Send + Sync + Sized {
    /// The type.
    const KIND: ValueKind;

    /// The collection in an object, if it is one of this type.
    fn of(object: &Object) -> Option<&Self>;

    /// As [`Collection::of`], to be changed.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;

    /// The object of it.
    fn into_object(self) -> Object;

    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;

    /// The number of its elements.
    fn elements(contents: Contents<'_, Self>) -> usize;

    /// How it is kept, as `OBJECT ENCODING` has it.
    fn encoding(contents: Contents<'_, Self>) -> Encoding;

    /// Whether elements are to be removed because their time is up.
    #[inline]
    fn is_due(_: Contents<'_, Self>, _now_ms: u64) -> bool {
        false
    }
}

/// A collection to be read, under its shard's lock.
pub enum Contents<'a, C> {
    /// A small one.
    Packed(Pack<'a>),
    /// A large one.
    Large(&'a C),
}

impl<C> Clone for Contents<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Contents<'_, C> {}

impl<C: Collection> Contents<'_, C> {
    /// How it is kept, as `OBJECT ENCODING` has it.
    pub fn encoding(self) -> Encoding {
        C::encoding(self)
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty_collection(self) -> bool {
        match self {
            Self::Packed(pack) => pack.is_empty(),
            Self::Large(large) => large.is_empty(),
        }
    }
}

/// A collection to be changed, under its shard's lock.
pub struct Draft<'d, C> {
    pub(crate) form: Form<'d, C>,
    pub(crate) has_changed: bool,
    pub(crate) collections: &'d Collections,
}

/// What is being changed.
pub(crate) enum Form<'d, C> {
    /// A copy of a pack, or an empty one.
    Packed(&'d mut Vec<u8>),
    /// A large one in its place.
    Large(&'d mut C),
    /// One that has just become large.
    Converted(C),
}

impl<C: Collection> Draft<'_, C> {
    /// It, to be read.
    pub fn contents(&self) -> Contents<'_, C> {
        match &self.form {
            Form::Packed(bytes) => Contents::Packed(Pack::new(bytes)),
            Form::Large(large) => Contents::Large(large),
            Form::Converted(large) => Contents::Large(large),
        }
    }

    /// Whether nothing is in it: it is not there, or is going to be removed.
    pub fn is_empty(&self) -> bool {
        self.contents().is_empty_collection()
    }
}

/// What all collections of a keyspace share.
pub(crate) struct Collections {
    pub hasher: Arc<KeyHasher>,
    pub thresholds: Thresholds,
}

impl Collections {
    pub fn new(seed: u64) -> Self {
        Self {
            hasher: Arc::new(KeyHasher::new(seed)),
            thresholds: Thresholds::default(),
        }
    }
}

/// Up to where collections are packed. Of what is packed already, only changes look at them.
#[derive(Debug)]
pub struct Thresholds {
    /// Fields of a hash.
    pub hash_entries: AtomicUsize,
    /// Bytes of a field or value of a hash.
    pub hash_value_bytes: AtomicUsize,
    /// Members of a set of integers.
    pub set_intset_entries: AtomicUsize,
    /// Members of a set.
    pub set_entries: AtomicUsize,
    /// Bytes of a member of a set.
    pub set_value_bytes: AtomicUsize,
    /// Members of a sorted set.
    pub sorted_set_entries: AtomicUsize,
    /// Bytes of a member of a sorted set.
    pub sorted_set_value_bytes: AtomicUsize,
    /// Elements of a list, or with a negative number a size: 4 KB for -1, and twice as much for each one less, down to -5.
    pub list_size: AtomicI32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            hash_entries: AtomicUsize::new(512),
            hash_value_bytes: AtomicUsize::new(64),
            set_intset_entries: AtomicUsize::new(512),
            set_entries: AtomicUsize::new(128),
            set_value_bytes: AtomicUsize::new(64),
            sorted_set_entries: AtomicUsize::new(128),
            sorted_set_value_bytes: AtomicUsize::new(64),
            list_size: AtomicI32::new(-2),
        }
    }
}

/// The entries that a pack may have by a threshold, when each is so many items.
pub(crate) fn entries_max(threshold: &AtomicUsize, items: usize) -> usize {
    threshold.load(Relaxed).min(PACK_ITEMS_MAX / items)
}
