//! A connection for single commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use rustix::thread::{CpuSet, sched_setaffinity};

/// One connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .map_err(|error| format!("port {port}: {error}"))?;
        let stream = BufReader::new(stream);
        Ok(Wire { stream })
    }

    /// Sends one command.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let mut request = Vec::new();
        encode(words, &mut request);
        self.send_bytes(&request)
    }

    /// Sends requests.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_bytes(&mut self, requests: &[u8]) -> Result<(), String> {
        let mut stream = self.stream.get_ref();
        stream
            .write_all(requests)
            .map_err(|error| error.to_string())
    }

    /// Reads a reply that is one line.
    ///
    /// # Errors
    /// When the connection breaks or ends.
    pub fn read_line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err("the server has closed the connection".to_owned()),
            Ok(_) => Ok(line),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends one command, and reads a reply that is one line or a bulk string.
    ///
    /// # Errors
    /// When the connection breaks or the server answers with an error.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<String, String> {
        self.send(words)?;
        let broken = |error: std::io::Error| error.to_string();
        let line = self.read_line()?;
        let line = line.trim_end();
        if let Some(length) = line.strip_prefix('$') {
            let length: usize = length.parse().unwrap_or(0);
            let mut bytes = vec![0; length + 2];
            self.stream.read_exact(&mut bytes).map_err(broken)?;
            bytes.truncate(length);
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        if line.is_empty() || line.starts_with('-') {
            let command = String::from_utf8_lossy(words.first().unwrap_or(&&b""[..]));
            return Err(format!("{command} was answered with '{line}'"));
        }
        Ok(line.to_owned())
    }

    /// Reads at most as much as `place` takes.
    ///
    /// # Errors
    /// When the connection breaks or ends.
    pub fn read_some(&mut self, place: &mut [u8]) -> Result<usize, String> {
        match self.stream.read(place) {
            Ok(0) => Err("the server has closed the connection".to_owned()),
            Ok(count) => Ok(count),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Adds a request to others.
pub fn encode(words: &[&[u8]], requests: &mut Vec<u8>) {
    requests.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        requests.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        requests.extend_from_slice(word);
        requests.extend_from_slice(b"\r\n");
    }
}

/// Niced, and on this core only. On Linux, both concern the calling thread alone.
///
/// # Errors
/// When that is not allowed.
pub fn step_back(core: u32, niceness: i32) -> Result<(), String> {
    let mut cores = CpuSet::new();
    cores.set(core as usize);
    sched_setaffinity(None, &cores).map_err(|error| error.to_string())?;
    rustix::process::nice(niceness).map_err(|error| error.to_string())?;
    Ok(())
}
