//! PING and ECHO.

use resp::Args;

use super::CONNECTION;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;

pub const PING: Command = Command {
    name: "ping",
    arity: -1,
    flags: flag::FAST,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    since: "1.0.0",
    summary: "Returns the server's liveliness response",
    syntax: "[message]",
    run: ping,
    ..CONNECTION
};

pub const ECHO: Command = Command {
    name: "echo",
    arity: 2,
    flags: flag::LOADING | flag::STALE | flag::FAST,
    since: "1.0.0",
    summary: "Returns the given string",
    syntax: "message",
    run: echo,
    ..CONNECTION
};

fn ping(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(args.get(1)),
        _ => return Err(context.wrong_arity()),
    }
    Ok(())
}

fn echo(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    context.reply.bulk(args.get(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn what_is_sent_comes_back() {
        check(
            "PING
             PING hello
             PING a b
             ECHO hello
             ECHO",
            "PONG
             hello
             -ERR wrong number of arguments for 'ping' command
             hello
             -ERR wrong number of arguments for 'echo' command",
        );
    }
}
