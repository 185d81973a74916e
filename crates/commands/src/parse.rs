//! Arguments into types.

use keyspace::limits::DATABASES;
use resp::parse_integer;

use crate::error::CommandError;

/// An integer.
pub fn integer(argument: &[u8]) -> Result<i64, CommandError> {
    parse_integer(argument).ok_or(CommandError::NotAnInteger)
}

/// An integer of 32 bits.
pub fn int(argument: &[u8]) -> Result<i32, CommandError> {
    i32::try_from(integer(argument)?).map_err(|_| {
        CommandError::line(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        )
    })
}

/// A count, which may be 0.
pub fn positive(argument: &[u8]) -> Result<usize, CommandError> {
    let count = integer(argument).ok();
    let count = count.and_then(|count| usize::try_from(count).ok());
    count.ok_or(CommandError::line(
        "ERR value is out of range, must be positive",
    ))
}

/// A count of one at least, or this error. What is more than there can be is as much as there can be.
pub fn at_least_one(argument: &[u8], error: &'static str) -> Result<usize, CommandError> {
    let count = integer(argument).ok().filter(|count| *count > 0);
    let count = count.ok_or(CommandError::line(error))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The number of keys that follow, of commands of Redis 7.0 and later.
pub fn keys_count(argument: &[u8]) -> Result<usize, CommandError> {
    at_least_one(argument, "ERR numkeys should be greater than 0")
}

/// An integer that has a negative one.
pub fn negatable(argument: &[u8]) -> Result<i64, CommandError> {
    match integer(argument)? {
        i64::MIN => Err(CommandError::line(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        count => Ok(count),
    }
}

/// The number of a database.
pub fn database(argument: &[u8]) -> Result<u8, CommandError> {
    database_number(int(argument)?)
}

/// The database with this number.
pub fn database_number(number: i32) -> Result<u8, CommandError> {
    match u8::try_from(number) {
        Ok(database) if usize::from(database) < DATABASES => Ok(database),
        _ => Err(CommandError::DatabaseOutOfRange),
    }
}

/// Whether an argument is this word, in any case.
#[inline]
pub fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// The text of an argument for people, with replacements for what is not UTF-8.
pub fn text(argument: &[u8]) -> String {
    String::from_utf8_lossy(argument).into_owned()
}
