//! Conditions on a key and its value: NX, XX, IFEQ, IFNE, IFDEQ, IFDNE.

use keyspace::{EntryRef, Number};
use resp::ArgsIter;

use super::digest::{DIGEST_DIGITS, digest_text};
use crate::context::string_value;
use crate::error::CommandError;
use crate::parse::is;

/// When a command acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Always.
    #[default]
    Always,
    /// NX: when the key is not there.
    Missing,
    /// XX: when it is there.
    Present,
    /// When its value compares so.
    Value(Comparison, &'a [u8]),
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// IFEQ: the key is there and its value equal.
    Equal,
    /// IFNE: not so.
    NotEqual,
    /// IFDEQ: the key is there and the digest of its value equal.
    DigestEqual,
    /// IFDNE: not so.
    DigestNotEqual,
}

impl<'a> Condition<'a> {
    /// The option of this name, if it is one of these; what it compares with comes from `rest`.
    pub fn parse(option: &[u8], rest: &mut ArgsIter<'a>) -> Result<Option<Self>, CommandError> {
        if is(option, "NX") {
            return Ok(Some(Self::Missing));
        }
        if is(option, "XX") {
            return Ok(Some(Self::Present));
        }
        let Some(comparison) = Comparison::named(option) else {
            return Ok(None);
        };
        let operand = rest.next().ok_or(CommandError::Syntax)?;
        Ok(Some(Self::Value(comparison, operand)))
    }

    /// Adds an option to what was said before. As in Redis, the same one again takes the place of the first, and any
    /// other is an error.
    pub fn add(&mut self, option: Self) -> Result<(), CommandError> {
        let fits = match (*self, option) {
            (Self::Value(before, _), Self::Value(comparison, _)) => before == comparison,
            (before, option) => before == Self::Always || before == option,
        };
        if !fits {
            return Err(CommandError::Syntax);
        }
        *self = option;
        Ok(())
    }

    /// Whether it is met by what is stored.
    pub fn is_met(self, entry: Option<EntryRef<'_>>) -> Result<bool, CommandError> {
        match (self, entry) {
            (Self::Always, _) => Ok(true),
            (Self::Missing, entry) => Ok(entry.is_none()),
            (Self::Present, entry) => Ok(entry.is_some()),
            (Self::Value(comparison, operand), Some(entry)) => comparison.is_met(&entry, operand),
            (Self::Value(comparison, _), None) => Ok(comparison.is_met_by_nothing()),
        }
    }
}

impl Comparison {
    /// The comparison of this name.
    pub fn named(option: &[u8]) -> Option<Self> {
        let comparisons = [
            ("IFEQ", Self::Equal),
            ("IFNE", Self::NotEqual),
            ("IFDEQ", Self::DigestEqual),
            ("IFDNE", Self::DigestNotEqual),
        ];
        let named = comparisons.into_iter().find(|(name, _)| is(option, name))?;
        Some(named.1)
    }

    fn is_met_by_nothing(self) -> bool {
        match self {
            Self::Equal | Self::DigestEqual => false,
            Self::NotEqual | Self::DigestNotEqual => true,
        }
    }

    /// Whether it is met by an entry. Only a digest that is compared is looked at, as in Redis.
    pub fn is_met(self, entry: &EntryRef<'_>, operand: &[u8]) -> Result<bool, CommandError> {
        let mut number = Number::new();
        let value = string_value(entry)?.bytes(&mut number);
        Ok(match self {
            Self::Equal => value == operand,
            Self::NotEqual => value != operand,
            Self::DigestEqual => has_digest(value, operand)?,
            Self::DigestNotEqual => !has_digest(value, operand)?,
        })
    }
}

fn has_digest(value: &[u8], digest: &[u8]) -> Result<bool, CommandError> {
    if digest.len() != DIGEST_DIGITS {
        return Err(CommandError::line(
            "ERR must be exactly 16 hexadecimal characters",
        ));
    }
    Ok(digest_text(value).as_bytes().eq_ignore_ascii_case(digest))
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn values_are_compared() {
        check(
            "SET k v IFEQ v
             SET k v IFNE v
             SET k w IFEQ x
             SET k w IFNE v
             SET k w IFEQ v
             SET k 10 IFNE v
             SET k 11 IFEQ 10
             GET k",
            "nil
             OK
             nil
             nil
             OK
             OK
             OK
             11",
        );
    }

    #[test]
    fn digests_are_compared_without_regard_to_case() {
        check(
            "SET k hello
             SET k v IFDEQ 9ec9f7918d7dfc40
             SET k v IFDNE 9555e8555c62dcfd
             SET k v IFDEQ 9555E8555c62dcfd
             GET k
             SET missing v IFDEQ 9555e8555c62dcfd
             SET missing v IFDNE 9555e8555c62dcfd",
            "OK
             nil
             nil
             OK
             v
             nil
             OK",
        );
    }

    #[test]
    fn only_a_digest_that_is_compared_is_checked() {
        check(
            "SET missing v IFDEQ 1
             SET missing v IFDNE 1
             SET missing v IFDNE 1
             SET missing v IFDEQ 1 GET
             SET missing v IFDNE zzzzzzzzzzzzzzzz
             DELEX missing IFDEQ 1
             GET missing",
            "nil
             OK
             -ERR must be exactly 16 hexadecimal characters
             -ERR must be exactly 16 hexadecimal characters
             OK
             -ERR must be exactly 16 hexadecimal characters
             v",
        );
    }
}
