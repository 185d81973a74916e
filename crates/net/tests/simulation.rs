//! The simulated network itself: it loses nothing, and the same seed does the same.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use net::simulation::{Client, Faults, Network, Simulation};
use net::{Backend, ConnectionId, Event, Listener, Options};

const PORT: u32 = 6379;

/// Echoes whatever comes, one send in flight for each connection, and closes what has ended.
struct Echo {
    backend: Simulation,
    waiting: HashMap<ConnectionId, Vec<u8>>,
    sending: HashMap<ConnectionId, bool>,
    ended: Vec<ConnectionId>,
    closed: usize,
    log: Vec<String>,
}

impl Echo {
    fn new(network: &Network) -> Echo {
        let options = Options {
            buffer_bytes: 64,
            buffers_max: 4,
            ..Options::default()
        };
        let mut backend = network.backend(&options).expect("a backend");
        backend.listen(Listener::simulated(PORT)).expect("listen");
        Echo {
            backend,
            waiting: HashMap::new(),
            sending: HashMap::new(),
            ended: Vec::new(),
            closed: 0,
            log: Vec::new(),
        }
    }

    fn turn(&mut self, timeout: Option<Duration>) {
        let mut events = Vec::new();
        self.backend.wait(timeout, &mut events).expect("wait");
        for event in events {
            self.log.push(format!("{event:?}"));
            match event {
                Event::Accepted { socket, .. } => {
                    self.backend.open(socket).expect("open");
                }
                Event::Received { id, buffer } => {
                    let waiting = self.waiting.entry(id).or_default();
                    waiting.extend_from_slice(self.backend.bytes(&buffer));
                    self.backend.recycle(buffer);
                    self.send(id);
                }
                Event::Sent { id, .. } => {
                    self.sending.insert(id, false);
                    self.send(id);
                }
                Event::EndOfStream { id } => {
                    self.ended.push(id);
                    self.send(id);
                }
                Event::Failed { id, .. } => self.backend.close(id),
                Event::Closed { .. } => self.closed += 1,
                Event::Woken => {}
                event @ (Event::AcceptFailed { .. } | Event::Filled { .. }) => {
                    panic!("unexpected: {event:?}")
                }
            }
        }
        assert_eq!(self.backend.buffers_held(), 0);
    }

    fn send(&mut self, id: ConnectionId) {
        let is_sending = self.sending.entry(id).or_default();
        if *is_sending {
            return;
        }
        if let Some(bytes) = self.waiting.remove(&id) {
            *is_sending = true;
            if self.ended.contains(&id) {
                self.backend.send(id, bytes);
            } else {
                self.backend.send_lazily(id, bytes);
            }
        } else if self.ended.contains(&id) {
            self.backend.close(id);
        }
    }
}

fn message(index: usize) -> Vec<u8> {
    (0..500 + 37 * index)
        .map(|place| (place * 7 + index) as u8)
        .collect()
}

/// Ten clients whose messages come back whole; returns what the server has seen.
fn run(seed: u64) -> Vec<String> {
    let network = Network::new(seed, Faults::default());
    let mut echo = Echo::new(&network);
    let clients: Vec<Client> = (0..10).map(|_| network.connect(PORT)).collect();
    for (index, client) in clients.iter().enumerate() {
        client.write(&message(index));
        client.finish();
    }
    while echo.closed < clients.len() {
        echo.turn(Some(Duration::ZERO));
    }
    for (index, client) in clients.iter().enumerate() {
        assert!(client.is_closed());
        assert!(
            client.received() == message(index),
            "seed {seed}, client {index}"
        );
    }
    echo.log
}

#[test]
fn loses_nothing() {
    for seed in 0..50 {
        run(seed);
    }
}

#[test]
fn the_same_seed_does_the_same() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn everything_is_closed_after_resets() {
    for seed in 0..50 {
        let faults = Faults {
            resets_per_mille: 20,
            ..Faults::default()
        };
        let network = Network::new(seed, faults);
        let mut echo = Echo::new(&network);
        let clients: Vec<Client> = (0..10).map(|_| network.connect(PORT)).collect();
        for (index, client) in clients.iter().enumerate() {
            client.write(&message(index));
            client.finish();
        }
        while echo.closed < clients.len() {
            echo.turn(Some(Duration::ZERO));
        }
        for (index, client) in clients.iter().enumerate() {
            assert!(message(index).starts_with(&client.received()));
        }
    }
}

#[test]
fn a_client_that_does_not_read_holds_up_its_send() {
    let network = Network::new(1, Faults::none());
    let mut echo = Echo::new(&network);
    let client = network.connect(PORT);
    client.limit_reading(Some(10));
    client.write(&[b'x'; 60]);
    for _ in 0..10 {
        echo.turn(Some(Duration::ZERO));
    }
    assert_eq!(client.received().len(), 10);
    client.limit_reading(None);
    echo.turn(Some(Duration::ZERO));
    assert_eq!(client.received().len(), 60);
}

#[test]
fn a_reset_after_the_end_of_the_stream_fails_the_send() {
    let network = Network::new(1, Faults::none());
    let mut echo = Echo::new(&network);
    let client = network.connect(PORT);
    client.limit_reading(Some(10));
    client.write(&[b'x'; 60]);
    client.finish();
    for _ in 0..10 {
        echo.turn(Some(Duration::ZERO));
    }
    assert_eq!(echo.closed, 0);
    client.reset();
    for _ in 0..2 {
        echo.turn(Some(Duration::ZERO));
    }
    assert_eq!(echo.closed, 1);
}

#[test]
fn a_client_wakes_a_sleeping_backend() {
    let network = Network::new(1, Faults::default());
    let mut echo = Echo::new(&network);
    let serving = thread::spawn(move || {
        while echo.closed == 0 {
            echo.turn(None);
        }
    });
    let client = network.connect(PORT);
    for round in 1..20 {
        client.write(b"again");
        assert_eq!(client.wait_received(round * 5).len(), round * 5);
    }
    client.finish();
    serving.join().expect("the server");
    assert!(client.is_closed());
}
