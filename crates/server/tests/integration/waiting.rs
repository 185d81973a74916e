//! Waiting for what comes soon.

use std::thread;
use std::time::{Duration, Instant};

/// Tries again until it holds.
///
/// # Panics
/// When it takes longer than `patience`.
#[track_caller]
pub fn until(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < patience, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}
