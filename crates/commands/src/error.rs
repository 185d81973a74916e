//! What can go wrong in a command, by the client's fault, and the lines that clients know.

use std::borrow::Cow;

use keyspace::WrongKind;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The key holds a value of another type.
    WrongType,
    /// The options do not make sense.
    Syntax,
    /// An argument or value is not an integer, or beyond 64 bits.
    NotAnInteger,
    /// An argument or value is not a number.
    NotAFloat,
    /// The result would be beyond 64 bits.
    Overflow,
    /// An offset beyond the limits.
    OffsetOutOfRange,
    /// The key must be there.
    NoSuchKey,
    /// No such database.
    DatabaseOutOfRange,
    /// The string would be longer than `proto-max-bulk-len`.
    StringTooLong,
    /// The reply would be longer than [`crate::limits::REPLY_BYTES_MAX`].
    ReplyTooLong,
    /// A time to live that is not positive, or too large, for the named command.
    InvalidExpireTime(String),
    /// The wrong number of arguments for the named command.
    WrongArity(String),
    /// Any other line, with its code: `ERR ...`.
    Line(Cow<'static, str>),
    /// A line that repeats bytes of the client.
    Bytes(Vec<u8>),
}

impl CommandError {
    /// Memory is short, and nothing can be evicted.
    pub const OUT_OF_MEMORY: Self =
        Self::line("OOM command not allowed when used memory > 'maxmemory'.");

    /// An error of its own: `ERR ` and this text.
    pub fn other(text: impl std::fmt::Display) -> Self {
        Self::Line(format!("ERR {text}").into())
    }

    /// An error that repeats an argument, as Redis does it: not beyond a zero byte.
    pub fn repeating(before: &str, argument: &[u8], after: &str) -> Self {
        let parts = [
            b"ERR ",
            before.as_bytes(),
            until_zero(argument),
            after.as_bytes(),
        ];
        Self::Bytes(parts.concat())
    }

    /// An error line that is always the same, with its code.
    pub const fn line(line: &'static str) -> Self {
        Self::Line(Cow::Borrowed(line))
    }

    /// The line, with its code, without `-` and line end.
    pub fn to_line(&self) -> Cow<'_, [u8]> {
        let line: &str = match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::Syntax => "ERR syntax error",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::Overflow => "ERR increment or decrement would overflow",
            Self::OffsetOutOfRange => "ERR offset is out of range",
            Self::NoSuchKey => "ERR no such key",
            Self::DatabaseOutOfRange => "ERR DB index is out of range",
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::ReplyTooLong => "ERR the reply exceeds the maximum allowed size (512 MB)",
            Self::InvalidExpireTime(command) => {
                return format!("ERR invalid expire time in '{command}' command")
                    .into_bytes()
                    .into();
            }
            Self::WrongArity(command) => {
                return format!("ERR wrong number of arguments for '{command}' command")
                    .into_bytes()
                    .into();
            }
            Self::Line(line) => line,
            Self::Bytes(line) => return line.into(),
        };
        line.as_bytes().into()
    }
}

impl From<WrongKind> for CommandError {
    fn from(_: WrongKind) -> Self {
        Self::WrongType
    }
}

/// What Redis shows of an argument in an error.
pub(crate) fn until_zero(argument: &[u8]) -> &[u8] {
    argument.split(|byte| *byte == 0).next().unwrap_or(argument)
}
