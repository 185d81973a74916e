//! Every metric of docs/metrics.md is there, in the right form, and moves when the server does the thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use crate::client::{Client, encode};
use crate::http_client::Site;
use crate::metrics_text::{Family, parse};
use crate::server::{Launch, Server, Target};
use crate::waiting::until;

/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

const PAGE: &str = include_str!("../../../../docs/metrics.md");
const FILE: &str = r#"
[[prefix]]
match = "capped:"
max_memory = "256kb"
eviction_policy = "allkeys-lru"
"#;
/// What is as it is from the start on, or has a test of its own (`redistill_ready`: while the server drains; the
/// curve: below, because it begins anew whenever the number of keys changes much).
const CONSTANT: [&str; 6] = [
    "redistill_build_info",
    "redistill_start_time_seconds",
    "redistill_workers",
    "redistill_prefix_limit_bytes",
    "redistill_ready",
    "redistill_curve_hit_ratio",
];

type Families = BTreeMap<String, Family>;

fn read(site: &Site) -> Families {
    let answer = site.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    parse(&answer.body).unwrap_or_else(|error| panic!("{error}\n{}", answer.body))
}

/// Names and types of the page.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let rows = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `redistill_"));
    let row = |row: &'static str| {
        let mut cells = row.split(" | ");
        let name = cells.next().expect("a name").trim_end_matches('`');
        (name, cells.next().expect("a type"))
    };
    rows.map(row).collect()
}

/// Starts a server with a prefix.
fn start(target: Target) -> Site {
    let launch = Launch::new(target);
    fs::write(launch.directory.join("redistill.toml"), FILE).expect("the file is written");
    Site::launch(launch)
}

#[test]
fn every_metric_appears_and_moves() {
    for target in [Target::Mio, Target::IoUring] {
        if target.is_available() {
            check_metrics(&start(target));
        }
    }
}

fn check_metrics(site: &Site) {
    let first = read(site);
    let documented = documented();
    assert_eq!(first.len(), documented.len());
    for (name, kind) in &documented {
        let family = first.get(&format!("redistill_{name}")).expect(name);
        assert_eq!(family.kind, *kind, "{name}");
    }
    let mut work = Work::begin(&site.server);
    let begin = Instant::now();
    loop {
        work.once();
        let now = read(site);
        let same = unmoved(&first, &now);
        if same.is_empty() {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "these do not move: {same:?}");
    }
    check_values(&read(site));
}

#[test]
fn the_curve_appears() {
    let site = start(Target::Mio);
    let mut client = site.server.connect();
    for number in 0..500 {
        client.command_words(&format!("SET {number} v"));
    }
    let curve = "redistill_curve_hit_ratio";
    assert!(read(&site)[curve].samples.is_empty());
    until(PATIENCE, "it is known", || {
        for number in 0..500 {
            client.command_words(&format!("GET {number}"));
        }
        read(&site)[curve].samples.len() == 6
    });
}

/// The metrics whose samples are still those of the beginning.
fn unmoved(first: &Families, now: &Families) -> BTreeSet<String> {
    let is_same = |name: &&String| now[*name] == first[*name];
    let same = first
        .keys()
        .filter(|name| !CONSTANT.contains(&name.as_str()));
    same.filter(is_same).cloned().collect()
}

/// Some of what is known of the values.
fn check_values(families: &Families) {
    let value = |name: &str, labels: &str| {
        let sample = families[name].samples.get(&format!("{name}{{{labels}}}"));
        *sample.unwrap_or_else(|| panic!("{name}{{{labels}}}: {:?}", families[name]))
    };
    assert_eq!(value("redistill_connections_max", ""), 30.0);
    assert_eq!(value("redistill_workers", ""), 2.0);
    assert!(value("redistill_errors_total", "code=\"ERR\"") >= 2.0);
    assert_eq!(
        value("redistill_memory_limit_bytes", ""),
        f64::from(1 << 30)
    );
    assert_eq!(
        value("redistill_prefix_limit_bytes", "prefix=\"capped:\""),
        f64::from(256 << 10)
    );
}

/// What a test does to a server until everything has moved.
struct Work<'s> {
    server: &'s Server,
    control: Client,
    _resting: Client,
}

impl<'s> Work<'s> {
    fn begin(server: &'s Server) -> Self {
        let mut control = server.connect();
        for line in [
            "CONFIG SET maxclients 30",
            "CONFIG SET maxmemory 1gb",
            "CONFIG SET client-output-buffer-limit \"normal 300kb 0 0\"",
            "CONFIG SET client-query-buffer-limit 1mb",
        ] {
            assert_eq!(control.command_words(line).text(), "OK", "{line}");
        }
        let _resting = server.connect();
        Self {
            server,
            control,
            _resting,
        }
    }

    fn once(&mut self) {
        self.misses_and_errors();
        self.expirations();
        self.sparse_pages();
        self.lazy_clients();
        self.too_many_clients();
        // The curve begins anew when the number of keys has changed much.
        until(PATIENCE, "the short-lived keys are gone", || {
            self.control.command_words("DBSIZE").integer() < Some(10_000)
        });
        self.evictions();
    }

    /// Runs a pipeline of the same command on so many keys.
    fn each(&mut self, keys: u32, command: impl Fn(&str) -> Vec<u8>) {
        for from in (0..keys).step_by(1000) {
            let names = (from..(from + 1000).min(keys)).map(|number| number.to_string());
            let requests: Vec<u8> = names.clone().flat_map(|name| command(&name)).collect();
            self.control.send(&requests).expect("sent");
            for _ in names {
                self.control.read_reply().expect("a reply");
            }
        }
    }

    fn misses_and_errors(&mut self) {
        self.control.pipeline(&[
            "SET k v",
            "GET k",
            "GET missing",
            "GET",
            "INCR k",
            "SET lasting v EX 1000",
        ]);
    }

    fn evictions(&mut self) {
        let value = [b'v'; 500];
        self.each(1000, |name| {
            encode(&[b"SET", format!("capped:{name}").as_bytes(), &value])
        });
        for _ in 0..4 {
            self.each(1000, |name| encode(&["GET", &format!("capped:{name}")]));
        }
    }

    /// Many keys that go at the same moment, and fields.
    fn expirations(&mut self) {
        self.each(30_000, |name| {
            encode(&["SET", &format!("short:{name}"), "v", "PX", "300"])
        });
        self.each(100, |name| {
            let key = format!("fields:{name}");
            encode(&["HSETEX", &key, "PX", "1", "FIELDS", "1", "f", "v"])
        });
    }

    /// Pages of which most has gone.
    fn sparse_pages(&mut self) {
        self.control
            .command_words("DEBUG POPULATE 200000 sparse 64");
        self.each(200_000, |name| {
            let is_kept = name.ends_with("00");
            encode(&[
                "DEL",
                &format!("{}:{name}", if is_kept { "kept" } else { "sparse" }),
            ])
        });
    }

    /// Clients that do not read, and clients that take much.
    fn lazy_clients(&mut self) {
        self.control
            .command(&[b"SET", b"large".as_slice(), &[b'v'; 200_000]]);
        let mut lazy = self.server.connect();
        // The server may close it before it has taken all of it.
        let _ = lazy.send(&encode(&["GET", "large"]).repeat(200));
        let mut long = self.server.connect();
        let _ = long.send(&encode(&[b"SET", b"long".as_slice(), &[b'v'; 4 << 20]]));
        self.control
            .command_words("CONFIG SET maxmemory-clients 1mb");
        let mut large = self.server.connect();
        let queued = encode(&[b"SET", b"queued".as_slice(), &[b'q'; 300_000]]);
        large.send_words("MULTI");
        for _ in 0..10 {
            let _ = large.send(&queued);
        }
        self.until_two_clients("both are closed");
        self.control.command_words("CONFIG SET maxmemory-clients 0");
    }

    fn too_many_clients(&mut self) {
        let clients: Vec<Client> = (0..40).map(|_| self.server.connect()).collect();
        until(PATIENCE, "some are refused", || {
            self.control.info("rejected_connections") > 0
        });
        drop(clients);
        self.until_two_clients("they are gone");
    }

    fn until_two_clients(&mut self, what: &str) {
        until(PATIENCE, what, || {
            let list = self.control.command_words("CLIENT LIST").text();
            list.lines().count() == 2
        });
    }
}
