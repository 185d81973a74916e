//! BIGKEYS: the keys that take the most memory. A command of our own, beside HOTKEYS.

use resp::Args;

use super::listed_keys::{GET, RESET, answer, count};
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;

pub const BIGKEYS: Command = Command {
    name: "bigkeys",
    arity: -2,
    since: "0.1.0",
    summary: "A container for big key commands, of this server alone",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            since: "0.1.0",
            summary: "Returns the keys that take the most memory, with their bytes",
            complexity: "O(1): at most 256 keys are listed",
            run: get,
            ..GET
        },
        Command {
            since: "0.1.0",
            summary: "Forgets the big keys; those that are stored later are listed",
            run: reset,
            ..RESET
        },
        Command {
            since: "0.1.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let big_keys = context.keys.keyspace().big_keys(count(args)?);
    let rows = big_keys
        .iter()
        .map(|big| (&*big.key, big.database, big.bytes));
    answer(context, "bytes", rows);
    Ok(())
}

fn reset(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.keys.keyspace().reset_big_keys();
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    fn set(server: &mut TestServer, key: &str, bytes: usize) {
        server.command(&[b"SET".as_slice(), key.as_bytes(), &vec![b'v'; bytes]]);
    }

    #[test]
    fn options_are_checked() {
        check(
            "BIGKEYS GET
             BIGKEYS GET COUNT 0
             BIGKEYS GET 5
             BIGKEYS RESET
             BIGKEYS SET",
            "[]
             -ERR count should be greater than 0
             -ERR syntax error
             OK
             -ERR unknown subcommand 'SET'. Try BIGKEYS HELP.",
        );
        check_resp3(
            "SETRANGE k 4999 v\nBIGKEYS GET",
            ":5000\n[{key k db :0 bytes :5440}]",
        );
    }

    #[test]
    fn keys_are_listed_by_what_they_take_now() {
        let mut server = TestServer::new();
        let listed = |server: &mut TestServer| server.run("BIGKEYS GET");
        set(&mut server, "small", 1000);
        set(&mut server, "a", 5_000);
        set(&mut server, "b", 10_000);
        let both = "[[key b db :0 bytes :10880] [key a db :0 bytes :5440]]";
        assert_eq!(listed(&mut server), both);
        assert_eq!(
            server.run("BIGKEYS GET COUNT 1"),
            "[[key b db :0 bytes :10880]]"
        );
        set(&mut server, "b", 10);
        assert_eq!(listed(&mut server), "[[key a db :0 bytes :5440]]");
        server.run("SETRANGE a 5999 v");
        assert_eq!(listed(&mut server), "[[key a db :0 bytes :6528]]");
        server.run("RENAME a c");
        assert_eq!(listed(&mut server), "[[key c db :0 bytes :6528]]");
        server.run("PEXPIRE c 10");
        assert_eq!(listed(&mut server), "[[key c db :0 bytes :6528]]");
        server.run("+20\nEXISTS c");
        assert_eq!(listed(&mut server), "[]");
        server.run("SETRANGE d 99999 v\nDEL d");
        assert_eq!(listed(&mut server), "[]");
    }

    #[test]
    fn databases_may_be_exchanged_and_emptied() {
        let mut server = TestServer::new();
        set(&mut server, "a", 5_000);
        server.run("SELECT 1");
        set(&mut server, "b", 6_000);
        server.run("SWAPDB 0 1");
        let reply = "[[key b db :0 bytes :6528] [key a db :1 bytes :5440]]";
        assert_eq!(server.run("BIGKEYS GET"), reply);
        server.run("FLUSHDB");
        assert_eq!(server.run("BIGKEYS GET"), "[[key b db :0 bytes :6528]]");
        server.run("FLUSHALL");
        assert_eq!(server.run("BIGKEYS GET"), "[]");
        set(&mut server, "c", 5_000);
        server.run("BIGKEYS RESET");
        assert_eq!(server.run("BIGKEYS GET"), "[]");
        set(&mut server, "d", 5_000);
        assert_eq!(server.run("BIGKEYS GET"), "[[key d db :1 bytes :5440]]");
    }
}
