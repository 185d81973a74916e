//! The comparison with live servers: the same requests over a socket, each server with the same memory for data.
//!
//! Each key id of a trace stands for several keys with values of fixed size, so that memory per key decides, too. The
//! limit is what redis-server needs for a share of the keys, above what it needs when empty; every server is
//! started with that much above what it needs when empty. `server` starts and asks, `replay` sends requests.

mod replay;
mod server;

use std::io::{self, Write};

use self::replay::{Misses, Replay};
use self::server::Server;
pub use self::server::ServerCommand;
use super::compare::Comparison;
use super::policies::{Policy, named};
use super::records::{Format, LiveRecord, write_line};
use super::size::Size;
use super::trace::Trace;

/// How often the limit is corrected, and how near the keys held have to come to those wanted.
const CORRECTIONS_MAX: usize = 4;
const HELD_TOLERANCE: f64 = 0.005;
/// What is simulated beside: the base's rules, and the server's own policy.
const SIMULATED: [&str; 2] = ["redis-lru", "allkeys-s3fifo"];

/// How the live comparison is done.
#[derive(Clone, Debug)]
pub struct LiveComparison {
    /// The server that sets the limit, and that others are compared with.
    pub base: ServerCommand,
    /// The others.
    pub others: Vec<ServerCommand>,
    /// How much of the keys the base holds at its limit.
    pub size: Size,
    /// Keys for each id of the trace.
    pub keys_per_id: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// The most key ids per second.
    pub rate: Option<f64>,
    /// How the results are printed.
    pub format: Format,
}

/// What one server did.
struct Outcome {
    limit_bytes: u64,
    data_bytes: u64,
    keys_held: u64,
    seconds: f64,
    misses: Misses,
}

impl LiveComparison {
    /// Replays a trace against every server and prints a row for each as soon as it is known. A server that fails gets
    /// a row with the reason.
    ///
    /// # Errors
    /// When the base fails, or the table cannot be written; a sentence for the terminal.
    pub fn run(&self, trace: &Trace, output: &mut dyn Write) -> Result<Verdict, String> {
        let ids = self.size.entries(trace.keys);
        let data_bytes = self.data_bytes(ids)?;
        let print = |error: io::Error| format!("cannot write the table: {error}");
        if self.format == Format::Table {
            self.print_head(trace, ids, data_bytes, output)
                .map_err(print)?;
        }
        let base = self.outcome(&self.base, trace, data_bytes)?;
        self.print(&self.base, trace, &base, None, output)
            .map_err(print)?;
        let mut verdict = Verdict::AllAnswered;
        for other in &self.others {
            match self.outcome(other, trace, data_bytes) {
                Ok(outcome) => self.print(other, trace, &outcome, Some(&base), output),
                Err(reason) => {
                    verdict = Verdict::SomeFailed;
                    self.print_failure(other, &reason, output)
                }
            }
            .map_err(print)?;
        }
        let held = (base.keys_held as usize / self.keys_per_id).max(1);
        self.print_simulated(trace, held, output).map_err(print)?;
        Ok(verdict)
    }

    /// The limit above its empty self at which the base holds the keys of that many ids: first what it needs for them
    /// without a limit, then corrected by what it holds while it evicts.
    fn data_bytes(&self, ids: usize) -> Result<u64, String> {
        let mut data_bytes = {
            let mut server = Server::start(&self.base, 0)?;
            let empty = server.used_bytes(&self.base)?;
            self.replay(&server)?.fill(ids)?;
            server.used_bytes(&self.base)?.saturating_sub(empty)
        };
        let wanted = (ids * self.keys_per_id) as f64;
        for _ in 0..CORRECTIONS_MAX {
            let empty = self.empty_bytes(&self.base)?;
            let mut server = Server::start(&self.base, empty + data_bytes)?;
            self.replay(&server)?.fill(ids * 2)?;
            let held = server.keys()? as f64;
            if (held / wanted - 1.0).abs() < HELD_TOLERANCE {
                break;
            }
            data_bytes = (data_bytes as f64 * wanted / held.max(1.0)) as u64;
        }
        Ok(data_bytes)
    }

    /// What the server uses of its limit when it has no keys.
    fn empty_bytes(&self, command: &ServerCommand) -> Result<u64, String> {
        Server::start(command, 0)?.used_bytes(command)
    }

    fn outcome(
        &self,
        command: &ServerCommand,
        trace: &Trace,
        data_bytes: u64,
    ) -> Result<Outcome, String> {
        let limit_bytes = self.empty_bytes(command)? + data_bytes;
        let mut server = Server::start(command, limit_bytes)?;
        let mut replay = self.replay(&server)?;
        let begin = std::time::Instant::now();
        let misses = replay.run(&trace.requests, self.rate)?;
        Ok(Outcome {
            limit_bytes,
            data_bytes,
            keys_held: server.keys()?,
            seconds: begin.elapsed().as_secs_f64(),
            misses,
        })
    }

    fn replay(&self, server: &Server) -> Result<Replay, String> {
        Replay::new(server.port(), self.keys_per_id, self.value_bytes)
            .map_err(|error| format!("cannot connect: {error}"))
    }

    fn print_head(
        &self,
        trace: &Trace,
        ids: usize,
        data_bytes: u64,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(
            output,
            "\n{}: {} requests, {} ids of {} keys with {}-byte values\n\
             {} of the ids are {ids}; {} holds their keys in {:.1} MB, and as much above its empty self is every server's limit\n",
            trace.name,
            trace.requests.len(),
            trace.keys,
            self.keys_per_id,
            self.value_bytes,
            self.size,
            self.base.name,
            megabytes(data_bytes),
        )?;
        writeln!(
            output,
            "| {:<12} | limit MB | keys held at the end | misses | miss ratio | against {:<12} | seconds |\n\
             |--------------|---------:|---------------------:|-------:|-----------:|---------------------:|--------:|",
            "server", self.base.name
        )
    }

    fn print(
        &self,
        command: &ServerCommand,
        trace: &Trace,
        outcome: &Outcome,
        base: Option<&Outcome>,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        match self.format {
            Format::Table => print_row(command, outcome, base, output),
            Format::Json => {
                let record = LiveRecord {
                    trace: &trace.name,
                    server: &command.name,
                    limit_bytes: outcome.limit_bytes,
                    data_bytes: outcome.data_bytes,
                    keys_held: outcome.keys_held,
                    requests: outcome.misses.requests,
                    misses: outcome.misses.count,
                    errors: outcome.misses.errors,
                    seconds: outcome.seconds,
                };
                write_line(&record, output)
            }
        }
    }

    fn print_failure(
        &self,
        command: &ServerCommand,
        reason: &str,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        match self.format {
            Format::Table => writeln!(output, "| {:<12} | failed: {reason} |", command.name),
            Format::Json => {
                eprintln!("{} failed: {reason}", command.name);
                Ok(())
            }
        }
    }

    /// A real Redis counts idle time in seconds. What its rules give with a perfect clock tells how much that is worth.
    fn print_simulated(&self, trace: &Trace, ids: usize, output: &mut dyn Write) -> io::Result<()> {
        let policies: Vec<Policy> = SIMULATED.iter().flat_map(|name| named(name)).collect();
        let simulated = Comparison {
            sizes: vec![Size::Entries(ids)],
            seed: 1,
            regions_max: 64,
            base: None,
            format: self.format,
        };
        if self.format == Format::Json {
            return simulated.run(trace, &policies, output);
        }
        write!(output, "Simulated with {ids} entries:")?;
        for policy in &policies {
            for ratio in simulated.ratios(trace, policy) {
                write!(output, " {} {ratio:.4}", policy.name)?;
            }
        }
        writeln!(output)
    }
}

/// Whether every server could be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row has figures.
    AllAnswered,
    /// A row has a reason instead.
    SomeFailed,
}

fn print_row(
    command: &ServerCommand,
    outcome: &Outcome,
    base: Option<&Outcome>,
    output: &mut dyn Write,
) -> io::Result<()> {
    let change = base.map_or(String::new(), |base| {
        let change = outcome.misses.ratio() / base.misses.ratio() - 1.0;
        format!("{:+.1} %", change * 100.0)
    });
    writeln!(
        output,
        "| {:<12} | {:>8.1} | {:>20} | {} | {:>10.4} | {change:>20} | {:>7.1} |",
        command.name,
        megabytes(outcome.limit_bytes),
        outcome.keys_held,
        outcome.misses.count,
        outcome.misses.ratio(),
        outcome.seconds,
    )?;
    if let Some(error) = &outcome.misses.first_error {
        writeln!(
            output,
            "  {} of its replies were errors, the first one: {error}",
            outcome.misses.errors
        )?;
    }
    output.flush()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
