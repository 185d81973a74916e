//! Memory per key and per connection, and the CPU time of an idle server.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::cells::Group;
use super::client::prefill;
use super::machine::kibibytes;
use super::options::Options;
use super::results::{Memory, Results};
use super::servers::{Binaries, Running, Server};

/// Connections that are opened and then left alone.
pub const IDLE_CONNECTIONS: usize = 10_000;
/// Bytes of each value.
pub const VALUE_BYTES: u64 = 64;
/// How long an idle server is watched.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// How long a server may take to come to rest before its memory is read.
const REST: Duration = Duration::from_secs(2);

/// Measures the servers of the options and saves after each.
///
/// # Errors
/// When a server or the client fails.
pub fn measure(
    options: &Options,
    binaries: &Binaries,
    results: &mut Results,
    file: &Path,
) -> Result<(), String> {
    raise_descriptor_limit();
    for &server in options.servers.iter().filter(|server| server.stores()) {
        let memory = measure_server(server, options, binaries)?;
        println!("{memory:#?}");
        results.replace_memory(memory);
        results.save(file)?;
    }
    Ok(())
}

fn measure_server(
    server: Server,
    options: &Options,
    binaries: &Binaries,
) -> Result<Memory, String> {
    let group = |keys| Group {
        keys,
        value_bytes: VALUE_BYTES,
    };
    let mut memory = Memory {
        server: server.name().to_owned(),
        ..Memory::default()
    };

    let running = Running::start(server, group(0), options, binaries)?;
    sleep(REST);
    let empty = resident_bytes(&running)?;
    memory.empty_bytes = Some(empty);
    memory.idle_cpu_percent = Some(idle_cpu_percent(&running)?);
    memory.connection_bytes = Some(connection_bytes(&running, empty)?);
    drop(running);

    for keys in [1_000_000, 10_000_000] {
        let running = Running::start(server, group(keys), options, binaries)?;
        sleep(REST);
        let empty = resident_bytes(&running)?;
        prefill(&running, group(keys), options, binaries)?;
        sleep(REST);
        let full = resident_bytes(&running)?;
        if keys == 1_000_000 {
            memory.key_bytes_1m = Some((full - empty) / keys as f64);
        } else {
            memory.key_bytes_10m = Some(full / keys as f64);
        }
    }
    Ok(memory)
}

fn idle_cpu_percent(running: &Running) -> Result<f64, String> {
    let before = cpu_ns(running)?;
    sleep(IDLE_TIME);
    Ok((cpu_ns(running)? - before) / IDLE_TIME.as_nanos() as f64 * 100.0)
}

fn connection_bytes(running: &Running, empty: f64) -> Result<f64, String> {
    let connect = |index| {
        TcpStream::connect(("127.0.0.1", running.port))
            .map_err(|error| format!("connection {index}: {error}"))
    };
    let connections: Vec<TcpStream> = (0..IDLE_CONNECTIONS)
        .map(connect)
        .collect::<Result<_, _>>()?;
    sleep(REST);
    let full = resident_bytes(running)?;
    drop(connections);
    Ok((full - empty) / IDLE_CONNECTIONS as f64)
}

/// Resident memory of a server.
///
/// # Errors
/// When the system does not tell.
pub fn resident_bytes(running: &Running) -> Result<f64, String> {
    let status = read(&format!("/proc/{}/status", running.pid()))?;
    kibibytes(&status, "VmRSS")
        .map(|kibibytes| kibibytes * 1024.0)
        .ok_or_else(|| "no VmRSS".to_owned())
}

/// CPU time of all threads in nanoseconds.
///
/// # Errors
/// When the system does not tell.
pub fn cpu_ns(running: &Running) -> Result<f64, String> {
    let tasks = format!("/proc/{}/task", running.pid());
    let entries = fs::read_dir(&tasks).map_err(|error| format!("{tasks}: {error}"))?;
    let mut total = 0.0;
    for entry in entries.flatten() {
        let text = read(&entry.path().join("schedstat").display().to_string())?;
        total += text
            .split_whitespace()
            .next()
            .and_then(|number| number.parse::<f64>().ok())
            .unwrap_or(0.0);
    }
    Ok(total)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// Servers inherit the limit; where it cannot be raised far enough, connecting will tell.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum.or(Some(2 * IDLE_CONNECTIONS as u64));
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}
