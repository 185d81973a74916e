//! The simulator of `redistill-simulate`: which policy keeps the right keys, counted in misses and without a server.
//!
//! A request is "GET, and on a miss SET a value of fixed size", so a cache is a function from a key id to hit or
//! miss. `trace`, `access_log` and `generate` make the requests, `policies` lists what can be compared, `compare` runs
//! and prints. The reference policies are written plainly and share no code with the server's, which are measured
//! against them. `live` replays over a socket against real servers; `curve` tests what the server predicts of other
//! sizes; `records` is what is printed for programs.

pub mod access_log;
pub mod belady;
pub mod compare;
pub mod curve;
pub mod eviction_pool;
pub mod exact_lru;
pub mod generate;
pub mod live;
pub mod options;
pub mod policies;
pub mod records;
pub mod redis_lfu;
pub mod redis_lru;
pub mod reference_s3;
pub mod server;
pub mod size;
pub mod slots;
pub mod trace;

/// A cache of a fixed number of entries.
pub trait Cache {
    /// A request for the key; true when it was cached. A miss stores the key, unless the policy refuses it.
    fn access(&mut self, id: u32) -> bool;
}
