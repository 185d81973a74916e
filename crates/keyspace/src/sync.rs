//! The atomics and locks of the protocols that need no lock to be read: the real ones, or loom's for `models`, which
//! are built with `--cfg loom`.
//!
//! Only `quiescence`, `table/lock` and `table/version` take theirs from here. The rest of the crate compiles under
//! loom with the real ones and is not run there: tables are zeroed memory, which is no valid atomic of loom.

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::{MutexGuard, atomic},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::{hint::spin_loop, sync::atomic, thread::yield_now};

/// Loom's mutex, which can be poisoned as that of std, in the form of the real one.
#[cfg(loom)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(loom)]
impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("a panic ends the model")
    }
}
