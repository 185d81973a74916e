//! Clients that take too much memory are closed, and no others.

use std::sync::atomic::Ordering::Relaxed;

use net::simulation::{Client, Faults};

use super::script::Script;
use super::world::{Talker, World};

const VALUE_BYTES: usize = 10_000;
const WAKES_MAX: usize = 100_000;

/// A client that asks so often for a value of [`VALUE_BYTES`], and reads nothing.
fn lazy(world: &mut World, requests: usize) -> Talker {
    let value = [b'v'; VALUE_BYTES];
    let reply = [b"$10000\r\n", value.as_slice(), b"\r\n"].concat();
    let mut script = Script::default();
    script.push(&[b"SET", b"lazy", &value], b"+OK\r\n");
    (0..requests).for_each(|_| script.push(&[b"GET", b"lazy"], &reply));
    let mut lazy = world.client(script);
    lazy.client.limit_reading(Some(0));
    lazy.client.write(&lazy.script.bytes);
    lazy.written = lazy.until;
    lazy
}

/// A client that queues so many bytes in a transaction after these commands.
fn queueing(world: &mut World, first: &[&[u8]], bytes: usize) -> Talker {
    let mut script = Script::default();
    if !first.is_empty() {
        script.push(first, b"+OK\r\n");
    }
    script.push(&[b"MULTI"], b"+OK\r\n");
    for _ in 0..bytes / VALUE_BYTES {
        script.push(&[b"SET", b"queued", &[b'q'; VALUE_BYTES]], b"+QUEUED\r\n");
    }
    let mut queueing = world.client(script);
    queueing.client.write(&queueing.script.bytes);
    queueing.written = queueing.until;
    queueing
}

fn is_closed(client: &Client) -> bool {
    client.is_closed()
}

#[test]
fn who_has_too_many_replies_waiting_is_closed() {
    let flags = ["--client-output-buffer-limit", "normal 100kb 0 0"];
    let mut world = World::new(1, Faults::none(), &flags);
    let enough = [lazy(&mut world, 5), lazy(&mut world, 50)];
    world.wake(300);
    let closed: Vec<bool> = enough.iter().map(|lazy| is_closed(&lazy.client)).collect();
    assert_eq!(closed, [false, true]);
    let stats = &world.worker.shared.stats[0];
    assert_eq!(stats.overflown_clients.get(), 1);
    assert_eq!(stats.evicted_clients.get(), 0);
    world.end(&enough);
}

#[test]
fn the_soft_limit_has_time() {
    let flags = ["--client-output-buffer-limit", "normal 0 100kb 5"];
    let mut world = World::new(1, Faults::none(), &flags);
    let lazy = [lazy(&mut world, 50)];
    world.wake(300);
    assert!(!is_closed(&lazy[0].client));
    let connection = world.worker.connections.iter_mut().flatten().next();
    let connection = connection.expect("it is open");
    assert!(connection.over_limit_since_ms.is_some(), "it is over");
    let now_ms = world.worker.now_ms;
    connection.over_limit_since_ms = Some(now_ms - 5_000);
    world.worker.keep_output_limit(0);
    assert_eq!(world.worker.shared.stats[0].overflown_clients.get(), 0);
    let connection = world.worker.connections.iter_mut().flatten().next();
    connection.expect("it is open").over_limit_since_ms = Some(now_ms - 5_001);
    world.worker.keep_output_limit(0);
    world.wake(10);
    assert!(is_closed(&lazy[0].client));
    world.end(&lazy);
}

#[test]
fn the_largest_makes_room_for_the_others() {
    let flags = ["--maxmemory-clients", "400kb"];
    let mut world = World::new(1, Faults::none(), &flags);
    let mut clients = vec![
        queueing(&mut world, &[b"CLIENT", b"NO-EVICT", b"ON"], 500_000),
        queueing(&mut world, &[], 50_000),
    ];
    world.run(&mut clients);
    assert_eq!(world.worker.shared.stats[0].evicted_clients.get(), 0);
    clients.push(queueing(&mut world, &[], 390_000));
    clients.push(queueing(&mut world, &[], 60_000));
    for _ in 0..WAKES_MAX {
        if world.worker.shared.stats[0].evicted_clients.get() > 0 {
            break;
        }
        world.wake(1);
    }
    world.wake(50);
    let closed: Vec<bool> = clients.iter().map(|one| is_closed(&one.client)).collect();
    assert_eq!(closed, [false, false, true, false]);
    assert_eq!(world.worker.shared.stats[0].evicted_clients.get(), 1);
    world.end(&clients);
}

#[test]
fn a_large_value_counts_for_one_slow_client() {
    const LARGE_BYTES: usize = 200_000;
    let mut world = World::new(1, Faults::none(), &[]);
    let value = vec![b'v'; LARGE_BYTES];
    let mut slow: Vec<Talker> = (0..3)
        .map(|_| {
            let mut script = Script::default();
            script.push(&[b"GET", b"large"], b"");
            let client = world.client(script);
            client.client.limit_reading(Some(0));
            client
        })
        .collect();
    let mut writer = Script::default();
    writer.push(&[b"SET", b"large", &value], b"+OK\r\n");
    let mut writer = [world.client(writer)];
    world.run(&mut writer);
    for slow in &mut slow {
        slow.client.write(&slow.script.bytes);
    }
    world.wake(50);
    let of_large = |world: &World| world.worker.counted.bytes as usize / LARGE_BYTES;
    assert_eq!(of_large(&world), 0, "it may be read at once");
    let omem = |world: &World| {
        let clients = world.worker.shared.clients.all();
        let waiting = clients
            .iter()
            .map(|client| client.output_bytes.load(Relaxed));
        waiting.sum::<u64>() as usize / LARGE_BYTES
    };
    assert_eq!(omem(&world), 3);
    world.worker.look_for_slow_readers();
    world.worker.look_for_slow_readers();
    assert_eq!(of_large(&world), 0, "it is the key's");
    let mut remover = Script::default();
    remover.push(&[b"DEL", b"large"], b":1\r\n");
    let mut remover = [world.client(remover)];
    world.run(&mut remover);
    // As happens once a second: what was removed is free of readers in the table.
    world.worker.keyspace.collect();
    world.worker.look_for_slow_readers();
    assert_eq!(of_large(&world), 1, "it is read slowly");
    for slow in &slow {
        slow.client.limit_reading(None);
    }
    world.wake(300);
    assert_eq!(of_large(&world), 0, "it has been read");
    slow.extend(writer);
    slow.extend(remover);
    world.end(&slow);
}
