//! Several keys at once: MGET, MSET, MSETNX, MSETEX.

use keyspace::{Deadline, NewValue, Number};
use resp::{Args, parse_integer};

use super::condition::Condition;
use super::lifetime::Lifetime;
use crate::context::{Context, check_reply, string_value};
use crate::error::CommandError;

pub fn mget(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    context.reply.array(args.len() - 1);
    for at in 1..args.len() {
        let key = context.key(args, at);
        let Context {
            keys,
            reply,
            reply_start,
            ..
        } = context;
        let mut number = Number::new();
        let entry = keys.read(key);
        // Another type counts as nothing here.
        match entry.and_then(|entry| string_value(&entry).ok()) {
            None => reply.null(),
            Some(value) => {
                let bytes = value.string_bytes(&mut number);
                check_reply(reply, *reply_start, bytes.len())?;
                reply.bulk(bytes);
            }
        }
    }
    Ok(())
}

pub fn mset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    check_pairs(context, args)?;
    set_pairs(context, args, 1..args.len(), Deadline::None);
    context.reply.ok();
    Ok(())
}

pub fn msetnx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    check_pairs(context, args)?;
    let pairs = 1..args.len();
    let is_met = is_met_by_all(context, args, pairs.clone(), Condition::Missing)?;
    if is_met {
        set_pairs(context, args, pairs, Deadline::None);
    }
    context.reply.integer(i64::from(is_met));
    Ok(())
}

pub fn msetex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let pairs = counted_pairs(args)?;
    let (condition, lifetime) = parse_msetex(args.tail(pairs.end))?;
    let deadline = lifetime.deadline(context, Deadline::None)?;
    let is_met = is_met_by_all(context, args, pairs.clone(), condition)?;
    if is_met {
        set_pairs(context, args, pairs, deadline);
    }
    context.reply.integer(i64::from(is_met));
    Ok(())
}

/// The places of keys and values in MSETEX.
fn counted_pairs(args: Args<'_>) -> Result<std::ops::Range<usize>, CommandError> {
    let keys = parse_integer(args.get(1))
        .and_then(|keys| u32::try_from(keys).ok())
        .filter(|keys| (1..=i32::MAX.cast_unsigned()).contains(keys))
        .ok_or(CommandError::line("ERR invalid numkeys value"))?;
    let end = 2 + 2 * keys as usize;
    if end > args.len() {
        return Err(CommandError::line("ERR wrong number of key-value pairs"));
    }
    Ok(2..end)
}

fn parse_msetex(options: Args<'_>) -> Result<(Condition<'_>, Lifetime<'_>), CommandError> {
    let (mut condition, mut lifetime) = (Condition::Always, Lifetime::Unsaid);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match Condition::parse(option, &mut rest)? {
            Some(Condition::Value(..)) => return Err(CommandError::Syntax),
            Some(option) => condition.add(option)?,
            None => match Lifetime::parse(option, &mut rest)? {
                None | Some(Lifetime::Persist) => return Err(CommandError::Syntax),
                Some(option) => lifetime.add(option)?,
            },
        }
    }
    Ok((condition, lifetime))
}

/// Fails unless every key of MSET has a value.
fn check_pairs(context: &Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len().is_multiple_of(2) {
        Err(context.wrong_arity())
    } else {
        Ok(())
    }
}

fn is_met_by_all(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    pairs: std::ops::Range<usize>,
    condition: Condition<'_>,
) -> Result<bool, CommandError> {
    for at in pairs.step_by(2) {
        let key = context.key(args, at);
        if !condition.is_met(context.keys.find(key))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn set_pairs(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    pairs: std::ops::Range<usize>,
    deadline: Deadline,
) {
    for at in pairs.step_by(2) {
        let key = context.key(args, at);
        let value = NewValue::from_client(args.get(at + 1));
        context.keys.set(key, value, deadline);
    }
}
