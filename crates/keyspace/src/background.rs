//! The thread that frees what would take too long in the way of a command: flushed databases, many large values.
//!
//! It starts with the first of them and ends with the keyspace. It is nice to the workers: while they need the
//! processor, it gets about a tenth of what one of them gets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use crate::shared::SharedBytes;
use crate::table::Tables;

#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What the thread frees, by dropping it.
pub(crate) enum Waste {
    /// The tables of a database, with all that is in them.
    #[expect(dead_code, reason = "held for its drop")]
    Tables(Tables),
    /// Large values, which others may still share.
    #[expect(dead_code, reason = "held for its drop")]
    Large(Vec<SharedBytes>),
}

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Background {
    sender: OnceLock<Option<Sender<(Waste, u64)>>>,
    /// Bytes that wait to be freed.
    waiting: Arc<AtomicU64>,
}

impl Background {
    /// Frees it soon, so many bytes; now, if there can be no thread.
    pub fn free(&self, waste: Waste, bytes: u64) {
        let start = || start(Arc::clone(&self.waiting));
        if let Some(sender) = self.sender.get_or_init(start) {
            self.waiting.fetch_add(bytes, Relaxed);
            // Without its thread the channel gives the waste back, to be dropped here.
            if sender.send((waste, bytes)).is_err() {
                self.waiting.fetch_sub(bytes, Relaxed);
            }
        }
    }

    /// Bytes that wait to be freed.
    #[inline]
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting.load(Relaxed)
    }
}

fn start(waiting: Arc<AtomicU64>) -> Option<Sender<(Waste, u64)>> {
    let (sender, receiver) = channel::<(Waste, u64)>();
    let thread = std::thread::Builder::new().name("free".into());
    let work = move || {
        #[cfg(target_os = "linux")]
        // If it cannot be nice, it competes.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
        for (waste, bytes) in receiver {
            drop(waste);
            waiting.fetch_sub(bytes, Relaxed);
        }
    };
    thread.spawn(work).ok().map(|_| sender)
}
