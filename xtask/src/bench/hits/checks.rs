//! What the policies are to reach, and whether they do.

use super::super::targets::{Target, Unit};
use super::results::{HitResults, change_percent};
use super::{BASE, GENERATORS, LIVE_BASE, SIZES, TRACES};

const LRU: &str = "allkeys-lru";
const S3FIFO: &str = "allkeys-s3fifo";

/// How far allkeys-lru may be from exact LRU, in percent of its misses, in either direction.
const LRU_DIFFERENCE_PERCENT_MAX: f64 = 1.0;
/// How much worse allkeys-s3fifo may be than Redis's LRU.
const S3FIFO_WORSE_PERCENT_MAX: f64 = 5.0;
/// The most misses of allkeys-s3fifo: trace, size, share of the requests.
const S3FIFO_RATIOS_MAX: [(&str, &str, f64); 4] = [
    ("arc-oltp", "1 %", 0.550),
    ("arc-oltp", "10 %", 0.325),
    ("orm-busy-1m", "1 %", 0.320),
    ("orm-busy-1m", "10 %", 0.136),
];
/// The change of misses of allkeys-s3fifo against redis-server with equal memory: trace, percent.
const LIVE_PERCENT_MAX: [(&str, f64); 2] = [("arc-oltp", -12.0), ("orm-busy-1m", -18.0)];

/// All targets.
pub fn all(results: &HitResults) -> Vec<Target> {
    let groups: [(&str, &[&str]); 2] = [("traces", &TRACES), ("generators", &GENERATORS)];
    let mut targets = Vec::new();
    for (name, traces) in groups {
        let worst = worst(results, traces, [LRU, "lru"], f64::abs);
        targets.push(worst.target(
            format!("{LRU}: largest difference from exact LRU, {name}"),
            LRU_DIFFERENCE_PERCENT_MAX,
        ));
    }
    for (trace, size, limit) in S3FIFO_RATIOS_MAX {
        targets.push(Target {
            text: format!("{S3FIFO}: share of misses, {trace}, {size} of the keys"),
            limit,
            measured: results.ratio(trace, S3FIFO, size),
            unit: Unit::Ratio,
        });
    }
    for (name, traces) in groups {
        let worst = worst(results, traces, [S3FIFO, BASE], |percent| percent);
        targets.push(worst.target(
            format!("{S3FIFO}: most misses above Redis's LRU, {name}"),
            S3FIFO_WORSE_PERCENT_MAX,
        ));
    }
    for (trace, limit) in LIVE_PERCENT_MAX {
        targets.push(Target {
            text: format!("{S3FIFO}: live misses against {LIVE_BASE}'s allkeys-lru, {trace}"),
            limit,
            measured: results.live.change_percent(trace, S3FIFO, LIVE_BASE),
            unit: Unit::Percent,
        });
    }
    targets
}

/// The cell with the largest change; `None` when not every cell was measured.
struct Worst<'a>(Option<(f64, &'a str, &'a str)>);

impl Worst<'_> {
    fn target(&self, text: String, limit: f64) -> Target {
        let cell = self.0.map(|(_, trace, size)| format!(" ({trace}, {size})"));
        Target {
            text: text + &cell.unwrap_or_default(),
            limit,
            measured: self.0.map(|(percent, ..)| percent),
            unit: Unit::Percent,
        }
    }
}

/// Looks for it among all sizes of the traces; `weight` says what counts of a change in percent.
fn worst<'a>(
    results: &HitResults,
    traces: &[&'a str],
    [policy, base]: [&str; 2],
    weight: fn(f64) -> f64,
) -> Worst<'a> {
    let mut worst: Option<(f64, &str, &str)> = None;
    for &trace in traces {
        for size in SIZES {
            let ratios = [policy, base].map(|name| results.ratio(trace, name, size));
            let [Some(ratio), Some(base)] = ratios else {
                return Worst(None);
            };
            let percent = weight(change_percent(ratio, base));
            if worst.is_none_or(|(most, ..)| percent > most) {
                worst = Some((percent, trace, size));
            }
        }
    }
    Worst(worst)
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{ratio, server};
    use super::*;

    /// Every policy misses half of the requests everywhere, but for what `changed` says of trace, policy and size.
    fn results(changed: &[(&str, &str, &str, f64)]) -> HitResults {
        let mut results = HitResults::default();
        for trace in TRACES.iter().chain(&GENERATORS) {
            for policy in super::super::POLICIES {
                for size in SIZES {
                    let found = changed
                        .iter()
                        .find(|row| (row.0, row.1, row.2) == (*trace, policy, size));
                    let miss_ratio = found.map_or(0.5, |row| row.3);
                    results
                        .simulated
                        .ratios
                        .push(ratio(trace, policy, size, miss_ratio));
                }
            }
        }
        results
    }

    #[track_caller]
    fn check(results: &HitResults, text: &str, measured: Option<f64>, is_met: Option<bool>) {
        let targets = all(results);
        let mut found = targets.iter().filter(|target| target.text.contains(text));
        let target = found.next().unwrap();
        assert_eq!(found.next(), None);
        let rounded = target.measured.map(|number| (number * 1e6).round() / 1e6);
        assert_eq!((rounded, target.is_met()), (measured, is_met), "{target:?}");
    }

    #[test]
    fn lru_may_be_off_in_neither_direction() {
        let at = |miss_ratio| results(&[("arc-oltp", LRU, "5 %", miss_ratio)]);
        let text = "exact LRU, traces";
        check(&at(0.504), text, Some(0.8), Some(true));
        check(&at(0.506), text, Some(1.2), Some(false));
        check(&at(0.494), text, Some(1.2), Some(false));
        check(&at(0.494), "exact LRU, generators", Some(0.0), Some(true));
    }

    #[test]
    fn s3fifo_is_asked_for_its_worst_cell() {
        let at = |miss_ratio| {
            results(&[
                ("loop", S3FIFO, "0.1 %", 0.1),
                ("shift", S3FIFO, "25 %", miss_ratio),
            ])
        };
        let text = "Redis's LRU, generators";
        check(&at(0.52), text, Some(4.0), Some(true));
        check(&at(0.53), text, Some(6.0), Some(false));
        check(
            &at(0.53),
            "generators (shift, 25 %)",
            Some(6.0),
            Some(false),
        );
        check(&at(0.53), "Redis's LRU, traces", Some(0.0), Some(true));
    }

    #[test]
    fn s3fifo_has_limits_on_two_traces() {
        let results = results(&[("orm-busy-1m", S3FIFO, "10 %", 0.136)]);
        check(&results, "orm-busy-1m, 10 %", Some(0.136), Some(true));
        check(&results, "orm-busy-1m, 1 %", Some(0.5), Some(false));
        check(&results, "arc-oltp, 1 %", Some(0.5), Some(true));
        check(&results, "arc-oltp, 10 %", Some(0.5), Some(false));
    }

    #[test]
    fn live_misses_are_compared_with_those_of_redis() {
        let mut results = HitResults::default();
        results.live.servers = vec![
            server("arc-oltp", LIVE_BASE, 4000),
            server("arc-oltp", S3FIFO, 3500),
            server("orm-busy-1m", LIVE_BASE, 4000),
            server("orm-busy-1m", S3FIFO, 3500),
        ];
        let text = |trace| format!("live misses against redis-server's allkeys-lru, {trace}");
        check(&results, &text("arc-oltp"), Some(-12.5), Some(true));
        check(&results, &text("orm-busy-1m"), Some(-12.5), Some(false));
    }

    #[test]
    fn what_was_measured_in_part_is_not_judged() {
        let mut part = results(&[]);
        part.simulated.ratios.pop();
        check(&part, "Redis's LRU, generators", None, None);
        check(&part, "Redis's LRU, traces", Some(0.0), Some(true));
        assert!(
            all(&HitResults::default())
                .iter()
                .all(|target| target.is_met().is_none())
        );
    }
}
