#![allow(unsafe_code)]
//! One key with its value and deadline, in one allocation.
//!
//! ```text
//! header 8 | deadline 8 (`DeadlineWord`), if any | lengths 8, if wide | integer 8, or address 8 and range 8 if large | key | value, if inline
//! ```
//!
//! The header, from the lowest bit: 4 bits of form, 4 flags, 24 bits that belong to the eviction policy (now: the
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

use crate::deadline::DeadlineWord;
use crate::expiry::Place;
use crate::shared::{SharedBytes, StringMut};
use crate::slab::{Magazines, object_bytes};
use crate::value::{Encoding, NewValue, ValueRef};

const FORM_MASK: u64 = 0xf;
/// The part of a form that is the number of its words.
const FORM_WORDS_MASK: u64 = 3;
const FORM_INLINE: u64 = 0;
const FORM_INTEGER: u64 = 1;
const FORM_LARGE: u64 = 2;
const FLAG_DEADLINE: u64 = 1 << 4;
const FLAG_WIDE: u64 = 1 << 5;
const FLAG_COMPOSED: u64 = 1 << 6;
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
        if self.header & FORM_MASK == FORM_INLINE {
            self.value_len
        } else {
            0
        }
    }

    #[inline]
    fn layout(self) -> Layout {
        let bytes = self.key_offset() + self.key_len + self.inline_len();
        // SAFETY: the alignment is a power of two, and keys and values are limited to 512 MB each.
        unsafe { Layout::from_size_align_unchecked(bytes, WORD) }
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
        };
        let composed = if matches!(value, NewValue::Composed(_)) {
            FLAG_COMPOSED
        } else {
            0
        };
        let header = header | composed;
        Self::build(key, header, inline, words, deadline_ms, policy, magazines)
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
        deadline_ms: Option<u64>,
        policy: u32,
        magazines: &mut Magazines,
    ) -> Self {
        if deadline_ms.is_some() {
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
            if let (Some(at), Some(_)) = (shape.deadline_at(), deadline_ms) {
                words.add(at).write(DeadlineWord::new(deadline_ms).0);
            }
            if header & FLAG_WIDE != 0 {
                words
                    .add(shape.words_before_lengths())
                    .write(key.len() as u64 | (inline.len() as u64) << 32);
            }
            if header & FORM_MASK != FORM_INLINE {
                words.add(shape.word_at()).write(form_words[0]);
            }
            if header & FORM_MASK == FORM_LARGE {
                words.add(shape.word_at() + 1).write(form_words[1]);
            }
            let bytes = start.add(shape.key_offset());
            copy_key(key, bytes);
            bytes
                .add(key.len())
                .copy_from_nonoverlapping(inline.as_ptr(), inline.len());
            Self(pointer)
        }
    }

    /// Frees the entry; its value, if that is a large one, is the caller's then.
    ///
    /// # Safety
    /// It is in no table slot any more, nobody holds a reference to it, and it has not been freed. The magazines are of
    /// the slabs that it came from.
    pub unsafe fn free(self, magazines: &mut Magazines) -> Option<SharedBytes> {
        // SAFETY: by the contract the entry is alive, and ours alone.
        unsafe {
            let shape = self.shape();
            let is_large = shape.header & FORM_MASK == FORM_LARGE;
            let large = is_large.then(|| ManuallyDrop::into_inner(self.large(shape)));
            magazines.free(self.0.cast(), shape.layout());
            large
        }
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
        let is_plain = shape.header & FORM_MASK != FORM_LARGE;
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

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        let shape = self.shape();
        match shape.header & FORM_MASK {
            FORM_INLINE => {
                ValueRef::Bytes(self.bytes(shape.key_offset() + shape.key_len, shape.value_len))
            }
            FORM_INTEGER => {
                ValueRef::Integer(self.word(shape.word_at()).load(Relaxed).cast_signed())
            }
            FORM_LARGE => {
                // SAFETY: the bytes live as long as the entry and change only through `&mut` of the lock's holder.
                ValueRef::Bytes(unsafe {
                    let bytes: *const [u8] = self.entry.large(shape).as_ref();
                    &*bytes
                })
            }
            form => unreachable!("an entry of unknown form {form}"),
        }
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

    /// A new entry with this value under another key. A large value is shared.
    pub(crate) fn duplicate(
        &self,
        key: &[u8],
        deadline_ms: Option<u64>,
        magazines: &mut Magazines,
    ) -> Entry {
        let shape = self.shape();
        match self.value() {
            ValueRef::Bytes(_) if shape.header & FORM_MASK == FORM_LARGE => {
                // SAFETY: the entry is alive and of this form.
                let value = unsafe { self.entry.large(shape) };
                Entry::build(
                    key,
                    FORM_LARGE | self.header() & FLAG_COMPOSED,
                    &[],
                    SharedBytes::clone(&value).into_words(),
                    deadline_ms,
                    self.policy(),
                    magazines,
                )
            }
            ValueRef::Bytes(bytes) if self.header() & FLAG_COMPOSED != 0 => Entry::allocate(
                key,
                NewValue::Composed(bytes),
                deadline_ms,
                self.policy(),
                magazines,
            ),
            ValueRef::Bytes(bytes) => Entry::allocate(
                key,
                NewValue::Bytes(bytes),
                deadline_ms,
                self.policy(),
                magazines,
            ),
            ValueRef::Integer(integer) => Entry::allocate(
                key,
                NewValue::Integer(integer),
                deadline_ms,
                self.policy(),
                magazines,
            ),
        }
    }

    /// A new entry with a copy of this value under another key.
    pub(crate) fn copied(
        &self,
        key: &[u8],
        deadline_ms: Option<u64>,
        magazines: &mut Magazines,
    ) -> Entry {
        let value = match self.value() {
            ValueRef::Bytes(bytes) if self.header() & FLAG_COMPOSED != 0 => {
                NewValue::Composed(bytes)
            }
            ValueRef::Bytes(bytes) => NewValue::Bytes(bytes),
            ValueRef::Integer(integer) => NewValue::Integer(integer),
        };
        Entry::allocate(key, value, deadline_ms, self.policy(), magazines)
    }

    /// How the value is stored.
    pub fn encoding(&self) -> Encoding {
        let composed = self.header() & FLAG_COMPOSED != 0;
        match self.value() {
            ValueRef::Integer(_) => Encoding::Int,
            ValueRef::Bytes(bytes) if bytes.len() <= EMBSTR_BYTES_MAX && !composed => {
                Encoding::Embstr
            }
            ValueRef::Bytes(_) => Encoding::Raw,
        }
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
        bytes as i64
    }

    /// Changes the deadline in place; false when the entry has no room for one. For the holder of the lock.
    pub(crate) fn set_deadline_in_place(&self, deadline_ms: Option<u64>) -> bool {
        match (self.shape().deadline_at(), self.deadline_word()) {
            (Some(at), Some(word)) => {
                let word = DeadlineWord::new(deadline_ms).with_place(word.place());
                self.word(at).store(word.0, Relaxed);
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

    /// The length of a large value, which is not looked at; 0 when it is not large.
    pub(crate) fn large_len(&self) -> usize {
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
        };
        assert_eq!(view.value().string_bytes(&mut number), expected);
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
