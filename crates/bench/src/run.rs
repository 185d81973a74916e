//! Runs a plan on all threads and adds up what they found.

use std::io;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connection::{Address, Connection, Login};
use crate::cpu::{CpuSpent, ProcessCpu};
use crate::pauses::monotonic_us;
use crate::replies::Tally;
use crate::worker::{Gauge, Outcome, Plan, Shared, Worker, latency_histogram, share_of};

/// How often progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// What a run found.
#[derive(Debug)]
pub struct Measured {
    /// From the first request to the last reply.
    pub elapsed: Duration,
    /// Latency of each request in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// Requests that took longer than [`Plan::slow`]: when they were due and how long they took, in microseconds.
    pub slow_us: Vec<(u64, u64)>,
    /// Replies.
    pub tally: Tally,
    /// CPU time of the own threads.
    pub client_cpu_ns: u64,
    /// CPU time of the server, when its process was named.
    pub server_cpu: Option<CpuSpent>,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// Replies so far.
    pub replies: u64,
    /// Replies per second since the moment before.
    pub rate: f64,
}

/// Opens `count` connections.
///
/// # Errors
/// When one of them fails.
pub fn connect(address: &Address, login: &Login, count: usize) -> io::Result<Vec<Connection>> {
    raise_descriptor_limit();
    (0..count)
        .map(|_| Connection::open(address, login))
        .collect()
}

/// Lets this process open as many connections as it may; where that is too few, connecting will tell.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let maximum = getrlimit(Resource::Nofile).maximum;
    if maximum.is_some() {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        );
    }
}

/// Runs `plan` over the connections, spread over `threads` threads, and calls `on_progress` now and then.
///
/// # Errors
/// When a connection breaks, the server sends nonsense, or the process `server_pid` cannot be read.
pub fn run(
    plan: &Plan,
    connections: &mut [Connection],
    threads: usize,
    server_pid: Option<u32>,
    mut on_progress: impl FnMut(Progress),
) -> io::Result<Measured> {
    let threads = threads.clamp(1, connections.len().max(1));
    let shared = Shared::default();
    let gauges: Vec<Gauge> = (0..threads).map(|_| Gauge::default()).collect();
    let (report, reports) = mpsc::channel();
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let mut rest = connections;
        for (index, gauge) in gauges.iter().enumerate() {
            let own_count = share_of((rest.len()) as u64, 0, threads - index) as usize;
            let (own, others) = rest.split_at_mut(own_count);
            rest = others;
            let (shared, barrier, report) = (&shared, &barrier, report.clone());
            scope.spawn(move || {
                let worker = Worker::new(plan, index, threads, own, shared, gauge);
                barrier.wait();
                let outcome = worker.and_then(|worker| worker.run(plan.duration));
                if outcome.is_err() {
                    shared.stop.store(true, Ordering::Relaxed);
                }
                // The receiver is gone only when the first error has ended the run already.
                let _ = report.send(outcome);
            });
        }
        let cpu_before = server_pid.map(ProcessCpu::read).transpose();
        barrier.wait();
        let start = Instant::now();
        let cpu_before = cpu_before.inspect_err(|_| shared.stop.store(true, Ordering::Relaxed))?;
        let outcomes = collect(&reports, &gauges, start, &mut on_progress)?;
        let cpu_after = server_pid.map(ProcessCpu::read).transpose()?;
        let server_cpu = cpu_before
            .zip(cpu_after)
            .map(|(before, after)| after.since(&before));
        Ok(add_up(&outcomes, server_cpu))
    })
}

/// Waits for the threads' outcomes and shows progress meanwhile.
fn collect(
    reports: &mpsc::Receiver<io::Result<Outcome>>,
    gauges: &[Gauge],
    start: Instant,
    on_progress: &mut impl FnMut(Progress),
) -> io::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let (mut replies_before, mut shown_at) = (0, start);
    while outcomes.len() < gauges.len() {
        match reports.recv_timeout(PROGRESS_INTERVAL) {
            Ok(outcome) => outcomes.push(outcome?),
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                let replies = gauges
                    .iter()
                    .map(|gauge| gauge.replies.load(Ordering::Relaxed))
                    .sum();
                let rate = (replies - replies_before) as f64 / (now - shown_at).as_secs_f64();
                on_progress(Progress {
                    elapsed: now - start,
                    replies,
                    rate,
                });
                (replies_before, shown_at) = (replies, now);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("a thread ended without a result"));
            }
        }
    }
    Ok(outcomes)
}

fn add_up(outcomes: &[Outcome], server_cpu: Option<CpuSpent>) -> Measured {
    let started = outcomes.iter().map(|outcome| outcome.started).min();
    let ended = outcomes.iter().map(|outcome| outcome.ended).max();
    let elapsed = started.zip(ended).map(|(started, ended)| ended - started);
    let mut measured = Measured {
        elapsed: elapsed.unwrap_or_default(),
        latency_ns: latency_histogram(),
        slow_us: Vec::new(),
        tally: Tally::default(),
        client_cpu_ns: 0,
        server_cpu,
    };
    for outcome in outcomes {
        measured
            .latency_ns
            .add(&outcome.latency_ns)
            .expect("all histograms have the same bounds");
        let slow = outcome.slow.iter();
        measured
            .slow_us
            .extend(slow.map(|(due, took)| (monotonic_us(*due), took.as_micros() as u64)));
        measured.tally.add(&outcome.tally);
        measured.client_cpu_ns += outcome.cpu_ns;
    }
    measured
}
