//! What each command means: the table, dispatch, sessions, handlers. No I/O, no threads, no unsafe.
//!
//! | file | what it holds |
//! |---|---|
//! | `command` | what a row of the table says |
//! | `registry` | all rows, and how one is found |
//! | `batch` | a group of requests: parsed, looked up, hashed, prefetched |
//! | `dispatch` | one request: checks, locks, handler, reply |
//! | `session`, `clients` | a connection, as its own worker and as others see it |
//! | `shared`, `stats` | what all sessions share; what the process does for commands |
//! | `testing` | runs commands in process, for unit tests |
//! | `strings`, `keys`, `connection`, `transactions`, `server` | the families of commands |

pub mod batch;
pub mod clients;
pub mod command;
mod connection;
mod context;
pub mod dispatch;
mod error;
mod keys;
pub mod limits;
mod parse;
pub mod registry;
mod server;
pub mod session;
pub mod shared;
pub mod stats;
mod strings;
#[cfg(test)]
mod testing;
mod transactions;

pub use context::Context;
pub use error::CommandError;
