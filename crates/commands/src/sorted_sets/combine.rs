//! Several sorted sets, or plain sets, together: ZUNION, ZINTER, ZDIFF, what stores them, and ZINTERCARD.

use std::collections::HashMap;

use keyspace::{Contents, Item, Key, Locked, Number, Set, SortedSet};
use resp::{Args, parse_double};

use super::ask::{begin_pairs, show_pair};
use super::ranges::store;
use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::parse::{integer, is};

/// How sets are combined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What is done with the scores of a member that several sets have.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// Each set counts by its weight, whatever the score is there (Redis 8.8).
    Count,
}

impl Aggregate {
    /// What the score in one set is worth.
    fn weighted(self, weight: f64, score: f64) -> f64 {
        match self {
            Self::Sum | Self::Min | Self::Max => weight * score,
            Self::Count => weight,
        }
    }

    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            Self::Sum | Self::Count => number_or_zero(score + other),
            Self::Min if other < score => other,
            Self::Max if other > score => other,
            Self::Min | Self::Max => score,
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One of the sets.
#[derive(Clone, Copy)]
enum Operand<'k> {
    Missing,
    Plain(Contents<'k, Set>),
    Sorted(Contents<'k, SortedSet>),
}

impl<'k> Operand<'k> {
    fn of(keys: &'k Locked<'_>, key: Key<'_>) -> Result<Self, CommandError> {
        Ok(match keys.peek_collection::<SortedSet>(key) {
            Ok(Some(set)) => Self::Sorted(set),
            Ok(None) => Self::Missing,
            Err(_) => keys
                .peek_collection::<Set>(key)?
                .map_or(Self::Missing, Self::Plain),
        })
    }

    fn len(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Plain(set) => set.len(),
            Self::Sorted(set) => set.len(),
        }
    }

    /// The score of a member; a plain set's have 1.
    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Plain(set) => set.contains(member).then_some(1.0),
            Self::Sorted(set) => set.score(member),
        }
    }

    /// Shows the members until the function says that it is enough.
    fn for_each(self, mut show: impl FnMut(Item<'k>, f64) -> bool) {
        match self {
            Self::Missing => {}
            Self::Plain(set) => {
                let _ = set.members().all(|member| show(member, 1.0));
            }
            Self::Sorted(set) => {
                let _ = set.members().all(|(member, score)| show(member, score));
            }
        }
    }
}

/// A request, with its options.
struct Request<'a> {
    keys: Vec<Key<'a>>,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// After so many members it is enough; 0 for all.
    limit: usize,
}

/// What is done with the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Answer,
    Store,
    Count,
}

impl<'a> Request<'a> {
    /// `at` is the place of the number of keys.
    fn parse(
        context: &mut Context<'_, '_>,
        args: Args<'a>,
        at: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Self, CommandError> {
        let count = integer(args.get(at))?;
        let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
            return Err(CommandError::other(format_args!(
                "at least 1 input key is needed for '{}' command",
                context.command
            )));
        };
        if count > args.len() - at - 1 {
            return Err(CommandError::Syntax);
        }
        let places = at + 1..at + 1 + count;
        let keys: Vec<Key<'a>> = places.map(|at| context.key(args, at)).collect();
        for key in &keys {
            if context.keys.read_collection::<SortedSet>(*key).is_err() {
                context.keys.read_collection::<Set>(*key)?;
            }
        }
        let mut request = Self {
            weights: vec![1.0; count],
            keys,
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        let scores_count = operation != Operation::Difference && purpose != Purpose::Count;
        let mut options = args.tail(at + 1 + count);
        while let Some(option) = options.try_get(0) {
            let mut taken = 2;
            if scores_count && options.len() > count && is(option, "WEIGHTS") {
                for (at, weight) in request.weights.iter_mut().enumerate() {
                    *weight = parse_double(options.get(at + 1))
                        .ok_or(CommandError::line("ERR weight value is not a float"))?;
                }
                taken = count + 1;
            } else if scores_count && options.len() >= 2 && is(option, "AGGREGATE") {
                request.aggregate = match options.get(1) {
                    word if is(word, "SUM") => Aggregate::Sum,
                    word if is(word, "MIN") => Aggregate::Min,
                    word if is(word, "MAX") => Aggregate::Max,
                    word if is(word, "COUNT") => Aggregate::Count,
                    _ => return Err(CommandError::Syntax),
                };
            } else if purpose == Purpose::Answer && is(option, "WITHSCORES") {
                request.with_scores = true;
                taken = 1;
            } else if purpose == Purpose::Count && options.len() >= 2 && is(option, "LIMIT") {
                let limit = integer(options.get(1)).ok();
                request.limit = limit
                    .and_then(|limit| usize::try_from(limit).ok())
                    .ok_or(CommandError::line("ERR LIMIT can't be negative"))?;
            } else {
                return Err(CommandError::Syntax);
            }
            options = options.tail(taken);
        }
        Ok(request)
    }

    /// The sets with their weights; by size, but for a difference.
    fn operands<'k>(
        &self,
        keys: &'k Locked<'_>,
        operation: Operation,
    ) -> Result<Vec<(Operand<'k>, f64)>, CommandError> {
        let operands = self.keys.iter().zip(&self.weights);
        let mut operands = operands
            .map(|(key, weight)| Ok((Operand::of(keys, *key)?, *weight)))
            .collect::<Result<Vec<_>, CommandError>>()?;
        if operation != Operation::Difference {
            operands.sort_by_key(|(operand, _)| operand.len());
        }
        Ok(operands)
    }

    /// The members of the combination, in their order.
    fn members(
        &self,
        keys: &Locked<'_>,
        operation: Operation,
    ) -> Result<Vec<(Vec<u8>, f64)>, CommandError> {
        let operands = self.operands(keys, operation)?;
        let mut members = match operation {
            Operation::Union => union(&operands, self.aggregate),
            Operation::Intersection => intersection(&operands, self.aggregate),
            Operation::Difference => difference(&operands),
        };
        members.sort_unstable_by(|(left, left_score), (right, right_score)| {
            let by_score = left_score.partial_cmp(right_score);
            by_score
                .unwrap_or(std::cmp::Ordering::Equal)
                .then_with(|| left.cmp(right))
        });
        Ok(members)
    }
}

fn union(operands: &[(Operand<'_>, f64)], aggregate: Aggregate) -> Vec<(Vec<u8>, f64)> {
    let mut members: HashMap<Vec<u8>, f64> = HashMap::new();
    let mut number = Number::new();
    for (operand, weight) in operands {
        operand.for_each(|member, score| {
            let score = number_or_zero(aggregate.weighted(*weight, score));
            let member = member.bytes(&mut number);
            match members.get_mut(member) {
                Some(sum) => *sum = aggregate.of(*sum, score),
                None => {
                    members.insert(member.to_vec(), score);
                }
            }
            true
        });
    }
    members.into_iter().collect()
}

fn intersection(operands: &[(Operand<'_>, f64)], aggregate: Aggregate) -> Vec<(Vec<u8>, f64)> {
    let mut members = Vec::new();
    let Some(((smallest, weight), others)) = operands.split_first() else {
        return members;
    };
    let mut number = Number::new();
    smallest.for_each(|member, score| {
        let member = member.bytes(&mut number);
        let first = number_or_zero(aggregate.weighted(*weight, score));
        let sum = others.iter().try_fold(first, |sum, (operand, weight)| {
            let score = operand.score(member)?;
            Some(aggregate.of(sum, aggregate.weighted(*weight, score)))
        });
        if let Some(sum) = sum {
            members.push((member.to_vec(), sum));
        }
        true
    });
    members
}

fn difference(operands: &[(Operand<'_>, f64)]) -> Vec<(Vec<u8>, f64)> {
    let mut members = Vec::new();
    let Some(((first, _), others)) = operands.split_first() else {
        return members;
    };
    let mut number = Number::new();
    first.for_each(|member, score| {
        let member = member.bytes(&mut number);
        if others
            .iter()
            .all(|(other, _)| other.score(member).is_none())
        {
            members.push((member.to_vec(), score));
        }
        true
    });
    members
}

fn answer(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    operation: Operation,
) -> Result<(), CommandError> {
    let request = Request::parse(context, args, 1, operation, Purpose::Answer)?;
    let members = request.members(context.keys, operation)?;
    let (reply, start) = (&mut context.reply, context.reply_start);
    begin_pairs(reply, members.len(), request.with_scores);
    for (member, score) in &members {
        show_pair(reply, (Item::Bytes(member), *score), request.with_scores);
        check_reply(reply, start, 0)?;
    }
    Ok(())
}

fn store_combined(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    operation: Operation,
) -> Result<(), CommandError> {
    let request = Request::parse(context, args, 2, operation, Purpose::Store)?;
    let members = request.members(context.keys, operation)?;
    let destination = context.key(args, 1);
    store(context, destination, &members);
    Ok(())
}

pub fn zunion(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Operation::Union)
}

pub fn zinter(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Operation::Intersection)
}

pub fn zdiff(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Operation::Difference)
}

pub fn zunionstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    store_combined(context, args, Operation::Union)
}

pub fn zinterstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    store_combined(context, args, Operation::Intersection)
}

pub fn zdiffstore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    store_combined(context, args, Operation::Difference)
}

pub fn zintercard(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let operation = Operation::Intersection;
    let request = Request::parse(context, args, 1, operation, Purpose::Count)?;
    let operands = request.operands(context.keys, operation)?;
    let mut count = 0;
    if let Some(((smallest, _), others)) = operands.split_first() {
        let mut number = Number::new();
        smallest.for_each(|member, _| {
            let member = member.bytes(&mut number);
            let is_in_all = others
                .iter()
                .all(|(other, _)| other.score(member).is_some());
            count += usize::from(is_in_all);
            request.limit == 0 || count < request.limit
        });
    }
    context.reply.integer(count as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn sets_that_have_a_member_are_counted() {
        check(
            "ZADD a 5 x -inf y
             ZADD b 7 x
             SADD s x
             ZUNION 3 a b s AGGREGATE COUNT WITHSCORES
             ZINTER 2 a b WEIGHTS 2 3 AGGREGATE COUNT WITHSCORES",
            ":2
             :1
             :1
             [y 1 x 3]
             [x 5]",
        );
    }

    #[test]
    fn sorted_sets_are_combined_with_plain_ones() {
        check(
            "ZADD a 1 x 2 y 3 z
             ZADD b 10 y 20 z
             SADD s z w
             ZUNION 2 a b WITHSCORES
             ZUNION 3 a b s WITHSCORES WEIGHTS 1 2 100 AGGREGATE MAX
             ZINTER 3 a b s WITHSCORES
             ZINTER 2 a b AGGREGATE MIN WITHSCORES
             ZDIFF 2 a b WITHSCORES
             ZINTERCARD 2 a b
             ZINTERCARD 2 a b LIMIT 1
             ZUNIONSTORE d 2 a missing
             ZRANGE d 0 -1
             ZINTERSTORE d 2 a missing
             EXISTS d
             ZDIFFSTORE d 2 a s
             ZRANGE d 0 -1 WITHSCORES
             ZUNION 0 a
             ZUNION 3 a b
             ZUNION 1 a WEIGHTS x
             ZDIFF 1 a WEIGHTS 1
             ZUNIONSTORE d 1 a WITHSCORES
             SET string v
             ZUNION 1 string",
            ":3
             :2
             :2
             [x 1 y 12 z 23]
             [x 1 y 20 w 100 z 100]
             [z 24]
             [y 2 z 3]
             [x 1]
             :2
             :1
             :3
             [x y z]
             :0
             :0
             :2
             [x 1 y 2]
             -ERR at least 1 input key is needed for 'zunion' command
             -ERR syntax error
             -ERR weight value is not a float
             -ERR syntax error
             -ERR syntax error
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
        check_resp3(
            "ZADD a inf x\nZADD b -inf x\nZUNION 2 a b WITHSCORES",
            ":1\n:1\n[[x ,0]]",
        );
    }
}
