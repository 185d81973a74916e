//! HELP of containers: written from the rows of their subcommands.

use resp::{Args, ReplyWriter};

use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::registry::registry;

/// The row of a container's HELP, but for its group, its categories and its first version.
pub const HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: flag::LOADING | flag::STALE,
    summary: "Returns helpful text about the different subcommands",
    run: help,
    ..Command::BASE
};

fn help(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let container = context.command.split('|').next().unwrap_or_default();
    let rows = registry()
        .find(container.as_bytes())
        .map_or(&[][..], |registered| registered.command.subcommands);
    let lines = rows
        .iter()
        .filter(|row| row.name != "help")
        .map(|row| (row.name, row.syntax, row.summary));
    write_help(&mut context.reply, container, lines);
    Ok(())
}

/// Answers HELP: each subcommand's name, arguments and summary.
pub fn write_help<'l>(
    reply: &mut ReplyWriter<'_>,
    container: &str,
    subcommands: impl Iterator<Item = (&'l str, &'l str, &'l str)>,
) {
    let container = container.to_uppercase();
    let array = reply.begin_array();
    reply.simple(&format!(
        "{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    let mut len = 3;
    for (name, syntax, summary) in subcommands {
        let line = format!("{} {syntax}", name.to_uppercase());
        reply.simple(line.trim_end());
        reply.simple(&format!("    {summary}."));
        len += 2;
    }
    reply.simple("HELP");
    reply.simple("    Prints this help.");
    reply.end_array(array, len);
}
