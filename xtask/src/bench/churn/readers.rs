//! Clients that ask for more than they read: each sends many GETs at once, and takes the replies slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use super::super::tail::wire::{Wire, encode, step_back};
use super::phases::NICENESS;

/// What each of them asks for: bytes of the value, and how often. A server that copies small values and one that lends
/// large ones both have something to do.
const ASKED: [(usize, usize); 4] = [
    (200_000, 100),
    (10_000, 2_000),
    (200_000, 100),
    (10_000, 2_000),
];
/// What is read at once, and the time between: some 600 KB a second.
const PART_BYTES: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(100);

/// Readers at work.
pub struct SlowReaders {
    is_over: Arc<AtomicBool>,
    closed: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl SlowReaders {
    /// Starts them, niced, on this core.
    pub fn start(port: u16, core: u32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let closed = Arc::new(AtomicU64::new(0));
        let start = |(index, (value_bytes, count))| {
            let reader = SlowReader {
                port,
                key: format!("slow:{index}"),
                value_bytes,
                count,
                is_over: Arc::clone(&is_over),
                closed: Arc::clone(&closed),
            };
            thread::spawn(move || {
                step_back(core, NICENESS)?;
                reader.run();
                Ok(())
            })
        };
        let threads = ASKED.into_iter().enumerate().map(start).collect();
        SlowReaders {
            is_over,
            closed,
            threads,
        }
    }

    /// Ends them; how often the server has closed one.
    ///
    /// # Errors
    /// When one has failed.
    pub fn end(self) -> Result<u64, String> {
        self.is_over.store(true, Relaxed);
        for thread in self.threads {
            let ended = thread.join();
            ended.map_err(|_| "a slow reader has panicked".to_owned())??;
        }
        Ok(self.closed.load(Relaxed))
    }
}

struct SlowReader {
    port: u16,
    key: String,
    value_bytes: usize,
    count: usize,
    is_over: Arc<AtomicBool>,
    closed: Arc<AtomicU64>,
}

impl SlowReader {
    fn run(&self) {
        while !self.is_over.load(Relaxed) {
            if self.read().is_err() && !self.is_over.load(Relaxed) {
                self.closed.fetch_add(1, Relaxed);
                sleep(PAUSE);
            }
        }
    }

    /// Asks again and again until the server has enough of it.
    fn read(&self) -> Result<(), String> {
        let mut wire = Wire::connect(self.port)?;
        let value = vec![b's'; self.value_bytes];
        let mut requests = Vec::new();
        encode(&[b"SET", self.key.as_bytes(), &value], &mut requests);
        for _ in 0..self.count {
            encode(&[b"GET", self.key.as_bytes()], &mut requests);
        }
        let mut part = vec![0; PART_BYTES];
        while !self.is_over.load(Relaxed) {
            wire.send_bytes(&requests)?;
            // A value that is evicted meanwhile makes replies shorter: they end with that of ECHO.
            wire.send(&[b"ECHO", b"the end"])?;
            let mut last = Vec::new();
            while !last.ends_with(b"the end\r\n") && !self.is_over.load(Relaxed) {
                let count = wire.read_some(&mut part)?;
                last.extend_from_slice(&part[count.saturating_sub(16)..count]);
                last.drain(..last.len().saturating_sub(16));
                sleep(PAUSE);
            }
        }
        Ok(())
    }
}
