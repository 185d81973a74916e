//! Pipelines of the commands that are executed in runs, with what breaks them off: the same replies, effects and counts
//! as of redis-server.

use std::collections::BTreeMap;

use crate::client::{Client, encode, split_words};
use crate::server::{Server, Target};

/// Commands whose counts are compared.
const COUNTED: &[&str] = &[
    "get", "set", "strlen", "ttl", "exists", "type", "mget", "incr", "getset", "append", "expireat",
];

/// The bytes of commands, one a line. A line that begins with `!` is sent as it is, escapes resolved.
fn pipeline(script: &str) -> Vec<u8> {
    let lines = script.lines().map(str::trim);
    let bytes = lines
        .filter(|line| !line.is_empty())
        .map(|line| match line.strip_prefix('!') {
            Some(raw) => crate::client::unescape(raw),
            None => encode(&split_words(line)),
        });
    bytes.flatten().collect()
}

/// Sends a pipeline in one write, with the client's number for `ID`; all replies, until the one to `PING end` or the end
/// of the connection.
fn replies(client: &mut Client, script: &str) -> Vec<String> {
    let id = client.command_words("CLIENT ID").to_string();
    let mut bytes = pipeline(&script.replace(" ID ", &format!(" ID {id} ")));
    bytes.extend(encode(&["PING", "end"]));
    client.send(&bytes).expect("sent");
    let mut replies = Vec::new();
    while let Ok(reply) = client.read_reply() {
        // Who answers, and with which number.
        let is_hello = reply.to_string().contains("redis");
        let shown = if is_hello {
            "HELLO".to_owned()
        } else {
            reply.to_string()
        };
        let is_end = shown == "\"end\"";
        replies.push(shown);
        if is_end {
            return replies;
        }
    }
    replies.push("closed".to_owned());
    replies
}

/// Calls, rejected and failed calls of commands, and what reads have found.
fn counts(client: &mut Client) -> BTreeMap<String, String> {
    let mut counts = BTreeMap::new();
    let text = client.command_words("INFO commandstats").text();
    for name in COUNTED {
        let start = format!("cmdstat_{name}:");
        let Some(line) = text.lines().find_map(|line| line.strip_prefix(&start)) else {
            continue;
        };
        let numbers = line.split(',').filter(|field| !field.contains("usec"));
        counts.insert((*name).to_owned(), numbers.collect::<Vec<_>>().join(","));
    }
    let text = client.command_words("INFO stats").text();
    for name in ["keyspace_hits", "keyspace_misses", "expired_keys"] {
        let line = text.lines().find(|line| line.starts_with(name));
        counts.insert(
            name.to_owned(),
            line.expect("the field is there").to_owned(),
        );
    }
    counts
}

/// Plays scripts one after the other, each on a new connection, on both servers.
#[track_caller]
fn check(scripts: &[&str]) {
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() || !Target::Redis.is_available() {
            continue;
        }
        let (redis, ours) = (Server::start(Target::Redis), Server::start(target));
        let play = |server: &Server| {
            // The second one finds what the parser has learnt from the first.
            let mut played = Vec::new();
            for _ in 0..2 {
                server.connect().command_words("FLUSHALL");
                for script in scripts {
                    played.push(replies(&mut server.connect(), script));
                }
                let mut client = server.connect();
                played.push(replies(&mut client, "MGET a b c d"));
                played.push(vec![format!("{:#?}", counts(&mut client))]);
            }
            played
        };
        let (expected, got) = (play(&redis), play(&ours));
        for (expected, got) in expected.iter().zip(&got) {
            assert_eq!(
                expected, got,
                "redis-server on the left, {target:?} on the right"
            );
        }
    }
}

#[test]
fn commands_see_what_those_before_them_did() {
    check(&[
        "SET a 1
         GET a
         SET a 2
         GET a
         GET b
         SET b x
         STRLEN b
         GET b
         INCR a
         GET a
         SET a x
         INCR a
         GET a
         set a 5
         Get a
         SET a 6 GET
         GET a
         DEL a
         GET a
         GETSET a 7
         GET a",
        "SET a 1 EXAT 4102444800
         TTL b
         SET a 2
         TTL a
         SET a 3 EXAT 1
         GET a
         GET a
         SET a 4
         TTL a
         GET a
         EXPIREAT a 1
         GET a
         EXISTS a
         SET b 1
         EXPIREAT b 1
         SET b 2
         GET b",
        "SET a 1
         SELECT 1
         GET a
         SET a one
         GET a
         SELECT 0
         GET a
         SWAPDB 0 1
         GET a
         SET a zero
         SELECT 1
         GET a
         FLUSHALL
         GET a
         SET a 1
         GET a",
    ]);
}

#[test]
fn transactions_begin_and_end_in_the_middle() {
    check(&["SET a 1
         GET a
         MULTI
         SET a 2
         GET a
         SET a 3
         GET
         EXEC
         GET a
         MULTI
         SET a 4
         GET a
         EXEC
         GET a
         WATCH a
         GET a
         SET a 5
         SET a 6
         MULTI
         SET a 7
         EXEC
         GET a
         WATCH b
         SET a 8
         MULTI
         SET b 9
         GET b
         DISCARD
         GET b
         SET b 10
         GET b"]);
}

#[test]
fn replies_are_turned_off_and_on_in_the_middle() {
    check(&[
        "SET a 1
         CLIENT REPLY SKIP
         GET a
         GET a
         CLIENT REPLY SKIP
         SET a 2
         SET a 3
         GET a
         CLIENT REPLY OFF
         GET a
         GET a
         SET a 4
         SET b 5
         CLIENT REPLY ON
         GET a
         GET b",
        "GET missing
         GET missing
         HELLO 3
         GET missing
         GET missing
         SET a 1
         HELLO 2
         GET missing
         GET a",
    ]);
}

#[test]
fn odd_requests_come_in_between() {
    let long = "v".repeat(20_000);
    let middle = "w".repeat(9_999);
    check(&[
        r"SET a 1
          !GET a\r\n
          GET a
          !*0\r\n
          GET a
          !\r\n
          GET a
          !*-1\r\n
          GET a
          !*2\r\n$3\r\nGET\r\n$0\r\n\r\n
          !*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n
          !*2\r\n$3\r\nGET\r\n$0\r\n\r\n
          !*02\r\n$3\r\nGET\r\n$1\r\na\r\n
          !*2\r\n$03\r\nGET\r\n$1\r\na\r\n
          !*2\r\n$3\r\nGET\r\n$01\r\na\r\n
          !SET a 'in line'\r\n
          GET a
          GET
          GET a b
          SET a
          SET a 1 NOSUCH
          NOSUCH a
          GET a",
        &format!(
            "SET a {long}
             SET a {middle}
             STRLEN a
             SET b {long}
             GET a
             GET b
             STRLEN b
             SET b short
             GET b
             GET {long}
             SET {long} {long}
             GET {long}
             SET {middle} {middle}
             GET {middle}
             APPEND a {long}
             GET a
             SET a 1
             GET a"
        ),
    ]);
}

#[test]
fn connections_end_in_the_middle() {
    check(&[
        "SET a 1
         GET a
         QUIT
         SET a 2
         SET b 2",
        r"SET b 1
          GET b
          !*2\r\n$3\r\nGET\r\n:5\r\n
          SET b 2
          SET c 2",
        r"SET c 1
          SET c 2
          !*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$-1\r\n
          SET c 3",
        "SET d 1
         GET d
         RESET
         GET d
         SET d 2
         GET d
         CLIENT KILL ID SKIPME no
         SET d 3
         GET d",
    ]);
}

#[test]
fn what_is_counted_is_what_was_asked() {
    let many = "GET a
        GET missing
        SET a 1
        "
    .repeat(400);
    check(&[&format!(
        "SET a 1
         {many}
         STRLEN a
         TTL a
         TYPE missing
         EXISTS a
         MGET a missing
         {many}"
    )]);
}

#[test]
fn a_pause_holds_writes_back_and_reads_go_on() {
    check(&["SET a 1
         GET a
         CLIENT PAUSE 30 WRITE
         GET a
         GET b
         SET a 2
         GET a
         SET a 3
         CLIENT PAUSE 30 ALL
         GET a
         SET b 4
         GET b"]);
}

#[test]
fn who_watches_is_told() {
    for target in [Target::Redis, Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let server = Server::start(target);
        let (mut watching, mut other) = (server.connect(), server.connect());
        for (script, expected) in [
            ("GET a\nGET b", "[\"1\"]"),
            ("SET b 1\nSET b 2", "[\"1\"]"),
            ("SET b 1\nSET a 1\nSET b 2", "(nil array)"),
        ] {
            watching.command_words("SET a 1");
            watching.command_words("WATCH a");
            replies(&mut other, script);
            watching.command_words("MULTI");
            watching.command_words("GET a");
            let got = watching.command_words("EXEC").to_string();
            assert_eq!(got, expected, "{target:?}: {script}");
        }
    }
}

#[test]
fn without_room_values_are_refused_and_others_are_read() {
    for target in [Target::Redis, Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let server = Server::start(target);
        let mut client = server.connect();
        let script = "SET a 2\nGET a\nSET a 3\nSET b 1\nGET b\nSET a 4 XX\nGET a\nDEL a\nGET a";
        replies(&mut client, "SET a 1\nSET a 1");
        client.command_words("CONFIG SET maxmemory-policy noeviction");
        client.command_words("CONFIG SET maxmemory 500kb");
        let refused = "(error) OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(
            replies(&mut client, script),
            [
                refused, "\"1\"", refused, refused, "(nil)", refused, "\"1\"", "1", "(nil)",
                "\"end\""
            ],
            "{target:?}"
        );
        let counted = counts(&mut client);
        assert_eq!(counted["set"], "calls=2,rejected_calls=4,failed_calls=0");
        client.command_words("CONFIG SET maxmemory 0");
        assert_eq!(
            replies(&mut client, "SET a 2\nGET a\nSET a 3\nGET a"),
            ["OK", "\"2\"", "OK", "\"3\"", "\"end\""],
            "{target:?}"
        );
    }
}
