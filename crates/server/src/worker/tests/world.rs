//! A worker on a simulated network, its clients, and what must hold when all of them have gone.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::shared::Shared;
use keyspace::Keyspace;
use net::simulation::{Client, Faults, Network, Simulation};
use net::{Event, Listener};
use rustls::ServerConfig;

use super::random::Random;
use super::script::Script;
use crate::clients_memory::Counted;
use crate::config::{self, Inputs, Start};
use crate::process::{ForCommands, Process};
use crate::tls::{Tls, Transport};
use crate::worker::Worker;

const PORT: u32 = 6379;
/// Wakes in which nothing is sent, received or closed, after which something is stuck.
const QUIET_WAKES_MAX: usize = 3_000;
/// Wakes between two looks at what the clients have received.
const WAKES_PER_LOOK: usize = 32;

/// A worker and the network it is on.
pub struct World {
    pub worker: Worker<Simulation>,
    pub network: Network,
    pub random: Random,
    events: Vec<Event>,
}

impl World {
    /// Everything in it follows from the seed, but for the time. `arguments` are settings of the command line.
    pub fn new(seed: u64, faults: Faults, arguments: &[&str]) -> World {
        World::with(seed, faults, arguments, None)
    }

    /// As `new`, where clients speak TLS.
    pub fn encrypted(seed: u64, faults: Faults, config: Arc<ServerConfig>) -> World {
        World::with(seed, faults, &[], Some(config))
    }

    fn with(
        seed: u64,
        faults: Faults,
        arguments: &[&str],
        tls: Option<Arc<ServerConfig>>,
    ) -> World {
        let mut random = Random::new(!seed);
        let network = Network::new(seed, faults);
        let options = net::Options {
            buffer_bytes: random.pick(&[64, 200, 1_000, 16_384]),
            buffers_max: random.pick(&[1, 2, 500]),
            connections_max: 100,
        };
        let backend = network.backend(&options).expect("a backend");
        let keyspace = Keyspace::new(keyspace::Options {
            num_shards: 16,
            workers_max: 1,
            seed,
            huge_pages: keyspace::HugePages::No,
        });
        let transport = match tls {
            None => Transport::Plain,
            Some(_) => Transport::Tls,
        };
        let process = Arc::new(process_with(arguments, Arc::clone(&keyspace), tls));
        let for_commands = Box::new(ForCommands(Arc::clone(&process)));
        let shared = Arc::new(Shared::new(keyspace, 1, for_commands));
        let keyspace = shared.keyspace.worker();
        let listeners = vec![(Listener::simulated(PORT), transport)];
        let worker = Worker::new(0, backend, listeners, shared, process, keyspace);
        World {
            worker: worker.expect("a worker"),
            network,
            random,
            events: Vec::new(),
        }
    }

    /// A client that has said nothing.
    pub fn connect(&self) -> Client {
        self.network.connect(PORT)
    }

    /// A client with this script.
    pub fn client(&mut self, script: Script) -> Talker {
        let length = script.bytes.len();
        Talker {
            client: self.network.connect(PORT),
            script,
            written: 0,
            fate: Fate::Stays,
            until: length,
            pace: self.random.pick(&[1, 2, 5, 20]),
            has_ended: false,
        }
    }

    /// Lets the worker wake so many times.
    pub fn wake(&mut self, times: usize) {
        for _ in 0..times {
            // Only a wait that may sleep reports lazy sends late.
            let may_sleep = self.worker.ready.is_empty() && self.random.once_in(4);
            let timeout = Duration::from_nanos(may_sleep.into());
            self.worker
                .wake(timeout, &mut self.events)
                .expect("the backend works");
            self.assert_accounted();
        }
    }

    /// Lets the clients write and the worker work until every client is done; `each` comes before every wake.
    pub fn run_with(&mut self, talkers: &mut [Talker], mut each: impl FnMut(&mut World)) {
        let mut quiet = 0;
        let mut before = Vec::new();
        while quiet < QUIET_WAKES_MAX {
            for _ in 0..WAKES_PER_LOOK {
                each(self);
                for talker in &mut *talkers {
                    talker.act(&mut self.random);
                }
                self.wake(1);
            }
            let state = talkers.iter().map(Talker::progress);
            let mut state: Vec<usize> = state.collect();
            if talkers.iter().all(Talker::is_done) {
                return;
            }
            state.push(self.received_bytes() as usize);
            quiet = if state == before {
                quiet + WAKES_PER_LOOK
            } else {
                0
            };
            before = state;
        }
        panic!("nothing moves any more");
    }

    /// As `run_with`, when nothing else happens.
    pub fn run(&mut self, talkers: &mut [Talker]) {
        self.run_with(talkers, |_| ());
    }

    /// Checks that what the worker says of its clients' memory is true.
    fn assert_accounted(&self) {
        let worker = &self.worker;
        let mut sum = 0;
        for connection in worker.connections.iter().flatten() {
            let client = &connection.session.client;
            let (input, output) = (&client.input_bytes, &client.output_bytes);
            let unsent_bytes = connection.unsent_bytes() as u64;
            assert_eq!(output.load(Relaxed), unsent_bytes, "replies");
            if !connection.is_closed {
                let waiting_bytes = connection.input_bytes() as u64;
                assert_eq!(input.load(Relaxed), waiting_bytes, "requests");
            }
            assert_eq!(client.memory_bytes(), connection.counted.bytes);
            sum += connection.counted.bytes;
        }
        assert_eq!(worker.counted.bytes, sum, "sum");
        assert_eq!(worker.process.client_bytes(), sum, "shown sum");
    }

    /// Bytes that the worker has received from all clients.
    pub fn received_bytes(&self) -> u64 {
        self.worker.process.traffic[0].received_bytes.get()
    }

    /// Ends all clients, and checks that nothing is left of them.
    pub fn end(&mut self, talkers: &[Talker]) {
        for talker in talkers {
            if !talker.client.is_closed() {
                talker.client.limit_reading(None);
                talker.client.finish();
            }
        }
        let mut wakes = 0;
        while self.worker.process.connections() > 0 && wakes < QUIET_WAKES_MAX * 10 {
            self.wake(1);
            wakes += 1;
        }
        let worker = &self.worker;
        assert_eq!(worker.process.connections(), 0, "counted connections");
        assert_eq!(worker.open, 0, "open connections");
        assert!(worker.connections.iter().all(Option::is_none), "slots");
        assert_eq!(worker.shared.clients.count(), 0, "known clients");
        assert_eq!(worker.counted, Counted::default(), "memory");
        assert_eq!(worker.fills, 0, "fills");
        assert_eq!(worker.backend.buffers_held(), 0, "receive buffers");
        assert!(talkers.iter().all(|talker| talker.client.is_closed()));
        // Stale numbers in these would be taken for the next connection of the slot.
        assert!(worker.ready.is_empty() && worker.round.is_empty(), "ready");
        assert!(worker.dirty.is_empty() && worker.stops.is_empty(), "dirty");
    }
}

fn process_with(
    arguments: &[&str],
    keyspace: Arc<Keyspace>,
    tls: Option<Arc<ServerConfig>>,
) -> Process {
    // Simulated clients have no address, so protected mode would not let them in.
    let own = ["--protected-mode", "no"].iter().chain(arguments);
    let start = config::start(Inputs {
        arguments: own.map(OsString::from).collect(),
        environment: &|_| None,
        directory: PathBuf::from("/nonexistent"),
        available_memory_bytes: 1 << 30,
    });
    let Ok(Start::Serve { config, .. }) = start else {
        panic!("not settings: {arguments:?}");
    };
    let start = crate::process::Start {
        workers: 1,
        connections_possible: 100,
        io_backend: "simulation",
        run_id: "0".repeat(40),
        keyspace,
        tls: tls.map(|tls| Tls::fixed(tls, &config.settings().security)),
    };
    Process::new(Arc::new(*config), start)
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It sends everything and waits for all replies.
    Stays,
    /// It closes its writing side when it has written what it will write.
    Finishes,
    /// It breaks the connection instead.
    Resets,
    /// It closes its writing side, reads little, and then breaks the connection.
    Vanishes,
}

/// A client that writes its script in pieces.
pub struct Talker {
    pub client: Client,
    pub script: Script,
    /// Bytes that it has written.
    pub written: usize,
    pub fate: Fate,
    /// How much of the script it will write.
    pub until: usize,
    /// It writes once in so many wakes.
    pace: usize,
    has_ended: bool,
}

impl Talker {
    /// Perhaps writes a piece, or does what it does after the last one.
    fn act(&mut self, random: &mut Random) {
        if self.has_ended || !random.once_in(self.pace) {
            return;
        }
        let rest = self.until - self.written;
        if rest > 0 {
            let most = random.pick(&[1, 10, 100, 5_000, rest]);
            let bytes = 1 + random.below(most.min(rest));
            let piece = &self.script.bytes[self.written..self.written + bytes];
            self.client.write(piece);
            self.written += bytes;
            return;
        }
        self.has_ended = true;
        match self.fate {
            Fate::Stays => {}
            Fate::Finishes => self.client.finish(),
            Fate::Resets => self.client.reset(),
            Fate::Vanishes => {
                self.client.limit_reading(Some(random.below(200)));
                self.client.finish();
                self.fate = Fate::Resets;
                self.has_ended = false;
            }
        }
    }

    /// What the model answers to what was written.
    pub fn expected(&self) -> &[u8] {
        self.script.replies_to(self.written)
    }

    fn is_done(&self) -> bool {
        let has_all = || self.client.received().len() >= self.expected().len();
        match self.fate {
            _ if self.client.is_closed() => true,
            Fate::Stays => self.has_ended && has_all(),
            Fate::Finishes | Fate::Resets | Fate::Vanishes => false,
        }
    }

    fn progress(&self) -> usize {
        self.written + self.client.received().len() + usize::from(self.client.is_closed())
    }

    /// Checks that it has received all replies, and nothing after.
    #[track_caller]
    pub fn assert_answered(&self) {
        let (received, expected) = (self.client.received(), self.expected());
        let same = received.iter().zip(expected).take_while(|(a, b)| a == b);
        let same = same.count();
        assert!(
            received == expected,
            "{} bytes received, {} expected, different from {same} on: {:?}, expected {:?}",
            received.len(),
            expected.len(),
            excerpt(&received, same),
            excerpt(expected, same),
        );
    }

    /// Checks that it has received nothing but the first of its replies.
    #[track_caller]
    pub fn assert_answered_in_part(&self) {
        let (received, expected) = (self.client.received(), self.expected());
        assert!(
            expected.starts_with(&received),
            "{} bytes received are not among the first of {}",
            received.len(),
            expected.len()
        );
    }
}

fn excerpt(bytes: &[u8], at: usize) -> String {
    let end = bytes.len().min(at + 40);
    bytes[at..end].escape_ascii().to_string()
}
