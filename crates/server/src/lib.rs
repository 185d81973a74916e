//! The process around the keyspace: configuration, logging, workers.
//!
//! - `access`: who may use the server: users, the ACL file, protected mode.
//! - `config`, `logging`: settings and the log.
//! - `serve`: the start and the end: listeners, workers, signals.
//! - `worker`, `turn`, `connection`: a worker thread, its execution, its connections.
//! - `watchers`: connections that watch all commands.
//! - `clients_memory`: what connections take, and what becomes of those that take too much.
//! - `service_manager`: what systemd is told.
//! - `http`: health, metrics and the dashboard.
//! - `tls`: encrypted connections.
//! - `process`, `clock`, `memory`, `available_memory`: what the workers share: admission, mailboxes, time, counters.

mod access;
mod available_memory;
mod clients_memory;
mod clock;
pub mod config;
mod connection;
pub mod http;
mod limit;
pub mod logging;
mod memory;
mod process;
pub mod serve;
mod service_manager;
mod tls;
mod turn;
mod watchers;
mod worker;
