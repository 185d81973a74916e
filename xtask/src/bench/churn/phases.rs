//! What is written in which phase: sizes that shift, so that memory of one kind has to become memory of another.

use std::time::Duration;

/// Keys that are written: far more than fit.
pub const KEYS: u64 = 2_000_000;
/// Of 100 writes, so many remove a key that was written lately.
pub const DELETES_PERCENT: u64 = 10;
/// Of 100 writes, so many have a deadline ...
pub const EXPIRING_PERCENT: u64 = 20;
/// ... of at most so many milliseconds.
pub const LIFETIME_MS_MAX: u64 = 20_000;

/// How much writers and slow readers step back behind the prober.
pub const NICENESS: i32 = 10;

/// One phase.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// In the table.
    pub name: &'static str,
    /// The smallest value, in bytes.
    pub value_bytes_min: u64,
    /// The largest. Each doubling between the two is as likely as the next.
    pub value_bytes_max: u64,
    /// How much is written.
    pub pace: Pace,
}

/// How much is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Nothing.
    Still,
    /// [`BYTES_PER_SECOND`], but no more than [`WRITES_PER_SECOND`].
    Churn,
    /// As much as the server takes.
    Flood,
}

/// Values and keys that all writers send in a second.
pub const BYTES_PER_SECOND: u64 = 40 << 20;
/// The most writes in a second.
pub const WRITES_PER_SECOND: u64 = 40_000;
/// How long a phase lasts.
pub const LENGTH: Duration = Duration::from_secs(20);
/// Before the first phase, and when nothing is written.
pub const STILL: Phase = phase("nothing is written", 10, 10, Pace::Still);
/// After the last one.
pub const FLOOD: Phase = phase("flood: 10 B to 200 KB, unlimited", 10, 200_000, Pace::Flood);
/// What is repeated.
pub const CYCLE: [Phase; 6] = [
    phase("10 to 60 B", 10, 60, Pace::Churn),
    phase("20 to 200 KB", 20_000, 200_000, Pace::Churn),
    phase("100 to 1,000 B", 100, 1_000, Pace::Churn),
    phase("10 B to 200 KB", 10, 200_000, Pace::Churn),
    phase("1 to 20 KB", 1_000, 20_000, Pace::Churn),
    phase("60 to 300 B", 60, 300, Pace::Churn),
];

const fn phase(
    name: &'static str,
    value_bytes_min: u64,
    value_bytes_max: u64,
    pace: Pace,
) -> Phase {
    Phase {
        name,
        value_bytes_min,
        value_bytes_max,
        pace,
    }
}
