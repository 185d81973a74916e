//! Measures the CPU time that a backend spends on large messages, user and system, over TCP loopback.
//!
//!     cargo run --release -p net --example large_cpu -- [connections] [kilobytes] [rounds] [messages]
//!
//! A server thread on one core receives such messages, or sends them, with and without a copy in user space; a client
//! thread on another core has one message of every connection in flight. The ways take turns; the medians are printed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use net::{
    Backend, Buffer, ConnectionId, Event, Listener, ListenerOptions, MioBackend, Options, Outgoing,
    Peer, SocketOptions,
};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// What comes before a message that the server receives, and asks for one that it sends.
const HEAD: &[u8] = b"8 bytes\n";
/// What answers a message that the server has received.
const ANSWER: &[u8] = b"+OK\r\n";

const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Receives into pool buffers and copies from there.
    ReceiveCopied,
    /// Receives with `Backend::fill`.
    ReceiveFilled,
    /// Copies the message into each reply.
    SendCopied,
    /// Sends the message as a shared piece.
    SendShared,
}

#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    message_bytes: usize,
    rounds: usize,
    messages: usize,
}

/// CPU time and wakes for each message.
type Figures = (f64, f64);
type Round = fn(Load, Way) -> io::Result<Figures>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let load = Load {
        connections: argument(1, 4)?,
        message_bytes: argument(2, 1024)? * 1024,
        rounds: argument(3, 5)?,
        messages: argument(4, 400)?,
    };
    let mut backends: Vec<(&str, Round)> = vec![("mio", measure::<MioBackend>)];
    #[cfg(target_os = "linux")]
    backends.push(("io_uring", measure::<net::Uring>));
    let ways = [
        ("received, copied", Way::ReceiveCopied),
        ("received, filled", Way::ReceiveFilled),
        ("sent, copied", Way::SendCopied),
        ("sent, shared", Way::SendShared),
    ];
    let mut results = vec![Vec::new(); backends.len() * ways.len()];
    for _ in 0..load.rounds {
        let mut results = results.iter_mut();
        for (_, way) in ways {
            for ((_, round), results) in backends.iter().zip(&mut results) {
                results.push(round(load, way)?);
            }
        }
    }
    let mut results = results.into_iter();
    for (way, _) in ways {
        for ((name, _), mut results) in backends.iter().zip(&mut results) {
            results.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (cpu_us, wakes) = results[results.len() / 2];
            let (least, most) = (results[0].0, results[results.len() - 1].0);
            let ns_per_kb = cpu_us * 1e3 / (load.message_bytes as f64 / 1024.0);
            println!(
                "{name:9} {way:17} {cpu_us:7.1} us CPU per message ({least:.1} to {most:.1}), {ns_per_kb:6.1} ns per KB, {wakes:5.1} wakes per message"
            );
        }
    }
    Ok(())
}

fn argument(index: usize, default: usize) -> io::Result<usize> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "arguments are numbers");
    std::env::args()
        .nth(index)
        .map_or(Ok(default), |text| text.parse().map_err(invalid))
}

fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

fn measure<B: Backend>(load: Load, way: Way) -> io::Result<Figures> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::tcp(address, &ListenerOptions::default())?;
    let Peer::Tcp(address) = listener.local() else {
        return Err(io::Error::other("no address"));
    };
    thread::scope(|scope| {
        let client = scope.spawn(|| drive(address, load, way));
        let server = scope.spawn(|| Server::<B>::new(load, way)?.serve(listener));
        let panicked = |_| io::Error::other("a thread panicked");
        client.join().map_err(panicked)??;
        server.join().map_err(panicked)?
    })
}

#[derive(Default)]
struct Session {
    /// What has come of a message, unless the backend has it.
    body: Option<Vec<u8>>,
    is_touched: bool,
}

struct Server<B> {
    backend: B,
    load: Load,
    way: Way,
    sessions: Vec<Session>,
    touched: Vec<ConnectionId>,
    bodies: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
    value: Bytes,
    messages: usize,
}

impl<B: Backend> Server<B> {
    fn new(load: Load, way: Way) -> io::Result<Server<B>> {
        pin(SERVER_CORE)?;
        let mut sessions = Vec::new();
        sessions.resize_with(load.connections, Session::default);
        Ok(Server {
            backend: B::new(&Options::default())?,
            load,
            way,
            sessions,
            touched: Vec::new(),
            bodies: Vec::new(),
            replies: Vec::new(),
            value: vec![b'v'; load.message_bytes].into(),
            messages: 0,
        })
    }

    /// Answers until the last client has gone.
    fn serve(mut self, listener: Listener) -> io::Result<Figures> {
        self.backend.listen(listener)?;
        let mut events = Vec::new();
        let (mut opened, mut closed, mut wakes) = (0, 0, 0);
        let mut start = None;
        while closed < self.load.connections {
            self.backend.wait(None, &mut events)?;
            wakes += 1;
            for event in events.drain(..) {
                match event {
                    Event::Accepted { socket, .. } => {
                        socket.set_options(&SocketOptions::default())?;
                        self.backend.open(socket)?;
                        opened += 1;
                    }
                    Event::Received { id, buffer } => self.received(id, buffer),
                    Event::Filled { id, buffer } => self.complete(id, buffer),
                    Event::Sent { buffer, .. } => self.replies.push(buffer),
                    Event::EndOfStream { id } | Event::Failed { id, .. } => self.backend.close(id),
                    Event::Closed { .. } => closed += 1,
                    event => return Err(io::Error::other(format!("{event:?}"))),
                }
            }
            self.fill_touched();
            let is_warm = opened == self.load.connections && self.messages > 4 * opened;
            if start.is_none() && is_warm {
                start = Some((cpu_time(), self.messages));
                wakes = 0;
            }
        }
        let Some((cpu_start, messages_start)) = start else {
            return Err(io::Error::other("too few messages"));
        };
        let messages = (self.messages - messages_start) as f64;
        let cpu = (cpu_time() - cpu_start).as_secs_f64();
        Ok((cpu * 1e6 / messages, f64::from(wakes) / messages))
    }

    fn received(&mut self, id: ConnectionId, buffer: Buffer) {
        match self.way {
            Way::ReceiveCopied | Way::ReceiveFilled => {
                let message_bytes = self.load.message_bytes;
                let session = &mut self.sessions[id.slot()];
                let mut bytes = self.backend.bytes(&buffer);
                let body = session.body.get_or_insert_with(|| {
                    bytes = &bytes[HEAD.len()..];
                    let room = || Vec::with_capacity(message_bytes);
                    self.bodies.pop().unwrap_or_else(room)
                });
                body.extend_from_slice(bytes);
                if !std::mem::replace(&mut session.is_touched, true) {
                    self.touched.push(id);
                }
            }
            Way::SendCopied => {
                let mut reply = self.replies.pop().unwrap_or_default();
                reply.clear();
                reply.extend_from_slice(&self.value);
                self.messages += 1;
                self.backend.send_lazily(id, reply);
            }
            Way::SendShared => {
                let outgoing = Outgoing {
                    bytes: self.replies.pop().unwrap_or_default(),
                    shared: vec![(0, self.value.clone())],
                };
                self.messages += 1;
                self.backend.send_lazily(id, outgoing);
            }
        }
        self.backend.recycle(buffer);
    }

    fn fill_touched(&mut self) {
        while let Some(id) = self.touched.pop() {
            let session = &mut self.sessions[id.slot()];
            session.is_touched = false;
            let Some(body) = session.body.take() else {
                continue;
            };
            if body.len() == self.load.message_bytes {
                self.complete(id, body);
            } else if self.way == Way::ReceiveFilled {
                self.backend.fill(id, body, self.load.message_bytes);
            } else {
                session.body = Some(body);
            }
        }
    }

    fn complete(&mut self, id: ConnectionId, mut body: Vec<u8>) {
        body.clear();
        self.bodies.push(body);
        self.messages += 1;
        let mut reply = self.replies.pop().unwrap_or_default();
        reply.clear();
        reply.extend_from_slice(ANSWER);
        self.backend.send_lazily(id, reply);
    }
}

/// Keeps a message of each connection in flight.
fn drive(address: SocketAddr, load: Load, way: Way) -> io::Result<()> {
    pin(CLIENT_CORE)?;
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let mut request = HEAD.to_vec();
    let mut reply = vec![0; load.message_bytes];
    if matches!(way, Way::ReceiveCopied | Way::ReceiveFilled) {
        request.resize(HEAD.len() + load.message_bytes, b'v');
        reply.truncate(ANSWER.len());
    }
    for _ in 0..load.messages {
        for stream in &mut streams {
            stream.write_all(&request)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut reply)?;
        }
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
