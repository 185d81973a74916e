//! One connection: what has been received and not yet executed, what is to be sent, and its session.

use std::collections::VecDeque;

use commands::session::Session;
use net::{Backend, Buffer, ConnectionId};
use resp::{RequestParser, Span};

/// The capacity that a connection's own buffers keep, in bytes; more is given back when it is not needed.
pub const KEPT_BYTES_MAX: usize = 64 << 10;

/// One open connection of a worker.
pub struct Connection {
    /// The backend's name for it.
    pub id: ConnectionId,
    /// What the commands know of it.
    pub session: Session,
    /// The requests that wait.
    pub input: Input,
    /// Replies that wait to be sent.
    pub output: Vec<u8>,
    /// Bytes of the send that is under way; 0 when there is none.
    pub sending: usize,
    /// Commands that are left of its turn.
    pub turn: usize,
    /// Why it does not go on, if it does not.
    pub hold: Hold,
    /// Whether it is in the worker's queue of connections that have something to do.
    pub is_ready: bool,
    /// Whether it is in the worker's list of connections that have something to send.
    pub is_dirty: bool,
    /// The peer sends nothing more.
    pub is_ended: bool,
    /// Nothing more is executed; it closes when its replies are sent.
    pub closes: bool,
    /// The backend has been told to close it.
    pub is_closed: bool,
    /// The backend has been told to receive nothing.
    pub is_paused: bool,
}

/// Why a connection executes nothing for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It does not wait for anything.
    None,
    /// Its keys are locked by another worker; the rest of its requests in this group waits.
    Busy,
    /// CLIENT PAUSE.
    Paused,
    /// It must read replies first.
    Backpressure,
}

impl Connection {
    /// A connection that has just been opened.
    pub fn new(id: ConnectionId, session: Session) -> Self {
        Self {
            id,
            session,
            input: Input::default(),
            output: Vec::new(),
            sending: 0,
            turn: 0,
            hold: Hold::None,
            is_ready: false,
            is_dirty: false,
            is_ended: false,
            closes: false,
            is_closed: false,
            is_paused: false,
        }
    }

    /// Bytes of replies that the peer has not taken yet.
    pub fn unsent_bytes(&self) -> usize {
        self.output.len() + self.sending
    }
}

/// What has been received and not yet executed: whole buffers of the backend, or, once a request is incomplete at a
/// buffer's end, a copy of the rest that the next buffers are appended to.
#[derive(Default)]
pub struct Input {
    buffers: VecDeque<Buffer>,
    residue: Vec<u8>,
    /// How much of the first of them has been parsed.
    pub at: usize,
    /// The parser, which remembers how far it came.
    pub parser: RequestParser,
    /// What the parser found of an incomplete request.
    pub partial: Vec<Span>,
}

impl Input {
    /// Adds a received buffer.
    pub fn push(&mut self, buffer: Buffer) {
        self.buffers.push_back(buffer);
    }

    /// Whether there is something that has not been looked at.
    pub fn is_waiting(&self) -> bool {
        !self.buffers.is_empty() || self.at < self.residue.len()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        let buffered: usize = self.buffers.iter().map(Buffer::len).sum();
        (buffered + self.residue.len()).saturating_sub(self.at)
    }

    /// What is to be parsed now.
    #[inline]
    pub fn current<'a, B: Backend>(&'a self, backend: &'a B) -> &'a [u8] {
        current(&self.buffers, &self.residue, backend)
    }

    /// The parts that parsing needs at once: what is to be parsed, the parser, its partial spans.
    #[inline]
    pub fn parts<'a, B: Backend>(
        &'a mut self,
        backend: &'a B,
    ) -> (&'a [u8], &'a mut RequestParser, &'a mut Vec<Span>) {
        let bytes = current(&self.buffers, &self.residue, backend);
        (bytes, &mut self.parser, &mut self.partial)
    }

    /// Goes back to a request that could not be executed.
    pub fn rewind(&mut self, at: usize) {
        self.at = at;
        self.parser.reset();
        self.partial.clear();
    }

    /// Copies what waits, and gives the backend's buffers back: whoever does not go on for long must not keep them from
    /// others. Only after `rewind`, or when nothing has been parsed since.
    pub fn detach<B: Backend>(&mut self, backend: &mut B) {
        for buffer in self.buffers.drain(..) {
            self.residue.extend_from_slice(backend.bytes(&buffer));
            backend.recycle(buffer);
        }
        self.residue.drain(..self.at);
        self.at = 0;
    }

    /// Drops what has been parsed to the end; false when nothing more can be parsed until more is received.
    pub fn advance<B: Backend>(&mut self, backend: &mut B, is_incomplete: bool) -> bool {
        if self.residue.is_empty() {
            if let Some(buffer) = self.buffers.pop_front() {
                if is_incomplete {
                    self.residue
                        .extend_from_slice(&backend.bytes(&buffer)[self.at..]);
                }
                backend.recycle(buffer);
            }
        } else if is_incomplete {
            self.residue.drain(..self.at);
        } else {
            self.residue.clear();
            self.residue.shrink_to(KEPT_BYTES_MAX);
        }
        self.at = 0;
        if !is_incomplete {
            if self.buffers.is_empty() {
                self.residue = Vec::new();
                self.partial = Vec::new();
            }
            return !self.buffers.is_empty();
        }
        let Some(next) = self.buffers.pop_front() else {
            return false;
        };
        self.residue.extend_from_slice(backend.bytes(&next));
        backend.recycle(next);
        true
    }

    /// Gives everything back.
    pub fn clear<B: Backend>(&mut self, backend: &mut B) {
        for buffer in self.buffers.drain(..) {
            backend.recycle(buffer);
        }
        self.residue = Vec::new();
        self.partial = Vec::new();
        self.at = 0;
        self.parser.reset();
    }
}

/// The first buffer, unless something is left of the ones before it.
#[inline]
fn current<'a, B: Backend>(
    buffers: &VecDeque<Buffer>,
    residue: &'a [u8],
    backend: &'a B,
) -> &'a [u8] {
    match buffers.front() {
        Some(buffer) if residue.is_empty() => backend.bytes(buffer),
        _ => residue,
    }
}
