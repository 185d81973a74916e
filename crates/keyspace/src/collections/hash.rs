//! Hashes: packed fields with their values, or a table. Fields may have deadlines.
//!
//! A pack without deadlines is `field value field value ...`, in the order in which the fields came. One with deadlines,
//! as its flags tell, is `field value deadline ...`, where 0 is none. A large hash keeps the deadlines that there are
//! apart. A field whose deadline has passed is not shown; it goes when a command uses the hash, or when the sweep comes.

use std::sync::atomic::Ordering::Relaxed;

use super::element_table::{ElementTable, ElementsLeft};
use super::field_deadlines::{FieldDeadlines, field_deadline_ms};
use super::{Collection, Contents, Draft, Form, Item, Object, Pack, PackMut, entries_max};
use crate::random::Random;
use crate::value::{Deadline, Encoding, Number, ValueKind};

/// The flags of a pack of fields and values.
const PLAIN: u8 = 0;
/// The flags of a pack of fields, values and deadlines.
const TIMED: u8 = 1;
/// A pack does not grow beyond this, whatever the thresholds say.
const PACK_BYTES_MAX: usize = 1 << 20;
/// How many random fields whose deadlines have passed are met before all are looked through.
const RANDOM_TRIES: usize = 100;

/// A large hash.
#[derive(Clone)]
pub struct Hash {
    table: ElementTable,
    /// At least one, if any.
    deadlines: Option<Box<FieldDeadlines>>,
}

impl Hash {
    pub(crate) fn memory_bytes(&self) -> usize {
        let deadlines = self.deadlines.as_ref();
        let deadlines = deadlines.map_or(0, |deadlines| deadlines.memory_bytes());
        self.table.memory_bytes() + deadlines
    }

    pub(crate) fn look_ahead<'n>(&self, names: impl Iterator<Item = &'n [u8]>) {
        self.table.look_ahead(names);
    }

    #[inline]
    fn deadline_ms(&self, name: &[u8]) -> Option<u64> {
        self.deadlines.as_ref()?.get(name)
    }

    fn set(&mut self, name: &[u8], value: &[u8], deadline: Deadline, now_ms: u64) -> bool {
        let is_over = has_passed(self.deadline_ms(name), now_ms);
        let is_new = self.table.put(name, value);
        match deadline {
            Deadline::Keep if !is_over => {}
            Deadline::None | Deadline::Keep => self.set_deadline(name, None),
            Deadline::At(deadline_ms) => self.set_deadline(name, Some(deadline_ms)),
        }
        is_new || is_over
    }

    fn set_deadline(&mut self, name: &[u8], deadline_ms: Option<u64>) {
        match (&mut self.deadlines, deadline_ms) {
            (None, None) => {}
            (Some(deadlines), None) => {
                deadlines.remove(name);
                if deadlines.is_empty() {
                    self.deadlines = None;
                }
            }
            (deadlines, Some(deadline_ms)) => {
                let hasher = self.table.hasher();
                deadlines
                    .get_or_insert_with(|| Box::new(FieldDeadlines::new(hasher)))
                    .set(name, deadline_ms);
            }
        }
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        let was_there = self.table.remove(name).is_some();
        if was_there {
            self.set_deadline(name, None);
        }
        was_there
    }

    /// Removes up to so many fields whose deadlines have passed; how many.
    pub(crate) fn expire(&mut self, now_ms: u64, fields_max: usize) -> usize {
        let mut count = 0;
        while let Some(deadlines) = &mut self.deadlines
            && count < fields_max
            && let Some(name) = deadlines.take_passed(now_ms)
        {
            self.table.remove(&name);
            count += 1;
            if deadlines.is_empty() {
                self.deadlines = None;
            }
        }
        count
    }
}

impl Collection for Hash {
    const KIND: ValueKind = ValueKind::Hash;

    in_object!(Hash);

    fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Those whose deadlines have passed and that are still there are counted.
    fn elements(contents: Contents<'_, Self>) -> usize {
        contents.count(0)
    }

    #[inline(always)]
    fn is_due(contents: Contents<'_, Self>, now_ms: u64) -> bool {
        match contents {
            Contents::Packed(pack) if pack.flags() == PLAIN => false,
            Contents::Packed(_) => contents.passed(now_ms) > 0,
            Contents::Large(hash) => {
                let deadlines = hash.deadlines.as_ref();
                has_passed(deadlines.and_then(|deadlines| deadlines.first_ms()), now_ms)
            }
        }
    }

    fn encoding(contents: Contents<'_, Self>) -> Encoding {
        match contents {
            Contents::Packed(pack) if pack.flags() == PLAIN => Encoding::Listpack,
            Contents::Packed(_) => Encoding::Listpackex,
            Contents::Large(_) => Encoding::Hashtable,
        }
    }
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Item<'a>,
    /// Its value.
    pub value: Item<'a>,
    /// When it goes, in milliseconds of the Unix epoch.
    pub deadline_ms: Option<u64>,
}

impl Field<'_> {
    fn is_over(&self, now_ms: u64) -> bool {
        has_passed(self.deadline_ms, now_ms)
    }
}

fn has_passed(deadline_ms: Option<u64>, now_ms: u64) -> bool {
    deadline_ms.is_some_and(|deadline_ms| now_ms > deadline_ms)
}

/// The items that a field takes in a pack.
fn items_of(pack: Pack<'_>) -> usize {
    2 + usize::from(pack.flags() == TIMED)
}

/// The field at a place of a pack.
#[inline]
fn field_at(pack: Pack<'_>, at: usize) -> Field<'_> {
    let value_at = pack.next(at);
    let deadline_ms = if pack.flags() == PLAIN {
        None
    } else {
        match pack.item(pack.next(value_at)) {
            Item::Integer(0) | Item::Bytes(_) => None,
            Item::Integer(deadline_ms) => Some(deadline_ms.unsigned_abs()),
        }
    };
    Field {
        name: pack.item(at),
        value: pack.item(value_at),
        deadline_ms,
    }
}

#[inline(never)]
fn next_packed_ms(pack: Pack<'_>) -> Option<u64> {
    fields_of(pack).filter_map(|field| field.deadline_ms).min()
}

fn fields_of(pack: Pack<'_>) -> impl Iterator<Item = Field<'_>> {
    let mut at = pack.start();
    let items = items_of(pack);
    std::iter::from_fn(move || {
        let field = (at < pack.end()).then(|| field_at(pack, at))?;
        at = pack.skip(at, items);
        Some(field)
    })
}

impl<'a> Contents<'a, Hash> {
    /// The number of fields.
    pub fn count(self, now_ms: u64) -> usize {
        let all = match self {
            Self::Packed(pack) if pack.flags() == PLAIN => return pack.len() / 2,
            Self::Packed(pack) => pack.len() / 3,
            Self::Large(hash) => hash.table.len(),
        };
        all - self.passed(now_ms)
    }

    /// How many fields there are whose deadlines have passed.
    pub(crate) fn passed(self, now_ms: u64) -> usize {
        match self {
            Self::Packed(pack) if pack.flags() == PLAIN => 0,
            Self::Packed(pack) => fields_of(pack)
                .filter(|field| field.is_over(now_ms))
                .count(),
            Self::Large(hash) => {
                let deadlines = hash.deadlines.as_ref();
                deadlines.map_or(0, |deadlines| deadlines.passed(now_ms))
            }
        }
    }

    /// All fields of a table of more than `elements_max`, to be shown in steps.
    pub fn left(self, elements_max: usize, now_ms: u64) -> Option<FieldsLeft> {
        let Self::Large(hash) = self else {
            return None;
        };
        if hash.table.len() <= elements_max {
            return None;
        }
        let deadlines = hash.deadlines.as_ref();
        let deadlines = deadlines.filter(|deadlines| deadlines.passed(now_ms) > 0);
        Some(FieldsLeft {
            elements: hash.table.left(),
            deadlines: deadlines.map(|deadlines| deadlines.by_field()),
            now_ms,
        })
    }

    /// The field of this name.
    #[inline]
    pub fn get(self, name: &[u8], now_ms: u64) -> Option<Field<'a>> {
        let field = match self {
            Self::Packed(pack) => {
                let at = pack.find(Item::from_client(name), items_of(pack))?;
                field_at(pack, at)
            }
            Self::Large(hash) => {
                let element = hash.table.get(name)?;
                Field {
                    name: Item::Bytes(element.name()),
                    value: Item::Bytes(element.value()),
                    deadline_ms: hash.deadline_ms(name),
                }
            }
        };
        (!field.is_over(now_ms)).then_some(field)
    }

    /// Shows `visit` the fields, packed ones in the order in which they came, until it says that it is enough.
    pub fn for_each(self, now_ms: u64, mut visit: impl FnMut(Field<'a>) -> bool) {
        match self {
            Self::Packed(pack) => {
                let fields = fields_of(pack).filter(|field| !field.is_over(now_ms));
                let _ = { fields }.all(visit);
            }
            Self::Large(hash) => {
                for element in hash.table.iter() {
                    let field = hash.field(element.name(), element.value());
                    if !field.is_over(now_ms) && !visit(field) {
                        return;
                    }
                }
            }
        }
    }

    /// A field that is as likely as any other, if there is one.
    pub fn random(self, random: &mut Random, now_ms: u64) -> Option<Field<'a>> {
        let len = self.count(now_ms);
        if len == 0 {
            return None;
        }
        if let Self::Large(hash) = self {
            for _ in 0..RANDOM_TRIES {
                let element = hash.table.random(random);
                let field = hash.field(element.name(), element.value());
                if !field.is_over(now_ms) {
                    return Some(field);
                }
            }
        }
        if let Self::Packed(pack) = self
            && pack.flags() == PLAIN
        {
            let at = pack.skip(pack.start(), 2 * random.below(len));
            return Some(field_at(pack, at));
        }
        let mut left = random.below(len);
        let mut found = None;
        self.for_each(now_ms, |field| {
            found = Some(field);
            left = left.wrapping_sub(1);
            left != usize::MAX
        });
        found
    }

    /// Shows `visit` about `count` fields from a cursor on; the next cursor, 0 at the end. Packed ones come all at once.
    pub fn scan(
        self,
        cursor: u64,
        count: usize,
        now_ms: u64,
        mut visit: impl FnMut(Field<'a>),
    ) -> u64 {
        match self {
            Self::Packed(_) => {
                self.for_each(now_ms, |field| {
                    visit(field);
                    true
                });
                0
            }
            Self::Large(hash) => hash.table.scan(cursor, count, |element| {
                let field = hash.field(element.name(), element.value());
                if !field.is_over(now_ms) {
                    visit(field);
                }
            }),
        }
    }

    /// The earliest deadline of a field.
    #[inline]
    pub(crate) fn next_deadline_ms(self) -> Option<u64> {
        match self {
            Self::Packed(pack) if pack.flags() == PLAIN => None,
            Self::Packed(pack) => next_packed_ms(pack),
            Self::Large(hash) => hash.deadlines.as_ref()?.first_ms(),
        }
    }
}

/// Fields of one moment that are still to be gone through.
pub struct FieldsLeft {
    elements: ElementsLeft,
    /// Those of that moment, if some had passed.
    deadlines: Option<ElementTable>,
    now_ms: u64,
}

impl FieldsLeft {
    /// See [`ElementsLeft::bytes`].
    pub fn bytes(&self) -> usize {
        self.elements.bytes()
    }

    /// See [`ElementsLeft::step`].
    pub fn step(&mut self, elements: usize, mut visit: impl FnMut(&[u8], &[u8])) -> bool {
        let Self {
            elements: left,
            deadlines,
            now_ms,
        } = self;
        left.step(elements, |name, value| {
            let deadlines = deadlines.as_ref();
            let deadline_ms = deadlines.and_then(|deadlines| field_deadline_ms(deadlines, name));
            if !has_passed(deadline_ms, *now_ms) {
                visit(name, value);
            }
        })
    }
}

impl Hash {
    fn field<'a>(&self, name: &'a [u8], value: &'a [u8]) -> Field<'a> {
        Field {
            name: Item::Bytes(name),
            value: Item::Bytes(value),
            deadline_ms: self.deadline_ms(name),
        }
    }
}

impl Draft<'_, Hash> {
    /// The field of this name.
    pub fn get(&self, name: &[u8], now_ms: u64) -> Option<Field<'_>> {
        self.contents().get(name, now_ms)
    }

    fn large(&mut self) -> Option<&mut Hash> {
        match &mut self.form {
            Form::Packed(_) => None,
            Form::Large(hash) => Some(hash),
            Form::Converted(hash) => Some(hash),
        }
    }

    /// Gives a field a value and a deadline; whether it is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], deadline: Deadline, now_ms: u64) -> bool {
        self.has_changed = true;
        if let Some(hash) = self.large() {
            return hash.set(name, value, deadline, now_ms);
        }
        let value_max = self.collections.thresholds.hash_value_bytes.load(Relaxed);
        let is_short = name.len() <= value_max && value.len() <= value_max;
        if !is_short || !self.has_place(name.len() + value.len()) {
            return self.convert().set(name, value, deadline, now_ms);
        }
        if matches!(deadline, Deadline::At(_)) && !self.make_timed() {
            return self.convert().set(name, value, deadline, now_ms);
        }
        let Form::Packed(bytes) = &mut self.form else {
            unreachable!("asked for before");
        };
        let (name, value) = (Item::from_client(name), Item::from_client(value));
        let pack = Pack::new(bytes);
        if let Some(at) = pack.find(name, items_of(pack)) {
            let was_over = field_at(pack, at).is_over(now_ms);
            let value_at = pack.next(at);
            let deadline = if was_over && deadline == Deadline::Keep {
                Deadline::None
            } else {
                deadline
            };
            let mut pack = PackMut::new(bytes);
            pack.replace(value_at, value);
            set_packed_deadline(&mut pack, value_at, deadline);
            return was_over;
        }
        let entries = &self.collections.thresholds.hash_entries;
        let items = items_of(pack);
        if pack.len() / items >= entries_max(entries, items) {
            self.convert();
            return self.set_item(name, value, deadline, now_ms);
        }
        let mut pack = PackMut::new(bytes);
        pack.push(name);
        pack.push(value);
        if pack.view().flags() == TIMED {
            pack.push(Item::Integer(packed_deadline(deadline)));
        }
        true
    }

    fn set_item(
        &mut self,
        name: Item<'_>,
        value: Item<'_>,
        deadline: Deadline,
        now_ms: u64,
    ) -> bool {
        let (mut name_number, mut value_number) = (Number::new(), Number::new());
        let (name, value) = (name.bytes(&mut name_number), value.bytes(&mut value_number));
        self.large()
            .is_some_and(|hash| hash.set(name, value, deadline, now_ms))
    }

    fn has_place(&self, more: usize) -> bool {
        match &self.form {
            Form::Packed(bytes) => bytes.len() + more <= PACK_BYTES_MAX,
            Form::Large(_) | Form::Converted(_) => true,
        }
    }

    /// Makes a pack one with deadlines; false when it has too many fields for that.
    fn make_timed(&mut self) -> bool {
        let Form::Packed(bytes) = &mut self.form else {
            return true;
        };
        let pack = Pack::new(bytes);
        if pack.flags() == TIMED && !pack.is_empty() {
            return true;
        }
        let fields = pack.len() / 2;
        // One may come.
        if fields >= entries_max(&self.collections.thresholds.hash_entries, 3) {
            return false;
        }
        let mut timed = Vec::with_capacity(bytes.len() + fields + 16);
        let mut target = PackMut::new(&mut timed);
        target.set_flags(TIMED);
        for field in fields_of(pack) {
            target.push(field.name);
            target.push(field.value);
            target.push(Item::Integer(0));
        }
        **bytes = timed;
        true
    }

    /// Makes the pack a table.
    fn convert(&mut self) -> &mut Hash {
        let mut hash = Hash {
            table: ElementTable::new(self.collections.hasher.clone()),
            deadlines: None,
        };
        let (mut name_number, mut value_number) = (Number::new(), Number::new());
        self.contents().for_each(0, |field| {
            let name = field.name.bytes(&mut name_number);
            hash.table
                .insert(name, field.value.bytes(&mut value_number));
            hash.set_deadline(name, field.deadline_ms);
            true
        });
        self.form = Form::Converted(hash);
        self.large().expect("it was just set")
    }

    /// Gives a field that is there a deadline, or none; false when it is not there.
    pub fn set_deadline(&mut self, name: &[u8], deadline_ms: Option<u64>, now_ms: u64) -> bool {
        if self.get(name, now_ms).is_none() {
            return false;
        }
        self.has_changed = true;
        if deadline_ms.is_some() && !self.make_timed() {
            self.convert();
        }
        if let Some(hash) = self.large() {
            hash.set_deadline(name, deadline_ms);
            return true;
        }
        if let Form::Packed(bytes) = &mut self.form {
            let mut pack = PackMut::new(bytes);
            let items = items_of(pack.view());
            if let Some(at) = pack.view().find(Item::from_client(name), items) {
                let value_at = pack.view().next(at);
                let deadline = deadline_ms.map_or(Deadline::None, Deadline::At);
                set_packed_deadline(&mut pack, value_at, deadline);
            }
        }
        true
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, name: &[u8], now_ms: u64) -> bool {
        let was_seen = self.get(name, now_ms).is_some();
        let was_there = match &mut self.form {
            Form::Packed(bytes) => {
                let mut pack = PackMut::new(bytes);
                let items = items_of(pack.view());
                let at = pack.view().find(Item::from_client(name), items);
                if let Some(at) = at {
                    pack.remove(at, items);
                }
                at.is_some()
            }
            Form::Large(hash) => hash.remove(name),
            Form::Converted(hash) => hash.remove(name),
        };
        self.has_changed |= was_there;
        was_seen
    }
}

fn packed_deadline(deadline: Deadline) -> i64 {
    match deadline {
        Deadline::None | Deadline::Keep => 0,
        Deadline::At(deadline_ms) => deadline_ms.cast_signed(),
    }
}

/// Sets the deadline behind a value of a pack, if the pack has deadlines.
fn set_packed_deadline(pack: &mut PackMut<'_>, value_at: usize, deadline: Deadline) {
    if pack.view().flags() == TIMED && deadline != Deadline::Keep {
        let at = pack.view().next(value_at);
        pack.replace(at, Item::Integer(packed_deadline(deadline)));
    }
}

/// Makes `kept` a pack of the fields of `pack` whose deadlines have not passed.
pub(crate) fn keep_unexpired(pack: Pack<'_>, now_ms: u64, kept: &mut Vec<u8>) {
    kept.clear();
    let mut target = PackMut::new(kept);
    target.set_flags(pack.flags());
    for field in fields_of(pack).filter(|field| !field.is_over(now_ms)) {
        target.push(field.name);
        target.push(field.value);
        if pack.flags() == TIMED {
            let deadline = field.deadline_ms.map_or(Deadline::None, Deadline::At);
            target.push(Item::Integer(packed_deadline(deadline)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::collections::Collections;

    type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

    fn shown(contents: Contents<'_, Hash>, now_ms: u64) -> Model {
        let bytes = |item: Item<'_>| item.bytes(&mut Number::new()).to_vec();
        let mut shown = Model::new();
        contents.for_each(now_ms, |field| {
            let value = (bytes(field.value), field.deadline_ms);
            shown.insert(bytes(field.name), value);
            true
        });
        shown
    }

    fn scanned(contents: Contents<'_, Hash>, now_ms: u64) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = contents.scan(cursor, 7, now_ms, |field| {
                names.insert(field.name.bytes(&mut Number::new()).to_vec());
            });
            if cursor == 0 {
                return names;
            }
        }
    }

    /// One change of both; `range` fields take part.
    fn change(
        draft: &mut Draft<'_, Hash>,
        model: &mut Model,
        random: &mut Random,
        (range, has_deadlines): (usize, bool),
        now_ms: u64,
    ) {
        let name = random.below(range).to_string().into_bytes();
        let at_ms = now_ms + random.below(400) as u64;
        match random.below(10) {
            0..5 => {
                let value = vec![b'v'; random.below(12)];
                let (deadline, next) = match random.below(3) {
                    0 if has_deadlines => (Deadline::At(at_ms), Some(at_ms)),
                    1 => {
                        let kept = model.get(&name).and_then(|field| field.1);
                        (Deadline::Keep, kept)
                    }
                    _ => (Deadline::None, None),
                };
                let is_new = draft.set(&name, &value, deadline, now_ms);
                assert_eq!(is_new, model.insert(name, (value, next)).is_none());
            }
            5 if has_deadlines => {
                let deadline_ms = (random.below(3) > 0).then_some(at_ms);
                let is_there = draft.set_deadline(&name, deadline_ms, now_ms);
                let field = model.get_mut(&name);
                assert_eq!(is_there, field.is_some());
                if let Some(field) = field {
                    field.1 = deadline_ms;
                }
            }
            6 => expire(draft, now_ms, 3),
            _ => {
                let removed = model.remove(&name).is_some();
                assert_eq!(draft.remove(&name, now_ms), removed);
            }
        }
    }

    fn expire(draft: &mut Draft<'_, Hash>, now_ms: u64, fields_max: usize) {
        let passed = draft.contents().passed(now_ms);
        assert_eq!(Hash::is_due(draft.contents(), now_ms), passed > 0);
        match draft.large() {
            Some(hash) => assert_eq!(hash.expire(now_ms, fields_max), passed.min(fields_max)),
            None => {
                if let Form::Packed(bytes) = &mut draft.form {
                    keep_unexpired(Pack::new(&bytes.clone()), now_ms, bytes);
                }
            }
        }
    }

    #[test]
    fn a_hash_is_a_map_in_every_encoding() {
        let collections = Collections::new(5);
        collections.thresholds.hash_entries.store(60, Relaxed);
        let mut encodings = BTreeSet::new();
        for (seed, kind) in [(50, false), (60, true), (900, false), (900, true)]
            .into_iter()
            .enumerate()
        {
            let mut random = Random::new(seed as u64);
            let mut bytes = Vec::new();
            let mut draft = Draft {
                form: Form::Packed(&mut bytes),
                has_changed: false,
                collections: &collections,
            };
            let mut model = Model::new();
            for now_ms in 0..6_000 {
                model.retain(|_, field| !has_passed(field.1, now_ms));
                change(&mut draft, &mut model, &mut random, kind, now_ms);
                let contents = draft.contents();
                assert_eq!(contents.count(now_ms), model.len());
                let name = random.below(kind.0).to_string().into_bytes();
                let value = contents.get(&name, now_ms).map(|field| field.value.len());
                assert_eq!(value, model.get(&name).map(|field| field.0.len()));
                encodings.insert(contents.encoding().name());
                if now_ms % 16 == 0 {
                    assert_eq!(shown(contents, now_ms), model);
                    let names: BTreeSet<Vec<u8>> = model.keys().cloned().collect();
                    assert_eq!(scanned(contents, now_ms), names);
                    let field = contents.random(&mut random, now_ms);
                    let name = field.map(|field| field.name.bytes(&mut Number::new()).to_vec());
                    assert_eq!(name.is_some(), !model.is_empty());
                    assert!(name.is_none_or(|name| model.contains_key(&name)));
                }
            }
            expire(&mut draft, u64::MAX - 1, usize::MAX);
            model.retain(|_, field| field.1.is_none());
            assert_eq!(shown(draft.contents(), 0), model);
            assert_eq!(draft.contents().next_deadline_ms(), None);
        }
        assert_eq!(encodings.len(), 3);
    }
}
