//! The completion backend: one io_uring for each worker.
//!
//! Each connection has one multishot receive, which takes a buffer only when bytes arrive (`receive`). A send is tried
//! at once within the call that also sleeps, and reports nothing when it succeeds; what the socket has no room for is
//! submitted a second time and waits in the kernel (`send`). So a wake is one system call, however many connections it
//! serves.
//!
//! Measured with `examples/echo_cpu.rs` at 50 connections with one message each: a system call of its own for each
//! send, or waiting some microseconds for more completions than one, costs the same within the noise. TCP itself is
//! more than 80 % of the time.
#![allow(unsafe_code)]

mod buffer_ring;
mod connection;
mod receive;
mod ring;
mod self_test;
mod send;

pub use self_test::io_uring_usable;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::opcode;
use io_uring::types::Fd;
use rustix::event::EventfdFlags;
use rustix::net::Shutdown;

use crate::accept_pause::AcceptPause;
use crate::backend::{Backend, Buffer, ConnectionId, Event, ListenerId, Options, ReceiveMemory};
use crate::fill::Fill;
use crate::listener::Listener;
use crate::outgoing::Outgoing;
use crate::slots::Slots;
use crate::socket::Socket;
use crate::waker::{Signal, Waker};

use buffer_ring::BufferRing;
use connection::{Connection, Sending};
use ring::{Completion, Operation, Ring, Tag};

/// Connections ended in one wait: ending one takes some microseconds.
const CLOSES_PER_WAIT: usize = 16;

/// Completions that are told of in one wait, sends not counted: what follows from one, the end of a connection say,
/// can take some tens of microseconds.
const COMPLETIONS_PER_WAIT: usize = 128;

/// How long dropping a backend waits for the kernel to let go of its memory. What it then still holds is leaked.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module's description.
pub struct Uring {
    ring: Ring,
    /// Dropped only when the kernel does not use it any more.
    buffers: ManuallyDrop<BufferRing>,
    waker: Waker,
    waker_descriptor: RawFd,
    listeners: Vec<Option<ArmedListener>>,
    accept_pause: AcceptPause,
    connections: Slots<Connection>,
    /// Connections whose receive has ended for lack of buffers, in turn.
    starved: VecDeque<ConnectionId>,
    /// Connections that receive again in the next wait, if the caller has no other plans for them till then.
    deferred: Vec<ConnectionId>,
    /// Slots with an immediate send that is not reported yet.
    immediate: Vec<u32>,
    /// Whether `immediate` has only sends that may be reported late.
    sent_lazily: bool,
    /// Slots that were closed with nothing in flight.
    closed: VecDeque<u32>,
    /// What has completed and is told of in the next waits; of sends it has been told.
    completions: VecDeque<Completion>,
}

struct ArmedListener {
    listener: Listener,
    is_armed: bool,
    is_stopping: bool,
}

impl Backend for Uring {
    const NAME: &'static str = "io_uring";

    fn new(options: &Options) -> io::Result<Self> {
        options.validate()?;
        let ring = Ring::new()?;
        let buffers = BufferRing::new(options.buffers_max, options.buffer_bytes)?;
        buffers.register(ring.io_uring())?;
        // Blocking, because io_uring would refuse to wait for one that is not.
        let descriptor = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?;
        let waker_descriptor = descriptor.as_raw_fd();
        let mut backend = Uring {
            ring,
            buffers: ManuallyDrop::new(buffers),
            waker: Waker::new(Signal::EventDescriptor(descriptor)),
            waker_descriptor,
            listeners: Vec::new(),
            accept_pause: AcceptPause::default(),
            connections: Slots::new(options.connections_max),
            starved: VecDeque::new(),
            deferred: Vec::new(),
            immediate: Vec::new(),
            sent_lazily: true,
            closed: VecDeque::new(),
            completions: VecDeque::new(),
        };
        backend.arm_waker();
        Ok(backend)
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn listen(&mut self, listener: Listener) -> io::Result<ListenerId> {
        if listener.descriptor().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let index = self.listeners.len() as u32;
        self.listeners.push(Some(ArmedListener {
            listener,
            is_armed: false,
            is_stopping: false,
        }));
        Ok(ListenerId(index))
    }

    fn stop_listening(&mut self) {
        for (index, place) in self.listeners.iter_mut().enumerate() {
            match place {
                Some(listener) if listener.is_armed => {
                    let is_first = !std::mem::replace(&mut listener.is_stopping, true);
                    if is_first {
                        self.ring.cancel(Tag {
                            operation: Operation::Accept,
                            index: index as u32,
                        });
                    }
                }
                _ => *place = None,
            }
        }
    }

    fn resume_accept(&mut self) {
        self.accept_pause.end();
    }

    fn open(&mut self, socket: Socket) -> io::Result<ConnectionId> {
        let connection = Connection::new(socket.into_descriptor()?);
        let id = self
            .connections
            .insert(connection)
            .ok_or(io::ErrorKind::QuotaExceeded)?;
        self.arm_receive(id.slot);
        Ok(id)
    }

    fn send(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.sent_lazily = false;
        self.start_send(id, outgoing.into());
    }

    fn send_lazily(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.start_send(id, outgoing.into());
    }

    fn fill(&mut self, id: ConnectionId, buffer: Vec<u8>, until: usize) {
        self.start_fill(id, Fill::new(buffer, until));
    }

    fn filled_bytes(&self, id: ConnectionId) -> usize {
        let connection = self.connections.get(id).filter(|it| it.is_healthy());
        let fill = connection.and_then(|connection| connection.fill.as_ref());
        fill.map_or(0, |fill| fill.filled_bytes())
    }

    fn pause(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.is_paused = true;
        self.cancel_receive(id.slot);
    }

    fn resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_paused = false;
            self.arm_receive(id.slot);
        }
    }

    fn finish_receiving(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            // A connection that is broken already reports that by itself.
            let _ = rustix::net::shutdown(&connection.descriptor, Shutdown::Read);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut connection.is_closing, true) {
            return;
        }
        if !connection.is_in_flight() {
            self.closed.push_back(id.slot);
            return;
        }
        if connection.sending == Sending::Blocked {
            self.ring.cancel(Tag {
                operation: Operation::Send,
                index: id.slot,
            });
        }
        self.cancel_receive(id.slot);
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.accept_pause.expire();
        if !self.accept_pause.lasts() {
            self.arm_listeners();
        }
        self.buffers.refill();
        self.receive_for_deferred();
        self.receive_for_starved();
        let may_sleep = self.waker.falls_asleep() && !self.has_news();
        let timeout = if may_sleep {
            self.accept_pause.limit(timeout)
        } else {
            Some(Duration::ZERO)
        };
        let entered = self.ring.enter(timeout);
        if self.waker.wakes_up() {
            events.push(Event::Woken);
        }
        entered?;
        self.take_completions(events);
        Ok(())
    }

    #[inline]
    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    #[inline]
    fn recycle(&mut self, buffer: Buffer) {
        self.buffers.give_back(buffer.index as u16);
    }

    fn receive_memory(&self) -> ReceiveMemory {
        ReceiveMemory {
            allocated_bytes: 0,
            mapped_bytes: self.buffers.resident_bytes(),
        }
    }
}

/// What is handed to the kernel but for receives and sends.
impl Uring {
    fn arm_waker(&mut self) {
        let entry = opcode::PollAdd::new(Fd(self.waker_descriptor), libc::POLLIN as u32)
            .multi(true)
            .build();
        let tag = Tag {
            operation: Operation::Wake,
            index: 0,
        };
        // SAFETY: the descriptor lives as long as `self.waker`, and poll uses no memory of ours.
        unsafe { self.ring.push(entry, tag) };
    }

    /// Starts accepting on the listeners that do not accept.
    fn arm_listeners(&mut self) {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if let Some(listener) = listener
                && !listener.is_armed
                && let Some(descriptor) = listener.listener.descriptor()
            {
                listener.is_armed = true;
                let entry =
                    opcode::PollAdd::new(Fd(descriptor.as_raw_fd()), libc::POLLIN as u32).build();
                let tag = Tag {
                    operation: Operation::Accept,
                    index: index as u32,
                };
                // SAFETY: the listener stays while it is armed, and poll uses no memory of ours.
                unsafe { self.ring.push(entry, tag) };
            }
        }
    }
}

/// What comes back from the kernel.
impl Uring {
    /// Whether the next wait has something to report without any completion.
    fn has_news(&self) -> bool {
        !self.closed.is_empty()
            || !self.completions.is_empty()
            || (!self.sent_lazily && !self.immediate.is_empty())
    }

    fn take_completions(&mut self, events: &mut Vec<Event>) {
        // Sends first: only then is it known which of the immediate ones have succeeded, and their events belong
        // before those of the requests that answer them.
        let is_up_to_date = self.ring.is_up_to_date();
        let mut completions = std::mem::take(&mut self.completions);
        let before = completions.len();
        completions.extend(self.ring.completions());
        for completion in completions.range(before..) {
            if completion.tag.operation == Operation::Send {
                self.on_send(completion, events);
            }
        }
        if is_up_to_date {
            self.report_immediate(events);
        }
        let closes = self.closed.len().min(CLOSES_PER_WAIT);
        for slot in self.closed.drain(..closes).collect::<Vec<_>>() {
            self.finish_close(slot, events);
        }
        let taken = completions.len().min(COMPLETIONS_PER_WAIT);
        for completion in completions.drain(..taken) {
            match completion.tag.operation {
                Operation::Receive => self.on_receive(&completion, events),
                Operation::Fill => self.on_fill(&completion, events),
                Operation::Accept => self.on_acceptable(&completion, events),
                Operation::Wake if !completion.more => self.arm_waker(),
                Operation::Wake | Operation::Send | Operation::Cancel => {}
            }
        }
        self.completions = completions;
    }

    /// Connections wait to be accepted. Some are, and the listener is asked again in the next wait: a multishot accept
    /// would take all that wait at once, and thousands of them take milliseconds.
    fn on_acceptable(&mut self, completion: &Completion, events: &mut Vec<Event>) {
        let index = completion.tag.index;
        let Some(place) = self.listeners.get_mut(index as usize) else {
            return;
        };
        let Some(listener) = place else {
            return;
        };
        listener.is_armed = false;
        if listener.is_stopping {
            *place = None;
            return;
        }
        let accepted = if completion.result < 0 {
            Err(io::Error::from_raw_os_error(-completion.result))
        } else {
            listener.listener.accept_some(ListenerId(index), events)
        };
        if let Err(error) = accepted {
            self.accept_pause.begin();
            let listener = ListenerId(index);
            events.push(Event::AcceptFailed { listener, error });
        }
    }

    /// Ends a connection that the caller has closed, once nothing of it is in flight.
    fn finish_close(&mut self, slot: u32, events: &mut Vec<Event>) {
        let Some(id) = self.connections.id_at(slot) else {
            return;
        };
        if let Some(connection) = self.connections.at_mut(slot)
            && connection.is_closing
            && !connection.is_in_flight()
        {
            self.connections.vacate(slot);
            self.connections.release(slot);
            events.push(Event::Closed { id });
        }
    }

    /// Takes the memory back from the kernel; false when it does not let go of it.
    fn settle(&mut self) -> bool {
        self.ring.cancel_all(SETTLE_TIMEOUT);
        let mut events = Vec::new();
        for connection in self.connections.values_mut() {
            connection.is_closing = true;
        }
        for _ in 0..3 {
            if self.ring.enter(Some(Duration::ZERO)).is_err() {
                return false;
            }
            self.take_completions(&mut events);
            self.ring.cancel_all(SETTLE_TIMEOUT);
        }
        self.connections
            .values_mut()
            .all(|connection| !connection.is_in_flight())
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.settle() {
            // SAFETY: no receive is in flight, and `self.buffers` is not used after this.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
            return;
        }
        for connection in self.connections.values_mut() {
            connection.leak();
        }
    }
}
