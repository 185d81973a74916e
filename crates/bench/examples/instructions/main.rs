//! The way of a command without sockets, for counting its instructions: parsing, looking up, replying.
//!
//! `instructions WORKLOAD BATCHES` executes so many batches. Everything before them is the same whatever their number
//! is, so what a count under valgrind grows by from one number to another is that of the batches between:
//! `cargo xtask instructions` does it. Nothing here depends on time, addresses or threads.

mod process;

use std::process::ExitCode;

use commands::batch::{Batch, Source, Stop};
use commands::clients::Origin;
use commands::dispatch::{Dispatcher, Flow, Requests, Unsent, record_accesses};
use commands::session::Session;
use commands::shared::Shared;
use keyspace::{HugePages, Keyspace, Options, Plan, Worker};
use resp::{Limits, Output, RequestParser, Span};

use process::Nothing;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Requests that arrive together.
const PIPELINE: usize = 128;
/// Keys that are there before.
const KEYS: usize = 10_000;
/// Batches for which there are requests; more would begin again, and a new key would not be new.
const BATCHES_MAX: usize = 2_000;
const NOW_MS: u64 = 1_700_000_000_000;

/// What is counted.
#[derive(Clone, Copy)]
struct Workload {
    name: &'static str,
    command: Command,
    /// The number of the first key.
    first_key: usize,
    /// Requests go through so many keys again and again.
    keys: usize,
    reply_bytes: usize,
}

#[derive(Clone, Copy)]
enum Command {
    Get,
    Set,
    SetExpiring,
    /// Of a hash with eight fields, as the others.
    HashGet,
    HashSet,
    /// With values that are longer or shorter than those before.
    HashSetOther,
}

const WORKLOADS: [Workload; 9] = [
    Workload {
        name: "get-hit",
        command: Command::Get,
        first_key: 0,
        keys: KEYS,
        reply_bytes: "$64\r\n\r\n".len() + 64,
    },
    Workload {
        name: "get-miss",
        command: Command::Get,
        first_key: KEYS,
        keys: KEYS,
        reply_bytes: "$-1\r\n".len(),
    },
    Workload {
        name: "set-existing",
        command: Command::Set,
        first_key: 0,
        keys: KEYS,
        reply_bytes: "+OK\r\n".len(),
    },
    Workload {
        name: "set-new",
        command: Command::Set,
        first_key: KEYS,
        keys: BATCHES_MAX * PIPELINE,
        reply_bytes: "+OK\r\n".len(),
    },
    Workload {
        name: "set-ex-existing",
        command: Command::SetExpiring,
        first_key: 0,
        keys: KEYS,
        reply_bytes: "+OK\r\n".len(),
    },
    Workload {
        name: "set-ex-new",
        command: Command::SetExpiring,
        first_key: KEYS,
        keys: BATCHES_MAX * PIPELINE,
        reply_bytes: "+OK\r\n".len(),
    },
    Workload {
        name: "hget",
        command: Command::HashGet,
        first_key: 0,
        keys: KEYS,
        reply_bytes: "$16\r\n\r\n".len() + 16,
    },
    Workload {
        name: "hset-same-size",
        command: Command::HashSet,
        first_key: 0,
        keys: KEYS,
        reply_bytes: ":0\r\n".len(),
    },
    Workload {
        name: "hset-other-size",
        command: Command::HashSetOther,
        first_key: 0,
        keys: KEYS,
        reply_bytes: ":0\r\n".len(),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = match &arguments[..] {
        [name, batches] => WORKLOADS
            .iter()
            .find(|workload| workload.name == name)
            .zip(batches.parse().ok().filter(|&count| count <= BATCHES_MAX)),
        _ => None,
    };
    let Some((workload, batches)) = asked else {
        let names = WORKLOADS.map(|workload| workload.name).join(" | ");
        eprintln!("usage: instructions {names} BATCHES, at most {BATCHES_MAX}");
        return ExitCode::FAILURE;
    };
    let mut server = Server::new();
    server.fill(workload.command);
    let inputs = workload.inputs();
    for input in &inputs[..batches] {
        let reply_bytes = server.answer(input);
        assert_eq!(reply_bytes, workload.reply_bytes * PIPELINE);
    }
    ExitCode::SUCCESS
}

impl Workload {
    /// The requests of every batch.
    fn inputs(&self) -> Vec<Vec<u8>> {
        let mut inputs = Vec::with_capacity(BATCHES_MAX);
        for batch in 0..BATCHES_MAX {
            let mut input = Vec::new();
            for request in batch * PIPELINE..(batch + 1) * PIPELINE {
                // An odd step that has no divisor in common with the numbers of keys meets each of them.
                let key = self.first_key + request * 7_919 % self.keys;
                self.command.write(key, request / self.keys, &mut input);
            }
            inputs.push(input);
        }
        inputs
    }
}

impl Command {
    /// What makes a key that is there before.
    fn filling(self, key: usize, input: &mut Vec<u8>) {
        match self {
            Command::Get | Command::Set | Command::SetExpiring => {
                Command::Set.write(key, 0, input);
            }
            Command::HashGet | Command::HashSet | Command::HashSetOther => {
                let key = format!("key:{key:012}");
                let fields = (0..8).map(|field| format!("field:{field}"));
                let mut words: Vec<Vec<u8>> = vec![b"HSET".to_vec(), key.into_bytes()];
                words.extend(fields.flat_map(|field| [field.into_bytes(), vec![b'x'; 16]]));
                resp::encode_request(&words, input);
            }
        }
    }

    /// The command on a key, in its turn of all.
    fn write(self, key: usize, turn: usize, input: &mut Vec<u8>) {
        let key = format!("key:{key:012}");
        match self {
            Command::Get => resp::encode_request(&[b"GET", key.as_bytes()], input),
            Command::Set => resp::encode_request(&[b"SET", key.as_bytes(), &[b'x'; 64]], input),
            Command::SetExpiring => {
                let key = key.as_bytes();
                resp::encode_request(&[b"SET", key, &[b'x'; 64], b"EX", b"3600"], input);
            }
            Command::HashGet => {
                resp::encode_request(&[b"HGET", key.as_bytes(), b"field:5"], input);
            }
            Command::HashSet => {
                let key = key.as_bytes();
                resp::encode_request(&[b"HSET", key, b"field:5", &[b'y'; 16]], input);
            }
            Command::HashSetOther => {
                let value = &[b'y'; 24][..24 - turn % 2 * 16];
                resp::encode_request(&[b"HSET", key.as_bytes(), b"field:5", value], input);
            }
        }
    }
}

/// A worker with one connection, as crates/server has them.
struct Server {
    shared: Shared,
    worker: Worker,
    session: Session,
    batch: Batch,
    plan: Plan,
    parser: RequestParser,
    partial: Vec<Span>,
    output: Output,
}

impl Server {
    fn new() -> Self {
        let keyspace = Keyspace::new(Options {
            num_shards: 64,
            workers_max: 1,
            seed: 1,
            huge_pages: HugePages::No,
        });
        let worker = keyspace.worker();
        let shared = Shared::new(keyspace, 1, Box::new(Nothing));
        let origin = Origin {
            address: String::new(),
            local_address: String::new(),
            is_unix: false,
            descriptor: 0,
            state_bytes: 0,
        };
        let session = Session::new(shared.clients.add(origin, 0, NOW_MS), &shared.acl);
        Self {
            shared,
            worker,
            session,
            batch: Batch::default(),
            plan: Plan::default(),
            parser: RequestParser::default(),
            partial: Vec::new(),
            output: Output::default(),
        }
    }

    fn fill(&mut self, command: Command) {
        for key in 0..KEYS {
            let mut input = Vec::new();
            command.filling(key, &mut input);
            self.answer(&input);
        }
    }

    /// Executes what one connection has sent in a wake, in groups; the bytes of the replies.
    fn answer(&mut self, input: &[u8]) -> usize {
        self.output.clear();
        let mut at = 0;
        loop {
            let (next, stop) = self.answer_group(input, at);
            at = next;
            match stop {
                Stop::Enough => {}
                Stop::Empty => return self.output.len(),
                Stop::Incomplete | Stop::Error(_) => panic!("every request is whole"),
            }
        }
    }

    fn answer_group(&mut self, input: &[u8], at: usize) -> (usize, Stop) {
        let Self { batch, output, .. } = self;
        batch.clear();
        let mut group = self.worker.group(NOW_MS);
        let source = Source {
            connection: 0,
            parser: &mut self.parser,
            partial: &mut self.partial,
            input,
            at,
            database: 0,
        };
        let (_, at, stop) = batch.parse(source, &Limits::standard(), PIPELINE, group.keyspace());
        let batch = &*batch;
        batch.look_ahead(&mut group);
        if let Some((_, item)) = batch.sampled(&group) {
            record_accesses(&group, &self.session, &batch.request(item, input));
        }
        let mut dispatcher = Dispatcher::new(&self.shared, 0, &mut self.plan);
        for run in batch.runs() {
            let mut requests = Requests {
                batch,
                items: batch.items(run),
                input,
                unsent: Unsent {
                    bytes: 0,
                    bytes_max: usize::MAX,
                },
                done: 0,
            };
            let flow = dispatcher.execute(&mut group, &mut self.session, &mut requests, output);
            assert_eq!(flow, Flow::Done);
        }
        (at, stop)
    }
}
