//! A backend with its events, and clients to talk to it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use net::{Backend, ConnectionId, Event, Listener, ListenerOptions, Options, Peer};

/// A case that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than the system's buffers of one connection take.
pub const MORE_THAN_FITS: usize = 32 << 20;

/// A backend whose events are looked at one by one.
pub struct Host<B> {
    pub backend: B,
    events: VecDeque<Event>,
    scratch: Vec<Event>,
}

impl<B: Backend> Host<B> {
    pub fn new() -> Host<B> {
        Host::with(&Options::default())
    }

    pub fn with(options: &Options) -> Host<B> {
        Host {
            backend: B::new(options).expect("a backend"),
            events: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Listens on a TCP port of this machine's IPv4 loopback.
    pub fn listen(&mut self) -> SocketAddr {
        self.listen_on("127.0.0.1:0")
    }

    pub fn listen_on(&mut self, address: &str) -> SocketAddr {
        let address = address.parse().expect("an address");
        let listener = Listener::tcp(address, &ListenerOptions::default()).expect("listen");
        let Peer::Tcp(address) = listener.local() else {
            panic!("no local address")
        };
        self.backend.listen(listener).expect("register");
        address
    }

    /// A client and the connection that the backend has for it.
    pub fn connect(&mut self) -> (TcpStream, ConnectionId) {
        let address = self.listen();
        let client = TcpStream::connect(address).expect("connect");
        client
            .set_read_timeout(Some(PATIENCE))
            .expect("set timeout");
        let id = self.accept();
        self.backend.stop_listening();
        (client, id)
    }

    /// Waits for the next connection and opens it.
    pub fn accept(&mut self) -> ConnectionId {
        match self.next() {
            Event::Accepted { socket, .. } => self.backend.open(socket).expect("open"),
            event => panic!("not accepted: {event:?}"),
        }
    }

    /// The next event, however long it takes.
    pub fn next(&mut self) -> Event {
        let start = Instant::now();
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            assert!(start.elapsed() < PATIENCE, "no event");
            self.wait(Some(PATIENCE));
        }
    }

    /// The next event, and all others of the same wait.
    pub fn next_all(&mut self) -> Vec<Event> {
        let first = self.next();
        std::iter::once(first)
            .chain(self.events.drain(..))
            .collect()
    }

    /// The next event, also one that does not end a sleep.
    pub fn next_or_late(&mut self) -> Event {
        if self.events.is_empty() {
            self.wait(Some(Duration::ZERO));
        }
        self.next()
    }

    /// One wait, whose events are kept for `next`.
    pub fn wait(&mut self, timeout: Option<Duration>) {
        self.backend.wait(timeout, &mut self.scratch).expect("wait");
        self.events.extend(self.scratch.drain(..));
    }

    /// Checks that there is nothing to report, now and a little later.
    pub fn expect_nothing(&mut self) {
        for _ in 0..5 {
            self.wait(Some(Duration::from_millis(2)));
        }
        assert!(self.events.is_empty(), "unexpected: {:?}", self.events);
    }

    /// Receives exactly as many bytes as `expected` has and compares them.
    pub fn expect_bytes(&mut self, id: ConnectionId, expected: &[u8]) {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            match self.next() {
                Event::Received { id: from, buffer } => {
                    assert_eq!(from, id);
                    received.extend_from_slice(self.backend.bytes(&buffer));
                    self.backend.recycle(buffer);
                }
                event => panic!("not received: {event:?}"),
            }
        }
        assert!(received == expected, "other bytes than were sent");
    }

    pub fn expect_sent(&mut self, id: ConnectionId) -> Vec<u8> {
        match self.next() {
            Event::Sent { id: to, buffer } if to == id => buffer,
            event => panic!("not sent: {event:?}"),
        }
    }

    pub fn expect_filled(&mut self, id: ConnectionId) -> Vec<u8> {
        match self.next() {
            Event::Filled { id: of, buffer } if of == id => buffer,
            event => panic!("not filled: {event:?}"),
        }
    }

    pub fn expect_end(&mut self, id: ConnectionId) {
        let event = self.next();
        assert!(
            matches!(event, Event::EndOfStream { id: of } if of == id),
            "{event:?}"
        );
    }

    pub fn expect_failed(&mut self, id: ConnectionId) {
        let event = self.next();
        assert!(
            matches!(event, Event::Failed { id: of, .. } if of == id),
            "{event:?}"
        );
    }

    pub fn close(&mut self, id: ConnectionId) {
        self.backend.close(id);
        let event = self.next();
        assert!(
            matches!(event, Event::Closed { id: of } if of == id),
            "{event:?}"
        );
    }

    /// Sends a request and gets it back, then the end, then closes.
    pub fn echo_once(&mut self, mut client: impl Read + Write, id: ConnectionId) {
        client.write_all(b"request").expect("write");
        self.expect_bytes(id, b"request");
        self.backend.send(id, b"reply".to_vec());
        assert_eq!(self.expect_sent(id), b"reply");
        let mut reply = [0; 5];
        client.read_exact(&mut reply).expect("read");
        assert_eq!(&reply, b"reply");
        drop(client);
        self.expect_end(id);
        self.close(id);
        self.expect_nothing();
    }
}

/// Closes so that the peer gets a reset, not an end.
pub fn reset(client: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("linger");
    drop(client);
}

/// Bytes that tell where in a stream they belong.
pub fn pattern(bytes: usize) -> Vec<u8> {
    let words =
        (0..bytes.div_ceil(4) as u32).flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes());
    let mut pattern: Vec<u8> = words.collect();
    pattern.truncate(bytes);
    pattern
}
