//! SLOWLOG and COMMANDLOG: the last commands that were slow or large.

use std::sync::Arc;

use resp::{Args, ReplyWriter};

use super::ANYTIME;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::insight::{CommandLog, LoggedCommand};
use crate::parse::is;
use crate::shared::Shared;

/// What SLOWLOG GET answers when no count is given.
const USUAL_COUNT: usize = 10;
/// The fields of an entry.
const FIELDS: usize = 6;

const ROW: Command = Command {
    flags: ANYTIME | flag::ADMIN,
    ..Command::BASE
};

pub const SLOWLOG: Command = Command {
    name: "slowlog",
    arity: -2,
    since: "2.2.12",
    summary: "A container for commands about the log of slow commands",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "get",
            arity: -2,
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            since: "2.2.12",
            summary: "Returns the newest slow commands, 10 when no count is given, all with -1",
            complexity: "O(N) where N is the number of entries returned",
            syntax: "[count]",
            run: slow_get,
            ..ROW
        },
        Command {
            name: "len",
            arity: 2,
            tips: &[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ],
            since: "2.2.12",
            summary: "Returns the number of slow commands in the log",
            run: slow_len,
            ..ROW
        },
        Command {
            name: "reset",
            arity: 2,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            since: "2.2.12",
            summary: "Empties the log of slow commands",
            complexity: "O(N) where N is the number of entries in the log",
            run: slow_reset,
            ..ROW
        },
        Command {
            since: "6.2.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

pub const COMMANDLOG: Command = Command {
    name: "commandlog",
    arity: -2,
    since: "8.1.0",
    summary: "A container for commands about the logs of slow and large commands",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "get",
            arity: 4,
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            since: "8.1.0",
            summary: "Returns the newest commands of a log, all with -1",
            complexity: "O(N) where N is the number of entries returned",
            syntax: "count slow | large-request | large-reply",
            run: log_get,
            ..ROW
        },
        Command {
            name: "len",
            arity: 3,
            tips: &[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ],
            since: "8.1.0",
            summary: "Returns the number of commands in a log",
            syntax: "slow | large-request | large-reply",
            run: log_len,
            ..ROW
        },
        Command {
            name: "reset",
            arity: 3,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            since: "8.1.0",
            summary: "Empties a log",
            complexity: "O(N) where N is the number of entries in the log",
            syntax: "slow | large-request | large-reply",
            run: log_reset,
            ..ROW
        },
        Command {
            since: "8.1.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn slow_get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = match args.len() {
        2 => USUAL_COUNT,
        3 => count(args.get(2))?,
        // Redis does not count the arguments here.
        _ => {
            return Err(CommandError::Bytes(
                b"ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP."
                    .to_vec(),
            ));
        }
    };
    let entries = context.shared.insight.slow.newest(count);
    write_entries(&mut context.reply, &entries);
    Ok(())
}

fn slow_len(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let len = context.shared.insight.slow.len();
    context.reply.integer(len as i64);
    Ok(())
}

fn slow_reset(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.shared.insight.slow.reset();
    context.reply.ok();
    Ok(())
}

fn log_get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = count(args.get(2))?;
    let entries = log(context.shared, args.get(3))?.newest(count);
    write_entries(&mut context.reply, &entries);
    Ok(())
}

fn log_len(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let len = log(context.shared, args.get(2))?.len();
    context.reply.integer(len as i64);
    Ok(())
}

fn log_reset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    log(context.shared, args.get(2))?.reset();
    context.reply.ok();
    Ok(())
}

fn count(argument: &[u8]) -> Result<usize, CommandError> {
    match resp::parse_integer(argument) {
        Some(-1) => Ok(usize::MAX),
        Some(count) if count >= 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(CommandError::line(
            "ERR count should be greater than or equal to -1",
        )),
    }
}

fn log<'s>(shared: &'s Shared, name: &[u8]) -> Result<&'s CommandLog, CommandError> {
    let insight = &shared.insight;
    match () {
        () if is(name, "slow") => Ok(&insight.slow),
        () if is(name, "large-request") => Ok(&insight.large_requests),
        () if is(name, "large-reply") => Ok(&insight.large_replies),
        () => Err(CommandError::line(
            "ERR type should be one of the following: slow, large-request, large-reply",
        )),
    }
}

fn write_entries(reply: &mut ReplyWriter<'_>, entries: &[Arc<LoggedCommand>]) {
    reply.array(entries.len());
    for entry in entries {
        reply.array(FIELDS);
        reply.integer(entry.id.cast_signed());
        reply.integer(entry.at_s.cast_signed());
        reply.integer(i64::try_from(entry.value).unwrap_or(i64::MAX));
        reply.array(entry.arguments.len());
        for argument in &entry.arguments {
            reply.bulk(argument);
        }
        reply.bulk(entry.address.as_bytes());
        reply.bulk(entry.name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use resp::Reply;

    use crate::insight::InsightSettings;
    use crate::testing::{TestServer, check, show};

    fn logging_all() -> TestServer {
        let server = TestServer::new();
        server.shared.insight.set(&InsightSettings {
            slow_us: Some(0),
            ..InsightSettings::default()
        });
        server
    }

    /// The ids and arguments of the entries that a command answers.
    fn entries(server: &mut TestServer, command: &str) -> Vec<String> {
        let Some(Reply::Array(entries)) = server.line(command) else {
            panic!("{command} answers an array");
        };
        let entry = |entry: &Reply| match entry {
            Reply::Array(fields) => format!("{} {}", show(&fields[0]), show(&fields[3])),
            other => panic!("an entry is {other:?}"),
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn every_command_of_a_run_is_logged_by_itself() {
        let mut server = logging_all();
        server.run("CLIENT SETNAME me");
        server.send("a", b"GET a\r\nGET b\r\nSET c 1\r\nGET c\r\n");
        let expected = [
            "[GET c]",
            "[SET c 1]",
            "[GET b]",
            "[GET a]",
            "[CLIENT SETNAME me]",
        ];
        let expected: Vec<String> = (0..5)
            .map(|at| format!(":{} {}", 4 - at, expected[at]))
            .collect();
        assert_eq!(entries(&mut server, "SLOWLOG GET"), expected);
        let newest = server.run("SLOWLOG GET 1");
        assert!(newest.starts_with("[[:5 :1700000000 :"), "{newest}");
        assert!(
            newest.ends_with(" [SLOWLOG GET] 127.0.0.1:50000 me]]"),
            "{newest}"
        );
    }

    #[test]
    fn transactions_are_logged_command_by_command() {
        let mut server = logging_all();
        server.run("MULTI\nSET a 1\nMGET a b\nEXEC");
        let expected = [":2 [MGET a b]", ":1 [SET a 1]", ":0 [MULTI]"];
        assert_eq!(entries(&mut server, "COMMANDLOG GET -1 slow"), expected);
    }

    #[test]
    fn long_commands_are_cut() {
        let mut server = logging_all();
        let words: Vec<String> = (0..41).map(|at| at.to_string()).collect();
        server.run(&format!("MSET {}", words[1..].join(" ")));
        server.run(&format!("SET k {}", "x".repeat(200)));
        let entries = entries(&mut server, "SLOWLOG GET");
        let expected = format!("[MSET {} ... (10 more arguments)]", words[1..31].join(" "));
        assert_eq!(entries[1], format!(":0 {expected}"));
        let expected = format!("[SET k {}... (72 more bytes)]", "x".repeat(128));
        assert_eq!(entries[0], format!(":1 {expected}"));
    }

    #[test]
    fn old_entries_go() {
        let mut server = logging_all();
        let settings = InsightSettings {
            slow_us: Some(0),
            slow_entries_max: 2,
            ..InsightSettings::default()
        };
        server.shared.insight.set(&settings);
        server.run("GET 0\nGET 1\nGET 2\nGET 3");
        let expected = [":3 [GET 3]", ":2 [GET 2]"];
        assert_eq!(entries(&mut server, "SLOWLOG GET"), expected);
        assert_eq!(server.run("SLOWLOG LEN"), ":2");
        server.shared.insight.set(&InsightSettings {
            slow_us: None,
            ..settings
        });
        let replies = server.run("SLOWLOG RESET\nGET 4\nSLOWLOG LEN");
        assert_eq!(replies, "OK\nnil\n:0");
    }

    #[test]
    fn large_requests_and_replies_are_logged() {
        let mut server = TestServer::new();
        server.shared.insight.set(&InsightSettings {
            request_bytes: Some(1000),
            reply_bytes: Some(2000),
            ..InsightSettings::default()
        });
        let large = "x".repeat(1000);
        server.run(&format!(
            "SET a {large}\nAPPEND a {large}\nSET b 1\nAPPEND a {large}"
        ));
        server.run("GET a\nGET b\nMGET b a\nMGET b b");
        let cut = format!("{}... (872 more bytes)", "x".repeat(128));
        assert_eq!(
            entries(&mut server, "COMMANDLOG GET -1 large-request"),
            [
                format!(":2 [APPEND a {cut}]"),
                format!(":1 [APPEND a {cut}]"),
                format!(":0 [SET a {cut}]"),
            ]
        );
        assert_eq!(
            entries(&mut server, "COMMANDLOG GET -1 LARGE-REPLY"),
            [":1 [MGET b a]", ":0 [GET a]"]
        );
        let replies = server.run(
            "COMMANDLOG LEN slow\nCOMMANDLOG LEN large-reply\nCOMMANDLOG RESET large-reply\n\
             COMMANDLOG LEN large-reply\nCOMMANDLOG LEN large-request",
        );
        assert_eq!(replies, ":0\n:2\nOK\n:0\n:3");
        let reply = server.run("COMMANDLOG GET 1 large-request");
        assert!(reply.starts_with("[[:2 :1700000000 :1"), "{reply}");
    }

    #[test]
    fn requests_are_checked() {
        check(
            "SLOWLOG GET x
             SLOWLOG GET -2
             SLOWLOG GET 0
             SLOWLOG GET 9223372036854775807
             SLOWLOG LEN x
             SLOWLOG FOO
             COMMANDLOG GET 1 foo
             COMMANDLOG GET -2 slow
             COMMANDLOG GET 1
             COMMANDLOG LEN foo
             COMMANDLOG RESET foo",
            "-ERR count should be greater than or equal to -1
             -ERR count should be greater than or equal to -1
             []
             []
             -ERR wrong number of arguments for 'slowlog|len' command
             -ERR unknown subcommand 'FOO'. Try SLOWLOG HELP.
             -ERR type should be one of the following: slow, large-request, large-reply
             -ERR count should be greater than or equal to -1
             -ERR wrong number of arguments for 'commandlog|get' command
             -ERR type should be one of the following: slow, large-request, large-reply
             -ERR type should be one of the following: slow, large-request, large-reply",
        );
    }
}
