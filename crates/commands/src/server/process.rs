//! TIME, ROLE, SHUTDOWN, LOLWUT.

use std::time::{SystemTime, UNIX_EPOCH};

use resp::Args;

use super::ANYTIME;
use crate::REDIS_VERSION;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

pub const TIME: Command = Command {
    name: "time",
    arity: 1,
    flags: ANYTIME | flag::FAST,
    tips: &["nondeterministic_output"],
    since: "2.6.0",
    summary: "Returns the server's time: seconds of the Unix epoch, and microseconds",
    run: time,
    ..Command::BASE
};

pub const ROLE: Command = Command {
    name: "role",
    arity: 1,
    flags: flag::NOSCRIPT | ANYTIME | flag::FAST,
    categories: &["admin", "dangerous"],
    since: "2.8.12",
    summary: "Returns the replication role",
    run: role,
    ..Command::BASE
};

pub const SHUTDOWN: Command = Command {
    name: "shutdown",
    arity: -1,
    flags: flag::ADMIN | flag::NOSCRIPT | ANYTIME | flag::NO_MULTI | flag::ALLOW_BUSY,
    since: "1.0.0",
    summary: "Ends the server",
    complexity: "O(1), and the time that slow clients are given",
    syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    run: shutdown,
    ..Command::BASE
};

pub const LOLWUT: Command = Command {
    name: "lolwut",
    arity: -1,
    flags: flag::READONLY | flag::FAST,
    since: "5.0.0",
    summary: "Shows a small picture and the server's version",
    syntax: "[VERSION version]",
    run: lolwut,
    ..Command::BASE
};

/// Microseconds of the Unix epoch by the system's clock. Only for people: what commands decide by is
/// [`Context::now_ms`].
pub fn wall_clock_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

fn time(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let now_us = wall_clock_us();
    context.reply.array(2);
    context.reply.bulk_display(now_us / 1_000_000);
    context.reply.bulk_display(now_us % 1_000_000);
    Ok(())
}

fn role(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.reply.array(3);
    context.reply.bulk(b"master");
    context.reply.integer(0);
    context.reply.array(0);
    Ok(())
}

/// What SHUTDOWN is asked to do.
#[derive(Default)]
struct Shutdown {
    save: bool,
    no_save: bool,
    now: bool,
    force: bool,
    abort: bool,
}

impl Shutdown {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        for argument in args.tail(1).iter() {
            let option = match argument.to_ascii_lowercase().as_slice() {
                b"save" => &mut options.save,
                b"nosave" => &mut options.no_save,
                b"now" => &mut options.now,
                b"force" => &mut options.force,
                b"abort" => &mut options.abort,
                _ => return Err(CommandError::Syntax),
            };
            *option = true;
        }
        let Self {
            save,
            no_save,
            now,
            force,
            abort,
        } = options;
        if (save && no_save) || (abort && (save || no_save || now || force)) {
            return Err(CommandError::Syntax);
        }
        Ok(options)
    }
}

fn shutdown(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = Shutdown::parse(args)?;
    if options.abort {
        return Err(CommandError::line("ERR No shutdown in progress."));
    }
    if options.save && !options.force {
        return Err(CommandError::line(
            "ERR SHUTDOWN SAVE is not supported: data is not persisted. Use SHUTDOWN NOSAVE",
        ));
    }
    context.session.closes = true;
    context.shared.process.shutdown(options.now);
    Ok(())
}

/// A still.
const PICTURE: &str = r"
      ___
     /   \_______
    |     |      \
     \___/|       \
     / ~~~ \     __|__
    (  ~ ~  )   |     |
     \_____/    |~~~~~|
      ^^^^^     |_____|
";

fn lolwut(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if let (Some(word), Some(version)) = (args.try_get(1), args.try_get(2))
        && is(word, "version")
    {
        integer(version)?;
    }
    let version = context.shared.process.facts().redistill_version;
    let picture = PICTURE.trim_start_matches('\n');
    let text = format!("{picture}\nRedistill ver. {version} (Redis ver. {REDIS_VERSION})\n");
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check};

    #[test]
    fn shutdown_checks_its_options() {
        check(
            "SHUTDOWN x
             SHUTDOWN SAVE NOSAVE
             SHUTDOWN ABORT NOW
             SHUTDOWN ABORT
             SHUTDOWN SAVE
             ROLE",
            "-ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR No shutdown in progress.
             -ERR SHUTDOWN SAVE is not supported: data is not persisted. Use SHUTDOWN NOSAVE
             [master :0 []]",
        );
    }

    #[test]
    fn shutdown_closes_without_a_reply() {
        let mut server = TestServer::new();
        assert_eq!(server.run("SHUTDOWN SAVE FORCE"), "");
        assert!(server.session("a").closes);
    }

    #[test]
    fn lolwut_takes_a_version() {
        let mut server = TestServer::new();
        assert!(
            server
                .run("LOLWUT VERSION 5 40")
                .contains("Redis ver. 7.4.0")
        );
        assert!(server.run("LOLWUT version x").starts_with("-ERR value"));
    }
}
