//! What can be wrong with a request's framing, in Redis's words.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A request that breaks the protocol. The server answers with [`ProtocolError::message`] and closes
/// the connection, since it cannot know where the next request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The line with the number of arguments does not end.
    CountTooLong,
    /// The line with an argument's length does not end.
    BulkCountTooLong,
    /// The number of arguments is no number, or above the limit.
    InvalidCount,
    /// An argument's length is no number, negative, or above the limit.
    InvalidBulkLength,
    /// An argument does not begin with `$` but with this byte.
    ExpectedDollar(u8),
    /// An inline request does not end.
    InlineTooLong,
    /// Quotes of an inline request do not close, or a closing quote is not followed by a space.
    UnbalancedQuotes,
    /// Too many arguments for a client that has not authenticated.
    UnauthenticatedCount,
    /// Too long an argument for a client that has not authenticated.
    UnauthenticatedBulkLength,
    /// The whole request is longer than its limit. Redis closes such a connection without a word.
    RequestTooLong,
}

impl ProtocolError {
    /// The error line, without the leading `-` and without the line end.
    ///
    /// Bytes and not text, because [`ProtocolError::ExpectedDollar`] quotes what the client sent;
    /// [`ReplyWriter::error`](crate::ReplyWriter::error) replaces what would break the line.
    #[must_use]
    pub fn message(self) -> Cow<'static, [u8]> {
        let message: &'static [u8] = match self {
            Self::CountTooLong => b"ERR Protocol error: too big mbulk count string",
            Self::BulkCountTooLong => b"ERR Protocol error: too big bulk count string",
            Self::InvalidCount => b"ERR Protocol error: invalid multibulk length",
            Self::InvalidBulkLength => b"ERR Protocol error: invalid bulk length",
            Self::InlineTooLong => b"ERR Protocol error: too big inline request",
            Self::UnbalancedQuotes => b"ERR Protocol error: unbalanced quotes in request",
            Self::UnauthenticatedCount => b"ERR Protocol error: unauthenticated multibulk length",
            Self::UnauthenticatedBulkLength => b"ERR Protocol error: unauthenticated bulk length",
            Self::RequestTooLong => b"ERR Protocol error: too big request",
            Self::ExpectedDollar(found) => {
                let mut line = b"ERR Protocol error: expected '$', got '".to_vec();
                // Redis prints through C strings: a zero byte ends the line there.
                if found != 0 {
                    line.extend_from_slice(&[found, b'\'']);
                }
                return Cow::Owned(line);
            }
        };
        Cow::Borrowed(message)
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.message()))
    }
}

impl Error for ProtocolError {}
