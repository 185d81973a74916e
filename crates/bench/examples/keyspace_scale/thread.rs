//! One thread at work, as a worker of the server is: group after group.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use keyspace::{Deadline, Group, Key, NewValue, Worker};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::load::{Command, KEY_BYTES, Load};

/// Commands that are executed as one group.
const GROUP: usize = 32;
/// The clock is read once for each group; the time is looked at once for so many.
const GROUPS_BETWEEN: usize = 16;
const START_MS: u64 = 1_700_000_000_000;
const VALUE: [u8; 64] = [b'x'; 64];

/// Runs the loads for a while, each worker on its core; operations per second of all.
pub fn run(threads: &mut [(&mut Worker, usize, &Load)], time: Duration) -> Result<f64, String> {
    let barrier = Barrier::new(threads.len());
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for (worker, core, load) in threads {
            let (barrier, core) = (&barrier, *core);
            running.push(scope.spawn(move || {
                let pinned = pin(core);
                barrier.wait();
                pinned.map(|()| work(worker, load, time))
            }));
        }
        let mut total = 0.0;
        for thread in running {
            total += thread.join().map_err(|_| "a thread has panicked")??;
        }
        Ok(total)
    })
}

fn pin(core: usize) -> Result<(), String> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).map_err(|error| format!("core {core}: {error}"))
}

/// Stores one key.
pub fn write(worker: &mut Worker, name: &[u8; KEY_BYTES]) {
    let mut group = worker.group(START_MS);
    let key = group.keyspace().key(0, name);
    let done = set(&mut group, key);
    assert!(done, "nobody else is there");
}

/// Operations per second.
fn work(worker: &mut Worker, load: &Load, time: Duration) -> f64 {
    let mut thread = Thread {
        hashes: Vec::with_capacity(2 * GROUP),
        reply: Vec::with_capacity(2 * GROUP * VALUE.len()),
        commands: Vec::with_capacity(2 * GROUP),
        busy: Vec::with_capacity(GROUP),
    };
    let mut next = load.commands.chunks_exact(GROUP).cycle();
    let (started, mut done) = (Instant::now(), 0);
    loop {
        let now = started.elapsed();
        if now >= time {
            return done as f64 / now.as_secs_f64();
        }
        let now_ms = START_MS + now.as_millis() as u64;
        for group in next.by_ref().take(GROUPS_BETWEEN) {
            done += thread.group(worker, group, now_ms);
        }
    }
}

/// What is reused from group to group.
struct Thread {
    commands: Vec<Command>,
    hashes: Vec<u64>,
    reply: Vec<u8>,
    /// Commands whose shard was busy: they have another turn in the next group.
    busy: Vec<Command>,
}

impl Thread {
    /// Executes one group; how many commands are done.
    fn group(&mut self, worker: &mut Worker, commands: &[Command], now_ms: u64) -> usize {
        self.commands.clear();
        self.commands.append(&mut self.busy);
        self.commands.extend_from_slice(commands);
        self.hashes.clear();
        self.reply.clear();
        let mut group = worker.group(now_ms);
        let keyspace = group.keyspace();
        for command in &self.commands {
            let hash = keyspace.hash(&command.key);
            keyspace.shards(0).prefetch(hash, !command.is_write);
            self.hashes.push(hash);
        }
        group.look_ahead(0, &self.hashes);
        for (at, command) in self.commands.iter().enumerate() {
            group.advance(at);
            let key = Key {
                database: 0,
                bytes: &command.key,
                hash: self.hashes[at],
            };
            let is_done = if command.is_write {
                set(&mut group, key)
            } else {
                get(&mut group, key, &mut self.reply)
            };
            if !is_done {
                self.busy.push(*command);
            }
        }
        self.commands.len() - self.busy.len()
    }
}

/// Writes; false when the shard is busy.
#[inline]
fn set(group: &mut Group<'_>, key: Key<'_>) -> bool {
    let Ok(mut locked) = group.lock_one(key.database, key.hash) else {
        return false;
    };
    locked.set(key, NewValue::Bytes(&VALUE), Deadline::None);
    true
}

/// Copies the value as a reply does; false when it can be read under the lock only, and that is busy.
#[inline]
fn get(group: &mut Group<'_>, key: Key<'_>, reply: &mut Vec<u8>) -> bool {
    let mut number = keyspace::Number::new();
    if let Ok(found) = group.read(key, true) {
        let entry = found.expect("no key is ever removed");
        reply.extend_from_slice(entry.string().unwrap().bytes(&mut number));
        return true;
    }
    let Ok(mut locked) = group.lock_one(key.database, key.hash) else {
        return false;
    };
    let entry = locked.read(key).expect("no key is ever removed");
    reply.extend_from_slice(entry.string().unwrap().bytes(&mut number));
    true
}
