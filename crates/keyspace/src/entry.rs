#![allow(unsafe_code)]
//! One key with its value and deadline, in one allocation.
//!
//! ```text
//! header 8 | deadline 8 (`DeadlineWord`), if any | lengths 8, if wide | integer 8, or address 8 and range 8 if large,
//! or address 8 and memory 8 if a large collection | key | value, if inline
//! ```
//!
//! The header, from the lowest bit: 4 bits of form (2 of words, 2 of the collection's kind), 4 flags, 24 bits that belong to the eviction policy (now: the
//! second of the last access), 16 bits of key length and 16 of value length (both in the `lengths` word when one does
//! not fit). Whatever may change while others read it is an atomic. Nobody but the table slot keeps an entry's
//! address, so an entry can be replaced or moved at any time by the holder of the shard's lock.
//!
//! Soundness: an [`Entry`] is an owned pointer in all but name. It is made by [`Entry::allocate`], stored in exactly one
//! table slot, and freed once by [`Entry::free`] after it has left the slot and nobody can read it any more
//! (`quiescence`). Whoever turns it into an [`EntryRef`] promises that it is not freed while the reference lives,
//! which the shard's lock gives, or being in a group.

use std::alloc::Layout;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::collections::{Collection, Contents, Hash, List, Object, Pack, Set, SortedSet};
use crate::deadline::DeadlineWord;
use crate::expiry::{FILED_MS_MAX, Place};
use crate::shared::{SharedBytes, StringMut};
use crate::slab::{Magazines, object_bytes};
use crate::value::{Encoding, NewValue, StringRef, ValueKind};

const FORM_MASK: u64 = 0xf;
/// The part of a form that is the number of its words.
const FORM_WORDS_MASK: u64 = 3;
const FORM_INLINE: u64 = 0;
const FORM_INTEGER: u64 = 1;
const FORM_LARGE: u64 = 2;
const FLAG_DEADLINE: u64 = 1 << 4;
const FLAG_WIDE: u64 = 1 << 5;
const FLAG_COMPOSED: u64 = 1 << 6;
/// The highest bit of the kind.
const FLAG_KIND: u64 = 1 << 7;
/// Where the lower bits of the kind are in a form.
const KIND_SHIFT: u32 = 2;
/// The words of a large collection: its address, and the memory that it takes.
const OBJECT_WORDS: u64 = 2;
const POLICY_SHIFT: u32 = 8;
const POLICY_MASK: u64 = 0xff_ffff;
const KEY_SHIFT: u32 = 32;
const VALUE_SHIFT: u32 = 48;
const NARROW_MAX: usize = u16::MAX as usize;
const WORD: usize = 8;
/// Values from this size on live in an allocation of their own that can grow in place and be shared.
pub(crate) const LARGE_BYTES_MIN: usize = 16 << 10;
/// The longest string that Redis calls `embstr`.
const EMBSTR_BYTES_MAX: usize = 44;

/// The address of an entry. Copying it does not copy the entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(NonNull<AtomicU64>);

/// Where the parts of an entry lie, from its header.
#[derive(Clone, Copy)]
struct Shape {
    header: u64,
    key_len: usize,
    value_len: usize,
}

impl Shape {
    #[inline]
    fn deadline_at(self) -> Option<usize> {
        (self.header & FLAG_DEADLINE != 0).then_some(1)
    }

    // Without branches: which of these an entry has cannot be predicted.
    #[inline]
    fn words_before_lengths(self) -> usize {
        1 + ((self.header / FLAG_DEADLINE) & 1) as usize
    }

    #[inline]
    fn word_at(self) -> usize {
        self.words_before_lengths() + ((self.header / FLAG_WIDE) & 1) as usize
    }

    #[inline]
    fn key_offset(self) -> usize {
        (self.word_at() + (self.header & FORM_WORDS_MASK) as usize) * WORD
    }

    #[inline]
    fn inline_len(self) -> usize {
        if self.header & FORM_WORDS_MASK == FORM_INLINE {
            self.value_len
        } else {
            0
        }
    }

    /// Which kind of collection it is; 0 for a string.
    #[inline]
    fn kind_bits(self) -> u64 {
        (self.header & FORM_MASK) >> KIND_SHIFT | (self.header & FLAG_KIND) >> 5
    }

    #[inline]
    fn kind(self) -> ValueKind {
        match self.kind_bits() {
            0 => ValueKind::String,
            1 => ValueKind::Hash,
            2 => ValueKind::List,
            3 => ValueKind::Set,
            5 => ValueKind::SortedSet,
            bits => unreachable!("an entry of unknown kind {bits}"),
        }
    }

    /// Whether it is a collection with an allocation of its own.
    #[inline]
    fn is_object(self) -> bool {
        self.header & FORM_WORDS_MASK == OBJECT_WORDS && self.kind_bits() != 0
    }

    #[inline]
    fn layout(self) -> Layout {
        let bytes = self.key_offset() + self.key_len + self.inline_len();
        // SAFETY: the alignment is a power of two, and keys and values are limited to 512 MB each.
        unsafe { Layout::from_size_align_unchecked(bytes, WORD) }
    }
}

/// The bits of a header that tell the kind of a collection.
fn kind_header(kind: ValueKind) -> u64 {
    let bits: u64 = match kind {
        ValueKind::String => 0,
        ValueKind::Hash => 1,
        ValueKind::List => 2,
        ValueKind::Set => 3,
        ValueKind::SortedSet => 5,
    };
    (bits & 3) << KIND_SHIFT | if bits > 3 { FLAG_KIND } else { 0 }
}

/// What an entry owns besides its own memory.
pub(crate) enum Owned {
    /// A large string, which others may share.
    Bytes(SharedBytes),
    /// A large collection.
    Object(Box<Object>),
}

impl Owned {
    /// Bytes that its memory takes.
    pub fn memory_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.memory_bytes(),
            Self::Object(object) => object.memory_bytes() as u64,
        }
    }
}

impl Entry {
    /// Makes an entry. `policy` is the initial state of the policy bits.
    #[inline(always)]
    pub fn allocate(
        key: &[u8],
        value: NewValue<'_>,
        deadline_ms: Option<u64>,
        policy: u32,
        magazines: &mut Magazines,
    ) -> Self {
        match value {
            NewValue::Bytes(bytes) if bytes.len() < LARGE_BYTES_MIN && key.len() <= NARROW_MAX => {
                Self::build_small(key, bytes, deadline_ms, policy, magazines)
            }
            _ => Self::allocate_other(key, value, deadline_ms, policy, magazines),
        }
    }

    #[inline(never)]
    fn allocate_other(
        key: &[u8],
        value: NewValue<'_>,
        deadline_ms: Option<u64>,
        policy: u32,
        magazines: &mut Magazines,
    ) -> Self {
        let hash = match value {
            NewValue::Packed(ValueKind::Hash, pack) => Some(Contents::Packed(Pack::new(pack))),
            NewValue::Packed(..) | NewValue::Integer(_) | NewValue::Shared(_) => None,
            NewValue::Bytes(_) | NewValue::Composed(_) => None,
        };
        let deadline = word_of(deadline_ms, hash);
        let (header, inline, words) = match value {
            NewValue::Integer(integer) => (FORM_INTEGER, &[][..], [integer.cast_unsigned(), 0]),
            NewValue::Shared(shared) => (FORM_LARGE, &[][..], shared.clone().into_words()),
            NewValue::Bytes(bytes) | NewValue::Composed(bytes)
                if bytes.len() >= LARGE_BYTES_MIN =>
            {
                (
                    FORM_LARGE,
                    &[][..],
                    SharedBytes::from(bytes.to_vec()).into_words(),
                )
            }
            NewValue::Bytes(bytes) | NewValue::Composed(bytes) => (FORM_INLINE, bytes, [0; 2]),
            NewValue::Packed(kind, pack) => (kind_header(kind), pack, [0; 2]),
        };
        let composed = if matches!(value, NewValue::Composed(_)) {
            FLAG_COMPOSED
        } else {
            0
        };
        let header = header | composed;
        Self::build(key, header, inline, words, deadline, policy, magazines)
    }

    /// Makes an entry of a large collection.
    pub fn allocate_object(
        key: &[u8],
        object: Box<Object>,
        deadline_ms: Option<u64>,
        policy: u32,
        magazines: &mut Magazines,
    ) -> Self {
        let header = OBJECT_WORDS | kind_header(object.kind());
        let bytes = object.memory_bytes() as u64;
        let deadline = word_of(deadline_ms, Hash::of(&object).map(Contents::Large));
        let address = Box::into_raw(object).expose_provenance() as u64;
        let words = [address, bytes];
        Self::build(key, header, &[], words, deadline, policy, magazines)
    }

    /// As [`Entry::build`], for what most entries are.
    #[inline(always)]
    fn build_small(
        key: &[u8],
        inline: &[u8],
        deadline_ms: Option<u64>,
        policy: u32,
        magazines: &mut Magazines,
    ) -> Self {
        let has_deadline = deadline_ms.is_some();
        let deadline_flag = if has_deadline { FLAG_DEADLINE } else { 0 };
        let header = FORM_INLINE
            | deadline_flag
            | (u64::from(policy) & POLICY_MASK) << POLICY_SHIFT
            | (key.len() as u64) << KEY_SHIFT
            | (inline.len() as u64) << VALUE_SHIFT;
        let words = 1 + usize::from(has_deadline);
        let bytes = words * WORD + key.len() + inline.len();
        // SAFETY: the alignment is a power of two, and both lengths are small. The layout is what `Shape` makes of the
        // header, and every write stays inside of it: the words, the key behind them, and the value behind that.
        unsafe {
            let layout = Layout::from_size_align_unchecked(bytes, WORD);
            let pointer = magazines.allocate(layout).cast::<AtomicU64>();
            let start = pointer.as_ptr().cast::<u64>();
            start.write(header);
            if has_deadline {
                start.add(1).write(DeadlineWord::new(deadline_ms).0);
            }
            let bytes = start.add(words).cast::<u8>();
            copy_key(key, bytes);
            bytes
                .add(key.len())
                .copy_from_nonoverlapping(inline.as_ptr(), inline.len());
            Self(pointer)
        }
    }

    /// Lays an entry out. `header` has the form and the composed flag, `form_words` what the form keeps in its words.
    #[inline]
    fn build(
        key: &[u8],
        mut header: u64,
        inline: &[u8],
        form_words: [u64; 2],
        deadline: Option<DeadlineWord>,
        policy: u32,
        magazines: &mut Magazines,
    ) -> Self {
        if deadline.is_some() {
            header |= FLAG_DEADLINE;
        }
        header |= (u64::from(policy) & POLICY_MASK) << POLICY_SHIFT;
        if key.len() > NARROW_MAX || inline.len() > NARROW_MAX {
            header |= FLAG_WIDE;
        } else {
            header |= (key.len() as u64) << KEY_SHIFT | (inline.len() as u64) << VALUE_SHIFT;
        }
        let shape = Shape {
            header,
            key_len: key.len(),
            value_len: inline.len(),
        };
        let layout = shape.layout();
        // SAFETY: the layout is never empty (it has a header). Every write below stays inside it: `Shape` computes
        // offsets and size from the same header. The words are aligned, since the allocation is.
        unsafe {
            let pointer = magazines.allocate(layout).cast::<AtomicU64>();
            let start = pointer.as_ptr().cast::<u8>();
            let words = start.cast::<u64>();
            words.write(header);
            if let (Some(at), Some(deadline)) = (shape.deadline_at(), deadline) {
                words.add(at).write(deadline.0);
            }
            if header & FLAG_WIDE != 0 {
                words
                    .add(shape.words_before_lengths())
                    .write(key.len() as u64 | (inline.len() as u64) << 32);
            }
            for (at, word) in form_words.iter().enumerate() {
                if (at as u64) < header & FORM_WORDS_MASK {
                    words.add(shape.word_at() + at).write(*word);
                }
            }
            let bytes = start.add(shape.key_offset());
            copy_key(key, bytes);
            bytes
                .add(key.len())
                .copy_from_nonoverlapping(inline.as_ptr(), inline.len());
            Self(pointer)
        }
    }

    /// Frees the entry; its value, if that is a large one or an object, is the caller's then.
    ///
    /// # Safety
    /// It is in no table slot any more, nobody holds a reference to it, and it has not been freed. The magazines are of
    /// the slabs that it came from.
    pub unsafe fn free(self, magazines: &mut Magazines) -> Option<Owned> {
        // SAFETY: by the contract the entry is alive, and ours alone.
        unsafe {
            let shape = self.shape();
            let owned = if shape.header & FORM_MASK == FORM_LARGE {
                Some(Owned::Bytes(ManuallyDrop::into_inner(self.large(shape))))
            } else if shape.is_object() {
                // It has none any more when another entry has taken it over.
                let object = self.object(shape);
                object.map(|object| Owned::Object(Box::from_raw(object.as_ptr())))
            } else {
                None
            };
            magazines.free(self.0.cast(), shape.layout());
            owned
        }
    }

    /// The object, if it has not been taken over.
    ///
    /// # Safety
    /// The entry is alive and a large collection's.
    unsafe fn object(self, shape: Shape) -> Option<NonNull<Object>> {
        // SAFETY: an entry of this form has this word.
        let address = unsafe { self.0.add(shape.word_at()).as_ref() }.load(Relaxed);
        NonNull::new(std::ptr::with_exposed_provenance_mut(address as usize))
    }

    /// # Safety
    /// The entry is not freed while the reference lives, and only the holder of the shard's lock changes it.
    pub unsafe fn as_ref<'a>(self) -> EntryRef<'a> {
        EntryRef {
            entry: self,
            // SAFETY: the caller says that the entry is alive.
            shape: unsafe { self.shape() },
            lifetime: PhantomData,
        }
    }

    /// As [`EntryRef::may_have_deadline`].
    ///
    /// # Safety
    /// The entry is alive.
    #[inline]
    pub unsafe fn may_have_deadline(self) -> bool {
        // SAFETY: the header is the first word of a live entry.
        unsafe { self.0.as_ref() }.load(Relaxed) & FLAG_DEADLINE != 0
    }

    /// The address, which fits 48 bits.
    #[inline]
    pub fn address(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// # Safety
    /// `address` came from [`Entry::address`].
    #[inline]
    pub unsafe fn from_address(address: u64) -> Self {
        let pointer = std::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: an entry's address is never null.
        Self(unsafe { NonNull::new_unchecked(pointer) })
    }

    /// # Safety
    /// The entry is alive.
    #[inline]
    unsafe fn shape(self) -> Shape {
        // SAFETY: the header is the first word of a live entry.
        let header = unsafe { self.0.as_ref() }.load(Relaxed);
        if header & FLAG_WIDE == 0 {
            return Shape {
                header,
                key_len: (header >> KEY_SHIFT) as usize & NARROW_MAX,
                value_len: (header >> VALUE_SHIFT) as usize,
            };
        }
        let at = Shape {
            header,
            key_len: 0,
            value_len: 0,
        }
        .words_before_lengths();
        // SAFETY: a wide entry has this word.
        let lengths = unsafe { self.0.add(at).as_ref() }.load(Relaxed);
        Shape {
            header,
            key_len: (lengths & u64::from(u32::MAX)) as usize,
            value_len: (lengths >> 32) as usize,
        }
    }

    /// The value, without a count of its own.
    ///
    /// # Safety
    /// The entry is alive and its form is `FORM_LARGE`. The value is dropped only together with the entry.
    unsafe fn large(self, shape: Shape) -> ManuallyDrop<SharedBytes> {
        // SAFETY: an entry of this form has both words, as `SharedBytes::into_words` made them.
        unsafe {
            let word = |at| self.0.add(shape.word_at() + at).as_ref().load(Relaxed);
            ManuallyDrop::new(SharedBytes::from_words([word(0), word(1)]))
        }
    }
}

/// The word of an entry with this deadline, if it needs one. A hash whose fields have deadlines does.
fn word_of(deadline_ms: Option<u64>, hash: Option<Contents<'_, Hash>>) -> Option<DeadlineWord> {
    let word = deadline_ms.map(|_| DeadlineWord::new(deadline_ms));
    if hash.and_then(Contents::next_deadline_ms).is_none() {
        return word;
    }
    Some(word.unwrap_or(DeadlineWord::NONE).with_fields())
}

/// Copies a key. Short ones are most, and a call costs more than copying them.
///
/// # Safety
/// There is room for it at `place`.
#[inline]
unsafe fn copy_key(key: &[u8], place: *mut u8) {
    match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        // SAFETY: both words lie inside the key's place.
        (Some(first), Some(last)) if key.len() <= 16 => unsafe {
            place.cast::<[u8; 8]>().write_unaligned(*first);
            place
                .add(key.len() - 8)
                .cast::<[u8; 8]>()
                .write_unaligned(*last);
        },
        // SAFETY: by the contract.
        _ => unsafe { place.copy_from_nonoverlapping(key.as_ptr(), key.len()) },
    }
}

/// An entry, readable for as long as the shard's lock is held, or the group lasts in which it was found.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    entry: Entry,
    /// Form, flag of the deadline and lengths never change, so they are read once. The policy bits and the flag of
    /// composed strings do: they are read from the entry.
    shape: Shape,
    lifetime: PhantomData<&'a AtomicU64>,
}

impl<'a> EntryRef<'a> {
    #[inline]
    fn shape(&self) -> Shape {
        self.shape
    }

    /// The memory of an entry that owns nothing else.
    #[inline]
    pub(crate) fn plain_memory(&self) -> Option<(NonNull<u8>, Layout)> {
        let shape = self.shape();
        let is_plain = shape.header & FORM_WORDS_MASK != FORM_LARGE;
        is_plain.then(|| (self.entry.0.cast(), shape.layout()))
    }

    /// Whether it is the same entry.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.entry == other.entry
    }

    /// A copy of the entry in another place. A large value has one owner all the same: one of the two is to be freed as
    /// plain memory. For the holder of the lock.
    pub(crate) fn moved(&self, magazines: &mut Magazines) -> Entry {
        let layout = self.shape.layout();
        let place = magazines.allocate(layout);
        let header = self.header();
        // SAFETY: both have the layout's size and do not overlap. All but the header changes only under the lock.
        unsafe {
            place.cast::<u64>().write(header);
            place.add(WORD).copy_from_nonoverlapping(
                self.entry.0.cast::<u8>().add(WORD),
                layout.size() - WORD,
            );
        }
        Entry(place.cast())
    }

    /// The memory of the entry itself.
    pub(crate) fn own_memory(&self) -> (NonNull<u8>, Layout) {
        (self.entry.0.cast(), self.shape.layout())
    }

    /// The owned pointer behind the reference.
    pub(crate) fn owner(&self) -> Entry {
        self.entry
    }

    /// The header as it is now.
    #[inline]
    fn header(&self) -> u64 {
        self.word(0).load(Relaxed)
    }

    fn word(&self, at: usize) -> &'a AtomicU64 {
        // SAFETY: callers pass the place of a word that the header says is there.
        unsafe { self.entry.0.add(at).as_ref() }
    }

    fn bytes(&self, offset: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers pass the range of the key or the inline value, which are initialised and never change.
        unsafe { std::slice::from_raw_parts(self.entry.0.as_ptr().cast::<u8>().add(offset), len) }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        let shape = self.shape();
        self.bytes(shape.key_offset(), shape.key_len)
    }

    /// Whether this is the key.
    #[inline]
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        let own = self.key();
        // Short keys are most, and a call costs more than comparing them.
        match (own.first_chunk::<8>(), own.last_chunk::<8>()) {
            (Some(first), Some(last)) if own.len() <= 16 && own.len() == key.len() => {
                Some(first) == key.first_chunk() && Some(last) == key.last_chunk()
            }
            _ => own == key,
        }
    }

    /// The type of the value.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        self.shape().kind()
    }

    /// The value, if it is a string.
    #[inline]
    pub fn string(&self) -> Option<StringRef<'a>> {
        let shape = self.shape();
        match shape.header & FORM_MASK {
            FORM_INLINE => {
                let bytes = self.bytes(shape.key_offset() + shape.key_len, shape.value_len);
                Some(StringRef::Bytes(bytes))
            }
            FORM_INTEGER => {
                let word = self.word(shape.word_at()).load(Relaxed);
                Some(StringRef::Integer(word.cast_signed()))
            }
            FORM_LARGE => {
                // SAFETY: the bytes live as long as the entry and change only through `&mut` of the lock's holder.
                Some(StringRef::Bytes(unsafe {
                    let bytes: *const [u8] = self.entry.large(shape).as_ref();
                    &*bytes
                }))
            }
            _ => None,
        }
    }

    /// A collection of type `C`; None when it is something else. For the holder of the lock.
    pub(crate) fn contents<C: Collection>(&self) -> Option<Contents<'a, C>> {
        let shape = self.shape();
        if shape.kind() != C::KIND {
            return None;
        }
        match self.object() {
            None => Some(Contents::Packed(Pack::new(self.pack()))),
            Some(object) => C::of(object).map(Contents::Large),
        }
    }

    /// The object of a large collection, to be changed; None when it is something else. For the holder of the lock.
    ///
    /// # Safety
    /// There is no other reference to it.
    pub(crate) unsafe fn object_mut(&self) -> Option<&'a mut Object> {
        let shape = self.shape();
        if !shape.is_object() {
            return None;
        }
        // SAFETY: the object lives as long as its entry; by the contract it is borrowed alone.
        unsafe { Some(self.entry.object(shape)?.as_mut()) }
    }

    /// Counts the memory of its object anew. For the holder of the lock.
    pub(crate) fn recount_object(&self) {
        if let Some(object) = self.object() {
            let bytes = object.memory_bytes() as u64;
            self.word(self.shape().word_at() + 1).store(bytes, Relaxed);
        }
    }

    /// Overwrites a small collection by one that is as long; false when it is not, or needs a word for deadlines that
    /// is not there. For the holder of the lock, who has no reference to its bytes.
    pub(crate) fn overwrite_pack<C: Collection>(&self, pack: &[u8]) -> bool {
        let shape = self.shape();
        let is_packed = shape.header & FORM_WORDS_MASK == 0 && shape.kind_bits() != 0;
        if !is_packed || shape.value_len != pack.len() {
            return false;
        }
        if C::KIND == ValueKind::Hash && !self.may_have_deadline() {
            let hash = Contents::<Hash>::Packed(Pack::new(pack));
            if hash.next_deadline_ms().is_some() {
                return false;
            }
        }
        let offset = shape.key_offset() + shape.key_len;
        // SAFETY: the bytes of a collection are there, and nobody without the lock looks at them.
        unsafe {
            let start = self.entry.0.as_ptr().cast::<u8>().add(offset);
            start.copy_from_nonoverlapping(pack.as_ptr(), pack.len());
        }
        true
    }

    /// When the key expires, in milliseconds of the Unix epoch.
    #[inline]
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_word()?.deadline_ms()
    }

    /// Whether it has a word for a deadline.
    #[inline]
    pub(crate) fn may_have_deadline(&self) -> bool {
        self.shape().header & FLAG_DEADLINE != 0
    }

    /// The word with the deadline, if the entry has room for one: PERSIST changes the word, not the allocation.
    #[inline]
    pub(crate) fn deadline_word(&self) -> Option<DeadlineWord> {
        let at = self.shape().deadline_at()?;
        Some(DeadlineWord(self.word(at).load(Relaxed)))
    }

    /// Whether it is a large collection, or has a word for a deadline.
    #[inline]
    pub(crate) fn may_need_filing(&self) -> bool {
        self.shape().is_object() || self.may_have_deadline()
    }

    /// Notes in the word whether it is a hash whose fields have deadlines; the word before, if it has one. For the
    /// holder of the lock.
    pub(crate) fn note_fields(&self) -> Option<DeadlineWord> {
        let (at, word) = (self.shape().deadline_at()?, self.deadline_word()?);
        let noted = if self.next_field_ms().is_some() {
            word.with_fields()
        } else {
            word.without_fields()
        };
        self.word(at).store(noted.0, Relaxed);
        Some(word)
    }

    /// The earliest deadline of a hash's fields. For the holder of the lock.
    pub(crate) fn next_field_ms(&self) -> Option<u64> {
        self.contents::<Hash>()?.next_deadline_ms()
    }

    /// When the index is to look at the entry, if it is: with its deadline, or the earliest of its fields'. For the
    /// holder of the lock.
    pub(crate) fn due_ms(&self, word: DeadlineWord) -> Option<u64> {
        if !word.has_fields() {
            return word.near_ms();
        }
        let field_ms = self.next_field_ms().filter(|ms| *ms < FILED_MS_MAX);
        [word.near_ms(), field_ms].into_iter().flatten().min()
    }

    /// Notes where the record of the deadline is filed. For the holder of the lock.
    pub(crate) fn set_place(&self, place: Place) {
        if let (Some(at), Some(word)) = (self.shape().deadline_at(), self.deadline_word()) {
            self.word(at).store(word.with_place(place).0, Relaxed);
        }
    }

    /// Whether its time is up at `now_ms`.
    #[inline]
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.deadline_word()
            .is_some_and(|word| word.has_expired(now_ms))
    }

    /// A new entry with this value under another key. A large string is shared. A large collection is taken over: this
    /// entry, which is to go next, has none any more, but still counts its memory.
    pub(crate) fn duplicate(
        &self,
        key: &[u8],
        deadline_ms: Option<u64>,
        magazines: &mut Magazines,
    ) -> Entry {
        let shape = self.shape();
        match self.string() {
            Some(StringRef::Bytes(_)) if shape.header & FORM_MASK == FORM_LARGE => {
                // SAFETY: the entry is alive and of this form.
                let value = unsafe { self.entry.large(shape) };
                Entry::build(
                    key,
                    FORM_LARGE | self.header() & FLAG_COMPOSED,
                    &[],
                    SharedBytes::clone(&value).into_words(),
                    word_of(deadline_ms, None),
                    self.policy(),
                    magazines,
                )
            }
            Some(StringRef::Bytes(bytes)) if self.header() & FLAG_COMPOSED != 0 => Entry::allocate(
                key,
                NewValue::Composed(bytes),
                deadline_ms,
                self.policy(),
                magazines,
            ),
            Some(StringRef::Bytes(bytes)) => Entry::allocate(
                key,
                NewValue::Bytes(bytes),
                deadline_ms,
                self.policy(),
                magazines,
            ),
            Some(StringRef::Integer(integer)) => Entry::allocate(
                key,
                NewValue::Integer(integer),
                deadline_ms,
                self.policy(),
                magazines,
            ),
            None if !shape.is_object() => {
                let pack = NewValue::Packed(shape.kind(), self.pack());
                Entry::allocate(key, pack, deadline_ms, self.policy(), magazines)
            }
            None => {
                let deadline = word_of(deadline_ms, self.contents());
                let word = |at| self.word(shape.word_at() + at);
                let words = [word(0).swap(0, Relaxed), word(1).load(Relaxed)];
                let header = OBJECT_WORDS | kind_header(shape.kind());
                Entry::build(key, header, &[], words, deadline, self.policy(), magazines)
            }
        }
    }

    /// A new entry with a copy of this value under another key.
    pub(crate) fn copied(
        &self,
        key: &[u8],
        deadline_ms: Option<u64>,
        magazines: &mut Magazines,
    ) -> Entry {
        let value = match self.string() {
            Some(StringRef::Bytes(bytes)) if self.header() & FLAG_COMPOSED != 0 => {
                NewValue::Composed(bytes)
            }
            Some(StringRef::Bytes(bytes)) => NewValue::Bytes(bytes),
            Some(StringRef::Integer(integer)) => NewValue::Integer(integer),
            None => {
                if let Some(object) = self.object() {
                    let copy = Box::new(object.clone());
                    let policy = self.policy();
                    return Entry::allocate_object(key, copy, deadline_ms, policy, magazines);
                }
                NewValue::Packed(self.shape().kind(), self.pack())
            }
        };
        Entry::allocate(key, value, deadline_ms, self.policy(), magazines)
    }

    /// How the value is stored.
    pub fn encoding(&self) -> Encoding {
        let composed = self.header() & FLAG_COMPOSED != 0;
        match self.string() {
            Some(StringRef::Integer(_)) => Encoding::Int,
            Some(StringRef::Bytes(bytes)) if bytes.len() <= EMBSTR_BYTES_MAX && !composed => {
                Encoding::Embstr
            }
            Some(StringRef::Bytes(_)) => Encoding::Raw,
            None => match self.kind() {
                ValueKind::String => unreachable!("a string is no collection"),
                ValueKind::Hash => self.collection_encoding::<Hash>(),
                ValueKind::List => self.collection_encoding::<List>(),
                ValueKind::Set => self.collection_encoding::<Set>(),
                ValueKind::SortedSet => self.collection_encoding::<SortedSet>(),
            },
        }
    }

    /// The bytes of a string, the elements of a collection. For the holder of the lock.
    pub fn size(&self) -> usize {
        match self.kind() {
            ValueKind::String => self.string().map_or(0, StringRef::len),
            ValueKind::Hash => self.elements::<Hash>(),
            ValueKind::List => self.elements::<List>(),
            ValueKind::Set => self.elements::<Set>(),
            ValueKind::SortedSet => self.elements::<SortedSet>(),
        }
    }

    fn elements<C: Collection>(&self) -> usize {
        let contents = self.contents();
        C::elements(contents.expect("it is of this kind"))
    }

    fn collection_encoding<C: Collection>(&self) -> Encoding {
        let contents = self.contents();
        C::encoding(contents.expect("it is of this kind"))
    }

    /// The object of a large collection. For the holder of the lock.
    pub(crate) fn object(&self) -> Option<&'a Object> {
        let shape = self.shape();
        if !shape.is_object() {
            return None;
        }
        // SAFETY: the object lives as long as its entry, and changes only through `object_mut` of the lock's holder.
        unsafe { Some(self.entry.object(shape)?.as_ref()) }
    }

    /// The bytes of a small collection. For the holder of the lock.
    fn pack(&self) -> &'a [u8] {
        let shape = self.shape();
        self.bytes(shape.key_offset() + shape.key_len, shape.value_len)
    }

    /// The 24 policy bits.
    #[inline]
    pub(crate) fn policy(&self) -> u32 {
        ((self.header() >> POLICY_SHIFT) & POLICY_MASK) as u32
    }

    /// Changes the policy bits to what `change` makes of them, if that is something else: a hot key's line stays shared.
    /// When somebody else changes the header meanwhile, nothing is changed.
    #[inline]
    pub(crate) fn update_policy(&self, change: impl FnOnce(u32) -> u32) {
        let header = self.word(0).load(Relaxed);
        let policy = ((header >> POLICY_SHIFT) & POLICY_MASK) as u32;
        let changed = change(policy);
        if changed != policy {
            let new_header = header & !(POLICY_MASK << POLICY_SHIFT)
                | (u64::from(changed) & POLICY_MASK) << POLICY_SHIFT;
            let word = self.word(0);
            // The next access changes it.
            let _ = word.compare_exchange(header, new_header, Relaxed, Relaxed);
        }
    }

    /// Changes the policy bits as [`EntryRef::update_policy`] does, whatever others do meanwhile.
    pub(crate) fn set_policy(&self, mut change: impl FnMut(u32) -> u32) {
        let _ = self.word(0).fetch_update(Relaxed, Relaxed, |header| {
            let policy = ((header >> POLICY_SHIFT) & POLICY_MASK) as u32;
            let changed = u64::from(change(policy)) & POLICY_MASK;
            Some(header & !(POLICY_MASK << POLICY_SHIFT) | changed << POLICY_SHIFT)
        });
    }

    /// Whether both take the same memory, as far as a glance tells.
    #[inline]
    pub(crate) fn is_as_large_as(&self, other: &Self) -> bool {
        let policy = POLICY_MASK << POLICY_SHIFT;
        let (own, other) = (self.shape.header & !policy, other.shape.header & !policy);
        own == other && own & (FLAG_WIDE | FORM_LARGE) == 0
    }

    /// The memory of the entry and its value, in bytes, as the allocators round it. Its table slot is not included.
    #[inline]
    pub fn memory_bytes(&self) -> i64 {
        let shape = self.shape();
        let bytes = object_bytes(shape.layout());
        if shape.header & FORM_MASK == FORM_LARGE {
            // SAFETY: the entry is alive and of this form.
            let large = unsafe { self.entry.large(shape) }.memory_bytes();
            return bytes as i64 + large.cast_signed();
        }
        if shape.is_object() {
            let object = self.word(shape.word_at() + 1).load(Relaxed);
            return bytes as i64 + object.cast_signed();
        }
        bytes as i64
    }

    /// Changes the deadline in place; false when the entry has no room for one. For the holder of the lock.
    pub(crate) fn set_deadline_in_place(&self, deadline_ms: Option<u64>) -> bool {
        match (self.shape().deadline_at(), self.deadline_word()) {
            (Some(at), Some(word)) => {
                let mut new = DeadlineWord::new(deadline_ms).with_place(word.place());
                if word.has_fields() {
                    new = new.with_fields();
                }
                self.word(at).store(new.0, Relaxed);
                if word.is_far() {
                    // It had no room to tell.
                    self.note_fields();
                }
                true
            }
            _ => deadline_ms.is_none(),
        }
    }

    /// Whether the value is stored as an integer.
    #[inline]
    pub(crate) fn is_integer(&self) -> bool {
        self.shape().header & FORM_MASK == FORM_INTEGER
    }

    /// Whether the value is one that [`EntryRef::change_large_in_place`] may change: only the holder of the lock may
    /// look at it.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.shape().header & FORM_MASK == FORM_LARGE
    }

    /// Changes an integer in place. For the holder of the lock.
    pub(crate) fn set_integer_in_place(&self, integer: i64) {
        assert!(self.is_integer(), "asked for before");
        self.word(self.shape().word_at())
            .store(integer.cast_unsigned(), Relaxed);
    }

    /// A large value, to be read without its entry; None when it is not large. For the holder of the lock.
    pub fn shared(&self) -> Option<SharedBytes> {
        // SAFETY: the entry is alive and of this form.
        let value = || unsafe { self.entry.large(self.shape()) };
        self.is_large().then(|| SharedBytes::clone(&value()))
    }

    /// The length of a large string, which is not looked at, or the memory of an object; 0 when it is neither.
    pub(crate) fn large_len(&self) -> usize {
        if self.shape().is_object() {
            return self.word(self.shape().word_at() + 1).load(Relaxed) as usize;
        }
        let range = || self.word(self.shape().word_at() + 1).load(Relaxed);
        // As `SharedBytes::range_word` has it.
        if self.is_large() {
            (range() >> 32) as usize
        } else {
            0
        }
    }

    /// Changes a large value in place; false when it is not large or somebody shares it, so that `change` was not
    /// called. For the holder of the lock, who has no other reference to the value.
    pub(crate) fn change_large_in_place(&self, change: impl FnOnce(&mut StringMut<'_>)) -> bool {
        if !self.is_large() {
            return false;
        }
        let shape = self.shape();
        // SAFETY: the entry is alive and of this form; it keeps the count.
        let mut value = unsafe { self.entry.large(shape) };
        if !value.change_in_place(change) {
            return false;
        }
        self.word(shape.word_at() + 1)
            .store(value.range_word(), Relaxed);
        self.word(0).fetch_or(FLAG_COMPOSED, Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(key: &[u8], value: NewValue<'_>, deadline_ms: Option<u64>) {
        let magazines = &mut Magazines::new(Slabs::new(HugePages::No));
        let entry = Entry::allocate(key, value, deadline_ms, 0x00ab_cdef, magazines);
        // SAFETY: freed below, once, after the last use.
        let view = unsafe { entry.as_ref() };
        assert_eq!(view.key(), key);
        assert_eq!(view.deadline_ms(), deadline_ms);
        assert_eq!(view.policy(), 0x00ab_cdef);
        let mut number = Number::new();
        let expected = match value {
            NewValue::Bytes(bytes) | NewValue::Composed(bytes) => bytes.to_vec(),
            NewValue::Integer(integer) => integer.to_string().into_bytes(),
            NewValue::Shared(shared) => shared.as_ref().to_vec(),
            NewValue::Packed(..) => unreachable!("not among the strings"),
        };
        assert_eq!(view.string().unwrap().bytes(&mut number), expected);
        view.update_policy(|_| 7);
        assert_eq!(view.policy(), 7);
        assert_eq!(view.key(), key);
        assert_eq!(view.set_deadline_in_place(Some(5)), deadline_ms.is_some());
        // SAFETY: allocated above, in no table.
        unsafe { entry.free(magazines) };
    }

    use crate::slab::{HugePages, Slabs};
    use crate::value::Number;

    #[test]
    fn every_form_keeps_key_value_and_deadline() {
        for key_len in [0, 1, 16, 255, 65_535, 65_536] {
            let key = vec![b'k'; key_len];
            for value_len in [0, 1, 64, LARGE_BYTES_MIN - 1, LARGE_BYTES_MIN, 70_000] {
                let value = vec![b'v'; value_len];
                for deadline_ms in [None, Some(0), Some(1 << 50)] {
                    round_trip(&key, NewValue::Bytes(&value), deadline_ms);
                    round_trip(&key, NewValue::Composed(&value), deadline_ms);
                    round_trip(&key, NewValue::Integer(i64::MIN), deadline_ms);
                }
            }
        }
    }

    #[test]
    fn a_small_entry_has_eight_bytes_of_overhead() {
        let magazines = &mut Magazines::new(Slabs::new(HugePages::No));
        let entry = Entry::allocate(
            &[b'k'; 16],
            NewValue::Bytes(&[b'v'; 64]),
            None,
            0,
            magazines,
        );
        // SAFETY: freed below, after the last use.
        assert_eq!(unsafe { entry.as_ref() }.memory_bytes(), 8 + 16 + 64);
        // SAFETY: allocated above, in no table.
        unsafe { entry.free(magazines) };
    }
}
