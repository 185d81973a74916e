//! Values together with deadlines or removal: HGETEX, HSETEX, HGETDEL.
//!
//! Replies and errors are those of Redis 8 (<https://redis.io/docs/latest/commands/hsetex/> and its relatives).

use keyspace::{Deadline, Draft, Hash, Number};
use resp::{Args, ReplyWriter};

use super::change;
use super::deadlines::{NOT_POSITIVE, Unit, fields, set_or_remove};
use crate::context::{Context, check_reply};
use crate::error::CommandError;
use crate::parse::{integer, is};

/// The unit that an option names.
fn unit(option: &[u8]) -> Option<Unit> {
    let units = [
        ("EX", 1000, true),
        ("PX", 1, true),
        ("EXAT", 1000, false),
        ("PXAT", 1, false),
    ];
    let named = units.into_iter().find(|(name, ..)| is(option, name));
    named.map(|(_, ms, is_relative)| Unit { ms, is_relative })
}

/// Answers with the value of a field; whether it is there.
fn show(
    reply: &mut ReplyWriter<'_>,
    start: usize,
    hash: &Draft<'_, Hash>,
    name: &[u8],
    now_ms: u64,
) -> Result<bool, CommandError> {
    let Some(field) = hash.get(name, now_ms) else {
        reply.null();
        return Ok(false);
    };
    let mut number = Number::new();
    let value = field.value.bytes(&mut number);
    check_reply(reply, start, value.len())?;
    reply.bulk(value);
    Ok(true)
}

/// Answers with the values of fields, and has `then` do something with each that is there.
fn show_and(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    names: Args<'_>,
    mut then: impl FnMut(&mut Draft<'_, Hash>, &[u8], u64),
) -> Result<(), CommandError> {
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    context.keys.read_collection::<Hash>(key)?;
    let start = context.reply_start;
    let reply = &mut context.reply;
    reply.array(names.len());
    context.keys.change_collection::<Hash, _>(key, |hash| {
        for name in names.iter() {
            if show(reply, start, hash, name, now_ms)? {
                then(hash, name, now_ms);
            }
        }
        Ok(())
    })?
}

pub fn hgetdel(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    context.keys.peek_collection::<Hash>(key)?;
    let names = fields(args, 2, NOT_POSITIVE)?;
    show_and(context, args, names, |hash, name, now_ms| {
        hash.remove(name, now_ms);
    })
}

pub fn hgetex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    context.keys.peek_collection::<Hash>(key)?;
    let mut at = 2;
    let mut deadline = Deadline::Keep;
    if is(args.get(2), "PERSIST") {
        (at, deadline) = (3, Deadline::None);
    } else if let Some(unit) = unit(args.get(2)) {
        (at, deadline) = (4, Deadline::At(unit.deadline_ms(context, args.get(3))?));
    }
    let names = fields(args, at, NOT_POSITIVE)?;
    show_and(context, args, names, |hash, name, now_ms| match deadline {
        Deadline::Keep => {}
        Deadline::None => {
            let field = hash.get(name, now_ms);
            if field.is_some_and(|field| field.deadline_ms.is_some()) {
                hash.set_deadline(name, None, now_ms);
            }
        }
        Deadline::At(deadline_ms) => {
            set_or_remove(hash, name, deadline_ms, now_ms);
        }
    })
}

/// Whether the fields must be there, or must not; likewise for the key (Valkey 9.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Any,
    All,
    None,
}

impl Presence {
    fn fits(self, is_there: bool) -> bool {
        match self {
            Self::Any => true,
            Self::All => is_there,
            Self::None => !is_there,
        }
    }
}

/// What HSETEX is asked.
struct Setting<'a> {
    key_presence: Presence,
    presence: Presence,
    deadline: Deadline,
    pairs: Args<'a>,
}

fn setting<'a>(context: &Context<'_, '_>, args: Args<'a>) -> Result<Setting<'a>, CommandError> {
    let (mut key_presence, mut presence, mut deadline) = (Presence::Any, Presence::Any, None);
    let mut at = 2;
    while at < args.len() {
        let option = args.get(at);
        at += 1;
        if is(option, "FIELDS") {
            let pairs = pairs(context, args, at)?;
            let deadline = deadline.unwrap_or(Deadline::None);
            return Ok(Setting {
                key_presence,
                presence,
                deadline,
                pairs,
            });
        }
        let unit = unit(option);
        if unit.is_some() || is(option, "KEEPTTL") {
            if deadline.is_some() {
                return Err(CommandError::line(
                    "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                ));
            }
            deadline = Some(Deadline::Keep);
            if let Some(unit) = unit {
                if at >= args.len() {
                    return Err(CommandError::line("ERR missing expire time"));
                }
                deadline = Some(Deadline::At(unit.deadline_ms(context, args.get(at))?));
                at += 1;
            }
        } else if is(option, "FXX") || is(option, "FNX") {
            if presence != Presence::Any {
                return Err(CommandError::line(
                    "ERR Only one of FXX or FNX arguments can be specified",
                ));
            }
            presence = if is(option, "FXX") {
                Presence::All
            } else {
                Presence::None
            };
        } else if is(option, "XX") || is(option, "NX") {
            if key_presence != Presence::Any {
                return Err(CommandError::line(
                    "ERR Only one of XX or NX arguments can be specified",
                ));
            }
            key_presence = if is(option, "XX") {
                Presence::All
            } else {
                Presence::None
            };
        } else {
            return Err(CommandError::repeating("unknown argument: ", option, ""));
        }
    }
    Err(context.wrong_arity())
}

/// The fields and values behind their number.
fn pairs<'a>(
    context: &Context<'_, '_>,
    args: Args<'a>,
    at: usize,
) -> Result<Args<'a>, CommandError> {
    if at + 2 >= args.len() {
        return Err(context.wrong_arity());
    }
    let count = integer(args.get(at))
        .ok()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| (1..=i32::MAX as usize).contains(count))
        .ok_or(CommandError::line("ERR invalid number of fields"))?;
    let pairs = args.tail(at + 1);
    if pairs.len() != 2 * count {
        return Err(context.wrong_arity());
    }
    Ok(pairs)
}

pub fn hsetex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let setting = setting(context, args)?;
    let (key, now_ms) = (context.key(args, 1), context.now_ms());
    let is_done = change(context, key, |hash| {
        let mut names = setting.pairs.iter().step_by(2);
        let fits = setting.key_presence.fits(hash.contents().count(now_ms) > 0)
            && names.all(|name| setting.presence.fits(hash.get(name, now_ms).is_some()));
        if fits {
            set_all(hash, &setting, now_ms);
        }
        fits
    })?;
    context.reply.integer(is_done.into());
    Ok(())
}

fn set_all(hash: &mut Draft<'_, Hash>, setting: &Setting<'_>, now_ms: u64) {
    let mut words = setting.pairs.iter();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match setting.deadline {
            Deadline::At(deadline_ms) if deadline_ms <= now_ms => {
                hash.remove(name, now_ms);
            }
            deadline => {
                hash.set(name, value, deadline, now_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn fields_are_read_and_changed_at_once() {
        check(
            "HSET h a 1 b 2 c 3
             HGETEX h FIELDS 2 a x
             HGETEX h PX 100 FIELDS 2 a b
             HPTTL h FIELDS 3 a b c
             HGETEX h PERSIST FIELDS 2 a c
             HPTTL h FIELDS 3 a b c
             HGETEX h EXAT 1 FIELDS 1 a
             HGETALL h
             HGETDEL h FIELDS 3 b x c
             EXISTS h
             HGETEX h EX 5 FIELDS 1 a
             HGETDEL h FIELDS 1 a",
            ":3
             [1 nil]
             [1 2]
             [:100 :100 :-1]
             [1 3]
             [:-1 :100 :-1]
             [1]
             [b 2 c 3]
             [2 nil 3]
             :0
             [nil]
             [nil]",
        );
    }

    #[test]
    fn fields_are_set_with_deadlines() {
        check(
            "HSETEX h PX 100 FIELDS 2 a 1 b 2
             HPTTL h FIELDS 2 a b
             HSETEX h FNX FIELDS 2 b 3 c 3
             HSETEX h FXX KEEPTTL FIELDS 1 b 4
             HSETEX h FXX FIELDS 2 a 5 c 5
             HSETEX h FIELDS 1 a 6
             HPTTL h FIELDS 2 a b
             HGETALL h
             HSETEX h EXAT 1 FIELDS 1 a 7
             HGETALL h
             +101
             HGETALL h
             HSETEX missing FXX FIELDS 1 a 1
             HSETEX missing XX FIELDS 1 a 1
             EXISTS missing
             HSETEX k NX FIELDS 1 a 1
             HSETEX k NX FIELDS 1 b 1
             HSETEX k FNX XX EX 1 FIELDS 1 b 2
             HGETALL k
             HSETEX k NX XX FIELDS 1 b 2",
            ":1
             [:100 :100]
             :0
             :1
             :0
             :1
             [:-1 :100]
             [a 6 b 4]
             :1
             [b 4]
             []
             :0
             :0
             :0
             :1
             :0
             :1
             [a 1 b 2]
             -ERR Only one of XX or NX arguments can be specified",
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(
            "HSETEX h EX 1 PX 1 FIELDS 1 a 1
             HSETEX h FNX FXX FIELDS 1 a 1
             HSETEX h EX x FIELDS 1 a 1
             HSETEX h EX -1 FIELDS 1 a 1
             HSETEX h FIELDS 0 a 1 b
             HSETEX h FIELDS 2 a 1 b
             HSETEX h WHAT 1 FIELDS 1 a
             HSETEX h FNX FNX KEEPTTL EX
             HSETEX h FNX KEEPTTL a b
             HGETEX h EX 1 FIELD 1 a
             HGETDEL h FIELDS 2 a",
            "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified
             -ERR Only one of FXX or FNX arguments can be specified
             -ERR value is not an integer or out of range
             -ERR invalid expire time, must be >= 0
             -ERR invalid number of fields
             -ERR wrong number of arguments for 'hsetex' command
             -ERR unknown argument: WHAT
             -ERR Only one of FXX or FNX arguments can be specified
             -ERR unknown argument: a
             -ERR Mandatory argument FIELDS is missing or not at the right position
             -ERR The `numfields` parameter must match the number of arguments",
        );
    }
}
