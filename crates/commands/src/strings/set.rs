//! Setting a value: SET, SETNX, SETEX, PSETEX.

use keyspace::{Deadline, NewValue};
use resp::Args;

use super::condition::Condition;
use super::get::reply_value;
use super::lifetime::{Lifetime, TimeUnit};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;

#[inline]
pub fn set(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 3 {
        return set_with_options(context, args);
    }
    let key = context.key(args, 1);
    let value = NewValue::from_client(args.get(2));
    context.keys.set(key, value, Deadline::None);
    context.reply.ok();
    Ok(())
}

/// The options of SET.
struct SetOptions<'a> {
    condition: Condition<'a>,
    lifetime: Lifetime<'a>,
    reply: SetReply,
}

/// What SET answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SetReply {
    /// Whether it has set the key.
    Success,
    /// The value before (GET).
    OldValue,
}

impl<'a> SetOptions<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self {
            condition: Condition::Always,
            lifetime: Lifetime::Unsaid,
            reply: SetReply::Success,
        };
        let mut rest = args.tail(3).iter();
        while let Some(option) = rest.next() {
            if is(option, "GET") {
                options.reply = SetReply::OldValue;
            } else if let Some(condition) = Condition::parse(option, &mut rest)? {
                options.condition.add(condition)?;
            } else {
                match Lifetime::parse(option, &mut rest)? {
                    None | Some(Lifetime::Persist) => return Err(CommandError::Syntax),
                    Some(lifetime) => options.lifetime.add(lifetime)?,
                }
            }
        }
        Ok(options)
    }
}

#[inline(never)]
fn set_with_options(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let SetOptions {
        condition,
        lifetime,
        reply,
    } = SetOptions::parse(args)?;
    let deadline = lifetime.deadline(context, Deadline::None)?;
    let key = context.key(args, 1);
    if reply == SetReply::OldValue {
        reply_value(context, key)?;
    }
    let is_met = condition == Condition::Always || condition.is_met(context.keys.find(key))?;
    if is_met {
        let value = NewValue::from_client(args.get(2));
        context.keys.set(key, value, deadline);
    }
    match reply {
        SetReply::OldValue => {}
        SetReply::Success if is_met => context.reply.ok(),
        SetReply::Success => context.reply.null(),
    }
    Ok(())
}

pub fn setnx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let is_missing = context.keys.find(key).is_none();
    if is_missing {
        let value = NewValue::from_client(args.get(2));
        context.keys.set(key, value, Deadline::None);
    }
    context.reply.integer(i64::from(is_missing));
    Ok(())
}

pub fn setex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    set_until(context, args, TimeUnit::Seconds)
}

pub fn psetex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    set_until(context, args, TimeUnit::Milliseconds)
}

fn set_until(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    unit: TimeUnit,
) -> Result<(), CommandError> {
    let deadline_ms = unit.deadline_ms(context, args.get(2))?;
    let key = context.key(args, 1);
    let value = NewValue::from_client(args.get(3));
    context.keys.set(key, value, Deadline::At(deadline_ms));
    context.reply.ok();
    Ok(())
}
