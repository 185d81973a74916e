//! Scores are given and members removed: ZADD, ZINCRBY, ZREM.

use keyspace::{Draft, Key, SortedSet};
use resp::{Args, parse_double};

use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;

/// The options of ZADD.
#[derive(Clone, Copy, Default)]
pub struct Conditions {
    /// Only members that are not there.
    pub is_new: bool,
    /// Only members that are there.
    pub is_there: bool,
    /// Only higher scores, where the member is there.
    pub is_greater: bool,
    /// Only lower scores, where the member is there.
    pub is_less: bool,
}

/// What ZADD answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The number of new members.
    Added,
    /// The number of members that are new or have another score.
    Changed,
    /// The score of the only member, to which the given one was added.
    Incremented,
}

/// What was done for one member.
enum Outcome {
    Nothing,
    Same(f64),
    Added(f64),
    Updated(f64),
    NotANumber,
}

pub fn zadd(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (mut conditions, mut answer, mut at) = (Conditions::default(), Answer::Added, 2);
    let mut counts_changed = false;
    while let Some(option) = args.try_get(at) {
        match option {
            option if is(option, "NX") => conditions.is_new = true,
            option if is(option, "XX") => conditions.is_there = true,
            option if is(option, "GT") => conditions.is_greater = true,
            option if is(option, "LT") => conditions.is_less = true,
            option if is(option, "CH") => counts_changed = true,
            option if is(option, "INCR") => answer = Answer::Incremented,
            _ => break,
        }
        at += 1;
    }
    if counts_changed && answer == Answer::Added {
        answer = Answer::Changed;
    }
    give(context, args, at, conditions, answer)
}

pub fn zincrby(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    // Redis reads options of ZADD here, too, and then lacks a score.
    let options = ["NX", "XX", "GT", "LT", "CH", "INCR"];
    if options.iter().any(|option| is(args.get(2), option)) {
        return Err(CommandError::Syntax);
    }
    give(context, args, 2, Conditions::default(), Answer::Incremented)
}

fn check_conditions(conditions: Conditions) -> Result<(), CommandError> {
    let Conditions {
        is_new,
        is_there,
        is_greater,
        is_less,
    } = conditions;
    if is_new && is_there {
        return Err(CommandError::line(
            "ERR XX and NX options at the same time are not compatible",
        ));
    }
    if is_new && (is_greater || is_less) || is_greater && is_less {
        return Err(CommandError::line(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    Ok(())
}

/// Gives scores to members, in pairs from an argument on.
fn give(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    at: usize,
    conditions: Conditions,
    answer: Answer,
) -> Result<(), CommandError> {
    let arguments = args.len() - at;
    if arguments == 0 || !arguments.is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    check_conditions(conditions)?;
    if answer == Answer::Incremented && arguments > 2 {
        return Err(CommandError::line(
            "ERR INCR option supports a single increment-element pair",
        ));
    }
    for score in (at..args.len()).step_by(2) {
        parse_double(args.get(score)).ok_or(CommandError::NotAFloat)?;
    }
    let pairs = (at..args.len()).step_by(2).filter_map(|at| {
        let score = parse_double(args.get(at))?;
        Some((score, args.get(at + 1)))
    });
    let key = context.key(args, 1);
    give_pairs(context, key, pairs, conditions, answer)
}

/// Gives scores to members and answers.
pub fn give_pairs<'a>(
    context: &mut Context<'_, '_>,
    key: Key<'_>,
    pairs: impl Iterator<Item = (f64, &'a [u8])>,
    conditions: Conditions,
    answer: Answer,
) -> Result<(), CommandError> {
    let is_increment = answer == Answer::Incremented;
    let (mut added, mut updated, mut last) = (0, 0, None);
    let is_number = context.keys.change_collection::<SortedSet, _>(key, |set| {
        for (score, member) in pairs {
            last = match give_one(set, member, score, conditions, is_increment) {
                Outcome::Nothing => None,
                Outcome::Same(score) => Some(score),
                Outcome::Added(score) => {
                    added += 1;
                    Some(score)
                }
                Outcome::Updated(score) => {
                    updated += 1;
                    Some(score)
                }
                Outcome::NotANumber => return false,
            };
        }
        true
    })?;
    if !is_number {
        return Err(CommandError::line(
            "ERR resulting score is not a number (NaN)",
        ));
    }
    match (answer, last) {
        (Answer::Added, _) => context.reply.integer(added),
        (Answer::Changed, _) => context.reply.integer(added + updated),
        (Answer::Incremented, Some(score)) => context.reply.double(score),
        (Answer::Incremented, None) => context.reply.null(),
    }
    Ok(())
}

fn give_one(
    set: &mut Draft<'_, SortedSet>,
    member: &[u8],
    score: f64,
    conditions: Conditions,
    is_increment: bool,
) -> Outcome {
    let Some(before) = set.contents().score(member) else {
        if conditions.is_there {
            return Outcome::Nothing;
        }
        set.set(member, score);
        return Outcome::Added(score);
    };
    if conditions.is_new {
        return Outcome::Nothing;
    }
    let score = if is_increment { before + score } else { score };
    if score.is_nan() {
        return Outcome::NotANumber;
    }
    if conditions.is_less && score >= before || conditions.is_greater && score <= before {
        return Outcome::Nothing;
    }
    if score == before {
        return Outcome::Same(score);
    }
    set.set(member, score);
    Outcome::Updated(score)
}

pub fn zrem(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let removed = context.keys.change_collection::<SortedSet, _>(key, |set| {
        let members = args.tail(2).iter();
        members.filter(|member| set.remove(member)).count()
    })?;
    context.reply.integer(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn scores_are_given() {
        check(
            "ZADD z 1 a 2 b
             ZADD z 3 a 4 c
             ZADD z CH 3 a 5 c 1 d
             ZADD z NX 9 a 9 e
             ZADD z XX CH 8 a 9 f
             ZADD z GT CH 7 a 9 b
             ZADD z LT CH 7 a 10 b
             ZADD z INCR 2.5 a
             ZADD z NX INCR 2.5 a
             ZINCRBY z -inf a
             ZINCRBY z inf a
             ZADD z NX XX 1 a
             ZADD z GT LT 1 a
             ZADD z x a
             ZADD z 1 a 2
             ZADD z INCR 1 a 2 b
             ZREM z a x b
             ZRANGE z 0 -1 WITHSCORES
             ZADD missing XX 1 a
             EXISTS missing
             TYPE z
             OBJECT ENCODING z",
            ":2
             :1
             :2
             :1
             :1
             :1
             :1
             9.5
             nil
             -inf
             -ERR resulting score is not a number (NaN)
             -ERR XX and NX options at the same time are not compatible
             -ERR GT, LT, and/or NX options at the same time are not compatible
             -ERR value is not a valid float
             -ERR syntax error
             -ERR INCR option supports a single increment-element pair
             :2
             [d 1 c 5 e 9]
             :0
             :0
             zset
             listpack",
        );
        check_resp3("ZADD z INCR 1.5 a\nZSCORE z a", ",1.5\n,1.5");
    }
}
