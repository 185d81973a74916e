//! Fields of hashes with deadlines: they go by themselves, hashes go with their last one, and replies in steps leave out
//! what is over.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::{Client, Reply, encode};
use crate::server::for_each_backend;
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);
const HASHES: usize = 1_000;
/// Fields of a large hash.
const FIELDS: usize = 40_000;

/// Sends an HSETEX of so many fields from a number on.
fn set_fields(client: &mut Client, key: &str, fields: std::ops::Range<usize>, options: &[&str]) {
    let mut words = vec!["HSETEX".to_owned(), key.to_owned()];
    words.extend(options.iter().map(|&word| word.to_owned()));
    words.extend(["FIELDS".to_owned(), fields.len().to_string()]);
    words.extend(fields.flat_map(|field| [format!("field:{field}"), format!("value:{field}")]));
    client.send(&encode(&words)).expect("sent");
    assert_eq!(client.read_reply().expect("a reply"), Reply::Integer(1));
}

/// What MEMORY STATS says of an owner.
fn owner(client: &mut Client, name: &str) -> i64 {
    let reply = client.command_words("MEMORY STATS");
    let fields = reply.elements().expect("an array").chunks_exact(2);
    let mut found = fields.filter(|pair| pair[0].text() == format!("owner.{name}"));
    let value = found.next().expect("there is such an owner")[1].integer();
    value.expect("a number")
}

#[test]
fn fields_and_hashes_go_by_themselves() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        set_fields(&mut client, "lasting", 0..3, &[]);
        let before = owner(&mut client, "entries");
        for number in 0..HASHES {
            set_fields(&mut client, &format!("small:{number}"), 0..3, &["PX", "1"]);
        }
        set_fields(&mut client, "large", 0..FIELDS, &["PX", "1"]);
        set_fields(&mut client, "partly", 0..FIELDS, &["PX", "1"]);
        set_fields(&mut client, "partly", FIELDS..FIELDS + 10, &[]);
        set_fields(&mut client, "few", 0..3, &[]);
        set_fields(&mut client, "few", 3..6, &["PX", "1"]);
        until(PATIENCE, "nothing but what lasts is left", || {
            client.command_words("DBSIZE") == Reply::Integer(3)
        });
        assert_eq!(
            client.command_words("EXISTS large small:0").integer(),
            Some(0)
        );
        let expected = (3 * HASHES + 2 * FIELDS + 3) as u64;
        until(PATIENCE, "every field is counted", || {
            client.info("expired_subkeys") == expected
        });
        assert_eq!(client.info("expired_keys"), 0);
        assert_eq!(client.command_words("HLEN few").integer(), Some(3));
        assert_eq!(client.command_words("HLEN partly").integer(), Some(10));
        client.command_words("DEL partly few");
        until(PATIENCE, "their memory is given back", || {
            let deadlines = owner(&mut client, "deadlines");
            (owner(&mut client, "entries"), deadlines) == (before, 0)
        });
        client.command_words("CONFIG RESETSTAT");
        assert_eq!(client.info("expired_subkeys"), 0);
    });
}

#[test]
fn a_key_keeps_its_own_deadline() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        set_fields(&mut client, "h", 0..2, &["EX", "1000"]);
        for (command, expected) in [
            ("TTL h", "-1"),
            ("PERSIST h", "0"),
            ("PEXPIREAT h 99999999999999", "1"),
            ("PEXPIRETIME h", "99999999999999"),
            ("COPY h copy", "1"),
            ("RENAME copy other", "OK"),
            ("MOVE other 1", "1"),
            ("PERSIST h", "1"),
            ("HTTL h FIELDS 3 field:0 field:1 none", "1000 1000 -2"),
            ("TTL h", "-1"),
            ("SELECT 1", "OK"),
            ("PEXPIRETIME other", "99999999999999"),
            ("HTTL other FIELDS 2 field:0 field:1", "1000 1000"),
        ] {
            let reply = client.command_words(command);
            let shown = |reply: &Reply| match reply.integer() {
                // Time goes on.
                Some(900..1000) => "1000".to_owned(),
                Some(number) => number.to_string(),
                None => reply.text(),
            };
            let text = match reply.elements() {
                None => shown(&reply),
                Some(elements) => elements.iter().map(shown).collect::<Vec<_>>().join(" "),
            };
            assert_eq!(text, expected, "{command}");
        }
        // Nor is it one that volatile policies take for one of theirs.
        let keyspace = client.command_words("INFO keyspace").text();
        assert!(keyspace.contains("db0:keys=1,expires=0,"), "{keyspace}");
        assert!(keyspace.contains("db1:keys=1,expires=1,"), "{keyspace}");
    });
}

#[test]
fn long_replies_leave_out_what_is_over() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        // What is over stays, but for what commands remove.
        client.command_words("DEBUG SET-ACTIVE-EXPIRE 0");
        set_fields(&mut client, "h", 0..FIELDS, &["EX", "1000"]);
        set_fields(&mut client, "h", FIELDS..2 * FIELDS, &["PX", "1"]);
        until(PATIENCE, "their time is up", || {
            client.command_words("HLEN h").integer() == Some(FIELDS as i64)
        });
        let lasting: BTreeSet<String> = (0..FIELDS).map(|field| format!("field:{field}")).collect();
        for _ in 0..3 {
            client
                .send(b"HKEYS h\r\nHGETALL h\r\nPING\r\n")
                .expect("sent");
            let names = client.read_reply().expect("a reply");
            let names = names.elements().expect("an array").iter().map(Reply::text);
            assert!(names.collect::<BTreeSet<_>>() == lasting);
            let all = client.read_reply().expect("a reply");
            let all = all.elements().expect("an array");
            assert_eq!(all.len(), 2 * FIELDS);
            for pair in all.chunks_exact(2) {
                assert_eq!(pair[0].text().replace("field", "value"), pair[1].text());
            }
            assert_eq!(client.read_reply().expect("a reply").text(), "PONG");
        }
        client.command_words("DEBUG SET-ACTIVE-EXPIRE 1");
        until(PATIENCE, "they go", || {
            client.info("expired_subkeys") == FIELDS as u64
        });
    });
}
