//! The tables of the guide, and their places in it.

use super::super::marks;
use super::super::results::{AGAIN, Figures};
use super::super::statistics::Spread;
use super::FORMULA;
use super::experiments::{Experiment, Pairs, all};
use super::results::{Comparison, FormulaCheck, KnobResults};

/// The document, from the root of the project.
pub const DOCUMENT: &str = "docs/performance-tuning.md";

/// The document with the tables of what was measured; what was not stays as it is.
///
/// # Errors
/// When a table has no place.
pub fn fill_in(document: &str, results: &KnobResults) -> Result<String, String> {
    let mut text = document.to_owned();
    for experiment in all() {
        if let Some(comparison) = results.comparisons.get(experiment.name) {
            text = replace(&text, experiment.name, &block(&experiment, comparison))?;
        }
    }
    if let Some(check) = &results.formula {
        text = replace(&text, FORMULA, &formula_block(check))?;
    }
    Ok(text)
}

fn replace(document: &str, name: &str, block: &str) -> Result<String, String> {
    marks::replace(DOCUMENT, document, name, block)
}

/// Everything between the marks of one comparison.
fn block(experiment: &Experiment, comparison: &Comparison) -> String {
    let table = match experiment.pairs {
        Pairs::All => compared(experiment, comparison),
        Pairs::InOrder => listed(experiment, comparison),
    };
    let memory = if experiment.memory {
        format!("\n{}", memory_table(comparison))
    } else {
        String::new()
    };
    let Comparison {
        rounds, seconds, ..
    } = comparison;
    format!(
        "{}\n{table}{memory}\nMedians of {rounds} interleaved rounds of {seconds} s, {}. {}\n",
        command(experiment.name),
        experiment.group,
        comparison.machine.in_one_line()
    )
}

fn command(name: &str) -> String {
    format!("    cargo xtask bench --knobs {name}\n")
}

/// Load by load the setups, against the first one.
fn compared(experiment: &Experiment, comparison: &Comparison) -> String {
    let base = experiment.setups[0].name;
    let against = format!("against {base}");
    let mut text = head(&[
        "load",
        experiment.name,
        "server CPU, ns/request",
        &against,
        "range over rounds",
        "requests/s",
        "p50, ms",
        "p99, ms",
    ]);
    for load in &experiment.loads {
        let flags = load.flags();
        let names = experiment.setups.iter().map(|setup| setup.name);
        for name in names.chain([AGAIN]) {
            let Some(figures) = comparison.figures(&flags, name) else {
                continue;
            };
            let ratio = match name {
                AGAIN => comparison.again(&flags, base),
                name if name == base => None,
                name => comparison.against(&flags, name, base),
            };
            let shown = if name == AGAIN {
                format!("{base} again")
            } else {
                name.to_owned()
            };
            text += &row(&compared_cells(&flags, &shown, figures, ratio));
        }
    }
    text
}

fn compared_cells(load: &str, setup: &str, figures: Figures, ratio: Option<Spread>) -> Vec<String> {
    let mut cells = vec![
        format!("`{load}`"),
        setup.to_owned(),
        format!("{:.0}", figures.total_ns.median),
        ratio.map_or_else(dash, |ratio| format!("{:.3}", ratio.median)),
        ratio.map_or_else(dash, |ratio| {
            format!("{:.2} to {:.2}", ratio.min, ratio.max)
        }),
    ];
    cells.extend(speed(figures));
    cells
}

/// Each setup under its own load.
fn listed(experiment: &Experiment, comparison: &Comparison) -> String {
    let mut text = head(&[
        experiment.name,
        "load",
        "server CPU, ns/request",
        "spread",
        "requests/s",
        "p50, ms",
        "p99, ms",
    ]);
    for (setup, load) in experiment.setups.iter().zip(&experiment.loads) {
        let flags = load.flags();
        if let Some(figures) = comparison.figures(&flags, setup.name) {
            let mut cells = vec![
                setup.name.to_owned(),
                format!("`{flags}`"),
                format!("{:.0}", figures.total_ns.median),
                format!("±{:.0} %", figures.total_ns.percent()),
            ];
            cells.extend(speed(figures));
            text += &row(&cells);
        }
    }
    text
}

fn speed(figures: Figures) -> [String; 3] {
    [
        format!("{:.0}", figures.requests_per_s),
        format!("{:.3}", figures.p50_ms),
        format!("{:.3}", figures.p99_ms),
    ]
}

fn memory_table(comparison: &Comparison) -> String {
    let mut text = head(&[
        "resident memory",
        "empty, MB",
        "with the keys, MB",
        "after the loads, MB",
    ]);
    for memory in &comparison.memory {
        let bytes = [memory.empty_bytes, memory.full_bytes, memory.loaded_bytes];
        let mut cells = vec![memory.setup.clone()];
        cells.extend(bytes.map(|bytes| format!("{:.1}", bytes / 1e6)));
        text += &row(&cells);
    }
    text
}

fn formula_block(check: &FormulaCheck) -> String {
    let mut text = head(&[
        "keys",
        "bytes",
        "formula, bytes per key",
        "measured, bytes per key",
        "measured / formula",
    ]);
    for line in &check.rows {
        text += &row(&[
            line.keys.to_string(),
            line.shape.clone(),
            format!("{:.0}", line.planned_bytes),
            format!("{:.1}", line.measured_bytes),
            format!("{:.3}", line.measured_bytes / line.planned_bytes),
        ]);
    }
    format!(
        "{}\n{text}\nResident memory above that of the empty server. {}\n",
        command(FORMULA),
        check.machine.in_one_line()
    )
}

fn head(cells: &[&str]) -> String {
    format!(
        "| {} |\n|{}\n",
        cells.join(" | "),
        "---|".repeat(cells.len())
    )
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::results::tests::sample;
    use super::super::results::{FormulaRow, SetupMemory};
    use super::*;
    use crate::bench::cells::Cell;

    const PLACE: &str = "a\n\n<!-- measured: num_shards -->\nold\n<!-- end of measured -->\n\nb\n";

    fn comparison() -> Comparison {
        let experiment = &all()[0];
        let mut comparison = Comparison {
            rounds: 3,
            seconds: 0.5,
            ..Comparison::default()
        };
        for load in &experiment.loads {
            for (name, total_ns) in [("2048", 200.0), ("256", 220.0), (AGAIN, 202.0)] {
                for round in 0..3 {
                    let mut sample = sample(Cell::all()[0], name, round, total_ns);
                    sample.cell = load.flags();
                    comparison.samples.push(sample);
                }
            }
        }
        comparison.memory.push(SetupMemory {
            setup: "256".into(),
            empty_bytes: 6e6,
            full_bytes: 110e6,
            loaded_bytes: 120e6,
        });
        comparison
    }

    #[test]
    fn tables_replace_what_was_there() {
        let mut results = KnobResults::default();
        results
            .comparisons
            .insert("num_shards".into(), comparison());
        let text = fill_in(PLACE, &results).unwrap();
        for part in [
            "a\n\n<!-- measured: num_shards -->\n\n    cargo xtask bench --knobs num_shards\n",
            "| `-c 50 -P 128 -t get` | 2048 | 200 | - | - | 5000000 | 0.500 | 1.000 |",
            "| `-c 50 -P 128 -t set` | 256 | 220 | 1.100 | 1.10 to 1.10 |",
            "| `-c 50 -P 128 -t get` | 2048 again | 202 | 1.010 |",
            "| 256 | 6.0 | 110.0 | 120.0 |",
            "3 interleaved rounds of 0.5 s, 1M keys, 64-byte values.",
            "<!-- end of measured -->\n\nb\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("old"));
        assert_eq!(fill_in(&text, &results).as_ref(), Ok(&text));
    }

    #[test]
    fn a_table_without_a_place_is_a_mistake() {
        let row = FormulaRow {
            shape: "key".into(),
            keys: 1,
            planned_bytes: 100.0,
            measured_bytes: 99.0,
        };
        let results = KnobResults {
            formula: Some(FormulaCheck {
                rows: vec![row],
                ..FormulaCheck::default()
            }),
            ..KnobResults::default()
        };
        assert!(fill_in(PLACE, &results).unwrap_err().contains("'memory'"));
    }

    #[test]
    fn the_guide_has_a_place_for_every_table() {
        let path = crate::workspace::root().unwrap().join(DOCUMENT);
        let guide = std::fs::read_to_string(path).unwrap();
        for name in super::super::names() {
            assert!(replace(&guide, name, "").is_ok(), "{name}");
        }
    }
}
