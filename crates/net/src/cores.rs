//! How many cores this process may use: the machine's, less what affinity and control groups take away.

use std::num::NonZeroUsize;

/// The number of workers that can run at the same time, at least 1.
///
/// The standard library's answer is the right one: it counts affinity and, on Linux, the quotas of control groups of
/// both versions, rounded down, so that workers are not throttled.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::available_cores;

    #[test]
    fn there_is_a_core() {
        assert!(available_cores() >= 1);
    }
}
