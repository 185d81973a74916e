//! Many clients at once, each with random pipelines over keys of its own: every reply must still be
//! redis-server's, whatever the others do. Commands on the whole keyspace do not take part.

use std::thread;

use crate::comparison::Comparison;
use crate::differential::Connection;
use crate::generator::{Form, Generator, Words};
use crate::grammar::Grammar;
use crate::random::Random;
use crate::server::{Server, Target, is_long_run};

const CLIENTS: usize = 6;
const PIPELINE_MAX: usize = 300;
const SHORT_RUN_PIPELINES: usize = 12;
const LONG_RUN_PIPELINES: usize = 250;

/// Commands that look at keys of others, or that change what others see.
const LEFT_OUT: &[&str] = &[
    "KEYS",
    "SCAN",
    "RANDOMKEY",
    "DBSIZE",
    "FLUSHDB",
    "FLUSHALL",
    "SWAPDB",
    "MOVE",
    "SELECT",
    "COPY",
    "CONFIG",
    "DEBUG",
    "INFO",
    "CLIENT",
    "SHUTDOWN",
    "MEMORY",
];

#[test]
fn mio() {
    run(Target::Mio);
}

#[test]
fn io_uring() {
    run(Target::IoUring);
}

fn run(target: Target) {
    if !target.is_available() || !Target::Redis.is_available() {
        return;
    }
    let grammar = grammar();
    let seed = Random::seed_of_run();
    let redis = Server::start(Target::Redis);
    // Batches that are smaller than the pipelines, and few shards. Wrong passwords are part of the grammar.
    let flags = "--server.batch_size 32 --server.num_shards 4 --security.auth_delay_max 0";
    let flags: Vec<&str> = flags.split(' ').collect();
    let ours = Server::start_with(target, &flags);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (grammar, redis, ours) = (&grammar, &redis, &ours);
            scope.spawn(move || {
                let protocol = if number % 2 == 0 { 2 } else { 3 };
                let seed = seed.wrapping_add(number as u64);
                let generator = Generator::new(grammar, seed, protocol);
                let generator = generator.with_prefix(&format!("{number}:"));
                let connection = Connection::new(redis, ours, protocol);
                play(generator, connection, seed);
            });
        }
    });
}

fn is_left_out(words: &Words) -> bool {
    LEFT_OUT.iter().any(|name| words[0] == name.as_bytes())
}

fn grammar() -> Grammar {
    let text = include_str!("grammar.txt");
    let lines = text.lines().filter(|line| {
        let name = line.split(' ').nth(1).unwrap_or_default();
        !name.starts_with('(') && !LEFT_OUT.contains(&name)
    });
    Grammar::parse(&lines.collect::<Vec<_>>().join("\n"))
}

fn play(mut generator: Generator, mut connection: Connection, seed: u64) {
    let comparison = Comparison::new();
    let mut random = Random::new(seed);
    let pipelines = match is_long_run() {
        true => LONG_RUN_PIPELINES,
        false => SHORT_RUN_PIPELINES,
    };
    for _ in 0..pipelines {
        let count = 1 + random.below(PIPELINE_MAX);
        let mut commands: Vec<Words> = (0..count).map(|_| generator.command()).collect();
        let run = generator.run();
        commands.extend(run.into_iter().filter(|words| !is_left_out(words)));
        let form = match random.below(3) {
            0 => Form::Split(random.below(256) as u8),
            _ => Form::Arrays,
        };
        if let Err((_, difference)) = connection.commands(&comparison, &commands, form) {
            panic!("REDISTILL_SEED={seed}: {difference}");
        }
    }
}
