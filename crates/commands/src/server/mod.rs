//! The server itself.
//!
//! | file | what it holds |
//! |---|---|
//! | `info` | INFO: its sections and fields |
//! | `config` | CONFIG |
//! | `command` | COMMAND: what the table of commands says |
//! | `cache` | CACHE: what is known of how well the cache does |
//! | `memory` | MEMORY, and what the memory is used for |
//! | `hot_keys` | HOTKEYS: what commands name most often |
//! | `big_keys` | BIGKEYS: what takes the most memory |
//! | `listed_keys` | what the two have in common |
//! | `command_log` | SLOWLOG, COMMANDLOG: commands that were slow or large |
//! | `latency` | LATENCY: how long commands take, what held workers up |
//! | `monitor` | MONITOR: every command as it is executed |
//! | `absent` | CLUSTER, MODULE: what this server does not have |
//! | `debug` | DEBUG: what test suites need |
//! | `process` | TIME, ROLE, SHUTDOWN, LOLWUT |

mod absent;
mod big_keys;
mod cache;
mod command;
mod command_log;
mod config;
mod debug;
mod hot_keys;
mod info;
mod latency;
mod listed_keys;
pub(crate) mod memory;
mod monitor;
mod process;

pub(crate) use self::process::wall_clock_us;
use crate::command::{Command, flag};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    info::INFO,
    config::CONFIG,
    command::COMMAND,
    memory::MEMORY,
    hot_keys::HOTKEYS,
    big_keys::BIGKEYS,
    cache::CACHE,
    command_log::SLOWLOG,
    command_log::COMMANDLOG,
    latency::LATENCY,
    absent::CLUSTER,
    absent::MODULE,
    monitor::MONITOR,
    debug::DEBUG,
    process::TIME,
    process::ROLE,
    process::SHUTDOWN,
    process::LOLWUT,
];

/// For commands that do not depend on the data.
const ANYTIME: u32 = flag::LOADING | flag::STALE;
