//! CONFIG. The settings themselves are the process's.

use resp::Args;

use super::ANYTIME;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::stats::WorkerStats;

const FLAGS: u32 = flag::ADMIN | flag::NOSCRIPT | ANYTIME;

pub const CONFIG: Command = Command {
    name: "config",
    arity: -2,
    since: "2.0.0",
    summary: "A container for server configuration commands",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "get",
            arity: -3,
            flags: FLAGS,
            since: "2.0.0",
            summary: "Returns the values of settings whose names match the patterns",
            complexity: "O(N) when N is the number of patterns",
            syntax: "pattern [pattern ...]",
            run: get,
            ..Command::BASE
        },
        Command {
            name: "set",
            arity: -4,
            flags: FLAGS,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            since: "2.0.0",
            summary: "Changes settings of the running server, all or none",
            complexity: "O(N) when N is the number of settings",
            syntax: "parameter value [parameter value ...]",
            run: set,
            ..Command::BASE
        },
        Command {
            name: "resetstat",
            arity: 2,
            flags: FLAGS,
            since: "2.0.0",
            summary: "Starts the server's statistics anew",
            run: reset_stats,
            ..Command::BASE
        },
        Command {
            name: "rewrite",
            arity: 2,
            flags: FLAGS,
            since: "2.8.0",
            summary: "Writes the settings and users that are in force into the configuration file",
            run: rewrite,
            ..Command::BASE
        },
        Command {
            since: "5.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let patterns: Vec<&[u8]> = args.tail(2).iter().collect();
    let settings = context.shared.process.config_get(&patterns);
    context.reply.map(settings.len());
    for (name, value) in settings {
        context.reply.bulk(name.as_bytes());
        context.reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let words: Vec<&[u8]> = args.tail(2).iter().collect();
    let (pairs, []) = words.as_chunks::<2>() else {
        return Err(CommandError::Syntax);
    };
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|&[name, value]| (name, value)).collect();
    let changed = context.shared.process.config_set(&pairs);
    changed.map_err(|line| CommandError::Line(line.into()))?;
    context.reply.ok();
    Ok(())
}

fn reset_stats(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let shared = context.shared;
    shared.stats.iter().for_each(WorkerStats::reset);
    context.keys.reset_stats();
    shared.process.reset_stats();
    context.reply.ok();
    Ok(())
}

fn rewrite(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let shared = context.shared;
    let written = shared.process.config_rewrite(&shared.acl);
    written.map_err(|line| CommandError::Line(line.into()))?;
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn settings_are_the_processs() {
        check_resp3(
            "CONFIG SET a 1 b 2
             CONFIG GET a b c
             CONFIG GET c
             CONFIG REWRITE
             CONFIG RESETSTAT",
            "OK
             {a 1 b 2}
             {}
             OK
             OK",
        );
    }

    #[test]
    fn requests_are_checked() {
        check(
            "CONFIG SET a 1 b
             CONFIG SET a
             CONFIG GET
             CONFIG x
             CONFIG",
            "-ERR syntax error
             -ERR wrong number of arguments for 'config|set' command
             -ERR wrong number of arguments for 'config|get' command
             -ERR unknown subcommand 'x'. Try CONFIG HELP.
             -ERR wrong number of arguments for 'config' command",
        );
    }
}
