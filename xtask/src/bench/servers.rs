//! The servers that are compared: how they are started, awaited and stopped.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::cells::Group;
use super::options::Options;

const START_TIMEOUT: Duration = Duration::from_secs(20);
pub const FIRST_PORT: u16 = 17_379;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// This server, with io_uring.
    Redistill,
    /// This server, with epoll.
    RedistillMio,
    /// The reference.
    Redis,
    /// Parses every request and answers a constant, with io_uring.
    Floor,
    /// The floor with epoll.
    FloorMio,
}

impl Server {
    const ALL: [Server; 5] = [
        Server::Redistill,
        Server::RedistillMio,
        Server::Redis,
        Server::Floor,
        Server::FloorMio,
    ];

    /// What the matrix compares.
    pub fn of_matrix() -> Vec<Server> {
        vec![Server::Redistill, Server::Redis, Server::Floor]
    }

    /// Whose memory is measured.
    pub fn of_memory() -> Vec<Server> {
        vec![Server::Redistill, Server::RedistillMio, Server::Redis]
    }

    /// On the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Server::Redistill => "redistill",
            Server::RedistillMio => "redistill-mio",
            Server::Redis => "redis",
            Server::Floor => "floor",
            Server::FloorMio => "floor-mio",
        }
    }

    /// Whether it keeps what it is sent.
    pub fn stores(self) -> bool {
        match self {
            Server::Redistill | Server::RedistillMio | Server::Redis => true,
            Server::Floor | Server::FloorMio => false,
        }
    }

    /// Its port.
    pub fn port(self) -> u16 {
        FIRST_PORT
            + Server::ALL
                .iter()
                .position(|&server| server == self)
                .unwrap_or(0) as u16
    }

    /// The command line without pinning, as the document shows it.
    pub fn command_line(self, group: Group) -> String {
        let port = self.port();
        match self {
            Server::Redistill => redistill_arguments(port, "io_uring"),
            Server::RedistillMio => redistill_arguments(port, "mio"),
            Server::Redis => format!("--port {port} --save \"\" --appendonly no"),
            Server::Floor => floor_arguments(port, "io_uring", group),
            Server::FloorMio => floor_arguments(port, "mio", group),
        }
    }
}

fn redistill_arguments(port: u16, backend: &str) -> String {
    format!("--server.port {port} --server.workers 1 --server.io_backend {backend}")
}

fn floor_arguments(port: u16, backend: &str, group: Group) -> String {
    format!(
        "-p {port} --value-bytes {} --io-backend {backend}",
        group.value_bytes
    )
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Server::ALL.into_iter().find(|server| server.name() == text);
        found.ok_or_else(|| {
            let names = Server::ALL.map(Server::name).join(", ");
            format!("no server is called '{text}'; there are {names}")
        })
    }
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// This server.
    pub redistill: PathBuf,
    /// The reference.
    pub redis: PathBuf,
    /// The floor server.
    pub floor: PathBuf,
    /// The load generator.
    pub client: PathBuf,
}

impl Binaries {
    /// The programs of the release build, and redis-server from the path, unless the options name others.
    pub fn new(options: &Options, release: &Path) -> Self {
        Binaries {
            redistill: options
                .redistill
                .clone()
                .unwrap_or_else(|| release.join("redistill")),
            redis: options
                .redis
                .clone()
                .unwrap_or_else(|| "redis-server".into()),
            floor: release.join("redistill-floor"),
            client: release.join("redistill-benchmark"),
        }
    }

    /// The program of a server.
    pub fn of(&self, server: Server) -> &Path {
        match server {
            Server::Redistill | Server::RedistillMio => &self.redistill,
            Server::Redis => &self.redis,
            Server::Floor | Server::FloorMio => &self.floor,
        }
    }

    /// Checks that everything needed is there.
    ///
    /// # Errors
    /// A sentence that names what is missing.
    pub fn check(&self, servers: &[Server]) -> Result<(), String> {
        let programs = servers
            .iter()
            .map(|&server| self.of(server))
            .chain([self.client.as_path(), "taskset".as_ref()]);
        for program in programs {
            let answered = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok();
            if !answered {
                return Err(format!("{} is missing", program.display()));
            }
        }
        Ok(())
    }
}

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Which program.
    pub server: Server,
    /// The port on 127.0.0.1 that the arguments name.
    pub port: u16,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// An environment variable and its value.
    pub environment: Option<(&'static str, &'static str)>,
    /// The cores that it may use, as taskset reads them; all if none are named.
    pub cores: Option<String>,
}

impl Launch {
    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(self, binaries: &Binaries) -> Result<Running, String> {
        let (server, port) = (self.server, self.port);
        wait_until_free(port)?;
        let program = binaries.of(server);
        let mut command = match &self.cores {
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cores]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(&self.arguments)
            .envs(self.environment)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", server.name()))?;
        let mut running = Running {
            server,
            port,
            child,
        };
        running.wait_until_ready()?;
        Ok(running)
    }
}

/// A server process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Which.
    pub server: Server,
    /// Its port on 127.0.0.1.
    pub port: u16,
    child: Child,
}

impl Running {
    /// Has the server go before other programs on its core, as the prober does on the client's.
    ///
    /// # Errors
    /// When this may not be.
    pub fn go_first(&self) -> Result<(), String> {
        let path = format!("/proc/{}/task", self.pid());
        let tasks = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
        let tasks = tasks.flatten().map(|task| task.file_name());
        let status = Command::new("renice")
            .args(["-n", "-20", "-p"])
            .args(tasks)
            .stdout(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => Err("renice does not work here".to_owned()),
        }
    }

    /// Starts a server on its core, for keys and values of `group`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        server: Server,
        group: Group,
        options: &Options,
        binaries: &Binaries,
    ) -> Result<Self, String> {
        Self::start_with(server, group, &[], options, binaries)
    }

    /// The same with more flags.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(
        server: Server,
        group: Group,
        flags: &[&str],
        options: &Options,
        binaries: &Binaries,
    ) -> Result<Self, String> {
        let line = server.command_line(group);
        let words = line.split(' ').chain(flags.iter().copied());
        Launch {
            server,
            port: server.port(),
            arguments: words
                .map(|word| if word == "\"\"" { "" } else { word }.to_owned())
                .collect(),
            environment: None,
            cores: Some(options.server_core.to_string()),
        }
        .start(binaries)
    }

    /// The process; taskset has replaced itself by the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let name = self.server.name();
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{name} ended at once: {status}"));
            }
            if answers_ping(self.port) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{name} does not answer"))
    }
}

/// Waits until nobody listens: the kernel takes a ring of a process that was killed down a little later.
fn wait_until_free(port: u16) -> Result<(), String> {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        if begin.elapsed() > Duration::from_secs(10) {
            return Err(format!("port {port} is in use"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers_ping(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply)?;
        Ok(&reply == b"+PONG\r\n")
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_distinct() {
        for (index, server) in Server::ALL.into_iter().enumerate() {
            assert_eq!(server.name().parse(), Ok(server));
            assert_eq!(server.port(), FIRST_PORT + index as u16);
        }
    }
}
