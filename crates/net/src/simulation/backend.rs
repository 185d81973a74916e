//! The backend of the simulated network.

use std::io;
use std::time::Duration;

use crate::backend::{Backend, Buffer, ConnectionId, Event, ListenerId, Options, ReceiveMemory};
use crate::buffer_pool::BufferPool;
use crate::fill::Fill;
use crate::listener::{Listener, ListenerHandle};
use crate::outgoing::{Outgoing, Unsent};
use crate::slots::Slots;
use crate::socket::{Handle, Socket};
use crate::waker::{Signal, Waker};

use super::{End, Faults, Network, State};

/// The most that a paused connection still reports.
const LATE_RECEIVES_MAX: usize = 3;

/// A backend on a simulated network. `new` makes a network of its own without faults.
pub struct Simulation {
    network: Network,
    waker: Waker,
    /// Ports by listener.
    ports: Vec<Option<u32>>,
    connections: Slots<Connection>,
    buffers: BufferPool,
    held: usize,
    closed: Vec<ConnectionId>,
    /// Sends that are done and may be reported late.
    lazily_sent: Vec<(ConnectionId, Vec<u8>)>,
}

struct Connection {
    end: End,
    is_paused: bool,
    /// How often it still reports what it has received, although it is paused.
    late_receives: usize,
    /// What has arrived is received, and then the end.
    is_finishing: bool,
    is_ended: bool,
    has_failed: bool,
    is_sending: bool,
    is_lazy: bool,
    unsent: Unsent,
    fill: Option<Box<Fill>>,
}

impl Simulation {
    pub(super) fn on(network: &Network, options: &Options) -> io::Result<Simulation> {
        options.validate()?;
        let waker = Waker::new(Signal::thread());
        network.state().wakers.push(waker.clone());
        Ok(Simulation {
            network: network.clone(),
            waker,
            ports: Vec::new(),
            connections: Slots::new(options.connections_max),
            buffers: BufferPool::new(options),
            held: 0,
            closed: Vec::new(),
            lazily_sent: Vec::new(),
        })
    }

    /// The network that this is on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// How many received buffers have not been recycled.
    pub fn buffers_held(&self) -> usize {
        self.held
    }

    fn start_send(&mut self, id: ConnectionId, outgoing: Outgoing, is_lazy: bool) {
        assert!(!outgoing.is_empty(), "nothing to send");
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.has_failed {
            return;
        }
        assert!(!connection.is_sending, "a send is in flight");
        connection.is_sending = true;
        connection.is_lazy = is_lazy;
        connection.unsent = Unsent::new(outgoing);
    }

    /// Moves what the seed lets move. Tells whether more can move without anybody's doing.
    fn step(&mut self, events: &mut Vec<Event>) -> bool {
        let network = self.network.clone();
        let mut state = network.state();
        let mut goes_on = self.accept(&mut state, events);
        let first = state.random.below(self.connections.places());
        for offset in 0..self.connections.places() {
            let slot = ((first + offset) % self.connections.places()) as u32;
            let Some(id) = self.connections.id_at(slot) else {
                continue;
            };
            if let Some(connection) = self.connections.at_mut(slot) {
                connection.fail_at_random(id, &mut state, events);
                goes_on |= connection.receive(id, &mut state, &mut self.buffers, events);
                goes_on |= connection.send(id, &mut state, &mut self.lazily_sent, events);
            }
        }
        for id in self.closed.drain(..) {
            self.connections.release(id.slot);
            events.push(Event::Closed { id });
        }
        network.0.changed.notify_all();
        goes_on
    }

    fn accept(&mut self, state: &mut State, events: &mut Vec<Event>) -> bool {
        let ports = &self.ports;
        let listener = |port: u32| ports.iter().position(|listened| *listened == Some(port));
        let arrived = state
            .arriving
            .iter()
            .position(|(port, _)| listener(*port).is_some());
        let Some((port, wire)) = arrived.and_then(|position| state.arriving.remove(position))
        else {
            return false;
        };
        if let Some(index) = listener(port) {
            let network = self.network.clone();
            let handle = Handle::Simulated(End { network, wire });
            events.push(Event::Accepted {
                listener: ListenerId(index as u32),
                socket: Socket { handle },
            });
        }
        true
    }

    fn report_lazily_sent(&mut self, events: &mut Vec<Event>) {
        for (id, buffer) in self.lazily_sent.drain(..) {
            if let Some(connection) = self.connections.get_mut(id)
                && !connection.has_failed
            {
                connection.is_sending = false;
                events.push(Event::Sent { id, buffer });
            }
        }
    }
}

impl Connection {
    fn fail_at_random(&mut self, id: ConnectionId, state: &mut State, events: &mut Vec<Event>) {
        let State {
            random,
            faults,
            wires,
            ..
        } = state;
        let wire = &mut wires[self.end.wire];
        wire.is_reset |= random.happens(faults.resets_per_mille);
        // After the end of the stream, only a send can still notice.
        let notices = !self.is_ended || !self.unsent.is_done();
        if wire.is_reset && !self.has_failed && notices {
            self.has_failed = true;
            self.is_sending = false;
            self.unsent = Unsent::default();
            self.fill = None;
            let error = io::ErrorKind::ConnectionReset.into();
            events.push(Event::Failed { id, error });
        }
    }

    fn receive(
        &mut self,
        id: ConnectionId,
        state: &mut State,
        buffers: &mut BufferPool,
        events: &mut Vec<Event>,
    ) -> bool {
        let State {
            random,
            faults,
            wires,
            ..
        } = state;
        let wire = &mut wires[self.end.wire];
        if self.has_failed || self.is_ended {
            return false;
        }
        if self.fill.is_none() && !buffers.is_available() {
            return false;
        }
        if self.is_paused {
            if self.late_receives == 0 {
                return false;
            }
            self.late_receives -= 1;
        }
        if wire.to_server.is_empty() {
            if wire.is_finished_by_client || self.is_finishing {
                self.is_ended = true;
                self.fill = None;
                events.push(Event::EndOfStream { id });
            }
            return false;
        }
        if random.happens(faults.stalls_per_mille) {
            return true;
        }
        // Some of a fill comes as if it had been received into the pool before.
        let is_late = self.fill.is_some() && random.happens(faults.stalls_per_mille);
        if let Some(fill) = &mut self.fill
            && !(is_late && buffers.is_available())
        {
            let bytes_max = wire.to_server.len().min(fill.step_bytes());
            let bytes = random.piece(bytes_max.min(faults.receive_bytes_max), faults);
            let bytes: Vec<u8> = wire.to_server.drain(..bytes).collect();
            fill.copy_from(&bytes);
            self.report_filled(id, events);
        } else if let Some(index) = buffers.take() {
            let space = buffers.space(index);
            let bytes_max = wire
                .to_server
                .len()
                .min(space.len())
                .min(faults.receive_bytes_max);
            let bytes = random.piece(bytes_max, faults);
            for (place, byte) in space.iter_mut().zip(wire.to_server.drain(..bytes)) {
                *place = byte;
            }
            let (start, length) = (0, bytes as u32);
            let mut buffer = Buffer {
                index,
                start,
                length,
            };
            if let Some(fill) = &mut self.fill {
                buffer.skip(fill.copy_from(buffers.bytes(&buffer)));
                self.report_filled(id, events);
            }
            if buffer.is_empty() {
                buffers.give_back(index);
            } else {
                events.push(Event::Received { id, buffer });
            }
        }
        true
    }

    fn report_filled(&mut self, id: ConnectionId, events: &mut Vec<Event>) {
        if let Some(filled) = self.fill.take_if(|fill| fill.is_full()) {
            let buffer = filled.into_buffer();
            events.push(Event::Filled { id, buffer });
        }
    }

    fn send(
        &mut self,
        id: ConnectionId,
        state: &mut State,
        lazily_sent: &mut Vec<(ConnectionId, Vec<u8>)>,
        events: &mut Vec<Event>,
    ) -> bool {
        if self.unsent.is_done() {
            return false;
        }
        // Only a send that goes through at its first chance may be reported late.
        let is_lazy = std::mem::replace(&mut self.is_lazy, false);
        let can_move = self.write(state);
        if !self.unsent.is_done() {
            return can_move;
        }
        let buffer = self.unsent.take();
        if is_lazy {
            lazily_sent.push((id, buffer));
        } else {
            self.is_sending = false;
            events.push(Event::Sent { id, buffer });
        }
        false
    }

    /// Moves a piece; false when the client takes nothing.
    fn write(&mut self, state: &mut State) -> bool {
        let State {
            random,
            faults,
            wires,
            ..
        } = state;
        let wire = &mut wires[self.end.wire];
        let window = wire.window.unwrap_or(usize::MAX);
        if window > 0 && !random.happens(faults.stalls_per_mille) {
            let rest_bytes = self.unsent.parts().map(<[u8]>::len).sum::<usize>();
            let bytes = random.piece(rest_bytes.min(window).min(faults.send_bytes_max), faults);
            let mut missing = bytes;
            for part in self.unsent.parts() {
                let piece = &part[..part.len().min(missing)];
                wire.to_client.extend_from_slice(piece);
                missing -= piece.len();
            }
            wire.window = wire.window.map(|window| window - bytes);
            self.unsent.advance(bytes);
        }
        window > 0
    }
}

impl super::Random {
    /// How many of at most `bytes_max` bytes move: everything where there are no stalls, else a random part.
    fn piece(&mut self, bytes_max: usize, faults: &Faults) -> usize {
        if faults.stalls_per_mille == 0 {
            bytes_max
        } else {
            1 + self.below(bytes_max)
        }
    }
}

impl Backend for Simulation {
    const NAME: &'static str = "simulation";

    fn new(options: &Options) -> io::Result<Self> {
        Simulation::on(&Network::new(0, Faults::none()), options)
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn listen(&mut self, listener: Listener) -> io::Result<ListenerId> {
        let ListenerHandle::Simulated(port) = listener.handle else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        self.ports.push(Some(port));
        Ok(ListenerId(self.ports.len() as u32 - 1))
    }

    fn stop_listening(&mut self) {
        self.ports.fill(None);
    }

    fn resume_accept(&mut self) {}

    fn open(&mut self, socket: Socket) -> io::Result<ConnectionId> {
        let Handle::Simulated(end) = socket.handle else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let connection = Connection {
            end,
            is_paused: false,
            late_receives: 0,
            is_finishing: false,
            is_ended: false,
            has_failed: false,
            is_sending: false,
            is_lazy: false,
            unsent: Unsent::default(),
            fill: None,
        };
        Ok(self
            .connections
            .insert(connection)
            .ok_or(io::ErrorKind::QuotaExceeded)?)
    }

    fn send(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.start_send(id, outgoing.into(), false);
    }

    fn send_lazily(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.start_send(id, outgoing.into(), true);
    }

    fn fill(&mut self, id: ConnectionId, buffer: Vec<u8>, until: usize) {
        let fill = Fill::new(buffer, until);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if !connection.is_ended && !connection.has_failed {
            assert!(connection.fill.is_none(), "a fill is under way");
            connection.fill = Some(Box::new(fill));
        }
    }

    fn filled_bytes(&self, id: ConnectionId) -> usize {
        let connection = self.connections.get(id);
        let fill = connection.and_then(|connection| connection.fill.as_ref());
        fill.map_or(0, |fill| fill.filled_bytes())
    }

    fn pause(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_paused = true;
            let State { random, faults, .. } = &mut *self.network.state();
            if random.happens(faults.stalls_per_mille) {
                connection.late_receives = 1 + random.below(LATE_RECEIVES_MAX);
            }
        }
    }

    fn resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_paused = false;
            connection.late_receives = 0;
        }
    }

    fn finish_receiving(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_finishing = true;
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if self.connections.contains(id) {
            self.connections.vacate(id.slot);
            self.closed.push(id);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let events_before = events.len();
        // Before looking: whoever changes something after that ends the sleep.
        self.waker.sleeps_on_this_thread();
        let may_sleep = self.waker.falls_asleep();
        let goes_on = self.step(events);
        let is_quiet = events.len() == events_before && !goes_on;
        if is_quiet && may_sleep && timeout != Some(Duration::ZERO) {
            self.waker.sleep(timeout);
            self.step(events);
        }
        if self.waker.wakes_up() {
            events.push(Event::Woken);
        }
        if events.len() > events_before || timeout == Some(Duration::ZERO) {
            self.report_lazily_sent(events);
        }
        self.held += events[events_before..]
            .iter()
            .filter(|event| matches!(event, Event::Received { .. }))
            .count();
        Ok(())
    }

    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    fn recycle(&mut self, buffer: Buffer) {
        self.held -= 1;
        self.buffers.give_back(buffer.index);
    }

    fn receive_memory(&self) -> ReceiveMemory {
        self.buffers.memory()
    }
}
