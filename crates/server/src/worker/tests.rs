//! The worker over a simulated network: whatever happens to the bytes on their way, every client gets its replies, in
//! order, and nothing is left of one that has gone.
//!
//! Each test runs with many seeds, more with `REDISTILL_LONG=1`; the one that fails is printed, and
//! `REDISTILL_SEED` runs it alone.

mod memory;
mod random;
mod script;
mod tls;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use net::simulation::Faults;

use crate::connection::Hold;

use random::Random;
use script::Script;
use world::{Fate, Talker, World};

/// How much longer the long run is.
const LONG_FACTOR: u64 = 50;

/// Runs a test with so many seeds.
fn for_seeds(seeds: u64, test: impl Fn(u64)) {
    let is_long = std::env::var_os("REDISTILL_LONG").is_some_and(|value| value == "1");
    let seeds = match std::env::var("REDISTILL_SEED") {
        Ok(text) => {
            let seed = text.parse().expect("REDISTILL_SEED is a decimal number");
            seed..seed + 1
        }
        Err(_) if is_long => 0..seeds * LONG_FACTOR,
        Err(_) => 0..seeds,
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("failed with REDISTILL_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// Slow in one way or another, but nothing breaks.
fn slow(seed: u64) -> Faults {
    let mut random = Random::new(seed);
    Faults {
        receive_bytes_max: random.pick(&[1, 5, 40, 1_000, usize::MAX]),
        send_bytes_max: random.pick(&[1, 5, 40, 1_000, usize::MAX]),
        stalls_per_mille: random.pick(&[0, 1, 300, 700]),
        resets_per_mille: 0,
    }
}

/// Values are long only where their bytes do not come one by one.
fn value_bytes_max(faults: &Faults) -> usize {
    match faults.receive_bytes_max.min(faults.send_bytes_max) {
        0..40 => 300,
        40..1_000 => 2_000,
        _ => 150_000,
    }
}

/// Clients with random scripts on keys of their own.
fn talkers(world: &mut World, faults: &Faults) -> Vec<Talker> {
    let bytes_max = value_bytes_max(faults);
    (0..1 + world.random.below(6))
        .map(|index| {
            let requests = world.random.pick(&[1, 10, 40]);
            let prefix = format!("client{index}key");
            let script = Script::random(&mut world.random, &prefix, requests, bytes_max);
            world.client(script)
        })
        .collect()
}

/// Pieces of at least one byte of what there is, and what happens then.
fn cut(talkers: &mut [Talker], random: &mut Random, fates: &[Fate]) {
    for talker in talkers {
        talker.fate = random.pick(fates);
        if talker.fate != Fate::Stays && random.once_in(2) {
            talker.until = random.below(talker.script.bytes.len() + 1);
        }
    }
}

#[test]
fn every_client_gets_its_replies_and_nothing_after() {
    for_seeds(150, |seed| {
        let faults = slow(seed);
        let mut world = World::new(seed, faults.clone(), &["--server.batch_size", "7"]);
        let mut talkers = talkers(&mut world, &faults);
        world.run(&mut talkers);
        world.wake(20);
        for talker in &talkers {
            talker.assert_answered();
            assert!(!talker.client.is_closed());
        }
        world.end(&talkers);
    });
}

#[test]
fn who_goes_takes_nothing_from_who_stays() {
    for_seeds(150, |seed| {
        let faults = slow(seed);
        let mut world = World::new(seed, faults.clone(), &[]);
        let mut talkers = talkers(&mut world, &faults);
        let fates = [Fate::Stays, Fate::Finishes, Fate::Resets, Fate::Vanishes];
        cut(&mut talkers, &mut world.random, &fates);
        world.run(&mut talkers);
        for talker in &talkers {
            match talker.fate {
                Fate::Resets | Fate::Vanishes => talker.assert_answered_in_part(),
                Fate::Stays | Fate::Finishes => talker.assert_answered(),
            }
            assert_eq!(talker.client.is_closed(), talker.fate != Fate::Stays);
        }
        world.end(&talkers);
    });
}

#[test]
fn broken_connections_leave_nothing_behind() {
    for_seeds(100, |seed| {
        let faults = Faults {
            resets_per_mille: 1 + seed as u32 % 20,
            ..slow(seed)
        };
        let mut world = World::new(seed, faults.clone(), &[]);
        let mut talkers = talkers(&mut world, &faults);
        let fates = [Fate::Stays, Fate::Finishes];
        cut(&mut talkers, &mut world.random, &fates);
        world.run(&mut talkers);
        for talker in &talkers {
            talker.assert_answered_in_part();
        }
        world.end(&talkers);
    });
}

#[test]
fn a_protocol_error_is_the_last_reply() {
    let long_line = [b'x'; 70_000];
    let errors: [(&[u8], &[u8]); 6] = [
        (b"*1\r\n+PING\r\n", b"expected '$', got '+'"),
        (b"*abc\r\n", b"invalid multibulk length"),
        (b"*1048577\r\n", b"invalid multibulk length"),
        (b"*2\r\n$3\r\nGET\r\n$-5\r\n", b"invalid bulk length"),
        (b"ECHO \"open\r\n", b"unbalanced quotes in request"),
        (&long_line, b"too big inline request"),
    ];
    for_seeds(60, |seed| {
        let faults = slow(seed);
        let mut world = World::new(seed, faults.clone(), &[]);
        let mut talkers = talkers(&mut world, &faults);
        for talker in &mut talkers {
            let errors = if faults.receive_bytes_max < 40 {
                &errors[..5]
            } else {
                &errors
            };
            let (wrong, message) = world.random.pick(errors);
            talker.script.fail(wrong, message);
            talker.script.bytes.extend(b"SET poisoned 1\r\n");
            talker.until = talker.script.bytes.len();
            talker.fate = Fate::Finishes;
        }
        world.run(&mut talkers);
        for talker in &mut talkers {
            // The server may have closed before the end of a line that is too long was written.
            talker.written = talker.until;
            talker.assert_answered();
        }
        let mut control = Script::default();
        control.push(&[b"EXISTS", b"poisoned"], b":0\r\n");
        let control = world.client(control);
        talkers.push(control);
        world.run(&mut talkers);
        talkers.iter().for_each(Talker::assert_answered);
        world.end(&talkers);
    });
}

/// Shows settings: server.output_buffer_pause_bytes
#[test]
fn who_does_not_read_is_not_read_from() {
    const PAUSE_BYTES: usize = 16 << 10;
    const VALUE_BYTES: usize = 3_000;
    const INPUT_BYTES_MAX: usize = 64 << 10;
    const WAKES_MAX: usize = 10_000;
    for_seeds(60, |seed| {
        let faults = slow(seed);
        let faults = Faults {
            receive_bytes_max: usize::MAX,
            send_bytes_max: faults.send_bytes_max.max(1_000),
            ..faults
        };
        let arguments = ["--server.output_buffer_pause_bytes", "16kb"];
        let mut world = World::new(seed, faults.clone(), &arguments);
        let mut lazy = Script::default();
        let value = [b'v'; VALUE_BYTES];
        let reply = [b"$3000\r\n", value.as_slice(), b"\r\n"].concat();
        lazy.push(&[b"SET", b"lazy", &value], b"+OK\r\n");
        for _ in 0..world.random.pick(&[50, 100, 1_000]) {
            lazy.push(&[b"GET", b"lazy"], &reply);
        }
        let mut lazy = world.client(lazy);
        lazy.client.limit_reading(Some(0));
        lazy.client.write(&lazy.script.bytes);
        lazy.written = lazy.until;
        if world.random.once_in(2) {
            lazy.fate = Fate::Finishes;
        }
        let first = |world: &World| {
            let connection = world.worker.connections.iter().flatten().next();
            connection.map(|connection| (connection.hold, connection.unsent_bytes()))
        };
        let unsent_bytes = |world: &World| first(world).map_or(0, |(_, bytes)| bytes);
        for _ in 0..WAKES_MAX {
            let is_held = first(&world).is_some_and(|(hold, _)| hold == Hold::Backpressure);
            if is_held {
                break;
            }
            world.wake(1);
        }
        // What had been received when it was paused may still be reported.
        world.wake(50);
        assert!(unsent_bytes(&world) > PAUSE_BYTES);
        assert!(unsent_bytes(&world) <= PAUSE_BYTES + reply.len());
        let received_bytes = world.received_bytes();
        world.wake(200);
        assert_eq!(world.received_bytes(), received_bytes, "nothing is read");
        assert_eq!(world.worker.backend.buffers_held(), 0);

        let mut others = talkers(&mut world, &faults);
        world.run(&mut others);
        others.iter().for_each(Talker::assert_answered);
        assert!(lazy.client.received().is_empty());

        for _ in 0..20 {
            let bytes = world.random.below(10_000);
            lazy.client.limit_reading(Some(bytes));
            let wakes = world.random.below(20);
            world.wake(wakes);
            assert!(unsent_bytes(&world) <= PAUSE_BYTES + reply.len());
            let mut connections = world.worker.connections.iter().flatten();
            assert!(connections.all(|connection| connection.input.bytes() <= INPUT_BYTES_MAX));
        }
        lazy.client.limit_reading(None);
        others.push(lazy);
        world.run(&mut others);
        others.iter().for_each(Talker::assert_answered);
        world.end(&others);
    });
}

#[test]
fn a_paused_connection_executes_nothing_when_its_stream_ends() {
    for_seeds(100, |seed| {
        let faults = slow(seed);
        let mut world = World::new(seed, faults.clone(), &[]);
        let mut talkers = talkers(&mut world, &faults);
        for talker in &mut talkers {
            // What is refused whatever happens is answered during a pause, so the first request is not such a one.
            talker.script.begin_with_ping();
            talker.until = talker.script.bytes.len();
        }
        cut(&mut talkers, &mut world.random, &[Fate::Finishes]);
        pause(&world, false);
        for talker in &mut talkers {
            talker.client.write(&talker.script.bytes[..talker.until]);
            talker.client.finish();
            talker.written = talker.until;
        }
        world.wake(300);
        assert_eq!(world.worker.shared.keyspace.keys(0), 0);
        let mut paused = world.worker.paused.clone();
        paused.sort_unstable();
        assert!(paused.is_sorted_by(|left, right| left < right), "held once");
        for talker in &talkers {
            assert!(talker.client.received().is_empty());
            // One that has sent no whole request has nothing to wait for.
            assert!(!talker.client.is_closed() || talker.expected().is_empty());
        }
        world.worker.shared.pause.end();
        world.run(&mut talkers);
        talkers.iter().for_each(Talker::assert_answered);
        world.end(&talkers);
    });
}

#[test]
fn who_is_paused_keeps_nothing_from_who_is_not() {
    for_seeds(50, |seed| {
        let faults = slow(seed);
        let mut world = World::new(seed, faults, &[]);
        pause(&world, true);
        let mut paused: Vec<Talker> = (0..5)
            .map(|_| {
                let mut script = Script::default();
                (0..50).for_each(|_| script.push(&[b"SET", b"key", b"value"], b"+OK\r\n"));
                world.client(script)
            })
            .collect();
        for talker in &mut paused {
            talker.client.write(&talker.script.bytes);
            talker.written = talker.until;
        }
        let mut reading = Script::default();
        (0..50).for_each(|_| reading.push(&[b"GET", b"key"], b"$-1\r\n"));
        let mut reading = [world.client(reading)];
        world.run(&mut reading);
        reading[0].assert_answered();
        world.wake(300);
        assert_eq!(world.worker.backend.buffers_held(), 0);
        world.worker.shared.pause.end();
        world.run(&mut paused);
        paused.iter().for_each(Talker::assert_answered);
        paused.extend(reading);
        world.end(&paused);
    });
}

#[test]
fn pauses_lose_nothing() {
    for_seeds(100, |seed| {
        let faults = slow(seed);
        let mut world = World::new(seed, faults.clone(), &[]);
        let mut talkers = talkers(&mut world, &faults);
        cut(
            &mut talkers,
            &mut world.random,
            &[Fate::Stays, Fate::Finishes],
        );
        world.run_with(&mut talkers, |world| {
            if world.random.once_in(40) {
                let writes_only = world.random.once_in(2);
                pause(world, writes_only);
            } else if world.random.once_in(20) {
                world.worker.shared.pause.end();
            }
        });
        talkers.iter().for_each(Talker::assert_answered);
        world.worker.shared.pause.end();
        world.end(&talkers);
    });
}

fn pause(world: &World, writes_only: bool) {
    let shared = &world.worker.shared;
    shared
        .pause
        .start(u64::MAX, writes_only, world.worker.now_ms);
}
