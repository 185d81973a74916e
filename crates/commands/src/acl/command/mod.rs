//! ACL: users, and what was denied to them.
//!
//! | file | what it holds |
//! |---|---|
//! | `users` | making, removing and showing users, and the ACL file |
//! | `tell` | CAT, DRYRUN, GENPASS, WHOAMI |
//! | `log` | ACL LOG |

mod log;
mod tell;
mod users;

use resp::Args;

use crate::command::{Command, flag};
use crate::error::CommandError;
use crate::help::HELP;

/// The family.
pub const COMMANDS: &[Command] = &[ACL];

const FLAGS: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE;
const ADMIN: u32 = FLAGS | flag::ADMIN;

const SUBCOMMAND: Command = Command {
    flags: ADMIN,
    since: "6.0.0",
    ..Command::BASE
};

const ACL: Command = Command {
    name: "acl",
    arity: -2,
    since: "6.0.0",
    summary: "A container for commands about users",
    complexity: "Depends on subcommand",
    syntax: "<subcommand>",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "cat",
            arity: -2,
            flags: FLAGS,
            summary: "Lists the categories of commands, or the commands of one",
            complexity: "O(1) since the categories and commands are a fixed set",
            syntax: "[category]",
            run: tell::cat,
            ..SUBCOMMAND
        },
        Command {
            name: "deluser",
            arity: -3,
            summary: "Removes users and closes their connections",
            complexity: "O(N) where N is the number of connections",
            syntax: "username [username ...]",
            run: users::remove,
            ..SUBCOMMAND
        },
        Command {
            name: "dryrun",
            arity: -4,
            since: "7.0.0",
            summary: "Tells whether a user may run a command, without running it",
            complexity: "O(1)",
            syntax: "username command [arg [arg ...]]",
            run: tell::dry_run,
            ..SUBCOMMAND
        },
        Command {
            name: "genpass",
            arity: -2,
            flags: FLAGS,
            summary: "Makes a password that nobody can guess",
            syntax: "[bits]",
            run: tell::make_password,
            ..SUBCOMMAND
        },
        Command {
            name: "getuser",
            arity: 3,
            summary: "Returns the rules of a user",
            complexity: "O(N) where N is the number of passwords, commands and patterns of the user",
            syntax: "username",
            run: users::show,
            ..SUBCOMMAND
        },
        Command {
            name: "list",
            arity: 2,
            summary: "Returns all users as lines of an ACL file",
            complexity: "O(N) where N is the number of users",
            run: users::list,
            ..SUBCOMMAND
        },
        Command {
            name: "load",
            arity: 2,
            summary: "Takes over the users of the ACL file, and no others",
            complexity: "O(N) where N is the number of users",
            run: users::load,
            ..SUBCOMMAND
        },
        Command {
            name: "log",
            arity: -2,
            summary: "Lists what was denied lately, or forgets it",
            complexity: "O(N) where N is the number of entries shown",
            syntax: "[count | RESET]",
            run: log::log,
            ..SUBCOMMAND
        },
        Command {
            name: "save",
            arity: 2,
            summary: "Writes all users into the ACL file",
            complexity: "O(N) where N is the number of users",
            run: users::save,
            ..SUBCOMMAND
        },
        Command {
            name: "setuser",
            arity: -3,
            summary: "Changes a user by rules, or makes a new one",
            complexity: "O(N) where N is the number of rules",
            syntax: "username [rule [rule ...]]",
            run: users::set,
            ..SUBCOMMAND
        },
        Command {
            name: "users",
            arity: 2,
            summary: "Lists the names of all users",
            complexity: "O(N) where N is the number of users",
            run: users::names,
            ..SUBCOMMAND
        },
        Command {
            name: "whoami",
            arity: 2,
            flags: FLAGS,
            summary: "Returns the name of the user of this connection",
            run: tell::who_am_i,
            ..SUBCOMMAND
        },
        Command {
            since: "6.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

/// The error for more arguments than a subcommand takes.
fn too_many(args: Args<'_>) -> CommandError {
    let before = "unknown subcommand or wrong number of arguments for '";
    CommandError::repeating(before, args.get(1), "'. Try ACL HELP.")
}
