//! A plain client of the HTTP endpoint: sends raw bytes, reads answers strictly.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::{Launch, Server, Target, free_port};
use crate::waiting::until;

/// How long an answer may take before a test fails.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// What it says.
    pub body: String,
}

impl Answer {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = &found.next().expect(name).1;
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }
}

/// A server, and the port of its endpoint.
pub struct Site {
    /// The server.
    pub server: Server,
    /// Its HTTP port, at 127.0.0.1.
    pub port: u16,
}

impl Site {
    /// Starts one with these flags.
    pub fn start(target: Target, flags: &[&str]) -> Self {
        Self::launch(Launch {
            flags,
            ..Launch::new(target)
        })
    }

    /// Starts one, and waits until it is ready.
    pub fn launch(launch: Launch<'_>) -> Self {
        let port = free_port();
        let text = port.to_string();
        let flags = [launch.flags, &["--server.health_check_port", &text]].concat();
        let server = Launch {
            flags: &flags,
            ..launch
        }
        .start();
        let site = Self { server, port };
        until(ANSWER_TIMEOUT, "it becomes ready", || {
            Connection::open(port).is_ok() && site.get("/ready").status == 200
        });
        site
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.port).expect("a connection")
    }

    /// What a path is answered.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, "")
    }

    /// The same, with further headers, each with its line end.
    pub fn ask(&self, path: &str, headers: &str) -> Answer {
        let mut connection = self.connect();
        connection.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ));
        connection.read().expect("an answer")
    }
}

/// A connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends something. That the server has closed already shows when its answer is read.
    pub fn send(&mut self, text: &str) {
        let _ = self.stream.get_mut().write_all(text.as_bytes());
    }

    /// Reads an answer with its body.
    pub fn read(&mut self) -> io::Result<Answer> {
        let mut answer = self.read_head()?;
        let length = answer.header("content-length").parse().expect("a length");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).expect("text");
        Ok(answer)
    }

    /// Reads an answer that has no body.
    pub fn read_head(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        let first = self.line()?;
        let rest = first.strip_prefix("HTTP/1.1 ").expect("a status line");
        answer.status = rest[..3].parse().expect("a status");
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(answer);
            }
            let (name, value) = line.split_once(": ").expect("a header");
            answer.headers.push((name.to_lowercase(), value.to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let text = line.strip_suffix("\r\n");
        text.map(str::to_owned)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Whether the server closes it, whatever it sends before.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
