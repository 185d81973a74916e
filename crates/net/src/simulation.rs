//! A network inside the process, with short reads, partial sends, stalls and resets, for tests of callers.
//!
//! A test makes a `Network`, gives the worker a `Simulation` of it, and talks to the worker through `Client`s. What
//! happens to the bytes on their way depends on the seed alone, as long as one thread does everything; a worker on
//! a thread of its own works too.

mod backend;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::Options;
use crate::socket::Peer;
use crate::waker::Waker;

pub use backend::Simulation;

/// What goes wrong, and how often.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The most bytes that one `Received` brings, less if a buffer is smaller.
    pub receive_bytes_max: usize,
    /// The most bytes of a send that one wait moves.
    pub send_bytes_max: usize,
    /// Out of 1000 chances to move something, so many are missed. Out of 1000 pauses, so many come late.
    pub stalls_per_mille: u32,
    /// Out of 1000 waits, so many break a connection, for each connection.
    pub resets_per_mille: u32,
}

impl Faults {
    /// A network that never fails.
    pub fn none() -> Faults {
        Faults {
            receive_bytes_max: usize::MAX,
            send_bytes_max: usize::MAX,
            stalls_per_mille: 0,
            resets_per_mille: 0,
        }
    }
}

impl Default for Faults {
    /// Slow and in pieces, but nothing breaks.
    fn default() -> Faults {
        Faults {
            receive_bytes_max: 40,
            send_bytes_max: 40,
            stalls_per_mille: 300,
            resets_per_mille: 0,
        }
    }
}

/// A network. Clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// A client's side of some connection has changed.
    changed: Condvar,
}

struct State {
    random: Random,
    faults: Faults,
    wires: Vec<Wire>,
    /// Connections that nobody has accepted yet, with the ports that they are for.
    arriving: VecDeque<(u32, usize)>,
    /// Backends that may sleep while a client acts.
    wakers: Vec<Waker>,
}

/// One connection, seen from the middle.
#[derive(Default)]
struct Wire {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    /// How many bytes more the client takes.
    window: Option<usize>,
    is_finished_by_client: bool,
    is_closed_by_server: bool,
    is_reset: bool,
}

impl Network {
    /// A network whose faults follow from `seed`.
    pub fn new(seed: u64, faults: Faults) -> Network {
        Network(Arc::new(Inner {
            state: Mutex::new(State {
                random: Random(seed),
                faults,
                wires: Vec::new(),
                arriving: VecDeque::new(),
                wakers: Vec::new(),
            }),
            changed: Condvar::new(),
        }))
    }

    /// A backend on this network.
    ///
    /// # Errors
    /// `InvalidInput` for options out of range.
    pub fn backend(&self, options: &Options) -> io::Result<Simulation> {
        Simulation::on(self, options)
    }

    /// A client that connects to the backend with a `Listener::simulated(port)`, which may begin to listen later.
    pub fn connect(&self, port: u32) -> Client {
        let mut state = self.state();
        let wire = state.wires.len();
        state.wires.push(Wire::default());
        state.arriving.push_back((port, wire));
        drop(state);
        self.wake_backends();
        Client {
            network: self.clone(),
            wire,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_backends(&self) {
        for waker in &self.state().wakers {
            waker.nudge();
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Network")
    }
}

/// The client's end of a connection. Dropping it is `finish`.
#[derive(Debug)]
pub struct Client {
    network: Network,
    wire: usize,
}

impl Client {
    /// Sends bytes; they arrive in pieces.
    pub fn write(&self, bytes: &[u8]) {
        self.change(|wire| wire.to_server.extend(bytes));
    }

    /// Closes the writing side after what was written.
    pub fn finish(&self) {
        self.change(|wire| wire.is_finished_by_client = true);
    }

    /// Breaks the connection; what is under way is lost.
    pub fn reset(&self) {
        self.change(|wire| {
            wire.is_reset = true;
            wire.to_server.clear();
        });
    }

    /// Takes only so many bytes more, until this is called again; `None`: no limit, as in the beginning.
    pub fn limit_reading(&self, bytes: Option<usize>) {
        self.change(|wire| wire.window = bytes);
    }

    /// Everything that has been received so far.
    pub fn received(&self) -> Vec<u8> {
        self.network.state().wires[self.wire].to_client.clone()
    }

    /// Waits until `bytes` have been received in all, or the connection is closed, and returns everything so far.
    pub fn wait_received(&self, bytes: usize) -> Vec<u8> {
        let mut state = self.network.state();
        loop {
            let wire = &state.wires[self.wire];
            if wire.to_client.len() >= bytes || wire.is_closed_by_server {
                return wire.to_client.clone();
            }
            state = self
                .network
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the server has closed the connection, or a fault has broken it.
    pub fn is_closed(&self) -> bool {
        let wire = &self.network.state().wires[self.wire];
        wire.is_closed_by_server || wire.is_reset
    }

    fn change(&self, change: impl FnOnce(&mut Wire)) {
        change(&mut self.network.state().wires[self.wire]);
        self.network.wake_backends();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The server's end of a connection. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct End {
    network: Network,
    wire: usize,
}

impl End {
    /// Clients of a simulation have no address.
    #[expect(clippy::unused_self, reason = "as a descriptor's end")]
    pub(crate) fn peer(&self) -> Peer {
        Peer::Unknown
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.network.state().wires[self.wire].is_closed_by_server = true;
        self.network.0.changed.notify_all();
    }
}

/// A small generator of reproducible numbers (splitmix64: Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `limit` - 1.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < per_mille as usize
    }
}
