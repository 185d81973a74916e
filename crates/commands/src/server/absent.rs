//! CLUSTER and MODULE: what this server does not have, for clients and monitors that ask.

use resp::Args;

use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;

const CLUSTER_ROW: Command = Command {
    arity: 2,
    flags: flag::STALE,
    tips: &["nondeterministic_output"],
    since: "3.0.0",
    summary: "Answers that this server is in no cluster",
    run: no_cluster,
    ..Command::BASE
};

pub const CLUSTER: Command = Command {
    name: "cluster",
    arity: -2,
    since: "3.0.0",
    summary: "A container for commands about clusters",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "info",
            ..CLUSTER_ROW
        },
        Command {
            name: "nodes",
            ..CLUSTER_ROW
        },
        Command {
            name: "slots",
            ..CLUSTER_ROW
        },
        Command {
            name: "shards",
            since: "7.0.0",
            ..CLUSTER_ROW
        },
        Command {
            name: "myid",
            tips: &[],
            ..CLUSTER_ROW
        },
        Command {
            since: "5.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

pub const MODULE: Command = Command {
    name: "module",
    arity: -2,
    since: "4.0.0",
    summary: "A container for commands about modules",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "list",
            arity: 2,
            flags: flag::ADMIN | flag::NOSCRIPT,
            tips: &["nondeterministic_output_order"],
            since: "4.0.0",
            summary: "Answers that there are no modules",
            run: no_modules,
            ..Command::BASE
        },
        Command {
            since: "5.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn no_cluster(_: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    Err(CommandError::line(
        "ERR This instance has cluster support disabled",
    ))
}

fn no_modules(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.reply.array(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn there_is_nothing() {
        check(
            "CLUSTER INFO
             CLUSTER NODES
             MODULE LIST",
            "-ERR This instance has cluster support disabled
             -ERR This instance has cluster support disabled
             []",
        );
    }
}
