//! DUMP and RESTORE as commands.

use resp::Reply;

use super::{read_payload, seal};
use crate::testing::{TestServer, check, show};

/// Commands, and what redis-server 7.0 dumps after them.
const DUMPS: &[(&str, &[u8])] = &[
        ("SET k hello", b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a"),
        ("SET k \"\"", b"\x00\x00\x0a\x00]\x9b\x5c@\x0f\x7f\xa2\xda"),
        ("SET k 12", b"\x00\xc0\x0c\x0a\x00<*\xf8Q\x5c\x04\xbc\xd5"),
        ("SET k -300", b"\x00\xc1\xd4\xfe\x0a\x00\xc6\xc4\x86#\xfe\xbe\xde."),
        ("SET k 70000", b"\x00\xc2p\x11\x01\x00\x0a\x00\x01\xa4\x08\xfe\x950\x95\xa5"),
        ("SET k 12345678901", b"\x00\x0b12345678901\x0a\x000NR\xd7'\x17e\x10"),
        ("SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b"\x00\xc3\x094\x01aa\xe0'\x00\x01aa\x0a\x00c\xdd)\xd3L\x1a$n"),
        ("SET k abcabcabcabcabcabcdefdefdefabcxyzxyz", b"\x00\xc3\x16$\x03abca\xe0\x05\x02\x02def\x80\x02 \x17\x02xyz \x02\x0a\x00\xb9\x96&\x1d\x81\xe9\xfa\xf1"),
        ("APPEND k 12", b"\x00\xc0\x0c\x0a\x00<*\xf8Q\x5c\x04\xbc\xd5"),
        ("SADD k 1 2 3", b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\x0a\x00\xa5\x02\x5c\xe2mnM\x1b"),
        ("SADD k -70000 5", b"\x0b\x10\x04\x00\x00\x00\x02\x00\x00\x00\x90\xee\xfe\xff\x05\x00\x00\x00\x0a\x00yY\xd3L\x8a\xcbs\xf6"),
        ("SADD k a", b"\x02\x01\x01a\x0a\x00b\x96\xe9~D\xd2\x1am"),
        ("RPUSH k a 1 -5 1000 x1000000", b"\x12\x01\x02\x1c\x1c\x00\x00\x00\x05\x00\x81a\x02\x01\x01\xdf\xfb\x02\xc3\xe8\x02\x88x1000000\x09\xff\x0a\x00\x05R_\xcc\xdc&q\x1b"),
        ("HSET k f v n 12", b"\x10\x12\x12\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81n\x02\x0c\x01\xff\x0a\x00\x016\x94\x81\xd3[\x89t"),
        ("HSET k f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", b"\x04\x01\x01f\xc3\x09@F\x01xx\xe09\x00\x01xx\x0a\x00>l\x95_.R\xe7\xc1"),
        ("LPUSH k a b c", b"\x12\x01\x02\x10\x10\x00\x00\x00\x03\x00\x81c\x02\x81b\x02\x81a\x02\xff\x0a\x008\xf8\xc2h\xc0M\x88\xb6"),
];

fn dump(server: &mut TestServer) -> Vec<u8> {
    match server.command(&["DUMP", "k"]) {
        Reply::Bulk(payload) => payload,
        other => panic!("{other:?}"),
    }
}

fn restore(server: &mut TestServer, payload: &[u8]) -> String {
    show(&server.command(&[&b"RESTORE"[..], b"k", b"0", payload, b"REPLACE"]))
}

#[test]
fn values_are_dumped_as_redis_does_it_and_restored() {
    for (command, expected) in DUMPS {
        let mut server = TestServer::new();
        server.run(command);
        assert_eq!(dump(&mut server), *expected, "{command}");
        server.run("DEL k");
        assert_eq!(restore(&mut server, expected), "OK", "{command}");
        assert_eq!(dump(&mut server), *expected, "{command}");
    }
}

#[test]
fn large_values_come_back() {
    for fill in [
        "SETRANGE k 100000 x",
        "SETRANGE k 16384 x",
        "SADD k LONG",
        "RPUSH k LONG",
        "HSET k LONG",
    ] {
        let mut server = TestServer::new();
        let long: Vec<String> = (0..5_000).map(|n| format!("element-{n}")).collect();
        server.run(&fill.replace("LONG", &long.join(" ")));
        let payload = dump(&mut server);
        let look = "TYPE k\nOBJECT ENCODING k\nSTRLEN k\nLRANGE k 0 -1\nSCARD k\nHLEN k\nHGET k element-500";
        let before = server.run(look);
        assert_eq!(restore(&mut server, &payload), "OK");
        assert_eq!(server.run(look), before);
    }
}

#[test]
fn damaged_payloads_are_refused() {
    let mut server = TestServer::new();
    for (_, payload) in DUMPS {
        for at in 0..payload.len() {
            let mut damaged = payload.to_vec();
            damaged[at] ^= 1 << (at % 8);
            let reply = restore(&mut server, &damaged);
            assert_eq!(reply, "-ERR DUMP payload version or checksum are wrong");
            let reply = restore(&mut server, &payload[..at]);
            assert_eq!(reply, "-ERR DUMP payload version or checksum are wrong");
        }
        // With a CRC that is right.
        for at in 0..payload.len() - 10 {
            for flipped in 1..=255 {
                let mut damaged = payload[..payload.len() - 10].to_vec();
                damaged[at] ^= flipped;
                seal(&mut damaged);
                let reply = restore(&mut server, &damaged);
                assert!(["OK", "-ERR Bad data format"].contains(&&*reply), "{reply}");
            }
        }
    }
}

#[test]
fn versions_are_looked_at() {
    let mut payload = b"\x00\x01a".to_vec();
    for (version, is_read) in [(1_u8, true), (10, true), (12, true), (13, false)] {
        payload.truncate(3);
        payload.extend_from_slice(&[version, 0]);
        let sum = super::crc64(&payload);
        payload.extend_from_slice(&sum.to_le_bytes());
        assert_eq!(read_payload(&payload).is_ok(), is_read, "{version}");
    }
}

#[test]
fn members_that_come_twice_are_refused() {
    let mut server = TestServer::new();
    let mut payload = b"\x02\x02\x01a\x01a".to_vec();
    seal(&mut payload);
    assert_eq!(restore(&mut server, &payload), "-ERR Bad data format");
    assert_eq!(server.run("EXISTS k"), ":0");
}

#[test]
fn options_and_times_are_those_of_redis() {
    let mut payload = b"\x00\x01a".to_vec();
    seal(&mut payload);
    let mut server = TestServer::new();
    for (options, expected) in [
        ("0", "OK"),
        ("0", "-BUSYKEY Target key name already exists."),
        ("x", "-BUSYKEY Target key name already exists."),
        ("x REPLACE", "-ERR value is not an integer or out of range"),
        ("-1 REPLACE", "-ERR Invalid TTL value, must be >= 0"),
        ("1000 REPLACE", "OK"),
        ("0 replace absttl", "OK"),
        ("0 REPLACE NOW", "-ERR syntax error"),
        ("0 REPLACE IDLETIME", "-ERR syntax error"),
        (
            "0 REPLACE IDLETIME -1",
            "-ERR Invalid IDLETIME value, must be >= 0",
        ),
        (
            "0 REPLACE FREQ 256",
            "-ERR Invalid FREQ value, must be >= 0 and <= 255",
        ),
        ("0 REPLACE FREQ 5 IDLETIME 5", "-ERR syntax error"),
        ("0 REPLACE IDLETIME 5000", "OK"),
        ("1 REPLACE ABSTTL", "OK"),
    ] {
        let mut words = options.split(' ').map(|word| word.as_bytes().to_vec());
        let mut request = vec![b"RESTORE".to_vec(), b"k".to_vec()];
        request.extend(words.next());
        request.push(payload.clone());
        request.extend(words);
        assert_eq!(show(&server.command(&request)), expected, "{options}");
        if options.starts_with("1000 ") {
            assert_eq!(server.run("PTTL k\nGET k"), ":1000\na");
        }
        if options.ends_with("5000") {
            assert_eq!(server.run("PTTL k\nOBJECT IDLETIME k"), ":-1\n:5000");
        }
    }
    assert_eq!(server.run("EXISTS k"), ":0");
}

#[test]
fn what_is_not_there_is_not_dumped() {
    check("DUMP missing", "nil");
}
