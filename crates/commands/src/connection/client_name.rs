//! CLIENT SETNAME, GETNAME, SETINFO: what a client says about itself.

use resp::Args;

use super::CONNECTION;
use super::client::FLAGS;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{is, text};
use crate::session::Session;

pub const SETNAME: Command = Command {
    name: "setname",
    arity: 3,
    flags: FLAGS,
    since: "2.6.9",
    summary: "Names the connection, or takes its name away if it is empty",
    syntax: "connection-name",
    run: |context, args| {
        let name = printable(args.get(2), CLIENT_NAME)?;
        set_name(context.session, name);
        context.reply.ok();
        Ok(())
    },
    ..CONNECTION
};

pub const GETNAME: Command = Command {
    name: "getname",
    arity: 2,
    flags: FLAGS,
    since: "2.6.9",
    summary: "Returns the name of the connection",
    run: get_name,
    ..CONNECTION
};

pub const SETINFO: Command = Command {
    name: "setinfo",
    arity: 4,
    flags: FLAGS,
    since: "7.2.0",
    summary: "Tells the name or the version of the client's library",
    syntax: "LIB-NAME libname | LIB-VER libver",
    run: set_info,
    ..CONNECTION
};

/// What [`printable`] calls a client's name.
pub const CLIENT_NAME: &str = "Client names";

/// A text that does not break the lines of CLIENT LIST; `what` begins the error otherwise.
pub fn printable(argument: &[u8], what: &str) -> Result<String, CommandError> {
    if argument.iter().all(u8::is_ascii_graphic) {
        return Ok(text(argument));
    }
    Err(CommandError::other(format_args!(
        "{what} cannot contain spaces, newlines or special characters."
    )))
}

/// Names the connection.
pub fn set_name(session: &Session, name: String) {
    session.client.names.lock().name = name;
}

fn get_name(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let names = context.session.client.names.lock();
    if names.name.is_empty() {
        context.reply.null();
    } else {
        context.reply.bulk(names.name.as_bytes());
    }
    Ok(())
}

fn set_info(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (option, value) = (args.get(2), args.get(3));
    let is_name = is(option, "LIB-NAME");
    if !is_name && !is(option, "LIB-VER") {
        return Err(CommandError::repeating(
            "Unrecognized option '",
            option,
            "'",
        ));
    }
    let value = printable(value, &text(option))?;
    let mut names = context.session.client.names.lock();
    if is_name {
        names.library = value;
    } else {
        names.library_version = value;
    }
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn names_are_kept() {
        check(
            "CLIENT GETNAME
             CLIENT SETNAME me
             CLIENT GETNAME
             CLIENT SETNAME \"a b\"
             CLIENT SETNAME \"\\n\"
             CLIENT SETNAME \"\\xc3\\xa4\"
             CLIENT GETNAME
             CLIENT SETNAME \"\"
             CLIENT GETNAME",
            "nil
             OK
             me
             -ERR Client names cannot contain spaces, newlines or special characters.
             -ERR Client names cannot contain spaces, newlines or special characters.
             -ERR Client names cannot contain spaces, newlines or special characters.
             me
             OK
             nil",
        );
        check_resp3("CLIENT GETNAME", "nil");
    }

    #[test]
    fn libraries_are_kept() {
        let mut server = TestServer::new();
        let replies = server.run(
            "CLIENT SETINFO lib-name redis-py(x)
             CLIENT SETINFO LIB-VER 8.0
             CLIENT SETINFO lib-ver \"8 0\"
             CLIENT SETINFO lib x
             CLIENT SETINFO lib-name",
        );
        let expected = [
            "OK",
            "OK",
            "-ERR lib-ver cannot contain spaces, newlines or special characters.",
            "-ERR Unrecognized option 'lib'",
            "-ERR wrong number of arguments for 'client|setinfo' command",
        ];
        assert_eq!(replies, expected.join("\n"));
        let names = server.session("a").client.names.lock().clone();
        assert_eq!(
            (names.library, names.library_version),
            ("redis-py(x)".into(), "8.0".into())
        );
    }
}
