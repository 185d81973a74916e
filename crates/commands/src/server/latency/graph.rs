//! LATENCY GRAPH: the times of an event as a sparkline, in Redis's form.

use resp::Args;

use crate::context::Context;
use crate::error::CommandError;
use crate::insight::{Delays, Event, Sample};

const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// What a column ends with, the lowest first.
const TIPS: [u8; 3] = *b"_o#";

pub fn graph(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let name = args.get(2);
    let latency = &context.shared.insight.latency;
    let found = Event::find(name).and_then(|event| Some((event, latency.get(event)?)));
    let Some((event, delays)) = found else {
        let before = "No samples available for event '";
        return Err(CommandError::repeating(before, name, "'"));
    };
    let text = draw(event, &delays, context.now_ms() / 1000);
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn draw(event: Event, delays: &Delays, now_s: u64) -> String {
    let times = || delays.samples.iter().map(|sample| sample.ms);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut text = format!(
        "{} - high {high} ms, low {low} ms (all time high {} ms)\n",
        event.name(),
        delays.ms_max
    );
    text += &"-".repeat(COLUMNS);
    text.push('\n');
    let samples: Vec<Sample> = delays.samples.iter().copied().collect();
    let parts: Vec<String> = samples
        .chunks(COLUMNS)
        .map(|part| draw_part(part, low, high, now_s))
        .collect();
    text + &parts.join("\n")
}

/// A line of samples, with their age below.
fn draw_part(samples: &[Sample], low: u64, high: u64, now_s: u64) -> String {
    let steps = ROWS * TIPS.len();
    let range = (high - low).max(1) as f64;
    let heights: Vec<usize> = samples
        .iter()
        .map(|sample| {
            let step = (sample.ms - low) as f64 * steps as f64 / range;
            (step as usize).min(steps - 1)
        })
        .collect();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for row in (0..ROWS).rev() {
        let of_row = heights
            .iter()
            .map(|height| match height.checked_sub(row * TIPS.len()) {
                None => b' ',
                Some(above) => TIPS.get(above).copied().unwrap_or(b'|'),
            });
        lines.push(of_row.collect());
    }
    let ages: Vec<String> = samples
        .iter()
        .map(|sample| age(now_s.saturating_sub(sample.at_s)))
        .collect();
    lines.push(vec![b' '; samples.len()]);
    for at in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        let digits = ages
            .iter()
            .map(|age| age.as_bytes().get(at).copied().unwrap_or(b' '));
        lines.push(digits.collect());
    }
    lines
        .iter()
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect()
}

/// How long ago something was.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::insight::{Event, LatencyMonitor};

    #[test]
    fn samples_are_drawn() {
        let monitor = LatencyMonitor::default();
        for (ms, at_s) in [(10, 100), (22, 4000), (11, 4050), (16, 4100), (13, 4101)] {
            monitor.add(Event::Command, ms * 1_000_000, at_s * 1000);
        }
        let delays = monitor.get(Event::Command).expect("it has happened");
        let drawn = draw(Event::Command, &delays, 4111);
        let expected = format!(
            "command - high 22 ms, low 10 ms (all time high 22 ms)\n{}\n{}",
            "-".repeat(80),
            " #   \n | _ \n | |_\n_|o||\n     \n11111\nhm m 10\n"
        );
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[..6], expected.lines().collect::<Vec<_>>()[..6]);
        assert_eq!(lines[6], "     ");
        assert_eq!(lines[7..], ["11111", "hmm10", "   ss"]);
    }
}
