//! What is asked about members: ZSCORE, ZMSCORE, ZCARD, ZCOUNT, ZLEXCOUNT, ZRANK, ZREVRANK, ZRANDMEMBER, ZSCAN.

use std::collections::BTreeSet;

use keyspace::{Contents, Direction, Item, Number, SortedSet};
use resp::{Args, ReplyWriter, format_double, format_double_17};

use super::bounds::{name_bounds, score_bounds};
use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::keys::{ElementScan, random, scan_cursor};
use crate::parse::{is, negatable};

pub fn zscore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let score = set.and_then(|set| set.score(args.get(2)));
    score_or_null(&mut context.reply, score);
    Ok(())
}

fn score_or_null(reply: &mut ReplyWriter<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

pub fn zmscore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let members = args.tail(2);
    context.reply.array(members.len());
    for member in members.iter() {
        score_or_null(&mut context.reply, set.and_then(|set| set.score(member)));
    }
    Ok(())
}

pub fn zcard(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    context.reply.integer(set.map_or(0, |set| set.len()) as i64);
    Ok(())
}

pub fn zcount(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (min, max) = score_bounds(args.get(2), args.get(3))?;
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let count = set.map_or(0, |set| set.ranks_by_score(min, max).len());
    context.reply.integer(count as i64);
    Ok(())
}

pub fn zlexcount(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (min, max) = name_bounds(args.get(2), args.get(3))?;
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let count = set.map_or(0, |set| {
        set.ranks_by_name(min, max, Direction::Forward).len()
    });
    context.reply.integer(count as i64);
    Ok(())
}

pub fn zrank(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    rank(context, args, Direction::Forward)
}

pub fn zrevrank(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    rank(context, args, Direction::Backward)
}

fn rank(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    direction: Direction,
) -> Result<(), CommandError> {
    let with_score = match args.tail(3).len() {
        0 => false,
        1 if is(args.get(3), "WITHSCORE") => true,
        1 => return Err(CommandError::Syntax),
        _ => return Err(context.wrong_arity()),
    };
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(args.get(2))?;
        Some(match direction {
            Direction::Forward => (rank, score),
            Direction::Backward => (set.len() - 1 - rank, score),
        })
    });
    match (found, with_score) {
        (Some((rank, _)), false) => context.reply.integer(rank as i64),
        (Some((rank, score)), true) => {
            context.reply.array(2);
            context.reply.integer(rank as i64);
            context.reply.double(score);
        }
        (None, false) => context.reply.null(),
        (None, true) => context.reply.null_array(),
    }
    Ok(())
}

pub fn zrandmember(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 2 {
        return zrandmember_several(context, args);
    }
    let (key, mut random) = (context.key(args, 1), random(context));
    match context.keys.read_collection::<SortedSet>(key)? {
        None => context.reply.null(),
        Some(set) => {
            let (member, _) = set.random(&mut random);
            context.reply.bulk(member.bytes(&mut Number::new()));
        }
    }
    Ok(())
}

fn zrandmember_several(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    const OUT_OF_RANGE: CommandError = CommandError::line("ERR value is out of range");
    let count = negatable(args.get(2))?;
    let with_scores = match args.tail(3).len() {
        0 => false,
        1 if is(args.get(3), "WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let (key, mut random) = (context.key(args, 1), random(context));
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(set) = set.filter(|_| wanted > 0) else {
        context.reply.array(0);
        return Ok(());
    };
    let (reply, start) = (&mut context.reply, context.reply_start);
    if count < 0 {
        begin_pairs(reply, wanted, with_scores);
        for _ in 0..wanted {
            show_pair(reply, set.random(&mut random), with_scores);
            check_reply(reply, start, 0)?;
        }
        return Ok(());
    }
    let len = set.len();
    if wanted >= len {
        begin_pairs(reply, len, with_scores);
        for pair in set.range(0..len, Direction::Backward) {
            show_pair(reply, pair, with_scores);
        }
        return check_reply(reply, start, 0);
    }
    begin_pairs(reply, wanted, with_scores);
    if wanted < len / 3 {
        let mut drawn = BTreeSet::new();
        while drawn.len() < wanted {
            let pair = set.random(&mut random);
            if drawn.insert(pair.0.bytes(&mut Number::new()).to_vec()) {
                show_pair(reply, pair, with_scores);
            }
        }
        return check_reply(reply, start, 0);
    }
    // Each is taken with the chance that is left for it.
    let mut missing = wanted;
    for (pair, left) in set.members().zip((1..=len).rev()) {
        if random.below(left) < missing {
            missing -= 1;
            show_pair(reply, pair, with_scores);
        }
    }
    check_reply(reply, start, 0)
}

/// Begins an array of members, with scores if that is asked for: in RESP3 those are arrays of two.
pub fn begin_pairs(reply: &mut ReplyWriter<'_>, pairs: usize, with_scores: bool) {
    let is_flat = with_scores && !reply.is_resp3();
    reply.array(if is_flat { pairs * 2 } else { pairs });
}

/// One of them.
#[inline(always)]
pub fn show_pair(reply: &mut ReplyWriter<'_>, (member, score): (Item<'_>, f64), with_score: bool) {
    if with_score && reply.is_resp3() {
        reply.array(2);
    }
    match member {
        Item::Bytes(member) => reply.bulk_in_place(member),
        Item::Integer(member) => reply.bulk_integer(member),
    }
    if with_score {
        reply.double(score);
    }
}

pub fn zscan(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, cursor) = (context.key(args, 1), scan_cursor(args.get(2))?);
    if context.keys.read_collection::<SortedSet>(key)?.is_none() {
        return ElementScan::reply_nothing(context);
    }
    let mut scan = ElementScan::new(context, args.tail(3))?;
    let mut next = 0;
    if let Some(set) = context.keys.peek_collection::<SortedSet>(key)? {
        let mut number = Number::new();
        // Redis prints the scores of large ones by other means.
        let format = match set {
            Contents::Packed(_) => format_double,
            Contents::Large(_) => format_double_17,
        };
        next = set.scan(cursor, scan.count(), |member, score| {
            scan.show(&[member.bytes(&mut number), &format(score)]);
        });
    }
    scan.reply(context, next)
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn a_small_sorted_set_has_no_negative_zero() {
        let long = "x".repeat(65);
        check(
            &format!(
                "ZADD z INCR -0 a
                 ZSCORE z a
                 ZADD large 1 {long} -0 a
                 ZSCORE large a
                 ZRANGESTORE d large 0 -1
                 ZSCORE d a
                 ZRANGESTORE d large inf -inf BYSCORE REV
                 ZSCORE d a"
            ),
            "-0
             0
             :2
             -0
             :2
             0
             :2
             -0",
        );
    }

    #[test]
    fn members_have_scores_and_ranks() {
        check(
            "ZADD z 1 a 2.5 b 3 c
             ZSCORE z b
             ZSCORE z x
             ZMSCORE z a x c
             ZCARD z
             ZCARD missing
             ZCOUNT z 1 (3
             ZCOUNT z (1 inf
             ZCOUNT z x 1
             ZRANK z b
             ZREVRANK z a
             ZRANK z x
             ZRANK z b WITHSCORE
             ZRANK z x WITHSCORE
             ZRANK z b NONSENSE
             ZLEXCOUNT z - +
             ZLEXCOUNT z x +
             ZSCAN z 0
             ZSCAN z 0 MATCH b
             ZRANDMEMBER z 0
             ZRANDMEMBER missing
             ZRANDMEMBER z 5 WITHSCORES",
            ":3
             2.5
             nil
             [1 nil 3]
             :3
             :0
             :2
             :2
             -ERR min or max is not a float
             :1
             :2
             nil
             [:1 2.5]
             nil-array
             -ERR syntax error
             :3
             -ERR min or max not valid string range item
             [0 [a 1 b 2.5 c 3]]
             [0 [b 2.5]]
             []
             nil
             [c 3 b 2.5 a 1]",
        );
        check_resp3(
            "ZADD z 1 a\nZRANDMEMBER z 5 WITHSCORES\nZSCAN z 0",
            ":1\n[[a ,1]]\n[0 [a 1]]",
        );
    }
}
