//! Members by chance: SPOP, SRANDMEMBER.

use std::collections::BTreeSet;

use keyspace::{Contents, Item, Number, Random, Set};
use resp::Args;

use crate::context::Context;
use crate::error::CommandError;
use crate::keys::random;
use crate::parse::{integer, negatable};

pub fn spop(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        2 => spop_one(context, args),
        3 => spop_several(context, args),
        _ => Err(CommandError::Syntax),
    }
}

fn spop_one(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, mut random) = (context.key(args, 1), random(context));
    let Some(set) = context.keys.read_collection::<Set>(key)? else {
        context.reply.null();
        return Ok(());
    };
    let mut number = Number::new();
    let member = set.random(&mut random).bytes(&mut number).to_vec();
    context.reply.bulk(&member);
    context
        .keys
        .change_collection::<Set, _>(key, |set| set.remove(&member))?;
    Ok(())
}

fn spop_several(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = integer(args.get(2))
        .ok()
        .and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::line(
        "ERR value is out of range, must be positive",
    ))?;
    let (key, mut random) = (context.key(args, 1), random(context));
    let Some(set) = context.keys.read_collection::<Set>(key)? else {
        context.reply.set(0);
        return Ok(());
    };
    let is_all = count >= set.len();
    let members = distinct(set, count, &mut random);
    context.reply.set(members.len());
    members.iter().for_each(|member| context.reply.bulk(member));
    if is_all {
        context.keys.remove(key);
        return Ok(());
    }
    Ok(context.keys.change_collection::<Set, _>(key, |set| {
        for member in &members {
            set.remove(member);
        }
    })?)
}

/// Up to so many members by chance, none twice.
fn distinct(set: Contents<'_, Set>, count: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let bytes = |member: Item<'_>| member.bytes(&mut Number::new()).to_vec();
    let len = set.len();
    if count >= len {
        return set.members().map(bytes).collect();
    }
    // Few of many are drawn one by one; else each is taken with the chance that is left for it.
    if count < len / 3 {
        let mut drawn = BTreeSet::new();
        while drawn.len() < count {
            drawn.insert(bytes(set.random(random)));
        }
        return drawn.into_iter().collect();
    }
    let mut wanted = count;
    let left = (1..=len).rev();
    let members = set.members().zip(left).filter(|(_, left)| {
        let is_taken = random.below(*left) < wanted;
        wanted -= usize::from(is_taken);
        is_taken
    });
    members.map(|(member, _)| bytes(member)).collect()
}

pub fn srandmember(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    match args.len() {
        2 => srandmember_one(context, args),
        3 => srandmember_several(context, args),
        _ => Err(CommandError::Syntax),
    }
}

fn srandmember_one(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, mut random) = (context.key(args, 1), random(context));
    match context.keys.read_collection::<Set>(key)? {
        None => context.reply.null(),
        Some(set) => {
            let member = set.random(&mut random);
            context.reply.bulk(member.bytes(&mut Number::new()));
        }
    }
    Ok(())
}

fn srandmember_several(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let count = negatable(args.get(2))?;
    let (key, mut random) = (context.key(args, 1), random(context));
    let set = context.keys.read_collection::<Set>(key)?;
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(set) = set.filter(|_| wanted > 0) else {
        context.reply.array(0);
        return Ok(());
    };
    if count > 0 {
        let members = distinct(set, wanted, &mut random);
        context.reply.array(members.len());
        members.iter().for_each(|member| context.reply.bulk(member));
        return context.check_reply(0);
    }
    let (reply, start) = (&mut context.reply, context.reply_start);
    reply.array(wanted);
    let mut number = Number::new();
    for _ in 0..wanted {
        reply.bulk(set.random(&mut random).bytes(&mut number));
        crate::context::check_reply(reply, start, 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn counts_are_checked() {
        check(
            "SADD s a
             SRANDMEMBER s
             SRANDMEMBER s -3
             SRANDMEMBER s 3
             SRANDMEMBER s 0
             SRANDMEMBER s x
             SRANDMEMBER s 1 2
             SRANDMEMBER s -9223372036854775808
             SRANDMEMBER missing
             SRANDMEMBER missing -3
             SPOP s -1
             SPOP s 1 2
             SPOP s 0
             SPOP s 5
             EXISTS s
             SPOP s
             SPOP s 1",
            ":1
             a
             [a a a]
             [a]
             []
             -ERR value is not an integer or out of range
             -ERR syntax error
             -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
             nil
             []
             -ERR value is out of range, must be positive
             -ERR syntax error
             []
             [a]
             :0
             nil
             []",
        );
    }
}
