//! Memory per key: the guide's formula, and what keys take. The formula is written down here once more than in the
//! code that it describes, so that a change there is seen.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use super::super::machine::Machine;
use super::super::memory::resident_bytes;
use super::super::options::Options;
use super::super::servers::{Binaries, FIRST_PORT, Launch, Running, Server};
use super::results::{FormulaCheck, FormulaRow};

const PORT: u16 = FIRST_PORT + 99;
const KEY_BYTES: u64 = 16;
/// Bytes of the table for each key: slots of 8 bytes that are 75 to 88 % full.
const TABLE_BYTES: u64 = 10;
/// Values from this size on have an allocation of their own.
const LARGE_BYTES: u64 = 16 << 10;
/// What such a value takes besides its bytes.
const LARGE_OVERHEAD_BYTES: u64 = 48;
/// Entries up to this size come from slabs with classes of 8 bytes.
const SLAB_BYTES: u64 = 1024;
/// Requests that are sent before their replies are read.
const REQUESTS: u64 = 500;
/// How long a server may take to come to rest before its memory is read.
const REST: Duration = Duration::from_secs(1);

/// What all entries of one measurement are like.
#[derive(Clone, Copy, Debug)]
struct Shape {
    keys: u64,
    value: Value,
    deadline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// A string of so many bytes that is no number.
    Text(u64),
    /// A number.
    Integer,
}

const SHAPES: [Shape; 8] = [
    shape(4_000_000, Value::Integer),
    shape(4_000_000, Value::Text(8)),
    shape(4_000_000, Value::Text(64)),
    Shape {
        deadline: true,
        ..shape(4_000_000, Value::Text(64))
    },
    shape(1_000_000, Value::Text(500)),
    shape(300_000, Value::Text(1_100)),
    shape(100_000, Value::Text(5_000)),
    shape(10_000, Value::Text(50_000)),
];

const fn shape(keys: u64, value: Value) -> Shape {
    Shape {
        keys,
        value,
        deadline: false,
    }
}

impl Shape {
    fn describe(self) -> String {
        let value = match self.value {
            Value::Text(bytes) => format!("value of {bytes}"),
            Value::Integer => "a number".to_owned(),
        };
        let deadline = if self.deadline { ", with EX" } else { "" };
        format!("key of {KEY_BYTES}, {value}{deadline}")
    }

    /// The formula.
    fn planned_bytes(self) -> u64 {
        let deadline = if self.deadline { 8 } else { 0 };
        let (inline, apart) = match self.value {
            Value::Integer => (8, 0),
            Value::Text(bytes) if bytes < LARGE_BYTES => (bytes, 0),
            Value::Text(bytes) => (16, jemalloc_bytes(bytes) + LARGE_OVERHEAD_BYTES),
        };
        let entry = (8 + deadline + KEY_BYTES + inline).next_multiple_of(8);
        let entry = if entry <= SLAB_BYTES {
            entry
        } else {
            jemalloc_bytes(entry)
        };
        entry + apart + TABLE_BYTES
    }

    /// `SET key value`, with a deadline if there is one.
    fn request(self, number: u64) -> String {
        let key = format!("key:{number:012}");
        let value = match self.value {
            Value::Text(bytes) => "x".repeat(bytes as usize),
            Value::Integer => (1_000_000_000 + number).to_string(),
        };
        let words: &[&str] = if self.deadline {
            &["SET", &key, &value, "EX", "100000"]
        } else {
            &["SET", &key, &value]
        };
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        request
    }
}

/// What jemalloc takes for an allocation: four sizes between a power of two and the next.
fn jemalloc_bytes(bytes: u64) -> u64 {
    let step = (1 << ((bytes - 1).ilog2() - 2)).max(16);
    bytes.next_multiple_of(step)
}

/// Fills a new server with each shape.
///
/// # Errors
/// When a server fails.
pub fn measure(
    machine: &Machine,
    options: &Options,
    binaries: &Binaries,
) -> Result<FormulaCheck, String> {
    let mut rows = Vec::new();
    for shape in SHAPES {
        let shape = Shape {
            keys: if options.quick {
                shape.keys / 10
            } else {
                shape.keys
            },
            ..shape
        };
        let server = start(options, binaries)?;
        sleep(REST);
        let empty = resident_bytes(&server)?;
        fill(&server, shape).map_err(|error| format!("cannot write keys: {error}"))?;
        sleep(REST);
        let full = resident_bytes(&server)?;
        let row = FormulaRow {
            shape: shape.describe(),
            keys: shape.keys,
            planned_bytes: shape.planned_bytes() as f64,
            measured_bytes: (full - empty) / shape.keys as f64,
        };
        let (planned, measured) = (row.planned_bytes, row.measured_bytes);
        println!(
            "  {}: {planned:.0} planned, {measured:.1} measured",
            row.shape
        );
        rows.push(row);
    }
    Ok(FormulaCheck {
        machine: machine.clone(),
        rows,
    })
}

fn start(options: &Options, binaries: &Binaries) -> Result<Running, String> {
    let arguments = format!("--server.port {PORT} --server.workers 1 --logging.level warn");
    Launch {
        server: Server::Redistill,
        port: PORT,
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        environment: None,
        cores: Some(options.server_core.to_string()),
    }
    .start(binaries)
}

fn fill(server: &Running, shape: Shape) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
    stream.set_nodelay(true)?;
    let mut number = 0;
    while number < shape.keys {
        let end = shape.keys.min(number + REQUESTS);
        let requests: String = (number..end).map(|number| shape.request(number)).collect();
        stream.write_all(requests.as_bytes())?;
        let mut replies = vec![0; 5 * (end - number) as usize];
        stream.read_exact(&mut replies)?;
        if replies.chunks(5).any(|reply| reply != b"+OK\r\n") {
            let text = String::from_utf8_lossy(&replies).into_owned();
            return Err(std::io::Error::other(text));
        }
        number = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_rounds_as_the_allocators_do() {
        let planned = |value, deadline| {
            let shape = Shape {
                deadline,
                ..shape(1, value)
            };
            shape.planned_bytes()
        };
        assert_eq!(planned(Value::Text(64), false), 88 + 10);
        assert_eq!(planned(Value::Text(64), true), 96 + 10);
        assert_eq!(planned(Value::Text(1), false), 32 + 10);
        assert_eq!(planned(Value::Integer, false), 32 + 10);
        assert_eq!(planned(Value::Text(1000), false), 1024 + 10);
        assert_eq!(planned(Value::Text(1024), false), 1280 + 10);
        assert_eq!(planned(Value::Text(20_000), false), 40 + 20_480 + 48 + 10);
    }

    #[test]
    fn sizes_of_jemalloc() {
        for (bytes, class) in [
            (33, 48),
            (1025, 1280),
            (1281, 1536),
            (16_384, 16_384),
            (16_385, 20_480),
        ] {
            assert_eq!(jemalloc_bytes(bytes), class);
        }
    }
}
