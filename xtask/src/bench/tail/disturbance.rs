//! What goes on beside the prober.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::options::Options;
use super::super::servers::{Binaries, Running};
use super::slow_reader::{self, SlowReader};

/// Keys of 16 + 64 bytes that are inserted, and flushed.
const INSERTED_KEYS: u64 = 5_000_000;
/// Keys that expire in the same second.
const EXPIRING_KEYS: u64 = 1_000_000;
/// Values that are deleted at once, and their bytes.
const DELETED_VALUES: u64 = 10_000;
const DELETED_VALUE_BYTES: u64 = 100_000;
/// From when the keys are written to when they expire.
const EXPIRE_DELAY: Duration = Duration::from_secs(8);
/// From when the prober starts to when the disturbance does.
const LEAD: Duration = Duration::from_millis(500);

/// What goes on beside. Flushing removes what inserting has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    Quiet,
    Insert,
    Flush,
    Expire,
    Delete,
    Unlink,
    SlowReader,
    FloorInsert,
    FloorSlowReader,
    QuietAgain,
}

impl Disturbance {
    /// In the order in which they are measured; the first is what the others are compared with.
    pub const ALL: [Disturbance; 10] = [
        Disturbance::Quiet,
        Disturbance::Insert,
        Disturbance::Flush,
        Disturbance::Expire,
        Disturbance::Delete,
        Disturbance::Unlink,
        Disturbance::SlowReader,
        Disturbance::FloorInsert,
        Disturbance::FloorSlowReader,
        Disturbance::QuietAgain,
    ];

    /// In the table.
    pub fn text(self) -> &'static str {
        match self {
            Disturbance::Quiet => "nothing",
            Disturbance::Insert => "5M keys inserted",
            Disturbance::Flush => "FLUSHALL of 5M keys",
            Disturbance::Expire => "1M keys expire at once",
            Disturbance::Delete => "DEL of 10,000 values of 100 KB",
            Disturbance::Unlink => "UNLINK of the same",
            Disturbance::SlowReader => "a slow reader of 10-MB values",
            Disturbance::FloorInsert => "control: the inserts go to the floor",
            Disturbance::FloorSlowReader => "control: the slow reader reads from the floor",
            Disturbance::QuietAgain => "nothing, again",
        }
    }

    /// The bytes of the floor's values, when the disturbance is the floor's.
    pub fn floor_value_bytes(self) -> Option<u64> {
        match self {
            Disturbance::FloorInsert => Some(64),
            Disturbance::FloorSlowReader => Some(slow_reader::VALUE_BYTES as u64),
            Disturbance::Quiet
            | Disturbance::Insert
            | Disturbance::Flush
            | Disturbance::Expire
            | Disturbance::Delete
            | Disturbance::Unlink
            | Disturbance::SlowReader
            | Disturbance::QuietAgain => None,
        }
    }

    /// How long its window is, as a multiple of the usual one.
    pub fn windows(self) -> f64 {
        match self {
            Disturbance::Insert | Disturbance::FloorInsert => 2.0,
            _ => 1.0,
        }
    }
}

/// The server that is disturbed.
pub struct Target<'a> {
    /// The server.
    pub server: &'a Running,
    /// The cores.
    pub options: &'a Options,
    /// The client.
    pub binaries: &'a Binaries,
}

/// A disturbance that goes on.
pub enum Disturbing {
    None,
    Client { child: Child, started: Instant },
    SlowReader(SlowReader),
}

impl Target<'_> {
    /// Does what has to be done before the prober starts.
    ///
    /// # Errors
    /// When the client fails.
    pub fn prepare(&self, disturbance: Disturbance) -> Result<(), String> {
        match disturbance {
            Disturbance::Expire => {
                let at = SystemTime::now() + EXPIRE_DELAY;
                let at_ms = at
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_millis();
                let mut command = self.client(EXPIRING_KEYS, EXPIRING_KEYS, 128);
                let value = "x".repeat(64);
                let at_ms = at_ms.to_string();
                command.args(["SET", "exp:__rand_int__", &value, "PXAT", &at_ms]);
                run(command)?;
                let left = at.duration_since(SystemTime::now()).ok();
                let left = left.and_then(|left| left.checked_sub(LEAD));
                sleep(left.ok_or("writing the keys that expire has taken too long")?);
                Ok(())
            }
            Disturbance::Delete | Disturbance::Unlink => {
                let mut command = self.client(DELETED_VALUES, DELETED_VALUES, 4);
                command.args(["-t", "set", "--key-prefix", "big:"]);
                command.args(["-d", &DELETED_VALUE_BYTES.to_string()]);
                run(command)
            }
            Disturbance::SlowReader => slow_reader::prepare(self.server.port),
            Disturbance::Quiet
            | Disturbance::Insert
            | Disturbance::Flush
            | Disturbance::FloorInsert
            | Disturbance::FloorSlowReader
            | Disturbance::QuietAgain => Ok(()),
        }
    }

    /// Disturbs, while the prober is at work.
    ///
    /// # Errors
    /// When the client does not start.
    pub fn start(&self, disturbance: Disturbance) -> Result<Disturbing, String> {
        sleep(LEAD);
        let command = match disturbance {
            Disturbance::Quiet | Disturbance::QuietAgain | Disturbance::Expire => {
                return Ok(Disturbing::None);
            }
            Disturbance::SlowReader | Disturbance::FloorSlowReader => {
                let reader = SlowReader::start(self.server.port, self.options.client_core)?;
                return Ok(Disturbing::SlowReader(reader));
            }
            Disturbance::Insert | Disturbance::FloorInsert => {
                let mut command = self.client(INSERTED_KEYS, INSERTED_KEYS, 128);
                command.args(["-t", "set", "--key-prefix", "new:"]);
                command
            }
            Disturbance::Flush => {
                let mut command = self.client(1, 1, 1);
                command.arg("FLUSHALL");
                command
            }
            Disturbance::Delete => self.remove("DEL"),
            Disturbance::Unlink => self.remove("UNLINK"),
        };
        let started = Instant::now();
        let mut command = command;
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| error.to_string())?;
        Ok(Disturbing::Client { child, started })
    }

    /// One command that removes all large values.
    fn remove(&self, name: &str) -> Command {
        let mut command = self.client(1, 1, 1);
        command.arg(name);
        command.args((0..DELETED_VALUES).map(|key| format!("big:{key:012}")));
        command
    }

    /// The client, niced, with one connection and keys in order.
    fn client(&self, requests: u64, keys: u64, pipeline: u32) -> Command {
        let mut command = Command::new("nice");
        command
            .args(["-n", "19", "taskset", "-c"])
            .arg(self.options.client_core.to_string())
            .arg(&self.binaries.client)
            .args(["-q", "--sequential", "-c", "1"])
            .args(["-p", &self.server.port.to_string()])
            .args(["-n", &requests.to_string()])
            .args(["-r", &keys.to_string()])
            .args(["-P", &pipeline.to_string()]);
        command
    }
}

impl Disturbing {
    /// Waits for its end; how many seconds it took.
    ///
    /// # Errors
    /// When it has failed.
    pub fn end(self) -> Result<f64, String> {
        match self {
            Disturbing::None => Ok(0.0),
            Disturbing::SlowReader(reader) => reader.end(),
            Disturbing::Client { mut child, started } => {
                let status = child.wait().map_err(|error| error.to_string())?;
                if status.success() {
                    Ok(started.elapsed().as_secs_f64())
                } else {
                    Err(format!("the disturbing client has failed: {status}"))
                }
            }
        }
    }
}

fn run(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    Err(format!("a client has failed: {errors}{text}"))
}
