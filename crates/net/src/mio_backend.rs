//! The readiness backend: epoll or kqueue, through mio, edge-triggered. It runs wherever mio does.
//!
//! It imitates completions: it reads and writes by itself when a socket is ready. As readiness is reported only
//! when it changes, what is known to be ready and has not been used up is remembered here.

mod connection;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Token};
use rustix::net::Shutdown;

use crate::accept_pause::AcceptPause;
use crate::backend::{Backend, Buffer, ConnectionId, Event, ListenerId, Options, ReceiveMemory};
use crate::buffer_pool::BufferPool;
use crate::fill::{Fill, SINGLE_RECEIVES};
use crate::listener::Listener;
use crate::outgoing::{Outgoing, Unsent};
use crate::slots::Slots;
use crate::socket::Socket;
use crate::waker::{Signal, Waker};

use connection::{Connection, Sending};

/// Tokens below this are slots of connections, those from here on listeners.
const LISTENER_TOKENS: usize = 1 << 24;
const WAKER_TOKEN: Token = Token(usize::MAX - 1);

/// Events taken from the system in one wait; more stay there for the next.
const READY_MAX: usize = 1024;

/// See the module's description.
pub struct MioBackend {
    poll: mio::Poll,
    ready: mio::Events,
    waker: Waker,
    listeners: Vec<Option<ReadyListener>>,
    accept_pause: AcceptPause,
    connections: Slots<Connection>,
    buffers: BufferPool,
    /// Connections that have something to read, in turn.
    readable: VecDeque<ConnectionId>,
    /// What happened outside of `wait` and is to be reported by the next.
    sent: Vec<ConnectionId>,
    failed: Vec<(ConnectionId, io::Error)>,
    closed: Vec<ConnectionId>,
    /// Whether `sent` has only sends that may be reported late.
    sent_lazily: bool,
}

struct ReadyListener {
    listener: Listener,
    is_ready: bool,
}

impl Backend for MioBackend {
    const NAME: &'static str = "mio";

    fn new(options: &Options) -> io::Result<Self> {
        options.validate()?;
        let poll = mio::Poll::new()?;
        let waker = Waker::new(Signal::Mio(mio::Waker::new(poll.registry(), WAKER_TOKEN)?));
        Ok(MioBackend {
            poll,
            ready: mio::Events::with_capacity(READY_MAX),
            waker,
            listeners: Vec::new(),
            accept_pause: AcceptPause::default(),
            connections: Slots::new(options.connections_max),
            buffers: BufferPool::new(options),
            readable: VecDeque::new(),
            sent: Vec::new(),
            failed: Vec::new(),
            closed: Vec::new(),
            sent_lazily: true,
        })
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn listen(&mut self, listener: Listener) -> io::Result<ListenerId> {
        let index = self.listeners.len();
        let descriptor = listener.descriptor().ok_or(io::ErrorKind::InvalidInput)?;
        let token = Token(LISTENER_TOKENS + index);
        let mut source = SourceFd(&descriptor.as_raw_fd());
        self.poll
            .registry()
            .register(&mut source, token, Interest::READABLE)?;
        self.listeners.push(Some(ReadyListener {
            listener,
            is_ready: false,
        }));
        Ok(ListenerId(index as u32))
    }

    fn stop_listening(&mut self) {
        for listener in self.listeners.iter_mut().filter_map(Option::take) {
            // Other handles to the socket may exist, so closing this one would not end its events.
            if let Some(descriptor) = listener.listener.descriptor() {
                let _ = self
                    .poll
                    .registry()
                    .deregister(&mut SourceFd(&descriptor.as_raw_fd()));
            }
        }
    }

    fn resume_accept(&mut self) {
        self.accept_pause.end();
    }

    fn open(&mut self, socket: Socket) -> io::Result<ConnectionId> {
        let descriptor = socket.into_descriptor()?;
        let raw = descriptor.as_raw_fd();
        let connection = Connection::new(descriptor);
        let id = self
            .connections
            .insert(connection)
            .ok_or(io::ErrorKind::QuotaExceeded)?;
        let token = Token(id.slot());
        let mut source = SourceFd(&raw);
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut source, token, Interest::READABLE)
        {
            self.connections.vacate(id.slot);
            self.connections.release(id.slot);
            return Err(error);
        }
        Ok(id)
    }

    fn send(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.start_send(id, outgoing.into());
        self.sent_lazily = false;
    }

    fn send_lazily(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.start_send(id, outgoing.into());
    }

    fn fill(&mut self, id: ConnectionId, buffer: Vec<u8>, until: usize) {
        let fill = Fill::new(buffer, until);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.is_ended || connection.has_failed {
            return;
        }
        assert!(connection.fill.is_none(), "a fill is under way");
        connection.fill = Some(Box::new(fill));
        connection.single_receives = SINGLE_RECEIVES;
    }

    fn filled_bytes(&self, id: ConnectionId) -> usize {
        let connection = self.connections.get(id);
        let fill = connection.and_then(|connection| connection.fill.as_ref());
        fill.map_or(0, |fill| fill.filled_bytes())
    }

    fn pause(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_paused = true;
        }
    }

    fn resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_paused = false;
            connection.enqueue(id, &mut self.readable);
        }
    }

    fn finish_receiving(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            // A connection that is broken already reports that by itself.
            let _ = rustix::net::shutdown(&connection.descriptor, Shutdown::Read);
            connection.is_readable = true;
            connection.is_ending = true;
            connection.enqueue(id, &mut self.readable);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if self.connections.contains(id) {
            // The descriptor is the only one of this socket, so dropping it ends its events too.
            self.connections.vacate(id.slot);
            self.closed.push(id);
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let may_sleep = self.waker.falls_asleep() && !self.has_work();
        let timeout = if may_sleep {
            self.accept_pause.limit(timeout)
        } else {
            Some(Duration::ZERO)
        };
        let polled = self.poll.poll(&mut self.ready, timeout);
        if self.waker.wakes_up() {
            events.push(Event::Woken);
        }
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.note_readiness();
        self.report(events);
        self.accept_pause.expire();
        self.accept(events);
        self.read(events);
        Ok(())
    }

    #[inline]
    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    #[inline]
    fn recycle(&mut self, buffer: Buffer) {
        self.buffers.give_back(buffer.index);
    }

    fn receive_memory(&self) -> ReceiveMemory {
        self.buffers.memory()
    }
}

impl MioBackend {
    /// Whether there is something to do or to report without any event from the system.
    fn has_work(&self) -> bool {
        // A fill needs no buffer of the pool.
        let is_filling = |id: &ConnectionId| {
            let connection = self.connections.get(*id);
            connection.is_some_and(|connection| connection.fill.is_some())
        };
        let can_read = !self.readable.is_empty()
            && (self.buffers.is_available() || self.readable.iter().any(is_filling));
        let can_accept = !self.accept_pause.lasts()
            && self
                .listeners
                .iter()
                .flatten()
                .any(|listener| listener.is_ready);
        let must_report = !self.sent_lazily && !self.sent.is_empty()
            || !self.failed.is_empty()
            || !self.closed.is_empty();
        can_read || can_accept || must_report
    }

    fn start_send(&mut self, id: ConnectionId, outgoing: Outgoing) {
        assert!(!outgoing.is_empty(), "nothing to send");
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.has_failed {
            return;
        }
        assert!(connection.sending == Sending::Idle, "a send is in flight");
        connection.unsent = Unsent::new(outgoing);
        self.continue_send(id);
    }

    /// Writes what is left of a send and has the system tell when there is room again exactly while there is none.
    fn continue_send(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let was_blocked = connection.sending == Sending::Blocked;
        let mut result = connection.write().map_err(io::Error::from);
        let is_blocked = connection.sending == Sending::Blocked;
        if result.is_ok() && was_blocked != is_blocked {
            let interest = if is_blocked {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            let raw = connection.descriptor.as_raw_fd();
            result =
                self.poll
                    .registry()
                    .reregister(&mut SourceFd(&raw), Token(id.slot()), interest);
        }
        match result {
            Ok(()) if !is_blocked => self.sent.push(id),
            Ok(()) => {}
            Err(error) => {
                connection.fail();
                self.failed.push((id, error));
            }
        }
    }

    /// Takes over what the system has reported, and continues sends that have room now.
    fn note_readiness(&mut self) {
        // Taken out for the loop, which needs the rest of `self`.
        let ready = std::mem::replace(&mut self.ready, mio::Events::with_capacity(0));
        for event in &ready {
            match event.token() {
                WAKER_TOKEN => {}
                Token(token) if token >= LISTENER_TOKENS => {
                    let listener = self.listeners.get_mut(token - LISTENER_TOKENS);
                    if let Some(Some(listener)) = listener {
                        listener.is_ready = true;
                    }
                }
                Token(token) => self.note_connection(token as u32, event),
            }
        }
        self.ready = ready;
    }

    fn note_connection(&mut self, slot: u32, event: &mio::event::Event) {
        let Some(id) = self.connections.id_at(slot) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.is_readable = true;
            connection.is_ending |= event.is_read_closed() || event.is_error();
            connection.enqueue(id, &mut self.readable);
        }
        let may_write = event.is_writable() || event.is_write_closed() || event.is_error();
        if may_write && connection.sending == Sending::Blocked {
            self.continue_send(id);
        }
    }

    /// Reports what has happened outside of `wait`.
    fn report(&mut self, events: &mut Vec<Event>) {
        for id in self.sent.drain(..) {
            if let Some(connection) = self.connections.get_mut(id)
                && connection.sending == Sending::Complete
            {
                connection.sending = Sending::Idle;
                let buffer = connection.unsent.take();
                events.push(Event::Sent { id, buffer });
            }
        }
        self.sent_lazily = true;
        for (id, error) in self.failed.drain(..) {
            if self.connections.contains(id) {
                events.push(Event::Failed { id, error });
            }
        }
        for id in self.closed.drain(..) {
            self.connections.release(id.slot);
            events.push(Event::Closed { id });
        }
    }

    fn accept(&mut self, events: &mut Vec<Event>) {
        if self.accept_pause.lasts() {
            return;
        }
        for (index, ready) in self.listeners.iter_mut().enumerate() {
            if let Some(ready) = ready
                && ready.is_ready
                && let Err(error) = ready.accept(ListenerId(index as u32), events)
            {
                let listener = ListenerId(index as u32);
                events.push(Event::AcceptFailed { listener, error });
                self.accept_pause.begin();
            }
        }
    }

    /// Reads from each connection whose turn it is, as long as there are buffers for it.
    fn read(&mut self, events: &mut Vec<Event>) {
        for _ in 0..self.readable.len() {
            let Some(id) = self.readable.pop_front() else {
                return;
            };
            if let Some(connection) = self.connections.get_mut(id) {
                if !self.buffers.is_available() && connection.fill.is_none() {
                    self.readable.push_back(id);
                    continue;
                }
                connection.is_queued = false;
                connection.read(id, &mut self.buffers, events);
                connection.enqueue(id, &mut self.readable);
            }
        }
    }
}

impl ReadyListener {
    fn accept(&mut self, id: ListenerId, events: &mut Vec<Event>) -> io::Result<()> {
        if self.listener.accept_some(id, events)? {
            self.is_ready = false;
        }
        Ok(())
    }
}
