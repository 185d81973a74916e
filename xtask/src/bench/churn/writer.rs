//! A client that writes: values of the phase's sizes, some of which expire, and deletes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::super::tail::wire::{Wire, encode, step_back};
use super::phases::{
    BYTES_PER_SECOND, DELETES_PERCENT, EXPIRING_PERCENT, KEYS, LIFETIME_MS_MAX, NICENESS, Pace,
    Phase, WRITES_PER_SECOND,
};

/// Writers, each with a connection and a thread.
const WRITERS: u64 = 2;
/// How often a writer sends.
const PERIOD: Duration = Duration::from_millis(5);
/// The most that a writer sends before it reads the replies.
const BATCH_BYTES_MAX: usize = 512 << 10;
/// What a writer remembers of the keys that it has written.
const RECENT_KEYS: usize = 10_000;

/// What all writers have done.
#[derive(Debug, Default)]
pub struct Written {
    /// Commands.
    pub commands: AtomicU64,
    /// Bytes of values.
    pub bytes: AtomicU64,
    /// Answers that there is no memory.
    pub refused: AtomicU64,
    /// Other errors.
    pub errors: AtomicU64,
}

/// Writers at work.
pub struct Writers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

struct Shared {
    phases: Vec<Phase>,
    current: AtomicUsize,
    is_over: AtomicBool,
    written: Written,
}

impl Writers {
    /// Starts them, niced, on this core. They begin with the first phase.
    ///
    /// # Errors
    /// When one cannot connect.
    pub fn start(port: u16, core: u32, phases: Vec<Phase>) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            phases,
            current: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            written: Written::default(),
        });
        let mut threads = Vec::new();
        for seed in 1..=WRITERS {
            let wire = Wire::connect(port)?;
            let shared = Arc::clone(&shared);
            threads.push(thread::spawn(move || {
                step_back(core, NICENESS)?;
                Writer::new(wire, seed, shared).run()
            }));
        }
        Ok(Writers { shared, threads })
    }

    /// Goes on to this phase.
    pub fn set_phase(&self, phase: usize) {
        self.shared.current.store(phase, Relaxed);
    }

    /// What they have done so far.
    pub fn written(&self) -> &Written {
        &self.shared.written
    }

    /// Ends them.
    ///
    /// # Errors
    /// When one has failed.
    pub fn end(self) -> Result<(), String> {
        self.shared.is_over.store(true, Relaxed);
        for thread in self.threads {
            let ended = thread.join();
            ended.map_err(|_| "a writer has panicked".to_owned())??;
        }
        Ok(())
    }
}

struct Writer {
    wire: Wire,
    random: Random,
    shared: Arc<Shared>,
    recent: Vec<u64>,
    value: Vec<u8>,
    batch: Vec<u8>,
}

impl Writer {
    fn new(wire: Wire, seed: u64, shared: Arc<Shared>) -> Self {
        let largest = shared
            .phases
            .iter()
            .map(|phase| phase.value_bytes_max)
            .max();
        Writer {
            wire,
            random: Random(seed),
            shared,
            recent: vec![0; RECENT_KEYS],
            value: vec![b'v'; largest.unwrap_or(0) as usize],
            batch: Vec::new(),
        }
    }

    /// Sends what is due every few milliseconds. What could not be sent in time is not made up for.
    fn run(mut self) -> Result<(), String> {
        while !self.shared.is_over.load(Relaxed) {
            let started = Instant::now();
            let phase = self.shared.phases[self.shared.current.load(Relaxed)];
            let share = |per_second: u64| per_second * PERIOD.as_millis() as u64 / 1000 / WRITERS;
            let due = match phase.pace {
                Pace::Still => None,
                Pace::Churn => Some((share(BYTES_PER_SECOND), share(WRITES_PER_SECOND))),
                Pace::Flood => Some((u64::MAX, 1000)),
            };
            if let Some((bytes, writes)) = due {
                self.write(&phase, bytes, writes)?;
            }
            if phase.pace != Pace::Flood {
                sleep(PERIOD.saturating_sub(started.elapsed()));
            }
        }
        Ok(())
    }

    fn write(&mut self, phase: &Phase, bytes: u64, writes: u64) -> Result<(), String> {
        let mut left = i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut pending = 0;
        for _ in 0..writes {
            // A large value is written as often as its part of what is due says.
            if left <= 0 {
                break;
            }
            let size = self.size(phase);
            if size as i64 > left && self.random.below(size) >= left.unsigned_abs() {
                break;
            }
            left -= self.add(size);
            pending += 1;
            if self.batch.len() >= BATCH_BYTES_MAX {
                self.exchange(std::mem::take(&mut pending))?;
            }
        }
        self.exchange(pending)
    }

    /// A size of which each doubling is as likely as the next.
    fn size(&mut self, phase: &Phase) -> u64 {
        let ratio = phase.value_bytes_max as f64 / phase.value_bytes_min as f64;
        let part = self.random.below(1 << 20) as f64 / f64::from(1 << 20);
        (phase.value_bytes_min as f64 * ratio.powf(part)) as u64
    }

    /// Adds one command to the batch; the bytes that it writes.
    fn add(&mut self, size: u64) -> i64 {
        let kind = self.random.below(100);
        let at = self.random.below(RECENT_KEYS as u64) as usize;
        if kind < DELETES_PERCENT {
            let key = format!("churn:{}", self.recent[at]);
            encode(&[b"DEL", key.as_bytes()], &mut self.batch);
            return 1;
        }
        self.recent[at] = self.random.below(KEYS);
        let key = format!("churn:{}", self.recent[at]);
        let value = &self.value[..size as usize];
        if kind < DELETES_PERCENT + EXPIRING_PERCENT {
            let lifetime = (1 + self.random.below(LIFETIME_MS_MAX)).to_string();
            let words = [b"SET", key.as_bytes(), value, b"PX", lifetime.as_bytes()];
            encode(&words, &mut self.batch);
        } else {
            encode(&[b"SET", key.as_bytes(), value], &mut self.batch);
        }
        self.shared.written.bytes.fetch_add(size, Relaxed);
        size as i64
    }

    /// Sends the batch, and reads as many replies.
    fn exchange(&mut self, replies: u64) -> Result<(), String> {
        self.wire.send_bytes(&self.batch)?;
        self.batch.clear();
        let written = &self.shared.written;
        for _ in 0..replies {
            match self.wire.read_line()? {
                line if line.starts_with("-OOM") => written.refused.fetch_add(1, Relaxed),
                line if line.starts_with('-') => written.errors.fetch_add(1, Relaxed),
                _ => 0,
            };
        }
        written.commands.fetch_add(replies, Relaxed);
        Ok(())
    }
}

/// Random numbers (Vigna, *splitmix64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % end.max(1)
    }
}
