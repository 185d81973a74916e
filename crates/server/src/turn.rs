//! Execution: each ready connection gets one turn of up to `batch_size` commands, in groups across connections.

use std::panic::{AssertUnwindSafe, catch_unwind};

use commands::batch::{Batch, Item, Source, Stop};
use commands::dispatch::{Dispatcher, Flow, Requests, Unsent, record_accesses};
use commands::insight::{Event, Parts};
use keyspace::{Group, Keyspace};
use net::Backend;
use resp::{Limits, ProtocolError};
use tracing::error;

use crate::connection::{Connection, Hold};
use crate::limit;
use crate::worker::{COMPACTED_SLOTS_MAX, Worker};

/// The most keys that are evicted after one group, ...
const EVICTED_MAX: usize = 256;
/// ... and after all groups of a round together, some hundred microseconds, but for one for each command. Writes for
/// which that is not enough wait.
const EVICTED_IN_ROUND_MAX: usize = 1024;
/// The most that waits for a connection whose next command has to be tried again before nothing more is received.
const BUSY_INPUT_BYTES_MAX: usize = 256 << 10;
/// What a worker writes under a memory limit before it looks at the resident memory.
const LOOK_BYTES: u64 = 1 << 20;

impl<B: Backend> Worker<B> {
    /// Gives each connection that is ready now one turn; how many commands that were.
    pub(crate) fn run_round(&mut self, now_ms: u64) -> usize {
        std::mem::swap(&mut self.ready, &mut self.round);
        let batch_size = self.settings.settings().server.batch_size;
        for slot in &self.round {
            if let Some(connection) = self.connections[*slot as usize].as_deref_mut() {
                connection.turn = batch_size;
            }
        }
        let (mut evicted, mut executed) = (0, 0);
        while !self.round.is_empty() {
            self.run_group(now_ms);
            let mut stops = std::mem::take(&mut self.stops);
            for (slot, stop) in stops.drain(..).rev() {
                self.end_group(slot as usize, &stop, now_ms);
            }
            self.stops = stops;
            let runs = self.batch.runs().iter();
            let commands: usize = runs.map(|run| self.batch.items(run).len()).sum();
            let left = EVICTED_IN_ROUND_MAX.saturating_sub(evicted).max(commands);
            evicted += self.make_room(now_ms, left.min(EVICTED_MAX));
            executed += commands;
        }
        executed
    }

    /// Evicts in proportion to what the group has written; how many keys.
    fn make_room(&mut self, now_ms: u64, keys_max: usize) -> usize {
        let mut parts = Parts::begin(&self.shared.insight, now_ms);
        let made = self.keyspace.make_room(now_ms, keys_max);
        parts.end(&self.shared.insight, Event::EvictionCycle);
        self.is_evicting = made.is_behind;
        self.written_bytes += made.written_bytes;
        let waits = made.is_full && now_ms > self.looked_ms;
        if self.written_bytes >= LOOK_BYTES || waits {
            self.written_bytes = 0;
            self.looked_ms = now_ms;
            limit::look_while_writing(&self.process);
        }
        if made.is_full {
            self.has_memory_to_give = self.keyspace.give_memory_back();
            self.is_compacting = self.keyspace.compact(now_ms, COMPACTED_SLOTS_MAX);
        }
        made.evicted
    }

    /// Parses requests of one connection after the other until the group is full, and executes them.
    fn run_group(&mut self, now_ms: u64) {
        let Self {
            batch,
            connections,
            backend,
            keyspace,
            round,
            ..
        } = self;
        batch.clear();
        let mut group = keyspace.group(now_ms);
        while !batch.is_full()
            && let Some(slot) = round.pop_front()
        {
            let stop = match connections[slot as usize].as_deref_mut() {
                None => Stop::Empty,
                Some(connection) => {
                    if !connection.output.is_allocated() && connection.output.is_empty() {
                        connection.output = self.spare.pop().unwrap_or_default().into();
                    }
                    if !connection.session.continue_reply(&mut connection.output) {
                        connection.hold = Hold::Unfinished;
                    }
                    collect(
                        batch,
                        connection,
                        slot,
                        backend,
                        &self.limits,
                        group.keyspace(),
                    )
                }
            };
            self.stops.push((slot, stop));
        }
        let batch = &*batch;
        batch.look_ahead(&mut group);
        if let Some((run, item)) = batch.sampled(&group)
            && let Some(connection) = connections[run.connection as usize].as_deref()
        {
            let request = batch.request(item, connection.input.current(backend));
            record_accesses(&group, &connection.session, &request);
        }
        let mut dispatcher = Dispatcher::new(&self.shared, self.index, &mut self.plan);
        let unsent_bytes_max = self.settings.settings().server.output_buffer_pause_bytes;
        for run in batch.runs() {
            let Some(connection) = connections[run.connection as usize].as_deref_mut() else {
                continue;
            };
            dispatcher.buffer = connection.input.large_buffer();
            execute_run(
                &mut dispatcher,
                &mut group,
                batch,
                batch.items(run),
                connection,
                backend,
                unsent_bytes_max,
            );
        }
    }

    /// Decides how a connection of the group goes on.
    fn end_group(&mut self, slot: usize, stop: &Stop, now_ms: u64) {
        self.make_dirty(slot);
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if connection.closes {
            connection.is_ready = false;
            connection.input.clear(&mut self.backend);
            self.account(slot);
            return self.pause_receiving(slot);
        }
        match connection.hold {
            Hold::None => self.go_on(slot, stop),
            Hold::Unfinished => {
                connection.hold = Hold::None;
                self.ready.push_back(slot as u32);
                self.pause_receiving(slot);
            }
            Hold::Busy => {
                connection.hold = Hold::None;
                let is_much = connection.input_bytes() > BUSY_INPUT_BYTES_MAX;
                self.ready.push_back(slot as u32);
                if is_much {
                    self.pause_receiving(slot);
                }
            }
            Hold::Paused => {
                connection.is_ready = false;
                self.paused.push(slot as u32);
                self.pause_receiving(slot);
            }
            Hold::Delayed => {
                connection.is_ready = false;
                let until_ms = connection.session.resumes_ms;
                self.delays.add(until_ms, slot as u32);
                self.pause_receiving(slot);
            }
            Hold::Backpressure => {
                connection.is_ready = false;
                self.pause_receiving(slot);
            }
        }
        self.note_state(slot, now_ms);
    }

    /// A connection that nothing holds back: takes up its next input, or waits for more.
    fn go_on(&mut self, slot: usize, stop: &Stop) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let has_more = match stop {
            Stop::Enough if connection.turn > 0 => return self.round.push_front(slot as u32),
            Stop::Enough => return self.ready.push_back(slot as u32),
            Stop::Empty => connection.input.advance(&mut self.backend, false),
            Stop::Incomplete => connection.input.advance(&mut self.backend, true),
            Stop::Error(error) => {
                if *error == ProtocolError::RequestTooLong {
                    self.shared.stats[self.index].overlong_clients.add(1);
                }
                let mut reply =
                    resp::ReplyWriter::new(&mut connection.output, connection.session.protocol);
                reply.error(error.message());
                connection.closes = true;
                connection.is_ready = false;
                connection.input.clear(&mut self.backend);
                return self.pause_receiving(slot);
            }
        };
        if has_more {
            return self.round.push_back(slot as u32);
        }
        connection.is_ready = false;
        if connection.is_ended {
            connection.closes = true;
        } else if *stop == Stop::Incomplete {
            self.resume_receiving(slot);
            self.fill(slot);
        }
    }

    /// Shows others what this connection has come to.
    fn note_state(&mut self, slot: usize, now_ms: u64) {
        use std::sync::atomic::Ordering::Relaxed;
        let Some(connection) = self.connections[slot].as_deref() else {
            return;
        };
        let client = &connection.session.client;
        client.active_ms.store(now_ms, Relaxed);
        connection.session.publish();
        self.account(slot);
        self.keep_output_limit(slot);
    }
}

/// Parses requests of one connection into the group.
fn collect<B: Backend>(
    batch: &mut Batch,
    connection: &mut Connection,
    slot: u32,
    backend: &B,
    limits: &Limits,
    keyspace: &Keyspace,
) -> Stop {
    // The end of a stream makes a connection ready that something else still holds back.
    let is_held = connection.closes || connection.hold != Hold::None;
    if is_held || !connection.input.is_waiting() {
        return Stop::Empty;
    }
    let is_authenticated = connection.session.authenticated;
    let limits = Limits {
        before_authentication: !is_authenticated,
        ..*limits
    };
    // AUTH changes the limits, so what follows it must be parsed after it was executed.
    let requests_max = if is_authenticated { connection.turn } else { 1 };
    let (at, database) = (connection.input.at, connection.session.database);
    let (input, parser, partial) = connection.input.parts(backend);
    let source = Source {
        connection: slot,
        parser,
        partial,
        input,
        at,
        database,
    };
    let (requests, at, stop) = batch.parse(source, &limits, requests_max, keyspace);
    connection.input.at = at;
    connection.turn -= requests.min(connection.turn);
    stop
}

/// Executes a connection's requests of the group, as far as that goes now.
fn execute_run<B: Backend>(
    dispatcher: &mut Dispatcher<'_>,
    group: &mut Group<'_>,
    batch: &Batch,
    items: &[Item],
    connection: &mut Connection,
    backend: &B,
    unsent_bytes_max: usize,
) {
    let Connection {
        input,
        session,
        output,
        sending,
        ..
    } = connection;
    let mut requests = Requests {
        batch,
        items,
        input: input.current(backend),
        unsent: Unsent {
            bytes: *sending,
            bytes_max: unsent_bytes_max,
        },
        done: 0,
    };
    let execute = AssertUnwindSafe(|| dispatcher.execute(group, session, &mut requests, output));
    let hold = match catch_unwind(execute) {
        Ok(Flow::Done) => Hold::None,
        Ok(Flow::Busy) => Hold::Busy,
        Ok(Flow::Paused) => Hold::Paused,
        Ok(Flow::Delayed) => Hold::Delayed,
        Ok(Flow::Full) => Hold::Backpressure,
        Ok(Flow::Unfinished) => Hold::Unfinished,
        Ok(Flow::Close) => {
            connection.closes = true;
            Hold::None
        }
        Err(_) => {
            error!(
                command = requests.next().map_or("?", Item::command_name),
                client = session.client.id,
                "a command has panicked; its connection is closed"
            );
            output.clear();
            connection.closes = true;
            Hold::None
        }
    };
    let next = items.get(requests.done);
    if hold == Hold::Unfinished || (hold != Hold::None && next.is_some()) {
        connection.hold = hold;
    }
    if hold != Hold::None
        && let Some(item) = next
    {
        input.rewind(item.start());
    }
}
