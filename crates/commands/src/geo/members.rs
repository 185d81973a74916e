//! What is given and asked for by the name of members: GEOADD, GEOPOS, GEODIST, GEOHASH.

use keyspace::{Contents, SortedSet};
use resp::Args;

use super::cell::{self, Cell, STEPS_MAX};
use super::position::{Position, Unit, show_distance};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;
use crate::sorted_sets::{Answer, Conditions, give_pairs};

/// The position of a member.
pub fn position_of(set: Contents<'_, SortedSet>, member: &[u8]) -> Option<Position> {
    let score = set.score(member)?;
    Some(Cell::of_score(score).center())
}

pub fn geoadd(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (mut conditions, mut answer, mut at) = (Conditions::default(), Answer::Added, 2);
    while let Some(option) = args.try_get(at) {
        match option {
            option if is(option, "NX") => conditions.is_new = true,
            option if is(option, "XX") => conditions.is_there = true,
            option if is(option, "CH") => answer = Answer::Changed,
            _ => break,
        }
        at += 1;
    }
    let arguments = args.len() - at;
    let is_contradiction = conditions.is_new && conditions.is_there;
    if arguments == 0 || !arguments.is_multiple_of(3) || is_contradiction {
        return Err(CommandError::Syntax);
    }
    let places = (at..args.len()).step_by(3);
    for at in places.clone() {
        Position::parse(args, at)?;
    }
    let pairs = places.filter_map(|at| {
        let position = Position::parse(args, at).ok()?;
        let (score, _) = Cell::of(position, STEPS_MAX).scores();
        Some((score, args.get(at + 2)))
    });
    let key = context.key(args, 1);
    give_pairs(context, key, pairs, conditions, answer)
}

pub fn geopos(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let members = args.tail(2);
    context.reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| position_of(set, member)) {
            Some(position) => position.show(&mut context.reply),
            None => context.reply.null_array(),
        }
    }
    Ok(())
}

pub fn geohash(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let members = args.tail(2);
    context.reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| position_of(set, member)) {
            Some(position) => context.reply.bulk(&cell::text(position)),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub fn geodist(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let unit = match args.tail(4).len() {
        0 => Unit::Meter,
        1 => Unit::parse(args.get(4))?,
        _ => return Err(CommandError::Syntax),
    };
    let key = context.key(args, 1);
    let set = context.keys.read_collection::<SortedSet>(key)?;
    let position = |at| position_of(set?, args.get(at));
    match position(2).zip(position(3)) {
        Some((from, to)) => {
            show_distance(&mut context.reply, from.distance_m(to) / unit.meters());
        }
        None => context.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn positions_are_kept_as_scores() {
        check(
            "GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
             GEOADD sicily CH 13.361389 38.115556 Palermo 15 37 Catania
             GEOADD sicily NX CH 1 1 Palermo 2 2 Enna
             GEOADD sicily XX 1 1 Palermo 2 2 Nowhere
             ZRANGE sicily 0 -1 WITHSCORES
             GEOPOS sicily Enna Nowhere
             GEOPOS missing a b
             GEOHASH sicily Palermo Nowhere Enna
             GEOHASH missing a
             GEODIST sicily Palermo Enna
             GEODIST sicily Palermo Enna kM
             GEODIST sicily Palermo Nowhere
             GEODIST missing a b
             GEOPOS sicily
             ZREM sicily Palermo Catania Enna
             EXISTS sicily",
            ":2
             :1
             :1
             :0
             [Palermo 3377822707026402 Enna 3378191666521995 Catania 3476504601741708]
             [[2.00000256299972534 2.0000001856465488] nil-array]
             [nil-array nil-array]
             [s00twy01mt0 nil s037ms06g70]
             [nil]
             157270.0561
             157.2701
             nil
             nil
             []
             :3
             :0",
        );
        check_resp3(
            "GEOADD g 15.087269 37.502669 a 10 10 b\nGEOPOS g a x\nGEODIST g a b mi\nGEOHASH g a x",
            ":2\n[[,15.08726745843887329 ,37.50266842333162032] nil]\n1927.0156\n[sqdtr74hyu0 nil]",
        );
    }

    #[test]
    fn positions_that_are_none_are_refused() {
        check(
            "GEOADD g 181 1 a
             GEOADD g 1 85.05112879 a
             GEOADD g -1e300 nan a
             GEOADD g inf -inf a
             GEOADD g 1 x a
             GEOADD g 1 1 a 2 2
             GEOADD g NX XX 1 1 a
             GEOADD g NX CH CH
             GEOADD g 1 1 a 200 1 b
             EXISTS g
             SET s v
             GEOADD s 1 1 a
             GEOADD s 1 100 a
             GEOPOS s a
             GEOHASH s a
             GEODIST s a b
             GEODIST s a b yd
             GEODIST s a b m x",
            "-ERR invalid longitude,latitude pair 181.000000,1.000000
             -ERR invalid longitude,latitude pair 1.000000,85.051129
             -ERR value is not a valid float
             -ERR invalid longitude,latitude pair inf,-inf
             -ERR value is not a valid float
             -ERR syntax error
             -ERR syntax error
             -ERR syntax error
             -ERR invalid longitude,latitude pair 200.000000,1.000000
             :0
             OK
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -ERR invalid longitude,latitude pair 1.000000,100.000000
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -ERR unsupported unit provided. please use M, KM, FT, MI
             -ERR syntax error",
        );
    }
}
