//! PFADD, PFCOUNT, PFMERGE.

use std::sync::atomic::Ordering::Relaxed;

use keyspace::{Encoding, EntryRef, Key, Number, StringRef};
use resp::Args;

use super::sketch::{self, Form, REGISTERS, Ranks, Sketch};
use crate::context::{Context, string_value};
use crate::error::CommandError;

pub fn pfadd(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let sparse_bytes_max = sparse_bytes_max(context);
    let elements = args.tail(2);
    let mut bytes = match context.keys.find(key) {
        None => sketch::empty(),
        Some(entry) => {
            let mut number = Number::new();
            let bytes = string_value(&entry)?.bytes(&mut number);
            let sketch = Sketch::new(bytes)?;
            // What most requests come to.
            let adds_nothing = |element| sketch.has(sketch::place_of(element));
            if is_raw(&entry) && elements.iter().all(adds_nothing) {
                context.reply.integer(0);
                return Ok(());
            }
            bytes.to_vec()
        }
    };
    let mut has_changed = context.keys.find(key).is_none();
    let mut result = Ok(());
    for element in elements.iter() {
        let (index, rank) = sketch::place_of(element);
        match sketch::raise(&mut bytes, index, rank, sparse_bytes_max) {
            Ok(is_raised) => has_changed |= is_raised,
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    if has_changed && result.is_ok() {
        sketch::invalidate(&mut bytes);
    }
    store(context, key, &bytes);
    result?;
    context.reply.integer(has_changed.into());
    Ok(())
}

pub fn pfcount(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 2 {
        let mut ranks = [0; REGISTERS];
        for place in 1..args.len() {
            let key = context.key(args, place);
            merge_key(context, key, &mut ranks)?;
        }
        let cardinality = sketch::cardinality_of(&ranks);
        context.reply.integer(cardinality.cast_signed());
        return Ok(());
    }
    let key = context.key(args, 1);
    let Some(entry) = context.keys.read(key) else {
        context.reply.integer(0);
        return Ok(());
    };
    let mut number = Number::new();
    let bytes = string_value(&entry)?.bytes(&mut number);
    let sketch = Sketch::new(bytes)?;
    let cardinality = match sketch.cached() {
        Some(cardinality) if is_raw(&entry) => cardinality,
        cached => {
            let cardinality = cached.map_or_else(|| sketch.cardinality(), Ok)?;
            context.keys.change_string(key, |string| {
                sketch::keep_cardinality(string.at_least(sketch::HEADER_BYTES), cardinality);
            });
            cardinality
        }
    };
    context.reply.integer(cardinality.cast_signed());
    Ok(())
}

pub fn pfmerge(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let mut ranks = [0; REGISTERS];
    let mut is_dense = false;
    for place in 1..args.len() {
        let key = context.key(args, place);
        let form = merge_key(context, key, &mut ranks)?;
        is_dense |= form == Some(Form::Dense);
    }
    let key = context.key(args, 1);
    let sparse_bytes_max = sparse_bytes_max(context);
    let mut bytes = match context.keys.find(key) {
        None => sketch::empty(),
        Some(entry) => string_value(&entry)?.bytes(&mut Number::new()).to_vec(),
    };
    if is_dense {
        sketch::make_dense(&mut bytes)?;
    }
    for (index, rank) in ranks.iter().enumerate().filter(|(_, rank)| **rank != 0) {
        sketch::raise(&mut bytes, index, *rank, sparse_bytes_max)?;
    }
    sketch::invalidate(&mut bytes);
    store(context, key, &bytes);
    context.reply.ok();
    Ok(())
}

/// Raises ranks to those of a key; how it keeps them, if it is there.
fn merge_key(
    context: &mut Context<'_, '_>,
    key: Key<'_>,
    ranks: &mut Ranks,
) -> Result<Option<Form>, CommandError> {
    let Some(entry) = context.keys.read(key) else {
        return Ok(None);
    };
    let sketch = Sketch::new(match string_value(&entry)? {
        StringRef::Bytes(bytes) => bytes,
        StringRef::Integer(_) => b"",
    })?;
    sketch.merge_into(ranks)?;
    Ok(Some(sketch.form()))
}

/// Stores a HyperLogLog and keeps the key's deadline.
fn store(context: &mut Context<'_, '_>, key: Key<'_>, bytes: &[u8]) {
    context
        .keys
        .change_string(key, |string| string.replace(bytes));
}

/// Whether it is encoded as commands leave it that change strings.
pub fn is_raw(entry: &EntryRef<'_>) -> bool {
    entry.encoding() == Encoding::Raw
}

fn sparse_bytes_max(context: &Context<'_, '_>) -> usize {
    let bytes_max = context.shared.sparse_sketch_bytes_max.load(Relaxed);
    usize::try_from(bytes_max).unwrap_or(usize::MAX)
}
