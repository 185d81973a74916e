#![allow(unsafe_code)]
//! Groups of commands, the locks that one command holds, and what can be done under them.
//!
//! A mutation is announced here and nowhere else ([`Locked::announce`]). A panic while something is being changed
//! aborts the process: half a change is worse than none.

mod collections;

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub use collections::{Built, WrongKind};

use crate::ahead::{self, Ahead, Spot};
use crate::budget::Room;
use crate::entry::{Entry, EntryRef, LARGE_BYTES_MIN};
use crate::expiry::Batch;
use crate::keyspace::Keyspace;
use crate::memory::Memory;
use crate::policy::bits::{Place, Touch, Use};
use crate::policy::s3::region::Hand;
use crate::prefix::Lifetime;
use crate::prefix::counts::PrefixCounts;
use crate::prefix::index::Record;
use crate::quiescence::Exclusive;
use crate::samples::curve::CurvePoint;
use crate::samples::misses::MissReasons;
use crate::samples::{Buffer, Seen, Thresholds};
use crate::shared::{SharedBytes, StringMut};
use crate::slab::{Magazines, PageSet};
use crate::stats::Counters;
use crate::table::{Fired, Found, Gone, Held, Look, MovedSegment, PassedFields, Spotted, Table};
use crate::value::{Deadline, NewValue, Number, StringRef};
use crate::watch::{WatchedKey, Watcher};

/// Fields that a command removes from a large hash at once because their time is up. The sweep sees to the others.
const FIELDS_AT_ONCE_MAX: usize = 512;

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
    pub samples: &'w Buffer,
    /// Which keys are sampled.
    pub sampled: Thresholds,
    pub ahead: Ahead<'w>,
}

impl Core<'_> {
    /// Marks an access.
    #[inline]
    pub fn use_entry(&self, entry: &EntryRef<'_>) {
        self.use_as(entry, &self.touch);
    }

    #[inline(always)]
    fn use_as(&self, entry: &EntryRef<'_>, touch: &Touch) {
        entry.update_policy(|bits| touch.used(bits, || self.counters.hits.scrambled()));
    }

    /// Counts a key that was read and there, and marks the access if it `touches`.
    #[inline(always)]
    pub fn hit(&self, key: Key<'_>, entry: &EntryRef<'_>, touches: bool) {
        self.counters.hits.increment();
        self.sample_use(key, || {
            let deadline_ms = entry.deadline_ms();
            Seen::Hit { deadline_ms }
        });
        if let Some(prefixes) = self.counters.prefixes() {
            self.hit_in_prefix(prefixes, *entry, touches);
        } else if touches {
            self.use_entry(entry);
        }
    }

    #[inline(never)]
    fn hit_in_prefix(&self, prefixes: &PrefixCounts, entry: EntryRef<'_>, touches: bool) {
        let id = prefixes.shared.find(entry.key());
        prefixes.count_hit(id);
        if touches {
            self.use_as(&entry, &prefixes.shared.touch(id, self.touch));
        }
    }

    /// Counts a key that was read and not there.
    #[inline(always)]
    pub fn miss(&self, key: Key<'_>) {
        self.counters.misses.increment();
        self.sample_loss(key.database, key.hash, || Seen::Miss);
        if let Some(prefixes) = self.counters.prefixes() {
            prefixes.count_miss(key.bytes);
        }
    }

    /// Counts fields of a hash that go because their time is up.
    fn count_expired_fields(&self, key: Key<'_>, passed: PassedFields) {
        self.counters.expired_fields.add(passed.count as u64);
        if passed.are_all {
            self.sample_loss(key.database, key.hash, || Seen::Expired);
        }
    }

    /// What accesses make of the policy bits of a key's entry.
    #[inline]
    fn touch_of(&self, key: &[u8]) -> Touch {
        match self.counters.prefixes() {
            None => self.touch,
            Some(prefixes) => prefixes.shared.touch(prefixes.shared.find(key), self.touch),
        }
    }

    /// What the policy bits of a key's entry are used for.
    fn bits_of(&self, key: &[u8]) -> Use {
        let of_all = self.keyspace.budget.policy().bits();
        let prefixes = self.counters.prefixes();
        prefixes.map_or(of_all, |prefixes| prefixes.shared.bits_of(key, of_all))
    }

    /// The deadline of a key that is to have this one, by the rules of its prefix.
    #[inline]
    fn deadline_ms(
        &self,
        key: Key<'_>,
        deadline_ms: Option<u64>,
        lifetime: Lifetime,
    ) -> Option<u64> {
        match self.counters.prefixes() {
            None => deadline_ms,
            Some(prefixes) => {
                let (shared, now_ms) = (&prefixes.shared, self.now_ms);
                let by_rule = shared.deadline_ms(key.bytes, deadline_ms, lifetime, now_ms);
                if by_rule == deadline_ms {
                    return deadline_ms;
                }
                by_rule.map(|by_rule| self.keyspace.spread_deadline(by_rule, key, now_ms))
            }
        }
    }

    /// Whether two keys have the same prefix, or none.
    fn is_same_prefix(&self, key: Key<'_>, other: Key<'_>) -> bool {
        self.counters.prefixes().is_none_or(|prefixes| {
            prefixes.shared.find(key.bytes) == prefixes.shared.find(other.bytes)
        })
    }

    /// Milliseconds since the last access, as far as the policy bits tell.
    pub fn idle_ms(&self, entry: EntryRef<'_>) -> Option<u64> {
        let bits = entry.policy();
        Some(match self.bits_of(entry.key()) {
            Use::Stamp | Use::Count => {
                let ticks = self.touch.idle_ticks(bits);
                self.keyspace.budget.clock.since_ms(ticks, self.now_ms)
            }
            Use::Frequency => self.touch.idle_minutes_ms(bits),
        })
    }
}

impl<'w> Group<'w> {
    #[inline]
    pub(crate) fn new(
        keyspace: &'w Keyspace,
        worker: usize,
        memory: &'w RefCell<Memory>,
        samples: &'w Buffer,
        now_ms: u64,
    ) -> Self {
        keyspace.quiescence.pin(worker);
        let counters = &keyspace.counters[worker];
        counters
            .room_bytes
            .store(keyspace.room_bytes_of_all(), Relaxed);
        Self {
            core: Core {
                keyspace,
                worker,
                counters,
                memory,
                now_ms,
                touch: keyspace.budget.touch(now_ms),
                samples,
                sampled: keyspace.samples.thresholds(),
                ahead: Ahead::none(),
            },
        }
    }

    /// The keyspace.
    #[inline]
    pub fn keyspace(&self) -> &'w Keyspace {
        self.core.keyspace
    }

    /// The time of this group, in milliseconds of the Unix epoch.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.core.now_ms
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
        let counters = self.core.counters;
        let unreported = counters.unreported_bytes.load(Relaxed);
        if unreported <= counters.room_bytes.load(Relaxed) {
            Room::Enough
        } else {
            self.core.keyspace.when_short(unreported)
        }
    }

    /// Whether something may be added under a key, as far as its prefix has a limit.
    pub fn room_of(&self, key: &[u8]) -> Room {
        let Some(prefixes) = self.core.counters.prefixes() else {
            return Room::Enough;
        };
        let Some(id) = prefixes.shared.find(key) else {
            return Room::Enough;
        };
        let policy = self.core.keyspace.budget.policy();
        let unreported = prefixes.unreported_bytes(id);
        prefixes.shared.room(id, unreported, policy)
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
        self.lock_table(table)
    }

    #[inline(always)]
    fn lock_table(&mut self, table: &'w Table) -> Result<Locked<'_>, Busy> {
        if self.core.keyspace.counters.len() == 1 {
            table.lock_alone(self.core.worker);
        } else if !table.try_lock(self.core.worker) {
            return Err(Busy);
        }
        Ok(self.locked(Locks::One(table)))
    }

    /// Locks the shard of a key and sets it to a value, whatever it was before, without a deadline.
    ///
    /// # Errors
    /// [`Busy`] when another worker holds it.
    #[inline(never)]
    pub fn set(&mut self, key: Key<'_>, value: NewValue<'_>) -> Result<(), Busy> {
        let table = self.table(key.database, key.hash);
        let (keyspace, counters) = (self.core.keyspace, self.core.counters);
        // The guard is all that there is to drop.
        let mut locked = ManuallyDrop::new(self.lock_table(table)?);
        let guard = Unlock(table);
        // SAFETY: it is locked until the end of this function.
        let held = unsafe { Held::new(table, keyspace, counters, key.database) };
        locked.set_held(held, key, value, Deadline::None);
        drop(guard);
        Ok(())
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
            tells: true,
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
    /// Whether those who watch a key are told of changes.
    tells: bool,
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
    /// It has a new value.
    Written,
    /// A command removed it.
    Removed,
    /// It has another deadline, and nothing else.
    Postponed,
    /// Its time was up.
    Expired,
}

impl Change {
    fn is_loss(self) -> bool {
        match self {
            Self::Removed | Self::Expired => true,
            Self::Written | Self::Postponed => false,
        }
    }
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
        if change.is_loss() {
            let seen = || self.seen(key, change);
            self.core.sample_loss(key.database, key.hash, seen);
        } else {
            self.core.sample_use(key, || self.seen(key, change));
        }
        if self.tells {
            self.core.keyspace.watches.announce(key);
        }
    }

    /// What a change is to those who look at samples.
    #[cold]
    #[inline(never)]
    fn seen(&self, key: Key<'_>, change: Change) -> Seen {
        let held = self.held(key);
        let entry = held.find_entry(key.hash, key.bytes);
        let deadline_ms = entry.as_ref().and_then(EntryRef::deadline_ms);
        match change {
            Change::Written => Seen::Written {
                bytes: entry.map_or(0, |entry| entry.memory_bytes().unsigned_abs()),
                deadline_ms,
            },
            Change::Postponed => Seen::Deadline { deadline_ms },
            Change::Removed => Seen::Deleted,
            Change::Expired => Seen::Expired,
        }
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
                self.core.hit(key, &entry, self.touches);
                Some(entry)
            }
            found => {
                if found.is_some() {
                    // Removes it.
                    self.lookup(key);
                }
                self.core.miss(key);
                None
            }
        }
    }

    /// The entry of a key, for a command that asks about it without reading its value: counts a hit or miss and marks
    /// no access.
    pub fn inspect(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let found = self.lookup(key);
        match &found {
            Some((_, found)) => self.core.hit(key, &found.entry(), false),
            None => self.core.miss(key),
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

    /// Removes the fields of a hash whose time is up, or many of them, as the sweep would. For commands that ask whether
    /// the key has changed.
    pub fn expire_fields(&mut self, key: Key<'_>) {
        let Some((held, found)) = self.lookup(key) else {
            return;
        };
        let now_ms = held.time_ms(self.core.now_ms);
        self.expire_found_fields(held, found, key, now_ms);
    }

    fn expire_found_fields(
        &mut self,
        mut held: Held<'g>,
        found: Found<'g>,
        key: Key<'_>,
        now_ms: u64,
    ) {
        let Some(passed) = PassedFields::of(found.entry(), now_ms, FIELDS_AT_ONCE_MAX) else {
            return;
        };
        self.begin_change();
        let unbroken = Unbroken;
        held.expire_fields(found, passed, &mut self.core.memory.borrow_mut());
        drop(unbroken);
        self.core.count_expired_fields(key, passed);
        self.core.keyspace.watches.announce(key);
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
        let core = self.core;
        let (watches, counters) = (&core.keyspace.watches, core.counters);
        self.with_table(database, shard, |held, memory| {
            let unbroken = Unbroken;
            let now_ms = held.time_ms(now_ms);
            let fired = held.expire_due(shard, now_ms, records_max, batch, memory, |expiring| {
                let key = Key {
                    database,
                    bytes: expiring.key,
                    hash: expiring.hash,
                };
                match expiring.gone {
                    Gone::Key { lag_ms } => {
                        counters.expired.increment();
                        counters.lag.add(now_ms, lag_ms);
                        core.sample_loss(database, expiring.hash, || Seen::Expired);
                    }
                    Gone::Fields(passed) => core.count_expired_fields(key, passed),
                }
                watches.announce(key);
            });
            drop(unbroken);
            fired
        })
    }

    /// Why reads have found nothing, as far as is known by now.
    pub fn miss_reasons(&self) -> MissReasons {
        drop(self.core.observers());
        self.core.keyspace.miss_reasons(self.core.now_ms)
    }

    /// As [`Keyspace::reset_stats`], and what this worker has sampled until now does not count any more.
    pub fn reset_stats(&self) {
        drop(self.core.observers());
        self.core.keyspace.reset_stats();
    }

    /// What the hit ratio would be with less and with more memory, from the smallest to the largest.
    pub fn curve(&self) -> Vec<CurvePoint> {
        drop(self.core.observers());
        self.core.keyspace.curve()
    }

    pub(crate) fn forget_sampled_keys(&self) {
        self.core.observers().forget_keys();
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
        match self.core.bits_of(entry.key()) {
            Use::Stamp | Use::Count => self.core.idle_ms(entry).map(|idle_ms| idle_ms / 1000),
            Use::Frequency => None,
        }
    }

    /// How often the key is used, on a logarithmic scale from 0 to 255; None when the policy keeps times instead.
    pub fn frequency(&self, entry: EntryRef<'_>) -> Option<u8> {
        let is_kept = self.core.bits_of(entry.key()) == Use::Frequency;
        is_kept.then(|| self.core.touch.counter(entry.policy()) as u8)
    }

    /// Makes a key one that was last used so long ago, unless the policy keeps frequencies.
    pub fn set_idle_seconds(&mut self, key: Key<'_>, idle_seconds: u64) {
        let ticks = self
            .core
            .keyspace
            .budget
            .clock
            .ticks_in(idle_seconds.saturating_mul(1000), self.now_ms());
        self.change_policy(key, |touch, bits| touch.idle(bits, ticks));
    }

    /// Makes a key one that is used so often, on a logarithmic scale, unless the policy keeps times.
    pub fn set_frequency(&mut self, key: Key<'_>, frequency: u8) {
        self.change_policy(key, |touch, bits| touch.frequent(bits, frequency));
    }

    fn change_policy(&mut self, key: Key<'_>, change: impl Fn(Touch, u32) -> u32) {
        if let Some((_, found)) = self.lookup(key) {
            let touch = self.core.touch_of(key.bytes);
            found.entry().set_policy(|bits| change(touch, bits));
        }
    }

    /// What an access makes of an entry's policy bits.
    pub(crate) fn touch_bits(&self) -> Touch {
        self.core.touch
    }

    /// As [`ahead::ask_for_bucket`].
    pub(crate) fn ask_for_bucket(&self, place: Spot) {
        ahead::ask_for_bucket(self.core.keyspace, place);
    }

    /// As [`ahead::ask_for_entries`].
    pub(crate) fn ask_for_entries(&self, place: Spot) {
        ahead::ask_for_entries(self.core.keyspace, place);
    }

    /// What this worker has added and not yet reported, in bytes; below zero when it has removed more.
    pub(crate) fn added_bytes(&self) -> i64 {
        self.core.counters.unreported_bytes.load(Relaxed)
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

    /// As [`Table::spot`]. Passes a shard without candidates.
    pub(crate) fn spot(
        &self,
        database: u8,
        position: u64,
        is_volatile: bool,
        look: impl FnMut(Spotted, EntryRef<'_>),
    ) -> u64 {
        let keyspace = self.core.keyspace;
        let shard = keyspace.shard(position);
        if !self.has_candidates(database, position, is_volatile) {
            return self.next_shard(shard);
        }
        let table = keyspace.table(database, shard);
        // SAFETY: the worker is in a group.
        unsafe { table.spot(position, keyspace.shard_bits, look) }
    }

    /// The place of the bucket after this one.
    pub(crate) fn next_place(&self, Spot { database, position }: Spot) -> Spot {
        let keyspace = self.core.keyspace;
        let table = keyspace.table(database, keyspace.shard(position));
        // SAFETY: the worker is in a group.
        let position = unsafe { table.next_bucket(position, keyspace.shard_bits) };
        Spot { database, position }
    }

    /// Shows `look` the hash and the entry of a record of a prefix's index; None when the key is gone.
    pub(crate) fn look_at<R>(
        &mut self,
        record: Record,
        look: impl FnOnce(Key<'_>, EntryRef<'_>) -> R,
    ) -> Option<R> {
        let keyspace = self.core.keyspace;
        let prefixes = keyspace.prefixes.as_ref()?;
        let database = prefixes.database_at(record.database_place());
        let shard = keyspace.shard(record.position());
        if keyspace.table(database, shard).len() == 0 {
            return None;
        }
        self.with_table(database, shard, |held, _| {
            let found = held.find_record(record)?;
            let key = Key {
                database,
                bytes: found.entry().key(),
                hash: found.hash(),
            };
            Some(look(key, found.entry()))
        })
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
        let core = self.core;
        self.with_table(database, core.keyspace.shard(hash), |held, memory| {
            let found = held.find_hash(hash);
            let wanted = found.filter(|found| is_wanted(found.entry()));
            if let Some(found) = wanted {
                evict_found(core, held, found, database, memory);
            }
            wanted.is_some()
        })
    }

    /// As [`Locked::evict`], of the entry that was spotted; the key's hash if it has removed it.
    pub(crate) fn evict_spotted(
        &mut self,
        database: u8,
        spotted: Spotted,
        is_wanted: impl FnOnce(EntryRef<'_>) -> bool,
    ) -> Option<u64> {
        let core = self.core;
        let shard = core.keyspace.shard(spotted.position);
        self.with_table(database, shard, |held, memory| {
            let found = held.find_address(spotted.position, spotted.address);
            let found = found.filter(|found| is_wanted(found.entry()))?;
            let hash = found.hash();
            evict_found(core, held, found, database, memory);
            Some(hash)
        })
    }

    /// Lets the hand of a CLOCK go on through one segment at most; the hash of the key that was removed, if `look` says
    /// so of one.
    pub(crate) fn evict_at_hand(
        &mut self,
        database: u8,
        hand: &mut Hand,
        look: impl FnMut(EntryRef<'_>) -> Look,
    ) -> Option<u64> {
        let core = self.core;
        let shard = core.keyspace.shard(hand.position);
        self.with_table(database, shard, |held, memory| {
            let found = held.advance_hand(hand, look)?;
            let hash = found.hash();
            evict_found(core, held, found, database, memory);
            Some(hash)
        })
    }

    /// Sets a key to a value, whatever it was before.
    #[inline]
    pub fn set(&mut self, key: Key<'_>, value: NewValue<'_>, deadline: Deadline) {
        let held = self.held(key);
        self.set_held(held, key, value, deadline);
    }

    #[inline(always)]
    fn set_held(&mut self, held: Held<'g>, key: Key<'_>, value: NewValue<'_>, deadline: Deadline) {
        self.set_entry(held, key, deadline, |deadline_ms, policy, memory| {
            Entry::allocate(key.bytes, value, deadline_ms, policy, &mut memory.magazines)
        });
    }

    /// Sets a key to the entry that `make` makes with this deadline and these policy bits.
    #[inline(always)]
    fn set_entry(
        &mut self,
        mut held: Held<'g>,
        key: Key<'_>,
        deadline: Deadline,
        make: impl FnOnce(Option<u64>, u32, &mut Memory) -> Entry,
    ) {
        let touch = self.core.touch_of(key.bytes);
        let found = held.find(key.hash, key.bytes);
        let policy = match &found {
            Some(found) => touch.overwritten(found.entry().policy()),
            None => touch.at_first(),
        };
        let deadline_ms = match (deadline, &found) {
            (Deadline::At(deadline_ms), _) => {
                held.time_ms(self.core.now_ms);
                self.core.deadline_ms(key, Some(deadline_ms), Lifetime::New)
            }
            (Deadline::Keep, Some(found))
                if !found.entry().has_expired(held.time_ms(self.core.now_ms)) =>
            {
                found.entry().deadline_ms()
            }
            (Deadline::None | Deadline::Keep, _) => self.core.deadline_ms(key, None, Lifetime::New),
        };
        let memory = &mut *self.core.memory.borrow_mut();
        let entry = make(deadline_ms, policy, memory);
        self.store(&mut held, found.as_ref(), key, entry, memory);
    }

    /// Puts a new entry into the table.
    #[inline(always)]
    fn store(
        &mut self,
        held: &mut Held<'g>,
        found: Option<&Found<'g>>,
        key: Key<'_>,
        entry: Entry,
        memory: &mut Memory,
    ) {
        if self.core.touch.has_places() {
            self.place(found, key, &entry);
        }
        self.begin_change();
        let unbroken = Unbroken;
        match found {
            Some(found) => held.replace(found, entry, memory),
            None => held.insert(key.hash, entry, memory),
        }
        // Without a panic there is nothing to drop.
        std::mem::forget(unbroken);
        self.announce(key, Change::Written);
    }

    /// Gives an entry that is about to be stored its place under adaptive S3: that of the one before, or a new one.
    fn place(&self, found: Option<&Found<'g>>, key: Key<'_>, entry: &Entry) {
        // SAFETY: the new entry is ours until it is in the table.
        let new = unsafe { entry.as_ref() };
        let place = match found {
            Some(found) => Place::of(found.entry().policy()),
            None => self.core.keyspace.enter(key, new.deadline_ms().is_some()),
        };
        new.set_policy(|bits| place.set(bits));
    }

    /// Sets a key to an integer and keeps its deadline; in place when it is an integer already.
    pub fn set_integer(&mut self, key: Key<'_>, integer: i64) {
        if let Some((_, found)) = self.lookup(key)
            && found.entry().is_integer()
        {
            self.begin_change();
            found.entry().set_integer_in_place(integer);
            if self.touches {
                let touch = self.core.touch_of(key.bytes);
                self.core.use_as(&found.entry(), &touch);
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
        self.change_string_telling(key, |string| {
            change(string);
            true
        })
    }

    /// As [`Locked::change_string`]; `change` says whether those who watch the key are told.
    pub fn change_string_telling(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut StringMut<'_>) -> bool,
    ) -> usize {
        let tells = Cell::new(true);
        let len = self.change_string_then(key, &tells, |string| tells.set(change(string)));
        self.tells = true;
        len
    }

    /// After the change, `tells` says whether those who watch the key are told; so does `self.tells` then.
    fn change_string_then(
        &mut self,
        key: Key<'_>,
        tells: &Cell<bool>,
        change: impl FnOnce(&mut StringMut<'_>),
    ) -> usize {
        let core = self.core;
        let mut bytes = std::mem::take(&mut core.memory.borrow_mut().pack);
        bytes.clear();
        let mut change = Some(change);
        let mut change = |string: &mut StringMut<'_>| (change.take().expect("called once"))(string);
        if let Some((mut held, found)) = self.lookup(key) {
            self.begin_change();
            let unbroken = Unbroken;
            let is_done = held.change_large_in_place(&found, &mut change);
            drop(unbroken);
            if is_done {
                core.memory.borrow_mut().pack = bytes;
                self.tells = tells.get();
                self.announce(key, Change::Written);
                return found.entry().string().map_or(0, StringRef::len);
            }
            if let Some(string) = found.entry().string() {
                bytes.extend_from_slice(string.bytes(&mut Number::new()));
            }
        }
        change(&mut StringMut::whole(&mut bytes));
        self.tells = tells.get();
        let len = bytes.len();
        if len < LARGE_BYTES_MIN {
            self.set(key, NewValue::Composed(&bytes), Deadline::Keep);
            core.memory.borrow_mut().pack = bytes;
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

    /// Sets or clears a key's deadline, in milliseconds of the Unix epoch; false when the key is not there. A key whose
    /// prefix has a longest time to live has a deadline always.
    pub fn set_deadline(&mut self, key: Key<'_>, deadline_ms: Option<u64>) -> bool {
        let Some((mut held, found)) = self.lookup(key) else {
            return false;
        };
        let deadline_ms = self.core.deadline_ms(key, deadline_ms, Lifetime::Kept);
        self.begin_change();
        let unbroken = Unbroken;
        let memory = &mut self.core.memory.borrow_mut();
        if !held.set_deadline_in_place(found, deadline_ms, memory) {
            let entry = found
                .entry()
                .duplicate(key.bytes, deadline_ms, &mut memory.magazines);
            held.replace(&found, entry, memory);
        }
        drop(unbroken);
        self.announce(key, Change::Postponed);
        true
    }

    /// Copies a key's value and deadline to another key, over what is there; false when there is no such key. A large
    /// value is copied as well: each has the memory of one key.
    pub fn copy(&mut self, from: Key<'_>, to: Key<'_>) -> bool {
        self.store_from(from, to, |source, deadline_ms, magazines| {
            source.copied(to.bytes, deadline_ms, magazines)
        })
    }

    /// Moves a key's value and deadline to another key, over what is there; false when there is no such key.
    pub fn rename(&mut self, from: Key<'_>, to: Key<'_>) -> bool {
        let is_there = self.store_from(from, to, |source, deadline_ms, magazines| {
            source.duplicate(to.bytes, deadline_ms, magazines)
        });
        is_there && self.remove(from)
    }

    fn store_from(
        &mut self,
        from: Key<'_>,
        to: Key<'_>,
        make: impl FnOnce(EntryRef<'_>, Option<u64>, &mut Magazines) -> Entry,
    ) -> bool {
        let Some((_, source)) = self.lookup(from) else {
            return false;
        };
        let mut deadline_ms = source.entry().deadline_ms();
        let is_same_prefix = self.core.is_same_prefix(from, to);
        if !is_same_prefix {
            deadline_ms = self.core.deadline_ms(to, deadline_ms, Lifetime::New);
        }
        let memory = &mut *self.core.memory.borrow_mut();
        let entry = make(source.entry(), deadline_ms, &mut memory.magazines);
        if !is_same_prefix && self.core.bits_of(from.bytes) != self.core.bits_of(to.bytes) {
            let touch = self.core.touch_of(to.bytes);
            // SAFETY: it is alive, and nobody else's yet.
            unsafe { entry.as_ref() }.update_policy(|_| touch.at_first());
        }
        let mut held = self.held(to);
        let found = held.find(to.hash, to.bytes);
        self.store(&mut held, found.as_ref(), to, entry, memory);
        true
    }

    /// Starts to watch a key.
    pub fn watch(&mut self, key: Key<'_>, watcher: &Arc<Watcher>) -> WatchedKey {
        // What has expired counts as gone from the start.
        self.expire_fields(key);
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

/// Removes what is evicted.
fn evict_found<'g>(
    core: &Core<'_>,
    held: &mut Held<'g>,
    found: Found<'g>,
    database: u8,
    memory: &mut Memory,
) {
    core.keyspace.watches.announce(Key {
        database,
        bytes: found.entry().key(),
        hash: found.hash(),
    });
    if let Some(prefixes) = core.counters.prefixes() {
        prefixes.count_evicted(found.entry().key());
    }
    core.sample_loss(database, found.hash(), || {
        let idle_ms = core.idle_ms(found.entry());
        Seen::Evicted { idle_ms }
    });
    let unbroken = Unbroken;
    held.remove(found, memory);
    drop(unbroken);
    core.counters.evicted.increment();
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
