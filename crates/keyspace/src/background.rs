//! The thread that frees what would take too long in the way of a command: flushed databases, many large values.
//!
//! It starts with the first of them and ends when nothing more comes, so that what the allocator keeps for a thread goes
//! with it. It is nice to the workers: while they need the processor, it gets about a tenth of what one of them gets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::entry::Owned;
use crate::removed::RemovedValues;
use crate::slab::local;
use crate::table::Tables;

/// How long the thread waits for more before it ends.
const LINGER: Duration = Duration::from_secs(1);
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What the thread frees.
pub(crate) enum Waste {
    /// The tables of a database, with all that is in them.
    Tables(Tables),
    /// Large strings, which others may still share, and large collections.
    Values(Vec<Owned>),
}

impl Waste {
    /// Frees it, and tells of each part that is gone how many bytes it was.
    pub fn free(self, removed: &RemovedValues, mut is_gone: impl FnMut(u64)) {
        match self {
            Self::Tables(tables) => tables.free(|bytes, value| {
                if let Some(value) = value {
                    free_owned(value, removed);
                }
                is_gone(bytes);
            }),
            Self::Values(values) => {
                for value in values {
                    let bytes = value.memory_bytes();
                    free_owned(value, removed);
                    is_gone(bytes);
                }
            }
        }
    }
}

fn free_owned(value: Owned, removed: &RemovedValues) {
    match value {
        Owned::Bytes(bytes) => removed.note(&bytes),
        Owned::Object(object) => drop(object),
    }
}

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Background(Arc<State>);

#[derive(Default)]
struct State {
    queue: Mutex<Queue>,
    has_come: Condvar,
    /// Bytes that wait to be freed.
    waiting: AtomicU64,
    removed: RemovedValues,
}

#[derive(Default)]
struct Queue {
    wastes: VecDeque<(Waste, u64)>,
    has_thread: bool,
    has_ended: bool,
}

impl State {
    /// Frees what comes, until nothing has come for a while.
    fn run(&self) {
        #[cfg(target_os = "linux")]
        // If it cannot be nice, it competes.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
        let mut queue = self.queue.lock();
        loop {
            if let Some((waste, bytes)) = queue.wastes.pop_front() {
                MutexGuard::unlocked(&mut queue, || self.free(waste, bytes));
                continue;
            }
            let has_waited =
                queue.has_ended || self.has_come.wait_for(&mut queue, LINGER).timed_out();
            if has_waited && queue.wastes.is_empty() {
                queue.has_thread = false;
                return;
            }
        }
    }

    /// Frees it, and takes its bytes off as they are freed.
    fn free(&self, waste: Waste, bytes: u64) {
        let mut left = bytes;
        waste.free(&self.removed, |gone| {
            let gone = gone.min(left);
            left -= gone;
            self.waiting.fetch_sub(gone, Relaxed);
        });
        self.waiting.fetch_sub(left, Relaxed);
        local::give_pages_back(usize::MAX);
    }
}

impl Background {
    /// Frees it soon, so many bytes; now, if there can be no thread.
    pub fn free(&self, waste: Waste, bytes: u64) {
        let state = &self.0;
        state.waiting.fetch_add(bytes, Relaxed);
        let mut queue = state.queue.lock();
        if !queue.has_thread {
            let thread = std::thread::Builder::new().name("free".into());
            let own = Arc::clone(state);
            if thread.spawn(move || own.run()).is_err() {
                drop(queue);
                return state.free(waste, bytes);
            }
            queue.has_thread = true;
        }
        queue.wastes.push_back((waste, bytes));
        state.has_come.notify_one();
    }

    /// Frees it now.
    pub fn free_now(&self, waste: Waste) {
        waste.free(self.removed(), |_| ());
    }

    /// Bytes that wait to be freed.
    #[inline]
    pub fn waiting_bytes(&self) -> u64 {
        self.0.waiting.load(Relaxed)
    }

    /// Large values that are gone and still shared.
    pub fn removed(&self) -> &RemovedValues {
        &self.0.removed
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.queue.lock().has_ended = true;
        self.0.has_come.notify_one();
    }
}
