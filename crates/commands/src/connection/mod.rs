//! Connections.

use resp::Args;

use crate::command::{Command, Group, flag};
use crate::context::Context;
use crate::error::CommandError;

/// The family's rows.
pub const COMMANDS: &[Command] = &[Command {
    name: "ping",
    arity: -1,
    flags: flag::FAST,
    group: Group::Connection,
    categories: &["connection"],
    since: "1.0.0",
    summary: "Returns the server's liveliness response",
    syntax: "[message]",
    run: ping,
    ..Command::BASE
}];

fn ping(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(args.get(1)),
        _ => return Err(context.wrong_arity()),
    }
    Ok(())
}
