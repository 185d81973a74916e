//! COMMAND DOCS.

use resp::{Args, ReplyWriter};

use super::find;
use crate::context::Context;
use crate::error::CommandError;
use crate::registry::{Registered, registry};

/// COMMAND DOCS. Names that are not known are left out.
pub fn docs(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let names = args.tail(2);
    let commands: Vec<&Registered> = if names.is_empty() {
        registry().commands().collect()
    } else {
        names.iter().filter_map(find).collect()
    };
    write_docs(&mut context.reply, &commands);
    Ok(())
}

fn write_docs(reply: &mut ReplyWriter<'_>, commands: &[&Registered]) {
    reply.map(commands.len());
    for registered in commands {
        reply.bulk(registered.full_name.as_bytes());
        write_one(reply, registered);
    }
}

fn write_one(reply: &mut ReplyWriter<'_>, registered: &Registered) {
    let command = registered.command;
    let subcommands: Vec<&Registered> = registry().subcommands(registered).iter().collect();
    let map = reply.begin_array();
    let texts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group.name()),
        ("complexity", command.complexity),
    ];
    let mut pairs = texts.len();
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        write_docs(reply, &subcommands);
        pairs += 1;
    }
    reply.end_map(map, pairs);
}
