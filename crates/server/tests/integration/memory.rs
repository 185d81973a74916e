//! The memory limit: it holds whatever is written, keys make room for others, and each byte has an owner.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Reply, encode};
use crate::random::Random;
use crate::server::{Server, Target, for_each_backend, is_long_run};
use crate::waiting::until;

const MB: u64 = 1 << 20;
/// How long to wait for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends SETs of these keys and value sizes in one go; the replies that are not OK.
fn set_all(client: &mut Client, pairs: &[(String, usize)]) -> Vec<String> {
    let mut bytes = Vec::new();
    for (key, size) in pairs {
        let value = vec![b'v'; *size];
        bytes.extend(encode(&[b"SET", key.as_bytes(), &value]));
    }
    let mut sender = client.try_clone().expect("the same connection");
    thread::scope(|scope| {
        scope.spawn(move || sender.send(&bytes).expect("sent"));
        let replies = pairs.iter().map(|_| client.read_reply().expect("a reply"));
        let texts = replies.map(|reply| reply.to_string());
        texts.filter(|text| text != "OK").collect()
    })
}

/// Waits until there is no error any more.
fn wait_for<E: std::fmt::Debug>(what: &str, mut check: impl FnMut() -> Result<(), E>) {
    let start = Instant::now();
    while let Err(error) = check() {
        assert!(start.elapsed() < PATIENCE, "{what}: {error:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Sizes that shift over time, deletes, deadlines: resident memory stays below the limit, and no write is refused.
/// Shows settings: memory.max_memory
#[test]
fn the_limit_holds_while_sizes_shift() {
    const LIMIT: u64 = 96 * MB;
    let rounds = if is_long_run() { 400 } else { 30 };
    for_each_backend(&["--maxmemory", "96mb"], |server| {
        let mut client = server.connect();
        let mut random = Random::new(7);
        let mut peak = 0;
        for round in 0..rounds {
            let size_max = [50, 1_000, 200, 20_000, 200_000, 10][round / 5 % 6];
            let count = (20_000_000 / (size_max + 100)).min(40_000);
            let pairs: Vec<(String, usize)> = (0..count)
                .map(|_| {
                    let key = format!("key:{}", random.below(2_000_000));
                    (key, 10 + random.below(size_max))
                })
                .collect();
            // The budget of the clients is 8 MB.
            for pairs in pairs.chunks(1_500_000 / (size_max + 100)) {
                assert_eq!(set_all(&mut client, pairs), Vec::<String>::new());
            }
            for (key, _) in pairs.iter().step_by(7) {
                client.send(&encode(&["DEL", key])).expect("sent");
            }
            for _ in pairs.iter().step_by(7) {
                client.read_reply().expect("a reply");
            }
            peak = peak.max(server.resident_bytes());
        }
        assert!(client.info("evicted_keys") > 0);
        assert!(peak <= LIMIT, "{} MB at most", peak / MB);
    });
}

/// Without eviction a write that needs memory gets Redis's error, and everything else goes on.
/// Shows settings: memory.eviction_policy
#[test]
fn writes_are_refused_without_eviction() {
    const ERROR: &str = "OOM command not allowed when used memory > 'maxmemory'.";
    for policy in ["noeviction", "volatile-lru"] {
        let flags = ["--maxmemory", "40mb", "--maxmemory-policy", policy];
        for_each_backend(&flags, |server| {
            let mut client = server.connect();
            let mut refused = false;
            for round in 0..100 {
                let pairs: Vec<(String, usize)> = (0..1000)
                    .map(|number| (format!("{round}:{number}"), 1000))
                    .collect();
                let errors = set_all(&mut client, &pairs);
                assert!(
                    errors.iter().all(|error| error.contains("OOM")),
                    "{errors:?}"
                );
                refused |= !errors.is_empty();
            }
            assert!(refused);
            let keys = client.command_words("DBSIZE").integer().expect("a number");
            assert!(keys > 10_000, "{keys}");
            // A little may have become free meanwhile.
            let error = (0..100_000)
                .map(|number| client.command_words(&format!("SET another:{number} value")))
                .find(Reply::is_error);
            assert_eq!(error.expect("no room at last").text(), ERROR);
            for (command, expected) in [("STRLEN 0:0", 1000), ("EXPIRE 0:0 100", 1), ("DEL 0:1", 1)]
            {
                let reply = client.command_words(command);
                assert_eq!(reply, Reply::Integer(expected), "{command}");
            }
            until(PATIENCE, "a transaction is refused", || {
                while !client.command_words("APPEND more 0123456789").is_error() {}
                client.command_words("MULTI");
                // A little may have become free meanwhile.
                let is_refused = client.command_words("SET k v").is_error();
                let executed = client.command_words("EXEC").to_string();
                assert_eq!(is_refused, executed.contains("EXECABORT"), "{executed}");
                is_refused
            });
            client.command_words("FLUSHALL");
            until(PATIENCE, "a write is taken after a flush", || {
                !client.command_words("SET another value").is_error()
            });
        });
    }
}

/// CONFIG SET of a smaller limit evicts what is too much.
#[test]
fn a_limit_at_run_time_is_reached() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        let pairs: Vec<(String, usize)> = (0..100_000)
            .map(|number| (format!("key:{number}"), 800))
            .collect();
        assert_eq!(set_all(&mut client, &pairs), Vec::<String>::new());
        client.command_words("CONFIG SET maxmemory 60mb");
        until(PATIENCE, "resident memory falls below the limit", || {
            server.resident_bytes() < 60 * MB
        });
        let keys = client.command_words("DBSIZE").integer().expect("a number");
        assert!((20_000..70_000).contains(&keys), "{keys}");
        // Eviction may go on between the two.
        let both = client.info("evicted_keys") + keys.cast_unsigned();
        assert!((100_000..105_000).contains(&both), "{both}");
    });
}

/// Without eviction a limit below what is there refuses writes at once.
#[test]
fn a_limit_at_run_time_refuses_writes() {
    for_each_backend(&["--maxmemory-policy", "noeviction"], |server| {
        let mut client = server.connect();
        let pairs: Vec<(String, usize)> = (0..60_000)
            .map(|number| (format!("key:{number}"), 800))
            .collect();
        assert_eq!(set_all(&mut client, &pairs), Vec::<String>::new());
        client.command_words("CONFIG SET maxmemory 40mb");
        for _ in 0..100 {
            assert!(client.command_words("SET another value").is_error());
        }
        client.command_words("CONFIG SET maxmemory 0");
        assert_eq!(client.command_words("SET another value").text(), "OK");
    });
}

/// What MEMORY STATS says: each owner, and the resident memory.
fn owners(client: &mut Client) -> BTreeMap<String, i64> {
    let reply = client.command_words("MEMORY STATS");
    let fields = reply.elements().expect("an array").chunks_exact(2);
    fields
        .filter_map(|pair| Some((pair[0].text(), pair[1].integer()?)))
        .collect()
}

/// Waits until the owners add up to the resident memory; what they are then.
#[track_caller]
fn assert_adds_up(client: &mut Client, when: &str) -> BTreeMap<String, i64> {
    let mut seen = BTreeMap::new();
    wait_for(when, || {
        seen = owners(client);
        let unknown = seen["owner.unknown"].unsigned_abs();
        let resident = seen["resident"].unsigned_abs();
        let adds_up = unknown <= resident * 3 / 100 + 2 * MB;
        if adds_up { Ok(()) } else { Err(seen.clone()) }
    });
    seen
}

/// Resident memory, but for what the process keeps when it has used it once: its program, what it has had since its
/// start, receive buffers, and what the allocator writes down about pages.
fn resident_for_data(owners: &BTreeMap<String, i64>) -> i64 {
    let kept = [
        "program",
        "startup",
        "receive-buffers",
        "allocator-metadata",
    ];
    let kept = kept.map(|name| owners[&format!("owner.{name}")]);
    owners["resident"] - kept.iter().sum::<i64>()
}

/// The owners add up to the resident memory, whatever it is used for, and after a flush everything is as in the
/// beginning.
#[test]
fn accounting_adds_up() {
    for flags in [&[][..], &["--maxmemory", "400mb"]] {
        for_each_backend(flags, accounts_add_up);
    }
}

fn accounts_add_up(server: &Server) {
    let mut client = server.connect();
    let empty = client.info("used_memory");
    let at_first = assert_adds_up(&mut client, "nothing");
    let mut random = Random::new(3);
    let pairs: Vec<(String, usize)> = (0..100_000)
        .map(|number| (format!("key:{number}"), random.below(700)))
        .collect();
    let set_pairs = |client: &mut Client, pairs: &[(String, usize)]| {
        assert_eq!(set_all(client, pairs), Vec::<String>::new());
    };
    set_pairs(&mut client, &pairs);
    let seen = assert_adds_up(&mut client, "small values");
    let values: usize = pairs.iter().map(|(_, size)| size).sum();
    let entries = seen["owner.entries"].unsigned_abs();
    let expected = values as u64..values as u64 + 100_000 * 30;
    assert!(expected.contains(&entries), "{entries}");
    let pairs: Vec<(String, usize)> = (0..1_500)
        .map(|number| (format!("large:{number}"), 1000 + random.below(80_000)))
        .collect();
    set_pairs(&mut client, &pairs);
    assert_adds_up(&mut client, "large values");
    for number in 0..50_000 {
        let milliseconds = (1_000_000 + random.below(10_000_000)).to_string();
        let key = format!("key:{number}");
        client
            .send(&encode(&["PEXPIRE", &key, &milliseconds]))
            .expect("sent");
        assert_eq!(client.read_reply().expect("a reply").integer(), Some(1));
    }
    let seen = assert_adds_up(&mut client, "deadlines");
    assert!(seen["owner.deadlines"] > 100_000);
    set_fields(&mut client, &mut random);
    let fields = assert_adds_up(&mut client, "fields with deadlines");
    assert!(fields["owner.entries"] > seen["owner.entries"] + 20_000_000);
    let idle: Vec<Client> = (0..1_000).map(|_| server.connect()).collect();
    until(PATIENCE, "a thousand connections are counted", || {
        owners(&mut client)["owner.clients"] > 300_000
    });
    assert_adds_up(&mut client, "idle connections");
    drop(idle);
    let slow: Vec<Client> = (0..40)
        .map(|number| {
            set_pairs(&mut client, &[(format!("slow:{number}"), 600_000)]);
            let mut slow = server.connect();
            let request = encode(&["GET", &format!("slow:{number}")]);
            slow.send(&request.repeat(16)).expect("sent");
            slow
        })
        .collect();
    assert_adds_up(&mut client, "slow readers");
    let statistics = owners(&mut client)["owner.statistics"];
    assert!(statistics > at_first["owner.statistics"], "{statistics}");
    client.command_words("FLUSHALL");
    let seen = assert_adds_up(&mut client, "slow readers of what is gone");
    assert_eq!(seen["owner.entries"], 0);
    drop(slow);
    wait_for("a flush brings memory back", || {
        let used = client.info("used_memory");
        // The allocator holds a little until it is told.
        client.command_words("MEMORY PURGE");
        let seen = owners(&mut client);
        let (resident, resident_at_first) =
            (resident_for_data(&seen), resident_for_data(&at_first));
        let is_back = used < empty + MB && resident < resident_at_first + MB.cast_signed();
        let state = (empty, used, resident_at_first, resident, seen);
        if is_back { Ok(()) } else { Err(state) }
    });
    assert_adds_up(&mut client, "nothing again");
}

/// Hashes of all sizes whose fields have deadlines.
fn set_fields(client: &mut Client, random: &mut Random) {
    for (hashes, fields) in [(5_000, 3), (200, 500), (2, 50_000)] {
        for hash in 0..hashes {
            let key = format!("hash:{fields}:{hash}");
            for from in (0..fields).step_by(1_000) {
                let count = (fields - from).min(1_000);
                let ms = (10_000_000 + random.below(10_000_000)).to_string();
                let mut words: Vec<Vec<u8>> =
                    ["HSETEX", &key, "PX", &ms, "FIELDS", &count.to_string()]
                        .map(|word| word.as_bytes().to_vec())
                        .into();
                words.extend((from..from + count).flat_map(|field| {
                    let value = vec![b'v'; random.below(80)];
                    [format!("field:{field}").into_bytes(), value]
                }));
                client.send(&encode(&words)).expect("sent");
                assert_eq!(client.read_reply().expect("a reply").integer(), Some(1));
            }
        }
    }
}

/// MEMORY USAGE is what an entry adds to what all entries take, and its place in the table.
#[test]
fn memory_usage_is_exact() {
    for_each_backend(&[], |server| {
        let mut client = server.connect();
        let entries = |client: &mut Client| owners(client)["owner.entries"];
        let mut sizes: Vec<usize> = (0..=20).map(|power| 1 << power).collect();
        sizes.extend([
            3, 100, 1_017, 1_100, 5_000, 8_100, 9_000, 12_345, 16_500, 99_999,
        ]);
        for size in sizes {
            for deadline in [&[][..], &["EX", "1000"]] {
                for value in [vec![b'v'; size], b"123456".to_vec()] {
                    let before = entries(&mut client);
                    let mut words = vec![b"SET".to_vec(), b"key".to_vec(), value];
                    words.extend(deadline.iter().map(|word| word.as_bytes().to_vec()));
                    assert_eq!(client.command(&words).text(), "OK");
                    let added = entries(&mut client) - before;
                    let usage = client.command_words("MEMORY USAGE key").integer();
                    assert_eq!(usage, Some(added + 8), "{size} bytes");
                    client.command_words("COPY key copy");
                    let copied = entries(&mut client) - before;
                    let usage = client.command_words("MEMORY USAGE copy").integer();
                    assert_eq!(usage, Some(copied - added + 8), "a copy of {size} bytes");
                    client.command_words("DEL key copy");
                    assert_eq!(entries(&mut client), before);
                }
            }
        }
    });
}

/// After four fifths of mixed data are gone, resident memory is near that of a server which has loaded only the rest.
#[test]
fn memory_follows_deletes() {
    const KEYS: u64 = 120_000;
    let load = |client: &mut Client, stays: fn(u64) -> bool, all: bool| {
        let pairs: Vec<(String, usize)> = (0..KEYS)
            .filter(|number| all || stays(*number))
            .map(|number| {
                let size_max = match number % 100 {
                    0 => 200_000,
                    1..10 => 16_000,
                    _ => 1_500,
                };
                let size = number.wrapping_mul(0x9e37_79b9) % size_max;
                (format!("key:{number}"), size as usize)
            })
            .collect();
        assert_eq!(set_all(client, &pairs), Vec::<String>::new());
    };
    let stays = |number: u64| (number * 7 / 3).is_multiple_of(5);
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let fresh = {
            let other = Server::start(target);
            load(&mut other.connect(), stays, false);
            other.resident_bytes()
        };
        let server = Server::start(target);
        let mut client = server.connect();
        load(&mut client, stays, true);
        let before = server.resident_bytes();
        let gone: Vec<String> = (0..KEYS)
            .filter(|number| !stays(*number))
            .map(|number| format!("key:{number}"))
            .collect();
        for keys in gone.chunks(100) {
            let mut words = vec!["DEL".to_owned()];
            words.extend_from_slice(keys);
            let removed = client.command(&words).integer();
            assert_eq!(removed, Some(keys.len() as i64));
        }
        wait_for("resident memory follows", || {
            let bytes = server.resident_bytes();
            let follows = bytes <= fresh * 5 / 4;
            let mut state = || (fresh, bytes, owners(&mut client));
            if follows { Ok(()) } else { Err(state()) }
        });
        assert!(before > 2 * fresh, "{before} {fresh}");
    }
}
