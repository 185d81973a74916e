//! CLIENT LIST, INFO: the connections.

use resp::Args;

use super::CONNECTION;
use super::client::{ADMIN_FLAGS, FLAGS};
use super::client_filter::{Filters, Purpose, syntax};
use super::client_line::{Viewer, write_line};
use crate::command::Command;
use crate::context::Context;
use crate::error::CommandError;

pub const INFO: Command = Command {
    name: "info",
    arity: 2,
    flags: FLAGS,
    tips: &["nondeterministic_output"],
    since: "6.2.0",
    summary: "Returns what is known of the connection",
    run: info,
    ..CONNECTION
};

pub const LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: ADMIN_FLAGS,
    tips: &["nondeterministic_output"],
    since: "2.4.0",
    summary: "Lists the connections, or those that fit all filters",
    complexity: "O(N) where N is the number of connections",
    syntax: syntax!("", ""),
    run: list,
    ..CONNECTION
};

/// Who looks; what its own worker knows of it becomes visible first.
pub fn viewer(context: &Context<'_, '_>, args: Args<'_>) -> Viewer {
    context.session.publish();
    Viewer {
        id: context.session.client.id,
        argument_bytes: args.bytes(),
        now_ms: context.now_ms(),
    }
}

fn info(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let viewer = viewer(context, args);
    let mut lines = String::new();
    write_line(&mut lines, &context.session.client, viewer);
    context.reply.verbatim("txt", lines.as_bytes());
    Ok(())
}

fn list(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let filters = Filters::parse(args.tail(2), Purpose::List, &context.shared.acl)?;
    let viewer = viewer(context, args);
    let mut lines = String::new();
    for client in filters.candidates(&context.shared.clients) {
        if filters.fit(&client, viewer) {
            write_line(&mut lines, &client, viewer);
            context.check_reply(lines.len())?;
        }
    }
    context.reply.verbatim("txt", lines.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use resp::Reply;

    use crate::testing::{TestServer, check, check_resp3};

    fn lines(server: &mut TestServer, command: &str) -> Vec<String> {
        match server.line(command) {
            Some(Reply::Bulk(text) | Reply::Verbatim { text, .. }) => {
                let text = String::from_utf8(text).expect("lines are ASCII");
                text.lines().map(str::to_owned).collect()
            }
            reply => panic!("{command}: {reply:?}"),
        }
    }

    fn ids(server: &mut TestServer, command: &str) -> String {
        let id = |line: &String| line.split(' ').next().map(|id| id.replace("id=", ""));
        let ids: Vec<String> = lines(server, command).iter().filter_map(id).collect();
        ids.join(" ")
    }

    #[test]
    fn a_line_tells_what_a_client_is() {
        let mut server = TestServer::new();
        server.run(
            "PING\nb> PING\nb> HELLO 3 SETNAME bee\nb> CLIENT SETINFO lib-name lib\nb> SELECT 2",
        );
        server.run(
            "b> WATCH k\nb> MULTI\nb> GET k\nb> CLIENT NO-TOUCH on\n+61500\nSELECT 2\nSET k v",
        );
        server.session("b").publish();
        let client = &server.session("b").client;
        client.received_bytes.store(7, Relaxed);
        let lines = lines(&mut server, "CLIENT LIST");
        assert_eq!(lines.len(), 2);
        let own = "id=1 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=8 name= age=61 idle=0 flags=N db=2 sub=0 psub=0 \
                   ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 \
                   tot-mem=";
        assert!(lines[0].starts_with(own), "{}", lines[0]);
        let end = " events=r cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver= io-thread=0 tot-net-in=0 tot-net-out=0 \
                   tot-cmds=4";
        assert!(lines[0].ends_with(end), "{}", lines[0]);
        for field in [
            " name=bee ",
            " age=61 ",
            " idle=61 ",
            " flags=xd ",
            " db=2 ",
            " multi=2 ",
            " watch=1 ",
            " resp=3 ",
            " lib-name=lib ",
            " tot-net-in=7 ",
            " cmd=multi ",
        ] {
            assert!(lines[1].contains(field), "{field} in {}", lines[1]);
        }
    }

    #[test]
    fn info_is_about_oneself() {
        let mut server = TestServer::new();
        server.run("b> PING");
        assert_eq!(ids(&mut server, "CLIENT INFO"), "2");
        assert_eq!(ids(&mut server, "b> CLIENT INFO"), "1");
        check_resp3("CLIENT LIST ID 99", "txt:");
        check("CLIENT LIST ID 99", "\"\"");
    }

    #[test]
    fn filters_choose() {
        let mut server = TestServer::new();
        server.run("PING\nb> CLIENT SETNAME bee\nc> SELECT 3\n+10000\nd> CLIENT SETINFO lib-name lib\nd> CLIENT CAPA redirect");
        for name in ["b", "c", "d"] {
            server.session(name).publish();
        }
        for (filters, expected) in [
            ("", "1 2 3 4"),
            ("TYPE normal", "1 2 3 4"),
            ("TYPE pubsub", ""),
            ("NOT-TYPE Replica", "1 2 3 4"),
            ("ID 3 1 99", "3 1"),
            ("ID 3 1 TYPE normal NOT-DB 3", "1"),
            ("NOT-ID 3 1", "2 4"),
            ("NAME bee", "2"),
            ("NOT-NAME bee", "1 3 4"),
            ("DB 3", "3"),
            ("DB 3 DB 0 SKIPME yes", "2 4"),
            ("SKIPME no", "1 2 3 4"),
            ("ADDR 127.0.0.1:50001", "2"),
            ("NOT-ADDR 127.0.0.1:50001", "1 3 4"),
            ("LADDR 127.0.0.1:6379", "1 2 3 4"),
            ("LADDR 127.0.0.2:6379", ""),
            ("IP 127.0.0.1", "1 2 3 4"),
            ("NOT-IP 127.0.0.1", ""),
            ("USER default", "1 2 3 4"),
            ("NOT-USER default", ""),
            ("MAXAGE 10", "1 2 3"),
            ("IDLE 5", "2 3"),
            ("LIB-NAME lib", "4"),
            ("NOT-LIB-NAME lib", "1 2 3"),
            ("LIB-VER 1", ""),
            ("FLAGS N", "1 2 3 4"),
            ("FLAGS x", ""),
            ("NOT-FLAGS N", ""),
            ("CAPA r", "4"),
            ("NOT-CAPA r", "1 2 3"),
        ] {
            assert_eq!(
                ids(&mut server, &format!("CLIENT LIST {filters}")),
                expected,
                "{filters}"
            );
        }
    }

    #[test]
    fn filters_are_checked() {
        check(
            "CLIENT LIST foo
             CLIENT LIST TYPE
             CLIENT LIST TYPE foo
             CLIENT LIST TYPE normal extra
             CLIENT LIST ID
             CLIENT LIST ID x
             CLIENT LIST ID 1 x
             CLIENT LIST USER foo
             CLIENT LIST MAXAGE x
             CLIENT LIST MAXAGE 0
             CLIENT LIST IDLE x
             CLIENT LIST IDLE -1
             CLIENT LIST FLAGS z
             CLIENT LIST CAPA z
             CLIENT LIST DB x
             CLIENT LIST DB 16
             CLIENT LIST SKIPME maybe
             CLIENT INFO x",
            "-ERR syntax error
             -ERR syntax error
             -ERR Unknown client type 'foo'
             -ERR syntax error
             -ERR syntax error
             -ERR Invalid client ID
             -ERR Invalid client ID
             -ERR No such user 'foo'
             -ERR maxage is not an integer or out of range
             -ERR maxage should be greater than 0
             -ERR idle is not an integer or out of range
             -ERR idle should be greater than 0
             -ERR Unknown flags found in the provided filter: z
             -ERR Unknown capa found in the provided filter: z
             -ERR DB is not an integer or out of range
             -ERR DB number should be between 0 and 15
             -ERR syntax error
             -ERR wrong number of arguments for 'client|info' command",
        );
    }
}
