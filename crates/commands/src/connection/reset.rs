//! SELECT, RESET, QUIT: the state of a connection, and its end.

use resp::{Args, Protocol};

use super::{BEFORE_AUTHENTICATION, CONNECTION};
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::database;
use crate::session::Replies;

pub const SELECT: Command = Command {
    name: "select",
    arity: 2,
    flags: flag::LOADING | flag::STALE | flag::FAST,
    since: "1.0.0",
    summary: "Changes the selected database",
    syntax: "index",
    run: select,
    ..CONNECTION
};

pub const RESET: Command = Command {
    name: "reset",
    arity: 1,
    flags: BEFORE_AUTHENTICATION | flag::IMMEDIATE,
    since: "6.2.0",
    summary: "Makes the connection what it was at its beginning",
    run: reset,
    ..CONNECTION
};

pub const QUIT: Command = Command {
    name: "quit",
    arity: -1,
    flags: BEFORE_AUTHENTICATION | flag::IMMEDIATE,
    since: "1.0.0",
    summary: "Closes the connection",
    run: quit,
    ..CONNECTION
};

fn select(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    context.session.database = database(args.get(1))?;
    context.reply.ok();
    Ok(())
}

fn reset(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let session = &mut *context.session;
    session.transaction = None;
    session.unwatch(context.shared);
    session.stop_watching_commands(context.shared);
    session.database = 0;
    session.protocol = Protocol::Resp2;
    session.log_out(&context.shared.acl);
    session.replies = Replies::On;
    session.touches = true;
    session.no_evict = false;
    // What it says about its library still holds.
    session.client.names.lock().name.clear();
    context.reply.simple("RESET");
    Ok(())
}

fn quit(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.session.closes = true;
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check};

    #[test]
    fn databases_are_apart() {
        check(
            "SET k 0
             SELECT 1
             GET k
             SET k 1
             b> GET k
             SELECT 0
             GET k
             SELECT 16
             SELECT -1
             SELECT x
             SELECT 99999999999
             GET k",
            "OK
             OK
             nil
             OK
             0
             OK
             0
             -ERR DB index is out of range
             -ERR DB index is out of range
             -ERR value is not an integer or out of range
             -ERR value is out of range, value must between -2147483648 and 2147483647
             0",
        );
    }

    #[test]
    fn select_counts_inside_a_transaction() {
        check(
            "MULTI
             SELECT 2
             SET k v
             SELECT x
             GET k
             EXEC
             GET k
             SELECT 0
             GET k",
            "OK
             QUEUED
             QUEUED
             QUEUED
             QUEUED
             [OK OK -ERR value is not an integer or out of range v]
             v
             OK
             nil",
        );
    }

    #[test]
    fn reset_forgets() {
        check(
            "SELECT 3
             CLIENT SETNAME me
             CLIENT SETINFO lib-name lib
             WATCH k
             MULTI
             RESET
             EXEC
             CLIENT GETNAME
             SET k v
             b> GET k
             RESET x",
            "OK
             OK
             OK
             OK
             OK
             RESET
             -ERR EXEC without MULTI
             nil
             OK
             v
             -ERR wrong number of arguments for 'reset' command",
        );
        let mut server = TestServer::new();
        server.run("CLIENT SETINFO lib-name lib\nCLIENT NO-TOUCH on\nHELLO 3");
        assert_eq!(
            server.run("CLIENT REPLY OFF\nRESET\nGET missing"),
            "RESET\nnil"
        );
        let session = server.session("a");
        assert!(session.touches);
        assert_eq!(session.client.names.lock().library, "lib");
    }

    #[test]
    fn quit_closes_in_a_transaction_too() {
        let mut server = TestServer::new();
        assert_eq!(server.run("MULTI\nQUIT now"), "OK\nOK");
        assert!(server.session("a").closes);
    }
}
