//! Options that say how long a key lives: EX, PX, EXAT, PXAT, KEEPTTL, PERSIST.

use keyspace::{Deadline, Key};
use resp::ArgsIter;

use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

/// What the options of a command say about a key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime<'a> {
    /// Nothing.
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// One of the others, and its number.
    Until(TimeUnit, &'a [u8]),
}

/// How an option writes a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// EX: seconds from now.
    Seconds,
    /// PX: milliseconds from now.
    Milliseconds,
    /// EXAT: seconds of the Unix epoch.
    UnixSeconds,
    /// PXAT: milliseconds of the Unix epoch.
    UnixMilliseconds,
}

impl<'a> Lifetime<'a> {
    /// The option of this name, if it is one of these; its number comes from `rest`.
    pub fn parse(option: &[u8], rest: &mut ArgsIter<'a>) -> Result<Option<Self>, CommandError> {
        if is(option, "KEEPTTL") {
            return Ok(Some(Self::Keep));
        }
        if is(option, "PERSIST") {
            return Ok(Some(Self::Persist));
        }
        let Some(unit) = TimeUnit::named(option) else {
            return Ok(None);
        };
        let number = rest.next().ok_or(CommandError::Syntax)?;
        Ok(Some(Self::Until(unit, number)))
    }

    /// Adds an option to what was said before. As in Redis, the same one again takes the place of the first, and any
    /// other is an error.
    pub fn add(&mut self, option: Self) -> Result<(), CommandError> {
        let fits = match (*self, option) {
            (Self::Until(before, _), Self::Until(unit, _)) => before == unit,
            (before, option) => before == Self::Unsaid || before == option,
        };
        if !fits {
            return Err(CommandError::Syntax);
        }
        *self = option;
        Ok(())
    }

    /// What becomes of the deadline; `unsaid` without any option.
    pub fn deadline(
        self,
        context: &Context<'_, '_>,
        unsaid: Deadline,
    ) -> Result<Deadline, CommandError> {
        Ok(match self {
            Self::Unsaid => unsaid,
            Self::Keep => Deadline::Keep,
            Self::Persist => Deadline::None,
            Self::Until(unit, number) => Deadline::At(unit.deadline_ms(context, number)?),
        })
    }

    /// The deadline of one key, spread as the settings say, if it was given relative to now.
    #[inline]
    pub fn spread(self, context: &Context<'_, '_>, deadline: Deadline, key: Key<'_>) -> Deadline {
        match (self, deadline) {
            (Self::Until(unit, _), Deadline::At(deadline_ms)) => {
                Deadline::At(unit.spread_ms(context, deadline_ms, key))
            }
            _ => deadline,
        }
    }
}

impl TimeUnit {
    fn named(option: &[u8]) -> Option<Self> {
        let units = [
            ("EX", Self::Seconds),
            ("PX", Self::Milliseconds),
            ("EXAT", Self::UnixSeconds),
            ("PXAT", Self::UnixMilliseconds),
        ];
        let named = units.into_iter().find(|(name, _)| is(option, name))?;
        Some(named.1)
    }

    /// A point in time of this unit, spread as the settings say, if it is relative to now.
    #[inline]
    pub fn spread_ms(self, context: &Context<'_, '_>, deadline_ms: u64, key: Key<'_>) -> u64 {
        match self {
            Self::Seconds | Self::Milliseconds => context.with_jitter(deadline_ms, key),
            Self::UnixSeconds | Self::UnixMilliseconds => deadline_ms,
        }
    }

    /// The point in time that `number` is, in milliseconds of the Unix epoch.
    ///
    /// # Errors
    /// When it is no number, not positive, or too large.
    pub fn deadline_ms(
        self,
        context: &Context<'_, '_>,
        number: &[u8],
    ) -> Result<u64, CommandError> {
        let number = integer(number)?;
        let ms = match self {
            Self::Seconds | Self::UnixSeconds => number.checked_mul(1000),
            Self::Milliseconds | Self::UnixMilliseconds => Some(number),
        };
        let start_ms = match self {
            Self::Seconds | Self::Milliseconds => context.now_ms().cast_signed(),
            Self::UnixSeconds | Self::UnixMilliseconds => 0,
        };
        ms.filter(|ms| *ms > 0)
            .and_then(|ms| ms.checked_add(start_ms))
            .map(i64::cast_unsigned)
            .ok_or_else(|| CommandError::InvalidExpireTime(context.command.to_owned()))
    }
}
