//! What each command means: the table, dispatch, sessions, handlers. No I/O, no threads, no unsafe.
//!
//! | file | what it holds |
//! |---|---|
//! | `command` | what a row of the table says |
//! | `registry` | all rows, and how one is found |
//! | `batch` | a group of requests: parsed, looked up, hashed, prefetched |
//! | `dispatch` | one request: checks, locks, handler, reply |
//! | `reads`, `stores` | runs of requests that read one key each, or store one |
//! | `session`, `clients` | a connection, as its own worker and as others see it |
//! | `shared`, `stats`, `wakes` | what all sessions share; what the process does for commands |
//! | `acl` | users, and what they may do |
//! | `categories` | the categories of commands |
//! | `documentation` | docs/commands.md |
//! | `help` | HELP of containers |
//! | `insight` | what is noted of commands while they run: their times, slow and large ones, who watches |
//! | `jitter` | deadlines that are spread |
//! | `glob` | patterns of keys and names |
//! | `testing` | runs commands in process, for unit tests |
//! | `strings`, `keys`, `connection`, `transactions`, `server` | the families of commands |

pub mod acl;
pub mod batch;
mod bitmaps;
mod categories;
pub mod clients;
pub mod command;
mod connection;
mod context;
pub mod dispatch;
mod documentation;
mod error;
mod geo;
pub mod glob;
mod hashes;
mod heads;
mod help;
mod hyperloglog;
pub mod insight;
mod jitter;
mod keys;
pub mod limits;
mod lists;
mod parse;
pub mod rdb;
mod reads;
pub mod registry;
mod room;
mod server;
pub mod session;
mod sets;
pub mod shared;
mod singles;
mod sorted_sets;
pub mod stats;
mod stores;
mod strings;
#[cfg(test)]
mod testing;
mod transactions;
mod unfinished;
pub mod wakes;

pub use context::Context;
pub use documentation::documentation;
pub use error::CommandError;
pub use server::memory::{Owner as MemoryOwner, Usage as MemoryUsage, owners as memory_owners};

/// The level of Redis that clients may count on, as INFO and HELLO name it.
pub const REDIS_VERSION: &str = "7.4.0";
