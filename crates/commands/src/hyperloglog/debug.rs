//! PFDEBUG, PFSELFTEST.

use std::fmt::Write;

use keyspace::{Key, Number};
use resp::Args;

use super::handlers::is_raw;
use super::sketch::{self, Form, REGISTERS, Sketch};
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::parse::is;

/// The elements that the self-test adds.
const ELEMENTS: u64 = 100_000;

pub fn pfdebug(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (name, key) = (args.get(1), context.key(args, 2));
    let Some(entry) = context.keys.find(key) else {
        return Err(CommandError::other("The specified key does not exist"));
    };
    let mut number = Number::new();
    let bytes = string_value(&entry)?.bytes(&mut number);
    let sketch = Sketch::new(bytes)?;
    let form = sketch.form();
    match name {
        _ if is(name, "getreg") => {
            let mut ranks = [0; REGISTERS];
            sketch.merge_into(&mut ranks)?;
            let is_raw = is_raw(&entry);
            let mut dense = bytes.to_vec();
            if form == Form::Sparse || !is_raw {
                sketch::make_dense(&mut dense)?;
                store(context, key, &dense);
            }
            context.reply.array(REGISTERS);
            for rank in ranks {
                context.reply.integer(rank.into());
            }
        }
        _ if is(name, "decode") => {
            if form == Form::Dense {
                return Err(CommandError::other("HLL encoding is not sparse"));
            }
            context.reply.bulk(decoded(sketch).as_bytes());
        }
        _ if is(name, "encoding") => context.reply.simple(match form {
            Form::Dense => "dense",
            Form::Sparse => "sparse",
        }),
        _ if is(name, "todense") => {
            let mut dense = bytes.to_vec();
            sketch::make_dense(&mut dense)?;
            if form == Form::Sparse {
                store(context, key, &dense);
            }
            context.reply.integer((form == Form::Sparse).into());
        }
        _ => {
            return Err(CommandError::repeating(
                "Unknown PFDEBUG subcommand '",
                name,
                "'",
            ));
        }
    }
    Ok(())
}

/// Stores another form of what there is. Those who watch the key are not told, as in Redis.
fn store(context: &mut Context<'_, '_>, key: Key<'_>, bytes: &[u8]) {
    context.keys.change_string_telling(key, |string| {
        string.replace(bytes);
        false
    });
}

/// The runs of a sparse one.
fn decoded(sketch: Sketch<'_>) -> String {
    let mut text = String::new();
    for run in sketch.runs() {
        let (rank, len) = (run.rank, run.len);
        let written = match run.rank {
            0 if run.is_long() => write!(text, "Z:{len} "),
            0 => write!(text, "z:{len} "),
            _ => write!(text, "v:{rank},{len} "),
        };
        written.expect("a string grows");
    }
    text.truncate(text.trim_end().len());
    text
}

/// Adds elements to a sparse and a dense one: they must agree, and be about right.
pub fn pfselftest(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let (mut sparse, mut dense) = (sketch::empty(), sketch::empty());
    sketch::make_dense(&mut dense)?;
    let mut ranks = [0; REGISTERS];
    for element in 1..=ELEMENTS {
        let (index, rank) = sketch::place_of(&element.to_le_bytes());
        ranks[index] = rank.max(ranks[index]);
        for (bytes, sparse_bytes_max) in [(&mut sparse, 3000), (&mut dense, 0)] {
            sketch::raise(bytes, index, rank, sparse_bytes_max)?;
        }
        if element.is_power_of_two() || element == ELEMENTS {
            let expected = sketch::cardinality_of(&ranks);
            let is_right = [&sparse, &dense].iter().all(|bytes| {
                let cardinality = Sketch::new(bytes).and_then(Sketch::cardinality);
                cardinality.as_ref() == Ok(&expected)
            });
            // Seven standard errors.
            let error_max = 7.0 * 1.04 / (REGISTERS as f64).sqrt() * element as f64 + 1.0;
            if !is_right || expected.abs_diff(element) as f64 > error_max {
                return Err(CommandError::other(format_args!(
                    "TESTFAILED {expected} is no estimate of {element}"
                )));
            }
        }
    }
    context.reply.ok();
    Ok(())
}
