//! docs/commands.md: the table of commands for people.

use std::fmt::Write;

use crate::REDIS_VERSION;
use crate::command::Group;
use crate::registry::{Registered, registry};

const INTRODUCTION: &str = "<!-- Generated from the table of commands by `cargo xtask docs`. Do not edit. -->
# Commands

Every command that this server knows, with all of its options. A command that is not listed here answers
`ERR unknown command`. \"Since\" is the version of Redis, or of Valkey where Redis does not have it, that was the first
to have the command; options may be newer. Clients that ask are told that they talk to Redis ";

/// The page, in Markdown.
pub fn documentation() -> String {
    let mut text = format!("{INTRODUCTION}{REDIS_VERSION}.\n");
    for group in Group::ALL {
        text += &format!("\n## {}\n\n", title(group));
        text += "| Command | Since | Time | What it does |\n|---|---|---|---|\n";
        let commands = registry()
            .commands()
            .filter(|registered| registered.command.group == group);
        for registered in commands {
            write_command(&mut text, registered);
        }
    }
    text
}

fn title(group: Group) -> &'static str {
    match group {
        Group::String => "Strings",
        Group::Hash => "Hashes",
        Group::List => "Lists",
        Group::Set => "Sets",
        Group::SortedSet => "Sorted sets",
        Group::Bitmap => "Bitmaps",
        Group::HyperLogLog => "HyperLogLog",
        Group::Geo => "Positions",
        Group::Generic => "Keys",
        Group::Connection => "Connections",
        Group::Transactions => "Transactions",
        Group::Server => "Server",
    }
}

/// A command and its subcommands. A container that does nothing by itself has no line of its own.
fn write_command(text: &mut String, registered: &Registered) {
    if !registered.is_container() || registered.command.takes(1) {
        write_row(text, registered);
    }
    for subcommand in registry().subcommands(registered) {
        write_row(text, subcommand);
    }
}

fn write_row(text: &mut String, registered: &Registered) {
    let command = registered.command;
    let name = registered.full_name.to_uppercase().replace('|', " ");
    let usage = format!("{name} {}", command.syntax);
    // A string takes everything.
    let _ = writeln!(
        text,
        "| `{}` | {} | {} | {} |",
        cell(usage.trim_end()),
        command.since,
        cell(command.complexity),
        cell(command.summary)
    );
}

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::documentation;
    use crate::registry::registry;

    #[test]
    fn every_command_has_a_line() {
        let text = documentation();
        for registered in registry().all() {
            if registered.is_container() && !registered.command.takes(1) {
                continue;
            }
            let name = registered.full_name.to_uppercase().replace('|', " ");
            let row = [' ', '`'].map(|end| text.contains(&format!("\n| `{name}{end}")));
            assert!(row.contains(&true), "{name}");
        }
    }
}
