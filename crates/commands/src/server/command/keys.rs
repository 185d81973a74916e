//! COMMAND GETKEYS and GETKEYSANDFLAGS.

use resp::Args;

use super::info::write_flags;
use crate::acl::keys::flags_for;
use crate::command::{Command, Find, KeySpec, key_flag};
use crate::context::Context;
use crate::dispatch::resolve;
use crate::error::CommandError;

/// COMMAND GETKEYS.
pub fn keys(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = keys_of(args.tail(2))?;
    context.reply.array(keys.len());
    keys.iter().for_each(|(key, _)| context.reply.bulk(key));
    Ok(())
}

/// COMMAND GETKEYSANDFLAGS.
pub fn keys_and_flags(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = keys_of(args.tail(2))?;
    context.reply.array(keys.len());
    for (key, flags) in keys {
        context.reply.array(2);
        context.reply.bulk(key);
        write_flags(&mut context.reply, flags, key_flag::NAMES);
    }
    Ok(())
}

/// The keys of a whole request, with the flags of what is done with each.
fn keys_of(args: Args<'_>) -> Result<Vec<(&[u8], u32)>, CommandError> {
    let command = find(args).ok_or(CommandError::line("ERR Invalid command specified"))?;
    if command.keys.is_empty() {
        return Err(CommandError::line("ERR The command has no key arguments"));
    }
    if !command.takes(args.len()) {
        return Err(CommandError::line(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let mut keys = Vec::new();
    for spec in command.keys {
        if !is_whole(spec, args) {
            return Err(CommandError::line(
                "ERR Invalid arguments specified for command",
            ));
        }
        let flags = flags_for(command, spec, args);
        spec.for_each_place(args, |place| keys.push((args.get(place), flags)));
    }
    Ok(keys)
}

fn find(args: Args<'_>) -> Option<&'static Command> {
    let registered = resolve(args)?;
    // What is left of a container is its name with a subcommand that does not exist.
    let is_unknown = registered.is_container() && args.len() > 1;
    (!is_unknown).then_some(registered.command)
}

/// Whether all keys that a spec speaks of are there.
fn is_whole(spec: &KeySpec, args: Args<'_>) -> bool {
    match spec.find {
        Find::Range { .. } => spec.begin < args.len(),
        Find::Derived | Find::Stored | Find::Keyword { .. } => true,
        Find::Counted { step } => {
            let count = args.try_get(spec.begin).and_then(resp::parse_integer);
            let count = count.and_then(|count| usize::try_from(count).ok());
            count.is_some_and(|count| {
                let fit = args.len().saturating_sub(spec.begin + 1).div_ceil(step);
                (1..=fit).contains(&count)
            })
        }
    }
}
