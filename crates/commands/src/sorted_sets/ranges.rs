//! Ranges: ZRANGE and its older relatives, ZRANGESTORE, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use std::ops;

use keyspace::{
    Contents, Deadline, Direction, Draft, Item, NameBound, Number, ScoreBound, SortedSet,
};
use resp::Args;

use super::ask::{begin_pairs, show_pair};
use super::bounds::{name_bounds, score_bounds};
use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::parse::{integer, is};

/// By what members are chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// A range that is asked for.
enum Asked<'a> {
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Names(NameBound<'a>, NameBound<'a>),
}

impl<'a> Asked<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        Ok(match by {
            By::Rank => Self::Ranks(integer(min)?, integer(max)?),
            By::Score => {
                let (min, max) = score_bounds(min, max)?;
                Self::Scores(min, max)
            }
            By::Name => {
                let (min, max) = name_bounds(min, max)?;
                Self::Names(min, max)
            }
        })
    }

    /// The ranks that it means, counted from the lowest member.
    fn ranks(&self, set: Contents<'_, SortedSet>, direction: Direction) -> ops::Range<usize> {
        match *self {
            Self::Ranks(start, end) => {
                let ranks = ranks_of(start, end, set.len());
                match direction {
                    Direction::Forward => ranks,
                    Direction::Backward => set.len() - ranks.end..set.len() - ranks.start,
                }
            }
            Self::Scores(min, max) => set.ranks_by_score(min, max),
            Self::Names(min, max) => set.ranks_by_name(min, max, direction),
        }
    }
}

/// The ranks of a set of `len` from `start` to `end`, where negative numbers count from the end.
fn ranks_of(start: i64, end: i64, len: usize) -> ops::Range<usize> {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { index + len } else { index };
    let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
    if start > end {
        return 0..0;
    }
    start as usize..end as usize + 1
}

/// What of the ranks LIMIT leaves.
fn limited(
    ranks: ops::Range<usize>,
    direction: Direction,
    offset: i64,
    limit: i64,
) -> ops::Range<usize> {
    let len = ranks.len();
    let offset = usize::try_from(offset).unwrap_or(len).min(len);
    let count = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .min(len - offset);
    match direction {
        Direction::Forward => ranks.start + offset..ranks.start + offset + count,
        Direction::Backward => ranks.end - offset - count..ranks.end - offset,
    }
}

/// What a command has fixed, and ZRANGE leaves to its options.
#[derive(Clone, Copy)]
struct Form {
    by: Option<By>,
    direction: Option<Direction>,
    /// The place of the key that is read.
    source: usize,
    /// Whether WITHSCORES may be asked for.
    answers: bool,
}

/// A request, with its options.
struct Request<'a> {
    asked: Asked<'a>,
    direction: Direction,
    offset: i64,
    limit: i64,
    with_scores: bool,
}

impl<'a> Request<'a> {
    fn parse(form: Form, args: Args<'a>) -> Result<Self, CommandError> {
        let (mut by, mut direction) = (form.by, form.direction);
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        let mut at = form.source + 3;
        while let Some(option) = args.try_get(at) {
            if form.answers && is(option, "WITHSCORES") {
                with_scores = true;
            } else if is(option, "LIMIT") && at + 2 < args.len() {
                offset = integer(args.get(at + 1))?;
                limit = integer(args.get(at + 2))?;
                at += 2;
            } else if direction.is_none() && is(option, "REV") {
                direction = Some(Direction::Backward);
            } else if by.is_none() && is(option, "BYLEX") {
                by = Some(By::Name);
            } else if by.is_none() && is(option, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let by = by.unwrap_or(By::Rank);
        let direction = direction.unwrap_or(Direction::Forward);
        if limit != -1 && by == By::Rank {
            return Err(CommandError::line(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Name {
            return Err(CommandError::line(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (mut min, mut max) = (args.get(form.source + 1), args.get(form.source + 2));
        if direction == Direction::Backward && by != By::Rank {
            (min, max) = (max, min);
        }
        Ok(Self {
            asked: Asked::parse(by, min, max)?,
            direction,
            offset,
            limit,
            with_scores,
        })
    }

    fn ranks(&self, set: Contents<'_, SortedSet>) -> ops::Range<usize> {
        let ranks = self.asked.ranks(set, self.direction);
        match self.asked {
            Asked::Ranks(..) => ranks,
            Asked::Scores(..) | Asked::Names(..) => {
                limited(ranks, self.direction, self.offset, self.limit)
            }
        }
    }
}

fn answer(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    by: Option<By>,
    direction: Option<Direction>,
) -> Result<(), CommandError> {
    let form = Form {
        by,
        direction,
        source: 1,
        answers: true,
    };
    let request = Request::parse(form, args)?;
    let key = context.key(args, 1);
    let (reply, start) = (&mut context.reply, context.reply_start);
    let Some(set) = context.keys.read_collection::<SortedSet>(key)? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = request.ranks(set);
    begin_pairs(reply, ranks.len(), request.with_scores);
    for pair in set.range(ranks, request.direction) {
        show_pair(reply, pair, request.with_scores);
        check_reply(reply, start, 0)?;
    }
    Ok(())
}

pub fn zrange(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, None, None)
}

pub fn zrevrange(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Some(By::Rank), Some(Direction::Backward))
}

pub fn zrangebyscore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Some(By::Score), Some(Direction::Forward))
}

pub fn zrevrangebyscore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Some(By::Score), Some(Direction::Backward))
}

pub fn zrangebylex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Some(By::Name), Some(Direction::Forward))
}

pub fn zrevrangebylex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    answer(context, args, Some(By::Name), Some(Direction::Backward))
}

pub fn zrangestore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let form = Form {
        by: None,
        direction: None,
        source: 2,
        answers: false,
    };
    let request = Request::parse(form, args)?;
    let (destination, source) = (context.key(args, 1), context.key(args, 2));
    let owned =
        |(member, score): (Item<'_>, f64)| (member.bytes(&mut Number::new()).to_vec(), score);
    let mut members: Vec<_> = match context.keys.read_collection::<SortedSet>(source)? {
        Some(set) => {
            let ranks = request.ranks(set);
            set.range(ranks, Direction::Forward).map(owned).collect()
        }
        None => Vec::new(),
    };
    let built = context
        .keys
        .build_collection(|set: &mut Draft<'_, SortedSet>| {
            // Redis knows the number of members beforehand where ranks are asked for, and begins with what takes so many.
            let fits = set.packed(members.iter().map(|_| &[][..])) == members.len();
            if fits || !matches!(request.asked, Asked::Ranks(..)) {
                become_packed_in_turn(set, &mut members, request.direction);
            }
            set.fill(&members);
        });
    context
        .keys
        .store_collection(destination, built, Deadline::None);
    context.reply.integer(members.len() as i64);
    Ok(())
}

/// As if the members came one by one, in this direction: a pack makes the negative zero zero, also where it grows to be none.
fn become_packed_in_turn(
    set: &Draft<'_, SortedSet>,
    members: &mut [(Vec<u8>, f64)],
    direction: Direction,
) {
    let names = || members.iter().map(|(name, _)| name.as_slice());
    let packed = match direction {
        Direction::Forward => 0..set.packed(names()),
        Direction::Backward => members.len() - set.packed(names().rev())..members.len(),
    };
    for (_, score) in &mut members[packed] {
        *score += 0.0;
    }
}

/// Stores members, which are in their order, and answers with their number.
pub fn store(
    context: &mut Context<'_, '_>,
    destination: keyspace::Key<'_>,
    members: &[(Vec<u8>, f64)],
) {
    let built = context
        .keys
        .build_collection(|set: &mut Draft<'_, SortedSet>| set.fill(members));
    context
        .keys
        .store_collection(destination, built, Deadline::None);
    context.reply.integer(members.len() as i64);
}

fn remove(context: &mut Context<'_, '_>, args: Args<'_>, by: By) -> Result<(), CommandError> {
    let asked = Asked::parse(by, args.get(2), args.get(3))?;
    let key = context.key(args, 1);
    let removed = context.keys.change_collection::<SortedSet, _>(key, |set| {
        let ranks = asked.ranks(set.contents(), Direction::Forward);
        let removed = ranks.len();
        set.remove_ranks(ranks);
        removed
    })?;
    context.reply.integer(removed as i64);
    Ok(())
}

pub fn zremrangebyrank(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(context, args, By::Rank)
}

pub fn zremrangebyscore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(context, args, By::Score)
}

pub fn zremrangebylex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    remove(context, args, By::Name)
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn ranges_are_answered_stored_and_removed() {
        check(
            "ZADD z 1 a 2 b 3 c 4 d
             ZRANGE z 0 -1
             ZRANGE z 0 1 REV WITHSCORES
             ZRANGE z (1 +inf BYSCORE LIMIT 1 1
             ZRANGE z 3 1 BYSCORE REV LIMIT 0 -1
             ZRANGE z [b (d BYLEX
             ZRANGE z 0 1 LIMIT 0 1
             ZRANGE z 0 1 FOO
             ZREVRANGE z 1 2
             ZRANGEBYSCORE z -inf 2 WITHSCORES
             ZREVRANGEBYSCORE z 4 2 LIMIT 1 1
             ZREVRANGEBYLEX z + [c
             ZRANGE z 5 9
             ZRANGE missing 0 -1
             ZRANGESTORE s z 1 2
             ZRANGE s 0 -1 WITHSCORES
             ZRANGESTORE s z 9 10
             EXISTS s
             ZREMRANGEBYRANK z 0 0
             ZREMRANGEBYSCORE z (2 3
             ZREMRANGEBYLEX z [d +
             ZRANGE z 0 -1",
            ":4
             [a b c d]
             [d 4 c 3]
             [c]
             [c b a]
             [b c]
             -ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
             -ERR syntax error
             [c b]
             [a 1 b 2]
             [c]
             [d c]
             []
             []
             :2
             [b 2 c 3]
             :0
             :0
             :1
             :1
             :1
             [b]",
        );
        check_resp3("ZADD z 1 a\nZRANGE z 0 -1 WITHSCORES", ":1\n[[a ,1]]");
    }
}
