//! Fields one by one, and all of them: HSET, HSETNX, HMSET, HGET, HMGET, HGETALL, HKEYS, HVALS, HDEL, HEXISTS, HLEN,
//! HSTRLEN, HSCAN.

use keyspace::{Contents, Deadline, Hash, Number};
use resp::{Args, ReplyWriter};

use super::{change, read};
use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::keys::{ElementScan, scan_cursor};
use crate::unfinished::{Left, STEP_ELEMENTS, ShowElement};

pub fn hset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let new = set_all(context, args)?;
    context.reply.integer(new as i64);
    Ok(())
}

pub fn hmset(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    set_all(context, args)?;
    context.reply.ok();
    Ok(())
}

/// Sets the fields of a command; how many of them are new.
fn set_all(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<usize, CommandError> {
    if !args.len().is_multiple_of(2) {
        return Err(context.wrong_arity());
    }
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    change(context, key, |hash| {
        let mut new = 0;
        let mut words = args.tail(2).iter();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            new += usize::from(hash.set(name, value, Deadline::None, now_ms));
        }
        new
    })
}

pub fn hsetnx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let name = args.get(2);
    let is_new = change(context, key, |hash| {
        hash.get(name, now_ms).is_none() && hash.set(name, args.get(3), Deadline::None, now_ms)
    })?;
    context.reply.integer(is_new.into());
    Ok(())
}

pub fn hget(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let hash = context.keys.read_collection::<Hash>(key)?;
    match hash.and_then(|hash| hash.get(args.get(2), now_ms)) {
        None => context.reply.null(),
        Some(field) => context.reply.bulk(field.value.bytes(&mut Number::new())),
    }
    Ok(())
}

pub fn hmget(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let hash = context.keys.read_collection::<Hash>(key)?;
    let names = args.tail(2);
    let (reply, start) = (&mut context.reply, context.reply_start);
    reply.array(names.len());
    let mut number = Number::new();
    for name in names.iter() {
        match hash.and_then(|hash| hash.get(name, now_ms)) {
            None => reply.null(),
            Some(field) => {
                let value = field.value.bytes(&mut number);
                check_reply(reply, start, value.len())?;
                reply.bulk(value);
            }
        }
    }
    Ok(())
}

/// What of the fields is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Names,
    Values,
    Both,
}

pub fn hgetall(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    show_all(context, args, Shown::Both)
}

pub fn hkeys(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    show_all(context, args, Shown::Names)
}

pub fn hvals(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    show_all(context, args, Shown::Values)
}

fn show_all(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    shown: Shown,
) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let hash = context.keys.read_collection::<Hash>(key)?;
    let len = hash.map_or(0, |hash| hash.count(now_ms));
    let left = hash.and_then(|hash| hash.left(STEP_ELEMENTS, now_ms));
    let show: ShowElement = match shown {
        Shown::Both => |reply, name, value| {
            reply.bulk(name);
            reply.bulk(value);
        },
        Shown::Names => |reply, name, _| reply.bulk(name),
        Shown::Values => |reply, _, value| reply.bulk(value),
    };
    match shown {
        Shown::Both => context.reply.map(len),
        Shown::Names | Shown::Values => context.reply.array(len),
    }
    if left.is_none() {
        let (reply, start) = (&mut context.reply, context.reply_start);
        return hash.map_or(Ok(()), |hash| show_each(hash, shown, now_ms, reply, start));
    }
    if context.finish_later(left.map(Left::Fields), show) {
        return Ok(());
    }
    let hash = context.keys.peek_collection::<Hash>(key)?;
    let (reply, start) = (&mut context.reply, context.reply_start);
    hash.map_or(Ok(()), |hash| show_each(hash, shown, now_ms, reply, start))
}

/// Writes all fields at once.
fn show_each(
    hash: Contents<'_, Hash>,
    shown: Shown,
    now_ms: u64,
    reply: &mut ReplyWriter<'_>,
    start: usize,
) -> Result<(), CommandError> {
    let mut number = Number::new();
    let mut fits = Ok(());
    hash.for_each(now_ms, |field| {
        if shown != Shown::Values {
            reply.bulk(field.name.bytes(&mut number));
        }
        if shown != Shown::Names {
            reply.bulk(field.value.bytes(&mut number));
        }
        fits = check_reply(reply, start, 0);
        fits.is_ok()
    });
    fits
}

pub fn hdel(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let removed = change(context, key, |hash| {
        let names = args.tail(2).iter();
        names.filter(|name| hash.remove(name, now_ms)).count()
    })?;
    context.reply.integer(removed as i64);
    Ok(())
}

pub fn hexists(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let is_there = read(context, args, |hash, now_ms| {
        hash.get(args.get(2), now_ms).is_some()
    })?;
    context.reply.integer(is_there.unwrap_or(false).into());
    Ok(())
}

pub fn hlen(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let len = read(context, args, |hash, now_ms| hash.count(now_ms))?;
    context.reply.integer(len.unwrap_or(0) as i64);
    Ok(())
}

pub fn hstrlen(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let len = read(context, args, |hash, now_ms| {
        let field = hash.get(args.get(2), now_ms);
        field.map_or(0, |field| field.value.len())
    })?;
    context.reply.integer(len.unwrap_or(0) as i64);
    Ok(())
}

pub fn hscan(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, cursor) = (context.key(args, 1), scan_cursor(args.get(2))?);
    let now_ms = context.now_ms();
    if context.keys.read_collection::<Hash>(key)?.is_none() {
        return ElementScan::reply_nothing(context);
    }
    let (mut scan, has_values) = ElementScan::of_hash(context, args.tail(3))?;
    let mut next = 0;
    if let Some(hash) = context.keys.peek_collection::<Hash>(key)? {
        let (mut name_number, mut value_number) = (Number::new(), Number::new());
        next = hash.scan(cursor, scan.count(), now_ms, |field| {
            let name = field.name.bytes(&mut name_number);
            if has_values {
                scan.show(&[name, field.value.bytes(&mut value_number)]);
            } else {
                scan.show(&[name]);
            }
        });
    }
    scan.reply(context, next)
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn fields_come_and_go() {
        check(
            "HSET h b 1 a two b 3
             HSET h c x a y
             HGET h b
             HGET h missing
             HGET missing b
             HMGET h a missing c
             HMGET missing a b
             HGETALL h
             HKEYS h
             HVALS h
             HLEN h
             HEXISTS h a
             HEXISTS h missing
             HSTRLEN h b
             HSTRLEN h missing
             HSETNX h a new
             HSETNX h d -5
             HSTRLEN h d
             HMSET h e 1 f 2
             HDEL h a missing b
             HGETALL h
             HDEL h c d e f
             EXISTS h
             HDEL h a
             HGETALL h
             TYPE h",
            ":2
             :1
             3
             nil
             nil
             [y nil x]
             [nil nil]
             [b 3 a y c x]
             [b a c]
             [3 y x]
             :3
             :1
             :0
             :1
             :0
             :0
             :1
             :2
             OK
             :2
             [c x d -5 e 1 f 2]
             :4
             :0
             :0
             []
             none",
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(
            "HSET h a
             HSET h a 1 b
             HMSET h a 1 b
             SET string v
             HSET string a 1
             HGET string a
             HGETALL string
             HDEL string a
             HSCAN string 0
             HSET h a 1
             GET h
             SADD h a",
            "-ERR wrong number of arguments for 'hset' command
             -ERR wrong number of arguments for 'hset' command
             -ERR wrong number of arguments for 'hmset' command
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             :1
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }

    #[test]
    fn long_values_make_a_table() {
        let long = "x".repeat(65);
        check(
            &format!(
                "HSET h a 1
                 OBJECT ENCODING h
                 HSET h b {long}
                 OBJECT ENCODING h
                 HGET h a
                 HGET h b
                 HDEL h b
                 OBJECT ENCODING h
                 HGETALL h
                 HSET i {long} 1
                 OBJECT ENCODING i"
            ),
            &format!(
                ":1
                 listpack
                 :1
                 hashtable
                 1
                 {long}
                 :1
                 hashtable
                 [a 1]
                 :1
                 hashtable"
            ),
        );
    }

    #[test]
    fn hashes_are_scanned() {
        check(
            "HSCAN missing 0 NONSENSE
             HSET h a 1 b 2
             HSCAN h 0
             HSCAN h 0 MATCH b COUNT 1
             HSCAN h 0 NOVALUES
             HSCAN h 0 MATCH a NOVALUES
             HSCAN h x
             HSCAN h 0 TYPE hash
             HSCAN h 0 COUNT 0
             SCAN 0 NOVALUES",
            "[0 []]
             :2
             [0 [a 1 b 2]]
             [0 [b 2]]
             [0 [a b]]
             [0 [a]]
             -ERR invalid cursor
             -ERR syntax error
             -ERR syntax error
             -ERR NOVALUES option can only be used in HSCAN",
        );
    }

    #[test]
    fn a_hash_is_a_map_in_resp3() {
        check_resp3(
            "HSET h a 1
             HGETALL h
             HKEYS h
             HGETALL missing",
            ":1
             {a 1}
             [a]
             {}",
        );
    }
}
