//! The floor: what a server costs that has this project's sockets and protocol, and nothing behind them.
//!
//! It parses every request and answers with a constant of the right length. The difference between a server and
//! this one is what storing and finding costs. One thread; one send for each connection and wake.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use net::{Backend, ConnectionId, Event, Listener, ListenerOptions, MioBackend, Options};
use resp::{Args, Limits, Parsed, RequestParser, Span};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A server that parses every request and answers a constant, to measure what sockets and protocol cost.
#[derive(Clone, Copy, Debug, Parser)]
#[command(name = "redistill-floor", version)]
struct Flags {
    /// Port on 127.0.0.1.
    #[arg(short = 'p', long, default_value_t = 6379)]
    port: u16,

    /// Bytes of the value that GET answers.
    #[arg(long, default_value_t = 64, value_name = "BYTES")]
    value_bytes: usize,

    /// How to talk to the kernel.
    #[cfg_attr(target_os = "linux", arg(long, value_enum, default_value = "io_uring"))]
    #[cfg_attr(not(target_os = "linux"), arg(long, value_enum, default_value = "mio"))]
    io_backend: IoBackend,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum IoBackend {
    #[cfg(target_os = "linux")]
    IoUring,
    Mio,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let result = match flags.io_backend {
        #[cfg(target_os = "linux")]
        IoBackend::IoUring => serve::<net::Uring>(flags),
        IoBackend::Mio => serve::<MioBackend>(flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redistill-floor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Accepts and answers until the backend breaks.
fn serve<B: Backend>(flags: Flags) -> io::Result<()> {
    let mut backend = B::new(&Options::default())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, flags.port));
    backend.listen(Listener::tcp(address, &ListenerOptions::default())?)?;
    let answers = Answers::new(flags.value_bytes);
    let mut clients = Vec::new();
    let mut ready = Vec::new();
    let mut events = Vec::new();
    loop {
        backend.wait(None, &mut events)?;
        for event in events.drain(..) {
            handle(&mut backend, &answers, &mut clients, &mut ready, event);
        }
        for id in ready.drain(..) {
            send(&mut backend, &mut clients[id.slot()], id);
        }
    }
}

fn handle<B: Backend>(
    backend: &mut B,
    answers: &Answers,
    clients: &mut Vec<Client>,
    ready: &mut Vec<ConnectionId>,
    event: Event,
) {
    match event {
        Event::Accepted { socket, .. } => {
            // A connection that cannot be registered is closed by that.
            if let Ok(id) = backend.open(socket) {
                let slots = clients.len().max(id.slot() + 1);
                clients.resize_with(slots, Client::default);
                clients[id.slot()] = Client::default();
            }
        }
        Event::Received { id, buffer } => {
            let client = &mut clients[id.slot()];
            let result = client.take(backend.bytes(&buffer), answers);
            backend.recycle(buffer);
            if result.is_err() {
                backend.close(id);
            } else if !client.is_ready && !client.output.is_empty() {
                client.is_ready = true;
                ready.push(id);
            }
        }
        Event::Sent { id, buffer } => {
            let client = &mut clients[id.slot()];
            client.spare = buffer;
            client.is_sending = false;
            if !client.output.is_empty() && !client.is_ready {
                client.is_ready = true;
                ready.push(id);
            }
        }
        Event::EndOfStream { id } | Event::Failed { id, .. } => backend.close(id),
        Event::Closed { .. } | Event::Filled { .. } | Event::AcceptFailed { .. } | Event::Woken => {
        }
    }
}

/// Sends what has been answered, unless a send is under way, whose end will bring the client here again.
fn send<B: Backend>(backend: &mut B, client: &mut Client, id: ConnectionId) {
    client.is_ready = false;
    if client.is_sending || client.output.is_empty() {
        return;
    }
    client.is_sending = true;
    let mut spare = std::mem::take(&mut client.spare);
    spare.clear();
    backend.send_lazily(id, std::mem::replace(&mut client.output, spare));
}

/// One connection.
#[derive(Debug, Default)]
struct Client {
    parser: RequestParser,
    /// The places of the arguments of the current request.
    spans: Vec<Span>,
    /// The beginning of a request that has not arrived completely.
    residue: Vec<u8>,
    /// How much of it is missing at least.
    wanted: usize,
    /// Answers to be sent.
    output: Vec<u8>,
    /// A buffer that has been sent.
    spare: Vec<u8>,
    is_sending: bool,
    /// Whether it waits for the end of this wake to send.
    is_ready: bool,
}

impl Client {
    /// Answers all requests that are complete. A request that is split is put together in `residue`; all others
    /// are parsed where they are.
    fn take(&mut self, bytes: &[u8], answers: &Answers) -> Result<(), resp::ProtocolError> {
        let limits = Limits::standard();
        let mut at = 0;
        while !self.residue.is_empty() && at < bytes.len() {
            let part = self.wanted.min(bytes.len() - at);
            self.residue.extend_from_slice(&bytes[at..at + part]);
            at += part;
            let residue = std::mem::take(&mut self.residue);
            let consumed = self.answer_one(&residue, &limits, answers)?;
            self.residue = residue;
            if consumed.is_some() {
                self.residue.clear();
            }
        }
        while at < bytes.len() {
            match self.answer_one(&bytes[at..], &limits, answers)? {
                Some(consumed) => at += consumed,
                None => {
                    self.residue.extend_from_slice(&bytes[at..]);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Answers the first request and returns its length; `None` when it is not complete.
    #[inline]
    fn answer_one(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        answers: &Answers,
    ) -> Result<Option<usize>, resp::ProtocolError> {
        let consumed = match self.parser.parse(bytes, limits, &mut self.spans)? {
            Parsed::Request { consumed } => {
                answers.append(Args::new(bytes, &self.spans), &mut self.output);
                consumed
            }
            Parsed::Quoted { consumed, .. } => {
                self.output.extend_from_slice(b"+OK\r\n");
                consumed
            }
            Parsed::Empty { consumed } => consumed,
            Parsed::Incomplete { wanted } => {
                self.wanted = wanted;
                return Ok(None);
            }
        };
        self.spans.clear();
        Ok(Some(consumed))
    }
}

/// What requests are answered.
#[derive(Debug)]
struct Answers {
    bulk: Vec<u8>,
}

impl Answers {
    fn new(value_bytes: usize) -> Self {
        let mut bulk = format!("${value_bytes}\r\n").into_bytes();
        bulk.resize(bulk.len() + value_bytes, b'x');
        bulk.extend_from_slice(b"\r\n");
        Answers { bulk }
    }

    #[inline]
    fn append(&self, arguments: Args<'_>, output: &mut Vec<u8>) {
        let name = arguments.name();
        if name.eq_ignore_ascii_case(b"GET") {
            output.extend_from_slice(&self.bulk);
        } else if name.eq_ignore_ascii_case(b"PING") {
            output.extend_from_slice(b"+PONG\r\n");
        } else {
            output.extend_from_slice(b"+OK\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_however_they_are_split() {
        let answers = Answers::new(3);
        let bytes =
            b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nb\r\n";
        for split in 0..=bytes.len() {
            let mut client = Client::default();
            for part in [&bytes[..split], &bytes[split..]] {
                client.take(part, &answers).unwrap();
            }
            assert_eq!(
                client.output, b"$3\r\nxxx\r\n+PONG\r\n+OK\r\n",
                "split at {split}"
            );
        }
    }
}
