//! Limits of commands. Those of requests are in `resp`, those of keys and values in `keyspace`.

/// The longest reply of one command, in bytes; checked while it is built.
pub const REPLY_BYTES_MAX: usize = 512 << 20;
/// The most commands that are executed as one group.
pub const GROUP_COMMANDS_MAX: usize = 64;
/// The most bytes of commands that MULTI queues for one connection, as Redis's default query buffer limit.
pub const QUEUED_BYTES_MAX: usize = 1 << 30;
/// The most bytes that Redis's table for LCS may have, at 4 bytes for each pair of bytes of the two strings, as with
/// its default `proto-max-bulk-len`. Ours takes a 32nd of that.
pub const LCS_TABLE_BYTES_MAX: usize = 512 << 20;
/// The most keys that DEBUG POPULATE creates at once: it locks their shards before.
pub const POPULATE_KEYS_MAX: u64 = 10_000_000;
/// The most keys that are prefetched for one group: as many as the first levels of the cache hold with their entries.
pub const GROUP_KEYS_MAX: usize = 512;

/// The first bytes of replies that wait for a client, which Redis has in a buffer of fixed size: limits of what may wait
/// for a client do not count them, and CLIENT LIST shows them apart.
pub const FIRST_REPLY_BYTES: u64 = 16 << 10;
/// Values and parts of values from this size on are sent from where they are instead of being copied into the reply, in
/// bytes.
pub const SHARED_BYTES_MIN: usize = 16 << 10;

/// Wrong passwords from one address before the next attempt from there has to wait.
pub const FAILURES_FREE_MAX: u32 = 10;
/// How long the first attempt waits that has to, in milliseconds; each further one waits twice as long, ...
pub const FAILURE_DELAY_MS: u64 = 100;
/// ... but no longer than this, where the settings do not say otherwise.
pub const FAILURE_DELAY_MS_MAX: u64 = 5_000;
/// An address from which no wrong password came for so long begins anew, in milliseconds.
pub const FAILURES_FORGOTTEN_MS: u64 = 60_000;
/// The addresses that are remembered for their wrong passwords.
pub const FAILED_ADDRESSES_MAX: usize = 1024;
