//! The thread that has all HTTP connections: waits once, takes what has arrived, answers, sends.

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use net::{Backend, ConnectionId, Event, Options, Peer, Socket};
use tracing::{debug, error};

use super::conversation::{Conversation, Step};
use super::limits::{CONNECTIONS_MAX, REQUEST_BYTES_MAX};
use super::request::{Method, Request};
use super::response::Response;
use super::status::Status;

/// Connections of the backend: those that are closing keep their place for a moment.
const PLACES: u32 = 2 * CONNECTIONS_MAX as u32;

/// All connections, and what answers them.
pub struct Server<B: Backend, F> {
    backend: B,
    answer: F,
    connections: Vec<Option<(ConnectionId, Conversation)>>,
    open: usize,
}

/// The sizes of the backend.
pub fn backend_options() -> Options {
    Options {
        buffer_bytes: REQUEST_BYTES_MAX,
        buffers_max: 16,
        connections_max: PLACES,
    }
}

impl<B, F> Server<B, F>
where
    B: Backend,
    F: FnMut(&Request, Option<IpAddr>) -> Response,
{
    /// Over a backend that listens already, made with [`backend_options`].
    pub fn new(backend: B, answer: F) -> Self {
        Self {
            backend,
            answer,
            connections: Vec::new(),
            open: 0,
        }
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When the backend is broken.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            let deadlines = self.connections.iter().flatten();
            let next = deadlines.map(|(_, it)| it.deadline()).min();
            let timeout = next.map(|next| next.saturating_duration_since(Instant::now()));
            self.backend.wait(timeout, &mut events)?;
            let now = Instant::now();
            for event in events.drain(..) {
                self.handle(event, now);
            }
            self.expire(now);
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Accepted { socket, .. } => self.open(socket, now),
            Event::AcceptFailed { error, .. } => {
                debug!(%error, "an HTTP connection cannot be accepted");
            }
            Event::Received { id, buffer } => {
                let has_room = match self.connections.get_mut(id.slot()) {
                    Some(Some((open, conversation))) if *open == id => {
                        conversation.receive(self.backend.bytes(&buffer), now)
                    }
                    _ => true,
                };
                self.backend.recycle(buffer);
                if !has_room {
                    self.backend.pause(id);
                }
                self.go_on(id, |conversation| conversation.step(now));
            }
            Event::EndOfStream { id } => self.go_on(id, |conversation| {
                conversation.end();
                conversation.step(now)
            }),
            Event::Sent { id, .. } => {
                self.backend.resume(id);
                self.go_on(id, |conversation| conversation.sent(now));
            }
            Event::Failed { id, .. } => self.close(id),
            Event::Filled { .. } | Event::Closed { .. } | Event::Woken => {}
        }
    }

    fn open(&mut self, socket: Socket, now: Instant) {
        if self.open >= CONNECTIONS_MAX {
            let open = self.connections.iter().flatten();
            let first = open.min_by_key(|(_, conversation)| conversation.rank());
            if let Some(id) = first.map(|(id, _)| *id) {
                self.close(id);
            }
        }
        let address = match socket.peer() {
            Peer::Tcp(address) => Some(address.ip()),
            Peer::Unix | Peer::Unknown => None,
        };
        // Without them it works as well.
        let _ = socket.set_options(&net::SocketOptions::default());
        let id = match self.backend.open(socket) {
            Ok(id) => id,
            Err(error) => return debug!(%error, "an HTTP connection cannot be opened"),
        };
        if self.connections.len() <= id.slot() {
            self.connections.resize_with(id.slot() + 1, || None);
        }
        self.connections[id.slot()] = Some((id, Conversation::new(address, now)));
        self.open += 1;
    }

    /// Does what a connection is to do next.
    fn go_on(&mut self, id: ConnectionId, step: impl FnOnce(&mut Conversation) -> Step) {
        let Some(Some((open, conversation))) = self.connections.get_mut(id.slot()) else {
            return;
        };
        if *open != id {
            return;
        }
        let step = step(conversation);
        let address = conversation.address;
        match step {
            Step::Wait => {}
            Step::Close => self.close(id),
            Step::Answer { request, closes } => {
                let answer = AssertUnwindSafe(|| (self.answer)(&request, address));
                let response = catch_unwind(answer).unwrap_or_else(|_| {
                    error!(path = request.path, "an HTTP request has panicked");
                    Response::of_status(Status::InternalServerError)
                });
                let bytes = response.bytes(request.method, closes);
                self.backend.send(id, bytes);
            }
            Step::Refuse(status) => {
                let bytes = Response::of_status(status).bytes(Method::Get, true);
                self.backend.send(id, bytes);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        for slot in 0..self.connections.len() {
            let late = self.connections[slot]
                .as_ref()
                .filter(|(_, conversation)| conversation.deadline() <= now);
            if let Some(id) = late.map(|(id, _)| *id) {
                self.go_on(id, |conversation| conversation.expire(now));
            }
        }
    }

    fn close(&mut self, id: ConnectionId) {
        let place = self.connections.get_mut(id.slot());
        if let Some(place) = place
            && place.take_if(|(open, _)| *open == id).is_some()
        {
            self.open -= 1;
            self.backend.close(id);
        }
    }
}
