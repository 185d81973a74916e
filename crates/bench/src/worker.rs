//! One thread of load: many nonblocking connections, one send buffer, one receive buffer.
//!
//! Closed loop: a connection gets its next batch when the last reply has arrived. Open loop (`rate`): batches are
//! due at fixed times, go to whichever connection is free, and their latency counts from the time at which they
//! were due, so that a slow server cannot hide behind requests that were never sent.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use crate::connection::Connection;
use crate::cpu;
use crate::encode::Pipeline;
use crate::keys::{KeyOrder, KeyPicker};
use crate::replies::{Checker, Tally};
use crate::timer::Timer;
use crate::workload::Workload;

/// The timer's token; connections have small numbers.
const TIMER: Token = Token(usize::MAX);
const INPUT_BYTES: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;
/// The longest sleep, after which a stop or a stall is noticed.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// Sleeping is exact to a millisecond only; the rest of the time to the next batch is spent polling.
const SLEEP_GRANULE: Duration = Duration::from_millis(1);
/// Latencies above this are recorded as this.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// What all threads of a run do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The requests.
    pub workload: Workload,
    /// How keys are picked.
    pub order: KeyOrder,
    /// Key numbers are below this.
    pub keyspace: u64,
    /// Requests in one batch.
    pub pipeline: usize,
    /// Requests in all, if limited.
    pub requests: Option<u64>,
    /// When to stop sending, if limited.
    pub duration: Option<Duration>,
    /// Requests per second of all threads together; `None` for a closed loop.
    pub rate: Option<f64>,
    /// What to do between requests of an open loop.
    pub between: Between,
    /// How long replies may fail to come before the run fails.
    pub stall: Duration,
    /// From what on requests are listed one by one.
    pub slow: Option<Duration>,
    /// Makes the random choices reproducible.
    pub seed: u64,
}

/// How a thread of an open loop waits for the time of its next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Polling: exact, and keeps a core busy.
    Poll,
    /// Sleeping with a timer.
    Sleep,
}

/// What the threads of a run share.
#[derive(Debug, Default)]
pub struct Shared {
    /// The next key of a run in key order.
    pub cursor: AtomicU64,
    /// Set when a thread has failed.
    pub stop: AtomicBool,
}

/// What a thread shows of itself while it runs; alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Gauge {
    /// Replies so far.
    pub replies: AtomicU64,
}

/// What a thread found.
#[derive(Debug)]
pub struct Outcome {
    /// Latency of each request in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// When requests that took longer than [`Plan::slow`] were due, and how long they took.
    pub slow: Vec<(Instant, Duration)>,
    /// Replies.
    pub tally: Tally,
    /// CPU time of the thread.
    pub cpu_ns: u64,
    /// When the first request was sent.
    pub started: Instant,
    /// When the last reply had arrived.
    pub ended: Instant,
}

/// An empty histogram, for `Outcome` and for sums of them.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are valid")
}

/// The part of `total` that thread `index` of `threads` gets.
pub fn share_of(total: u64, index: usize, threads: usize) -> u64 {
    let (index, threads) = (index as u64, threads as u64);
    total / threads + u64::from(index < total % threads)
}

/// A thread at work.
pub struct Worker<'a> {
    connections: &'a mut [Connection],
    shared: &'a Shared,
    gauge: &'a Gauge,
    poll: Poll,
    pipeline: Pipeline,
    pipeline_depth: usize,
    checker: Checker,
    picker: KeyPicker<'a>,
    input: Vec<u8>,
    requests_left: u64,
    deadline: Option<Instant>,
    in_flight: u64,
    schedule: Option<Schedule>,
    stall: Duration,
    slow_from: Duration,
    slow: Vec<(Instant, Duration)>,
    latency_ns: Histogram<u64>,
    tally: Tally,
}

/// When batches are due in an open loop.
struct Schedule {
    interval: Duration,
    due: Instant,
    /// Connections without a batch.
    idle: VecDeque<usize>,
    timer: Option<Timer>,
}

impl<'a> Worker<'a> {
    /// Thread `index` of `threads`, with its own connections.
    ///
    /// # Errors
    /// When the system refuses to poll the connections.
    pub fn new(
        plan: &Plan,
        index: usize,
        threads: usize,
        connections: &'a mut [Connection],
        shared: &'a Shared,
        gauge: &'a Gauge,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (token, connection) in connections.iter_mut().enumerate() {
            connection.register(poll.registry(), Token(token))?;
        }
        let seed = plan
            .seed
            .wrapping_add((index as u64).wrapping_mul(0xA24B_AED4_963E_E407));
        let schedule = match plan.rate {
            None => None,
            Some(rate) => Some(Schedule {
                interval: Duration::from_secs_f64(plan.pipeline as f64 * threads as f64 / rate),
                due: Instant::now(),
                idle: (0..connections.len()).collect(),
                timer: match plan.between {
                    Between::Poll => None,
                    Between::Sleep => Some(Timer::new(poll.registry(), TIMER)?),
                },
            }),
        };
        Ok(Worker {
            connections,
            shared,
            gauge,
            poll,
            pipeline: Pipeline::new(
                plan.workload.templates.clone(),
                plan.workload.first_share,
                plan.pipeline,
            ),
            pipeline_depth: plan.pipeline,
            checker: Checker::new(&plan.workload.shapes, plan.pipeline),
            picker: KeyPicker::new(plan.order, plan.keyspace, &shared.cursor, seed),
            input: vec![0; INPUT_BYTES],
            requests_left: plan
                .requests
                .map_or(u64::MAX, |total| share_of(total, index, threads)),
            deadline: None,
            in_flight: 0,
            schedule,
            stall: plan.stall,
            slow_from: plan.slow.unwrap_or(Duration::MAX),
            slow: Vec::new(),
            latency_ns: latency_histogram(),
            tally: Tally::default(),
        })
    }

    /// Runs until all requests are answered, or sending has ended at the deadline and the rest is answered.
    ///
    /// # Errors
    /// When a connection breaks, the server sends nonsense, or replies fail to come.
    pub fn run(mut self, duration: Option<Duration>) -> io::Result<Outcome> {
        let cpu_before = cpu::thread_ns();
        let started = Instant::now();
        self.deadline = duration.map(|duration| started + duration);
        match &mut self.schedule {
            Some(schedule) => schedule.due = started,
            None => {
                for index in 0..self.connections.len() {
                    self.issue(index, Instant::now())?;
                }
            }
        }
        self.serve()?;
        let ended = Instant::now();
        for connection in self.connections.iter_mut() {
            connection.deregister(self.poll.registry())?;
        }
        Ok(Outcome {
            latency_ns: self.latency_ns,
            slow: self.slow,
            tally: self.tally,
            cpu_ns: cpu::thread_ns() - cpu_before,
            started,
            ended,
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut replies_before = 0;
        let mut progress_at = Instant::now();
        loop {
            let sleep = self.issue_due()?;
            if self.in_flight == 0 && self.requests_left == 0 {
                return Ok(());
            }
            self.wait(&mut events, sleep)?;
            for event in &events {
                if event.token() == TIMER {
                    continue;
                }
                let index = event.token().0;
                if event.is_writable() && self.connections[index].has_unsent() {
                    self.connections[index].flush()?;
                }
                if event.is_readable() || event.is_error() {
                    self.receive(index)?;
                }
            }
            self.gauge
                .replies
                .store(self.tally.replies, Ordering::Relaxed);
            if self.tally.replies != replies_before {
                replies_before = self.tally.replies;
                progress_at = Instant::now();
            } else if self.in_flight > 0 && progress_at.elapsed() > self.stall {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no reply for {} s", self.stall.as_secs()),
                ));
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("another thread has failed"));
            }
        }
    }

    fn wait(&mut self, events: &mut Events, sleep: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(sleep)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Open loop: sends the batches that are due and have a free connection. Returns how long to sleep.
    fn issue_due(&mut self) -> io::Result<Duration> {
        let Some(mut schedule) = self.schedule.take() else {
            return Ok(SLEEP_MAX);
        };
        let now = Instant::now();
        self.stop_at_deadline(now);
        while schedule.due <= now && self.requests_left > 0 {
            let Some(index) = schedule.idle.pop_front() else {
                break;
            };
            self.issue(index, schedule.due)?;
            schedule.due += schedule.interval;
        }
        let until_due = schedule.due.saturating_duration_since(now);
        let sleep = if schedule.idle.is_empty() || self.requests_left == 0 {
            SLEEP_MAX
        } else if let Some(timer) = &schedule.timer {
            timer.start(until_due)?;
            SLEEP_MAX
        } else {
            until_due.saturating_sub(2 * SLEEP_GRANULE).min(SLEEP_MAX)
        };
        self.schedule = Some(schedule);
        Ok(sleep)
    }

    #[inline]
    fn stop_at_deadline(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.requests_left = 0;
        }
    }

    /// Sends the next batch, if there is one left.
    #[inline]
    fn issue(&mut self, index: usize, since: Instant) -> io::Result<()> {
        let count = self.requests_left.min(self.pipeline_depth as u64) as usize;
        if count == 0 {
            return Ok(());
        }
        let connection = &mut self.connections[index];
        self.requests_left -= count as u64;
        self.in_flight += count as u64;
        connection.awaited = count;
        connection.answered = 0;
        connection.since = since;
        let bytes = self
            .pipeline
            .fill(count, &mut self.picker, &mut connection.kinds);
        connection.send(bytes)
    }

    /// Takes what has arrived on a connection, and sends its next batch when this one is answered.
    #[inline]
    fn receive(&mut self, index: usize) -> io::Result<()> {
        loop {
            let connection = &mut self.connections[index];
            let kept = connection.residue.len();
            self.input[..kept].copy_from_slice(&connection.residue);
            let Some(count) = connection.receive(&mut self.input[kept..])? else {
                return Ok(());
            };
            let bytes = &self.input[..kept + count];
            let drained = bytes.len() < self.input.len();
            let kinds = connection
                .kinds
                .get(connection.answered..)
                .unwrap_or_default();
            let taken = self
                .checker
                .check(
                    bytes,
                    connection.awaited,
                    kinds,
                    &mut connection.partial,
                    &mut self.tally,
                )
                .map_err(|malformed| {
                    io::Error::new(io::ErrorKind::InvalidData, malformed.to_string())
                })?;
            connection.residue.clear();
            connection.residue.extend_from_slice(&bytes[taken.bytes..]);
            connection.answered += taken.replies;
            connection.awaited -= taken.replies;
            self.in_flight -= taken.replies as u64;
            if taken.replies > 0 {
                let now = Instant::now();
                let latency = now.saturating_duration_since(connection.since);
                let latency_ns = latency.as_nanos() as u64;
                self.latency_ns
                    .saturating_record_n(latency_ns.max(1), taken.replies as u64);
                if latency > self.slow_from {
                    self.slow.push((connection.since, latency));
                }
                if connection.awaited == 0 {
                    self.complete(index, now)?;
                }
            } else if connection.awaited == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the server sent a reply too many",
                ));
            }
            if drained {
                return Ok(());
            }
        }
    }

    #[inline]
    fn complete(&mut self, index: usize, now: Instant) -> io::Result<()> {
        if let Some(schedule) = &mut self.schedule {
            schedule.idle.push_back(index);
            return Ok(());
        }
        self.stop_at_deadline(now);
        self.issue(index, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (total, threads) in [(10, 3), (0, 2), (1, 4), (1_000_000, 7)] {
            let shares: Vec<u64> = (0..threads)
                .map(|index| share_of(total, index, threads))
                .collect();
            assert_eq!(shares.iter().sum::<u64>(), total);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
