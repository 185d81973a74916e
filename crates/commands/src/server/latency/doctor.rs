//! LATENCY DOCTOR: what held the server up, and what to do about it, for people.

use std::fmt::Write;

use resp::Args;

use crate::context::Context;
use crate::error::CommandError;
use crate::insight::{Delays, Event};

const OFF: &str = "Nothing is measured: the latency monitor is off. \
    \"CONFIG SET latency-monitor-threshold 10\" notes what takes at least 10 milliseconds.\n";
const NOTHING: &str =
    "Nothing has held the server up for as long as latency-monitor-threshold says.\n";

pub fn doctor(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let insight = &context.shared.insight;
    let events = insight.latency.all();
    let text = match (events.is_empty(), insight.latency_ns() == u64::MAX) {
        (true, true) => OFF.to_owned(),
        (true, false) => NOTHING.to_owned(),
        (false, _) => report(&events),
    };
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn report(events: &[(Event, Delays)]) -> String {
    let mut text = "What held the server up:\n\n".to_owned();
    for (at, (event, delays)) in events.iter().enumerate() {
        let Summary {
            count,
            mean_ms,
            deviation_ms,
            period_s,
        } = Summary::of(delays);
        // A string takes everything.
        let _ = writeln!(
            text,
            "{}. {}: {count} seconds with it (mean {mean_ms} ms, mean deviation {deviation_ms} ms, every {period_s:.2} s). \
             The longest ever took {} ms.",
            at + 1,
            event.name(),
            delays.ms_max
        );
    }
    text += "\nWhat to do:\n\n";
    for (event, _) in events {
        // A string takes everything.
        let _ = writeln!(text, "- {}: {}", event.name(), advice(*event));
    }
    text
}

struct Summary {
    count: usize,
    mean_ms: u64,
    deviation_ms: u64,
    /// Seconds between two of them, on average.
    period_s: f64,
}

impl Summary {
    fn of(delays: &Delays) -> Self {
        let samples = &delays.samples;
        let count = samples.len().max(1) as u64;
        let mean_ms = samples.iter().map(|sample| sample.ms).sum::<u64>() / count;
        let deviations = samples.iter().map(|sample| sample.ms.abs_diff(mean_ms));
        let ends = samples.front().zip(samples.back());
        let span_s = ends.map_or(0, |(first, last)| last.at_s.saturating_sub(first.at_s));
        Self {
            count: samples.len(),
            mean_ms,
            deviation_ms: deviations.sum::<u64>() / count,
            period_s: span_s.max(1) as f64 / count as f64,
        }
    }
}

fn advice(event: Event) -> &'static str {
    match event {
        Event::Command => {
            "SLOWLOG GET names the commands. KEYS, FLUSHALL without ASYNC, and commands with thousands of keys or \
             values of megabytes take time in proportion: use SCAN, FLUSHALL ASYNC, and smaller batches."
        }
        Event::FastCommand => {
            "Commands that are quick by themselves took long, so something else had the processor, or memory was not \
             there: look for swapping, for other processes on the same cores, and for a quota of the container."
        }
        Event::EvictionCycle => {
            "Writes come faster than room is made. More memory.max_memory, or fewer large values at once, helps; INFO \
             memory and MEMORY DOCTOR tell what takes the memory."
        }
        Event::ExpireCycle => {
            "Many keys expire at the same time. memory.ttl_jitter_percent spreads the deadlines of keys that are \
             written together."
        }
        Event::Compaction => {
            "Sparse memory is being emptied. It happens after many keys have gone, and ends by itself."
        }
        Event::GivingBackMemory => {
            "The system takes long to take memory back. Huge pages that are set to always, and swap, make that worse."
        }
        Event::EachSecond => {
            "What is done once in a second takes long: there may be very many connections, or the allocator has much to \
             give back."
        }
        Event::Receiving => {
            "Very many connections have sent something at once, or are opened and closed: reuse connections, and look at \
             server.connection_rate_limit."
        }
        Event::Sending => {
            "Large replies go to many connections at once, or the system's network has too little processor time."
        }
        Event::EventLoop => {
            "A worker took long from one wait to the next: the events beside this one tell which part. Without one, it \
             did not get the processor: look for other processes on the same cores, and for a quota of the container."
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::insight::{Event, InsightSettings};
    use crate::testing::{START_MS, TestServer};

    #[test]
    fn it_tells_what_it_knows() {
        let mut server = TestServer::new();
        assert!(
            server
                .run("LATENCY DOCTOR")
                .contains("latency-monitor-threshold 10")
        );
        server.shared.insight.set(&InsightSettings {
            latency_ms: 10,
            ..InsightSettings::default()
        });
        assert!(server.run("LATENCY DOCTOR").starts_with("Nothing has held"));
        for (ms, second) in [(10, 0), (20, 4)] {
            let now_ms = START_MS + second * 1000;
            let latency = &server.shared.insight.latency;
            latency.add(Event::ExpireCycle, ms * 1_000_000, now_ms);
        }
        let text = server.run("LATENCY DOCTOR");
        let expected = "1. expire-cycle: 2 seconds with it (mean 15 ms, mean deviation 5 ms, every 2.00 s). The longest \
                        ever took 20 ms.";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("- expire-cycle: Many keys expire"), "{text}");
    }
}
