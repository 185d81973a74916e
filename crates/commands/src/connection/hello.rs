//! HELLO: the version of the protocol, and who is there on either side.

use resp::{Args, Protocol};

use super::client_name::{CLIENT_NAME, printable, set_name};
use super::{BEFORE_AUTHENTICATION, CONNECTION};
use crate::REDIS_VERSION;
use crate::acl::guard::log_in;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;

pub const HELLO: Command = Command {
    name: "hello",
    arity: -1,
    flags: BEFORE_AUTHENTICATION,
    since: "6.0.0",
    summary: "Shakes hands with the server and chooses the protocol",
    syntax: "[protover [AUTH username password] [SETNAME clientname]]",
    run: hello,
    ..CONNECTION
};

/// What a client asks for.
#[derive(Default)]
struct Greeting<'a> {
    protocol: Option<Protocol>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<String>,
}

impl<'a> Greeting<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut greeting = Self::default();
        let mut options = args.tail(1).iter();
        if let Some(version) = options.next() {
            greeting.protocol = Some(protocol(version)?);
        }
        while let Some(option) = options.next() {
            let mut rest = options.clone();
            match (rest.next(), rest.next()) {
                (Some(user), Some(password)) if is(option, "AUTH") => {
                    greeting.credentials = Some((user, password));
                    options = rest;
                }
                (Some(name), _) if is(option, "SETNAME") => {
                    greeting.name = Some(printable(name, CLIENT_NAME)?);
                    options.next();
                }
                _ => {
                    let before = "Syntax error in HELLO option '";
                    return Err(CommandError::repeating(before, option, "'"));
                }
            }
        }
        Ok(greeting)
    }
}

fn protocol(version: &[u8]) -> Result<Protocol, CommandError> {
    match resp::parse_integer(version) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(CommandError::line("NOPROTO unsupported protocol version")),
        None => Err(CommandError::line(
            "ERR Protocol version is not an integer or out of range",
        )),
    }
}

fn hello(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let greeting = Greeting::parse(args)?;
    if let Some((user, password)) = greeting.credentials {
        log_in(context, args, user, password)?;
    }
    if !context.session.authenticated {
        return Err(CommandError::line(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = greeting.name {
        set_name(context.session, name);
    }
    if let Some(protocol) = greeting.protocol {
        context.session.protocol = protocol;
        context.reply.set_protocol(protocol);
    }
    introduce(context);
    Ok(())
}

/// Answers who we are.
fn introduce(context: &mut Context<'_, '_>) {
    let (session, reply) = (&*context.session, &mut context.reply);
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(session.protocol.version().into());
    reply.bulk(b"id");
    reply.integer(session.client.id.cast_signed());
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn the_protocol_is_chosen() {
        check(
            "HELLO
             HELLO 3
             HELLO
             GET missing
             HELLO 2",
            "[server redis version 7.4.0 proto :2 id :1 mode standalone role master modules []]
             {server redis version 7.4.0 proto :3 id :1 mode standalone role master modules []}
             {server redis version 7.4.0 proto :3 id :1 mode standalone role master modules []}
             nil
             [server redis version 7.4.0 proto :2 id :1 mode standalone role master modules []]",
        );
    }

    #[test]
    fn errors_change_nothing() {
        check(
            "HELLO 4
             HELLO x
             HELLO SETNAME x
             HELLO 3 foo
             HELLO 3 AUTH
             HELLO 3 AUTH x
             HELLO 3 SETNAME
             HELLO 3 SETNAME \"a b\" AUTH foo x
             HELLO 3 AUTH foo x
             CLIENT GETNAME
             HELLO",
            "-NOPROTO unsupported protocol version
             -ERR Protocol version is not an integer or out of range
             -ERR Protocol version is not an integer or out of range
             -ERR Syntax error in HELLO option 'foo'
             -ERR Syntax error in HELLO option 'AUTH'
             -ERR Syntax error in HELLO option 'AUTH'
             -ERR Syntax error in HELLO option 'SETNAME'
             -ERR Client names cannot contain spaces, newlines or special characters.
             -WRONGPASS invalid username-password pair or user is disabled.
             nil
             [server redis version 7.4.0 proto :2 id :1 mode standalone role master modules []]",
        );
    }

    #[test]
    fn hello_is_queued() {
        check(
            "MULTI
             HELLO 3
             GET missing
             EXEC",
            "OK
             QUEUED
             QUEUED
             [{server redis version 7.4.0 proto :3 id :1 mode standalone role master modules []} nil]",
        );
    }
}
