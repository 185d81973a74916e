//! A worker thread: waits once, takes everything that its sockets have, executes it in groups, sends once per
//! connection.
//!
//! `turn` has the execution; here are the events, the sends and what happens from time to time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use commands::batch::{Batch, Stop};
use commands::insight::{Event as Delay, Parts};
use commands::session::Session;
use commands::shared::Shared;
use keyspace::Plan;
use net::{Backend, Buffer, ConnectionId, Event, Listener, Socket};
use tracing::{debug, warn};

use resp::Limits;

use crate::access;
use crate::clients_memory::Counted;
use crate::config::{Settings, Watch};
use crate::connection::{Connection, Hold, KEPT_BYTES_MAX};
use crate::memory;
use crate::process::{Admission, Mail, Process, ShutdownStage};
use crate::tls::{Handshakes, Transport, seed_random};
use delays::Delays;

mod delays;
#[cfg(test)]
mod tests;

/// The longest that a worker sleeps: statistics, timeouts and the clock are looked after about once a second.
const TICK_MS: u64 = 1000;
/// How often a worker looks at how much has arrived of large arguments.
const FILL_LOOK_MS: u64 = 100;
/// How long a worker sleeps at most while there are keys with a deadline: others may have set an earlier one.
const SWEEP_MS: u64 = 100;
/// How often a worker that is awake looks for deadlines that have been set meanwhile.
const SWEEP_MS_MIN: u64 = 10;
/// How long one sweep takes at most, but for its last step, ...
const SWEEP_BUDGET: Duration = Duration::from_micros(500);
/// ... and about how many deadlines one step looks at.
const SWEEP_STEP_RECORDS: usize = 128;
/// The longest sleep of a worker that waits for its last replies to be taken: a lazy send does not end a sleep.
const STOPPING_SLEEP: Duration = Duration::from_millis(5);
/// The sleep of a worker that has something to do which can wait for requests.
const SHORT_SLEEP: Duration = Duration::from_millis(1);
/// The most keys that are evicted in one wake besides those of its groups.
const EVICTED_IDLE_MAX: usize = 256;
/// Slots that a worker looks at in one wake while sparse memory is being emptied.
pub(crate) const COMPACTED_SLOTS_MAX: usize = 4096;
/// A worker that has received no more than this since the last tick keeps no memory for later, in bytes.
const IDLE_BYTES_MAX: u64 = 64 << 10;
/// Output buffers that a worker keeps for reuse.
const KEPT_BUFFERS_MAX: usize = 256;

/// One worker.
pub struct Worker<B: Backend> {
    pub(crate) index: usize,
    pub(crate) backend: B,
    pub(crate) connections: Vec<Option<Box<Connection>>>,
    pub(crate) keyspace: keyspace::Worker,
    pub(crate) shared: Arc<Shared>,
    pub(crate) process: Arc<Process>,
    pub(crate) settings: Watch,
    pub(crate) batch: Batch,
    pub(crate) plan: Plan,
    /// Limits of requests after authentication.
    pub(crate) limits: Limits,
    /// Connections that have requests to execute.
    pub(crate) ready: VecDeque<u32>,
    /// The connections of the current round.
    pub(crate) round: VecDeque<u32>,
    /// The connections of the current group, and why parsing stopped.
    pub(crate) stops: Vec<(u32, Stop)>,
    /// Connections that CLIENT PAUSE holds back.
    pub(crate) paused: Vec<u32>,
    /// Connections that must wait before they try another password.
    pub(crate) delays: Delays,
    /// Connections that may have something to send, or to close.
    pub(crate) dirty: Vec<u32>,
    /// Empty output buffers.
    pub(crate) spare: Vec<Vec<u8>>,
    /// What each listener's connections speak.
    transports: Vec<Transport>,
    /// Handshakes of TLS.
    pub(crate) handshakes: Handshakes,
    /// What its connections take together.
    pub(crate) counted: Counted,
    /// What all connections of the process may take together; 0 is no limit.
    pub(crate) clients_bytes_max: u64,
    /// Connections for which the backend receives a large argument.
    fills: usize,
    next_fill_look_ms: u64,
    open: usize,
    pub(crate) now_ms: u64,
    next_tick_ms: u64,
    next_sweep_ms: u64,
    pub(crate) has_memory_to_give: bool,
    pub(crate) is_evicting: bool,
    /// Since the last look at the resident memory.
    pub(crate) written_bytes: u64,
    pub(crate) looked_ms: u64,
    pub(crate) is_compacting: bool,
    swept_ms: u64,
    /// All that it had received at the last tick.
    received_bytes_before: u64,
    is_stopping: bool,
    /// Some client may have been killed.
    pub(crate) looks_for_killed: bool,
    /// The end of its last wake.
    rested: Instant,
}

impl<B: Backend> Worker<B> {
    /// Makes the worker with this number. `listeners` accept here.
    ///
    /// # Errors
    /// When the backend refuses a listener.
    pub fn new(
        index: usize,
        mut backend: B,
        listeners: Vec<(Listener, Transport)>,
        shared: Arc<Shared>,
        process: Arc<Process>,
        keyspace: keyspace::Worker,
    ) -> io::Result<Self> {
        let mut transports = Vec::new();
        for (listener, transport) in listeners {
            backend.listen(listener)?;
            transports.push(transport);
        }
        process.mailbox(index).set_waker(backend.waker());
        let settings = process.config.watch();
        let now_ms = process.clock.now_ms();
        Ok(Self {
            index,
            backend,
            connections: Vec::new(),
            keyspace,
            shared,
            process,
            limits: request_limits(settings.settings()),
            counted: Counted::default(),
            clients_bytes_max: settings.settings().memory_limits().clients_bytes_max,
            fills: 0,
            next_fill_look_ms: now_ms,
            settings,
            batch: Batch::default(),
            plan: Plan::default(),
            ready: VecDeque::new(),
            round: VecDeque::new(),
            stops: Vec::new(),
            paused: Vec::new(),
            delays: Delays::default(),
            dirty: Vec::new(),
            spare: Vec::new(),
            transports,
            handshakes: Handshakes::default(),
            open: 0,
            now_ms,
            next_tick_ms: now_ms,
            next_sweep_ms: now_ms,
            swept_ms: now_ms,
            has_memory_to_give: false,
            is_evicting: false,
            written_bytes: 0,
            looked_ms: 0,
            is_compacting: false,
            received_bytes_before: 0,
            is_stopping: false,
            looks_for_killed: false,
            rested: Instant::now(),
        })
    }

    /// Works until the process shuts down.
    ///
    /// # Errors
    /// When the backend is broken.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::new();
        if self.process.tls.is_some() {
            seed_random();
        }
        // What came before there was a waker has woken nobody.
        self.read_mailbox();
        while !self.has_stopped() {
            let timeout = self.timeout();
            self.wake(timeout, &mut events)?;
        }
        Ok(())
    }

    /// Waits once, and does everything that there is to do then. `events` is empty, before and after.
    fn wake(&mut self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<()> {
        let waits = &self.shared.stats[self.index].waits;
        waits.set(1);
        self.backend.wait(Some(timeout), events)?;
        waits.set(0);
        let woken = Instant::now();
        let waited = woken.saturating_duration_since(self.rested);
        self.now_ms = self.process.clock.at_ms(woken).max(self.now_ms);
        let mut parts = Parts::begin(&self.shared.insight, self.now_ms);
        self.shared.stats[self.index]
            .waking
            .woken_ms
            .set(self.now_ms);
        // First of all, because what follows may open a connection in the same slot.
        for event in &*events {
            if let Event::Closed { id } = event {
                self.closed(*id);
            }
        }
        for event in events.drain(..) {
            self.handle(event);
        }
        // Afterwards, because whether something is on its way to them is known by then.
        self.close_killed();
        self.run_handshakes();
        parts.end(&self.shared.insight, Delay::Receiving);
        self.release_paused();
        self.release_delayed();
        let commands = self.run_round(self.now_ms);
        parts.skip();
        self.send_dirty();
        parts.end(&self.shared.insight, Delay::Sending);
        self.housekeeping(&mut parts);
        self.keep_clients_budget();
        let stats = &self.shared.stats[self.index];
        stats.wakes.add(1);
        self.rested = Instant::now();
        let busy = self.rested.saturating_duration_since(woken);
        let busy_ns = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        stats.busy_us_max.raise(busy_ns / 1000);
        stats.waking.add(waited, busy, commands);
        let insight = &self.shared.insight;
        if busy_ns >= insight.latency_ns() {
            insight.latency.add(Delay::EventLoop, busy_ns, self.now_ms);
        }
        Ok(())
    }

    /// How long to sleep if nothing happens.
    fn timeout(&self) -> Duration {
        if !self.ready.is_empty() || self.handshakes.has_work(self.handshakes_max()) {
            return Duration::ZERO;
        }
        if self.is_stopping {
            return STOPPING_SLEEP;
        }
        if self.has_memory_to_give || self.is_evicting || self.is_compacting {
            return SHORT_SLEEP;
        }
        let mut until_ms = self.next_tick_ms;
        if self.keyspace.keyspace().has_deadlines() {
            if self.next_sweep_ms <= self.now_ms {
                return Duration::ZERO;
            }
            until_ms = until_ms.min(self.next_sweep_ms);
        }
        if self.fills > 0 {
            until_ms = until_ms.min(self.next_fill_look_ms);
        }
        if !self.paused.is_empty() {
            until_ms = until_ms.min(self.shared.pause.until_ms());
        }
        if let Some(next_ms) = self.delays.next_ms() {
            until_ms = until_ms.min(next_ms);
        }
        Duration::from_millis(until_ms.saturating_sub(self.now_ms).max(1))
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Accepted { listener, socket } => {
                let transport = self.transports[listener.0 as usize];
                self.admit(socket, transport);
            }
            Event::AcceptFailed { error, .. } => {
                self.process.log_accept_failure(&error, self.now_ms);
            }
            Event::Received { id, buffer } => self.receive(id, buffer),
            Event::EndOfStream { id } => {
                if let Some(connection) = self.connection(id) {
                    connection.is_ended = true;
                    if connection.hold == Hold::None {
                        self.make_ready(id.slot());
                    }
                }
            }
            Event::Sent { id, buffer } => self.sent(id, buffer),
            Event::Failed { id, error } => {
                debug!(%error, "connection failed");
                self.close(id.slot());
            }
            Event::Filled { id, buffer } => self.filled(id, buffer),
            Event::Closed { .. } => {}
            Event::Woken => self.read_mailbox(),
        }
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.slot())?.as_deref_mut()?;
        (connection.id == id).then_some(connection)
    }

    /// Decides about a connection that was accepted: which worker gets it, if any.
    fn admit(&mut self, socket: Socket, transport: Transport) {
        let settings = self.process.config.settings();
        if access::is_protected_from(&settings, &self.shared.acl, &socket) {
            return self.process.refuse_protected(&socket, transport);
        }
        match self.process.admit(&socket, transport, self.now_ms) {
            Admission::Worker(worker) if worker == self.index => self.take_over(socket, transport),
            Admission::Worker(worker) => {
                self.process.mailbox(worker).hand_over(socket, transport);
            }
            Admission::Refused => {}
        }
    }

    /// A connection is this worker's from now on.
    fn take_over(&mut self, socket: Socket, transport: Transport) {
        match transport {
            Transport::Plain => self.open(socket, transport),
            Transport::Tls => self.handshakes.accept(socket),
        }
    }

    pub(crate) fn open(&mut self, socket: Socket, transport: Transport) {
        // Not this worker's copy: a password that another worker has just set holds from here on.
        let settings = self.process.config.settings();
        let origin = self.process.origin(&socket);
        if let Err(error) = socket.set_options(&net::SocketOptions {
            no_delay: settings.performance.tcp_nodelay,
            keepalive_s: settings.performance.tcp_keepalive,
        }) {
            debug!(%error, "socket options");
        }
        let id = match self.backend.open(socket) {
            Ok(id) => id,
            Err(error) => {
                warn!(%error, "a connection cannot be opened");
                self.process.forget_connection(self.index);
                return;
            }
        };
        let client = self.shared.clients.add(origin, self.index, self.now_ms);
        client.slot.store(id.slot() as u32, Relaxed);
        let session = Session::new(client, &self.shared.acl);
        if self.connections.len() <= id.slot() {
            self.connections.resize_with(id.slot() + 1, || None);
        }
        let mut connection = Box::new(Connection::new(id, session));
        if transport == Transport::Tls {
            connection.tls = Some(self.handshakes.open(self.now_ms));
        }
        self.connections[id.slot()] = Some(connection);
        self.open += 1;
        self.account(id.slot());
        if self.is_stopping {
            self.backend.finish_receiving(id);
        }
    }

    fn receive(&mut self, id: ConnectionId, buffer: Buffer) {
        let Some(connection) = self.connection(id) else {
            return self.backend.recycle(buffer);
        };
        if connection.closes || connection.is_closed {
            return self.backend.recycle(buffer);
        }
        if connection.tls.is_some() {
            return self.receive_records(id, buffer);
        }
        self.count_received(id, buffer.len());
        let Some(connection) = self.connection(id) else {
            return;
        };
        connection.input.push(buffer);
        if connection.hold == Hold::None {
            if connection.input.is_much() && !connection.is_paused {
                connection.is_paused = true;
                self.backend.pause(id);
            }
            self.make_ready(id.slot());
        } else {
            self.pause_receiving(id.slot());
            self.account(id.slot());
        }
    }

    pub(crate) fn count_received(&mut self, id: ConnectionId, bytes: usize) {
        let now_ms = self.now_ms;
        let traffic = &self.process.traffic[self.index].received_bytes;
        traffic.add(bytes as u64);
        if let Some(connection) = self.connection(id) {
            let client = &connection.session.client;
            client.active_ms.store(now_ms, Relaxed);
            client.received_bytes.fetch_add(bytes as u64, Relaxed);
        }
    }

    /// Has the rest of a large argument received straight into its place.
    pub(crate) fn fill(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        // What arrives by TLS has to be decrypted first.
        if connection.is_closed || connection.is_paused || connection.tls.is_some() {
            return;
        }
        if let Some((buffer, until)) = connection.input.take_for_filling() {
            connection.filling = Some(buffer.len());
            self.fills += 1;
            self.backend.fill(connection.id, buffer, until);
        }
    }

    fn filled(&mut self, id: ConnectionId, buffer: Vec<u8>) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let before = connection.filling.take();
        let is_over = connection.closes || connection.is_closed;
        self.fills -= usize::from(before.is_some());
        if is_over {
            return;
        }
        let before = before.unwrap_or(0);
        self.count_received(id, buffer.len() - before);
        let Some(connection) = self.connection(id) else {
            return;
        };
        connection.input.filled(buffer);
        if connection.hold == Hold::None {
            self.make_ready(id.slot());
        } else {
            self.pause_receiving(id.slot());
            self.account(id.slot());
        }
    }

    /// Counts what has arrived so far of large arguments.
    fn note_filling(&mut self) {
        self.next_fill_look_ms = self.now_ms + FILL_LOOK_MS;
        for slot in 0..self.connections.len() {
            let Some(connection) = self.connections[slot].as_deref_mut() else {
                continue;
            };
            let Some(before) = connection.filling else {
                continue;
            };
            let id = connection.id;
            let bytes = self.backend.filled_bytes(id);
            if bytes > before {
                connection.filling = Some(bytes);
                self.count_received(id, bytes - before);
                self.account(slot);
            }
        }
    }

    pub(crate) fn make_ready(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if !connection.is_ready && !connection.is_closed {
            connection.is_ready = true;
            self.ready.push_back(slot as u32);
        }
    }

    pub(crate) fn make_dirty(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(slot as u32);
        }
    }

    /// For a connection that does not go on for now. It keeps no buffers from those that do.
    pub(crate) fn pause_receiving(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        connection.input.detach(&mut self.backend);
        if !connection.is_paused && !connection.is_closed {
            connection.is_paused = true;
            self.backend.pause(connection.id);
        }
    }

    /// Receives again from a connection that has done all that it was held back from. Not before: what waits is a copy,
    /// which would grow from one hold to the next.
    pub(crate) fn resume_receiving(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let is_held = connection.is_ready || connection.closes || connection.hold != Hold::None;
        if connection.is_paused && !is_held {
            connection.is_paused = false;
            self.backend.resume(connection.id);
        }
    }

    fn sent(&mut self, id: ConnectionId, buffer: Vec<u8>) {
        let pause_bytes = self.settings.settings().server.output_buffer_pause_bytes;
        let index = self.index;
        let Some(connection) = self.connection(id) else {
            return;
        };
        if connection.tls.is_some() && self.goes_on_sending(id.slot()) {
            return self.keep_buffer(buffer);
        }
        let Some(connection) = self.connection(id) else {
            return;
        };
        connection
            .session
            .client
            .sent_bytes
            .fetch_add(connection.sending as u64, Relaxed);
        let sent_bytes = std::mem::take(&mut connection.sending);
        connection.lent.clear();
        connection.is_slow = false;
        connection.charged_bytes = 0;
        let goes_on =
            connection.hold == Hold::Backpressure && connection.output.len() < pause_bytes;
        if goes_on {
            connection.hold = Hold::None;
        }
        self.process.traffic[index]
            .sent_bytes
            .add(sent_bytes as u64);
        self.keep_buffer(buffer);
        self.account(id.slot());
        if goes_on {
            self.make_ready(id.slot());
        }
        self.make_dirty(id.slot());
    }

    pub(crate) fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX && self.spare.len() < KEPT_BUFFERS_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Sends what the round has written, once for each connection.
    fn send_dirty(&mut self) {
        while let Some(slot) = self.dirty.pop() {
            self.resume_receiving(slot as usize);
            let Some(connection) = self.connections[slot as usize].as_deref_mut() else {
                continue;
            };
            connection.is_dirty = false;
            if connection.tls.is_some() {
                self.send_records(slot as usize);
                continue;
            }
            if connection.sending > 0 || connection.is_closed {
                continue;
            }
            if connection.output.is_empty() {
                if connection.output.is_allocated() {
                    let (buffer, _) = std::mem::take(&mut connection.output).into_parts();
                    self.keep_buffer(buffer);
                }
                let Some(connection) = self.connections[slot as usize].as_deref_mut() else {
                    continue;
                };
                if connection.closes {
                    self.close(slot as usize);
                }
                continue;
            }
            let output = connection.begin_sending();
            if connection.closes || connection.hold == Hold::Backpressure {
                self.backend.send(connection.id, output);
            } else {
                self.backend.send_lazily(connection.id, output);
            }
        }
    }

    /// Closes a connection at once.
    pub(crate) fn close(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if !connection.is_closed {
            connection.is_closed = true;
            connection.closes = true;
            connection.input.clear(&mut self.backend);
            self.backend.close(connection.id);
        }
    }

    /// Closes a connection that waits for nothing. By TLS it is told first; at the second time nothing is said.
    fn close_in_order(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if connection.tls.is_none() || connection.closes {
            return self.close(slot);
        }
        connection.closes = true;
        self.send_records(slot);
    }

    fn closed(&mut self, id: ConnectionId) {
        if self.connection(id).is_none() {
            return;
        }
        let Some(mut connection) = self.connections[id.slot()].take() else {
            return;
        };
        connection.input.clear(&mut self.backend);
        connection.session.end(&self.shared);
        self.fills -= usize::from(connection.filling.is_some());
        if let Some(stream) = &connection.tls {
            self.handshakes.forget(stream);
        }
        self.counted.replace(connection.counted, Counted::default());
        self.open -= 1;
        self.process.forget_connection(self.index);
        self.backend.resume_accept();
    }

    fn read_mailbox(&mut self) {
        let Mail {
            sockets,
            looks_for_killed,
            shows_commands,
        } = self.process.mailbox(self.index).take();
        for (socket, transport) in sockets {
            self.take_over(socket, transport);
        }
        if shows_commands {
            self.show_commands();
        }
        self.looks_for_killed |= looks_for_killed;
    }

    /// Lets connections go on when CLIENT PAUSE has ended.
    fn release_paused(&mut self) {
        if self.paused.is_empty() || self.shared.pause.is_active(self.now_ms) {
            return;
        }
        for slot in std::mem::take(&mut self.paused) {
            let Some(connection) = self.connections[slot as usize].as_deref_mut() else {
                continue;
            };
            if connection.hold == Hold::Paused {
                connection.hold = Hold::None;
                self.make_ready(slot as usize);
            }
        }
    }

    /// Lets connections go on that had to wait.
    fn release_delayed(&mut self) {
        for slot in self.delays.take_due(self.now_ms) {
            let Some(connection) = self.connections[slot as usize].as_deref_mut() else {
                continue;
            };
            if connection.hold == Hold::Delayed {
                connection.hold = Hold::None;
                self.make_ready(slot as usize);
            }
        }
    }

    /// What happens from time to time.
    fn housekeeping(&mut self, parts: &mut Parts) {
        if self.settings.refresh() {
            self.limits = request_limits(self.settings.settings());
            let limits = self.settings.settings().memory_limits();
            self.clients_bytes_max = limits.clients_bytes_max;
        }
        if self.fills > 0 && self.now_ms >= self.next_fill_look_ms {
            self.note_filling();
        }
        if self.now_ms >= self.next_sweep_ms || self.now_ms >= self.swept_ms + SWEEP_MS_MIN {
            self.sweep();
        }
        parts.end(&self.shared.insight, Delay::ExpireCycle);
        self.is_evicting = self
            .keyspace
            .make_room(self.now_ms, EVICTED_IDLE_MAX)
            .is_behind;
        parts.end(&self.shared.insight, Delay::EvictionCycle);
        self.is_compacting = self.keyspace.compact(self.now_ms, COMPACTED_SLOTS_MAX);
        parts.end(&self.shared.insight, Delay::Compaction);
        self.has_memory_to_give = self.keyspace.give_memory_back();
        parts.end(&self.shared.insight, Delay::GivingBackMemory);
        if self.now_ms >= self.next_tick_ms {
            self.next_tick_ms = self.now_ms + TICK_MS;
            self.keyspace.collect();
            self.flush_cache_if_idle();
            self.look_for_slow_readers();
            self.note_receive_memory();
            self.close_slow_handshakes();
            self.close_told();
            self.close_idle();
            if self.index == 0 {
                self.process.tick(&self.shared);
            }
            parts.end(&self.shared.insight, Delay::EachSecond);
        }
        if !self.is_stopping && self.process.shutdown_stage() != ShutdownStage::Running {
            self.begin_to_stop();
        }
    }

    /// Gives back spare buffers, and what the allocator keeps for this thread, while it has hardly anything to do.
    fn flush_cache_if_idle(&mut self) {
        let received_bytes = self.process.traffic[self.index].received_bytes.get();
        let before = std::mem::replace(&mut self.received_bytes_before, received_bytes);
        if received_bytes - before < IDLE_BYTES_MAX {
            self.spare = Vec::new();
            memory::flush_thread_cache();
        }
    }

    /// Shows what the receive buffers take of the memory.
    fn note_receive_memory(&self) {
        let memory = self.backend.receive_memory();
        let shown = &self.process.traffic[self.index];
        let [allocated, mapped] = [memory.allocated_bytes, memory.mapped_bytes];
        shown.receive_allocated_bytes.set(allocated as u64);
        shown.receive_mapped_bytes.set(mapped as u64);
    }

    /// Removes keys whose time is up, for as long as a wake may take. What is left then comes with the next one, at once.
    fn sweep(&mut self) {
        self.next_sweep_ms = self.now_ms + SWEEP_MS;
        self.swept_ms = self.now_ms;
        let has_deadlines = self.keyspace.keyspace().has_deadlines();
        if !has_deadlines || !self.shared.active_expire.load(Relaxed) {
            return;
        }
        let started = Instant::now();
        let workers = self.process.workers;
        let stats = &self.shared.stats[self.index];
        loop {
            let swept = self
                .keyspace
                .sweep(self.now_ms, self.index, workers, SWEEP_STEP_RECORDS);
            if swept.next_ms > self.now_ms {
                self.next_sweep_ms = self.next_sweep_ms.min(swept.next_ms);
                break;
            }
            if started.elapsed() >= SWEEP_BUDGET {
                stats.sweeps_cut.add(1);
                self.next_sweep_ms = self.now_ms;
                break;
            }
        }
        let spent_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        stats.sweep_ns.add(spent_ns);
    }

    /// Closes connections that have sent nothing for `connection_timeout`, but for those that watch others.
    fn close_idle(&mut self) {
        let timeout_ms = u64::from(self.settings.settings().server.connection_timeout) * 1000;
        if timeout_ms == 0 {
            return;
        }
        for slot in 0..self.connections.len() {
            let Some(connection) = self.connections[slot].as_deref() else {
                continue;
            };
            let active_ms = connection.session.client.active_ms.load(Relaxed);
            let is_waiting = connection.hold != Hold::None || connection.unsent_bytes() > 0;
            let is_watching = connection.session.feed.is_some();
            if !is_waiting && !is_watching && self.now_ms.saturating_sub(active_ms) > timeout_ms {
                self.close_in_order(slot);
            }
        }
    }

    /// Accepts nothing more. What has arrived is received and executed, its replies are sent, and each connection closes.
    fn begin_to_stop(&mut self) {
        self.is_stopping = true;
        self.backend.stop_listening();
        for connection in self.connections.iter().flatten() {
            self.backend.finish_receiving(connection.id);
        }
        self.shared.pause.end();
    }

    /// Whether the worker may end: it is to stop, and every connection has closed or the time for that is over.
    fn has_stopped(&self) -> bool {
        match self.process.shutdown_stage() {
            ShutdownStage::Running => false,
            ShutdownStage::Now => true,
            ShutdownStage::Graceful { deadline_ms } => {
                let is_done = self.is_stopping && self.open == 0;
                is_done || self.process.clock.now_ms() >= deadline_ms
            }
        }
    }
}

/// The limits that the settings give requests.
fn request_limits(settings: &Settings) -> Limits {
    Limits {
        bulk_bytes_max: settings.server.proto_max_bulk_bytes,
        request_bytes_max: settings.server.query_buffer_limit,
        ..Limits::standard()
    }
}
