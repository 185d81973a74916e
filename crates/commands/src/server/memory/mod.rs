//! MEMORY: keys, the allocator, and what the memory is used for.

mod doctor;
mod owners;
mod stats;
mod usage;

pub use self::owners::{Owner, owners};
pub use self::usage::{Usage, excess, ratio};

use resp::Args;

use crate::command::{Command, KeySpec, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::parse::{integer, is};

const ALL_SHARDS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

pub const MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    summary: "A container for memory diagnostics commands",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "usage",
            arity: -3,
            flags: flag::READONLY,
            keys: &[KeySpec::one(2, key_flag::RO)],
            since: "4.0.0",
            summary: "Returns the bytes of memory that a key and its value take",
            syntax: "key [SAMPLES count]",
            run: usage,
            ..Command::BASE
        },
        Command {
            name: "stats",
            arity: 2,
            tips: ALL_SHARDS,
            since: "4.0.0",
            summary: "Returns what the memory is used for",
            run: stats::stats,
            ..Command::BASE
        },
        Command {
            name: "purge",
            arity: 2,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            since: "4.0.0",
            summary: "Gives memory that is not used back to the system",
            complexity: "Depends on how much memory is allocated, could be slow",
            run: purge,
            ..Command::BASE
        },
        Command {
            name: "doctor",
            arity: 2,
            tips: ALL_SHARDS,
            since: "4.0.0",
            summary: "Returns what is unusual about the use of memory",
            run: doctor::doctor,
            ..Command::BASE
        },
        Command {
            name: "malloc-stats",
            arity: 2,
            tips: ALL_SHARDS,
            since: "4.0.0",
            summary: "Returns the statistics of the memory allocator",
            complexity: "Depends on how much memory is allocated, could be slow",
            run: malloc_stats,
            ..Command::BASE
        },
        Command {
            since: "4.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

/// A table's slot: the address of an entry and a part of its key's hash.
const SLOT_BYTES: i64 = 8;

fn usage(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    check_samples(args.tail(3))?;
    let key = context.key(args, 2);
    match context.keys.find(key) {
        Some(entry) => {
            let bytes = entry.memory_bytes() + SLOT_BYTES;
            context.reply.integer(bytes);
        }
        None => context.reply.null(),
    }
    Ok(())
}

/// Checks the options. Every value is counted whole, however many samples are asked for.
fn check_samples(mut options: Args<'_>) -> Result<(), CommandError> {
    while let Some(option) = options.try_get(0) {
        let Some(samples) = options.try_get(1).filter(|_| is(option, "samples")) else {
            return Err(CommandError::Syntax);
        };
        if integer(samples)? < 0 {
            return Err(CommandError::Syntax);
        }
        options = options.tail(2);
    }
    Ok(())
}

fn purge(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.shared.process.purge_memory();
    context.reply.ok();
    Ok(())
}

fn malloc_stats(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let facts = context.shared.process.facts();
    let text = format!(
        "allocated: {}\nactive: {}\nresident: {}\nretained: {}\n",
        facts.allocated_bytes,
        facts.active_bytes,
        facts.allocator_resident_bytes,
        facts.retained_bytes,
    );
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn usage_is_what_the_entry_takes() {
        check(
            "SET k 0123456789
             MEMORY USAGE k
             MEMORY USAGE k SAMPLES 0 samples 5
             MEMORY USAGE missing
             MEMORY USAGE k SAMPLES -1
             MEMORY USAGE k SAMPLES x
             MEMORY USAGE missing SAMPLES
             MEMORY USAGE missing x
             MEMORY USAGE",
            "OK
             :32
             :32
             nil
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR syntax error
             -ERR syntax error
             -ERR wrong number of arguments for 'memory|usage' command",
        );
    }

    #[test]
    fn the_rest_answers() {
        check_resp3("MEMORY PURGE", "OK");
        let mut server = TestServer::new();
        let expected = "allocated: 0\\nactive: 0\\nresident: 0\\nretained: 0\\n";
        assert_eq!(server.run("MEMORY MALLOC-STATS"), expected);
    }
}
