//! The ends of lists: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LMPOP, and LMOVE and RPOPLPUSH between two of them.

use keyspace::{Draft, End, Item, Key, List, Number};
use resp::Args;

use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::parse::{at_least_one, is, keys_count, positive};

pub fn lpush(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    push(context, args, End::Front)
}

pub fn rpush(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    push(context, args, End::Back)
}

fn push(context: &mut Context<'_, '_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let len = context.keys.change_collection::<List, _>(key, |list| {
        let elements = args.tail(2).iter();
        elements.for_each(|element| list.push(end, element));
        list.contents().len()
    })?;
    context.reply.integer(len as i64);
    Ok(())
}

pub fn lpushx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    push_existing(context, args, End::Front)
}

pub fn rpushx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    push_existing(context, args, End::Back)
}

fn push_existing(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    end: End,
) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    if context.keys.peek_collection::<List>(key)?.is_some() {
        return push(context, args, end);
    }
    context.reply.integer(0);
    Ok(())
}

pub fn lpop(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(context, args, End::Front)
}

pub fn rpop(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    pop(context, args, End::Back)
}

fn pop(context: &mut Context<'_, '_>, args: Args<'_>, end: End) -> Result<(), CommandError> {
    if args.len() > 3 {
        return Err(context.wrong_arity());
    }
    let count = args.try_get(2).map(positive).transpose()?;
    let key = context.key(args, 1);
    match count {
        None => pop_one(context, key, end),
        Some(count) => match context.keys.peek_collection::<List>(key)? {
            None => {
                context.reply.null_array();
                Ok(())
            }
            Some(list) => {
                let count = count.min(list.len());
                pop_several(context, key, end, count)
            }
        },
    }
}

fn pop_one(context: &mut Context<'_, '_>, key: Key<'_>, end: End) -> Result<(), CommandError> {
    let (reply, mut number) = (&mut context.reply, Number::new());
    let is_empty = context.keys.change_collection::<List, _>(key, |list| {
        let is_empty = list.is_empty();
        list.take(end, 1, |item| {
            reply.bulk(item.bytes(&mut number));
            Ok::<(), CommandError>(())
        })
        .map(|()| is_empty)
    })??;
    if is_empty {
        context.reply.null();
    }
    Ok(())
}

/// Answers with so many elements from an end, which are there, and removes them.
fn pop_several(
    context: &mut Context<'_, '_>,
    key: Key<'_>,
    end: End,
    count: usize,
) -> Result<(), CommandError> {
    context.reply.array(count);
    if count == 0 {
        return Ok(());
    }
    let (reply, start, mut number) = (&mut context.reply, context.reply_start, Number::new());
    context.keys.change_collection::<List, _>(key, |list| {
        list.take(end, count, |item| {
            reply.bulk(item.bytes(&mut number));
            check_reply(reply, start, 0)
        })
    })?
}

/// LEFT or RIGHT.
fn end(argument: &[u8]) -> Result<End, CommandError> {
    match argument {
        left if is(left, "LEFT") => Ok(End::Front),
        right if is(right, "RIGHT") => Ok(End::Back),
        _ => Err(CommandError::Syntax),
    }
}

pub fn lmpop(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let keys = keys_count(args.get(1))?;
    let options = keys.saturating_add(2);
    let end = end(args.try_get(options).ok_or(CommandError::Syntax)?)?;
    let options = args.tail(options + 1);
    let count = match options.len() {
        0 => 1,
        2 if is(options.get(0), "COUNT") => {
            at_least_one(options.get(1), "ERR count should be greater than 0")?
        }
        // The count is looked at before what is behind it.
        len if len > 2 && is(options.get(0), "COUNT") => {
            at_least_one(options.get(1), "ERR count should be greater than 0")?;
            return Err(CommandError::Syntax);
        }
        _ => return Err(CommandError::Syntax),
    };
    for at in 2..2 + keys {
        let key = context.key(args, at);
        if let Some(list) = context.keys.peek_collection::<List>(key)? {
            let count = count.min(list.len());
            context.reply.array(2);
            context.reply.bulk(key.bytes);
            return pop_several(context, key, end, count);
        }
    }
    context.reply.null_array();
    Ok(())
}

pub fn lmove(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (from, to) = (end(args.get(3))?, end(args.get(4))?);
    move_element(context, args, from, to)
}

pub fn rpoplpush(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    move_element(context, args, End::Back, End::Front)
}

fn move_element(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    from: End,
    to: End,
) -> Result<(), CommandError> {
    let (source, destination) = (context.key(args, 1), context.key(args, 2));
    if context.keys.peek_collection::<List>(source)?.is_none() {
        context.reply.null();
        return Ok(());
    }
    context.keys.peek_collection::<List>(destination)?;
    let mut element = Vec::new();
    let is_same = source.bytes == destination.bytes;
    let mut take = |list: &mut Draft<'_, List>| {
        list.take(from, 1, |item: Item<'_>| {
            item.append_to(&mut element);
            Ok::<(), CommandError>(())
        })?;
        if is_same {
            list.push(to, &element);
        }
        Ok::<(), CommandError>(())
    };
    context.keys.change_collection(source, &mut take)??;
    if !is_same {
        let push = |list: &mut Draft<'_, List>| list.push(to, &element);
        context.keys.change_collection(destination, push)?;
    }
    context.reply.bulk(&element);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn elements_are_pushed_and_popped() {
        check(
            "RPUSH l a b 3
             LPUSH l x y
             LLEN l
             LPOP l
             RPOP l
             LPOP l 2
             RPOP l 9
             EXISTS l
             LPOP l
             LPOP l 1
             LPUSHX l a
             RPUSHX l a
             RPUSH l a
             LPUSHX l b c
             RPUSHX l d
             LRANGE l 0 -1
             LPOP l 0
             LPOP l -1
             LPOP l x
             RPOP l 1 2",
            ":3
             :5
             :5
             y
             3
             [x a]
             [b]
             :0
             nil
             nil-array
             :0
             :0
             :1
             :3
             :4
             [c b a d]
             []
             -ERR value is out of range, must be positive
             -ERR value is out of range, must be positive
             -ERR wrong number of arguments for 'rpop' command",
        );
    }

    #[test]
    fn the_first_list_that_is_there_is_popped() {
        check(
            "RPUSH b 1 2 3
             LMPOP 2 a b LEFT
             LMPOP 2 a b right COUNT 5
             LMPOP 1 b LEFT
             SET a v
             LMPOP 2 b a LEFT
             LMPOP 0 b LEFT
             LMPOP 3 a b LEFT
             LMPOP 1 b LEFT COUNT 0
             LMPOP 1 b LEFT COUNT 1 COUNT 1
             LMPOP 1 b UP",
            ":3
             [b [1]]
             [b [3 2]]
             nil-array
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -ERR numkeys should be greater than 0
             -ERR syntax error
             -ERR count should be greater than 0
             -ERR syntax error
             -ERR syntax error",
        );
        check_resp3("LPOP l 2\nLMPOP 1 l LEFT\nLPOP l", "nil\nnil\nnil");
    }

    #[test]
    fn elements_move() {
        check(
            "RPUSH a 1 2 3
             LMOVE a b LEFT RIGHT
             RPOPLPUSH a b
             LRANGE b 0 -1
             RPOPLPUSH b b
             LRANGE b 0 -1
             LMOVE a a LEFT LEFT
             LMOVE a b LEFT LEFT
             EXISTS a
             LMOVE a b LEFT LEFT
             SET s v
             LMOVE a s LEFT LEFT
             LMOVE b s LEFT LEFT
             LMOVE s b LEFT LEFT
             LMOVE b c LEFT UP",
            ":3
             1
             3
             [3 1]
             1
             [1 3]
             2
             2
             :0
             nil
             OK
             nil
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -ERR syntax error",
        );
    }
}
