#![allow(unsafe_code)]
//! Groups of commands, the locks that one command holds, and what can be done under them.
//!
//! A mutation is announced here and nowhere else ([`Locked::announce`]). A panic while something is being changed
//! aborts the process: half a change is worse than none.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::ahead::Ahead;
use crate::budget::Room;
use crate::entry::{Entry, EntryRef, LARGE_BYTES_MIN};
use crate::expiry::Batch;
use crate::keyspace::Keyspace;
use crate::memory::Memory;
use crate::policy::bits::{Touch, Use};
use crate::quiescence::Exclusive;
use crate::shared::{SharedBytes, StringMut};
use crate::slab::{Magazines, PageSet};
use crate::stats::Counters;
use crate::table::{Fired, Found, Held, MovedSegment, Table};
use crate::value::{Deadline, NewValue, Number};
use crate::watch::{WatchedKey, Watcher};

/// A key in a database, with its hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// The database, below [`crate::limits::DATABASES`].
    pub database: u8,
    /// The key.
    pub bytes: &'k [u8],
    /// [`Keyspace::hash`] of it.
    pub hash: u64,
}

/// Somebody else holds a lock that was asked for. Nothing has happened; try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The shards that a command needs. Reused from command to command.
#[derive(Debug, Default)]
pub struct Plan {
    /// Database and shard of each, 8 and 24 bits.
    places: Vec<u32>,
    everything: bool,
}

impl Plan {
    /// Empties the plan.
    pub fn clear(&mut self) {
        self.places.clear();
        self.everything = false;
    }

    /// Adds the shard of a key.
    pub fn add(&mut self, keyspace: &Keyspace, key: Key<'_>) {
        self.add_hash(keyspace, key.database, key.hash);
    }

    /// Adds the shard of a key that has this hash.
    #[inline]
    pub fn add_hash(&mut self, keyspace: &Keyspace, database: u8, hash: u64) {
        self.places
            .push(u32::from(database) << 24 | keyspace.shard(hash) as u32);
    }

    /// Asks for the whole keyspace.
    pub fn add_everything(&mut self) {
        self.everything = true;
    }
}

/// A group of commands of one worker, see [`crate::Worker::group`].
pub struct Group<'w> {
    pub(crate) core: Core<'w>,
}

/// What the commands of a group share.
pub(crate) struct Core<'w> {
    pub keyspace: &'w Keyspace,
    pub worker: usize,
    pub counters: &'w Counters,
    pub memory: &'w RefCell<Memory>,
    pub now_ms: u64,
    /// What an access makes of an entry's policy bits.
    pub touch: Touch,
    /// How many bytes more than the worker's unreported ones may be added, when the group began.
    room_bytes: i64,
    ahead: Ahead<'w>,
}

impl Core<'_> {
    /// Marks an access.
    #[inline]
    pub fn use_entry(&self, entry: &EntryRef<'_>) {
        entry.update_policy(|bits| self.touch.used(bits, || self.counters.hits.scrambled()));
    }
}

impl<'w> Group<'w> {
    #[inline]
    pub(crate) fn new(
        keyspace: &'w Keyspace,
        worker: usize,
        memory: &'w RefCell<Memory>,
        now_ms: u64,
    ) -> Self {
        keyspace.quiescence.pin(worker);
        Self {
            core: Core {
                keyspace,
                worker,
                counters: &keyspace.counters[worker],
                memory,
                now_ms,
                touch: keyspace.budget.touch(now_ms),
                room_bytes: keyspace.room_bytes(),
                ahead: Ahead::none(),
            },
        }
    }

    /// The keyspace.
    #[inline]
    pub fn keyspace(&self) -> &'w Keyspace {
        self.core.keyspace
    }

    /// Tells the hashes of the keys of this group's commands, in their order, so that the processor is asked for them
    /// in time. A hint: they are looked up again when their turn comes. Most of them are in this database.
    #[inline]
    pub fn look_ahead(&mut self, database: u8, hashes: &'w [u64]) {
        self.core.ahead.set(self.core.keyspace, database, hashes);
    }

    /// To be called before the key at this place of [`Group::look_ahead`]'s is looked up.
    #[inline]
    pub fn advance(&self, place: usize) {
        self.core.ahead.advance(place);
    }

    /// Whether a command may add something.
    #[inline]
    pub fn room(&self) -> Room {
        let unreported = self.core.counters.unreported_bytes.load(Relaxed);
        if unreported <= self.core.room_bytes {
            Room::Enough
        } else {
            self.core.keyspace.when_full()
        }
    }

    #[inline]
    pub(crate) fn table(&self, database: u8, hash: u64) -> &'w Table {
        self.core
            .keyspace
            .table(database, self.core.keyspace.shard(hash))
    }

    /// Access for a command without keys, which may still go through shard by shard.
    #[inline]
    pub fn lock_nothing(&mut self) -> Locked<'_> {
        self.locked(Locks::Nothing)
    }

    /// Locks the shard of one key.
    ///
    /// # Errors
    /// [`Busy`] when another worker holds it.
    #[inline]
    pub fn lock_one(&mut self, database: u8, hash: u64) -> Result<Locked<'_>, Busy> {
        let table = self.table(database, hash);
        if self.core.keyspace.counters.len() == 1 {
            table.lock_alone(self.core.worker);
        } else if !table.try_lock(self.core.worker) {
            return Err(Busy);
        }
        Ok(self.locked(Locks::One(table)))
    }

    /// Locks everything that the plan names, in order.
    ///
    /// # Errors
    /// [`Busy`] when another worker holds some of it; nothing is locked then. A plan for the whole keyspace waits
    /// instead, until all other workers have ended their groups.
    pub fn lock<'g>(&'g mut self, plan: &'g mut Plan) -> Result<Locked<'g>, Busy> {
        if plan.everything {
            self.core.ahead.forget();
            let exclusive = self
                .core
                .keyspace
                .quiescence
                .exclude_others(self.core.worker);
            return Ok(self.locked(Locks::Everything(exclusive)));
        }
        plan.places.sort_unstable();
        plan.places.dedup();
        for (at, place) in plan.places.iter().enumerate() {
            if !table_at(self.core.keyspace, *place).try_lock(self.core.worker) {
                unlock_all(self.core.keyspace, &plan.places[..at]);
                return Err(Busy);
            }
        }
        Ok(self.locked(Locks::Many(&plan.places)))
    }

    #[inline]
    fn locked<'g>(&'g mut self, locks: Locks<'g>) -> Locked<'g> {
        Locked {
            core: &self.core,
            touches: true,
            commits: false,
            locks,
        }
    }
}

impl Drop for Group<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.keyspace.quiescence.unpin(self.core.worker);
        let quiescence = &self.core.keyspace.quiescence;
        self.core.memory.borrow_mut().collect(quiescence, false);
    }
}

fn table_at(keyspace: &Keyspace, place: u32) -> &Table {
    keyspace.table((place >> 24) as u8, (place & 0xff_ffff) as usize)
}

fn unlock_all(keyspace: &Keyspace, places: &[u32]) {
    for place in places {
        table_at(keyspace, *place).unlock();
    }
}

enum Locks<'g> {
    Nothing,
    One(&'g Table),
    Many(&'g [u32]),
    Everything(#[expect(dead_code, reason = "held for its drop")] Exclusive<'g>),
}

/// The keys that one command has locked.
///
/// # Panics
/// Operations on a key panic when its shard is not locked: a command's keys are declared in its row.
pub struct Locked<'g> {
    core: &'g Core<'g>,
    touches: bool,
    /// Whether readers without locks wait for the end of this command, which changes several keys.
    commits: bool,
    locks: Locks<'g>,
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.locks {
            Locks::Nothing | Locks::Everything(_) => {}
            Locks::One(table) => table.unlock(),
            Locks::Many(places) => {
                if self.commits {
                    for place in places {
                        table_at(self.core.keyspace, *place).end_change();
                    }
                }
                unlock_all(self.core.keyspace, places);
            }
        }
    }
}

/// What has happened to a key. Later listeners (notifications, tracking, the log) join in [`Locked::announce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It has a new value or deadline.
    Written,
    /// A command removed it.
    Removed,
    /// Its time was up.
    Expired,
}

/// Aborts when it is dropped by a panic.
struct Unbroken;

impl Drop for Unbroken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

impl<'g> Locked<'g> {
    /// The keyspace.
    pub fn keyspace(&self) -> &'g Keyspace {
        self.core.keyspace
    }

    /// The time of this group, in milliseconds of the Unix epoch.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.core.now_ms
    }

    /// As [`Group::advance`].
    #[inline]
    pub fn advance(&self, place: usize) {
        self.core.ahead.advance(place);
    }

    /// Whether reading counts as an access (CLIENT NO-TOUCH).
    pub fn set_touches(&mut self, touches: bool) {
        self.touches = touches;
    }

    /// Does something long that does not need the keyspace. When nothing is locked, the worker is out of its group
    /// meanwhile: nobody waits for it, and what others retire is freed.
    pub fn rest(&mut self, work: impl FnOnce()) {
        // Nothing that was read before is still borrowed: that would borrow `self`.
        match self.locks {
            Locks::Nothing => {
                self.core.ahead.forget();
                self.core.keyspace.quiescence.unpin(self.core.worker);
                work();
                self.core.keyspace.quiescence.pin(self.core.worker);
            }
            Locks::One(_) | Locks::Many(_) | Locks::Everything(_) => work(),
        }
    }

    /// Whether the whole keyspace is locked.
    pub(crate) fn has_everything(&self) -> bool {
        matches!(self.locks, Locks::Everything(_))
    }

    /// A key with its hash.
    pub fn key<'k>(&self, database: u8, bytes: &'k [u8]) -> Key<'k> {
        self.core.keyspace.key(database, bytes)
    }

    #[inline]
    fn held(&self, key: Key<'_>) -> Held<'g> {
        let table = self
            .core
            .keyspace
            .table(key.database, self.core.keyspace.shard(key.hash));
        assert!(
            table.is_locked_by(self.core.worker) || self.has_everything(),
            "the key's shard is not locked"
        );
        // SAFETY: the lock is held, as has just been checked, for `'g`. The methods below use what they find at once;
        // the entries that they return borrow `self`, and only `&mut self` changes the table.
        unsafe { Held::new(table, self.core.keyspace, self.core.counters, key.database) }
    }

    /// One table of the whole keyspace, locked for `work`. Only for commands that hold no lock, or all.
    pub(crate) fn with_table<R>(
        &mut self,
        database: u8,
        shard: usize,
        work: impl FnOnce(&mut Held<'g>, &mut Memory) -> R,
    ) -> R {
        let table = self.core.keyspace.table(database, shard);
        // SAFETY: it is used in `work` only, which runs under the table's lock or under that of everything.
        let mut held =
            unsafe { Held::new(table, self.core.keyspace, self.core.counters, database) };
        match self.locks {
            Locks::Everything(_) => work(&mut held, &mut self.core.memory.borrow_mut()),
            Locks::Nothing => {
                // Who holds a shard waits for nothing and nobody, so this ends soon.
                while !table.try_lock(self.core.worker) {
                    std::thread::yield_now();
                }
                let guard = Unlock(table);
                let result = work(&mut held, &mut self.core.memory.borrow_mut());
                drop(guard);
                result
            }
            Locks::One(_) | Locks::Many(_) => {
                panic!("a command with keys goes through the whole keyspace")
            }
        }
    }

    /// Before each change. A command on several keys keeps readers without locks from seeing half of what it does.
    #[inline]
    fn begin_change(&mut self) {
        if let Locks::Many(places) = self.locks
            && !self.commits
        {
            self.commits = true;
            for place in places {
                table_at(self.core.keyspace, *place).begin_change();
            }
        }
    }

    #[inline]
    fn announce(&self, key: Key<'_>, change: Change) {
        if change == Change::Expired {
            self.core.counters.expired.increment();
        }
        self.core.keyspace.watches.announce(key);
    }

    /// Finds a key that has not expired; one that has is removed.
    #[inline]
    fn lookup(&mut self, key: Key<'_>) -> Option<(Held<'g>, Found<'g>)> {
        let held = self.held(key);
        let found = held.find(key.hash, key.bytes)?;
        if !found.entry().has_expired(held.time_ms(self.core.now_ms)) {
            return Some((held, found));
        }
        self.remove_found(held, found, key, Change::Expired);
        None
    }

    fn remove_found(&mut self, mut held: Held<'g>, found: Found<'g>, key: Key<'_>, change: Change) {
        self.begin_change();
        let unbroken = Unbroken;
        held.remove(found, &mut self.core.memory.borrow_mut());
        drop(unbroken);
        self.announce(key, change);
    }

    /// The entry of a key, for a command that writes or asks about the key itself: neither counted nor touched.
    #[inline]
    pub fn find(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.lookup(key).map(|(_, found)| found.entry())
    }

    /// The entry of a key, for a command that reads its value: counts a hit or miss and marks the access.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let held = self.held(key);
        match held.find_entry(key.hash, key.bytes) {
            Some(entry) if !entry.has_expired(held.time_ms(self.core.now_ms)) => {
                self.core.counters.hits.increment();
                if self.touches {
                    self.core.use_entry(&entry);
                }
                Some(entry)
            }
            found => {
                if found.is_some() {
                    // Removes it.
                    self.lookup(key);
                }
                self.core.counters.misses.increment();
                None
            }
        }
    }

    /// The entry of a key, for a command that asks about it without reading its value: counts a hit or miss and marks
    /// no access.
    pub fn inspect(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let counters = self.core.counters;
        let found = self.lookup(key);
        match &found {
            Some(_) => counters.hits.increment(),
            None => counters.misses.increment(),
        }
        found.map(|(_, found)| found.entry())
    }

    /// The entry of a key, beside others: for commands that look at two keys at once. Expired keys are not there,
    /// nothing is counted.
    pub fn peek(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let held = self.held(key);
        let entry = held.find(key.hash, key.bytes)?.entry();
        (!entry.has_expired(held.time_ms(self.core.now_ms))).then_some(entry)
    }

    /// Removes what has expired from a shard; looks at no more records than about `records_max`.
    pub(crate) fn expire_due(
        &mut self,
        database: u8,
        shard: usize,
        records_max: usize,
        batch: &mut Batch,
    ) -> Fired {
        let now_ms = self.core.now_ms;
        let (watches, counters) = (&self.core.keyspace.watches, self.core.counters);
        self.with_table(database, shard, |held, memory| {
            let unbroken = Unbroken;
            let now_ms = held.time_ms(now_ms);
            let fired = held.expire_due(shard, now_ms, records_max, batch, memory, |expiring| {
                counters.expired.increment();
                counters.lag.add(now_ms, expiring.lag_ms);
                watches.announce(Key {
                    database,
                    bytes: expiring.key,
                    hash: expiring.hash,
                });
            });
            drop(unbroken);
            fired
        })
    }

    /// Marks an access, whatever [`Locked::set_touches`] says; false when the key is not there (TOUCH).
    pub fn touch(&mut self, key: Key<'_>) -> bool {
        let touches = std::mem::replace(&mut self.touches, true);
        let is_there = self.read(key).is_some();
        self.touches = touches;
        is_there
    }

    /// Seconds since the last access, as far as 24 bits tell; None when the policy keeps frequencies instead.
    pub fn idle_seconds(&self, entry: EntryRef<'_>) -> Option<u64> {
        let Core {
            keyspace,
            touch,
            now_ms,
            ..
        } = self.core;
        if keyspace.budget.policy().bits() == Use::Frequency {
            return None;
        }
        let ticks = touch.idle_ticks(entry.policy());
        Some(keyspace.budget.clock.since_ms(ticks, *now_ms) / 1000)
    }

    /// How often the key is used, on a logarithmic scale from 0 to 255; None when the policy keeps times instead.
    pub fn frequency(&self, entry: EntryRef<'_>) -> Option<u8> {
        let is_kept = self.core.keyspace.budget.policy().bits() == Use::Frequency;
        is_kept.then(|| self.core.touch.counter(entry.policy()) as u8)
    }

    /// What an access makes of an entry's policy bits.
    pub(crate) fn touch_bits(&self) -> Touch {
        self.core.touch
    }

    /// Whether a shard may have entries that may be evicted.
    pub(crate) fn has_candidates(&self, database: u8, position: u64, is_volatile: bool) -> bool {
        let keyspace = self.core.keyspace;
        let table = keyspace.table(database, keyspace.shard(position));
        if is_volatile {
            table.deadlines() > 0
        } else {
            table.len() > 0
        }
    }

    /// Shows `look` the entries of the segment of `position` with their hashes, from the bucket of `position` on, until
    /// it says that it has seen enough; the position of the next segment. Passes a shard without candidates.
    pub(crate) fn sample(
        &mut self,
        database: u8,
        position: u64,
        is_volatile: bool,
        look: impl FnMut(u64, EntryRef<'_>) -> bool,
    ) -> u64 {
        let shard = self.core.keyspace.shard(position);
        if !self.has_candidates(database, position, is_volatile) {
            return self.next_shard(shard);
        }
        self.with_table(database, shard, |held, _| held.sample(position, look))
    }

    /// Moves what a segment of a shard has in these pages elsewhere.
    pub(crate) fn move_segment(
        &mut self,
        database: u8,
        shard: usize,
        position: u64,
        pages: &PageSet,
    ) -> MovedSegment {
        self.with_table(database, shard, |held, memory| {
            let unbroken = Unbroken;
            let moved = held.move_segment(position, pages, memory);
            drop(unbroken);
            moved
        })
    }

    /// Removes the key of this hash if `is_wanted` says so of its entry; whether it did.
    pub(crate) fn evict(
        &mut self,
        database: u8,
        hash: u64,
        is_wanted: impl FnOnce(EntryRef<'_>) -> bool,
    ) -> bool {
        let (watches, counters) = (&self.core.keyspace.watches, self.core.counters);
        let shard = self.core.keyspace.shard(hash);
        self.with_table(database, shard, |held, memory| {
            let Some(found) = held
                .find_hash(hash)
                .filter(|found| is_wanted(found.entry()))
            else {
                return false;
            };
            watches.announce(Key {
                database,
                bytes: found.entry().key(),
                hash,
            });
            let unbroken = Unbroken;
            held.remove(found, memory);
            drop(unbroken);
            counters.evicted.increment();
            true
        })
    }

    /// Sets a key to a value, whatever it was before.
    #[inline]
    pub fn set(&mut self, key: Key<'_>, value: NewValue<'_>, deadline: Deadline) {
        let touch = self.core.touch;
        let mut held = self.held(key);
        let found = held.find(key.hash, key.bytes);
        let policy = match &found {
            Some(found) => touch.overwritten(found.entry().policy()),
            None => touch.at_first(),
        };
        let deadline_ms = match (deadline, &found) {
            (Deadline::At(deadline_ms), _) => {
                held.time_ms(self.core.now_ms);
                Some(deadline_ms)
            }
            (Deadline::Keep, Some(found))
                if !found.entry().has_expired(held.time_ms(self.core.now_ms)) =>
            {
                found.entry().deadline_ms()
            }
            (Deadline::None | Deadline::Keep, _) => None,
        };
        let entry = Entry::allocate(
            key.bytes,
            value,
            deadline_ms,
            policy,
            &mut self.core.memory.borrow_mut().magazines,
        );
        self.store(&mut held, found, key, entry);
    }

    /// Puts a new entry into the table.
    #[inline]
    fn store(&mut self, held: &mut Held<'g>, found: Option<Found<'g>>, key: Key<'_>, entry: Entry) {
        self.begin_change();
        let unbroken = Unbroken;
        match found {
            Some(found) => held.replace(found, entry, &mut self.core.memory.borrow_mut()),
            None => held.insert(key.hash, entry, &mut self.core.memory.borrow_mut()),
        }
        drop(unbroken);
        self.announce(key, Change::Written);
    }

    /// Sets a key to an integer and keeps its deadline; in place when it is an integer already.
    pub fn set_integer(&mut self, key: Key<'_>, integer: i64) {
        if let Some((_, found)) = self.lookup(key)
            && found.entry().is_integer()
        {
            self.begin_change();
            found.entry().set_integer_in_place(integer);
            if self.touches {
                self.core.use_entry(&found.entry());
            }
            self.announce(key, Change::Written);
            return;
        }
        self.set(key, NewValue::Integer(integer), Deadline::Keep);
    }

    /// Changes the bytes of a string, which is empty before if the key is not there, and keeps its deadline. `change`
    /// must leave at most [`crate::limits::STRING_BYTES_MAX`]. The length after the change.
    pub fn change_string(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut StringMut<'_>),
    ) -> usize {
        let mut bytes = Vec::new();
        let mut change = Some(change);
        let mut change = |string: &mut StringMut<'_>| (change.take().expect("called once"))(string);
        if let Some((mut held, found)) = self.lookup(key) {
            self.begin_change();
            let unbroken = Unbroken;
            let is_done = held.change_large_in_place(&found, &mut change);
            drop(unbroken);
            if is_done {
                self.announce(key, Change::Written);
                return found.entry().value().string_len();
            }
            bytes.extend_from_slice(found.entry().value().string_bytes(&mut Number::new()));
        }
        change(&mut StringMut::whole(&mut bytes));
        let len = bytes.len();
        if len < LARGE_BYTES_MIN {
            self.set(key, NewValue::Composed(&bytes), Deadline::Keep);
        } else {
            let shared = SharedBytes::from(bytes);
            self.set(key, NewValue::Shared(&shared), Deadline::Keep);
        }
        len
    }

    /// Removes a key; false when it is not there.
    #[inline]
    pub fn remove(&mut self, key: Key<'_>) -> bool {
        let Some((held, found)) = self.lookup(key) else {
            return false;
        };
        self.remove_found(held, found, key, Change::Removed);
        true
    }

    /// Sets or clears a key's deadline, in milliseconds of the Unix epoch; false when the key is not there.
    pub fn set_deadline(&mut self, key: Key<'_>, deadline_ms: Option<u64>) -> bool {
        let Some((mut held, found)) = self.lookup(key) else {
            return false;
        };
        self.begin_change();
        let unbroken = Unbroken;
        let memory = &mut self.core.memory.borrow_mut();
        if !held.set_deadline_in_place(found, deadline_ms, memory) {
            let entry = found
                .entry()
                .duplicate(key.bytes, deadline_ms, &mut memory.magazines);
            held.replace(found, entry, memory);
        }
        drop(unbroken);
        self.announce(key, Change::Written);
        true
    }

    /// Copies a key's value and deadline to another key, over what is there; false when there is no such key. A large
    /// value is copied as well: each has the memory of one key.
    pub fn copy(&mut self, from: Key<'_>, to: Key<'_>) -> bool {
        self.store_from(from, to, |source, magazines| {
            source.copied(to.bytes, magazines)
        })
    }

    /// Moves a key's value and deadline to another key, over what is there; false when there is no such key.
    pub fn rename(&mut self, from: Key<'_>, to: Key<'_>) -> bool {
        let is_there = self.store_from(from, to, |source, magazines| {
            source.duplicate(to.bytes, source.deadline_ms(), magazines)
        });
        is_there && self.remove(from)
    }

    fn store_from(
        &mut self,
        from: Key<'_>,
        to: Key<'_>,
        make: impl FnOnce(EntryRef<'_>, &mut Magazines) -> Entry,
    ) -> bool {
        let Some((_, source)) = self.lookup(from) else {
            return false;
        };
        let entry = make(source.entry(), &mut self.core.memory.borrow_mut().magazines);
        let mut held = self.held(to);
        let found = held.find(to.hash, to.bytes);
        self.store(&mut held, found, to, entry);
        true
    }

    /// Starts to watch a key.
    pub fn watch(&mut self, key: Key<'_>, watcher: &Arc<Watcher>) -> WatchedKey {
        // A key whose time is up counts as gone from the start.
        self.find(key);
        let watched = WatchedKey {
            database: key.database,
            bytes: key.bytes.into(),
            hash: key.hash,
        };
        self.core
            .keyspace
            .watches
            .add(watched.clone(), Arc::clone(watcher));
        watched
    }
}

impl Keyspace {
    /// Ends a watch.
    pub fn unwatch(&self, key: &WatchedKey, watcher: &Arc<Watcher>) {
        self.watches.remove(key, watcher);
    }

    /// Keys that somebody watches, all databases together.
    pub fn watched_keys(&self) -> usize {
        self.watches.keys()
    }
}

/// Unlocks a table, after a panic too: whoever panics in the middle of a change aborts before.
struct Unlock<'t>(&'t Table);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}
