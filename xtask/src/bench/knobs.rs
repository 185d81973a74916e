//! `cargo xtask bench --knobs`: what each setting of the tuning guide does, and what memory keys take against the
//! guide's formula. Writes the tables into docs/performance-tuning.md.
//!
//! | file | what it holds |
//! |---|---|
//! | `experiments` | what is compared, under which load |
//! | `measure` | runs an experiment |
//! | `formula` | memory per key: the formula, and the measurement that checks it |
//! | `results` | what was measured, kept between runs |
//! | `guide` | the tables, and their places in the document |

mod experiments;
mod formula;
mod guide;
mod measure;
mod results;

use std::fs;
use std::path::Path;

use super::machine::Machine;
use super::memory::raise_descriptor_limit;
use super::options::Options;
use super::servers::{Binaries, Server};
use experiments::Experiment;
use results::KnobResults;

/// The experiment that is no comparison of settings.
const FORMULA: &str = "memory";

/// The names of all experiments, in the guide's order.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = experiments::all()
        .iter()
        .map(|experiment| experiment.name)
        .collect();
    names.push(FORMULA);
    names
}

/// Measures the experiments with these names, and writes the guide.
///
/// # Errors
/// A sentence for the terminal.
pub fn run(
    wanted: &[String],
    options: &Options,
    root: &Path,
    target: &Path,
    binaries: &Binaries,
) -> Result<(), String> {
    let file = target.join("bench").join(if options.quick {
        "quick-knobs.json"
    } else {
        "knobs.json"
    });
    let mut results = KnobResults::load(&file)?;
    if !options.render_only {
        binaries.check(&[Server::Redistill])?;
        raise_descriptor_limit();
        let machine = Machine::read(root, binaries);
        let experiments: Vec<Experiment> = experiments::all();
        for experiment in experiments {
            if is_wanted(wanted, experiment.name) {
                println!("{}", experiment.name);
                let measured = measure::run(&experiment, &machine, options, root, binaries)?;
                results
                    .comparisons
                    .insert(experiment.name.to_owned(), measured);
                results.save(&file)?;
            }
        }
        if is_wanted(wanted, FORMULA) {
            println!("{FORMULA}");
            results.formula = Some(formula::measure(&machine, options, binaries)?);
            results.save(&file)?;
        }
    }
    let source = root.join(guide::DOCUMENT);
    let document = if options.quick {
        target.join("bench/quick-performance-tuning.md")
    } else {
        source.clone()
    };
    let text = fs::read_to_string(&source)
        .map_err(|error| format!("cannot read {}: {error}", source.display()))?;
    super::write(&document, &guide::fill_in(&text, &results)?)?;
    println!("wrote {}", document.display());
    Ok(())
}

fn is_wanted(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)
}
