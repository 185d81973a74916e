//! INFO: which sections are asked for, and how they are put together.

mod key_sizes;
mod sections;

use std::fmt::{Display, Write};

use keyspace::{KeyspaceStats, MissReasons};
use resp::Args;

use self::key_sizes::KeySizes;
use self::sections::{KEY_SIZES, SECTIONS, Section};
use super::ANYTIME;
use super::memory::Usage;
use crate::command::{Command, Locks};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;
use crate::shared::Shared;

pub const INFO: Command = Command {
    name: "info",
    arity: -1,
    flags: ANYTIME,
    categories: &["dangerous"],
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    since: "1.0.0",
    summary: "Returns facts about and statistics of the server",
    syntax: "[section [section ...]]",
    // For the sizes of values.
    locks: Locks::Stepwise,
    run: info,
    ..Command::BASE
};

fn info(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let names = args.tail(1);
    let keyspace = context.shared.keyspace.stats(context.now_ms());
    let key_sizes = if is_asked(&KEY_SIZES, names) {
        key_sizes::look(context.keys, &keyspace.databases)
    } else {
        Vec::new()
    };
    let mut report = Report {
        shared: context.shared,
        usage: Usage::of(context.shared, context.now_ms()),
        keyspace,
        key_sizes,
        miss_reasons: context.keys.miss_reasons(),
        now_ms: context.now_ms(),
        text: String::new(),
    };
    for section in SECTIONS.iter().filter(|section| is_asked(section, names)) {
        if !report.text.is_empty() {
            report.text += "\r\n";
        }
        report.text += &format!("# {}\r\n", section.title);
        (section.write)(&mut report);
    }
    context.reply.verbatim("txt", report.text.as_bytes());
    Ok(())
}

/// Whether a section is shown. Names that no section has are passed over.
fn is_asked(section: &Section, names: Args<'_>) -> bool {
    if names.is_empty() {
        return section.is_default;
    }
    names.iter().any(|name| {
        is(name, section.title)
            || (section.is_default && is(name, "default"))
            || is(name, "all")
            || is(name, "everything")
    })
}

/// What INFO knows and has written.
struct Report<'c> {
    shared: &'c Shared,
    usage: Usage,
    keyspace: KeyspaceStats,
    key_sizes: Vec<KeySizes>,
    miss_reasons: MissReasons,
    now_ms: u64,
    text: String,
}

impl Report<'_> {
    fn field(&mut self, name: impl Display, value: impl Display) {
        // A string takes everything.
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// Fields of what this server does not have.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }

    /// Two fields: bytes, and the same for people.
    fn memory(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), for_people(bytes));
    }
}

/// Bytes as people read them, in Redis's form: `1.50K`.
fn for_people(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::for_people;
    use crate::shared::Facts;
    use crate::testing::{TestProcess, TestServer, check, check_resp3};

    fn titles(server: &mut TestServer, request: &str) -> String {
        let text = server.run(request);
        let titles = text.split("\\r\\n").filter(|line| line.starts_with('#'));
        titles.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sections_are_chosen_by_name() {
        const ALL: &str = "# Server # Clients # Memory # Persistence # Stats # Replication # CPU # Modules \
            # Commandstats # Errorstats # Latencystats # Cluster # Keyspace # Keysizes # Workers # Prefixes";
        let usual = ALL
            .replace("# Commandstats ", "")
            .replace("# Latencystats ", "")
            .replace("# Keysizes ", "")
            .replace(" # Prefixes", "");
        let mut server = TestServer::new();
        for (request, expected) in [
            ("INFO", usual.as_str()),
            ("INFO default", usual.as_str()),
            ("INFO nosuch DEFAULT cpu", usual.as_str()),
            ("INFO all", ALL),
            ("INFO Everything", ALL),
            ("INFO keyspace SERVER", "# Server # Keyspace"),
            ("INFO nosuch", ""),
        ] {
            assert_eq!(titles(&mut server, request), expected, "{request}");
        }
    }

    #[test]
    fn sections_are_exact() {
        check_resp3(
            "INFO cluster modules
             INFO nosuch
             SET a 1
             INFO keyspace",
            r"txt:# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n
              txt:
              OK
              txt:# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n",
        );
        check("INFO cluster", r"# Cluster\r\ncluster_enabled:0\r\n");
    }

    #[test]
    fn the_mean_time_to_live_is_exact() {
        let mut server = TestServer::new();
        let mut keyspace = |script: &str, expected: &str| {
            server.run(script);
            let text = server.run("INFO keyspace");
            assert!(text.contains(expected), "{expected} in {text}");
        };
        keyspace(
            "SET a 1 EX 100\nSET b 1 EX 300\nSET c 1",
            "db0:keys=3,expires=2,avg_ttl=200000",
        );
        keyspace("+1000", "db0:keys=3,expires=2,avg_ttl=199000");
        keyspace(
            "SET a 2 KEEPTTL\nGETEX b EX 101",
            "expires=2,avg_ttl=100000",
        );
        keyspace(
            "SET a 2\nCOPY b d\nRENAME b e",
            "keys=4,expires=2,avg_ttl=101000",
        );
        keyspace("MOVE d 1\nPERSIST e", "db0:keys=3,expires=0,avg_ttl=0");
        keyspace("EXPIRE c 50", "db0:keys=3,expires=1,avg_ttl=50000");
        keyspace("SWAPDB 0 1", "db0:keys=1,expires=1,avg_ttl=101000");
        keyspace("DEL d\nSWAPDB 0 1", "db0:keys=3,expires=1,avg_ttl=50000");
        keyspace("PEXPIREAT a 9223372036854775807", "expires=2,");
        keyspace(
            "FLUSHDB\nSET a 1 PX 500",
            "db0:keys=1,expires=1,avg_ttl=500",
        );
    }

    #[test]
    fn numbers_are_those_of_the_process() {
        let facts = Facts {
            uptime_seconds: 200_000,
            allocated_bytes: 3 << 20,
            allocated_bytes_peak: 4 << 20,
            allocated_bytes_at_start: 1 << 20,
            max_memory_policy: "allkeys-lru".to_owned(),
            ..Facts::default()
        };
        let mut server = TestServer::with(TestProcess {
            facts,
            ..TestProcess::default()
        });
        let text = server.run("INFO all");
        for field in [
            "redis_version:7.4.0",
            "uptime_in_days:2",
            "used_memory:3145728",
            "used_memory_human:3.00M",
            "used_memory_peak_perc:75.00%",
            "maxmemory_policy:allkeys-lru",
            "connected_clients:1",
            "loading:0",
            "role:master",
        ] {
            assert!(
                text.contains(&format!("\\r\\n{field}\\r\\n")),
                "{field}: {text}"
            );
        }
    }

    #[test]
    fn commands_and_errors_are_counted() {
        let mut server = TestServer::new();
        server.run("GET k\nGET k\nNOSUCH\nGET\nCONFIG SET a 1 b");
        let text = server.run("INFO commandstats errorstats stats");
        for part in [
            "cmdstat_get:calls=2,usec=",
            ",rejected_calls=1,failed_calls=0\\r\\n",
            "cmdstat_config|set:calls=1,usec=",
            ",rejected_calls=0,failed_calls=1\\r\\n",
            "errorstat_ERR:count=3\\r\\n",
            "total_error_replies:3\\r\\n",
            "keyspace_hits:0\\r\\nkeyspace_misses:2\\r\\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(
            server.run("CONFIG RESETSTAT\nINFO errorstats"),
            "OK\n# Errorstats\\r\\n"
        );
    }

    #[test]
    fn bytes_are_shown_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1536, "1.50K"),
            (5 << 20, "5.00M"),
            (3 << 30, "3.00G"),
            (1 << 60, "1024.00P"),
        ] {
            assert_eq!(for_people(bytes), text);
        }
    }
}
