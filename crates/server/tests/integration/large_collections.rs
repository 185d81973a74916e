//! Replies with very many elements, which are written in steps.

use crate::client::{Client, Reply, encode};
use crate::server::for_each_backend;

const MEMBERS: usize = 60_000;

fn fill(client: &mut Client) {
    let mut words = vec![b"SADD".to_vec(), b"s".to_vec()];
    words.extend((0..MEMBERS).map(|member| format!("member:{member}").into_bytes()));
    client.send(&encode(&words)).expect("sent");
    let added = client.read_reply().expect("a reply");
    assert_eq!(added.integer(), Some(MEMBERS as i64));
}

fn members(reply: &Reply) -> usize {
    reply.elements().map_or(0, <[Reply]>::len)
}

#[test]
fn what_follows_a_long_reply_comes_after_it() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        fill(&mut client);
        let mut other = server.connect();
        client
            .send(b"SMEMBERS s\r\nPING\r\nSMEMBERS s\r\nSMEMBERS s\r\nDEL s\r\nPING\r\n")
            .expect("sent");
        // Others are served meanwhile, and what they do is seen as a whole or not at all.
        assert_eq!(other.command_words("PING").text(), "PONG");
        other.command_words("SREM s member:1 member:2 member:3");
        let mut sizes = Vec::new();
        for expected in ["members", "PONG", "members", "members", ":1", "PONG"] {
            let reply = client.read_reply().expect("a reply");
            match expected {
                "members" => sizes.push(members(&reply)),
                ":1" => assert_eq!(reply.integer(), Some(1)),
                text => assert_eq!(reply.text(), text),
            }
        }
        for size in &sizes {
            assert!([MEMBERS, MEMBERS - 3].contains(size), "{sizes:?}");
        }
        assert!(sizes.is_sorted_by(|first, second| first >= second));
    });
}

#[test]
fn a_transaction_answers_at_once_and_a_client_that_goes_leaves_nothing() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        fill(&mut client);
        client
            .send(b"MULTI\r\nSMEMBERS s\r\nEXEC\r\n")
            .expect("sent");
        let replies: Vec<Reply> = (0..3)
            .map(|_| client.read_reply().expect("a reply"))
            .collect();
        let executed = replies[2].elements().expect("an array");
        assert_eq!(members(&executed[0]), MEMBERS);
        let mut gone = server.connect();
        gone.send(b"SMEMBERS s\r\nSMEMBERS s\r\n").expect("sent");
        drop(gone);
        client
            .send(b"CLIENT REPLY SKIP\r\nSMEMBERS s\r\nPING\r\n")
            .expect("sent");
        assert_eq!(client.read_reply().expect("a reply").text(), "PONG");
    });
}
