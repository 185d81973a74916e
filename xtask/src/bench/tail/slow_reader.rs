//! A client that asks for large values and reads them slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::wire::{Wire, step_back};

/// Bytes of the value.
pub const VALUE_BYTES: usize = 10_000_000;
const KEY: &[u8] = b"slow:value";
/// What is read at once, and the time between: 16 MB a second.
const PART_BYTES: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(4);

/// Writes the value.
///
/// # Errors
/// When the server does not take it.
pub fn prepare(port: u16) -> Result<(), String> {
    let value = vec![b'x'; VALUE_BYTES];
    Wire::connect(port)?.ask(&[b"SET", KEY, &value]).map(drop)
}

/// A reader at work, on a thread of its own.
pub struct SlowReader {
    stop: Arc<AtomicBool>,
    started: Instant,
    thread: JoinHandle<Result<(), String>>,
}

impl SlowReader {
    /// Begins to read, niced, on this core.
    ///
    /// # Errors
    /// When it cannot connect.
    pub fn start(port: u16, core: u32) -> Result<Self, String> {
        let mut wire = Wire::connect(port)?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            step_back(core, 19)?;
            while !is_over.load(Relaxed) {
                read_one(&mut wire, &is_over)?;
            }
            Ok(())
        });
        Ok(SlowReader {
            stop,
            started: Instant::now(),
            thread,
        })
    }

    /// Ends it; how many seconds it has read.
    ///
    /// # Errors
    /// When it has failed.
    pub fn end(self) -> Result<f64, String> {
        self.stop.store(true, Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| "the slow reader has panicked".to_owned())??;
        Ok(self.started.elapsed().as_secs_f64())
    }
}

fn read_one(wire: &mut Wire, is_over: &AtomicBool) -> Result<(), String> {
    wire.send(&[b"GET", KEY])?;
    let mut part = vec![0; PART_BYTES];
    let mut left = format!("${VALUE_BYTES}\r\n").len() + VALUE_BYTES + 2;
    while left > 0 && !is_over.load(Relaxed) {
        let room = left.min(PART_BYTES);
        left -= wire.read_some(&mut part[..room])?;
        sleep(PAUSE);
    }
    Ok(())
}
