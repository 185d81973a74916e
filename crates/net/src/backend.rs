//! The interface that workers are written against: `Backend`, its events and its handles.
//!
//! It is completion-shaped: a send takes its buffer and gives it back, a receive hands over a buffer that is
//! already filled. Readiness (epoll, kqueue) can imitate completion, not the other way round. Workers are
//! generic over `Backend`, so nothing here costs a virtual call.

use std::io;
use std::time::Duration;

use crate::listener::Listener;
use crate::outgoing::Outgoing;
use crate::socket::Socket;
use crate::waker::Waker;

/// The most connections that one backend can be configured for; slots must fit the tag of an operation.
pub const CONNECTIONS_LIMIT: u32 = 1 << 24;

/// The most receive buffers that one backend can be configured for (the kernel's limit for a buffer ring).
pub const BUFFERS_LIMIT: u32 = 1 << 15;

/// Sizes of one worker's backend. Memory for buffers is touched when it is first used, not before.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of one receive buffer: the most that one `Received` event can bring. At least 64.
    pub buffer_bytes: usize,
    /// The most receive buffers of this worker, from 1 to `BUFFERS_LIMIT`. When the caller holds all of them,
    /// receiving stops until one is recycled.
    pub buffers_max: u32,
    /// The most connections open at once in this backend, up to `CONNECTIONS_LIMIT`.
    pub connections_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            buffer_bytes: 16 * 1024,
            buffers_max: 1024,
            connections_max: 10_000,
        }
    }
}

impl Options {
    /// Refuses sizes outside the documented limits with `InvalidInput`.
    pub(crate) fn validate(&self) -> io::Result<()> {
        let valid = (64..=u32::MAX as usize / 2).contains(&self.buffer_bytes)
            && (1..=BUFFERS_LIMIT).contains(&self.buffers_max)
            && (1..=CONNECTIONS_LIMIT).contains(&self.connections_max);
        if valid {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "backend options out of range",
            ))
        }
    }
}

/// Names one open connection of one backend.
///
/// Slots are small and reused after `Event::Closed`, so they can index the caller's own table; the generation
/// tells a reused slot from the connection that had it before. Using a stale id does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ConnectionId {
    /// The index of this connection in a table with one place for each connection: below `connections_max`.
    #[inline]
    pub fn slot(self) -> usize {
        self.slot as usize
    }

    /// Changes each time the slot is reused.
    #[inline]
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// Names a listener of one backend; listeners are numbered from 0 in the order of `Backend::listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u32);

/// Received bytes, owned by the caller until `Backend::recycle`. A buffer that is dropped instead is lost to
/// the backend's pool.
#[derive(Debug)]
#[must_use = "give it back with Backend::recycle"]
pub struct Buffer {
    pub(crate) index: u32,
    /// Bytes before this have gone into a fill.
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Buffer {
    /// The number of bytes received, at least 1.
    #[inline]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Always false for a buffer that came with `Event::Received`.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Leaves out the first `bytes`.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.start += bytes as u32;
        self.length -= bytes as u32;
    }

    /// Where in the pool's buffer the bytes are.
    #[inline]
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.length) as usize
    }
}

/// The memory of a backend's receive buffers, in bytes: what of it has been used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveMemory {
    /// From the program's allocator.
    pub allocated_bytes: usize,
    /// Mapped without it, and resident.
    pub mapped_bytes: usize,
}

/// What `Backend::wait` reports.
#[derive(Debug)]
pub enum Event {
    /// A listener accepted a connection. It is not registered yet: give it to `open` of this backend or of
    /// another worker's backend, or drop it to close it.
    Accepted {
        /// Which listener.
        listener: ListenerId,
        /// The accepted socket.
        socket: Socket,
    },
    /// Accepting failed, for example with EMFILE. The backend accepts again after `resume_accept`, or by
    /// itself after `ACCEPT_RETRY`.
    AcceptFailed {
        /// Which listener.
        listener: ListenerId,
        /// Why.
        error: io::Error,
    },
    /// Bytes have arrived, in order.
    Received {
        /// From which connection.
        id: ConnectionId,
        /// The bytes: see `Backend::bytes`.
        buffer: Buffer,
    },
    /// The peer has closed its writing side; it may still read replies. Comes at most once.
    EndOfStream {
        /// Of which connection.
        id: ConnectionId,
    },
    /// The whole of a send has been taken by the kernel. Shared pieces are let go by now.
    Sent {
        /// To which connection.
        id: ConnectionId,
        /// The sender's own bytes, unchanged, for reuse.
        buffer: Vec<u8>,
    },
    /// A buffer given to `Backend::fill` has all the bytes that were asked for, and no more.
    Filled {
        /// Of which connection.
        id: ConnectionId,
        /// The buffer.
        buffer: Vec<u8>,
    },
    /// The connection is broken (reset, broken pipe, ...). Comes at most once; after it only `Closed` follows,
    /// once the caller has called `close`. A buffer that was being sent is dropped.
    Failed {
        /// Which connection.
        id: ConnectionId,
        /// Why.
        error: io::Error,
    },
    /// Follows each `close` of a valid id: all its operations have ended, its descriptor is closed, and its
    /// slot may be reused.
    Closed {
        /// Which connection.
        id: ConnectionId,
    },
    /// `Waker::wake` was called since the last `Woken`, one time or many.
    Woken,
}

/// How long accepting pauses after a failure when nobody calls `resume_accept`.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// One worker's sockets. Made and used on one thread.
///
/// Rules that all implementations keep:
/// - nothing spins: `wait` sleeps when there is nothing to report;
/// - events of one connection come in the order in which they happened;
/// - after `close` of a connection, only its `Closed` is reported;
/// - a stale id is ignored by every method.
pub trait Backend: Sized {
    /// The name for logs and INFO.
    const NAME: &'static str;

    /// Makes the backend. Call it on the thread that will use it.
    ///
    /// # Errors
    /// `InvalidInput` for options out of range, else what the system answers (a kernel or container that
    /// refuses io_uring, no descriptors, no memory).
    fn new(options: &Options) -> io::Result<Self>;

    /// A handle with which other threads end this backend's `wait`.
    fn waker(&self) -> Waker;

    /// Starts accepting from `listener`.
    ///
    /// # Errors
    /// When the system refuses to register it.
    fn listen(&mut self, listener: Listener) -> io::Result<ListenerId>;

    /// Ends accepting and closes all listeners of this backend. Connections stay.
    fn stop_listening(&mut self);

    /// Accepts again at once after an `AcceptFailed`, for example when a connection has been closed.
    fn resume_accept(&mut self);

    /// Registers a connection and starts receiving. `socket` may have been accepted by another backend.
    ///
    /// # Errors
    /// When `connections_max` are open (`QuotaExceeded`) or the system refuses; the socket is closed then.
    fn open(&mut self, socket: Socket) -> io::Result<ConnectionId>;

    /// Sends all of `outgoing`; `Sent` or `Failed` follows, in a later `wait`. At most one send may be in flight
    /// for each connection. Shared pieces are not copied; each is let go when the backend learns that the kernel has
    /// taken it, at the latest with `Sent`, `Failed` or `Closed`.
    ///
    /// # Panics
    /// When a send is in flight on this connection, there is nothing to send, or shared pieces are out of order.
    fn send(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>);

    /// Like `send`, for replies after which nothing waits for room: a send that the system takes at once does not
    /// end a sleep, its `Sent` comes when the next `wait` ends for another reason. This saves a wake for every
    /// batch of replies. Use `send` when more output is waiting already, or when the connection is to be closed
    /// after it. Shared pieces may be held until that `wait` ends.
    ///
    /// # Panics
    /// As `send`.
    fn send_lazily(&mut self, id: ConnectionId, outgoing: impl Into<Outgoing>) {
        self.send(id, outgoing);
    }

    /// Receives the connection's next bytes, those after what was reported last, straight into `buffer` after what it
    /// has, until it has `until` bytes. `Filled` follows then, and what comes later is `Received` again. The rest of a
    /// large request is not copied this way. After `EndOfStream`, `Failed` or `close` the buffer is dropped, and no
    /// `Filled` follows. `pause`, `resume` and `finish_receiving` act on a fill as on other receiving.
    ///
    /// # Panics
    /// When `until` is not more than `buffer.len()`, is more than its capacity, or a fill is under way on this
    /// connection.
    fn fill(&mut self, id: ConnectionId, buffer: Vec<u8>, until: usize);

    /// How many bytes the buffer of the fill under way has by now; 0 when there is none. It grows as bytes arrive.
    fn filled_bytes(&self, id: ConnectionId) -> usize;

    /// Stops receiving, for backpressure. What has been received already may still be reported.
    fn pause(&mut self, id: ConnectionId);

    /// Receives again after `pause`.
    fn resume(&mut self, id: ConnectionId);

    /// Receives what has arrived so far and no more: `EndOfStream` follows as if the peer had closed its writing side.
    /// Sending goes on.
    fn finish_receiving(&mut self, id: ConnectionId);

    /// Aborts what is pending and closes the connection; `Closed` follows in a later `wait`.
    fn close(&mut self, id: ConnectionId);

    /// Sleeps until something has happened or `timeout` has passed (`None`: no limit; zero: only looks), and
    /// appends what happened to `events`. May return without an event.
    ///
    /// # Errors
    /// Only when the backend itself is broken; errors of connections are events.
    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;

    /// The bytes of a received buffer.
    fn bytes(&self, buffer: &Buffer) -> &[u8];

    /// Gives a received buffer back.
    fn recycle(&mut self, buffer: Buffer);

    /// What the receive buffers take of the memory. May ask the system: to be called from time to time.
    fn receive_memory(&self) -> ReceiveMemory;
}
