//! INCREX: increments a number within bounds, and sets its key's deadline.

use keyspace::{Deadline, Key, Locked, NewValue, Number, StringRef};
use resp::long_double::LongDouble;
use resp::{Args, ReplyWriter, parse_integer};

use super::condition::Condition;
use super::lifetime::Lifetime;
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::parse::{integer, is};

pub fn increx(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = IncrexOptions::parse(args)?;
    match options.kind {
        Some(NumberKind::Float) => run::<LongDouble>(context, args, &options),
        Some(NumberKind::Integer) | None => run::<i64>(context, args, &options),
    }
}

/// The options of INCREX, its numbers not yet read.
struct IncrexOptions<'a> {
    kind: Option<NumberKind>,
    increment: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    beyond_bounds: BeyondBounds,
    condition: Condition<'a>,
    lifetime: Lifetime<'a>,
    deadline_change: DeadlineChange,
}

/// What is counted in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NumberKind {
    /// BYINT, and the default.
    Integer,
    /// BYFLOAT.
    Float,
}

/// What becomes of a result beyond the bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BeyondBounds {
    /// Nothing is changed.
    Refused,
    /// It is the bound (SATURATE).
    Saturated,
}

/// Which keys' deadlines are changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DeadlineChange {
    /// All.
    Always,
    /// Those that have none (ENX).
    WhereMissing,
}

impl<'a> IncrexOptions<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self {
            kind: None,
            increment: None,
            lower: None,
            upper: None,
            beyond_bounds: BeyondBounds::Refused,
            condition: Condition::Always,
            lifetime: Lifetime::Unsaid,
            deadline_change: DeadlineChange::Always,
        };
        let mut rest = args.tail(2).iter();
        while let Some(option) = rest.next() {
            options.add(option, &mut rest)?;
        }
        match (options.deadline_change, options.lifetime) {
            (DeadlineChange::Always, _) | (_, Lifetime::Until(..)) => Ok(options),
            (DeadlineChange::WhereMissing, Lifetime::Persist) => Err(CommandError::Syntax),
            (DeadlineChange::WhereMissing, Lifetime::Unsaid | Lifetime::Keep) => {
                Err(CommandError::line("ERR ENX flag requires an expiration"))
            }
        }
    }

    /// Adds one option. Unlike elsewhere none may come twice.
    fn add(&mut self, option: &[u8], rest: &mut resp::ArgsIter<'a>) -> Result<(), CommandError> {
        if is(option, "BYINT") {
            set_once(&mut self.kind, Some(NumberKind::Integer))?;
            set_once(&mut self.increment, rest.next())
        } else if is(option, "BYFLOAT") {
            set_once(&mut self.kind, Some(NumberKind::Float))?;
            set_once(&mut self.increment, rest.next())
        } else if is(option, "LBOUND") {
            set_once(&mut self.lower, rest.next())
        } else if is(option, "UBOUND") {
            set_once(&mut self.upper, rest.next())
        } else if is(option, "SATURATE") && self.beyond_bounds == BeyondBounds::Refused {
            self.beyond_bounds = BeyondBounds::Saturated;
            Ok(())
        } else if is(option, "ENX") && self.deadline_change == DeadlineChange::Always {
            self.deadline_change = DeadlineChange::WhereMissing;
            Ok(())
        } else if self.condition == Condition::Always && (is(option, "NX") || is(option, "XX")) {
            self.condition = Condition::parse(option, rest)?.unwrap_or_default();
            Ok(())
        } else {
            match Lifetime::parse(option, rest)? {
                Some(lifetime) if self.can_live(lifetime) => {
                    self.lifetime = lifetime;
                    Ok(())
                }
                Some(_) | None => Err(CommandError::Syntax),
            }
        }
    }

    fn can_live(&self, lifetime: Lifetime<'_>) -> bool {
        self.lifetime == Lifetime::Unsaid && lifetime != Lifetime::Keep
    }
}

/// Sets what must be given, and is not set yet.
fn set_once<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), CommandError> {
    if place.is_some() || value.is_none() {
        return Err(CommandError::Syntax);
    }
    *place = value;
    Ok(())
}

/// What INCREX counts in.
trait Countable: Copy + PartialOrd {
    const ZERO: Self;
    const ONE: Self;
    const MIN: Self;
    const MAX: Self;
    /// The error of a text that is no number, after what it should be.
    const NOT_ONE: &'static str;
    /// The error of a difference that is none.
    const APPLIED_OVERFLOW: CommandError;

    fn parse(text: &[u8]) -> Option<Self>;
    fn check_increment(self) -> Result<Self, CommandError>;
    fn stored(value: StringRef<'_>) -> Result<Self, CommandError>;
    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
    fn store(self, keys: &mut Locked<'_>, key: Key<'_>, deadline: Deadline);
    fn reply(self, reply: &mut ReplyWriter<'_>);
}

/// An increment and its bounds.
struct Step<N> {
    increment: N,
    lower: N,
    upper: N,
}

impl<N: Countable> Step<N> {
    fn parse(options: &IncrexOptions<'_>) -> Result<Self, CommandError> {
        let number = |name: &str, text: Option<&[u8]>, default| match text {
            None => Ok(default),
            Some(text) => N::parse(text)
                .ok_or_else(|| CommandError::other(format_args!("{name} {}", N::NOT_ONE))),
        };
        let step = Self {
            increment: number("Increment", options.increment, N::ONE)?.check_increment()?,
            lower: number("LBOUND", options.lower, N::MIN)?,
            upper: number("UBOUND", options.upper, N::MAX)?,
        };
        if step.lower > step.upper {
            return Err(CommandError::line(
                "ERR LBOUND can't be greater than UBOUND",
            ));
        }
        Ok(step)
    }

    /// The number after this one; None when it would be beyond the bounds.
    fn next(&self, number: N, beyond_bounds: BeyondBounds) -> Option<N> {
        let sum = number.plus(self.increment);
        let bound = match sum {
            Some(sum) if sum > self.upper => self.upper,
            Some(sum) if sum < self.lower => self.lower,
            Some(sum) => return Some(sum),
            None if self.increment < N::ZERO => self.lower,
            None => self.upper,
        };
        (beyond_bounds == BeyondBounds::Saturated).then_some(bound)
    }
}

fn run<N: Countable>(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    options: &IncrexOptions<'_>,
) -> Result<(), CommandError> {
    let step = Step::<N>::parse(options)?;
    let deadline = options.lifetime.deadline(context, Deadline::Keep)?;
    let key = context.key(args, 1);
    let entry = context.keys.find(key);
    let has_deadline = entry.is_some_and(|entry| entry.deadline_ms().is_some());
    let old = match entry {
        None => N::ZERO,
        Some(entry) => N::stored(string_value(&entry)?)?,
    };
    let new = if options.condition.is_met(entry)? {
        step.next(old, options.beyond_bounds)
    } else {
        None
    };
    let applied = match new {
        None => N::ZERO,
        Some(new) => new.minus(old).ok_or(N::APPLIED_OVERFLOW)?,
    };
    context.reply.array(2);
    new.unwrap_or(old).reply(&mut context.reply);
    applied.reply(&mut context.reply);
    let Some(new) = new else {
        return Ok(());
    };
    match deadline {
        Deadline::At(_)
            if has_deadline && options.deadline_change == DeadlineChange::WhereMissing =>
        {
            new.store(context.keys, key, Deadline::Keep);
        }
        Deadline::At(deadline_ms) if deadline_ms <= context.now_ms() => {
            context.keys.remove(key);
        }
        Deadline::At(_) | Deadline::None | Deadline::Keep => {
            new.store(context.keys, key, deadline);
        }
    }
    Ok(())
}

impl Countable for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    const NOT_ONE: &'static str = "is not an integer or out of range";
    const APPLIED_OVERFLOW: CommandError =
        CommandError::line("ERR applied increment would overflow");

    fn parse(text: &[u8]) -> Option<Self> {
        parse_integer(text)
    }

    fn check_increment(self) -> Result<Self, CommandError> {
        Ok(self)
    }

    fn stored(value: StringRef<'_>) -> Result<Self, CommandError> {
        match value {
            StringRef::Integer(value) => Ok(value),
            StringRef::Bytes(bytes) => integer(bytes),
        }
    }

    fn plus(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }

    fn minus(self, other: Self) -> Option<Self> {
        self.checked_sub(other)
    }

    fn store(self, keys: &mut Locked<'_>, key: Key<'_>, deadline: Deadline) {
        match deadline {
            Deadline::Keep => keys.set_integer(key, self),
            Deadline::None | Deadline::At(_) => keys.set(key, NewValue::Integer(self), deadline),
        }
    }

    fn reply(self, reply: &mut ReplyWriter<'_>) {
        reply.integer(self);
    }
}

impl Countable for LongDouble {
    const ZERO: Self = Self::ZERO;
    const ONE: Self = Self::ONE;
    const MIN: Self = Self::MIN;
    const MAX: Self = Self::MAX;
    const NOT_ONE: &'static str = "is not a valid float";
    const APPLIED_OVERFLOW: CommandError =
        CommandError::line("ERR applied increment would be Infinity");

    fn parse(text: &[u8]) -> Option<Self> {
        Self::parse(text)
    }

    fn check_increment(self) -> Result<Self, CommandError> {
        if self.is_finite() {
            Ok(self)
        } else {
            Err(CommandError::line(
                "ERR BYFLOAT increment cannot be Infinity",
            ))
        }
    }

    fn stored(value: StringRef<'_>) -> Result<Self, CommandError> {
        let text = value.bytes(&mut Number::new()).to_vec();
        let value = Self::parse(&text).ok_or(CommandError::NotAFloat)?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(CommandError::line("ERR value cannot be Infinity"))
        }
    }

    fn plus(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }

    fn minus(self, other: Self) -> Option<Self> {
        self.checked_add(-other)
    }

    fn store(self, keys: &mut Locked<'_>, key: Key<'_>, deadline: Deadline) {
        keys.set(key, NewValue::Bytes(self.to_string().as_bytes()), deadline);
    }

    fn reply(self, reply: &mut ReplyWriter<'_>) {
        reply.double_text(&self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{check, check_resp3};

    #[test]
    fn integers_stay_within_bounds() {
        check(
            "INCREX n
             INCREX n BYINT 9
             INCREX n BYINT 5 UBOUND 12
             INCREX n BYINT 5 UBOUND 12 SATURATE
             INCREX n BYINT -50 LBOUND 0
             INCREX n BYINT -50 LBOUND 0 SATURATE
             INCREX n BYINT 5 LBOUND 20 saturate
             INCREX n BYINT 5 UBOUND 5 SATURATE
             INCREX n BYINT -1 UBOUND 3
             GET n
             OBJECT ENCODING n",
            "[:1 :1]
             [:10 :9]
             [:10 :0]
             [:12 :2]
             [:12 :0]
             [:0 :-12]
             [:20 :20]
             [:5 :-15]
             [:5 :0]
             5
             int",
        );
    }

    #[test]
    fn the_limits_of_integers_are_bounds() {
        check(
            "SET n 9223372036854775800
             INCREX n BYINT 10
             INCREX n BYINT 10 SATURATE
             INCREX n BYINT 10 UBOUND 5 SATURATE
             SET n -9223372036854775800
             INCREX n BYINT -10
             INCREX n BYINT -10 SATURATE
             INCREX n LBOUND 9223372036854775807 SATURATE
             GET n",
            "OK
             [:9223372036854775800 :0]
             [:9223372036854775807 :7]
             [:5 :-9223372036854775802]
             OK
             [:-9223372036854775800 :0]
             [:-9223372036854775808 :-8]
             -ERR applied increment would overflow
             -9223372036854775808",
        );
    }

    #[test]
    fn floats_stay_within_bounds() {
        check(
            "SET n 1.5
             INCREX n BYFLOAT 0.25
             INCREX n BYFLOAT 1
             INCREX n BYFLOAT 100 UBOUND 42.5
             INCREX n BYFLOAT 100 UBOUND 42.5 SATURATE
             INCREX n BYFLOAT -100 LBOUND -5.5 SATURATE
             INCREX n BYFLOAT 1 UBOUND inf
             INCREX n BYFLOAT 1 LBOUND inf UBOUND inf
             INCREX n BYFLOAT 1 LBOUND inf UBOUND inf SATURATE
             SET n 1.1e4932
             INCREX n BYFLOAT 1.1e4932 UBOUND 7 SATURATE EX 10
             SET n inf
             INCREX n BYFLOAT 1
             GET n",
            "OK
             [1.75 0.25]
             [2.75 1]
             [2.75 0]
             [42.5 39.75]
             [-5.5 -48]
             [-4.5 1]
             [-4.5 0]
             -ERR applied increment would be Infinity
             OK
             [7 -{big}]
             OK
             -ERR value cannot be Infinity
             inf"
            .replace("{big}", &big_less_seven())
            .as_str(),
        );
        check_resp3(
            "INCREX n BYFLOAT 1.5\nINCREX n BYFLOAT 0.5\nINCREX n",
            "[,1.5 ,1.5]\n[,2 ,0.5]\n[:3 :1]",
        );
    }

    /// 1.1e4932 as a long double prints it; seven less is the same.
    fn big_less_seven() -> String {
        resp::long_double::LongDouble::parse(b"1.1e4932")
            .expect("a number")
            .to_string()
    }

    #[test]
    fn a_refused_increment_changes_nothing() {
        check(
            "INCREX n UBOUND 0
             GET n
             INCREX n UBOUND 0 SATURATE
             GET n
             SET n 5 EX 10
             INCREX n UBOUND 5 PERSIST
             INCREX n UBOUND 5 EX 100
             +10001
             GET n
             INCREX n BYFLOAT 1 LBOUND 5
             GET n",
            "[:0 :0]
             nil
             [:0 :0]
             0
             OK
             [:5 :0]
             [:5 :0]
             nil
             [0 0]
             nil",
        );
    }

    #[test]
    fn deadlines_are_kept_set_and_cleared() {
        check(
            "INCREX a EX 10
             INCREX a
             INCREX b PX 10000 ENX
             INCREX b EX 100 ENX
             INCREX c EX 10
             INCREX c PERSIST
             INCREX d EX 10
             INCREX d BYFLOAT 1.5 EXAT 1800000000
             INCREX e EX 10
             INCREX e EXAT 1 ENX
             MGET a b c d e
             +10001
             MGET a b c d e
             INCREX c EXAT 1
             INCREX c EXAT 1 ENX
             MGET c",
            "[:1 :1]
             [:2 :1]
             [:1 :1]
             [:2 :1]
             [:1 :1]
             [:2 :1]
             [:1 :1]
             [2.5 1.5]
             [:1 :1]
             [:2 :1]
             [2 2 2 2.5 2]
             [nil nil 2 2.5 nil]
             [:3 :1]
             [:1 :1]
             [nil]",
        );
    }

    #[test]
    fn it_may_want_the_key_there_or_not() {
        check(
            "INCREX n XX
             INCREX n XX BYFLOAT 1.5
             GET n
             INCREX n NX EX 10
             INCREX n NX
             INCREX n XX
             +10001
             GET n",
            "[:0 :0]
             [0 0]
             nil
             [:1 :1]
             [:1 :0]
             [:2 :1]
             nil",
        );
    }

    #[test]
    fn arguments_are_checked() {
        let syntax = [
            "FOO",
            "BYINT",
            "BYINT 1 BYFLOAT 1",
            "BYINT 1 BYINT 1",
            "LBOUND",
            "LBOUND 1 LBOUND 1",
            "UBOUND 1 UBOUND 1",
            "SATURATE SATURATE",
            "ENX ENX EX 1",
            "PERSIST PERSIST",
            "EX 1 EX 1",
            "EX 1 PX 1",
            "EX 1 PERSIST",
            "PERSIST ENX",
            "KEEPTTL",
            "NX XX",
            "NX NX",
            "IFEQ 1",
            "EX",
            "ENX FOO",
        ];
        for options in syntax {
            check(&format!("INCREX n {options}"), "-ERR syntax error");
        }
        let cases = [
            ("ENX", "ENX flag requires an expiration"),
            ("BYINT x", "Increment is not an integer or out of range"),
            ("BYINT 1.5", "Increment is not an integer or out of range"),
            ("BYFLOAT x", "Increment is not a valid float"),
            ("BYFLOAT nan", "Increment is not a valid float"),
            ("BYFLOAT 1e99999", "Increment is not a valid float"),
            ("BYFLOAT -inf", "BYFLOAT increment cannot be Infinity"),
            ("UBOUND x", "UBOUND is not an integer or out of range"),
            ("LBOUND inf", "LBOUND is not an integer or out of range"),
            ("BYFLOAT 1 LBOUND x", "LBOUND is not a valid float"),
            ("LBOUND 2 UBOUND 1", "LBOUND can't be greater than UBOUND"),
            (
                "BYFLOAT 1 UBOUND -inf",
                "LBOUND can't be greater than UBOUND",
            ),
            ("EX 0", "invalid expire time in 'increx' command"),
            ("PX -1", "invalid expire time in 'increx' command"),
            ("EX x", "value is not an integer or out of range"),
        ];
        for (options, error) in cases {
            check(
                &format!("INCREX n {options}\nGET n"),
                &format!("-ERR {error}\nnil"),
            );
        }
        check(
            "SET n v\nINCREX n\nINCREX n BYFLOAT 1\nINCREX n EXAT 1\nGET n",
            "OK
             -ERR value is not an integer or out of range
             -ERR value is not a valid float
             -ERR value is not an integer or out of range
             v",
        );
    }
}
