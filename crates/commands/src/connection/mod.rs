//! Connections: who is there, and how it is talked to.

mod auth;
mod client;
mod client_filter;
pub(crate) mod client_kill;
pub(crate) mod client_line;
mod client_list;
mod client_name;
mod client_pause;
mod client_property;
mod hello;
mod ping;
mod reset;

use crate::command::{Command, Group, flag};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    ping::PING,
    ping::ECHO,
    auth::AUTH,
    hello::HELLO,
    reset::SELECT,
    reset::RESET,
    reset::QUIT,
    client::CLIENT,
];

/// What the rows have in common.
const CONNECTION: Command = Command {
    categories: &["connection"],
    group: Group::Connection,
    ..Command::BASE
};

/// Flags of what a client may do before it has authenticated.
const BEFORE_AUTHENTICATION: u32 =
    flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NO_AUTH | flag::ALLOW_BUSY;
