//! Reading a value, and reading it while something else is done to the key: GET, GETDEL, GETEX, GETSET.

use keyspace::{Deadline, Key, NewValue, Number};
use resp::Args;

use super::lifetime::Lifetime;
use crate::context::{Context, string_value};
use crate::error::CommandError;

#[inline]
pub fn get(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    reply_value(context, key)
}

/// Replies with the value of a key, or null. A read, as statistics count them.
#[inline]
pub fn reply_value(context: &mut Context<'_, '_>, key: Key<'_>) -> Result<(), CommandError> {
    match context.keys.read(key) {
        None => context.reply.null(),
        Some(entry) => context
            .reply
            .bulk(string_value(&entry)?.string_bytes(&mut Number::new())),
    }
    Ok(())
}

pub fn getset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    reply_value(context, key)?;
    let value = NewValue::from_client(args.get(2));
    context.keys.set(key, value, Deadline::None);
    Ok(())
}

pub fn getdel(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    reply_value(context, key)?;
    context.keys.remove(key);
    Ok(())
}

pub fn getex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let lifetime = parse_getex(args)?;
    let key = context.key(args, 1);
    reply_value(context, key)?;
    let Some(entry) = context.keys.find(key) else {
        return Ok(());
    };
    let has_deadline = entry.deadline_ms().is_some();
    match lifetime.deadline(context, Deadline::Keep)? {
        Deadline::Keep => {}
        Deadline::None if !has_deadline => {}
        Deadline::None => {
            context.keys.set_deadline(key, None);
        }
        Deadline::At(deadline_ms) if deadline_ms <= context.now_ms() => {
            context.keys.remove(key);
        }
        Deadline::At(deadline_ms) => {
            context.keys.set_deadline(key, Some(deadline_ms));
        }
    }
    Ok(())
}

fn parse_getex(args: Args<'_>) -> Result<Lifetime<'_>, CommandError> {
    let mut lifetime = Lifetime::Unsaid;
    let mut rest = args.tail(2).iter();
    while let Some(option) = rest.next() {
        match Lifetime::parse(option, &mut rest)? {
            None | Some(Lifetime::Keep) => return Err(CommandError::Syntax),
            Some(option) => lifetime.add(option)?,
        }
    }
    Ok(lifetime)
}
