//! The tables of docs/eviction.md, and their places in it.

use super::super::document::{table, targets_table};
use super::super::machine::Machine;
use super::super::marks;
use super::results::{HitResults, Live, LiveServer, Ratio, Simulated, change_percent};
use super::simulator::{live_arguments, simulate_arguments};
use super::{BASE, GENERATORS, LIVE_BASE, POLICIES, TRACES, checks};

/// The document, from the root of the project.
pub const DOCUMENT: &str = "docs/eviction.md";
const TARGETS: &str = "targets";
const SIMULATED: &str = "policies";
const LIVE: &str = "live";

/// The document with what was measured; what was not stays as it is.
///
/// # Errors
/// When a table has no place.
pub fn fill_in(document: &str, results: &HitResults) -> Result<String, String> {
    let mut text = document.to_owned();
    let mut put = |name, block: &str| -> Result<(), String> {
        text = marks::replace(DOCUMENT, &text, name, block)?;
        Ok(())
    };
    let has_ratios = !results.simulated.ratios.is_empty();
    let has_servers = !results.live.servers.is_empty();
    if has_ratios || has_servers {
        put(TARGETS, &targets_block(results))?;
    }
    if has_ratios {
        put(SIMULATED, &simulated_block(&results.simulated))?;
    }
    if has_servers {
        put(LIVE, &live_block(&results.live))?;
    }
    Ok(text)
}

fn targets_block(results: &HitResults) -> String {
    format!(
        "What is asked of the server's policies, with equal numbers of entries and live with equal memory. \
         `cargo xtask bench --hits`\n\n{}",
        targets_table(&checks::all(results))
    )
}

fn simulated_block(simulated: &Simulated) -> String {
    let mut command = "redistill-simulate".to_owned();
    for trace in TRACES {
        command += &format!(" {trace}.u32");
    }
    command += " \\\n";
    for generators in GENERATORS.chunks(2) {
        command += "   ";
        for generator in generators {
            command += &format!(" --generate {generator}");
        }
        command += " \\\n";
    }
    command += &format!("    {}", simulate_arguments().join(" "));
    let mut text = format!(
        "The share of misses, and their change against `{BASE}`, with equal numbers of entries (in brackets). \
         `cargo xtask bench --hits`, which replays the same as\n\n```sh\n{command}\n```\n"
    );
    for ratios in simulated
        .ratios
        .chunk_by(|one, next| one.trace == next.trace)
    {
        text += &format!("\n{}", ratios_table(ratios));
    }
    text + &format!("\n{}\n", where_and_when(&simulated.machine))
}

/// The table of one trace.
pub fn ratios_table(ratios: &[Ratio]) -> String {
    let Some(first) = ratios.first() else {
        return String::new();
    };
    let of = |policy: &str| -> Vec<&Ratio> {
        let found = ratios.iter().filter(|ratio| ratio.policy == policy);
        found.collect()
    };
    let base = of(BASE);
    let columns = base
        .iter()
        .map(|ratio| format!("{} ({})", ratio.size, ratio.entries));
    let head: Vec<String> = ["policy".to_owned()].into_iter().chain(columns).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let rows = POLICIES.into_iter().map(|policy| {
        let cells = of(policy).into_iter().zip(&base).map(|(ratio, base)| {
            let change = change_percent(ratio.miss_ratio, base.miss_ratio);
            format!("{:.4} {change:+.1} %", ratio.miss_ratio)
        });
        [policy.to_owned()].into_iter().chain(cells).collect()
    });
    format!(
        "**{}** ({} requests, {} keys)\n\n{}",
        first.trace,
        thousands(first.requests),
        thousands(first.keys),
        table(&head, rows)
    )
}

fn live_block(live: &Live) -> String {
    let traces = TRACES.map(|trace| format!("{trace}.u32")).join(" ");
    let mut command = format!("redistill-simulate {traces}");
    for argument in live_arguments("redis-server", "target/release/redistill") {
        command += &match argument.split_once(' ') {
            Some(_) => format!(" \"{argument}\""),
            None if argument.ends_with("-command") => format!(" \\\n    {argument}"),
            None => format!(" {argument}"),
        };
    }
    let head = [
        "trace",
        "server",
        "limit, MB",
        "above the empty server, MB",
        "keys held at the end",
        "misses",
        "share of misses",
        "against redis-server",
        "seconds",
    ];
    let rows = live.servers.iter().map(|server| live_row(live, server));
    let simulated: Vec<String> = live.simulated.iter().map(simulated_text).collect();
    format!(
        "`cargo xtask bench --hits`, which runs\n\n```sh\n{command}\n```\n\n{}\n\
         `{LIVE_BASE}` has allkeys-lru, this server the policy that is named. Simulated, with as many entries as \
         {LIVE_BASE} held ids: {}.\n\n{}\n",
        table(&head, rows),
        simulated.join("; "),
        where_and_when(&live.machine)
    )
}

fn live_row(live: &Live, server: &LiveServer) -> Vec<String> {
    let change = (server.server != LIVE_BASE)
        .then(|| live.change_percent(&server.trace, &server.server, LIVE_BASE))
        .flatten();
    vec![
        server.trace.clone(),
        server.server.clone(),
        megabytes(server.limit_bytes),
        megabytes(server.data_bytes),
        thousands(server.keys_held),
        thousands(server.misses),
        format!("{:.4}", server.miss_ratio()),
        change.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.1} %")),
        format!("{:.0}", server.seconds),
    ]
}

fn simulated_text(ratio: &Ratio) -> String {
    format!(
        "{}, {} entries, {} {:.4}",
        ratio.trace,
        thousands(ratio.entries),
        ratio.policy,
        ratio.miss_ratio
    )
}

fn where_and_when(machine: &Machine) -> String {
    format!(
        "{} {}; {}.",
        machine.in_one_line(),
        machine.redis,
        machine.redistill
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The number with commas.
fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{ratio, server};
    use super::*;

    const PAGE: &str = "a\n<!-- measured: targets -->\nold\n<!-- end of measured -->\n\
        b\n<!-- measured: policies -->\nold\n<!-- end of measured -->\n\
        c\n<!-- measured: live -->\nold\n<!-- end of measured -->\nd\n";

    fn simulated() -> HitResults {
        let mut results = HitResults::default();
        for (policy, miss_ratio) in [(BASE, 0.5), ("allkeys-s3fifo", 0.45)] {
            for size in ["1 %", "10 %"] {
                let ratio = ratio("arc-oltp", policy, size, miss_ratio);
                results.simulated.ratios.push(ratio);
            }
        }
        results
    }

    #[track_caller]
    fn check(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn tables_of_the_simulator() {
        let text = fill_in(PAGE, &simulated()).unwrap();
        let parts = [
            "| allkeys-s3fifo: share of misses, arc-oltp, 1 % of the keys | 0.550 | 0.450 | yes |",
            "    --generate uniform --generate scan",
            "--policies lru,redis-lru,allkeys-lru,allkeys-s3fifo --sizes 0.1%,1%,5%,10%,25%\n",
            "**arc-oltp** (1,000 requests, 100 keys)\n\n| policy | 1 % (10) | 10 % (10) |\n",
            "| redis-lru | 0.5000 +0.0 % | 0.5000 +0.0 % |\n",
            "| allkeys-s3fifo | 0.4500 -10.0 % | 0.4500 -10.0 % |\n",
            "c\n<!-- measured: live -->\nold\n",
        ];
        check(&text, &parts);
        assert_eq!(fill_in(&text, &simulated()), Ok(text));
    }

    #[test]
    fn the_table_of_live_servers() {
        let mut results = HitResults::default();
        results.live.servers = vec![
            server("arc-oltp", LIVE_BASE, 4000),
            server("arc-oltp", "allkeys-s3fifo", 3000),
        ];
        results.live.simulated = vec![ratio("arc-oltp", BASE, "10", 0.5)];
        let text = fill_in(PAGE, &results).unwrap();
        let parts = [
            "| arc-oltp | redis-server | 9.0 | 7.5 | 1,234 | 4,000 | 0.4000 | - | 12 |",
            "| arc-oltp | allkeys-s3fifo | 9.0 | 7.5 | 1,234 | 3,000 | 0.3000 | -25.0 % | 12 |",
            "--used-field used_memory_rss",
            " \\\n    --server-command \"allkeys-s3fifo=target/release/redistill --server.port {port} ",
            "ids: arc-oltp, 10 entries, redis-lru 0.5000.",
            "b\n<!-- measured: policies -->\nold\n",
        ];
        check(&text, &parts);
    }

    #[test]
    fn nothing_measured_changes_nothing() {
        assert_eq!(fill_in(PAGE, &HitResults::default()).as_deref(), Ok(PAGE));
    }

    #[test]
    fn the_page_has_a_place_for_every_table() {
        let path = crate::workspace::root().unwrap().join(DOCUMENT);
        let page = std::fs::read_to_string(path).unwrap();
        for name in [TARGETS, SIMULATED, LIVE] {
            assert!(marks::replace(DOCUMENT, &page, name, "").is_ok(), "{name}");
        }
    }
}
