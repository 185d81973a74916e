//! CLIENT PAUSE, UNPAUSE: commands wait.

use resp::{Args, parse_integer};

use super::CONNECTION;
use super::client::ADMIN_FLAGS;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;

pub const PAUSE: Command = Command {
    name: "pause",
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "3.0.0",
    summary: "Lets all commands, or all that write, wait for some time",
    syntax: "timeout [WRITE | ALL]",
    run: pause,
    ..CONNECTION
};

pub const UNPAUSE: Command = Command {
    name: "unpause",
    arity: 2,
    flags: ADMIN_FLAGS,
    since: "6.2.0",
    summary: "Ends a pause",
    complexity: "O(N) where N is the number of waiting connections",
    run: unpause,
    ..CONNECTION
};

fn pause(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 4 {
        return Err(CommandError::line(
            "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ));
    }
    let writes_only = match args.try_get(3) {
        Some(mode) if is(mode, "WRITE") => true,
        Some(mode) if !is(mode, "ALL") => {
            return Err(CommandError::line(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
        _ => false,
    };
    let timeout_ms = parse_integer(args.get(2)).ok_or(CommandError::line(
        "ERR timeout is not an integer or out of range",
    ))?;
    let timeout_ms =
        u64::try_from(timeout_ms).map_err(|_| CommandError::line("ERR timeout is negative"))?;
    let now_ms = context.now_ms();
    let until_ms = now_ms
        .checked_add(timeout_ms)
        .filter(|until_ms| i64::try_from(*until_ms).is_ok())
        .ok_or(CommandError::line("ERR timeout is out of range"))?;
    context.shared.pause.start(until_ms, writes_only, now_ms);
    context.reply.ok();
    Ok(())
}

fn unpause(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.shared.pause.end();
    context.shared.process.wake_all();
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn pauses_hold_commands_back() {
        check(
            "SET k v
             CLIENT PAUSE 100 write
             GET k
             SET k w
             +100
             GET k
             SET k w
             CLIENT PAUSE 100
             PING
             CLIENT UNPAUSE
             +100
             PING
             CLIENT PAUSE 100 WRITE
             CLIENT PAUSE 10 WRITE
             CLIENT UNPAUSE
             SET k x",
            "OK
             OK
             v
             v
             OK
             OK
             PONG
             OK
             OK
             OK
             OK",
        );
    }

    #[test]
    fn pauses_grow_and_do_not_shrink() {
        check(
            "CLIENT PAUSE 100 WRITE
             CLIENT PAUSE 1 ALL
             +99
             PING
             +1
             PING
             CLIENT PAUSE 0
             PING",
            "OK
             OK
             PONG
             OK
             PONG",
        );
    }

    #[test]
    fn a_transaction_that_writes_waits() {
        check(
            "MULTI
             GET k
             b> MULTI
             b> SET k v
             c> CLIENT PAUSE 100 WRITE
             EXEC
             b> EXEC
             b> GET k
             +100
             b> EXEC",
            "OK
             QUEUED
             OK
             QUEUED
             OK
             [nil]
             QUEUED
             [OK v]",
        );
    }

    #[test]
    fn pauses_are_checked() {
        check(
            "CLIENT PAUSE x
             CLIENT PAUSE -1
             CLIENT PAUSE 1.5
             CLIENT PAUSE 9223372036854775807
             CLIENT PAUSE x foo
             CLIENT PAUSE
             CLIENT UNPAUSE x",
            "-ERR timeout is not an integer or out of range
             -ERR timeout is negative
             -ERR timeout is not an integer or out of range
             -ERR timeout is out of range
             -ERR CLIENT PAUSE mode must be WRITE or ALL
             -ERR wrong number of arguments for 'client|pause' command
             -ERR wrong number of arguments for 'client|unpause' command",
        );
    }
}
