//! CLIENT: its table, and the settings of one's own connection.

use resp::Args;

use super::{CONNECTION, client_kill, client_list, client_name, client_pause};
use crate::command::{Command, Group, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::parse::is;
use crate::session::Replies;

/// The flags of most subcommands.
pub const FLAGS: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE;
/// The flags of those that concern others.
pub const ADMIN_FLAGS: u32 = FLAGS | flag::ADMIN;

pub const CLIENT: Command = Command {
    name: "client",
    arity: -2,
    group: Group::Connection,
    since: "2.4.0",
    summary: "A container for commands about connections",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        ID,
        client_list::INFO,
        client_list::LIST,
        client_kill::KILL,
        client_name::SETNAME,
        client_name::GETNAME,
        client_name::SETINFO,
        REPLY,
        client_pause::PAUSE,
        client_pause::UNPAUSE,
        NO_EVICT,
        NO_TOUCH,
        GETREDIR,
        CAPA,
        Command {
            categories: &["connection"],
            group: Group::Connection,
            since: "5.0.0",
            ..HELP
        },
    ],
    ..Command::BASE
};

const ID: Command = Command {
    name: "id",
    arity: 2,
    flags: FLAGS,
    since: "5.0.0",
    summary: "Returns the number of the connection",
    run: id,
    ..CONNECTION
};

const REPLY: Command = Command {
    name: "reply",
    arity: 3,
    flags: FLAGS,
    since: "3.2.0",
    summary: "Tells the server whether to reply",
    syntax: "ON | OFF | SKIP",
    run: reply,
    ..CONNECTION
};

const NO_EVICT: Command = Command {
    name: "no-evict",
    arity: 3,
    flags: ADMIN_FLAGS,
    since: "7.0.0",
    summary: "Keeps the connection when connections are closed for their memory",
    syntax: "ON | OFF",
    run: no_evict,
    ..CONNECTION
};

const NO_TOUCH: Command = Command {
    name: "no-touch",
    arity: 3,
    flags: FLAGS,
    since: "7.2.0",
    summary: "Lets the connection read keys without marking them as used",
    syntax: "ON | OFF",
    run: no_touch,
    ..CONNECTION
};

const GETREDIR: Command = Command {
    name: "getredir",
    arity: 2,
    flags: FLAGS,
    since: "6.0.0",
    summary: "Returns the connection that gets the messages of tracking",
    run: redirection,
    ..CONNECTION
};

const CAPA: Command = Command {
    name: "capa",
    arity: -3,
    flags: FLAGS,
    since: "8.0.0",
    summary: "Tells what the client is capable of",
    syntax: "capability [capability ...]",
    run: capabilities,
    ..CONNECTION
};

/// What CLIENT GETREDIR answers without tracking.
const NOT_TRACKING: i64 = -1;

fn id(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let id = context.session.client.id;
    context.reply.integer(id.cast_signed());
    Ok(())
}

fn reply(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (session, mode) = (&mut *context.session, args.get(2));
    if is(mode, "ON") {
        session.replies = Replies::On;
        context.reply.ok();
    } else if is(mode, "OFF") {
        session.replies = Replies::Off;
    } else if !is(mode, "SKIP") {
        return Err(CommandError::Syntax);
    } else if session.replies != Replies::Off {
        session.replies = Replies::SkipNext;
    }
    Ok(())
}

fn no_evict(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    context.session.no_evict = on_or_off(args.get(2))?;
    context.reply.ok();
    Ok(())
}

fn no_touch(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let is_on = on_or_off(args.get(2))?;
    context.session.touches = !is_on;
    context.keys.set_touches(!is_on);
    context.reply.ok();
    Ok(())
}

fn on_or_off(argument: &[u8]) -> Result<bool, CommandError> {
    match () {
        () if is(argument, "ON") => Ok(true),
        () if is(argument, "OFF") => Ok(false),
        () => Err(CommandError::Syntax),
    }
}

fn redirection(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.reply.integer(NOT_TRACKING);
    Ok(())
}

/// The only capability is that of following a redirection. Others may come, so unknown ones are no error.
fn capabilities(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    context.session.follows_redirects |= args.tail(2).iter().any(|name| is(name, "REDIRECT"));
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check};

    #[test]
    fn replies_are_held_back() {
        check(
            "CLIENT REPLY OFF
             PING
             NOSUCH
             CLIENT REPLY SKIP
             PING
             CLIENT REPLY ON
             PING
             CLIENT REPLY SKIP
             PING
             PING
             CLIENT REPLY SKIP
             CLIENT REPLY SKIP
             PING
             CLIENT REPLY foo
             CLIENT REPLY",
            "OK
             PONG
             PONG
             -ERR syntax error
             -ERR wrong number of arguments for 'client|reply' command",
        );
    }

    #[test]
    fn settings_are_switched() {
        check(
            "CLIENT ID
             b> CLIENT ID
             CLIENT NO-EVICT on
             CLIENT NO-EVICT OFF
             CLIENT NO-EVICT foo
             CLIENT NO-TOUCH foo
             CLIENT GETREDIR
             CLIENT CAPA redirect
             CLIENT CAPA foo bar
             CLIENT CAPA
             CLIENT
             CLIENT FOO",
            ":1
             :2
             OK
             OK
             -ERR syntax error
             -ERR syntax error
             :-1
             OK
             OK
             -ERR wrong number of arguments for 'client|capa' command
             -ERR wrong number of arguments for 'client' command
             -ERR unknown subcommand 'FOO'. Try CLIENT HELP.",
        );
    }

    #[test]
    fn reading_without_touching_leaves_the_idle_time() {
        check(
            "SET k v
             CLIENT NO-TOUCH ON
             +5000
             GET k
             OBJECT IDLETIME k
             TOUCH k
             OBJECT IDLETIME k
             +5000
             CLIENT NO-TOUCH OFF
             GET k
             OBJECT IDLETIME k",
            "OK
             OK
             v
             :5
             :1
             :0
             OK
             v
             :0",
        );
    }

    #[test]
    fn help_lists_the_subcommands() {
        let help = TestServer::new().run("CLIENT HELP");
        for text in ["CLIENT <subcommand>", "NO-TOUCH ON | OFF", "KILL", "HELP"] {
            assert!(help.contains(text), "{text} in {help}");
        }
    }
}
