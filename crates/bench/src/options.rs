//! The command line of `redistill-benchmark`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::connection::{Address, Login};
use crate::keys::KeyOrder;
use crate::tls::{Tls, TlsFlags};
use crate::workload::{self, Data, Workload};

/// The most requests of one batch.
const PIPELINE_MAX: usize = 100_000;

/// Loads a Redis-compatible server and reports throughput, latency and, on request, the server's CPU time.
///
/// Flags that redis-benchmark has mean the same here. The exit status is 1 when a reply was an error or of the
/// wrong length, or when the run failed.
#[derive(Clone, Debug, Parser)]
#[command(name = "redistill-benchmark", version, disable_help_flag = true)]
pub struct Options {
    /// Server host.
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    pub host: String,

    /// Server port.
    #[arg(short = 'p', long, default_value_t = 6379)]
    pub port: u16,

    /// Unix socket of the server, instead of host and port.
    #[arg(short = 's', long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// Encrypts the connections by TLS.
    #[arg(long, conflicts_with = "socket")]
    pub tls: bool,

    /// Name that the server's certificate must have, instead of the host.
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub sni: Option<String>,

    /// Certificates of the authorities that the server's certificate may come from [default: those of the system].
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub cacert: Option<PathBuf>,

    /// Accepts any certificate of the server.
    #[arg(long, requires = "tls")]
    pub insecure: bool,

    /// Certificate that is shown to the server.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of that certificate.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Instead of tests, opens so many TLS connections at once, sends a PING over each, and tells how long that took.
    #[arg(long, value_name = "CONNECTIONS", requires = "tls")]
    pub burst: Option<usize>,

    /// Password for AUTH.
    #[arg(short = 'a', long)]
    pub password: Option<String>,

    /// User for AUTH, together with a password.
    #[arg(long, requires = "password")]
    pub user: Option<String>,

    /// Database to SELECT.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub dbnum: u32,

    /// Use RESP3.
    #[arg(short = '3', long)]
    pub resp3: bool,

    /// Connections.
    #[arg(short = 'c', long, default_value_t = 50)]
    pub clients: usize,

    /// Requests of each test [default: 100000, or no limit with --duration].
    #[arg(short = 'n', long)]
    pub requests: Option<u64>,

    /// Seconds of each test.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,

    /// Requests that a connection sends at once before it waits for all replies.
    #[arg(short = 'P', long, default_value_t = 1)]
    pub pipeline: usize,

    /// Bytes of a value.
    #[arg(short = 'd', long, default_value_t = 64, value_name = "BYTES")]
    pub data: usize,

    /// Number of different keys.
    #[arg(short = 'r', long, default_value_t = 100_000, value_name = "KEYS")]
    pub keyspace: u64,

    /// Bytes of a key, prefix included.
    #[arg(long, default_value_t = 16, value_name = "BYTES")]
    pub key_bytes: usize,

    /// What every key begins with.
    #[arg(long, default_value = "key:")]
    pub key_prefix: String,

    /// Tests to run, separated by commas: see the end of this help.
    #[arg(short = 't', long, value_delimiter = ',', default_value = "set,get")]
    pub tests: Vec<String>,

    /// Threads that send requests.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,

    /// Runs one test that mixes SETs and GETs in this ratio, for example 1:10, instead of -t.
    #[arg(long, value_name = "SETS:GETS", value_parser = parse_ratio)]
    pub ratio: Option<(u32, u32)>,

    /// Picks keys with the Zipf distribution of this exponent, for example 0.99, instead of evenly.
    #[arg(long, value_name = "EXPONENT", conflicts_with = "sequential")]
    pub zipf: Option<f64>,

    /// Takes keys in order.
    #[arg(long)]
    pub sequential: bool,

    /// Requests per second, all together, at fixed times whether or not the server keeps up; latency counts from
    /// the time at which a request was due.
    #[arg(long, value_name = "REQUESTS")]
    pub rate: Option<f64>,

    /// Between the requests of --rate, sleeps until the next one is due instead of polling: leaves the core to other
    /// programs, and is some microseconds less exact.
    #[arg(long, requires = "rate")]
    pub rate_sleeps: bool,

    /// First writes every key once, in random order.
    #[arg(long)]
    pub prefill: bool,

    /// Reports the CPU time of this process, the server on this machine, for each request.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,

    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Seconds without a reply after which the run fails.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub stall: u64,

    /// Writes CSV as redis-benchmark does.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Writes JSON, one document a line for each test.
    #[arg(long)]
    pub json: bool,

    /// With --json, adds how many requests took how many microseconds, so that runs can be summed up.
    #[arg(long, requires = "json")]
    pub histogram: bool,

    /// With --json, adds when the requests that took longer than so many milliseconds were due, and how long they took.
    #[arg(long, requires = "json", value_name = "MILLISECONDS")]
    pub slow: Option<f64>,

    /// Instead of a test, tells when the machine has not let this process run, for as long as --duration says: on each
    /// line the beginning and the end in microseconds of the monotonic clock. Means something at the highest real-time
    /// priority and on one core, such as `chrt -f 99 taskset -c 0`.
    #[arg(long, requires = "duration", conflicts_with_all = ["json", "csv"])]
    pub pauses: bool,

    /// Shows no progress line.
    #[arg(short = 'q', long)]
    pub quiet: bool,

    /// Prints this help.
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,

    /// A command to run instead of tests; each __rand_int__ in it becomes a random key number of 12 digits.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<String>,
}

impl Options {
    /// Reads the process's command line; answers `--help` and mistakes itself, and ends the process then.
    pub fn from_command_line() -> Self {
        use clap::{CommandFactory, FromArgMatches};

        let names = format!("Tests: {}", workload::names().join(", "));
        let matches = Self::command().after_help(names).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Checks what the types of the fields cannot.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn validate(&self) -> Result<(), String> {
        let positive = |number: f64| number > 0.0 && number.is_finite();
        let rules = [
            (self.clients > 0, "--clients must be at least 1"),
            (self.threads > 0, "--threads must be at least 1"),
            (
                self.threads <= self.clients,
                "--threads must not exceed --clients",
            ),
            (
                (1..=PIPELINE_MAX).contains(&self.pipeline),
                "--pipeline must be from 1 to 100000",
            ),
            (self.data <= 512 << 20, "--data must be at most 512 MB"),
            (self.keyspace > 0, "--keyspace must be at least 1"),
            (
                self.duration.is_none_or(positive),
                "--duration must be a positive number",
            ),
            (
                self.rate.is_none_or(positive),
                "--rate must be a positive number",
            ),
            (
                self.zipf.is_none_or(positive),
                "--zipf must be a positive number",
            ),
            (self.stall > 0, "--stall must be at least 1"),
            (
                self.keys_fit(),
                "--key-bytes leaves too few digits for --keyspace",
            ),
        ];
        rules
            .iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, message)| Err((*message).to_owned()))
    }

    fn keys_fit(&self) -> bool {
        let digits = self.key_bytes.saturating_sub(self.key_prefix.len()).min(20) as u32;
        10_u64
            .checked_pow(digits)
            .is_none_or(|names| names >= self.keyspace)
    }

    /// Where the server is.
    ///
    /// # Errors
    /// A sentence about the files of TLS.
    pub fn address(&self) -> Result<Address, String> {
        let (host, port) = (self.host.clone(), self.port);
        Ok(match &self.socket {
            Some(path) => Address::Unix(path.clone()),
            None if self.tls => Address::Tls(host, port, self.tls()?),
            None => Address::Tcp(host, port),
        })
    }

    /// How connections are encrypted.
    ///
    /// # Errors
    /// A sentence about the files.
    pub fn tls(&self) -> Result<Tls, String> {
        let flags = TlsFlags {
            cacert: self.cacert.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            insecure: self.insecure,
            sni: self.sni.clone(),
        };
        Tls::new(&flags, &self.host)
    }

    /// What to say first.
    pub fn login(&self) -> Login {
        Login {
            user: self.user.clone(),
            password: self.password.clone(),
            database: self.dbnum,
            resp3: self.resp3,
        }
    }

    /// Keys and values.
    pub fn key_data(&self) -> Data {
        Data {
            key_prefix: self.key_prefix.clone(),
            key_bytes: self.key_bytes,
            value_bytes: self.data,
        }
    }

    /// How keys are picked in tests.
    pub fn order(&self) -> KeyOrder {
        match self.zipf {
            Some(exponent) => KeyOrder::Zipf(exponent),
            None if self.sequential => KeyOrder::Sequential,
            None => KeyOrder::Uniform,
        }
    }

    /// How many requests a test has, if limited.
    pub fn request_limit(&self) -> Option<u64> {
        self.requests.or(if self.duration.is_none() {
            Some(100_000)
        } else {
            None
        })
    }

    /// How long a test is, if limited.
    pub fn time_limit(&self) -> Option<Duration> {
        self.duration.map(Duration::from_secs_f64)
    }

    /// The tests to run.
    ///
    /// # Errors
    /// A sentence that names the test that is not known.
    pub fn workloads(&self) -> Result<Vec<Workload>, String> {
        let data = self.key_data();
        if !self.command.is_empty() {
            return Ok(vec![workload::command(&self.command)]);
        }
        if let Some((sets, gets)) = self.ratio {
            return Ok(workload::mix(sets, gets, &data).into_iter().collect());
        }
        let mut workloads = Vec::new();
        for name in &self.tests {
            workloads.extend(workload::named(name, &data).ok_or_else(|| {
                format!(
                    "no test is called '{name}'; there are {}",
                    workload::names().join(", ")
                )
            })?);
        }
        Ok(workloads)
    }
}

fn parse_ratio(text: &str) -> Result<(u32, u32), String> {
    let parse = |part: &str| {
        part.parse::<u32>()
            .map_err(|_| format!("'{part}' is not a whole number"))
    };
    let (sets, gets) = text
        .split_once(':')
        .ok_or("expected SETS:GETS, for example 1:10")?;
    match (parse(sets)?, parse(gets)?) {
        (0, 0) => Err("at least one side must be above 0".to_owned()),
        ratio => Ok(ratio),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Options::try_parse_from(
            std::iter::once("redistill-benchmark").chain(line.split_whitespace()),
        )
        .unwrap()
    }

    #[test]
    fn flags_of_redis_benchmark_are_understood() {
        let options = options(
            "-h ::1 -p 7000 -a secret -c 10 -P 16 -n 5000 -d 100 -r 1000 -t ping,mset --csv",
        );
        assert!(matches!(options.address(), Ok(Address::Tcp(host, 7000)) if host == "::1"));
        assert_eq!(options.workloads().unwrap().len(), 3);
        assert_eq!(
            (
                options.clients,
                options.pipeline,
                options.data,
                options.keyspace
            ),
            (10, 16, 100, 1000)
        );
        assert_eq!(options.request_limit(), Some(5000));
        assert!(options.csv && options.validate().is_ok());
    }

    #[test]
    fn limits_depend_on_each_other() {
        assert_eq!(options("").request_limit(), Some(100_000));
        assert_eq!(options("--duration 1.5").request_limit(), None);
        assert_eq!(
            options("--duration 1.5").time_limit(),
            Some(Duration::from_millis(1500))
        );
    }

    #[test]
    fn a_command_may_have_flags_of_its_own() {
        let options = options("-n 10 set key:__rand_int__ v -x");
        assert_eq!(
            options.workloads().unwrap()[0].name,
            "set key:__rand_int__ v -x"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("-c 0", "--clients"),
            ("-P 0", "--pipeline"),
            ("--rate -1", "--rate"),
            ("--threads 51", "--threads"),
            ("--key-bytes 6 -r 1000", "--key-bytes"),
        ] {
            let line = line.replace("--rate -1", "--rate=-1");
            assert!(
                options(&line).validate().unwrap_err().contains(part),
                "{line}"
            );
        }
        assert!(
            options("-t nothing")
                .workloads()
                .unwrap_err()
                .contains("'nothing'")
        );
        for ratio in ["1", "a:b", "0:0"] {
            assert!(parse_ratio(ratio).is_err());
        }
    }
}
