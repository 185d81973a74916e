//! COMMAND: what the table of commands says of itself.
//!
//! | file | what it holds |
//! |---|---|
//! | `info` | COMMAND INFO: arity, flags, keys, categories |
//! | `docs` | COMMAND DOCS: what people want to know |
//! | `syntax` | the arguments of a command, read from the syntax of its row |
//! | `list` | COMMAND LIST and its filters |
//! | `keys` | COMMAND GETKEYS and GETKEYSANDFLAGS |

mod docs;
mod info;
mod keys;
mod list;
mod syntax;

use resp::Args;

use super::ANYTIME;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::registry::{Registered, registry};

const CATEGORIES: &[&str] = &["connection"];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

pub const COMMAND: Command = Command {
    name: "command",
    arity: -1,
    flags: ANYTIME,
    categories: CATEGORIES,
    tips: UNORDERED,
    since: "2.8.13",
    summary: "Returns what is known about all commands",
    complexity: "O(N) where N is the number of commands",
    run: info::all,
    subcommands: &[
        Command {
            name: "count",
            arity: 2,
            flags: ANYTIME,
            categories: CATEGORIES,
            since: "2.8.13",
            summary: "Returns the number of commands",
            run: count,
            ..Command::BASE
        },
        Command {
            name: "info",
            arity: -2,
            flags: ANYTIME,
            categories: CATEGORIES,
            tips: UNORDERED,
            since: "2.8.13",
            summary: "Returns what a client library needs to know about the named commands, or about all",
            complexity: "O(N) where N is the number of commands that are looked up",
            syntax: "[command-name [command-name ...]]",
            run: info::named,
            ..Command::BASE
        },
        Command {
            name: "docs",
            arity: -2,
            flags: ANYTIME,
            categories: CATEGORIES,
            tips: UNORDERED,
            since: "7.0.0",
            summary: "Returns the documentation of the named commands, or of all",
            complexity: "O(N) where N is the number of commands that are looked up",
            syntax: "[command-name [command-name ...]]",
            run: docs::docs,
            ..Command::BASE
        },
        Command {
            name: "list",
            arity: -2,
            flags: ANYTIME,
            categories: CATEGORIES,
            tips: UNORDERED,
            since: "7.0.0",
            summary: "Returns the names of commands",
            complexity: "O(N) where N is the number of commands",
            syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
            run: list::list,
            ..Command::BASE
        },
        Command {
            name: "getkeys",
            arity: -4,
            flags: ANYTIME,
            categories: CATEGORIES,
            since: "2.8.13",
            summary: "Returns the keys among the arguments of a command",
            complexity: "O(N) where N is the number of arguments",
            syntax: "command [arg [arg ...]]",
            run: keys::keys,
            ..Command::BASE
        },
        Command {
            name: "getkeysandflags",
            arity: -4,
            flags: ANYTIME,
            categories: CATEGORIES,
            since: "7.0.0",
            summary: "Returns the keys among the arguments of a command, and what it does with them",
            complexity: "O(N) where N is the number of arguments",
            syntax: "command [arg [arg ...]]",
            run: keys::keys_and_flags,
            ..Command::BASE
        },
        Command {
            categories: CATEGORIES,
            since: "5.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn count(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let count = registry().commands().count();
    context.reply.integer(count.cast_signed() as i64);
    Ok(())
}

/// The command of that name in any case: `get`, `client|list`.
fn find(name: &[u8]) -> Option<&'static Registered> {
    match name.iter().position(|byte| *byte == b'|') {
        None => registry().find(name),
        Some(at) => registry().find_subcommand(registry().find(&name[..at])?, &name[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    const GET: &str = "get :2 ~[readonly fast] :1 :1 :1 ~[@read @string @fast] ~[] \
        ~[{flags ~[RO access] begin_search {type index spec {index :1}} \
        find_keys {type range spec {lastkey :0 keystep :1 limit :0}}}] ~[]";

    #[test]
    fn info_is_what_the_row_says() {
        check_resp3(
            "COMMAND INFO GET nosuch config|nosuch get|x
             COMMAND INFO Config|Reset*
             COMMAND INFO CONFIG|RESETSTAT",
            &format!(
                "[[{GET}] nil nil nil]
                 [nil]
                 [[config|resetstat :2 ~[admin noscript loading stale] :0 :0 :0 ~[@admin @slow @dangerous] ~[] ~[] ~[]]]"
            ),
        );
        check(
            "COMMAND INFO time",
            "[[time :1 [loading stale fast] :0 :0 :0 [@fast] [nondeterministic_output] [] []]]",
        );
    }

    #[test]
    fn everything_is_listed_once() {
        let mut server = TestServer::new();
        let count = server.run("COMMAND COUNT");
        let list = server.run("COMMAND LIST");
        assert_eq!(format!(":{}", list.split(' ').count()), count);
        let infos = server.run("COMMAND");
        assert_eq!(infos, server.run("COMMAND INFO"));
        assert!(infos.contains("[config|get :-3 "), "{infos}");
    }

    #[test]
    fn lists_are_filtered() {
        check(
            "COMMAND LIST FILTERBY PATTERN CONFIG|?et
             COMMAND LIST filterby aclcat TRANSACTION
             COMMAND LIST FILTERBY ACLCAT nosuch
             COMMAND LIST FILTERBY MODULE x
             COMMAND LIST x
             COMMAND LIST FILTERBY PATTERN
             COMMAND LIST FILTERBY PATTERN a b
             COMMAND LIST FILTERBY x a",
            "[config|get config|set]
             [multi exec discard watch unwatch]
             []
             []
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error",
        );
    }

    #[test]
    fn keys_are_found() {
        check(
            "COMMAND GETKEYS watch a b
             COMMAND GETKEYS get a
             COMMAND GETKEYSANDFLAGS SET get v
             COMMAND GETKEYSANDFLAGS SET k get EX 1 gEt
             COMMAND GETKEYS get a b
             COMMAND GETKEYS nosuch a
             COMMAND GETKEYS config nosuch a
             COMMAND GETKEYS config get a
             COMMAND GETKEYS get",
            "[a b]
             [a]
             [[get [OW update]]]
             [[k [RW access update]]]
             -ERR Invalid number of arguments specified for command
             -ERR Invalid command specified
             -ERR Invalid command specified
             -ERR The command has no key arguments
             -ERR wrong number of arguments for 'command|getkeys' command",
        );
    }

    #[test]
    fn docs_are_maps() {
        check_resp3(
            "COMMAND DOCS time nosuch",
            "{time {summary Returns the server's time: seconds of the Unix epoch, and microseconds \
             since 2.6.0 group server complexity O(1)}}",
        );
        check("COMMAND DOCS nosuch", "[]");
        let docs = TestServer::new().run("COMMAND DOCS config");
        assert!(docs.contains("subcommands [config|get [summary"), "{docs}");
    }

    #[test]
    fn help_lists_the_subcommands() {
        let help = TestServer::new().run("COMMAND HELP");
        let first =
            "[COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are: COUNT     Returns";
        assert!(help.starts_with(first), "{help}");
        assert!(help.ends_with("HELP     Prints this help.]"), "{help}");
    }
}
