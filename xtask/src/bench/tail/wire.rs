//! A connection for single commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

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
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let mut stream = self.stream.get_ref();
        stream
            .write_all(&request)
            .map_err(|error| error.to_string())
    }

    /// Sends one command, and reads a reply that is one line or a bulk string.
    ///
    /// # Errors
    /// When the connection breaks or the server answers with an error.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<String, String> {
        self.send(words)?;
        let broken = |error: std::io::Error| error.to_string();
        let mut line = String::new();
        self.stream.read_line(&mut line).map_err(broken)?;
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
