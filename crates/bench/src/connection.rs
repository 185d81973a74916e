//! One connection: connecting and logging in, then nonblocking sending and receiving.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::encode::{Argument, Template};
use crate::replies::Partial;
use crate::tls::{self, Tls, TlsStream};

/// How long connecting and logging in may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server is.
#[derive(Clone, Debug)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// The same, encrypted.
    Tls(String, u16, Tls),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Tls(host, port, _) => write!(f, "{host}:{port} by TLS"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What is said before the first request.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The user, if not the default one.
    pub user: Option<String>,
    /// The password, if the server wants one.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u32,
    /// Whether to switch to RESP3.
    pub resp3: bool,
}

impl Login {
    fn commands(&self) -> Vec<Vec<&str>> {
        let mut commands = Vec::new();
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => commands.push(vec!["AUTH", user, password]),
            (None, Some(password)) => commands.push(vec!["AUTH", password]),
            (_, None) => {}
        }
        if self.resp3 {
            commands.push(vec!["HELLO", "3"]);
        }
        commands
    }
}

/// A connection that is ready for requests.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// What the socket has not taken yet.
    unsent: Vec<u8>,
    /// Received bytes that are not a whole reply yet.
    pub residue: Vec<u8>,
    /// How far the reply is that is being received.
    pub partial: Partial,
    /// Replies to come.
    pub awaited: usize,
    /// The kinds of the requests in flight, when they are mixed.
    pub kinds: Vec<u8>,
    /// How many of `kinds` have been answered.
    pub answered: usize,
    /// From when on latency counts.
    pub since: Instant,
}

impl Connection {
    /// Connects and logs in, and leaves the socket nonblocking.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the login.
    pub fn open(address: &Address, login: &Login) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(host, port) => {
                let mut stream = connect(host, *port)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
                log_in(&mut stream, login)?;
                stream.set_nonblocking(true)?;
                Stream::Tcp(mio::net::TcpStream::from_std(stream))
            }
            Address::Tls(host, port, tls) => {
                let mut stream = connect(host, *port)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
                let mut connection = tls::shake_hands(tls, &mut stream)?;
                log_in(
                    &mut rustls::Stream::new(&mut connection, &mut stream),
                    login,
                )?;
                stream.set_nonblocking(true)?;
                Stream::Tls(Box::new(TlsStream::new(stream, connection)))
            }
            Address::Unix(path) => {
                let mut stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
                log_in(&mut stream, login)?;
                stream.set_nonblocking(true)?;
                Stream::Unix(mio::net::UnixStream::from_std(stream))
            }
        };
        Ok(Connection {
            stream,
            unsent: Vec::new(),
            residue: Vec::new(),
            partial: Partial::default(),
            awaited: 0,
            kinds: Vec::new(),
            answered: 0,
            since: Instant::now(),
        })
    }

    /// Starts the reports of readiness.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream
            .source()
            .register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Ends the reports of readiness.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.stream.source().deregister(registry)
    }

    /// Whether `flush` has something to do.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.stream.has_unsent()
    }

    /// Sends `bytes`; what the socket does not take now is kept for `flush`.
    ///
    /// # Errors
    /// When the connection is broken.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.stream.write_some(bytes)?;
        if written < bytes.len() {
            self.unsent.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    /// Sends what has been kept.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = self.stream.write_some(&self.unsent)?;
        self.unsent.drain(..written);
        self.stream.writer().flush()
    }

    /// Receives into `place`; `None` when nothing has arrived.
    ///
    /// # Errors
    /// When the connection is broken or closed.
    #[inline]
    pub fn receive(&mut self, place: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.reader().read(place) {
                Ok(0) => return Err(closed()),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(as_closed(error)),
            }
        }
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(mio::net::TcpStream),
    Tls(Box<TlsStream>),
    Unix(mio::net::UnixStream),
}

impl Stream {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => &mut stream.socket,
            Stream::Unix(stream) => stream,
        }
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => &mut **stream,
            Stream::Unix(stream) => stream,
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => &mut **stream,
            Stream::Unix(stream) => stream,
        }
    }

    /// Whether it keeps something that the socket has not taken.
    #[inline]
    fn has_unsent(&self) -> bool {
        match self {
            Stream::Tls(stream) => stream.has_unsent(),
            Stream::Tcp(_) | Stream::Unix(_) => false,
        }
    }

    /// Writes as much as the socket takes.
    #[inline]
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.writer().write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(as_closed(error)),
            }
        }
        Ok(written)
    }
}

fn closed() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// A server that closes while requests are on their way shows itself as a reset or a broken pipe.
fn as_closed(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => closed(),
        _ => error,
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, HANDSHAKE_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn log_in(stream: &mut (impl Read + Write), login: &Login) -> io::Result<()> {
    for words in login.commands() {
        ask(stream, &words)?;
    }
    if login.database != 0 {
        ask(stream, &["SELECT", &login.database.to_string()])?;
    }
    Ok(())
}

/// Sends one command and reads its reply, which must not be an error.
fn ask(stream: &mut (impl Read + Write), words: &[&str]) -> io::Result<()> {
    use crate::replies::{Checker, Shape, Tally};

    let arguments: Vec<Argument> = words
        .iter()
        .map(|word| Argument::fixed(word.as_bytes().to_vec()))
        .collect();
    stream.write_all(Template::command(&arguments).bytes())?;
    let checker = Checker::new(&[Shape::Any], 1);
    let (mut partial, mut tally) = (Partial::default(), Tally::default());
    let mut bytes = Vec::new();
    while tally.replies == 0 {
        let mut part = [0; 4096];
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(closed());
        }
        bytes.extend_from_slice(&part[..count]);
        let taken = checker
            .check(&bytes, 1, &[], &mut partial, &mut tally)
            .map_err(|malformed| io::Error::new(ErrorKind::InvalidData, malformed.to_string()))?;
        bytes.drain(..taken.bytes);
    }
    match tally.first_fault {
        Some(fault) => Err(io::Error::other(format!(
            "{} was answered with {fault}",
            words[0]
        ))),
        None => Ok(()),
    }
}
