//! Values that go from redis-server to ours and back by DUMP and RESTORE, in every type and form that both have; and those
//! that only ours has.

use std::collections::BTreeMap;

use crate::client::{Client, Reply};
use crate::drawn::pairs_of;
use crate::random::Random;
use crate::server::{Server, Target};

const ROUNDS: usize = 400;

/// The forms that Redis 7.0 writes.
const STRING: u8 = 0;
const SET: u8 = 2;
const HASH: u8 = 4;
const SORTED_SET: u8 = 5;
const INTSET: u8 = 11;
const HASH_PACKED: u8 = 16;
const SORTED_SET_PACKED: u8 = 17;
const LIST: u8 = 18;

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

/// When redis-server changes the form of a value. Elements from the last one on are parts of a list by themselves.
fn settings(random: &mut Random) -> Vec<String> {
    let hash = *random.pick(&[512, 8, 0]);
    let sorted_set = *random.pick(&[128, 8, 0]);
    let set = *random.pick(&[512, 8]);
    let list = *random.pick(&[-2, -1, 5, 128]);
    let plain = *random.pick(&["1gb", "1gb", "100", "300"]);
    vec![
        format!(
            "CONFIG SET hash-max-listpack-entries {hash} zset-max-listpack-entries {sorted_set}"
        ),
        format!("CONFIG SET set-max-intset-entries {set} list-max-listpack-size {list}"),
        format!("DEBUG QUICKLIST-PACKED-THRESHOLD {plain}"),
    ]
}

fn score(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => b"inf".to_vec(),
        1 => b"-inf".to_vec(),
        2 => format!("{}e{}", random.below(1_000), random.between(-300, 300)).into_bytes(),
        3 => format!("{}.{}", random.between(-99, 99), random.below(1_000)).into_bytes(),
        4 => (random.next() as i64 >> random.below(64))
            .to_string()
            .into_bytes(),
        5 => b"-0".to_vec(),
        _ => random.between(-9, 9).to_string().into_bytes(),
    }
}

/// Requests that make one value under `k`.
fn filled(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let count = match random.below(24) {
        0..4 => 1,
        4..16 => 1 + random.below(20),
        16..20 => 1 + random.below(200),
        20..23 => 1 + random.below(2_000),
        _ => 1 + random.below(20_000),
    };
    let name = *random.pick(&[
        "SET", "RPUSH", "SADD", "SADD", "HSET", "ZADD", "ZADD", "PFADD",
    ]);
    if name == "SET" {
        let value: Vec<u8> = (0..random.below(count) + 1)
            .flat_map(|_| element(random))
            .collect();
        return vec![vec![b"SET".to_vec(), b"k".to_vec(), value]];
    }
    let are_integers = random.once_in(3);
    let mut request = vec![name.as_bytes().to_vec(), b"k".to_vec()];
    for _ in 0..count {
        let element = |random: &mut Random| match are_integers {
            true => (random.next() as i32 >> random.below(32))
                .to_string()
                .into_bytes(),
            false => element(random),
        };
        match name {
            "ZADD" => request.extend([score(random), element(random)]),
            "HSET" => request.extend([element(random), element(random)]),
            _ => request.push(element(random)),
        }
    }
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
        "zset" => "ZRANGE k 0 -1 WITHSCORES",
        other => panic!("{other}"),
    };
    let reply = client.command_words(request);
    let mut elements = match reply.elements() {
        None => vec![reply.clone()],
        Some(elements) if kind == "zset" => pairs_of(elements)
            .into_iter()
            .map(|(member, score)| Reply::Array(vec![Reply::Bulk(member), Reply::Bulk(score)]))
            .collect(),
        Some(elements) if kind == "hash" => elements
            .chunks(2)
            .map(|field| Reply::Array(field.to_vec()))
            .collect(),
        Some(elements) => elements.to_vec(),
    };
    if kind != "list" && kind != "zset" {
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
    let mut forms: BTreeMap<u8, usize> = BTreeMap::new();
    for round in 0..ROUNDS {
        redis.command_words("DEL k");
        if round % 10 == 0 {
            for line in settings(&mut random) {
                assert_eq!(redis.command_words(&line).to_string(), "OK", "{line}");
            }
        }
        for request in filled(&mut random) {
            redis.command(&request);
        }
        let (payload, value) = (dump(&mut redis), look(&mut redis));
        restore(&mut ours, &payload);
        assert_eq!(look(&mut ours), value, "round {round}");
        let back = dump(&mut ours);
        // Redis 7.0 reads up to version 10.
        let version = &back[back.len() - 10..back.len() - 8];
        assert_eq!(version, [10, 0], "round {round}");
        // What has an order, or is packed, has the same bytes. Lists do not tell how Redis cuts them into parts.
        let form = payload[0];
        *forms.entry(form).or_default() += 1;
        if back[0] == form && ![SET, HASH, LIST].contains(&form) {
            assert!(back == payload, "round {round}: form {form}");
        }
        restore(&mut redis, &back);
        assert_eq!(look(&mut redis), value, "round {round}");
    }
    let forms: Vec<u8> = forms.into_keys().collect();
    let expected = [
        STRING,
        SET,
        HASH,
        SORTED_SET,
        INTSET,
        HASH_PACKED,
        SORTED_SET_PACKED,
        LIST,
    ];
    assert_eq!(forms, expected, "all forms of Redis 7.0 took part");
}

#[test]
fn lists_in_parts_of_the_usual_size_have_the_same_bytes() {
    if !Target::Redis.is_available() {
        return;
    }
    let redis = Server::start(Target::Redis);
    let ours = Server::start(Target::Mio);
    let (mut redis, mut ours) = (redis.connect(), ours.connect());
    let mut random = Random::new(11);
    for _ in 0..60 {
        redis.command_words("DEL k");
        let mut request = words("RPUSH k");
        let count = 1 + random.below(3_000);
        request.extend((0..count).map(|_| element(&mut random)));
        redis.command(&request);
        let payload = dump(&mut redis);
        restore(&mut ours, &payload);
        assert!(dump(&mut ours) == payload, "{count} elements");
    }
}

#[test]
fn deadlines_of_fields_come_back() {
    let ours = Server::start(Target::Mio);
    let mut ours = ours.connect();
    for fields in [3, 300, 3_000] {
        ours.command_words("DEL k");
        for at in 0..fields {
            ours.command_words(&format!("HSET k field:{at} {at}"));
            if at % 3 != 2 {
                let deadline_ms = 4_102_444_800_000_u64 + at * 977;
                let line = format!("HPEXPIREAT k {deadline_ms} FIELDS 1 field:{at}");
                assert_eq!(ours.command_words(&line).to_string(), "[1]");
            }
        }
        let ask = |ours: &mut Client| {
            let mut request = words(&format!("HPEXPIRETIME k FIELDS {fields}"));
            request.extend((0..fields).map(|at| format!("field:{at}").into_bytes()));
            (ours.command(&request), look(ours))
        };
        let before = ask(&mut ours);
        let payload = dump(&mut ours);
        ours.command_words("DEL k");
        restore(&mut ours, &payload);
        assert_eq!(ask(&mut ours), before, "{fields} fields");
    }
}
