//! Many clients at once: no update is lost, several keys change together or not at all, SCAN keeps
//! its promise, and nothing deadlocks. The tests judge data, not time; a deadlock shows as a reply
//! that does not come.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::{Client, Reply, encode};
use crate::random::Random;
use crate::server::{Server, Target, is_long_run};
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients at a time.
const CLIENTS: usize = 8;

/// Makes one test for each backend.
macro_rules! for_each_backend {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::server::{Server, Target};

            #[test]
            fn mio() {
                super::$name(&Server::start_with(Target::Mio, super::FLAGS));
            }

            #[test]
            fn io_uring() {
                if Target::IoUring.is_available() {
                    super::$name(&Server::start_with(Target::IoUring, super::FLAGS));
                }
            }
        }
    )*};
}

for_each_backend!(
    increments_are_not_lost,
    mset_is_never_seen_half,
    single_writes_are_seen_in_their_order,
    transactions_are_never_seen_half,
    optimistic_locking_loses_nothing,
    renames_and_copies_keep_every_value,
    moves_between_databases_keep_every_value,
    scan_returns_what_stays,
    swapdb_and_flushall_under_load,
    set_nx_has_one_winner,
    appends_are_not_lost,
    large_values_are_never_torn,
    large_values_of_every_size,
    expired_keys_go_by_themselves,
    fields_expire_while_hashes_change,
);

/// Few shards, so that clients meet in them, and small batches, so that they take turns.
const FLAGS: &[&str] = &["--server.num_shards", "8", "--server.batch_size", "16"];

fn times(short: usize) -> usize {
    if is_long_run() { short * 20 } else { short }
}

/// Runs `work` in one thread for each client, all starting together.
fn together(server: &Server, clients: usize, work: impl Fn(usize, &mut Client) + Sync) {
    let barrier = Barrier::new(clients);
    thread::scope(|scope| {
        for number in 0..clients {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                let mut client = server.connect();
                barrier.wait();
                work(number, &mut client);
            });
        }
    });
}

/// Runs `load` in several clients until `work` has ended in another.
fn during(
    server: &Server,
    clients: usize,
    load: impl Fn(usize, &mut Client) + Sync,
    work: impl FnOnce(&mut Client),
) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..clients {
            let (done, load) = (&done, &load);
            scope.spawn(move || {
                let mut client = server.connect();
                while !done.load(Ordering::Relaxed) {
                    load(number, &mut client);
                }
            });
        }
        let finish = Finish(&done);
        work(&mut server.connect());
        drop(finish);
    });
}

/// Ends the load also when the work panics, or the test would hang.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ok(reply: &Reply) {
    assert_eq!(reply.to_string(), "OK");
}

fn increments_are_not_lost(server: &Server) {
    let rounds = times(200);
    together(server, CLIENTS, |_, client| {
        for _ in 0..rounds {
            let replies = client.pipeline(&[
                "INCR a",
                "INCRBY b 3",
                "DECR c",
                "INCRBYFLOAT d 0.5",
                "INCR a",
            ]);
            assert!(!replies.iter().any(Reply::is_error), "{replies:?}");
        }
    });
    let mut client = server.connect();
    let total = (CLIENTS * rounds) as i64;
    let expected = [total * 2, total * 3, -total, total / 2];
    for (key, expected) in ["a", "b", "c", "d"].iter().zip(expected) {
        let value = client.command(&["GET", key]).text();
        assert_eq!(value, expected.to_string(), "{key}");
    }
}

fn appends_are_not_lost(server: &Server) {
    let rounds = times(200);
    together(server, CLIENTS, |number, client| {
        let letter = char::from(b'a' + number as u8).to_string();
        for _ in 0..rounds {
            client.command(&["APPEND", "log", &letter]);
        }
    });
    let log = server.connect().command_words("GET log").text();
    for number in 0..CLIENTS {
        let letter = char::from(b'a' + number as u8);
        let count = log.chars().filter(|other| *other == letter).count();
        assert_eq!(count, rounds, "{letter}");
    }
}

fn set_nx_has_one_winner(server: &Server) {
    let rounds = times(200);
    let wins: Vec<AtomicBool> = (0..rounds).map(|_| AtomicBool::new(false)).collect();
    together(server, CLIENTS, |number, client| {
        for (round, won) in wins.iter().enumerate() {
            let key = format!("lock:{round}");
            let reply = match number % 2 {
                0 => client.command(&["SET", &key, "x", "NX"]).to_string() == "OK",
                _ => client.command(&["SETNX", &key, "x"]) == Reply::Integer(1),
            };
            if reply {
                assert!(!won.swap(true, Ordering::Relaxed), "two won {key}");
            }
        }
    });
    assert!(wins.iter().all(|won| won.load(Ordering::Relaxed)));
}

/// The keys that are written together: enough to lie in several shards.
const GROUP: &str = "g1 g2 g3 g4 g5 g6 g7 g8";

fn mset_command(value: &str) -> Vec<String> {
    let mut words = vec!["MSET".to_owned()];
    for key in GROUP.split(' ') {
        words.push(key.to_owned());
        words.push(value.to_owned());
    }
    words
}

/// All elements are equal, and not missing.
fn assert_equal_elements(reply: &Reply) {
    let elements = reply.elements().unwrap_or_else(|| panic!("{reply}"));
    assert!(
        elements.iter().all(|element| *element == elements[0]),
        "seen half: {reply}"
    );
    assert!(matches!(elements[0], Reply::Bulk(_)), "{reply}");
}

fn mset_is_never_seen_half(server: &Server) {
    let rounds = times(1000);
    server.connect().command(&mset_command("begin"));
    let write = |number: usize, client: &mut Client| {
        // Short values change in place, long ones do not.
        for value in [number.to_string(), format!("{number}").repeat(100)] {
            ok(&client.command(&mset_command(&value)));
        }
    };
    during(server, 3, write, |client| {
        let read = format!("MGET {GROUP}");
        for _ in 0..rounds {
            for reply in client.pipeline(&[&read, &read, &read, &read]) {
                assert_equal_elements(&reply);
            }
        }
    });
}

/// Several keys are read as they were at one moment: who sees the second of two writes sees the first.
fn single_writes_are_seen_in_their_order(server: &Server) {
    let rounds = times(1000);
    let long = |number: u64| format!("{number:040}");
    server
        .connect()
        .command(&["MSET", "first", &long(0), "second", &long(0)]);
    let write = |_: usize, client: &mut Client| {
        let number: u64 = client.command(&["GET", "second"]).text().parse().unwrap();
        let next = long(number + 1);
        ok(&client.command(&["SET", "first", &next]));
        ok(&client.command(&["SET", "second", &next]));
        client.pipeline(&["SET added 1", "SET after 1", "DEL after", "DEL added"]);
    };
    during(server, 1, write, |client| {
        for _ in 0..rounds {
            let reply = client.command(&["MGET", "second", "first"]);
            let values = reply.elements().unwrap();
            assert!(values[0].text() <= values[1].text(), "{reply}");
            let reply = client.command(&["MGET", "first", "second"]);
            let values = reply.elements().unwrap();
            assert!(values[0].text() >= values[1].text(), "{reply}");
            let reply = client.command(&["MGET", "after", "added"]);
            let values = reply.elements().unwrap();
            let is_after_alone = values[0] != Reply::NilBulk && values[1] == Reply::NilBulk;
            assert!(!is_after_alone, "{reply}");
        }
    });
}

fn transactions_are_never_seen_half(server: &Server) {
    let rounds = times(500);
    server.connect().command(&mset_command("0"));
    let write = |number: usize, client: &mut Client| {
        let mut lines = vec!["MULTI".to_owned()];
        let keys = GROUP.split(' ');
        lines.extend(keys.map(|key| match number % 2 {
            0 => format!("INCR {key}"),
            _ => format!("SET {key} {number}"),
        }));
        lines.push("EXEC".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let replies = client.pipeline(&lines);
        assert!(replies[lines.len() - 1].elements().is_some(), "{replies:?}");
    };
    during(server, 3, write, |client| {
        let read = format!("MGET {GROUP}");
        let mut transaction = vec!["MULTI".to_owned()];
        transaction.extend(GROUP.split(' ').map(|key| format!("GET {key}")));
        transaction.push("EXEC".to_owned());
        let transaction: Vec<&str> = transaction.iter().map(String::as_str).collect();
        for _ in 0..rounds {
            assert_equal_elements(&client.command_words(&read));
            assert_equal_elements(&client.pipeline(&transaction)[transaction.len() - 1]);
        }
    });
}

fn optimistic_locking_loses_nothing(server: &Server) {
    let rounds = times(50);
    server.connect().command_words("MSET left 0 right 0");
    together(server, CLIENTS, |_, client| {
        let mut done = 0;
        while done < rounds {
            client.command_words("WATCH left right");
            let values = client.command_words("MGET left right");
            let elements = values.elements().expect("two values");
            let number = |reply: &Reply| reply.text().parse::<i64>().expect("a number");
            let (left, right) = (number(&elements[0]), number(&elements[1]));
            assert_eq!(left, -right, "seen half");
            let set_left = format!("SET left {}", left + 1);
            let set_right = format!("SET right {}", right - 1);
            let replies = client.pipeline(&["MULTI", &set_left, &set_right, "EXEC"]);
            match &replies[3] {
                Reply::Array(_) => done += 1,
                Reply::NilArray => {}
                other => panic!("{other}"),
            }
        }
    });
    let total = (CLIENTS * rounds) as i64;
    let values = server.connect().command_words("MGET left right");
    assert_eq!(values.to_string(), format!("[\"{total}\", \"-{total}\"]"));
}

/// Tokens are renamed and copied from key to key in all shards; none is lost or doubled.
fn renames_and_copies_keep_every_value(server: &Server) {
    const TOKENS: usize = 4;
    const PLACES: usize = 40;
    let rounds = times(500);
    for token in 0..TOKENS {
        let set = format!("SET place:{token} token:{token}");
        ok(&server.connect().command_words(&set));
    }
    together(server, CLIENTS, |number, client| {
        let mut random = Random::new(number as u64);
        for _ in 0..rounds {
            let from = random.below(PLACES);
            let to = random.below(PLACES);
            match number % 3 {
                // RENAMENX moves a token only to a free place.
                0 | 1 => drop(client.command_words(&format!("RENAMENX place:{from} place:{to}"))),
                _ => drop(client.command_words(&format!("COPY place:{from} copy:{to} REPLACE"))),
            }
        }
    });
    let mut client = server.connect();
    let keys = client.command_words("KEYS place:*");
    let mut tokens: Vec<String> = keys
        .elements()
        .expect("keys")
        .iter()
        .map(|key| client.command(&["GET", &key.text()]).text())
        .collect();
    tokens.sort();
    let expected: Vec<String> = (0..TOKENS).map(|token| format!("token:{token}")).collect();
    assert_eq!(tokens, expected);
}

fn moves_between_databases_keep_every_value(server: &Server) {
    const TOKENS: usize = 8;
    let rounds = times(500);
    for token in 0..TOKENS {
        ok(&server
            .connect()
            .command_words(&format!("SET token:{token} x")));
    }
    together(server, CLIENTS, |number, client| {
        let mut random = Random::new(number as u64);
        for _ in 0..rounds {
            let (from, to) = (random.below(4), random.below(4));
            let select = format!("SELECT {from}");
            let move_on = format!("MOVE token:{} {to}", random.below(TOKENS));
            client.pipeline(&[&select, &move_on]);
        }
    });
    let mut client = server.connect();
    let mut count = 0;
    for database in 0..4 {
        client.command_words(&format!("SELECT {database}"));
        count += client.command_words("DBSIZE").integer().expect("a number");
    }
    assert_eq!(count, TOKENS as i64);
}

/// Every key that exists during the whole loop is returned, while others come and go and the table
/// grows and shrinks.
fn scan_returns_what_stays(server: &Server) {
    const STAYING: usize = 500;
    let loops = times(10);
    let mut client = server.connect();
    for number in 0..STAYING {
        client.command(&["SET", &format!("stay:{number}"), "x"]);
    }
    let change = |number: usize, client: &mut Client| {
        let mut random = Random::new(number as u64);
        let names: Vec<String> = (0..2000)
            .map(|_| format!("go:{}:{}", number, random.below(100_000)))
            .collect();
        for chunk in names.chunks(100) {
            let sets: Vec<String> = chunk.iter().map(|name| format!("SET {name} x")).collect();
            client.pipeline(&sets.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for chunk in names.chunks(100) {
            client.command_words(&format!("DEL {}", chunk.join(" ")));
        }
    };
    during(server, 3, change, |client| {
        let mut random = Random::new(7);
        for _ in 0..loops {
            let count = *random.pick(&["1", "10", "100", "1000"]);
            let seen = scan_all(client, count);
            for number in 0..STAYING {
                let name = format!("stay:{number}");
                assert!(seen.contains(&name), "COUNT {count}: {name} is missing");
            }
        }
    });
    // Nothing is made up, and nothing that stays is left out, when nothing changes either.
    let keys = client.command_words("KEYS *");
    let expected: HashSet<String> = keys
        .elements()
        .expect("keys")
        .iter()
        .map(Reply::text)
        .collect();
    assert_eq!(scan_all(&mut client, "7"), expected);
}

fn scan_all(client: &mut Client, count: &str) -> HashSet<String> {
    let mut seen = HashSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.command(&["SCAN", &cursor, "COUNT", count]);
        let [next, page] = reply.elements().expect("a SCAN reply") else {
            panic!("{reply}");
        };
        let keys = page.elements().expect("keys");
        seen.extend(keys.iter().map(Reply::text));
        cursor = next.text();
        if cursor == "0" {
            return seen;
        }
    }
}

/// Two databases hold groups of their own kind; SWAPDB exchanges them whole, FLUSHALL empties both.
fn swapdb_and_flushall_under_load(server: &Server) {
    let rounds = times(300);
    let mut client = server.connect();
    let fill = |client: &mut Client| {
        client.pipeline(&[
            "MULTI",
            "SELECT 0",
            "MSET x zero y zero",
            "SELECT 1",
            "MSET x one y one",
            "SELECT 0",
            "EXEC",
        ]);
    };
    fill(&mut client);
    let load = |number: usize, client: &mut Client| {
        let select = format!("SELECT {}", number % 2);
        match number {
            0..2 => {
                let replies = client.pipeline(&[&select, "MGET x y", "DBSIZE", "EXISTS x y"]);
                let values = replies[1].elements().expect("two values");
                assert_eq!(values[0], values[1], "half of a swap or flush was seen");
                for (name, reply) in ["DBSIZE", "EXISTS"].iter().zip(&replies[2..]) {
                    assert!(
                        [Some(0), Some(2)].contains(&reply.integer()),
                        "{name} {reply}"
                    );
                }
            }
            2 => ok(&client.command_words("SWAPDB 0 1")),
            _ => {
                let keys = client.command_words("KEYS *");
                assert!(
                    keys.elements().is_some_and(|keys| keys.len() <= 2),
                    "{keys}"
                );
                client.command_words("SCAN 0 COUNT 1000");
                client.command_words("RANDOMKEY");
            }
        }
    };
    during(server, 5, load, |client| {
        for round in 0..rounds {
            if round % 10 == 0 {
                let flush = ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB SYNC"][round / 10 % 3];
                ok(&client.command_words(flush));
            }
            fill(client);
        }
    });
}

/// Readers see the old value or the new one, of any size, never parts of both.
fn large_values_are_never_torn(server: &Server) {
    const SIZES: &[usize] = &[64, 5_000, 40_000, 1_000_000];
    let rounds = times(25);
    let write = |number: usize, client: &mut Client| {
        let letter = ["a", "b", "c"][number];
        for size in SIZES {
            let key = format!("large:{size}");
            let value = letter.repeat(*size);
            match number {
                0 => ok(&client.command(&["SET", &key, &value])),
                1 => ok(&client.command(&["MSET", &key, &value])),
                // A value of other bytes comes in place, where it has the same length.
                _ => drop(client.command(&["SETRANGE", &key, "0", &value])),
            }
        }
    };
    during(server, 3, write, |client| {
        for _ in 0..rounds {
            for size in SIZES {
                let value = client.command(&["GET", &format!("large:{size}")]).text();
                let first = value.chars().next();
                let whole = value.chars().all(|letter| Some(letter) == first);
                assert!(whole, "torn value of {size} bytes");
                assert!([0, *size].contains(&value.len()), "{}", value.len());
            }
        }
    });
}

/// Sizes around every limit between ways of receiving, storing and sending.
fn large_values_of_every_size(server: &Server) {
    let mut sizes: Vec<usize> = vec![0, 1, 5_000_000];
    for power in [8, 10, 12, 13, 14, 15, 16, 17, 18, 20] {
        let limit: usize = 1 << power;
        sizes.extend([limit - 40, limit - 1, limit, limit + 1, limit + 40]);
    }
    together(server, 2, |number, client| {
        let mut random = Random::new(number as u64);
        for size in &sizes {
            let key = format!("{number}:{size}");
            let value: Vec<u8> = (0..*size).map(|_| random.next() as u8).collect();
            let mut bytes = encode(&[b"SET", key.as_bytes(), &value]);
            bytes.extend(encode(&["GET", &key]));
            bytes.extend(encode(&["STRLEN", &key]));
            bytes.extend(encode(&["APPEND", &key, "tail"]));
            bytes.extend(encode(&["GETRANGE", &key, "-8", "-1"]));
            bytes.extend(encode(&["MGET", &key, &key]));
            client.send(&bytes).expect("sent");
            let mut reply = || client.read_reply().expect("a reply");
            ok(&reply());
            assert!(reply() == Reply::Bulk(value.clone()), "GET of {size} bytes");
            assert_eq!(reply(), Reply::Integer(*size as i64));
            assert_eq!(reply(), Reply::Integer(*size as i64 + 4));
            let whole = [value.as_slice(), b"tail"].concat();
            let end = whole[whole.len().saturating_sub(8)..].to_vec();
            assert_eq!(reply(), Reply::Bulk(end));
            let twice = Reply::Array(vec![Reply::Bulk(whole.clone()), Reply::Bulk(whole)]);
            assert!(reply() == twice, "MGET of {size} bytes");
        }
    });
}

/// Without anyone touching them; and not while that is turned off.
fn expired_keys_go_by_themselves(server: &Server) {
    let mut client = server.connect();
    ok(&client.command_words("DEBUG SET-ACTIVE-EXPIRE 0"));
    for number in 0..1000 {
        let key = format!("key:{number}");
        ok(&client.command(&["SET", &key, "x", "PX", "1"]));
        ok(&client.command(&["SET", &format!("stay:{number}"), "x", "PX", "1000000"]));
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(client.command_words("DBSIZE"), Reply::Integer(2000));
    ok(&client.command_words("DEBUG SET-ACTIVE-EXPIRE 1"));
    let begin = std::time::Instant::now();
    while client.command_words("DBSIZE") != Reply::Integer(1000) {
        assert!(begin.elapsed().as_secs() < 20, "expired keys stay");
        thread::sleep(Duration::from_millis(10));
    }
    let info = client.command_words("INFO stats").text();
    assert!(info.contains("expired_keys:1000\r\n"), "{info}");
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{name} in {info}"))
    };
    // They waited for 300 ms while nothing was removed.
    assert!(field("expired_lag_p50_msec:") >= 200.0, "{info}");
    assert!(field("expired_lag_max_msec:") >= field("expired_lag_p99_msec:"));
    assert!(field("expired_stale_perc:") > 0.0, "{info}");
    let info = client.command_words("INFO keyspace").text();
    assert!(info.contains("db0:keys=1000,expires=1000,"), "{info}");
}

/// Hashes whose fields go by themselves are changed, renamed, overwritten and flushed meanwhile. No field is seen with
/// another's value, and in the end nothing is left of those with deadlines, nor of what was counted.
fn fields_expire_while_hashes_change(server: &Server) {
    const KEYS: usize = 12;
    let rounds = times(400);
    together(server, CLIENTS, |number, client| {
        let mut random = Random::new(number as u64);
        for round in 0..rounds {
            let key = |random: &mut Random| format!("h{}", random.below(KEYS));
            let (first, second) = (key(&mut random), key(&mut random));
            let from = random.below(600);
            let count = [1, 5, 300][random.below(3)];
            let numbers = from..from + count;
            let pairs: String = numbers.clone().map(|n| format!(" f{n} v{n}")).collect();
            let names: String = numbers.map(|n| format!(" f{n}")).collect();
            let ms = 1 + random.below(40);
            let replies = client.pipeline(&[
                &format!("HSETEX {first} PX {ms} FIELDS {count}{pairs}"),
                &match random.below(12) {
                    0 => format!("DEL {first}"),
                    1 => format!("RENAME {first} {second}"),
                    2 => format!("COPY {first} {second} REPLACE"),
                    3 => format!("SET {first} string PX {ms}"),
                    4 => format!("PEXPIRE {first} {ms}"),
                    5 => format!("PERSIST {first}"),
                    6 if number == 0 && round % 10 == 0 => "FLUSHALL".to_owned(),
                    7 => format!("HPERSIST {first} FIELDS {count}{names}"),
                    8 => format!("HDEL {first}{names}"),
                    _ => format!("HPEXPIRE {second} {ms} FIELDS {count}{names}"),
                },
                &format!("HGETALL {second}"),
                &format!("HSET own:{number} f{round} v{round}"),
                &format!(
                    "HPEXPIRE own:{number} 1 FIELDS 1 f{}",
                    round.saturating_sub(1)
                ),
            ]);
            let fields = replies[2].elements().unwrap_or(&[]);
            for pair in fields.chunks_exact(2) {
                assert_eq!(pair[0].text().replace('f', "v"), pair[1].text());
            }
        }
    });
    let mut client = server.connect();
    let lasting = |client: &mut Client, key: &str| {
        let names = client.command_words(&format!("HKEYS {key}"));
        let names = names.elements().map_or(0, <[Reply]>::len);
        (
            client.command_words(&format!("HLEN {key}")).integer(),
            names,
        )
    };
    for number in 0..CLIENTS {
        let key = format!("own:{number}");
        // The last of each has no deadline, unless everything was flushed after it.
        until(PATIENCE, "all but the last are gone", || {
            [(Some(0), 0), (Some(1), 1)].contains(&lasting(&mut client, &key))
        });
        client.command_words(&format!("DEL {key}"));
    }
    for key in 0..KEYS {
        client.command_words(&format!("DEL h{key}"));
    }
    until(PATIENCE, "nothing is left", || {
        let stats = client.command_words("MEMORY STATS");
        let stats = stats.elements().expect("an array").chunks_exact(2);
        let mut owners = stats
            .filter(|pair| ["owner.entries", "owner.deadlines"].contains(&pair[0].text().as_str()));
        owners.all(|pair| pair[1].integer() == Some(0))
            && client.command_words("DBSIZE").integer() == Some(0)
    });
}

/// Two clients take the same keys in opposite orders; everyone ends.
#[test]
fn opposite_orders_do_not_deadlock() {
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let server = Server::start_with(target, FLAGS);
        together(&server, CLIENTS, |number, client| {
            let keys: Vec<String> = (0..50).map(|key| format!("k{key}")).collect();
            let mut order: Vec<&str> = keys.iter().map(String::as_str).collect();
            Random::new(number as u64).shuffle(&mut order);
            for round in 0..times(100) {
                order.rotate_left(round % 7);
                let pairs: Vec<String> = order.iter().map(|key| format!("{key} v")).collect();
                let mset = format!("MSET {}", pairs.join(" "));
                let rename = format!("RENAME {} {}", order[0], order[1]);
                let copy = format!("COPY {} {} REPLACE", order[2], order[3]);
                let delete = format!("DEL {}", order.join(" "));
                let replies = client.pipeline(&[
                    &mset,
                    "MULTI",
                    &rename,
                    &copy,
                    &mset,
                    "EXEC",
                    "SWAPDB 0 0",
                    &delete,
                ]);
                assert_eq!(replies.len(), 8);
            }
        });
    }
}
