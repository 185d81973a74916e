//! CLIENT KILL: closes connections.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use resp::Args;

use super::CONNECTION;
use super::client::ADMIN_FLAGS;
use super::client_filter::{Filters, Purpose, syntax};
use super::client_list::viewer;
use crate::clients::Client;
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;

pub const KILL: Command = Command {
    name: "kill",
    arity: -3,
    flags: ADMIN_FLAGS,
    since: "2.4.0",
    summary: "Closes connections: that of an address, or all others that fit all filters",
    complexity: "O(N) where N is the number of connections",
    syntax: syntax!("ip:port | <", ">"),
    run: kill,
    ..CONNECTION
};

fn kill(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() == 3 {
        return kill_address(context, args);
    }
    let filters = Filters::parse(args.tail(2), Purpose::Kill, &context.shared.acl)?;
    let viewer = viewer(context, args);
    let mut fitting = filters.candidates(&context.shared.clients);
    fitting.retain(|client| filters.fit(client, viewer));
    let count = close(context, &fitting);
    context.reply.integer(count);
    Ok(())
}

/// The old form, without filters.
fn kill_address(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut clients = context.shared.clients.all();
    clients.retain(|client| client.address.as_bytes() == args.get(2));
    if close(context, &clients) == 0 {
        return Err(CommandError::line("ERR No such client"));
    }
    context.reply.ok();
    Ok(())
}

/// Closes connections; how many of them nobody has closed before. Whoever closes its own gets the reply first.
pub fn close(context: &mut Context<'_, '_>, clients: &[Arc<Client>]) -> i64 {
    let mut count = 0;
    for client in clients {
        if client.id == context.session.client.id {
            context.session.closes = true;
            count += 1;
        } else if !client.killed.swap(true, SeqCst) {
            context.shared.process.close_killed(client);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use crate::testing::{TestServer, check};

    /// Runs CLIENT KILL in connection a of three; who is closed, and the reply.
    fn killed(arguments: &str) -> (String, String) {
        let mut server = TestServer::new();
        server.run("PING\nb> CLIENT SETNAME bee\nc> PING");
        let reply = server.run(&format!("CLIENT KILL {arguments}"));
        let mut killed = String::new();
        for name in ["a", "b", "c"] {
            let session = server.session(name);
            if session.closes || session.client.killed.load(SeqCst) {
                killed += name;
            }
        }
        (killed, reply)
    }

    #[test]
    fn connections_are_closed() {
        for (arguments, expected, reply) in [
            ("127.0.0.1:50001", "b", "OK"),
            ("127.0.0.1:50000", "a", "OK"),
            ("127.0.0.1:1", "", "-ERR No such client"),
            ("ID 2", "b", ":1"),
            ("ID 2 3", "bc", ":2"),
            ("ID 1", "", ":0"),
            ("ID 1 SKIPME no", "a", ":1"),
            ("ID 99", "", ":0"),
            ("ADDR 127.0.0.1:50002", "c", ":1"),
            ("TYPE normal", "bc", ":2"),
            ("USER default", "bc", ":2"),
            ("SKIPME yes", "bc", ":2"),
            ("SKIPME no", "abc", ":3"),
            ("NAME bee", "b", ":1"),
            ("NOT-NAME bee", "c", ":1"),
            ("MAXAGE 1", "", ":0"),
        ] {
            let expected = (expected.to_owned(), reply.to_owned());
            assert_eq!(killed(arguments), expected, "{arguments}");
        }
    }

    #[test]
    fn nobody_is_closed_twice() {
        check(
            "b> PING\nCLIENT KILL ID 1\nCLIENT KILL ID 1",
            "PONG\n:1\n:0",
        );
    }

    #[test]
    fn filters_are_checked() {
        check(
            "CLIENT KILL
             CLIENT KILL ADDR
             CLIENT KILL ID x
             CLIENT KILL ID 0
             CLIENT KILL ID 1 ADDR
             CLIENT KILL ID 1 foo
             CLIENT KILL foo bar
             CLIENT KILL TYPE foo
             CLIENT KILL USER foo
             CLIENT KILL SKIPME foo
             CLIENT KILL MAXAGE -1",
            "-ERR wrong number of arguments for 'client|kill' command
             -ERR No such client
             -ERR client-id should be greater than 0
             -ERR client-id should be greater than 0
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR Unknown client type 'foo'
             -ERR No such user 'foo'
             -ERR syntax error
             -ERR maxage should be greater than 0",
        );
    }
}
