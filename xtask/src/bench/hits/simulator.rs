//! Runs `redistill-simulate` and reads what it prints.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::options::Options;
use super::super::servers::Binaries;
use super::results::{Live, LiveServer, Ratio};
use super::{GENERATORS, LIVE_BASE, LIVE_POLICIES, POLICIES, SIZES, TRACES};

/// Where the traces are, from the root of the project, if no option says so.
const TRACES_BESIDE: &str = "../shared/traces";
/// With `--quick`: how many requests of each trace are used, and how much of the keys live servers hold, since limits
/// of a few MB compare nothing.
const FIRST_QUICK: &str = "50000";
const LIVE_SIZE_QUICK: &str = "50%";
/// The field of INFO memory that tells what an empty server of ours uses of its limit, which bounds resident memory.
const USED_FIELD: &str = "used_memory_rss";

/// The program with what all its runs need.
pub struct Simulator<'a> {
    program: PathBuf,
    traces: PathBuf,
    options: &'a Options,
    binaries: &'a Binaries,
}

/// What a run of the simulator replays.
pub struct Source(Vec<String>);

/// What a live comparison prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum LiveLine {
    Server(LiveServer),
    Simulated(Ratio),
}

impl<'a> Simulator<'a> {
    /// Looks for the traces.
    ///
    /// # Errors
    /// When one is missing.
    pub fn new(
        options: &'a Options,
        root: &Path,
        target: &Path,
        binaries: &'a Binaries,
    ) -> Result<Self, String> {
        let traces = options.traces.clone();
        let simulator = Simulator {
            program: target.join("release/redistill-simulate"),
            traces: traces.unwrap_or_else(|| root.join(TRACES_BESIDE)),
            options,
            binaries,
        };
        let files = TRACES.map(|name| simulator.file(name));
        match files.iter().find(|file| !file.is_file()) {
            None => Ok(simulator),
            Some(missing) => Err(format!(
                "there is no {}: traces are looked for in {TRACES_BESIDE}, seen from the project, or where --traces says",
                missing.display()
            )),
        }
    }

    /// All traces and generators.
    pub fn sources(&self) -> Vec<Source> {
        let traces = TRACES.map(|name| Source(vec![self.file(name).display().to_string()]));
        let made = GENERATORS.map(|name| Source(vec!["--generate".to_owned(), name.to_owned()]));
        traces.into_iter().chain(made).collect()
    }

    /// The misses of all policies with all sizes.
    ///
    /// # Errors
    /// When the simulator fails.
    pub fn simulate(&self, source: &Source) -> Result<Vec<Ratio>, String> {
        let mut command = self.command();
        command.args(&source.0).args(simulate_arguments());
        let mut ratios = Vec::new();
        read_lines(command, |ratio| ratios.push(ratio))?;
        Ok(ratios)
    }

    /// Replays a trace against live servers, and adds what they did.
    ///
    /// # Errors
    /// When the simulator or a server fails; what was measured until then is added all the same.
    pub fn replay(&self, trace: &str, live: &mut Live) -> Result<(), String> {
        let mut command = self.command();
        if self.options.quick {
            command.args(["--live-size", LIVE_SIZE_QUICK]);
        }
        let redis = self.binaries.redis.display().to_string();
        let own = self.binaries.redistill.display().to_string();
        command
            .arg(self.file(trace))
            .args(live_arguments(&redis, &own));
        read_lines(command, |line| match line {
            LiveLine::Server(server) => {
                println!("{}", server.text());
                live.servers.push(server);
            }
            LiveLine::Simulated(ratio) => live.simulated.push(ratio),
        })?;
        match live.servers.iter().find(|server| server.errors > 0) {
            None => Ok(()),
            Some(LiveServer { server, errors, .. }) => {
                Err(format!("{errors} replies of {server} were errors"))
            }
        }
    }

    fn file(&self, trace: &str) -> PathBuf {
        self.traces.join(format!("{trace}.u32"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--json");
        if self.options.quick {
            command.args(["--first", FIRST_QUICK]);
        }
        command
    }
}

impl LiveServer {
    fn text(&self) -> String {
        format!(
            "{}, {}: {} keys held, miss ratio {:.4}, {:.0} s",
            self.trace,
            self.server,
            self.keys_held,
            self.miss_ratio(),
            self.seconds
        )
    }
}

/// The arguments of the simulation, but for the traces.
pub fn simulate_arguments() -> [String; 4] {
    let sizes = SIZES.map(|size| size.replace(' ', "")).join(",");
    ["--policies", &POLICIES.join(","), "--sizes", &sizes].map(str::to_owned)
}

/// The arguments of the live comparison with these programs, but for the traces.
pub fn live_arguments(redis: &str, own: &str) -> Vec<String> {
    let mut arguments = vec![
        "--live".to_owned(),
        "--used-field".to_owned(),
        USED_FIELD.to_owned(),
        "--base-command".to_owned(),
        format!(
            "{LIVE_BASE}={redis} --port {{port}} --save '' --appendonly no --maxmemory {{bytes}} \
             --maxmemory-policy allkeys-lru"
        ),
    ];
    for policy in LIVE_POLICIES {
        arguments.push("--server-command".to_owned());
        arguments.push(format!(
            "{policy}={own} --server.port {{port}} --memory.max_memory {{bytes}} --memory.eviction_policy {policy} \
             --memory.max_memory_clients 128kb"
        ));
    }
    arguments
}

/// Runs the command and takes each line that it prints, as soon as it does.
fn read_lines<T: DeserializeOwned>(
    mut command: Command,
    mut take: impl FnMut(T),
) -> Result<(), String> {
    let fail = |error: String| format!("redistill-simulate: {error}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    let lines = child.stdout.take().into_iter();
    for line in lines.flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(|error| fail(error.to_string()))?;
        let record =
            serde_json::from_str(&line).map_err(|error| fail(format!("'{line}': {error}")))?;
        take(record);
    }
    let status = child.wait().map_err(|error| fail(error.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(fail(status.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{ratio, server};
    use super::*;

    #[test]
    fn both_kinds_of_lines_are_told_apart() {
        let lines = [
            serde_json::to_string(&server("a", "redis-server", 5)).unwrap(),
            serde_json::to_string(&ratio("a", "redis-lru", "10", 0.5)).unwrap(),
        ];
        let [first, second] = lines.map(|line| serde_json::from_str(&line).unwrap());
        assert!(matches!(first, LiveLine::Server(found) if found.misses == 5));
        assert!(matches!(second, LiveLine::Simulated(found) if found.entries == 10));
    }

    #[test]
    fn every_policy_is_compared_with_its_own_limit() {
        let arguments = live_arguments("redis-server", "redistill");
        let commands: Vec<&String> = arguments
            .iter()
            .filter(|argument| argument.contains("{port}") && argument.contains("{bytes}"))
            .collect();
        assert_eq!(commands.len(), 1 + LIVE_POLICIES.len());
    }

    #[test]
    fn missing_traces_are_named() {
        let arguments = ["--hits", "--traces", "/nowhere"].map(str::to_owned);
        let options = Options::parse(&arguments).unwrap().unwrap();
        let binaries = Binaries::new(&options, Path::new("x"));
        let error = Simulator::new(&options, Path::new("x"), Path::new("x"), &binaries).err();
        let error = error.unwrap();
        assert!(error.contains("/nowhere/arc-oltp.u32") && error.contains("--traces"));
    }
}
