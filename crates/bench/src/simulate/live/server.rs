//! Servers of the live comparison: how they are started, asked and stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A server on the command line: `NAME=PROGRAM ARGUMENTS`, with `{port}` and `{bytes}` where the port and the memory
/// limit go (0 is no limit). Words are separated by spaces; `''` is an empty word.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerCommand {
    /// In tables.
    pub name: String,
    words: Vec<String>,
    /// The line of INFO memory that tells how much an empty server uses of its limit.
    pub used_field: String,
}

impl FromStr for ServerCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, command) = text
            .split_once('=')
            .filter(|(name, _)| !name.contains(' '))
            .ok_or_else(|| format!("'{text}' is not NAME=PROGRAM ARGUMENTS"))?;
        let word = |word: &str| {
            if word == "''" {
                String::new()
            } else {
                word.to_owned()
            }
        };
        let words: Vec<String> = command.split_whitespace().map(word).collect();
        if words.is_empty() {
            return Err(format!("'{text}' names no program"));
        }
        for needed in ["{port}", "{bytes}"] {
            if !command.contains(needed) {
                return Err(format!("'{text}' does not say where {needed} goes"));
            }
        }
        Ok(ServerCommand {
            name: name.to_owned(),
            words,
            used_field: "used_memory".to_owned(),
        })
    }
}

/// A server process; it is killed when this is dropped.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts the server with this memory limit on a free port of 127.0.0.1 and waits until it answers.
    ///
    /// # Errors
    /// A sentence for the terminal.
    pub fn start(command: &ServerCommand, limit_bytes: u64) -> Result<Self, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let filled = command.words.iter().map(|word| {
            word.replace("{port}", &port.to_string())
                .replace("{bytes}", &limit_bytes.to_string())
        });
        let words: Vec<String> = filled.collect();
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", words[0]))?;
        let mut server = Server { child, port };
        server.wait_until_ready(&words.join(" "))?;
        Ok(server)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the field of INFO memory says that the command names.
    ///
    /// # Errors
    /// When the server does not answer, or has no such field.
    pub fn used_bytes(&mut self, command: &ServerCommand) -> Result<u64, String> {
        let field = format!("{}:", command.used_field);
        let info = self.ask("INFO memory")?;
        let found = info.lines().find_map(|line| line.strip_prefix(&field));
        found
            .and_then(|value| value.trim().parse().ok())
            .ok_or_else(|| format!("INFO memory of {} has no number for {field}", command.name))
    }

    /// How many keys it has.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn keys(&mut self) -> Result<u64, String> {
        let answer = self.ask("DBSIZE")?;
        answer
            .trim()
            .parse()
            .map_err(|_| format!("DBSIZE was answered with {answer}"))
    }

    fn wait_until_ready(&mut self, command: &str) -> Result<(), String> {
        let begin = Instant::now();
        while begin.elapsed() < START_TIMEOUT {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("'{command}' ended at once: {status}"));
            }
            if self.ask("PING").is_ok_and(|answer| answer == "PONG") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("'{command}' does not answer"))
    }

    /// The text of a reply to an inline command, without its type.
    fn ask(&mut self, command: &str) -> Result<String, String> {
        self.try_ask(command)
            .map_err(|error| format!("{command} failed: {error}"))
    }

    fn try_ask(&mut self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$') else {
            return Ok(line.get(1..).unwrap_or_default().to_owned());
        };
        let mut text = String::new();
        let length = length.parse().unwrap_or(0);
        reader.take(length).read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::ServerCommand;

    #[test]
    fn commands() {
        let command: ServerCommand =
            "redis=redis-server --port {port} --save '' --maxmemory {bytes}"
                .parse()
                .unwrap();
        assert_eq!(command.name, "redis");
        assert_eq!(command.words[4], "");
        for wrong in [
            "",
            "redis-server {port} {bytes}",
            "a=",
            "a=b {port}",
            "a=b {bytes}",
        ] {
            assert!(wrong.parse::<ServerCommand>().is_err(), "{wrong}");
        }
    }
}
