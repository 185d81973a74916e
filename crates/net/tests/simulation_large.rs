//! Fills and shared pieces on the simulated network: a server that keeps bodies and sends them back, whole under
//! every seed.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use net::simulation::{Client, Faults, Network, Simulation};
use net::{Backend, ConnectionId, Event, Listener, Options, Outgoing};

const PORT: u32 = 6379;

/// Bodies longer than this are received by a fill.
const FILL_BYTES_MIN: usize = 50;

/// Takes requests of two bytes of length and a body, and sends each body back between brackets, as a shared piece.
struct Keeper {
    backend: Simulation,
    sessions: HashMap<ConnectionId, Session>,
    bodies: Vec<Bytes>,
    filled: usize,
    closed: usize,
}

#[derive(Default)]
struct Session {
    waiting: Vec<u8>,
    replies: VecDeque<Bytes>,
    is_sending: bool,
    has_ended: bool,
    /// The bytes of the fill under way when it was looked at last.
    filling: Option<usize>,
}

impl Keeper {
    fn new(network: &Network) -> Keeper {
        let options = Options {
            buffer_bytes: 64,
            buffers_max: 4,
            ..Options::default()
        };
        let mut backend = network.backend(&options).expect("a backend");
        backend.listen(Listener::simulated(PORT)).expect("listen");
        Keeper {
            backend,
            sessions: HashMap::new(),
            bodies: Vec::new(),
            filled: 0,
            closed: 0,
        }
    }

    fn turn(&mut self) {
        let mut events = Vec::new();
        self.backend
            .wait(Some(Duration::ZERO), &mut events)
            .expect("wait");
        let mut touched = Vec::new();
        for event in events {
            match event {
                Event::Accepted { socket, .. } => {
                    let id = self.backend.open(socket).expect("open");
                    self.sessions.insert(id, Session::default());
                }
                Event::Received { id, buffer } => {
                    let session = self.sessions.get_mut(&id).expect("open");
                    assert!(session.filling.is_none(), "received before Filled");
                    session
                        .waiting
                        .extend_from_slice(self.backend.bytes(&buffer));
                    self.backend.recycle(buffer);
                    touched.push(id);
                }
                Event::Filled { id, buffer } => {
                    let session = self.sessions.get_mut(&id).expect("open");
                    assert!(session.filling.take().is_some(), "no fill was asked for");
                    self.filled += 1;
                    session.replies.push_back(buffer.into());
                    touched.push(id);
                }
                Event::Sent { id, .. } => {
                    self.sessions.get_mut(&id).expect("open").is_sending = false;
                    touched.push(id);
                }
                Event::EndOfStream { id } => {
                    let session = self.sessions.get_mut(&id).expect("open");
                    session.has_ended = true;
                    session.filling = None;
                    touched.push(id);
                }
                Event::Failed { id, .. } => {
                    self.backend.close(id);
                    self.sessions.remove(&id);
                }
                Event::Closed { .. } => self.closed += 1,
                Event::Woken => {}
                event @ Event::AcceptFailed { .. } => panic!("unexpected: {event:?}"),
            }
        }
        assert_eq!(self.backend.buffers_held(), 0);
        for id in touched {
            self.serve(id);
        }
        self.check_progress();
    }

    fn serve(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        while session.filling.is_none()
            && let Some((head, body)) = session.waiting.split_first_chunk::<2>()
        {
            let bytes = usize::from(u16::from_le_bytes(*head));
            if body.len() >= bytes {
                session
                    .replies
                    .push_back(Bytes::copy_from_slice(&body[..bytes]));
                session.waiting.drain(..2 + bytes);
            } else if bytes >= FILL_BYTES_MIN {
                let mut buffer = Vec::with_capacity(bytes);
                buffer.extend_from_slice(body);
                session.filling = Some(body.len());
                session.waiting.clear();
                self.backend.fill(id, buffer, bytes);
            } else {
                break;
            }
        }
        if session.is_sending {
            return;
        }
        if !session.replies.is_empty() {
            let mut outgoing = Outgoing::default();
            for body in session.replies.drain(..) {
                outgoing.bytes.push(b'[');
                self.bodies.push(body.clone());
                outgoing.shared.push((outgoing.bytes.len(), body));
                outgoing.bytes.push(b']');
            }
            session.is_sending = true;
            self.backend.send_lazily(id, outgoing);
        } else if session.has_ended {
            self.backend.close(id);
            self.sessions.remove(&id);
        }
    }

    /// A fill's bytes never become fewer.
    fn check_progress(&mut self) {
        for (id, session) in &mut self.sessions {
            let bytes = self.backend.filled_bytes(*id);
            if let Some(before) = session.filling.replace(bytes) {
                assert!(bytes >= before);
            } else {
                assert_eq!(bytes, 0);
                session.filling = None;
            }
        }
    }
}

/// The bodies of one client: short ones and long ones, in an order of its own.
fn bodies(index: usize) -> Vec<Vec<u8>> {
    let lengths = [300, 10, 64, 1000, 49, 50, 62, 0, 700, 1];
    let body = |round: usize| {
        let bytes = lengths[(index * 7 + round * 3) % lengths.len()];
        (0..bytes)
            .map(|place| (place * 7 + round + index) as u8)
            .collect()
    };
    (0..lengths.len()).map(body).collect()
}

fn requests(index: usize) -> Vec<u8> {
    let request = |body: Vec<u8>| [&(body.len() as u16).to_le_bytes(), &body[..]].concat();
    bodies(index).into_iter().flat_map(request).collect()
}

fn replies(index: usize) -> Vec<u8> {
    let reply = |body: Vec<u8>| [b"[", &body[..], b"]"].concat();
    bodies(index).into_iter().flat_map(reply).collect()
}

/// Ten clients that send everything at once; ends when all are closed.
fn run(seed: u64, faults: Faults) -> (Keeper, Vec<Client>) {
    let network = Network::new(seed, faults);
    let mut keeper = Keeper::new(&network);
    let clients: Vec<Client> = (0..10).map(|_| network.connect(PORT)).collect();
    for (index, client) in clients.iter().enumerate() {
        client.write(&requests(index));
        client.finish();
    }
    while keeper.closed < clients.len() {
        keeper.turn();
    }
    assert!(
        keeper
            .bodies
            .iter()
            .all(|body| body.is_empty() || body.is_unique()),
        "seed {seed}: a shared piece is still held"
    );
    (keeper, clients)
}

#[test]
fn bodies_come_back_whole() {
    let mut filled = 0;
    for seed in 0..100 {
        let receive_bytes_max = [40, 64, 200][seed as usize % 3];
        let faults = Faults {
            receive_bytes_max,
            ..Faults::default()
        };
        let (keeper, clients) = run(seed, faults);
        filled += keeper.filled;
        for (index, client) in clients.iter().enumerate() {
            assert!(
                client.received() == replies(index),
                "seed {seed}, client {index}"
            );
        }
    }
    assert!(filled > 1000, "only {filled} fills");
}

#[test]
fn everything_is_let_go_after_resets() {
    for seed in 0..100 {
        let faults = Faults {
            resets_per_mille: 10,
            ..Faults::default()
        };
        let (_keeper, clients) = run(seed, faults);
        for (index, client) in clients.iter().enumerate() {
            assert!(replies(index).starts_with(&client.received()));
        }
    }
}

#[test]
fn a_client_that_ends_early_gets_what_it_has_sent() {
    for seed in 0..50 {
        let network = Network::new(seed, Faults::default());
        let mut keeper = Keeper::new(&network);
        let client = network.connect(PORT);
        client.write(&requests(0)[..200]);
        client.finish();
        while keeper.closed == 0 {
            keeper.turn();
        }
        let received = client.received();
        assert!(received.len() < 200 && replies(0).starts_with(&received));
    }
}
