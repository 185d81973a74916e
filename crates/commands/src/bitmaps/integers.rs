//! Strings as integers of any width: BITFIELD, BITFIELD_RO.

use keyspace::Number;
use resp::Args;

use super::bits;
use super::single::{bit_offset, bytes_of, raw_bytes};
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

const BAD_TYPE: CommandError = CommandError::line(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

/// The type of an integer: up to 64 bits with a sign, up to 63 without.
#[derive(Clone, Copy)]
struct Width {
    is_signed: bool,
    bits: u32,
}

/// What is done with a result that the type cannot hold.
#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Clone, Copy)]
struct Step {
    action: Action,
    width: Width,
    at: usize,
    overflow: Overflow,
}

impl Step {
    fn end(&self) -> usize {
        self.at + self.width.bits as usize
    }
}

pub fn bitfield(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    run(context, args, None)
}

pub fn bitfield_ro(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    run(
        context,
        args,
        Some(CommandError::line(
            "ERR BITFIELD_RO only supports the GET subcommand",
        )),
    )
}

/// Runs the steps, unless one of them writes and that is refused with an error.
fn run(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    refusal: Option<CommandError>,
) -> Result<(), CommandError> {
    let mut steps = Vec::new();
    let mut end = None;
    for_each_step(context, args, |step| {
        match step.action {
            Action::Get => {}
            Action::Set(_) | Action::Add(_) => end = end.max(Some(step.end())),
        }
        steps.push(step);
    })?;
    let key = context.key(args, 1);
    let Some(end) = end else {
        let mut number = Number::new();
        let entry = context.keys.read(key);
        let bytes = bytes_of(entry.as_ref(), &mut number)?;
        context.reply.array(steps.len());
        for step in steps {
            let value = step.width.read(bytes, step.at);
            context.reply.integer(value);
        }
        return Ok(());
    };
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let len = end.div_ceil(8);
    let bytes = raw_bytes(context, key, len)?;
    let changes_nothing = bytes.is_some_and(|bytes| {
        let is_as_it_was = |step: &Step| {
            let before = step.width.read(bytes, step.at);
            match step.result(before) {
                Some((after, _)) => after == before,
                None => true,
            }
        };
        steps.iter().all(is_as_it_was)
    });
    let mut replies = Vec::with_capacity(steps.len());
    if changes_nothing {
        let bytes = bytes.unwrap_or(&[]);
        replies.extend(steps.iter().map(|step| {
            let before = step.width.read(bytes, step.at);
            step.result(before).map(|(_, reply)| reply)
        }));
    } else {
        // Fields that overflow and fail are told to nobody, though the string grows, as in Redis.
        context.keys.change_string_telling(key, |string| {
            let (grows, mut has_changed) = (string.len() < len, false);
            let bytes = string.at_least(len);
            for step in &steps {
                let before = step.width.read(bytes, step.at);
                let result = step.result(before);
                if let Some((after, _)) = result
                    && step.end() <= bytes.len() * 8
                {
                    bits::set_field(bytes, step.at, step.width.bits, after.cast_unsigned());
                    let is_written = !matches!(step.action, Action::Get);
                    has_changed |= is_written && (grows || after != before);
                }
                replies.push(result.map(|(_, reply)| reply));
            }
            has_changed
        });
    }
    context.reply.array(replies.len());
    for reply in replies {
        match reply {
            Some(value) => context.reply.integer(value),
            None => context.reply.null(),
        }
    }
    Ok(())
}

fn for_each_step(
    context: &Context<'_, '_>,
    args: Args<'_>,
    mut each: impl FnMut(Step),
) -> Result<(), CommandError> {
    let mut overflow = Overflow::Wrap;
    let mut rest = args.tail(2);
    while !rest.is_empty() {
        let (name, others) = (rest.get(0), rest.len() - 1);
        if is(name, "overflow") && others >= 1 {
            overflow = Overflow::parse(rest.get(1))?;
            rest = rest.tail(2);
            continue;
        }
        let make: Option<fn(i64) -> Action> = match others {
            2.. if is(name, "get") => None,
            3.. if is(name, "set") => Some(Action::Set),
            3.. if is(name, "incrby") => Some(Action::Add),
            _ => return Err(CommandError::Syntax),
        };
        let width = Width::parse(rest.get(1))?;
        let at = match rest.get(2) {
            [b'#', index @ ..] => bit_offset(context, index, width.bits)?,
            offset => bit_offset(context, offset, 1)?,
        };
        let (action, len) = match make {
            None => (Action::Get, 3),
            Some(make) => (make(integer(rest.get(3))?), 4),
        };
        each(Step {
            action,
            width,
            at,
            overflow,
        });
        rest = rest.tail(len);
    }
    Ok(())
}

impl Overflow {
    fn parse(argument: &[u8]) -> Result<Self, CommandError> {
        match argument {
            _ if is(argument, "wrap") => Ok(Self::Wrap),
            _ if is(argument, "sat") => Ok(Self::Saturate),
            _ if is(argument, "fail") => Ok(Self::Fail),
            _ => Err(CommandError::line("ERR Invalid OVERFLOW type specified")),
        }
    }
}

impl Step {
    /// What the field becomes and what is answered, given what it was; nothing when it fails.
    fn result(&self, before: i64) -> Option<(i64, i64)> {
        match self.action {
            Action::Get => Some((before, before)),
            Action::Set(value) => {
                let after = self.width.add(value, 0, self.overflow)?;
                Some((after, before))
            }
            Action::Add(more) => {
                let after = self.width.add(before, more, self.overflow)?;
                Some((after, after))
            }
        }
    }
}

impl Width {
    fn parse(argument: &[u8]) -> Result<Self, CommandError> {
        let (is_signed, bits_max, digits) = match argument {
            [b'i', digits @ ..] => (true, 64, digits),
            [b'u', digits @ ..] => (false, 63, digits),
            _ => return Err(BAD_TYPE),
        };
        let bits = integer(digits).map_err(|_| BAD_TYPE)?;
        match u32::try_from(bits) {
            Ok(bits) if (1..=bits_max).contains(&bits) => Ok(Self { is_signed, bits }),
            Ok(_) | Err(_) => Err(BAD_TYPE),
        }
    }

    fn read(self, bytes: &[u8], at: usize) -> i64 {
        let value = bits::field(bytes, at, self.bits);
        if self.is_signed {
            self.extended(value)
        } else {
            value.cast_signed()
        }
    }

    /// The lower bits of a value as a signed integer.
    fn extended(self, value: u64) -> i64 {
        let unused = 64 - self.bits;
        (value << unused).cast_signed() >> unused
    }

    /// The sum of a value and an increment, as Redis computes it in this type; nothing when it overflows and that is a
    /// failure.
    fn add(self, value: i64, more: i64, overflow: Overflow) -> Option<i64> {
        if self.is_signed {
            self.add_signed(value, more, overflow)
        } else {
            self.add_unsigned(value.cast_unsigned(), more, overflow)
        }
    }

    fn add_signed(self, value: i64, more: i64, overflow: Overflow) -> Option<i64> {
        let max = i64::MAX >> (64 - self.bits);
        let min = -max - 1;
        // These wrap for values that are far below the type's, which Redis then takes for far above.
        let (more_max, more_min) = (max.wrapping_sub(value), min.wrapping_sub(value));
        let is_narrow = self.bits != 64;
        let is_above = value > max
            || is_narrow && more > more_max
            || value >= 0 && more > 0 && more > more_max;
        let is_below =
            value < min || is_narrow && more < more_min || value < 0 && more < 0 && more < more_min;
        let sum = value.wrapping_add(more);
        match overflow {
            _ if !is_above && !is_below => Some(sum),
            Overflow::Wrap => Some(self.extended(sum.cast_unsigned())),
            Overflow::Saturate => Some(if is_above { max } else { min }),
            Overflow::Fail => None,
        }
    }

    fn add_unsigned(self, value: u64, more: i64, overflow: Overflow) -> Option<i64> {
        let max = u64::MAX >> (64 - self.bits);
        let more_max = max.wrapping_sub(value).cast_signed();
        let more_min = value.wrapping_neg().cast_signed();
        let is_above = value > max || more > 0 && more > more_max;
        let is_below = more < 0 && more < more_min;
        let sum = value.wrapping_add_signed(more);
        let result = match overflow {
            _ if !is_above && !is_below => sum,
            Overflow::Wrap => sum & max,
            Overflow::Saturate if is_above => max,
            Overflow::Saturate => 0,
            Overflow::Fail => return None,
        };
        Some(result.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check};

    #[test]
    fn what_changes_no_field_is_told_to_nobody() {
        let touched = |line: &str, is_touched: bool| {
            let expected = if is_touched { "nil-array" } else { "[PONG]" };
            let mut server = TestServer::new();
            server.run("SET k abc");
            let script = format!("WATCH k\n{line}\nMULTI\nPING\nEXEC");
            let replies = server.run(&script);
            assert_eq!(replies.lines().last(), Some(expected), "{line}");
        };
        touched("SETBIT k 3 0", false);
        touched("SETBIT k 3 1", true);
        touched("SETBIT k 300 0", true);
        touched("BITFIELD k SET u8 0 97", false);
        touched("BITFIELD k SET u8 0 98", true);
        touched("BITFIELD k INCRBY u8 800 0", true);
        touched("BITFIELD k OVERFLOW FAIL INCRBY u8 800 -1", false);
    }

    #[test]
    fn fields_are_read_set_and_added_to() {
        check(
            "BITFIELD k SET i8 0 -1 GET u4 0 INCRBY u2 100 1
             BITFIELD k GET i8 0 GET u8 #1
             STRLEN k
             BITFIELD k INCRBY i5 100 1 GET u4 0
             BITFIELD k SET u8 #2 200 SET u8 #2 300
             BITFIELD k GET u8 16
             BITFIELD k
             BITFIELD missing GET i64 5
             BITFIELD_RO k GET u8 0 GET i3 1
             EXISTS missing",
            "[:0 :15 :1]
             [:-1 :0]
             :13
             [:9 :15]
             [:0 :200]
             [:44]
             []
             [:0]
             [:255 :-1]
             :0",
        );
    }

    #[test]
    fn overflows_are_handled_as_asked() {
        check(
            "BITFIELD k OVERFLOW SAT INCRBY u2 0 7 OVERFLOW FAIL INCRBY u2 0 1 OVERFLOW WRAP INCRBY u2 0 2
             BITFIELD k OVERFLOW SAT SET i8 8 -1000 SET i8 8 1000 GET i8 8
             BITFIELD k OVERFLOW SAT SET i8 8 -9223372036854775808 GET i8 8
             BITFIELD k SET i64 64 9223372036854775807 INCRBY i64 64 1
             BITFIELD k OVERFLOW FAIL INCRBY i64 64 -1 GET i64 64
             BITFIELD k OVERFLOW SAT INCRBY i64 64 -1 INCRBY u63 200 -5
             BITFIELD new OVERFLOW FAIL SET u4 4 16
             GET new",
            "[:3 nil :1]
             [:0 :-128 :127]
             [:127 :127]
             [:0 :-9223372036854775808]
             [nil :-9223372036854775808]
             [:-9223372036854775808 :0]
             [nil]
             \\x00",
        );
    }

    #[test]
    fn fields_are_checked_before_anything_is_done() {
        check(
            "BITFIELD k SET u8 0 1 GET u64 0
             BITFIELD k GET i65 0
             BITFIELD k GET U8 0
             BITFIELD k GET u8 -1
             BITFIELD k GET u8 #536870912
             BITFIELD k GET u8 #9223372036854775807
             BITFIELD k OVERFLOW never
             BITFIELD k SET u8 0
             BITFIELD k SET u8 0 x
             BITFIELD_RO k SET u8 0 1
             EXISTS k
             SADD s a
             BITFIELD s
             BITFIELD s SET u8 0 1",
            "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
             -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
             -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
             -ERR bit offset is not an integer or out of range
             -ERR bit offset is not an integer or out of range
             -ERR bit offset is not an integer or out of range
             -ERR Invalid OVERFLOW type specified
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR BITFIELD_RO only supports the GET subcommand
             :0
             :1
             -WRONGTYPE Operation against a key holding the wrong kind of value
             -WRONGTYPE Operation against a key holding the wrong kind of value",
        );
    }
}
