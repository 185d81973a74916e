//! What is printed: a summary of each test as text, CSV or JSON.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::run::Measured;

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The test's name.
    pub test: String,
    /// Connections.
    pub clients: usize,
    /// Requests in one batch.
    pub pipeline: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Number of different keys.
    pub keyspace: u64,
    /// Threads of the client.
    pub threads: usize,
    /// Replies.
    pub requests: u64,
    /// From the first request to the last reply.
    pub elapsed_s: f64,
    /// Replies per second.
    pub requests_per_s: f64,
    /// Latency.
    pub latency_ms: Latency,
    /// Microseconds, and how many requests took that long, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency_us_counts: Vec<(u64, u64)>,
    /// When slow requests were due, in microseconds of the monotonic clock, and how many they took, if that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow_us: Vec<(u64, u64)>,
    /// Values found.
    pub hits: u64,
    /// Values not found.
    pub misses: u64,
    /// Error replies.
    pub errors: u64,
    /// Replies of another shape or length than expected.
    pub wrong: u64,
    /// The first error or wrong reply.
    pub first_fault: Option<String>,
    /// CPU time of the client per request.
    pub client_cpu_ns: f64,
    /// CPU time of the client's threads as a part of their running time.
    pub client_busy: f64,
    /// CPU time of the server per request, when its process was named.
    pub server_cpu_ns: Option<ServerCpu>,
}

/// Latency in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The shortest.
    pub min: f64,
    /// The average.
    pub average: f64,
    /// The median.
    pub p50: f64,
    /// Of 100 requests, 95 took at most this.
    pub p95: f64,
    /// Of 100 requests, 99 took at most this.
    pub p99: f64,
    /// Of 1000 requests, 999 took at most this.
    pub p999: f64,
    /// Of 10,000 requests, 9,999 took at most this.
    pub p9999: f64,
    /// The longest.
    pub max: f64,
}

/// CPU time of the server for one request, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerCpu {
    /// In the server's own code.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
    /// Both.
    pub total: f64,
}

/// What a summary needs to know about the run besides what was measured.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The test's name.
    pub test: String,
    /// Connections.
    pub clients: usize,
    /// Requests in one batch.
    pub pipeline: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Number of different keys.
    pub keyspace: u64,
    /// Threads of the client.
    pub threads: usize,
}

impl Summary {
    /// Sums a run up.
    pub fn new(setting: Setting, measured: &Measured) -> Self {
        let tally = &measured.tally;
        let elapsed_s = measured.elapsed.as_secs_f64().max(1e-9);
        let requests = tally.replies.max(1) as f64;
        let histogram = &measured.latency_ns;
        let quantile = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Summary {
            test: setting.test,
            clients: setting.clients,
            pipeline: setting.pipeline,
            value_bytes: setting.value_bytes,
            keyspace: setting.keyspace,
            threads: setting.threads,
            requests: tally.replies,
            elapsed_s,
            requests_per_s: tally.replies as f64 / elapsed_s,
            latency_ms: Latency {
                min: histogram.min() as f64 / 1e6,
                average: histogram.mean() / 1e6,
                p50: quantile(0.5),
                p95: quantile(0.95),
                p99: quantile(0.99),
                p999: quantile(0.999),
                p9999: quantile(0.9999),
                max: histogram.max() as f64 / 1e6,
            },
            latency_us_counts: Vec::new(),
            slow_us: Vec::new(),
            hits: tally.hits,
            misses: tally.misses,
            errors: tally.errors,
            wrong: tally.wrong,
            first_fault: tally.first_fault.clone(),
            client_cpu_ns: measured.client_cpu_ns as f64 / requests,
            client_busy: measured.client_cpu_ns as f64 / 1e9 / elapsed_s / setting.threads as f64,
            server_cpu_ns: measured.server_cpu.map(|spent| ServerCpu {
                user: spent.user_ns / requests,
                system: spent.system_ns / requests,
                total: spent.total_ns() / requests,
            }),
        }
    }

    /// Whether every reply was as expected.
    pub fn is_clean(&self) -> bool {
        self.errors == 0 && self.wrong == 0
    }

    /// The share of values that were found, when values were asked for.
    pub fn hit_ratio(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }

    /// Some lines for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}: {} requests in {:.2} s, {} clients, pipeline {}, {} bytes, {} keys, {} thread{}\n",
            self.test,
            grouped(self.requests),
            self.elapsed_s,
            self.clients,
            self.pipeline,
            self.value_bytes,
            grouped(self.keyspace),
            self.threads,
            if self.threads == 1 { "" } else { "s" },
        );
        let latency = &self.latency_ms;
        let _ = writeln!(
            text,
            "  throughput   {} requests/s",
            grouped(self.requests_per_s.round() as u64)
        );
        let _ = writeln!(
            text,
            "  latency, ms  min {:.3}  average {:.3}  p50 {:.3}  p95 {:.3}  p99 {:.3}  p99.9 {:.3}  p99.99 {:.3}  max {:.3}",
            latency.min,
            latency.average,
            latency.p50,
            latency.p95,
            latency.p99,
            latency.p999,
            latency.p9999,
            latency.max,
        );
        if let Some(ratio) = self.hit_ratio() {
            let _ = writeln!(text, "  hit ratio    {:.2} %", ratio * 100.0);
        }
        if let Some(cpu) = &self.server_cpu_ns {
            let _ = writeln!(
                text,
                "  server CPU   {:.1} ns/request ({:.1} user, {:.1} system)",
                cpu.total, cpu.user, cpu.system
            );
        }
        let _ = writeln!(
            text,
            "  client CPU   {:.1} ns/request, {:.0} % busy",
            self.client_cpu_ns,
            self.client_busy * 100.0
        );
        if !self.is_clean() {
            let _ = writeln!(
                text,
                "  FAILED       {} errors, {} replies of the wrong shape or length; the first: {}",
                grouped(self.errors),
                grouped(self.wrong),
                self.first_fault.as_deref().unwrap_or("?"),
            );
        }
        text
    }

    /// One line of CSV, with the columns of `CSV_HEADER`.
    pub fn csv(&self) -> String {
        let latency = &self.latency_ms;
        format!(
            "\"{}\",\"{:.2}\",\"{:.3}\",\"{:.3}\",\"{:.3}\",\"{:.3}\",\"{:.3}\",\"{:.3}\"",
            self.test.replace('"', "\"\""),
            self.requests_per_s,
            latency.average,
            latency.min,
            latency.p50,
            latency.p95,
            latency.p99,
            latency.max,
        )
    }
}

/// How many requests took how many microseconds, the shortest first.
pub fn latency_us_counts(latency_ns: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut counts: Vec<(u64, u64)> = Vec::new();
    for recorded in latency_ns.iter_recorded() {
        let us = recorded.value_iterated_to().div_ceil(1000);
        let count = recorded.count_since_last_iteration();
        match counts.last_mut() {
            Some((last, sum)) if *last == us => *sum += count,
            _ => counts.push((us, count)),
        }
    }
    counts
}

/// The header line of redis-benchmark.
pub const CSV_HEADER: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
    \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"";

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cpu::CpuSpent;
    use crate::replies::Tally;
    use crate::worker::latency_histogram;

    fn summary() -> Summary {
        let mut latency_ns = latency_histogram();
        latency_ns.record_n(1_000_000, 99).unwrap();
        latency_ns.record_n(5_000_000, 1).unwrap();
        let measured = Measured {
            elapsed: Duration::from_millis(500),
            latency_ns,
            slow_us: Vec::new(),
            tally: Tally {
                replies: 100,
                hits: 30,
                misses: 10,
                ..Tally::default()
            },
            client_cpu_ns: 4_000,
            server_cpu: Some(CpuSpent {
                user_ns: 100.0,
                system_ns: 300.0,
            }),
        };
        let setting = Setting {
            test: "GET".into(),
            clients: 5,
            pipeline: 2,
            value_bytes: 64,
            keyspace: 1_000_000,
            threads: 1,
        };
        Summary::new(setting, &measured)
    }

    #[test]
    fn figures_are_per_request() {
        let summary = summary();
        assert_eq!(summary.requests_per_s, 200.0);
        assert_eq!(summary.hit_ratio(), Some(0.75));
        assert_eq!(summary.client_cpu_ns, 40.0);
        assert_eq!(
            summary.server_cpu_ns,
            Some(ServerCpu {
                user: 1.0,
                system: 3.0,
                total: 4.0
            })
        );
        assert!((summary.latency_ms.p50 - 1.0).abs() < 0.01 && summary.latency_ms.p999 > 4.9);
        let text = summary.text();
        for part in [
            "GET: 100 requests",
            "1,000,000 keys",
            "75.00 %",
            "4.0 ns/request (1.0 user, 3.0 system)",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("FAILED"));
    }

    #[test]
    fn latencies_are_counted_in_microseconds() {
        let mut latency_ns = latency_histogram();
        for (ns, count) in [(1_100, 2), (1_500, 3), (9_000, 1)] {
            latency_ns.record_n(ns, count).unwrap();
        }
        let counts = latency_us_counts(&latency_ns);
        assert_eq!(counts.first(), Some(&(2, 5)));
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 6);
    }

    #[test]
    fn failures_are_shown() {
        let failed = Summary {
            errors: 2,
            first_fault: Some("-ERR x".into()),
            ..summary()
        };
        assert!(
            !failed.is_clean()
                && failed.text().contains("FAILED")
                && failed.text().contains("-ERR x")
        );
    }

    #[test]
    fn csv_has_the_header_s_columns() {
        assert_eq!(
            summary().csv().split(',').count(),
            CSV_HEADER.split(',').count()
        );
    }

    #[test]
    fn json_can_be_read_back() {
        let text = serde_json::to_string(&summary()).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary());
    }

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
