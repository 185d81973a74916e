//! Large values that are in no entry any more, but that replies are still sent from: whose memory they are.
//!
//! An entry's memory is the keyspace's. When it goes while others share its value, the value is noted here until the
//! last of them has let go of it. A worker charges those that its slow clients hold to one of them each.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::keyspace::Keyspace;
use crate::shared::SharedBytes;

/// What has been removed and is still shared, by the address of its first byte.
#[derive(Default)]
pub(crate) struct RemovedValues(Mutex<BTreeMap<usize, Removed>>);

struct Removed {
    buffer: Weak<Vec<u8>>,
    /// The address behind its last byte.
    end: usize,
    memory_bytes: u64,
    /// The worker that has charged it to one of its clients.
    charged_by: Option<usize>,
}

impl RemovedValues {
    /// Notes the value of an entry that is gone, of which the caller lets go next, if somebody else shares it.
    pub fn note(&self, value: &SharedBytes) {
        if Arc::strong_count(value.buffer()) == 1 {
            return;
        }
        let range = value.as_ref().as_ptr_range();
        let removed = Removed {
            buffer: Arc::downgrade(value.buffer()),
            end: range.end.addr(),
            memory_bytes: value.memory_bytes(),
            charged_by: None,
        };
        self.0.lock().insert(range.start.addr(), removed);
    }
}

impl Keyspace {
    /// Forgets what a worker has charged, to charge anew.
    pub fn begin_charging_removed(&self, worker: usize) {
        let mut values = self.background.removed().0.lock();
        values.retain(|_, removed| removed.buffer.strong_count() > 0);
        for removed in values.values_mut() {
            removed.charged_by.take_if(|by| *by == worker);
        }
    }

    /// The memory of the large value that has this address in it, if it is in no entry any more and has not been charged
    /// to another client; it counts as charged then. Else 0.
    pub fn charge_removed(&self, worker: usize, address: usize) -> u64 {
        let mut values = self.background.removed().0.lock();
        let Some((_, removed)) = values.range_mut(..=address).next_back() else {
            return 0;
        };
        let is_free = removed.charged_by.is_none() && removed.buffer.strong_count() > 0;
        if address >= removed.end || !is_free {
            return 0;
        }
        removed.charged_by = Some(worker);
        removed.memory_bytes
    }

    /// Memory of large values that are in no entry any more, and are charged to no client.
    pub fn uncharged_removed_bytes(&self) -> u64 {
        let values = self.background.removed().0.lock();
        let uncharged = values
            .values()
            .filter(|removed| removed.charged_by.is_none() && removed.buffer.strong_count() > 0);
        uncharged.map(|removed| removed.memory_bytes).sum()
    }
}
