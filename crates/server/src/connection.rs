//! One connection: what has been received and not yet executed, what is to be sent, and its session.

use std::collections::VecDeque;
use std::sync::Arc;

use commands::session::Session;
use net::{Backend, Buffer, ConnectionId, Outgoing};
use resp::{Output, RequestParser, Span};

use crate::clients_memory::Counted;
use crate::tls;

/// The capacity that a connection's own buffers keep, in bytes; more is given back when it is not needed.
pub const KEPT_BYTES_MAX: usize = 64 << 10;
/// What is missing of an argument is received straight into its place from this size on, in bytes. For 64 KB it costs
/// as much as it saves (`cargo run --release -p net --example large_cpu`).
const FILLED_BYTES_MIN: usize = 96 << 10;
/// Arguments from this size on get room for all of them when their length is known, in bytes.
const RESERVED_BYTES_MIN: usize = 16 << 10;
/// Requests from this size on offer their buffer to the value in them, in bytes.
const LARGE_REQUEST_BYTES_MIN: usize = 16 << 10;
/// What may wait in receive buffers before nothing more is received.
const POOLED_BYTES_MAX: usize = 512 << 10;
const POOLED_BUFFERS_MAX: usize = 256;
/// Room behind a large argument for those after it, in bytes.
const TAIL_BYTES: usize = 128;
const LINE_END: &[u8] = b"\r\n";

/// One open connection of a worker.
pub struct Connection {
    /// The backend's name for it.
    pub id: ConnectionId,
    /// What the commands know of it.
    pub session: Session,
    /// What lies between the socket and its requests and replies, if something does.
    pub tls: Option<Box<tls::Stream>>,
    /// The requests that wait.
    pub input: Input,
    /// Replies that wait to be sent.
    pub output: Output,
    /// Bytes of the send that is under way; 0 when there is none.
    pub sending: usize,
    /// The large values in that send: their addresses and lengths.
    pub lent: Vec<(usize, usize)>,
    /// The send has been under way for a while, see `clients_memory`.
    pub is_slow: bool,
    /// Memory of large values that wait for it and are in no entry any more.
    pub charged_bytes: u64,
    /// Since when more than the soft limit waits for it.
    pub over_limit_since_ms: Option<u64>,
    /// What it adds to its worker's sum of memory.
    pub counted: Counted,
    /// While the backend receives a large argument: how much there was when it was last looked at.
    pub filling: Option<usize>,
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
    /// The reply to its last request is written in steps; what follows that in this group waits.
    Unfinished,
    /// CLIENT PAUSE.
    Paused,
    /// Too many wrong passwords came from its address.
    Delayed,
    /// It must read replies first.
    Backpressure,
}

impl Connection {
    /// A connection that has just been opened.
    pub fn new(id: ConnectionId, session: Session) -> Self {
        Self {
            id,
            session,
            tls: None,
            input: Input::default(),
            output: Output::default(),
            filling: None,
            sending: 0,
            lent: Vec::new(),
            is_slow: false,
            charged_bytes: 0,
            over_limit_since_ms: None,
            counted: Counted::default(),
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

    /// Bytes of requests that wait or are on their way.
    pub fn input_bytes(&self) -> usize {
        self.filling.unwrap_or_else(|| self.input.bytes())
    }

    /// What of them is in receive buffers, which all connections share.
    pub fn pooled_bytes(&self) -> usize {
        match self.filling {
            Some(_) => 0,
            None => self.input.pooled_bytes(),
        }
    }

    /// Bytes of what lies between the socket and its requests and replies.
    pub fn transport_bytes(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.memory_bytes())
    }

    /// The large values that wait to be sent: their addresses and lengths.
    pub fn lent_values(&self) -> impl Iterator<Item = (usize, usize)> {
        let in_output = self.output.shared().iter();
        let in_output = in_output.map(|(_, value)| (value.as_ptr().addr(), value.len()));
        self.lent.iter().copied().chain(in_output)
    }

    /// Bytes of the large values that wait to be sent.
    pub fn lent_bytes(&self) -> usize {
        let sending: usize = self.lent.iter().map(|(_, bytes)| bytes).sum();
        sending + self.output.shared_len()
    }

    /// Takes the replies for a send, which is under way from now on.
    pub fn begin_sending(&mut self) -> Outgoing {
        let output = std::mem::take(&mut self.output);
        self.sending = output.len();
        let (bytes, shared) = output.into_parts();
        let lent = shared.iter();
        self.lent
            .extend(lent.map(|(_, value)| (value.as_ptr().addr(), value.len())));
        Outgoing { bytes, shared }
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
    /// Bytes in `buffers`.
    buffered: usize,
    /// Bytes that came without a buffer and have not been looked at.
    fresh: usize,
    residue: Residue,
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
        self.buffered += buffer.len();
        self.buffers.push_back(buffer);
    }

    /// Lets `receive` append to the bytes that wait, where they do not come in buffers; how many it has appended, and
    /// its answer.
    pub fn receive_plain<R>(&mut self, receive: impl FnOnce(&mut Vec<u8>) -> R) -> (usize, R) {
        let (bytes, at) = self.residue.own(self.at);
        self.at = at;
        let before = bytes.len();
        let answer = receive(bytes);
        let received = bytes.len() - before;
        if bytes.is_empty() {
            self.residue = Residue::default();
        }
        self.fresh += received;
        (received, answer)
    }

    /// Whether there is something that has not been looked at.
    pub fn is_waiting(&self) -> bool {
        !self.buffers.is_empty() || self.at < self.residue.bytes().len()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        (self.buffered + self.residue.bytes().len()).saturating_sub(self.at)
    }

    /// Those of them that are in receive buffers.
    pub fn pooled_bytes(&self) -> usize {
        if self.residue.bytes().is_empty() {
            self.bytes()
        } else {
            self.buffered
        }
    }

    /// Whether it keeps so many receive buffers from others that nothing more is to be received for now.
    pub fn is_much(&self) -> bool {
        self.buffered + self.fresh > POOLED_BYTES_MAX || self.buffers.len() > POOLED_BUFFERS_MAX
    }

    /// Bytes of what the parser keeps of an incomplete request.
    pub fn partial_bytes(&self) -> usize {
        self.partial.capacity() * size_of::<Span>()
    }

    /// What is to be parsed now.
    #[inline]
    pub fn current<'a, B: Backend>(&'a self, backend: &'a B) -> &'a [u8] {
        current(&self.buffers, &self.residue, backend)
    }

    /// The buffer of what is to be parsed now, if it is so large that a value in it should rather share it than be
    /// copied.
    #[inline]
    pub fn large_buffer(&self) -> Option<Arc<Vec<u8>>> {
        match &self.residue.0 {
            Some(buffer) if buffer.len() >= LARGE_REQUEST_BYTES_MIN => Some(Arc::clone(buffer)),
            _ => None,
        }
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
        if self.buffers.is_empty() {
            return;
        }
        self.buffered = 0;
        for buffer in self.buffers.drain(..) {
            self.residue.append(backend.bytes(&buffer));
            backend.recycle(buffer);
        }
        self.residue.remove(self.at);
        self.at = 0;
    }

    /// Drops what has been parsed to the end; false when nothing more can be parsed until more is received.
    pub fn advance<B: Backend>(&mut self, backend: &mut B, is_incomplete: bool) -> bool {
        self.fresh = 0;
        if self.residue.bytes().is_empty() {
            if let Some(buffer) = self.next_buffer() {
                if is_incomplete {
                    self.make_room();
                    self.residue.append(&backend.bytes(&buffer)[self.at..]);
                }
                backend.recycle(buffer);
            }
        } else if is_incomplete {
            self.residue.remove(self.at);
            self.make_room();
        } else {
            self.residue.clear();
        }
        self.at = 0;
        if !is_incomplete {
            if self.buffers.is_empty() {
                self.residue = Residue::default();
                self.partial = Vec::new();
            }
            return !self.buffers.is_empty();
        }
        let Some(next) = self.next_buffer() else {
            return false;
        };
        self.residue.append(backend.bytes(&next));
        backend.recycle(next);
        true
    }

    fn next_buffer(&mut self) -> Option<Buffer> {
        let buffer = self.buffers.pop_front()?;
        self.buffered -= buffer.len();
        Some(buffer)
    }

    /// Makes room for a large argument that is on its way. Room that is not used costs only addresses; if the system has
    /// not even these, growing step by step may do.
    fn make_room(&mut self) {
        if let Some(until) = self.end_of_argument()
            && until >= RESERVED_BYTES_MIN
        {
            self.residue.reserve(until + TAIL_BYTES);
        }
    }

    /// The length that an incomplete request will have with the argument that is on its way, if that is known.
    fn end_of_argument(&self) -> Option<usize> {
        let argument = self.parser.partial_argument()?;
        Some(argument.start as usize + argument.len as usize + LINE_END.len())
    }

    /// When a large argument is on its way: a buffer with what there is of its request and room for the rest, and the
    /// length that it will have with the argument. Only when [`Input::advance`] has said that more must be received;
    /// it goes on with [`Input::filled`].
    pub fn take_for_filling(&mut self) -> Option<(Vec<u8>, usize)> {
        let until = self.end_of_argument()?;
        if until.saturating_sub(self.residue.bytes().len()) < FILLED_BYTES_MIN {
            return None;
        }
        let buffer = self.residue.take_with_room(until)?;
        Some((buffer, until))
    }

    /// Takes back what [`Input::take_for_filling`] gave, filled.
    pub fn filled(&mut self, buffer: Vec<u8>) {
        self.residue = Residue(Some(Arc::new(buffer)));
    }

    /// Gives everything back.
    pub fn clear<B: Backend>(&mut self, backend: &mut B) {
        self.buffered = 0;
        self.fresh = 0;
        for buffer in self.buffers.drain(..) {
            backend.recycle(buffer);
        }
        self.residue = Residue::default();
        self.partial = Vec::new();
        self.at = 0;
        self.parser.reset();
    }
}

/// The first buffer, unless something is left of the ones before it.
#[inline]
fn current<'a, B: Backend>(
    buffers: &VecDeque<Buffer>,
    residue: &'a Residue,
    backend: &'a B,
) -> &'a [u8] {
    let residue = residue.bytes();
    match buffers.front() {
        Some(buffer) if residue.is_empty() => backend.bytes(buffer),
        _ => residue,
    }
}

/// Bytes that were received and copied. A value may have taken a share in them: then they are not changed any more.
#[derive(Default)]
struct Residue(Option<Arc<Vec<u8>>>);

impl Residue {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| bytes.as_slice())
    }

    /// The bytes to change, those from `at` on; the others may be gone after it.
    fn own(&mut self, at: usize) -> (&mut Vec<u8>, usize) {
        let bytes = self.0.get_or_insert_default();
        let mut at = at;
        if Arc::get_mut(bytes).is_none() {
            *bytes = Arc::new(bytes[at..].to_vec());
            at = 0;
        }
        (Arc::get_mut(bytes).expect("it is ours alone"), at)
    }

    /// Makes room for so many bytes in all, if there is memory.
    fn reserve(&mut self, bytes: usize) {
        let (vector, _) = self.own(0);
        let _ = vector.try_reserve_exact(bytes.saturating_sub(vector.len()));
    }

    /// Gives the bytes away, if they have room for so many in all.
    fn take_with_room(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let (vector, _) = self.own(0);
        if vector.capacity() < bytes {
            return None;
        }
        let taken = std::mem::take(vector);
        self.0 = None;
        Some(taken)
    }

    fn append(&mut self, more: &[u8]) {
        self.own(0).0.extend_from_slice(more);
    }

    /// Removes the first bytes.
    fn remove(&mut self, bytes: usize) {
        if bytes > 0 {
            let (vector, at) = self.own(bytes);
            vector.drain(..at);
        }
    }

    fn clear(&mut self) {
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(bytes) => {
                bytes.clear();
                bytes.shrink_to(KEPT_BYTES_MAX);
            }
            None => self.0 = None,
        }
    }
}
