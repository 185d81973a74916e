//! Several sets together: SINTER, SUNION, SDIFF, what stores them, and SINTERCARD.

use keyspace::{Built, Contents, Deadline, Draft, Key, Locked, Number, Set};
use resp::Args;

use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::parse::{integer, is, keys_count};

/// A set of the request; None when there is no such key.
type Operand<'k> = Option<Contents<'k, Set>>;

/// The sets of these keys; each counts as read.
fn operands<'k>(
    keys: &'k mut Locked<'_>,
    names: &[Key<'_>],
) -> Result<Vec<Operand<'k>>, CommandError> {
    for name in names {
        keys.read_collection::<Set>(*name)?;
    }
    peeked(keys, names)
}

/// As [`operands`]; nothing counts.
fn peeked<'k>(keys: &'k Locked<'_>, names: &[Key<'_>]) -> Result<Vec<Operand<'k>>, CommandError> {
    let sets = names.iter().map(|name| keys.peek_collection(*name));
    Ok(sets.collect::<Result<_, _>>()?)
}

fn keys_from<'k>(context: &Context<'_, '_>, args: Args<'k>, first: usize) -> Vec<Key<'k>> {
    (first..args.len())
        .map(|at| context.key(args, at))
        .collect()
}

/// Shows the members of a combination of sets, each once or more often, until the function says that it is enough.
type Combine = fn(&[Operand<'_>], &mut dyn FnMut(&[u8]) -> bool);

fn intersection(sets: &[Operand<'_>], show: &mut dyn FnMut(&[u8]) -> bool) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<_>>>() else {
        return;
    };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else {
        return;
    };
    let is_in_all = |member: &[u8]| others.iter().all(|set| set.contains(member));
    show_members(&[Some(*smallest)], is_in_all, show);
}

fn union(sets: &[Operand<'_>], show: &mut dyn FnMut(&[u8]) -> bool) {
    show_members(sets, |_| true, show);
}

fn difference(sets: &[Operand<'_>], show: &mut dyn FnMut(&[u8]) -> bool) {
    let Some((first, others)) = sets.split_first() else {
        return;
    };
    let is_in_none = |member: &[u8]| !others.iter().flatten().any(|set| set.contains(member));
    show_members(&[*first], is_in_none, show);
}

fn show_members(
    sets: &[Operand<'_>],
    is_wanted: impl Fn(&[u8]) -> bool,
    show: &mut dyn FnMut(&[u8]) -> bool,
) {
    let mut number = Number::new();
    for member in sets.iter().flatten().flat_map(|set| set.members()) {
        let member = member.bytes(&mut number);
        if is_wanted(member) && !show(member) {
            return;
        }
    }
}

pub fn sinter(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = keys_from(context, args, 1);
    let sets = operands(context.keys, &keys)?;
    let (reply, start) = (&mut context.reply, context.reply_start);
    let deferred = reply.begin_array();
    let mut count = 0;
    intersection(&sets, &mut |member| {
        reply.bulk(member);
        count += 1;
        check_reply(reply, start, 0).is_ok()
    });
    context.reply.end_set(deferred, count);
    context.check_reply(0)
}

pub fn sintercard(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = keys_count(args.get(1))?;
    if count > args.len() - 2 {
        return Err(CommandError::line(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let limit = card_limit(args.tail(2 + count))?;
    let keys: Vec<_> = (2..2 + count).map(|at| context.key(args, at)).collect();
    let sets = operands(context.keys, &keys)?;
    let mut members = 0;
    intersection(&sets, &mut |_| {
        members += 1;
        members != limit
    });
    context.reply.integer(members as i64);
    Ok(())
}

/// The options of SINTERCARD: after so many members it is enough; 0 for all.
fn card_limit(options: Args<'_>) -> Result<usize, CommandError> {
    let mut limit = 0;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| is(option, "LIMIT"));
        let value = integer(value.ok_or(CommandError::Syntax)?);
        limit = value
            .ok()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(CommandError::line("ERR LIMIT can't be negative"))?;
    }
    Ok(limit)
}

pub fn sunion(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, union)
}

pub fn sdiff(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, difference)
}

/// Answers with each member once, and integers in their order, as a set that is stored would have them.
fn answer(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    combine: Combine,
) -> Result<(), CommandError> {
    let built = build(context, args, 1, combine)?;
    let mut number = Number::new();
    context.reply.set(built.contents().len());
    for member in built.contents().members() {
        context.reply.bulk(member.bytes(&mut number));
    }
    context.check_reply(0)
}

pub fn sinterstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    store(context, args, intersection)
}

pub fn sunionstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    store(context, args, union)
}

pub fn sdiffstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    store(context, args, difference)
}

fn store(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    combine: Combine,
) -> Result<(), CommandError> {
    let built = build(context, args, 2, combine)?;
    let members = built.contents().len();
    let destination = context.key(args, 1);
    context
        .keys
        .store_collection(destination, built, Deadline::None);
    context.reply.integer(members as i64);
    Ok(())
}

/// The set that is made of those from an argument on.
fn build(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    first: usize,
    combine: Combine,
) -> Result<Built<Set>, CommandError> {
    let keys = keys_from(context, args, first);
    operands(context.keys, &keys)?;
    let sets = peeked(context.keys, &keys)?;
    Ok(context.keys.build_collection(|built: &mut Draft<'_, Set>| {
        combine(&sets, &mut |member| {
            built.add(member);
            true
        });
    }))
}
