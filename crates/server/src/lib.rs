//! The process around the keyspace: configuration, logging, workers.

pub mod config;
pub mod logging;
