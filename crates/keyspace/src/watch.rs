//! WATCH: who wants to know that a key has changed.
//!
//! A mutation pays for watching only when somebody watches: first one counter for all keys, then one of 1,024 counters
//! chosen by the key's hash, and only then a look into the registry.

use std::array::from_fn;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

use parking_lot::Mutex;

use crate::access::Key;

const FILTERS: usize = 1024;
const STRIPES: usize = 64;

/// One client's WATCH: becomes dirty when a watched key changes, and stays so.
#[derive(Debug, Default)]
pub struct Watcher {
    dirty: AtomicBool,
}

impl Watcher {
    /// Whether a watched key has changed.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(SeqCst)
    }

    fn mark(&self) {
        self.dirty.store(true, SeqCst);
    }
}

/// A key that is being watched; needed again to end the watch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatchedKey {
    /// The database.
    pub database: u8,
    /// The key.
    pub bytes: Box<[u8]>,
    /// The key's hash.
    pub hash: u64,
}

impl WatchedKey {
    /// The key as operations take it.
    pub fn as_key(&self) -> Key<'_> {
        Key {
            database: self.database,
            bytes: &self.bytes,
            hash: self.hash,
        }
    }
}

type Stripe = Mutex<HashMap<WatchedKey, Vec<Arc<Watcher>>>>;

/// All watches.
#[repr(align(128))]
pub(crate) struct Watches {
    total: AtomicU32,
    filters: Box<[AtomicU32; FILTERS]>,
    stripes: [Stripe; STRIPES],
}

impl Watches {
    pub fn new() -> Self {
        Self {
            total: AtomicU32::new(0),
            filters: Box::new(from_fn(|_| AtomicU32::new(0))),
            stripes: from_fn(|_| Stripe::default()),
        }
    }

    fn filter(&self, hash: u64) -> &AtomicU32 {
        &self.filters[(hash >> 8) as usize % FILTERS]
    }

    fn stripe(&self, hash: u64) -> &Stripe {
        &self.stripes[(hash >> 18) as usize % STRIPES]
    }

    /// Starts a watch. Under the shard's lock of the key, so that the next holder sees it.
    pub fn add(&self, key: WatchedKey, watcher: Arc<Watcher>) {
        self.total.fetch_add(1, SeqCst);
        self.filter(key.hash).fetch_add(1, SeqCst);
        self.stripe(key.hash)
            .lock()
            .entry(key)
            .or_default()
            .push(watcher);
    }

    /// Ends a watch. Needs no lock.
    pub fn remove(&self, key: &WatchedKey, watcher: &Arc<Watcher>) {
        let mut stripe = self.stripe(key.hash).lock();
        let Some(watchers) = stripe.get_mut(key) else {
            return;
        };
        let Some(at) = watchers
            .iter()
            .position(|other| Arc::ptr_eq(other, watcher))
        else {
            return;
        };
        watchers.swap_remove(at);
        if watchers.is_empty() {
            stripe.remove(key);
        }
        self.filter(key.hash).fetch_sub(1, SeqCst);
        self.total.fetch_sub(1, SeqCst);
    }

    /// Keys that somebody watches.
    pub fn keys(&self) -> usize {
        if self.total.load(Relaxed) == 0 {
            return 0;
        }
        self.stripes.iter().map(|stripe| stripe.lock().len()).sum()
    }

    /// Marks those who watch `key`. Under the shard's lock of the key.
    #[inline]
    pub fn announce(&self, key: Key<'_>) {
        if self.total.load(Relaxed) != 0 && self.filter(key.hash).load(Relaxed) != 0 {
            self.announce_to_watchers(key);
        }
    }

    #[cold]
    fn announce_to_watchers(&self, key: Key<'_>) {
        let stripe = self.stripe(key.hash).lock();
        let watched = WatchedKey {
            database: key.database,
            bytes: key.bytes.into(),
            hash: key.hash,
        };
        for watcher in stripe.get(&watched).into_iter().flatten() {
            watcher.mark();
        }
    }

    /// Marks those who watch a key for which `has_changed`. While the keyspace is locked as a whole.
    pub fn announce_if(&self, has_changed: impl Fn(&WatchedKey) -> bool) {
        if self.total.load(SeqCst) == 0 {
            return;
        }
        for stripe in &self.stripes {
            let stripe = stripe.lock();
            let changed = stripe.iter().filter(|(key, _)| has_changed(key));
            changed
                .flat_map(|(_, watchers)| watchers)
                .for_each(|watcher| watcher.mark());
        }
    }
}
