//! The server itself.
//! TIME, ROLE, CONFIG, COMMAND, SHUTDOWN, LOLWUT.

mod command;
mod config;
mod info;
mod memory;
mod process;

use crate::command::{Command, flag};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    info::INFO,
    config::CONFIG,
    command::COMMAND,
    memory::MEMORY,
    process::TIME,
    process::ROLE,
    process::SHUTDOWN,
    process::LOLWUT,
];

/// For commands that do not depend on the data.
const ANYTIME: u32 = flag::LOADING | flag::STALE;
