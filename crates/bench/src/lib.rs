//! The load generator behind `redistill-benchmark`, as a library so that other tools and tests can run it.
//!
//! It has to be much cheaper than the server that it measures, so the path of a request is short: `encode` patches
//! key digits into requests that were encoded once, `worker` sends a pipeline with one write and reads replies of
//! many nonblocking sockets into one buffer, `replies` checks them without allocating, and latency is recorded once
//! for each part of a pipeline that arrived. `run` starts the threads and adds up; `report` prints.

pub mod burst;
pub mod connection;
pub mod cpu;
pub mod encode;
pub mod keys;
pub mod options;
pub mod pauses;
pub mod replies;
pub mod report;
pub mod run;
pub mod simulate;
pub mod timer;
pub mod tls;
pub mod worker;
pub mod workload;
pub mod zipf;
