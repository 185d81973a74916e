//! COMMAND DOCS.

use resp::{Args, ReplyWriter};

use super::find;
use super::syntax::{Argument, Kind, arguments};
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
    let first = 1 + registered.full_name.matches('|').count();
    let arguments = arguments(command, first);
    if subcommands.is_empty() && !arguments.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(reply, &arguments);
        pairs += 1;
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        write_docs(reply, &subcommands);
        pairs += 1;
    }
    reply.end_map(map, pairs);
}

fn write_arguments(reply: &mut ReplyWriter<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        write_argument(reply, argument);
    }
}

fn write_argument(reply: &mut ReplyWriter<'_>, argument: &Argument) {
    let map = reply.begin_array();
    let mut texts = vec![
        ("name", argument.name.as_str()),
        ("type", argument.kind.name()),
    ];
    texts.extend(argument.token.as_deref().map(|token| ("token", token)));
    let mut pairs = texts.len();
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if let Kind::Key(spec) = argument.kind {
        reply.bulk(b"key_spec_index");
        reply.integer(spec as i64);
        pairs += 1;
    }
    let flags = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let set = || flags.iter().filter(|(is_set, _)| *is_set);
    if set().count() > 0 {
        reply.bulk(b"flags");
        reply.set(set().count());
        set().for_each(|(_, flag)| reply.simple(flag));
        pairs += 1;
    }
    if !argument.arguments.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(reply, &argument.arguments);
        pairs += 1;
    }
    reply.end_map(map, pairs);
}
