//! MONITOR: every command of every connection, as it is executed.

use resp::Args;

use super::ANYTIME;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;

pub const MONITOR: Command = Command {
    name: "monitor",
    arity: 1,
    flags: ANYTIME | flag::ADMIN | flag::NOSCRIPT,
    since: "1.0.0",
    summary: "Shows every command of every connection, until RESET or the end of the connection",
    run: monitor,
    ..Command::BASE
};

fn monitor(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let session = &mut *context.session;
    if session.executing > 0 {
        return Err(CommandError::line(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    if session.feed.is_none() {
        session.feed = Some(context.shared.insight.monitors.add(&session.client));
    }
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::TestServer;

    /// What connection m has been shown, without the times.
    fn shown(server: &mut TestServer) -> Vec<String> {
        let feed = server.session("m").feed.clone().expect("it watches");
        let text = String::from_utf8(feed.take().expect("not too much")).expect("ASCII");
        let rest = |line: &str| {
            let (time, rest) = line.split_once(' ').expect("a time");
            let (seconds, microseconds) = time.split_once('.').expect("a point");
            assert!(
                seconds.starts_with('+') && microseconds.len() == 6,
                "{line}"
            );
            rest.to_owned()
        };
        text.lines().map(rest).collect()
    }

    #[test]
    fn everything_is_shown_but_what_is_for_administrators() {
        let mut server = TestServer::new();
        server.run("PING\nm> MONITOR\nm> MONITOR");
        server.send(
            "a",
            b"GET a\r\nset b \"x y\"\r\nMGET a b\r\nNOSUCH\r\nGET\r\n",
        );
        server.run("SELECT 2\nCONFIG GET x\nAUTH secret");
        server.run("b> MULTI\nb> SET k 1\nb> GET k\nb> EXEC");
        let a = "127.0.0.1:50000]";
        let b = "127.0.0.1:50002]";
        let expected = [
            format!("[0 {a} \"GET\" \"a\""),
            format!("[0 {a} \"set\" \"b\" \"x y\""),
            format!("[0 {a} \"MGET\" \"a\" \"b\""),
            format!("[2 {a} \"SELECT\" \"2\""),
            format!("[2 {a} \"AUTH\" \"(redacted)\""),
            format!("[0 {b} \"MULTI\""),
            format!("[0 {b} \"SET\" \"k\" \"1\""),
            format!("[0 {b} \"GET\" \"k\""),
            format!("[0 {b} \"EXEC\""),
        ];
        assert_eq!(shown(&mut server), expected);
    }

    #[test]
    fn reset_and_the_end_of_the_connection_end_it() {
        let mut server = TestServer::new();
        server.run("PING\nm> MONITOR\nn> MONITOR");
        assert!(server.shared.insight.monitors.is_any());
        let refused = "-ERR Replica can't interact with the keyspace";
        let replies = server.run("m> GET a\nm> MGET a b\nm> SET a 1\nm> PING");
        assert_eq!(replies, [refused, refused, refused, "PONG"].join("\n"));
        server.run("m> RESET");
        assert!(server.session("m").feed.is_none());
        server.run("GET a");
        let feed = server.session("n").feed.clone().expect("it watches");
        assert_ne!(feed.take(), Some(Vec::new()));
        let other = server.new_session();
        let mut session = std::mem::replace(server.session("n"), other);
        session.end(&server.shared);
        assert!(!server.shared.insight.monitors.is_any());
    }
}
