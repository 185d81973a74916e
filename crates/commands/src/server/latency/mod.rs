//! LATENCY: how long commands take, and what held workers up.

mod doctor;
mod graph;

use resp::Args;

use super::ANYTIME;
use crate::command::{Command, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::HELP;
use crate::insight::Event;
use crate::registry::{Registered, registry};
use crate::stats::command_times;

const ROW: Command = Command {
    arity: 2,
    flags: ANYTIME | flag::ADMIN | flag::NOSCRIPT,
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    since: "2.8.13",
    ..Command::BASE
};

pub const LATENCY: Command = Command {
    name: "latency",
    arity: -2,
    since: "2.8.13",
    summary: "A container for commands about what takes long",
    complexity: "Depends on the subcommand",
    run: HELP.run,
    subcommands: &[
        Command {
            name: "doctor",
            summary: "Returns a report for people about what held the server up",
            run: doctor::doctor,
            ..ROW
        },
        Command {
            name: "graph",
            arity: 3,
            summary: "Returns the times of an event as a graph in ASCII",
            syntax: "event",
            run: graph::graph,
            ..ROW
        },
        Command {
            name: "history",
            arity: 3,
            summary: "Returns the times of an event",
            syntax: "event",
            run: history,
            ..ROW
        },
        Command {
            name: "latest",
            summary: "Returns the last time of every event",
            run: latest,
            ..ROW
        },
        Command {
            name: "reset",
            arity: -2,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            summary: "Forgets the times of all or some events",
            syntax: "[event [event ...]]",
            run: reset,
            ..ROW
        },
        Command {
            name: "histogram",
            arity: -2,
            since: "7.0.0",
            summary: "Returns how many executions of all or some commands took how long",
            complexity: "O(N) where N is the number of commands that are answered",
            syntax: "[command [command ...]]",
            run: histogram,
            ..ROW
        },
        Command {
            since: "2.8.13",
            ..HELP
        },
    ],
    ..Command::BASE
};

fn latest(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let events = context.shared.insight.latency.all();
    let reply = &mut context.reply;
    reply.array(events.len());
    for (event, delays) in &events {
        let last = delays.samples.back();
        reply.array(4);
        reply.bulk(event.name().as_bytes());
        reply.integer(last.map_or(0, |sample| sample.at_s).cast_signed());
        reply.integer(last.map_or(0, |sample| sample.ms).cast_signed());
        reply.integer(delays.ms_max.cast_signed());
    }
    Ok(())
}

fn history(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let event = Event::find(args.get(2));
    let delays = event.and_then(|event| context.shared.insight.latency.get(event));
    let samples = delays.unwrap_or_default().samples;
    context.reply.array(samples.len());
    for sample in samples {
        context.reply.array(2);
        context.reply.integer(sample.at_s.cast_signed());
        context.reply.integer(sample.ms.cast_signed());
    }
    Ok(())
}

fn reset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let latency = &context.shared.insight.latency;
    let forgotten = if args.len() == 2 {
        let forgotten = Event::ALL.iter().filter(|event| latency.forget(**event));
        forgotten.count()
    } else {
        let events = args.tail(2).iter().filter_map(Event::find);
        events.filter(|event| latency.forget(*event)).count()
    };
    context.reply.integer(forgotten as i64);
    Ok(())
}

/// As Redis does it, from the first power of two of nanoseconds that is more than a microsecond on: commands that took
/// less than each of them, under the microseconds that Redis's histogram has there.
fn histogram(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let asked: Vec<&Registered> = if args.len() == 2 {
        registry().all().iter().collect()
    } else {
        args.tail(2).iter().flat_map(with_subcommands).collect()
    };
    let map = context.reply.begin_array();
    let mut answered = 0;
    for registered in asked {
        let Some(times) = command_times(&context.shared.stats, registered.id) else {
            continue;
        };
        answered += 1;
        let reply = &mut context.reply;
        reply.bulk(registered.full_name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(times.count().cast_signed());
        reply.bulk(b"histogram_usec");
        let buckets = reply.begin_array();
        let (mut before, mut pairs) = (0, 0);
        for power in 10..=41 {
            let count = times.count_below(1 << power);
            if count > before {
                reply.integer(bucket_us(power));
                reply.integer(count.cast_signed());
                pairs += 1;
            }
            before = count;
        }
        reply.end_map(buckets, pairs);
    }
    context.reply.end_map(map, answered);
    Ok(())
}

/// The last time in the bucket of a power of two of nanoseconds, where 128 buckets are between two of them.
const fn bucket_us(power: u32) -> i64 {
    ((1 << power) + (1 << (power - 7)) - 1) / 1000
}

/// The command of this name and its subcommands; a subcommand is named as `config|get`.
fn with_subcommands(name: &[u8]) -> Vec<&'static Registered> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let found = registry().find(parts.next().unwrap_or_default());
    match (found, parts.next()) {
        (Some(parent), Some(name)) => registry()
            .find_subcommand(parent, name)
            .into_iter()
            .collect(),
        (Some(parent), None) => {
            let subcommands = registry().subcommands(parent).iter();
            std::iter::once(parent).chain(subcommands).collect()
        }
        (None, _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::bucket_us;
    use crate::insight::{Event, InsightSettings};
    use crate::testing::{START_MS, TestServer, check, check_resp3};

    #[test]
    fn buckets_are_those_of_redis() {
        let buckets: Vec<i64> = (10..=22).map(bucket_us).collect();
        let expected = [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227];
        assert_eq!(buckets, expected);
    }

    #[test]
    fn executions_are_in_the_histogram() {
        let mut server = TestServer::new();
        server.send("a", &b"GET a\r\n".repeat(60));
        server.run("SET k v\nMULTI\nGET k\nEXEC\nNOSUCH\nGET");
        let text = server.run("LATENCY HISTOGRAM get nosuch SET");
        assert!(
            text.starts_with("[get [calls :61 histogram_usec ["),
            "{text}"
        );
        assert!(text.contains("] set [calls :1 histogram_usec ["), "{text}");
        assert!(text.contains(":61]]"), "{text}");
        let text = server.run("CLIENT ID\nLATENCY HISTOGRAM client");
        assert!(text.contains("[client|id [calls :1 "), "{text}");
        let text = server.run("LATENCY HISTOGRAM client|id exec latency|nosuch client|");
        assert!(text.starts_with("[client|id [calls :1"), "{text}");
        assert!(text.contains("exec [calls :1"), "{text}");
        let text = server.run("INFO latencystats");
        assert!(text.contains("latency_percentiles_usec_get:p50="), "{text}");
        assert!(text.contains(",p99="), "{text}");
        assert!(text.contains(",p99.9="), "{text}");
    }

    #[test]
    fn times_are_counted_only_when_they_are_asked_for() {
        let mut server = TestServer::new();
        server.shared.insight.set(&InsightSettings {
            counts_times: false,
            ..InsightSettings::default()
        });
        server.run("GET a\nMGET a b\nPING");
        assert_eq!(server.run("LATENCY HISTOGRAM"), "[]");
        assert_eq!(server.run("INFO latencystats"), "# Latencystats\\r\\n");
        let text = server.run("INFO commandstats");
        assert!(text.contains("cmdstat_mget:calls=1,usec="), "{text}");
        server.shared.insight.set(&InsightSettings::default());
        server.run("GET a\nCONFIG RESETSTAT");
        assert_eq!(server.run("LATENCY HISTOGRAM get"), "[]");
        check_resp3("LATENCY HISTOGRAM nosuch", "{}");
    }

    #[test]
    fn events_are_answered_and_forgotten() {
        let mut server = TestServer::new();
        let latency = &server.shared.insight.latency;
        for (event, ms, seconds) in [
            (Event::Command, 5, 0),
            (Event::Command, 9, 1),
            (Event::EventLoop, 7, 1),
            (Event::Command, 3, 2),
        ] {
            latency.add(event, ms * 1_000_000, START_MS + seconds * 1000);
        }
        let script = "LATENCY LATEST\nLATENCY HISTORY Command\nLATENCY HISTORY fork\n\
            LATENCY RESET fork command nosuch\nLATENCY LATEST\nLATENCY RESET\nLATENCY LATEST\nLATENCY RESET";
        let expected = [
            "[[command :1700000002 :3 :9] [event-loop :1700000001 :7 :7]]",
            "[[:1700000000 :5] [:1700000001 :9] [:1700000002 :3]]",
            "[]",
            ":1",
            "[[event-loop :1700000001 :7 :7]]",
            ":1",
            "[]",
            ":0",
        ];
        assert_eq!(server.run(script), expected.join("\n"));
    }

    #[test]
    fn slow_commands_are_events() {
        let mut server = TestServer::new();
        server.run("DEBUG SLEEP 0.002");
        assert_eq!(server.run("LATENCY LATEST"), "[]");
        server.shared.insight.set(&InsightSettings {
            latency_ms: 2,
            ..InsightSettings::default()
        });
        server.run("DEBUG SLEEP 0.002");
        let text = server.run("LATENCY LATEST");
        assert!(text.starts_with("[[command :1700000000 :"), "{text}");
    }

    #[test]
    fn requests_are_checked() {
        check(
            "LATENCY HISTORY
             LATENCY LATEST x
             LATENCY GRAPH nosuch
             LATENCY FOO
             LATENCY",
            "-ERR wrong number of arguments for 'latency|history' command
             -ERR wrong number of arguments for 'latency|latest' command
             -ERR No samples available for event 'nosuch'
             -ERR unknown subcommand 'FOO'. Try LATENCY HELP.
             -ERR wrong number of arguments for 'latency' command",
        );
    }
}
