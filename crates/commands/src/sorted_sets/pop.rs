//! The lowest and the highest members are taken: ZPOPMIN, ZPOPMAX, ZMPOP.

use keyspace::{Direction, Key, SortedSet};
use resp::Args;

use super::ask::show_pair;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{at_least_one, integer, is, keys_count};

pub fn zpopmin(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(context, args, Direction::Forward)
}

pub fn zpopmax(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(context, args, Direction::Backward)
}

fn pop(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    direction: Direction,
) -> Result<(), CommandError> {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match args.try_get(2) {
        None => None,
        Some(count) => {
            let count = integer(count)
                .ok()
                .and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::line(
                "ERR value is out of range, must be positive",
            ))?)
        }
    };
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let taken = set.map_or(0, |set| set.len().min(count.unwrap_or(1)));
    let is_nested = context.reply.is_resp3() && count.is_some();
    context
        .reply
        .array(if is_nested { taken } else { 2 * taken });
    take(context, key, taken, direction, is_nested)
}

/// Takes so many members, of which there are as many, and shows them.
fn take(
    context: &mut Context<'_, '_>,
    key: Key<'_>,
    count: usize,
    direction: Direction,
    is_nested: bool,
) -> Result<(), CommandError> {
    if count == 0 {
        return Ok(());
    }
    let reply = &mut context.reply;
    context.keys.change_collection::<SortedSet, _>(key, |set| {
        let len = set.contents().len();
        let ranks = match direction {
            Direction::Forward => 0..count,
            Direction::Backward => len - count..len,
        };
        for pair in set.contents().range(ranks.clone(), direction) {
            if is_nested {
                reply.array(2);
            }
            let (member, score) = pair;
            show_pair(reply, (member, score), false);
            reply.double(score);
        }
        set.remove_ranks(ranks);
    })?;
    Ok(())
}

pub fn zmpop(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = keys_count(args.get(1))?;
    let where_at = keys.saturating_add(2);
    let direction = match args.try_get(where_at) {
        Some(end) if is(end, "MIN") => Direction::Forward,
        Some(end) if is(end, "MAX") => Direction::Backward,
        Some(_) | None => return Err(CommandError::Syntax),
    };
    let count = match args.tail(where_at + 1).len() {
        0 => 1,
        1 => return Err(CommandError::Syntax),
        _ if !is(args.get(where_at + 1), "COUNT") => return Err(CommandError::Syntax),
        options => {
            let count = at_least_one(args.get(where_at + 2), "ERR count should be greater than 0")?;
            if options > 2 {
                return Err(CommandError::Syntax);
            }
            count
        }
    };
    for at in 2..where_at {
        let key = context.key(args, at);
        let Some(set) = context.keys.read_collection::<SortedSet>(key)? else {
            continue;
        };
        let taken = set.len().min(count);
        context.reply.array(2);
        context.reply.bulk(key.bytes);
        context.reply.array(taken);
        return take(context, key, taken, direction, true);
    }
    context.reply.null_array();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn the_ends_are_taken() {
        check(
            "ZADD z 1 a 2 b 3 c 4 d 5 e
             ZPOPMIN z
             ZPOPMAX z 2
             ZPOPMIN z 0
             ZPOPMIN z -1
             ZPOPMIN missing
             ZMPOP 2 missing z MAX
             ZMPOP 1 z MIN COUNT 10
             ZMPOP 1 z MIN
             ZMPOP 0 z MIN
             ZMPOP 1 z MIN COUNT 0
             ZMPOP 1 z MIDDLE
             EXISTS z",
            ":5
             [a 1]
             [e 5 d 4]
             []
             -ERR value is out of range, must be positive
             []
             [z [[c 3]]]
             [z [[b 2]]]
             nil-array
             -ERR numkeys should be greater than 0
             -ERR count should be greater than 0
             -ERR syntax error
             :0",
        );
        check_resp3(
            "ZADD z 1 a 2 b\nZPOPMIN z\nZPOPMIN z 1",
            ":2\n[a ,1]\n[[b ,2]]",
        );
    }
}
