//! The process around the keyspace: configuration, logging, workers.
//!
//! - `config`, `logging`: settings and the log.
//! - `serve`: the start and the end: listeners, workers, signals.
//! - `worker`, `turn`, `connection`: a worker thread, its execution, its connections.
//! - `clients_memory`: what connections take, and what becomes of those that take too much.
//! - `tls`: encrypted connections.
//! - `process`, `clock`, `memory`, `available_memory`: what the workers share: admission, mailboxes, time, counters.

mod available_memory;
mod clients_memory;
mod clock;
pub mod config;
mod connection;
mod limit;
pub mod logging;
mod memory;
mod process;
pub mod serve;
mod tls;
mod turn;
mod worker;
