//! Members one by one, and all of them: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SSCAN.

use keyspace::{Number, Set};
use resp::{Args, ReplyWriter};

use crate::context::Context;
use crate::error::CommandError;
use crate::keys::{ElementScan, scan_cursor};
use crate::unfinished::{Left, STEP_ELEMENTS};

pub fn sadd(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let added = context.keys.change_collection::<Set, _>(key, |set| {
        args.tail(2).iter().filter(|member| set.add(member)).count()
    })?;
    context.reply.integer(added as i64);
    Ok(())
}

pub fn srem(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let removed = context.keys.change_collection::<Set, _>(key, |set| {
        let members = args.tail(2).iter();
        members.filter(|member| set.remove(member)).count()
    })?;
    context.reply.integer(removed as i64);
    Ok(())
}

pub fn smove(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (from, to, member) = (context.key(args, 1), context.key(args, 2), args.get(3));
    let is_there = match context.keys.read_collection::<Set>(from)? {
        None => {
            context.reply.integer(0);
            return Ok(());
        }
        Some(set) => set.contains(member),
    };
    context.keys.peek_collection::<Set>(to)?;
    if is_there && from.bytes != to.bytes {
        let remove = |set: &mut keyspace::Draft<'_, Set>| set.remove(member);
        context.keys.change_collection(from, remove)?;
        let add = |set: &mut keyspace::Draft<'_, Set>| set.add(member);
        context.keys.change_collection(to, add)?;
    }
    context.reply.integer(is_there.into());
    Ok(())
}

pub fn sismember(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<Set>(key)?;
    let is_there = set.is_some_and(|set| set.contains(args.get(2)));
    context.reply.integer(is_there.into());
    Ok(())
}

pub fn smismember(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<Set>(key)?;
    let members = args.tail(2);
    context.reply.array(members.len());
    for member in members.iter() {
        let is_there = set.is_some_and(|set| set.contains(member));
        context.reply.integer(is_there.into());
    }
    Ok(())
}

pub fn scard(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<Set>(key)?;
    context.reply.integer(set.map_or(0, |set| set.len()) as i64);
    Ok(())
}

pub fn smembers(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<Set>(key)?;
    context.reply.set(set.map_or(0, |set| set.len()));
    let left = set.and_then(|set| set.left(STEP_ELEMENTS));
    let show = |reply: &mut ReplyWriter<'_>, member: &[u8], _: &[u8]| reply.bulk(member);
    if left.is_some() && context.finish_later(left.map(Left::Elements), show) {
        return Ok(());
    }
    let set = context.keys.peek_collection::<Set>(key)?;
    let mut number = Number::new();
    for member in set.iter().flat_map(|set| set.members()) {
        context.reply.bulk(member.bytes(&mut number));
    }
    context.check_reply(0)
}

pub fn sscan(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key, cursor) = (context.key(args, 1), scan_cursor(args.get(2))?);
    if context.keys.read_collection::<Set>(key)?.is_none() {
        return ElementScan::reply_nothing(context);
    }
    let mut scan = ElementScan::new(context, args.tail(3))?;
    let mut next = 0;
    if let Some(set) = context.keys.peek_collection::<Set>(key)? {
        let mut number = Number::new();
        next = set.scan(cursor, scan.count(), |member| {
            scan.show(&[member.bytes(&mut number)]);
        });
    }
    scan.reply(context, next)
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn members_come_and_go() {
        check(
            "SADD s b a b
             SADD s a c
             SCARD s
             SISMEMBER s a
             SMISMEMBER s a x c
             SREM s a x b
             SMEMBERS s
             SREM s c
             EXISTS s
             SCARD s
             SMEMBERS s
             SISMEMBER s a",
            ":2
             :1
             :3
             :1
             [:1 :0 :1]
             :2
             [c]
             :1
             :0
             :0
             []
             :0",
        );
    }

    #[test]
    fn a_set_of_integers_stays_sorted_until_something_else_comes() {
        check(
            "SADD s 3 -1 70000 2
             OBJECT ENCODING s
             SMEMBERS s
             SADD s 9223372036854775807
             SMEMBERS s
             SREM s 70000
             SADD s 007
             OBJECT ENCODING s
             SISMEMBER s 7
             SISMEMBER s 007
             TYPE s
             GET s
             SADD s x",
            ":4
             intset
             [-1 2 3 70000]
             :1
             [-1 2 3 70000 9223372036854775807]
             :1
             :1
             listpack
             :0
             :1
             set
             -WRONGTYPE Operation against a key holding the wrong kind of value
             :1",
        );
    }

    #[test]
    fn members_move() {
        check(
            "SADD a x y
             SADD b y
             SMOVE a b x
             SMOVE a b z
             SMOVE a a y
             SMOVE a b y
             EXISTS a
             SCARD b
             SMOVE missing b y
             SET string v
             SMOVE b string x
             SMOVE string b x",
            ":2
             :1
             :1
             :0
             :1
             :1
             :0
             :2
             :0
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }

    #[test]
    fn sets_are_scanned() {
        check(
            "SSCAN missing 0 NONSENSE
             SADD s 1 2 30
             SSCAN s 0
             SSCAN s 0 MATCH 3* COUNT 1
             SSCAN s x
             SSCAN s 0 TYPE set
             SSCAN s 0 COUNT 0",
            "[0 []]
             :3
             [0 [1 2 30]]
             [0 [30]]
             -ERR invalid cursor
             -ERR syntax error
             -ERR syntax error",
        );
    }

    #[test]
    fn a_set_is_a_set_in_resp3() {
        check_resp3(
            "SADD s 1
             SMEMBERS s
             SUNION s",
            ":1
             ~[1]
             ~[1]",
        );
    }
}
