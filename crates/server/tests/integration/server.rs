//! Starts servers for the tests: our executable over either backend, or redis-server as the oracle.
//! Each server has a directory of its own; it is killed when dropped, and its log is printed when
//! the test that used it failed.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;

/// How long a server may take to accept its first connection.
const START_SECONDS_MAX: u64 = 20;
/// How much of the log a failed test shows.
const LOG_TAIL_BYTES: usize = 8192;

/// What a test runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Our server over epoll or kqueue.
    Mio,
    /// Our server over io_uring.
    IoUring,
    /// The installed redis-server, the oracle.
    Redis,
}

impl Target {
    /// Whether tests can run against this target here. Prints why not when the environment says to
    /// skip it.
    ///
    /// # Panics
    /// When redis-server is missing and the environment does not say that this is accepted.
    pub fn is_available(self) -> bool {
        match self {
            Target::Mio => true,
            Target::IoUring => !skipped("REDISTILL_WITHOUT_IO_URING", "the io_uring backend"),
            Target::Redis => {
                if skipped("REDISTILL_WITHOUT_REDIS", "comparison with redis-server") {
                    return false;
                }
                assert!(
                    redis_server_exists(),
                    "redis-server is not installed: these tests compare with it. \
                     Install it (Debian: apt-get install redis-server redis-tools), \
                     or set REDISTILL_WITHOUT_REDIS=1 to skip them."
                );
                true
            }
        }
    }

    /// Whether this is our server.
    pub fn is_ours(self) -> bool {
        match self {
            Target::Mio | Target::IoUring => true,
            Target::Redis => false,
        }
    }

    fn command(self, port: u16, socket: &Path, wrapper: &[&str]) -> Command {
        let port = port.to_string();
        let socket = socket.to_str().expect("temporary paths are UTF-8");
        let backend = match self {
            Target::Mio => "mio",
            Target::IoUring => "io_uring",
            Target::Redis => return redis_command(&port, socket),
        };
        let executable = env!("CARGO_BIN_EXE_redistill");
        let mut command = match wrapper {
            [] => Command::new(executable),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(executable);
                command
            }
        };
        command.args(["--server.port", &port, "--server.unix_socket", socket]);
        command.args(["--server.io_backend", backend, "--server.workers", "2"]);
        // By default all of them would want the same port.
        command.args(["--server.health_check_port", "0"]);
        command
    }
}

fn redis_command(port: &str, socket: &str) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--port", port, "--bind", "127.0.0.1"]);
    command.args(["--unixsocket", socket, "--save", ""]);
    command.args(["--daemonize", "no", "--enable-debug-command", "yes"]);
    // Our defaults, so that CONFIG GET can be compared.
    command.args(["--tcp-keepalive", "60", "--maxmemory-policy", "allkeys-lru"]);
    command
}

fn redis_server_exists() -> bool {
    let version = Command::new("redis-server").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Whether the environment says to go without something; prints that.
pub fn skipped(variable: &str, what: &str) -> bool {
    let skip = std::env::var_os(variable).is_some_and(|value| value == "1");
    if skip {
        eprintln!("skipped: {what} ({variable}=1)");
    }
    skip
}

/// Whether the long run was asked for.
pub fn is_long_run() -> bool {
    std::env::var_os("REDISTILL_LONG").is_some_and(|value| value == "1")
}

/// How a server is started.
pub struct Launch<'a> {
    /// What is started.
    pub target: Target,
    /// Further command line flags.
    pub flags: &'a [&'a str],
    /// Environment variables.
    pub environment: &'a [(&'a str, &'a str)],
    /// A program with arguments that our executable is started by, such as prlimit.
    pub wrapper: &'a [&'a str],
    /// The TCP port; a free one if there is none.
    pub port: Option<&'a str>,
    /// An empty directory of its own, or one with a configuration file.
    pub directory: PathBuf,
}

impl Launch<'_> {
    /// With nothing but the defaults.
    pub fn new(target: Target) -> Launch<'static> {
        Launch {
            target,
            flags: &[],
            environment: &[],
            wrapper: &[],
            port: None,
            directory: make_directory(),
        }
    }

    /// Starts the process, without waiting for it to listen.
    pub fn spawn(self) -> Server {
        let port = self
            .port
            .map_or_else(free_port, |port| port.parse().expect("a port"));
        let log = File::create(self.directory.join("log")).expect("a log file");
        let socket = self.directory.join("socket");
        let mut command = self.target.command(port, &socket, self.wrapper);
        command.args(self.flags).current_dir(&self.directory);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("REDIS_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().copied());
        command.stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a second handle of the log"));
        command.stderr(log);
        let child = command.spawn().expect("the server's process");
        Server {
            target: self.target,
            port,
            directory: self.directory,
            child,
        }
    }

    /// Starts the process and waits until it accepts connections.
    pub fn start(self) -> Server {
        self.spawn().wait_for_port()
    }
}

/// A running server, killed when dropped.
pub struct Server {
    /// What it is.
    pub target: Target,
    /// The TCP port that it listens on, at 127.0.0.1.
    pub port: u16,
    directory: PathBuf,
    child: Child,
}

impl Server {
    /// Starts `target` with default settings.
    pub fn start(target: Target) -> Server {
        Server::start_with(target, &[])
    }

    /// Starts `target` with further command line flags and waits until it accepts connections.
    pub fn start_with(target: Target, flags: &[&str]) -> Server {
        let server = Server::spawn(target, flags);
        server.wait_for_port()
    }

    /// Starts `target` without waiting for it to listen.
    pub fn spawn(target: Target, flags: &[&str]) -> Server {
        Launch {
            flags,
            ..Launch::new(target)
        }
        .spawn()
    }

    /// Waits until it accepts connections.
    ///
    /// # Panics
    /// When it ends or takes too long.
    pub fn wait_for_port(mut self) -> Server {
        let begin = Instant::now();
        loop {
            if self.listens() {
                return self;
            }
            if let Some(status) = self.child.try_wait().expect("the server's status") {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            assert!(
                begin.elapsed() < Duration::from_secs(START_SECONDS_MAX),
                "the server does not listen on port {}:\n{}",
                self.port,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it listens. A process that another test was just starting can hold the socket with which this port was
    /// tried, for a moment and without accepting: so twice, with a pause.
    fn listens(&self) -> bool {
        let accepts = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        accepts() && {
            std::thread::sleep(Duration::from_millis(20));
            accepts()
        }
    }

    /// A new connection over TCP.
    pub fn connect(&self) -> Client {
        Client::connect_tcp(self.port).expect("a connection")
    }

    /// A new connection over TCP that speaks RESP2 or RESP3.
    pub fn connect_protocol(&self, protocol: u8) -> Client {
        let mut client = self.connect();
        client.command_words(&format!("HELLO {protocol}"));
        client
    }

    /// The path of its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// The directory that it runs in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All that it wrote to its standard output and error.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(self.directory.join("log")) {
            // What could not be read is missing from a message only.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to its process.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let pid = rustix::process::Pid::from_raw(id).expect("a process id");
        rustix::process::kill_process(pid, signal).expect("the signal is sent");
    }

    /// Waits until its process has ended.
    ///
    /// # Panics
    /// When it has not ended after `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the server's status") {
                return status;
            }
            assert!(
                begin.elapsed() < limit,
                "the server still runs after {limit:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether its process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the server's status")
            .is_none()
    }

    /// Resident memory of its process in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        let kilobytes = line.split_whitespace().nth(1).expect("a number");
        kilobytes.parse::<u64>().expect("a number") * 1024
    }

    /// CPU time of its process so far, user and system, in milliseconds (resolution 10 ms).
    pub fn cpu_ms(&self) -> u64 {
        let stat = self.proc_file("stat");
        // The second field is the name in parentheses and may hold spaces.
        let (_, rest) = stat.rsplit_once(") ").expect("the name in parentheses");
        let mut fields = rest.split(' ').skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
        let sum = ticks().expect("utime") + ticks().expect("stime");
        sum * 10
    }

    fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("the server runs")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        let panicked = self.target.is_ours() && log.contains("panicked at");
        if panicked || std::thread::panicking() {
            let mut begin = log.len().saturating_sub(LOG_TAIL_BYTES);
            while !log.is_char_boundary(begin) {
                begin += 1;
            }
            eprintln!("--- log of {:?} ---\n{}---", self.target, &log[begin..]);
        }
        // What stays behind is in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
        assert!(!panicked || std::thread::panicking(), "the server panicked");
    }
}

/// Runs a test against our server with each backend that there is.
pub fn for_each_backend(flags: &[&str], test: impl Fn(&Server)) {
    for target in [Target::Mio, Target::IoUring] {
        if target.is_available() {
            test(&Server::start_with(target, flags));
        }
    }
}

/// Makes a new empty directory for one server.
pub fn make_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("redistill-test-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        match fs::create_dir(&directory) {
            Ok(()) => return directory,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("cannot make {}: {error}", directory.display()),
        }
    }
}

/// The ports that servers are given: below those that the system gives to clients, which could take one of them while
/// a server starts.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A TCP port that was free a moment ago, and that no other test of this process has been given.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let first = (std::process::id() * 127 % u32::from(count)) as u16;
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first + given % count) % count;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
