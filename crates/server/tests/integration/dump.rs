//! Values that go from redis-server to ours and back by DUMP and RESTORE, in every form that both have.

use crate::client::{Client, Reply};
use crate::random::Random;
use crate::server::{Server, Target};

const ROUNDS: usize = 400;

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn element(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => (random.next() as i64 >> random.below(64))
            .to_string()
            .into_bytes(),
        1..4 => random.below(300).to_string().into_bytes(),
        4 => vec![b'a' + random.below(3) as u8; random.below(400)],
        5 => (0..random.below(90)).map(|_| random.next() as u8).collect(),
        6 => b"abcdefg ".repeat(random.below(40)),
        _ => format!("element:{}", random.below(5_000)).into_bytes(),
    }
}

/// Requests that make one value under `k`.
fn filled(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let count = match random.below(6) {
        0 => 1,
        1..4 => 1 + random.below(20),
        4 => 1 + random.below(200),
        _ => 1 + random.below(2_000),
    };
    let (name, items) = match random.below(5) {
        0 => ("SET", 1),
        1 => ("RPUSH", 1),
        2 | 3 => ("SADD", 1),
        _ => ("HSET", 2),
    };
    if name == "SET" {
        let value: Vec<u8> = (0..random.below(count) + 1)
            .flat_map(|_| element(random))
            .collect();
        return vec![vec![b"SET".to_vec(), b"k".to_vec(), value]];
    }
    let are_integers = random.once_in(3);
    let mut request = vec![name.as_bytes().to_vec(), b"k".to_vec()];
    request.extend((0..count * items).map(|_| {
        match are_integers {
            true => (random.next() as i32 >> random.below(32))
                .to_string()
                .into_bytes(),
            false => element(random),
        }
    }));
    vec![request]
}

/// All there is to know of the value of `k`.
fn look(client: &mut Client) -> Vec<Reply> {
    let kind = client.command_words("TYPE k").text();
    let request = match kind.as_str() {
        "string" => "GET k",
        "list" => "LRANGE k 0 -1",
        "set" => "SMEMBERS k",
        "hash" => "HGETALL k",
        other => panic!("{other}"),
    };
    let reply = client.command_words(request);
    let mut elements = match reply.elements() {
        None => vec![reply.clone()],
        Some(elements) if kind == "hash" => elements
            .chunks(2)
            .map(|field| Reply::Array(field.to_vec()))
            .collect(),
        Some(elements) => elements.to_vec(),
    };
    if kind != "list" {
        elements.sort_by_key(ToString::to_string);
    }
    elements
}

fn dump(client: &mut Client) -> Vec<u8> {
    match client.command_words("DUMP k") {
        Reply::Bulk(payload) => payload,
        other => panic!("{other}"),
    }
}

fn restore(client: &mut Client, payload: &[u8]) {
    let mut request = words("RESTORE k 0");
    request.extend([payload.to_vec(), b"REPLACE".to_vec()]);
    assert_eq!(client.command(&request).to_string(), "OK");
}

#[test]
fn values_go_to_redis_and_come_back() {
    if !Target::Redis.is_available() {
        return;
    }
    let redis = Server::start(Target::Redis);
    let ours = Server::start(Target::Mio);
    let (mut redis, mut ours) = (redis.connect(), ours.connect());
    let mut random = Random::new(7);
    for round in 0..ROUNDS {
        redis.command_words("DEL k");
        for request in filled(&mut random) {
            redis.command(&request);
        }
        let (payload, value) = (dump(&mut redis), look(&mut redis));
        restore(&mut ours, &payload);
        assert_eq!(look(&mut ours), value, "round {round}");
        let back = dump(&mut ours);
        // What has an order, or is packed, has the same bytes.
        let form = payload[0];
        if back[0] == form && ![2, 4].contains(&form) {
            assert!(back == payload, "round {round}: form {form}");
        }
        restore(&mut redis, &back);
        assert_eq!(look(&mut redis), value, "round {round}");
    }
}
