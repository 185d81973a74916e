//! Many connections at once: all are begun before any has answered, and each is done when its TLS handshake is, and a
//! PING is answered.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::tls::{Tls, TlsStream};

const EVENTS_MAX: usize = 1024;
const REQUEST: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const REPLY: &[u8] = b"+PONG\r\n";

/// What became of the connections.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Burst {
    /// Those that were answered.
    pub answered: usize,
    /// Those that failed.
    pub failed: usize,
    /// Until the last of them.
    pub elapsed: Duration,
}

/// Opens so many TLS connections at once, and closes them when all are done.
///
/// # Errors
/// When the host is not found, the system refuses, or nothing happens for `stall`.
pub fn run(tls: &Tls, host: &str, port: u16, count: usize, stall: Duration) -> io::Result<Burst> {
    let address = (host, port).to_socket_addrs()?.next();
    let address = address.ok_or(ErrorKind::NotFound)?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS_MAX);
    let began = Instant::now();
    let mut attempts = (0..count)
        .map(|index| Attempt::begin(tls, address, &poll, Token(index)))
        .collect::<io::Result<Vec<_>>>()?;
    let mut burst = Burst::default();
    let mut moved = Instant::now();
    while burst.answered + burst.failed < count {
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            moved = Instant::now();
            let attempt = &mut attempts[event.token().0];
            match attempt.go_on() {
                Ok(true) => burst.answered += 1,
                Ok(false) => {}
                Err(_) => burst.failed += 1,
            }
        }
        if moved.elapsed() > stall {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                format!("{burst:?} of {count}, and nothing happens"),
            ));
        }
    }
    burst.elapsed = began.elapsed();
    Ok(burst)
}

/// One connection.
struct Attempt {
    stream: TlsStream,
    has_asked: bool,
    is_done: bool,
}

impl Attempt {
    fn begin(tls: &Tls, address: SocketAddr, poll: &Poll, token: Token) -> io::Result<Attempt> {
        let mut socket = mio::net::TcpStream::connect(address)?;
        poll.registry()
            .register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Attempt {
            stream: TlsStream::of(socket, tls.connection()?),
            has_asked: false,
            is_done: false,
        })
    }

    /// Does what can be done now; true once, when it is done.
    fn go_on(&mut self) -> io::Result<bool> {
        if self.is_done || self.stream.socket.peer_addr().is_err() {
            return Ok(false);
        }
        let result = self.step();
        self.is_done = !matches!(result, Ok(false));
        result
    }

    fn step(&mut self) -> io::Result<bool> {
        if !self.has_asked {
            // It waits in the connection until the handshake is over.
            self.stream.write_all(REQUEST)?;
            self.has_asked = true;
        }
        self.stream.flush()?;
        let mut reply = [0; REPLY.len() + 1];
        match self.stream.read(&mut reply) {
            Ok(count) if &reply[..count] == REPLY => Ok(true),
            Ok(_) => Err(ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.stream.flush()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
