//! The project's integration tests: they run the real executable on a free port, with each of the
//! two I/O backends, and compare it with a real redis-server (7.0) where that is possible.
//!
//! - `server`, `client`, `waiting`: the harness: start and stop a server, talk to it in raw bytes, wait for something.
//! - `cases`: data-driven cases from `cases/*.txt`, the same for our server and for redis-server.
//! - `generator`, `differential`, `comparison`, `differences`: random commands answered by both.
//! - `command_table`: COMMAND INFO of every command against redis-server.
//! - `stress`, `hostile`, `lifecycle`, `clients`: concurrency, bad clients, limits, real clients.
//! - `budgets`: clients that take too much memory, here and in redis-server.
//! - `knowing`: misses by reason, and the hit ratio with other amounts of memory.
//! - `prefixes`: prefixes with limits and lifetimes of their own.
//! - `large`: large values, on their way and in memory.
//! - `hot_and_big_keys`: HOTKEYS and BIGKEYS.
//! - `runs`: pipelines of commands that are executed in runs.
//! - `tls`, `certificates`: encrypted connections, with certificates that are made for each test.
//! - `guide`: the profiles and scripts of docs/performance-tuning.md.
//!
//! Environment:
//! - `REDISTILL_LONG=1`: the long run (200,000 random commands for each backend and protocol, ...).
//! - `REDISTILL_SEED=n`: the seed of the random runs (decimal).
//! - `REDISTILL_WITHOUT_REDIS=1`: skip what needs redis-server, instead of failing.
//! - `REDISTILL_WITHOUT_IO_URING=1`: skip the io_uring backend where the kernel refuses it.
//! - `REDISTILL_BLESS=1`: write redis-server's replies into the cases that have none yet.

mod budgets;
mod cases;
mod certificates;
mod client;
mod clients;
mod command_table;
mod comparison;
mod differences;
mod differential;
mod generator;
mod grammar;
mod guide;
mod hostile;
mod hot_and_big_keys;
mod information;
mod knowing;
mod large;
mod lifecycle;
mod memory;
mod parallel;
mod prefixes;
mod random;
mod runs;
mod server;
mod stress;
mod tls;
mod waiting;
