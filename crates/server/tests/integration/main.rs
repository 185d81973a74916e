//! The project's integration tests: they run the real executable on a free port, with each of the
//! two I/O backends, and compare it with a real redis-server (7.0) where that is possible.
//!
//! - `server`, `client`, `waiting`: the harness: start and stop a server, talk to it in raw bytes, wait for something.
//! - `cases`: data-driven cases from `cases/*.txt`, the same for our server and for redis-server.
//! - `generator`, `placeholders`, `differential`, `comparison`, `drawn`, `differences`: random commands answered by both.
//! - `command_table`: COMMAND INFO of every command against redis-server.
//! - `stress`, `hostile`, `lifecycle`, `clients`: concurrency, bad clients, limits, real clients.
//! - `access`: passwords, users, protected mode, commands that are taken away.
//! - `acl_oracle`: random rules and requests, judged as redis-server judges them.
//! - `budgets`: clients that take too much memory, here and in redis-server.
//! - `knowing`: misses by reason, and the hit ratio with other amounts of memory.
//! - `prefixes`: prefixes with limits and lifetimes of their own.
//! - `large`: large values, on their way and in memory.
//! - `hot_and_big_keys`: HOTKEYS and BIGKEYS.
//! - `http`, `metrics`, `dashboard`: what is told over HTTP (`http_client`, `metrics_text`: the client, the parser).
//! - `monitoring`: the dashboard of Grafana and the alerts of Prometheus name metrics that exist.
//! - `monitoring_programs`: what redis_exporter, RedisInsight, Datadog and redis-cli ask and read.
//! - `observing`: MONITOR, logs, what a service manager is told.
//! - `runs`: pipelines of commands that are executed in runs.
//! - `watching`: what WATCH hears of every command on every type.
//! - `tls`, `certificates`: encrypted connections, with certificates that are made for each test.
//! - `guide`: the profiles and scripts of docs/performance-tuning.md.
//!
//! Environment:
//! - `REDISTILL_LONG=1`: the long run (300,000 random commands for each backend and protocol, ...).
//! - `REDISTILL_SEED=n`: the seed of the random runs (decimal).
//! - `REDISTILL_WITHOUT_REDIS=1`: skip what needs redis-server, instead of failing.
//! - `REDISTILL_WITHOUT_IO_URING=1`: skip the io_uring backend where the kernel refuses it.
//! - `REDISTILL_BLESS=1`: write redis-server's replies into the cases that have none yet.

mod access;
mod acl_oracle;
mod budgets;
mod cases;
mod certificates;
mod client;
mod clients;
mod command_table;
mod comparison;
mod dashboard;
mod differences;
mod differential;
mod drawn;
mod dump;
mod fields;
mod generator;
mod grammar;
mod guide;
mod hostile;
mod hot_and_big_keys;
mod http;
mod http_client;
mod information;
mod knowing;
mod large;
mod large_collections;
mod lifecycle;
mod memory;
mod metrics;
mod metrics_text;
mod monitoring;
mod monitoring_programs;
mod observing;
mod parallel;
mod placeholders;
mod prefixes;
mod random;
mod runs;
mod server;
mod settings;
mod stress;
mod tls;
mod waiting;
mod watching;
