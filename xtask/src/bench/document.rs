//! Renders docs/benchmarks.md.

use std::path::Path;

use super::cells::{CONNECTIONS, Cell, Group};
use super::machine::Machine;
use super::memory::{IDLE_CONNECTIONS, VALUE_BYTES};
use super::results::{AGAIN, Figures, Results};
use super::servers::Server;
use super::targets::Target;
use super::{churn, collections, eviction, statistics, tail, targets, tls};

/// The document; `chart` is the picture's file.
pub fn render(results: &Results, chart: &Path) -> String {
    let picture = chart.file_name().unwrap_or_default().to_string_lossy();
    let sections = [
        introduction(&picture),
        targets_section(results),
        matrix_section(results),
        noise_section(results),
        speed_section(results),
        memory_section(results),
        tail_section(results),
        churn_section(results),
        eviction_section(results),
        collections_section(results),
        tls_section(results),
        method_section(results),
    ];
    sections.concat()
}

fn introduction(picture: &str) -> String {
    format!(
        "# Benchmarks\n\n\
         This page is written by `cargo xtask bench`; do not edit it.\n\n\
         The figure that counts is the CPU time that the server's process spends for one operation, in user and \
         kernel code together. It depends on the client far less than requests per second do. The *floor* is a server that has only this project's socket and \
         protocol code: it parses every request and answers a constant of the right length, and so shows what the \
         kernel and the protocol cost before anything is stored or found.\n\n\
         ![Operations per second of server CPU, as a multiple of redis-server's]({picture})\n\n"
    )
}

fn targets_section(results: &Results) -> String {
    format!("## Targets\n\n{}\n", targets_table(&targets::all(results)))
}

/// What was asked for, and what was measured.
pub fn targets_table(targets: &[Target]) -> String {
    let rows = targets.iter().map(|target| {
        let verdict = match target.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        let measured = target
            .measured
            .map_or_else(dash, |number| target.number(number));
        vec![
            target.text.clone(),
            target.number(target.limit),
            measured,
            verdict.to_owned(),
        ]
    });
    table(&["target", "at most", "measured", "met"], rows)
}

/// The cells of the results, in the matrix's order and then others.
fn measured_cells(results: &Results) -> Vec<Cell> {
    let mut cells: Vec<Cell> = results
        .samples
        .iter()
        .filter_map(|sample| sample.cell.parse().ok())
        .collect();
    cells.sort_unstable_by_key(|cell| {
        (
            cell.group.value_bytes,
            cell.group.keys,
            cell.operation,
            cell.pipeline,
        )
    });
    cells.dedup();
    cells
}

fn groups(cells: &[Cell]) -> Vec<Group> {
    let mut groups: Vec<Group> = cells.iter().map(|cell| cell.group).collect();
    groups.dedup();
    groups
}

/// Servers that have results, in the order of the columns.
fn measured_servers(results: &Results) -> Vec<&'static str> {
    let order = [
        Server::Redis,
        Server::Redistill,
        Server::RedistillMio,
        Server::Floor,
        Server::FloorMio,
    ];
    let has = |name: &str| results.samples.iter().any(|sample| sample.server == name);
    order
        .into_iter()
        .map(Server::name)
        .filter(|name| has(name))
        .collect()
}

fn label(cell: Cell) -> Vec<String> {
    vec![
        cell.operation.name().to_uppercase(),
        cell.pipeline.to_string(),
    ]
}

fn matrix_section(results: &Results) -> String {
    let cells = measured_cells(results);
    let servers = measured_servers(results);
    let mut text = "## CPU time of the server per operation\n\n\
        Nanoseconds, medians of all rounds; in parentheses the part in the server's own code. P is the number of \
        requests that a connection sends at once.\n\n"
        .to_owned();
    for group in groups(&cells) {
        let mut head = vec!["", "P"];
        head.extend(&servers);
        head.extend(["redistill / redis", "redistill / floor"]);
        let rows = cells
            .iter()
            .filter(|cell| cell.group == group)
            .map(|&cell| {
                let mut row = label(cell);
                for server in &servers {
                    row.push(results.figures(cell, server).map_or_else(dash, time_text));
                }
                for base in ["redis", "floor"] {
                    row.push(
                        results
                            .ratio(cell, "redistill", base)
                            .map_or_else(dash, |ratio| format!("{ratio:.2}")),
                    );
                }
                row
            });
        text += &format!("### {group}\n\n{}\n", table(&head, rows));
    }
    text
}

fn time_text(figures: Figures) -> String {
    format!("{:.0} ({:.0})", figures.total_ns.median, figures.user_ns)
}

fn noise_section(results: &Results) -> String {
    let cells = measured_cells(results);
    let servers = measured_servers(results);
    let mut head = vec!["cell", "A again / A", "range over rounds"];
    head.extend(&servers);
    let rows = cells.iter().map(|&cell| {
        let again = results.again(cell);
        let mut row = vec![
            format!("`{cell}`"),
            again.map_or_else(dash, |spread| format!("{:.3}", spread.median)),
            again.map_or_else(dash, |spread| {
                format!("{:.3} to {:.3}", spread.min, spread.max)
            }),
        ];
        for server in &servers {
            let percent = |figures: Figures| format!("±{:.0} %", figures.total_ns.percent());
            row.push(results.figures(cell, server).map_or_else(dash, percent));
        }
        row
    });
    format!(
        "## Noise: A against A\n\n\
         In each round redistill is measured twice, as the first and as the last server. `A again / A` is the \
         second CPU time divided by the first, as the median and the range over the rounds: a difference between \
         servers that is smaller than this is none. The last columns show how far single rounds of each server \
         were from its median.\n\n{}\n",
        table(&head, rows)
    )
}

fn speed_section(results: &Results) -> String {
    let servers = measured_servers(results);
    let head = [
        "cell",
        "server",
        "requests/s",
        "p50, ms",
        "p99, ms",
        "client's core busy",
    ];
    let rows = measured_cells(results).into_iter().flat_map(|cell| {
        servers.iter().filter_map(move |&server| {
            let figures = results.figures(cell, server)?;
            Some(vec![
                format!("`{cell}`"),
                server.to_owned(),
                format!("{:.0}", figures.requests_per_s),
                format!("{:.3}", figures.p50_ms),
                format!("{:.3}", figures.p99_ms),
                format!("{:.0} %", figures.client_busy * 100.0),
            ])
        })
    });
    format!(
        "## Throughput and latency\n\n\
         One core of server, one core of client, closed loop: each connection sends its next batch when the last \
         one has been answered. Where the client's core is busy all the time, the client is the limit, and the \
         server could do more.\n\n{}\n",
        table(&head, rows)
    )
}

fn memory_section(results: &Results) -> String {
    let head = [
        "server",
        "empty, MB",
        "idle CPU, % of a core",
        "bytes per idle connection",
        "bytes per key, 1M keys, above empty",
        "bytes per key, 10M keys, all included",
    ];
    let rows = results.memory.iter().map(|memory| {
        let number = |value: Option<f64>, scale: f64, digits: usize| {
            value.map_or_else(dash, |value| format!("{:.digits$}", value / scale))
        };
        vec![
            memory.server.clone(),
            number(memory.empty_bytes, 1e6, 1),
            number(memory.idle_cpu_percent, 1.0, 2),
            number(memory.connection_bytes, 1.0, 0),
            number(memory.key_bytes_1m, 1.0, 1),
            number(memory.key_bytes_10m, 1.0, 1),
        ]
    });
    format!(
        "## Memory and idle CPU\n\n\
         Resident memory (VmRSS), keys of 16 bytes with values of {VALUE_BYTES} bytes, {IDLE_CONNECTIONS} idle \
         connections, idle CPU over 10 s. Redistill with one worker.\n\n{}\n",
        table(&head, rows)
    )
}

fn method_section(results: &Results) -> String {
    let machine = results.machine.clone().unwrap_or_default();
    let group = Group {
        keys: 1_000_000,
        value_bytes: 64,
    };
    let commands: String = [
        format!("taskset -c 0 redistill {}\n", Server::Redistill.command_line(group)),
        format!("taskset -c 0 redis-server {}\n", Server::Redis.command_line(group)),
        format!("taskset -c 0 redistill-floor {}\n", Server::Floor.command_line(group)),
        format!(
            "taskset -c 1 redistill-benchmark -p PORT -c {CONNECTIONS} -P 128 -t get --duration 1 -r 1000000 -d 64 \
             --server-pid PID --json\n"
        ),
    ]
    .concat();
    format!(
        "## Method\n\n\
         {}\n\
         - TCP over loopback, {CONNECTIONS} connections, keys of 16 bytes (`key:000000012345`), uniformly random, all \
         present: every key is written once before, in random order. A GET that misses fails the run.\n\
         - Each server has one core, the client the other; one server is loaded at a time while the others idle. \
         Where the servers do not fit into memory together, each is started and filled anew in each round.\n\
         - Rounds are interleaved: redistill, redis-server, floor, redistill again; {} rounds for each cell.\n\
         - CPU time comes from `/proc/PID/task/*/schedstat`, in nanoseconds; its split into user and kernel time from \
         the clock ticks of `/proc/PID/stat`.\n\n\
         ```sh\ncargo xtask bench            # the matrix\ncargo xtask bench --memory   # memory and idle CPU\n\
         cargo xtask bench --quick    # a look\ncargo xtask bench --churn --minutes 20   # a memory limit while sizes shift\ncargo xtask bench --eviction # what eviction costs\ncargo xtask bench --tls      # what TLS costs\ncargo xtask bench --collections # hashes, lists, sets, sorted sets\n```\n\n\
         The commands behind it:\n\n```sh\n{commands}```\n",
        machine_lines(&machine),
        rounds_text(results),
    )
}

fn tail_section(results: &Results) -> String {
    if results.tails.is_empty() {
        return String::new();
    }
    let rows = results.tails.iter().map(tail::Tail::row);
    format!(
        "## The tail\n\n\
         GET of 64-byte values at fixed times, 10,000 a second on 16 connections, with nothing and with something beside \
         it. Latency counts from the time at which a request was due. The prober runs at real-time priority on one core, \
         what disturbs runs niced on the same one, the server on the other. In the controls, the disturbance goes to the \
         floor on the server's core: sharing the core costs that much. Medians of rounds. `cargo xtask bench --tail`\n\n{}\n",
        table(&tail::HEAD, rows)
    )
}

fn churn_section(results: &Results) -> String {
    let how = "`cargo xtask bench --churn --minutes 20`";
    let introduction = churn::introduction();
    let Some(first) = results.churns.first() else {
        return format!(
            "## A churn under a memory limit\n\n{introduction} Not measured yet: {how}.\n\n"
        );
    };
    let servers = results.churns.iter().map(churn::Churn::row);
    let phases = results.churns.iter().flat_map(churn::Churn::phase_rows);
    format!(
        "## A churn under a memory limit\n\n{introduction} {} minutes for each server: {how}. Resident memory is the peak \
         that the kernel has seen.\n\n{}\n{}\n",
        first.minutes,
        table(&churn::HEAD, servers),
        table(&churn::PHASE_HEAD, phases),
    )
}

fn eviction_section(results: &Results) -> String {
    let introduction = eviction::introduction();
    let figures = if results.evictions.is_empty() {
        "Not measured yet.\n".to_owned()
    } else {
        table(
            &eviction::HEAD,
            eviction::rows(&results.evictions).into_iter(),
        )
    };
    format!(
        "## What eviction costs\n\n{introduction} `cargo xtask bench --eviction`\n\n{figures}\n"
    )
}

fn collections_section(results: &Results) -> String {
    let how = "`cargo xtask bench --collections`";
    let introduction = collections::introduction();
    let Some(figures) = &results.collections else {
        return format!("## Collections\n\n{introduction} Not measured yet: {how}.\n\n");
    };
    format!(
        "## Collections\n\n{introduction} {how}\n\n{}\n{}\n",
        table(
            &collections::COST_HEAD,
            collections::cost_rows(figures).into_iter()
        ),
        table(
            &collections::MEMORY_HEAD,
            collections::memory_rows(figures).into_iter()
        ),
    )
}

fn tls_section(results: &Results) -> String {
    let how = "`cargo xtask bench --tls`";
    let Some(figures) = &results.tls else {
        return format!(
            "## TLS\n\n{} Not measured yet: {how}.\n\n",
            tls::cost_introduction()
        );
    };
    format!(
        "## TLS\n\n{} {how}\n\n{}\n{}\n\n{}\n",
        tls::cost_introduction(),
        table(&tls::COST_HEAD, tls::cost_rows(figures).into_iter()),
        tls::storm_introduction(),
        table(&tls::STORM_HEAD, tls::storm_rows(figures).into_iter()),
    )
}

fn machine_lines(machine: &Machine) -> String {
    format!(
        "- Measured on {}, commit {}, {}.\n\
         - Machine: {}, {} cores, {:.0} GiB, Linux {}, TCP congestion control {}.\n\
         - {}; {}.\n",
        machine.date,
        machine.commit,
        machine.rustc,
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.congestion_control,
        machine.redis,
        machine.redistill,
    )
}

/// How many rounds the cells have.
fn rounds_text(results: &Results) -> String {
    let counts: Vec<f64> = measured_cells(results)
        .into_iter()
        .map(|cell| {
            let name = cell.to_string();
            let own = results
                .samples
                .iter()
                .filter(|sample| sample.cell == name && sample.server != AGAIN);
            own.map(|sample| sample.round + 1).max().unwrap_or(0).into()
        })
        .collect();
    match statistics::spread(&counts) {
        Some(spread) if spread.min < spread.max => format!("{} to {}", spread.min, spread.max),
        Some(spread) => spread.min.to_string(),
        None => "no".to_owned(),
    }
}

/// A table of a document.
pub fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cells::Operation;
    use crate::bench::results::Memory;
    use crate::bench::results::tests::sample;

    /// Three servers in two cells.
    pub fn results() -> Results {
        let mut results = Results {
            machine: Some(Machine::default()),
            ..Results::default()
        };
        for operation in [Operation::Get, Operation::Set] {
            let group = Group {
                keys: 1_000_000,
                value_bytes: 64,
            };
            let cell = Cell {
                group,
                operation,
                pipeline: 128,
            };
            for round in 0..7 {
                let noise = f64::from(round) - 3.0;
                results
                    .samples
                    .push(sample(cell, "redistill", round, 150.0 + noise));
                results
                    .samples
                    .push(sample(cell, "redis", round, 1200.0 + noise));
                results.samples.push(sample(cell, "floor", round, 75.0));
                results
                    .samples
                    .push(sample(cell, AGAIN, round, 153.0 + noise));
            }
        }
        let memory = Memory {
            server: "redistill".into(),
            key_bytes_10m: Some(116.94),
            ..Memory::default()
        };
        results.replace_memory(memory);
        results
    }

    #[test]
    fn the_document_has_the_figures() {
        let text = render(&results(), Path::new("x/benchmarks.svg"));
        for part in [
            "![Operations per second of server CPU, as a multiple of redis-server's](benchmarks.svg)",
            "| GET, 1M keys, 64-byte values, P=128: CPU time as a part of redis-server's | 0.143 | 0.125 | yes |",
            "| GET, 1M keys, 64-byte values, P=128: CPU time as a multiple of the floor's | 2.000 | 2.000 | yes |",
            "| redistill: memory per key, 10M keys, process included | 100.0 B | 116.9 B | **no** |",
            "| GET | 128 | 1200 (300) | 150 (38) | 75 (19) | 0.12 | 2.00 |",
            "| `get-p128-1m-64` | 1.020 | 1.020 to 1.020 | ±0 % | ±2 % | ±0 % |",
            "7 rounds for each cell",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn nothing_measured_is_said_so() {
        let text = render(&Results::default(), Path::new("benchmarks.svg"));
        assert!(text.contains("not measured") && text.contains("no rounds"));
    }

    #[test]
    fn every_table_row_has_as_many_columns_as_its_head() {
        let text = render(&results(), Path::new("benchmarks.svg"));
        let mut columns = None;
        for line in text.lines() {
            let count = line.starts_with('|').then(|| line.matches('|').count());
            if count.is_some() && columns.is_some() && !line.starts_with("|---") {
                assert_eq!(count, columns, "{line}");
            }
            columns = count.map(|count| columns.unwrap_or(count));
        }
    }
}
