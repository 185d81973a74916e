//! The flags of `cargo xtask bench`.

use std::path::PathBuf;

use super::cells::Cell;
use super::servers::Server;

/// What `--help` prints.
pub const HELP: &str = "\
cargo xtask bench [flags]: measures the matrix and writes docs/benchmarks.md and docs/benchmarks.svg

  --quick              a few cells, three short rounds; results and documents stay under the target directory
  --cells A,B,...      only these cells, for example get-p128-1m-64,set-p16-10m-1024; merged with earlier results
  --rounds N           rounds of each cell (7)
  --seconds S          seconds of each measurement (1; with --tail 5)
  --servers A,B,...    of redistill, redistill-mio, redis, floor, floor-mio (redistill,redis,floor)
  --knobs [A,B,...]    the settings of docs/performance-tuning.md instead of the matrix, or only these of
                       num_shards, batch_size, buffer_pool_size, tcp_nodelay, workers, io_backend, profiles,
                       huge_pages, pinning, memory; writes that page (9 rounds of 0.25 s)
  --memory             memory and idle CPU instead of the matrix (redistill, redistill-mio, redis)
  --tail               latency of single requests while something big goes on, instead (redistill)
  --churn              whether a memory limit of 512 MB holds while sizes shift, and the latency beside, instead
                       (redistill, redis)
  --minutes M          length of --churn for each server (20)
  --flood              at the end of --churn, writes as fast as the server takes it
  --eviction           CPU time of SET at a memory limit and without one, instead (redistill)
  --collections        CPU time and memory of hashes, lists, sets and sorted sets, instead
  --tls                CPU time with TLS and without it, and the latency in a storm of new TLS connections, instead
                       (redistill, redis; 5 rounds of 3 s)
  --hits               misses of the eviction policies in the simulator and live against redis-server, instead; writes
                       docs/eviction.md (about 20 minutes)
  --traces DIR         where the traces of --hits are (../shared/traces)
  --no-live            without the live servers of --hits
  --render             only writes the documents again
  --no-build           uses the binaries as they are
  --redistill PATH     another redistill binary
  --redis PATH         another redis-server binary
  --server-core N      core of the servers (0)
  --client-core N      core of the client (1)";

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Few cells, few rounds.
    pub quick: bool,
    /// Measure memory instead of the matrix.
    pub memory: bool,
    /// Measure the tail of the latency instead of the matrix.
    pub tail: bool,
    /// Measure a churn under a memory limit instead of the matrix.
    pub churn: bool,
    /// How long, for each server.
    pub minutes: f64,
    /// End it with a flood.
    pub flood: bool,
    /// Measure what eviction costs instead of the matrix.
    pub eviction: bool,
    /// Measure what TLS costs instead of the matrix.
    pub tls: bool,
    /// Measure collections instead of the matrix.
    pub collections: bool,
    /// Measure how often the eviction policies miss instead of the matrix.
    pub hits: bool,
    /// Where the traces for it are, if not beside the project.
    pub traces: Option<PathBuf>,
    /// Compare live servers, too.
    pub live: bool,
    /// Measure these settings of the tuning guide instead of the matrix; all if none is named.
    pub knobs: Option<Vec<String>>,
    /// Measure nothing.
    pub render_only: bool,
    /// Build the binaries first.
    pub build: bool,
    /// What to measure.
    pub cells: Vec<Cell>,
    /// How often.
    pub rounds: u32,
    /// How long each time.
    pub seconds: f64,
    /// Which servers.
    pub servers: Vec<Server>,
    /// In place of the built one.
    pub redistill: Option<PathBuf>,
    /// In place of the one in the path.
    pub redis: Option<PathBuf>,
    /// Core of the servers.
    pub server_core: u32,
    /// Core of the client.
    pub client_core: u32,
}

impl Options {
    /// Reads the arguments; `None` when they ask for help.
    ///
    /// # Errors
    /// A sentence that names the wrong argument.
    pub fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let (quick, memory, tail) = (has("--quick"), has("--memory"), has("--tail"));
        let (churn, eviction, tls) = (has("--churn"), has("--eviction"), has("--tls"));
        let mut options = Options {
            quick,
            memory,
            tail,
            churn,
            minutes: 20.0,
            flood: has("--flood"),
            eviction,
            tls,
            collections: has("--collections"),
            hits: has("--hits"),
            traces: None,
            live: !has("--no-live"),
            knobs: None,
            render_only: has("--render"),
            build: !has("--no-build"),
            cells: if quick { Cell::quick() } else { Cell::all() },
            rounds: match (tail || has("--collections"), quick) {
                (true, _) => 5,
                (false, true) => 3,
                (false, false) => 7,
            },
            seconds: match (tail, quick) {
                (true, _) => 5.0,
                (false, true) => 0.5,
                (false, false) => 1.0,
            },
            servers: if tail || eviction {
                vec![Server::Redistill]
            } else if churn || tls {
                vec![Server::Redistill, Server::Redis]
            } else if memory {
                Server::of_memory()
            } else {
                Server::of_matrix()
            },
            redistill: None,
            redis: None,
            server_core: 0,
            client_core: 1,
        };
        if tls {
            (options.rounds, options.seconds) = if quick { (2, 0.5) } else { (5, 3.0) };
        }
        if has("--knobs") {
            (options.rounds, options.seconds) = if quick { (2, 0.1) } else { (9, 0.25) };
        }
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            match flag.as_str() {
                "--help" => return Ok(None),
                "--quick" | "--memory" | "--tail" | "--churn" | "--flood" | "--eviction"
                | "--tls" | "--collections" | "--hits" | "--no-live" | "--render"
                | "--no-build" => {}
                "--traces" => options.traces = Some(value(flag, rest.next())?.into()),
                "--minutes" => options.minutes = number(flag, rest.next())?,
                "--knobs" => options.knobs = Some(knobs(&mut rest)?),
                "--cells" => options.cells = list(flag, rest.next())?,
                "--servers" => options.servers = list(flag, rest.next())?,
                "--rounds" => options.rounds = number(flag, rest.next())?,
                "--seconds" => options.seconds = number(flag, rest.next())?,
                "--redistill" => options.redistill = Some(value(flag, rest.next())?.into()),
                "--redis" => options.redis = Some(value(flag, rest.next())?.into()),
                "--server-core" => options.server_core = number(flag, rest.next())?,
                "--client-core" => options.client_core = number(flag, rest.next())?,
                other => return Err(format!("unknown flag '{other}'\n\n{HELP}")),
            }
        }
        if options.rounds == 0 || !(options.seconds > 0.0 && options.seconds.is_finite()) {
            return Err("--rounds and --seconds must be above 0".to_owned());
        }
        if !(options.minutes > 0.0 && options.minutes.is_finite()) {
            return Err("--minutes must be above 0".to_owned());
        }
        Ok(Some(options))
    }

    /// The file name of the results.
    pub fn results_name(&self) -> &'static str {
        if self.quick {
            "quick.json"
        } else {
            "results.json"
        }
    }
}

/// The names behind `--knobs`, if another flag does not follow at once.
fn knobs(rest: &mut std::slice::Iter<'_, String>) -> Result<Vec<String>, String> {
    let is_flag = |word: &String| word.starts_with("--");
    if rest.as_slice().first().is_none_or(is_flag) {
        return Ok(Vec::new());
    }
    let wanted: Vec<String> = list("--knobs", rest.next())?;
    let names = super::knobs::names();
    match wanted.iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!(
            "no knob is called '{name}'; there are {}",
            names.join(", ")
        )),
        None => Ok(wanted),
    }
}

fn value<'a>(flag: &str, value: Option<&'a String>) -> Result<&'a str, String> {
    value
        .map(String::as_str)
        .ok_or_else(|| format!("{flag} needs a value"))
}

fn number<T: std::str::FromStr>(flag: &str, text: Option<&String>) -> Result<T, String> {
    let text = value(flag, text)?;
    text.parse()
        .map_err(|_| format!("{flag}: '{text}' is no valid number"))
}

fn list<T: std::str::FromStr>(flag: &str, text: Option<&String>) -> Result<Vec<T>, String>
where
    T::Err: std::fmt::Display,
{
    let parts = value(flag, text)?.split(',');
    parts
        .map(|part| part.parse().map_err(|error: T::Err| error.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn defaults_are_the_whole_matrix() {
        let options = parse("").unwrap().unwrap();
        assert_eq!(
            (options.cells.len(), options.rounds, options.servers.len()),
            (32, 7, 3)
        );
        assert!(options.build && !options.quick && !options.memory);
    }

    #[test]
    fn flags_change_the_defaults_in_any_order() {
        let options = parse("--rounds 9 --cells get-p1-1m-64 --quick --servers redis --no-build")
            .unwrap()
            .unwrap();
        assert_eq!(
            (options.cells.len(), options.rounds, options.servers),
            (1, 9, vec![Server::Redis])
        );
        assert!(options.quick && !options.build);
        assert_eq!(parse("--help"), Ok(None));
    }

    #[test]
    fn knobs_may_be_named() {
        let knobs = |line| parse(line).unwrap().unwrap().knobs;
        assert_eq!(knobs(""), None);
        assert_eq!(knobs("--knobs --no-build"), Some(Vec::new()));
        assert_eq!(
            knobs("--knobs workers,memory --quick"),
            Some(vec!["workers".to_owned(), "memory".to_owned()])
        );
    }

    #[test]
    fn hits_are_measured_live_unless_that_is_not_wanted() {
        let options = parse("--hits --traces a/b").unwrap().unwrap();
        assert!(options.hits && options.live);
        assert_eq!(options.traces, Some("a/b".into()));
        assert!(!parse("--hits --no-live").unwrap().unwrap().live);
    }

    #[test]
    fn mistakes_are_named() {
        for line in [
            "--what",
            "--rounds",
            "--rounds x",
            "--rounds 0",
            "--churn --minutes 0",
            "--cells get",
            "--servers memcached",
            "--knobs shards",
            "--hits --traces",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
