//! Setting a value: SET, SETNX, SETEX, PSETEX.

use keyspace::Deadline;
use resp::Args;

use super::condition::Condition;
use super::get::reply_value;
use super::lifetime::{Lifetime, TimeUnit};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;

#[inline]
pub fn set(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 3 {
        return set_with_options(context, args);
    }
    let key = context.key(args, 1);
    context.set(key, args.get(2), Deadline::None);
    context.reply.ok();
    Ok(())
}

/// The options of SET.
struct SetOptions<'a> {
    condition: Condition<'a>,
    lifetime: Lifetime<'a>,
    reply: SetReply,
}

/// What SET answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SetReply {
    /// Whether it has set the key.
    Success,
    /// The value before (GET).
    OldValue,
}

impl<'a> SetOptions<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self {
            condition: Condition::Always,
            lifetime: Lifetime::Unsaid,
            reply: SetReply::Success,
        };
        let mut rest = args.tail(3).iter();
        while let Some(option) = rest.next() {
            if is(option, "GET") {
                options.reply = SetReply::OldValue;
            } else if let Some(condition) = Condition::parse(option, &mut rest)? {
                options.condition.add(condition)?;
            } else {
                match Lifetime::parse(option, &mut rest)? {
                    None | Some(Lifetime::Persist) => return Err(CommandError::Syntax),
                    Some(lifetime) => options.lifetime.add(lifetime)?,
                }
            }
        }
        Ok(options)
    }
}

#[inline(never)]
fn set_with_options(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let SetOptions {
        condition,
        lifetime,
        reply,
    } = SetOptions::parse(args)?;
    let deadline = lifetime.deadline(context, Deadline::None)?;
    let key = context.key(args, 1);
    if reply == SetReply::OldValue {
        reply_value(context, key)?;
    }
    let is_met = condition == Condition::Always || condition.is_met(context.keys.find(key))?;
    if is_met {
        let deadline = lifetime.spread(context, deadline, key);
        context.set(key, args.get(2), deadline);
    }
    match reply {
        SetReply::OldValue => {}
        SetReply::Success if is_met => context.reply.ok(),
        SetReply::Success => context.reply.null(),
    }
    Ok(())
}

pub fn setnx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let is_missing = context.keys.find(key).is_none();
    if is_missing {
        context.set(key, args.get(2), Deadline::None);
    }
    context.reply.integer(i64::from(is_missing));
    Ok(())
}

pub fn setex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    set_until(context, args, TimeUnit::Seconds)
}

pub fn psetex(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    set_until(context, args, TimeUnit::Milliseconds)
}

fn set_until(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    unit: TimeUnit,
) -> Result<(), CommandError> {
    let deadline_ms = unit.deadline_ms(context, args.get(2))?;
    let key = context.key(args, 1);
    let deadline_ms = unit.spread_ms(context, deadline_ms, key);
    context.set(key, args.get(3), Deadline::At(deadline_ms));
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn conditions_hold_set_back() {
        check(
            "SET k v XX
             SET k v NX
             SET k w NX
             SET k w XX
             GET k
             SETNX k x
             SETNX other x",
            "nil
             OK
             nil
             OK
             w
             :0
             :1",
        );
        check_resp3("SET k v XX\nSET k v XX GET", "nil\nnil");
    }

    #[test]
    fn get_answers_the_value_before() {
        check(
            "SET k v GET
             SET k w GET
             SET k x NX GET
             SET other y NX GET
             GET k
             GET other
             SET k x XX GET GET
             SET k 1 GET IFEQ wrong
             GET k",
            "nil
             v
             w
             nil
             w
             y
             w
             x
             x",
        );
    }

    #[test]
    fn deadlines_are_set_kept_and_cleared() {
        check(
            "SET a 1 EX 10
             SET b 1 PX 10000
             SET c 1 EXAT 1700000010
             SET d 1 PXAT 1700000010000
             SETEX e 10 1
             PSETEX f 10000 1
             SET g 1 EX 10
             SET g 2 KEEPTTL
             SET h 1 EX 10
             SET h 2
             SET i 1 EX 1 EX 10
             SET j 1 KEEPTTL
             +10000
             MGET a b c d e f g h i j
             +1
             MGET a b c d e f g h i j",
            "OK
             OK
             OK
             OK
             OK
             OK
             OK
             OK
             OK
             OK
             OK
             OK
             [1 1 1 1 1 1 2 2 1 1]
             [nil nil nil nil nil nil nil 2 nil 1]",
        );
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        check(
            "SET k v
             SET k w EXAT 1
             GET k
             SET k w PXAT 1 XX
             SET k v NX",
            "OK
             OK
             nil
             nil
             OK",
        );
    }

    #[test]
    fn times_are_checked() {
        check(
            "SET k v EX 0
             SET k v PX -1
             SET k v EXAT 0
             SET k v EX 9223372036854775
             SET k v EX 9223372036854776
             SET k v PX 9223372036854775807
             SET k v PXAT 9223372036854775807
             SET k v EX 1.5
             SETEX k 0 v
             SETEX k x v
             PSETEX k -5 v
             SET k w EX 0 NX",
            "-ERR invalid expire time in 'set' command
             -ERR invalid expire time in 'set' command
             -ERR invalid expire time in 'set' command
             -ERR invalid expire time in 'set' command
             -ERR invalid expire time in 'set' command
             -ERR invalid expire time in 'set' command
             OK
             -ERR value is not an integer or out of range
             -ERR invalid expire time in 'setex' command
             -ERR value is not an integer or out of range
             -ERR invalid expire time in 'psetex' command
             -ERR invalid expire time in 'set' command",
        );
    }

    #[test]
    fn options_exclude_each_other() {
        let wrong = [
            "foo",
            "EX",
            "NX XX",
            "XX NX",
            "EX 1 PX 1",
            "EX 1 KEEPTTL",
            "KEEPTTL PXAT 1",
            "PERSIST",
            "NX IFEQ v",
            "IFEQ v XX",
            "IFEQ v IFNE v",
            "IFDEQ v IFDNE v",
            "IFEQ",
            "EX abc foo",
        ];
        for options in wrong {
            check(&format!("SET k v {options}"), "-ERR syntax error");
        }
        check("SET k v nx Nx get keepttl KEEPTTL", "nil");
        check("SET k v IFEQ a IFEQ b", "nil");
    }

    #[test]
    fn watchers_see_changes_and_nothing_else() {
        let idle = [
            "SET k w NX",
            "SET k w IFEQ x",
            "SETNX k w",
            "GETEX k",
            "GETEX k PERSIST",
            "GETDEL missing",
            "MSETNX k 1 other 2",
            "MSETEX 1 k 1 NX",
            "SETRANGE k 0 \"\"",
            "INCR k",
            "INCRBYFLOAT k x",
            "INCREX k UBOUND 0 NX",
            "DELEX k IFEQ x",
            "DELIFEQ k x",
            "LCS k k",
            "STRLEN k",
            "DIGEST k",
        ];
        for command in idle {
            assert_eq!(exec_after(command), "[OK]", "{command}");
        }
        let changes = [
            "SET k v",
            "SET k v XX GET",
            "SET k v EXAT 1",
            "GETEX k EX 10",
            "GETEX k PXAT 1",
            "GETDEL k",
            "GETSET k v",
            "MSET k v",
            "MSETEX 1 k v",
            "APPEND k \"\"",
            "SETRANGE k 0 v",
            "DELEX k",
            "DELIFEQ k v",
            "SETEX k 1 v",
        ];
        for command in changes {
            assert_eq!(exec_after(command), "nil-array", "{command}");
        }
    }

    /// What EXEC answers when another connection has run `command` since WATCH.
    fn exec_after(command: &str) -> String {
        let mut server = TestServer::new();
        server.run(&format!("SET k v\nWATCH k\nb> {command}\nMULTI\nSET x y"));
        server.run("EXEC")
    }
}
