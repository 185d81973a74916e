//! Requests over one connection: GETs for the keys of an id, and SETs for those that were missing.
//!
//! The SETs travel together with the GETs of the next id, so an id costs one round trip, and the server executes
//! exactly what a patient client would have sent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// Room for the replies of a batch; it grows where they are longer.
const REPLIES_BYTES: usize = 64 * 1024;
/// How far the replay may be ahead of its rate before it sleeps.
const AHEAD_MAX: Duration = Duration::from_millis(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Misses {
    /// Keys asked for.
    pub requests: u64,
    /// Keys that were not there.
    pub count: u64,
    /// Replies that were errors.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

impl Misses {
    /// The share of the requests that missed.
    pub fn ratio(&self) -> f64 {
        self.count as f64 / self.requests.max(1) as f64
    }
}

/// A connection that replays.
pub struct Replay {
    stream: TcpStream,
    keys_per_id: usize,
    value: Vec<u8>,
    /// Requests to be sent.
    requests: Vec<u8>,
    received: Vec<u8>,
    received_bytes: usize,
    /// How many SETs lie before the GETs of `requests`.
    sets: usize,
    misses: Misses,
}

/// A reply, as far as it matters here.
enum Reply {
    /// A value, or OK.
    Found,
    Missing,
    Error(String),
}

impl Replay {
    /// Connects to a server on 127.0.0.1.
    ///
    /// # Errors
    /// When that fails.
    pub fn new(port: u16, keys_per_id: usize, value_bytes: usize) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Replay {
            stream,
            keys_per_id,
            value: vec![b'v'; value_bytes],
            requests: Vec::new(),
            received: vec![0; REPLIES_BYTES],
            received_bytes: 0,
            sets: 0,
            misses: Misses::default(),
        })
    }

    /// Stores the keys of the first ids.
    ///
    /// # Errors
    /// When the connection breaks, or the server refuses.
    pub fn fill(&mut self, ids: usize) -> Result<(), String> {
        for id in 0..ids as u32 {
            for number in 0..self.keys_per_id {
                self.add_set(id, number);
            }
            self.exchange(None)?;
        }
        match self.misses.first_error.take() {
            None => Ok(()),
            Some(error) => Err(format!("SET was answered with {error}")),
        }
    }

    /// Requests every id in turn, at most at the rate in ids per second.
    ///
    /// # Errors
    /// When the connection breaks; errors of the server are counted.
    pub fn run(&mut self, ids: &[u32], rate: Option<f64>) -> Result<Misses, String> {
        self.misses = Misses::default();
        let begin = Instant::now();
        for (done, &id) in ids.iter().enumerate() {
            if let Some(rate) = rate {
                keep_rate(begin, Duration::from_secs_f64(done as f64 / rate));
            }
            for number in 0..self.keys_per_id {
                self.add_get(id, number);
            }
            self.exchange(Some(id))?;
        }
        self.exchange(None)?;
        Ok(std::mem::take(&mut self.misses))
    }

    fn add_get(&mut self, id: u32, number: usize) {
        self.requests
            .extend_from_slice(b"*2\r\n$3\r\nGET\r\n$16\r\n");
        push_key(&mut self.requests, id, number);
        self.requests.extend_from_slice(b"\r\n");
    }

    fn add_set(&mut self, id: u32, number: usize) {
        self.requests
            .extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
        push_key(&mut self.requests, id, number);
        let head = format!("\r\n${}\r\n", self.value.len());
        self.requests.extend_from_slice(head.as_bytes());
        self.requests.extend_from_slice(&self.value);
        self.requests.extend_from_slice(b"\r\n");
        self.sets += 1;
    }

    /// Sends what there is, and reads the replies: of the SETs, and of the GETs for the keys of an id. Prepares SETs
    /// for those that were missing.
    fn exchange(&mut self, asked: Option<u32>) -> Result<(), String> {
        let broken = |error: io::Error| format!("the connection broke: {error}");
        self.stream.write_all(&self.requests).map_err(broken)?;
        self.requests.clear();
        let mut at = 0;
        for _ in 0..std::mem::take(&mut self.sets) {
            let reply = self.reply(&mut at).map_err(broken)?;
            self.count_error(reply);
        }
        let Some(id) = asked else {
            self.received_bytes = 0;
            return Ok(());
        };
        for number in 0..self.keys_per_id {
            self.misses.requests += 1;
            match self.reply(&mut at).map_err(broken)? {
                Reply::Found => {}
                Reply::Missing => {
                    self.misses.count += 1;
                    self.add_set(id, number);
                }
                error @ Reply::Error(_) => self.count_error(error),
            }
        }
        self.received_bytes = 0;
        Ok(())
    }

    fn count_error(&mut self, reply: Reply) {
        if let Reply::Error(text) = reply {
            self.misses.errors += 1;
            self.misses.first_error.get_or_insert(text);
        }
    }

    /// The reply that begins at `at`, which moves behind it.
    fn reply(&mut self, at: &mut usize) -> io::Result<Reply> {
        let line_end = loop {
            let unread = &self.received[*at..self.received_bytes];
            match memchr::memchr(b'\n', unread) {
                Some(length) => break *at + length + 1,
                None => self.receive()?,
            }
        };
        let line = &self.received[*at..line_end].trim_ascii_end();
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "a reply that is none");
        let (reply, bytes) = match line {
            [b'$', b'-', ..] | [b'_'] => (Reply::Missing, 0),
            [b'$', digits @ ..] => {
                let digits = std::str::from_utf8(digits).ok();
                let length: usize = digits
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(malformed)?;
                (Reply::Found, length + 2)
            }
            [b'+', ..] => (Reply::Found, 0),
            [b'-', text @ ..] => (Reply::Error(String::from_utf8_lossy(text).into_owned()), 0),
            _ => return Err(malformed()),
        };
        *at = line_end + bytes;
        while self.received_bytes < *at {
            self.receive()?;
        }
        Ok(reply)
    }

    fn receive(&mut self) -> io::Result<()> {
        if self.received_bytes == self.received.len() {
            self.received.resize(self.received.len() * 2, 0);
        }
        let count = self
            .stream
            .read(&mut self.received[self.received_bytes..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received_bytes += count;
        Ok(())
    }
}

/// A key of 16 bytes.
fn push_key(requests: &mut Vec<u8>, id: u32, number: usize) {
    // Writing to a vector does not fail.
    let _ = write!(requests, "k:{id:010}:{number:03}");
}

fn keep_rate(begin: Instant, due: Duration) {
    let ahead = due.saturating_sub(begin.elapsed());
    if ahead > AHEAD_MAX {
        std::thread::sleep(ahead);
    }
}
