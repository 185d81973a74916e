//! Whether keys go when their time is up: fills a running server with keys whose deadlines are spread over some time,
//! and compares DBSIZE with what should be left.
//!
//! `cargo run --release -p redistill-benchmark --example expiry -- PORT [KEYS] [SECONDS] [DELAY]`: deadlines lie within
//! SECONDS, DELAY seconds after the last key was sent (1,000,000, 60 and 1). With `1000000 1 5`, all go within a second.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Requests that are sent together.
const PIPELINE: usize = 1_000;
/// How often DBSIZE is asked for.
const LOOK: Duration = Duration::from_millis(50);
/// How long sending a million keys may take, in milliseconds.
const SENDING_MS: u64 = 10_000;

type Failure = Box<dyn Error>;

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    fn connect(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            input: Vec::new(),
        })
    }

    /// Sends requests and waits for as many lines.
    fn exchange(&mut self, requests: &[u8], lines: usize) -> Result<String, Failure> {
        self.stream.write_all(requests)?;
        self.input.clear();
        let mut buffer = [0; 1 << 16];
        while self.input.iter().filter(|byte| **byte == b'\n').count() < lines {
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err("the server has closed the connection".into());
            }
            self.input.extend_from_slice(&buffer[..count]);
        }
        Ok(String::from_utf8_lossy(&self.input).into_owned())
    }

    fn database_size(&mut self) -> Result<u64, Failure> {
        let reply = self.exchange(b"DBSIZE\r\n", 1)?;
        Ok(reply.trim_start_matches(':').trim().parse()?)
    }

    /// The lines of INFO that have one of these words.
    fn info(&mut self, words: &[&str]) -> Result<Vec<String>, Failure> {
        // The last line of the last section.
        self.stream.write_all(b"INFO everything\r\nPING\r\n")?;
        let mut text = Vec::new();
        let mut buffer = [0; 1 << 16];
        while !text.ends_with(b"+PONG\r\n") {
            let count = self.stream.read(&mut buffer)?;
            text.extend_from_slice(&buffer[..count]);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let is_wanted = |line: &&str| words.iter().any(|word| line.contains(word));
        Ok(text.lines().filter(is_wanted).map(str::to_owned).collect())
    }
}

fn now_ms() -> Result<u64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(now.as_millis())?)
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: Option<u64>| match arguments.next() {
        Some(text) => text.parse().map_err(Failure::from),
        None => default.ok_or_else(|| "the port is missing".into()),
    };
    let port = u16::try_from(number(None)?)?;
    let (keys, seconds, delay) = (
        number(Some(1_000_000))?,
        number(Some(60))?,
        number(Some(1))?,
    );
    let mut client = Client::connect(port)?;
    client.exchange(b"FLUSHALL\r\n", 1)?;

    let sending_ms = SENDING_MS * keys.div_ceil(1_000_000);
    let begin_ms = now_ms()? + sending_ms + delay * 1000;
    let deadline_ms = |key: u64| begin_ms + key * seconds * 1000 / keys;
    fill(&mut client, keys, deadline_ms)?;
    println!(
        "{keys} keys are there, the first goes in {} ms: {:?}",
        begin_ms - now_ms()?,
        client.info(&["db0:"])?
    );
    client.exchange(b"CONFIG RESETSTAT\r\n", 1)?;

    watch(&mut client, keys, begin_ms, seconds * 1000)?;
    for line in client.info(&["expire", "worker", "used_cpu_user:"])? {
        println!("{line}");
    }
    Ok(())
}

/// Sends the keys in an order that has nothing to do with their deadlines.
fn fill(client: &mut Client, keys: u64, deadline_ms: impl Fn(u64) -> u64) -> Result<(), Failure> {
    let value = "x".repeat(64);
    let mut requests = Vec::new();
    for from in (0..keys).step_by(PIPELINE) {
        requests.clear();
        let to = keys.min(from + PIPELINE as u64);
        for number in from..to {
            // The step has no divisor in common with round numbers.
            let key = number * 7_368_787 % keys;
            let at = deadline_ms(key);
            writeln!(requests, "SET key:{key:012} {value} PXAT {at}\r")?;
        }
        client.exchange(&requests, usize::try_from(to - from)?)?;
    }
    Ok(())
}

/// Compares DBSIZE with the model until all should have gone.
fn watch(client: &mut Client, keys: u64, begin_ms: u64, spread_ms: u64) -> Result<(), Failure> {
    let (mut overdue_max, mut overdue_sum, mut looks) = (0, 0, 0);
    let mut next = Instant::now();
    loop {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += LOOK;
        // What had gone by the time of the question is what should be gone in the answer.
        let passed_ms = now_ms()?.saturating_sub(begin_ms).min(spread_ms);
        let left = keys - passed_ms * keys / spread_ms;
        let there = client.database_size()?;
        let overdue = there.saturating_sub(left);
        overdue_max = overdue_max.max(overdue);
        overdue_sum += overdue;
        looks += 1;
        if there == 0 {
            break;
        }
        if now_ms()? > begin_ms + spread_ms + 10_000 {
            return Err(format!("{there} keys are still there").into());
        }
    }
    let percent = |keys: f64, of: u64| 100.0 * keys / of as f64;
    println!(
        "overdue, of {keys} keys: {overdue_max} at most ({:.3} %), {:.3} % in the mean of {looks} looks; all had gone \
         {} ms after the last was due",
        percent(overdue_max as f64, keys),
        percent(f64::from(overdue_sum as u32) / f64::from(looks), keys),
        now_ms()?.saturating_sub(begin_ms + spread_ms),
    );
    Ok(())
}
