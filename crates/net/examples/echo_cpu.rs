//! Measures the CPU time that a backend spends per message, user and system, over TCP loopback.
//!
//!     cargo run --release -p net --example echo_cpu -- [connections] [messages per request] [rounds] [seconds]
//!
//! A server thread on one core answers each request of 37 bytes (a GET) with 71 bytes; a client thread on another
//! core keeps one request of every connection in flight. Backends take turns; the medians are printed.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use net::{
    Backend, Buffer, ConnectionId, Event, Listener, ListenerOptions, MioBackend, Options, Peer,
    Socket, SocketOptions,
};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

const REQUEST_BYTES: usize = 37;
const REPLY_BYTES: usize = 71;

const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    depth: usize,
    rounds: usize,
    seconds: u64,
}

#[derive(Clone, Copy)]
struct Figures {
    cpu_ns_per_message: f64,
    messages_per_wake: f64,
    messages_per_second: f64,
}

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
        connections: argument(1, 50)? as usize,
        depth: argument(2, 1)? as usize,
        rounds: argument(3, 5)? as usize,
        seconds: argument(4, 2)?,
    };
    let mut contenders: Vec<(&str, Round)> = vec![
        ("mio, send", measure::<MioBackend, false>),
        ("mio, send_lazily", measure::<MioBackend, true>),
    ];
    #[cfg(target_os = "linux")]
    contenders.extend([
        ("io_uring, send", measure::<net::Uring, false> as Round),
        ("io_uring, send_lazily", measure::<net::Uring, true>),
    ]);
    let mut results: Vec<Vec<Figures>> = vec![Vec::new(); contenders.len()];
    for _ in 0..load.rounds {
        for ((_, round), results) in contenders.iter().zip(&mut results) {
            results.push(round(load)?);
        }
    }
    println!(
        "{} connections, {} messages per request",
        load.connections, load.depth
    );
    for ((name, _), results) in contenders.iter().zip(&results) {
        let median = |figure: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = results.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            (
                values[0],
                values[values.len() / 2],
                values[values.len() - 1],
            )
        };
        let (least, cpu, most) = median(|figures| figures.cpu_ns_per_message);
        let (_, batch, _) = median(|figures| figures.messages_per_wake);
        let (_, rate, _) = median(|figures| figures.messages_per_second);
        println!(
            "{name:22} {cpu:7.0} ns CPU per message ({least:.0} to {most:.0}), {batch:6.1} messages per wake, {rate:9.0} messages/s"
        );
    }
    Ok(())
}

type Round = fn(Load) -> io::Result<Figures>;

fn argument(index: usize, default: u64) -> io::Result<u64> {
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

/// One round: the server's figures after a warm-up.
fn measure<B: Backend, const LAZY: bool>(load: Load) -> io::Result<Figures> {
    let listener = Listener::tcp(
        SocketAddr::from(([127, 0, 0, 1], 0)),
        &ListenerOptions::default(),
    )?;
    let Peer::Tcp(address) = listener.local() else {
        return Err(io::Error::other("no address"));
    };
    let has_warmed_up = AtomicBool::new(false);
    thread::scope(|scope| {
        // The server's thread has a name for the sake of profilers.
        let server = thread::Builder::new().name(B::NAME.to_owned());
        let server = server.spawn_scoped(scope, || serve::<B, LAZY>(listener, &has_warmed_up))?;
        let client = scope.spawn(|| drive(address, load, &has_warmed_up));
        client
            .join()
            .map_err(|_| io::Error::other("the client panicked"))??;
        server
            .join()
            .map_err(|_| io::Error::other("the server panicked"))?
    })
}

#[derive(Clone, Default)]
struct Session {
    received_bytes: usize,
    is_sending: bool,
    is_ready: bool,
}

/// Answers until the last client has gone.
fn serve<B: Backend, const LAZY: bool>(
    listener: Listener,
    has_warmed_up: &AtomicBool,
) -> io::Result<Figures> {
    pin(SERVER_CORE)?;
    let mut backend = B::new(&Options::default())?;
    backend.listen(listener)?;
    let mut sessions = vec![Session::default(); Options::default().connections_max as usize];
    let mut events = Vec::new();
    let mut held: Vec<Buffer> = Vec::new();
    let mut ready: Vec<ConnectionId> = Vec::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    let mut open = 0;
    let (mut messages, mut wakes) = (0u64, 0u64);
    let mut start = None;
    loop {
        backend.wait(None, &mut events)?;
        wakes += 1;
        if start.is_none() && has_warmed_up.load(Ordering::Relaxed) {
            start = Some((Instant::now(), cpu_time()));
            (messages, wakes) = (0, 0);
        }
        for event in events.drain(..) {
            match event {
                Event::Accepted { socket, .. } => {
                    socket.set_options(&SocketOptions::default())?;
                    backend.open(socket)?;
                    open += 1;
                }
                Event::Received { id, buffer } => {
                    let session = &mut sessions[id.slot()];
                    session.received_bytes += backend.bytes(&buffer).len();
                    if !std::mem::replace(&mut session.is_ready, true) {
                        ready.push(id);
                    }
                    held.push(buffer);
                }
                Event::Sent { id, buffer } => {
                    sessions[id.slot()].is_sending = false;
                    spare.push(buffer);
                }
                Event::EndOfStream { id } | Event::Failed { id, .. } => backend.close(id),
                Event::Closed { id } => {
                    sessions[id.slot()] = Session::default();
                    open -= 1;
                }
                Event::Woken => {}
                event => return Err(io::Error::other(format!("{event:?}"))),
            }
        }
        for id in ready.drain(..) {
            let session = &mut sessions[id.slot()];
            session.is_ready = false;
            let requests = session.received_bytes / REQUEST_BYTES;
            if requests > 0 && !session.is_sending {
                session.received_bytes %= REQUEST_BYTES;
                session.is_sending = true;
                messages += requests as u64;
                let mut reply = spare.pop().unwrap_or_default();
                reply.resize(requests * REPLY_BYTES, b'r');
                if LAZY {
                    backend.send_lazily(id, reply);
                } else {
                    backend.send(id, reply);
                }
            }
        }
        held.drain(..).for_each(|buffer| backend.recycle(buffer));
        if let Some((start, cpu_start)) = start
            && open == 0
        {
            return Ok(Figures {
                cpu_ns_per_message: (cpu_time() - cpu_start).as_nanos() as f64 / messages as f64,
                messages_per_wake: messages as f64 / wakes as f64,
                messages_per_second: messages as f64 / start.elapsed().as_secs_f64(),
            });
        }
    }
}

/// Keeps a request of each connection in flight, for the time of the load and a warm-up.
fn drive(address: SocketAddr, load: Load, has_warmed_up: &AtomicBool) -> io::Result<()> {
    pin(CLIENT_CORE)?;
    let mut backend = MioBackend::new(&Options::default())?;
    let mut missing = vec![load.depth * REPLY_BYTES; load.connections];
    for _ in 0..load.connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let id = backend.open(Socket::from_descriptor(stream)?)?;
        backend.send(id, vec![b'q'; load.depth * REQUEST_BYTES]);
    }
    let warm = Instant::now() + Duration::from_millis(300);
    let end = warm + Duration::from_secs(load.seconds);
    let mut events = Vec::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    while Instant::now() < end {
        if Instant::now() > warm {
            has_warmed_up.store(true, Ordering::Relaxed);
        }
        backend.wait(Some(Duration::from_millis(100)), &mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Sent { buffer, .. } => spare.push(buffer),
                Event::Received { id, buffer } => {
                    missing[id.slot()] -= buffer.len();
                    backend.recycle(buffer);
                    if missing[id.slot()] == 0 {
                        missing[id.slot()] = load.depth * REPLY_BYTES;
                        let request = spare
                            .pop()
                            .unwrap_or_else(|| vec![b'q'; load.depth * REQUEST_BYTES]);
                        backend.send_lazily(id, request);
                    }
                }
                event => return Err(io::Error::other(format!("{event:?}"))),
            }
        }
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
