//! Requests: from bytes to the places of their arguments, resumable at any byte.
//!
//! Follows Redis's `processMultibulkBuffer` and `processInlineBuffer`, their leniency included: the
//! byte after a `\r` is not looked at, nor are the two bytes after an argument.
//!
//! Where it differs, the reason is that the answer must not depend on how a request is split, and that
//! nothing waits for what cannot come: a line beyond the limit is refused although its end has arrived,
//! and a zero byte, behind which Redis finds no line end, does not hide one here. More than 1,048,576
//! arguments are refused as in Redis 6; 7.0 and later take as many as an `int` holds.

use crate::args::{OwnedArgs, Span};
use crate::inline;
use crate::limits::{
    ARGUMENTS_MAX, Limits, SHORT_ARGUMENTS_MAX, UNAUTHENTICATED_ARGUMENTS_MAX,
    UNAUTHENTICATED_BULK_BYTES_MAX,
};
use crate::number::parse_integer;
use crate::protocol_error::ProtocolError;

/// What [`RequestParser::parse`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request. Its spans are at the end of the vector; the next request begins at `consumed`.
    Request {
        /// Bytes of this request.
        consumed: usize,
    },
    /// An inline request with quotes: its arguments are not in the input as they are.
    Quoted {
        /// Bytes of this request.
        consumed: usize,
        /// The arguments, quotes and escapes resolved. Never empty.
        arguments: Box<OwnedArgs>,
    },
    /// Nothing to execute and nothing to answer: an empty line, `*0` or `*-1`.
    Empty {
        /// Bytes to skip.
        consumed: usize,
    },
    /// The request goes on beyond the input.
    Incomplete {
        /// How many more bytes the current item certainly needs, at least 1. The client says so: do
        /// not reserve much more than has arrived for it.
        wanted: usize,
    },
}

/// Parses one request after the other, and remembers how far it came in one that is incomplete.
///
/// # Contract
/// - `input` begins at the first byte of the current request. After [`Parsed::Incomplete`] the next
///   call gets the same bytes again with more behind them, and goes on where the last one stopped:
///   however a request is split, parsing it takes time in proportion to its length.
/// - The spans of a request are appended to `spans` and count from the request's first byte. Those
///   of an incomplete request stay in the vector; the next call appends the others. The parser never
///   reads them, so the caller may move them to another vector between the calls.
/// - After anything but `Incomplete`, the parser is ready for the next request. After an error the
///   spans of the failed request may be left in the vector, and the connection is of no more use.
#[derive(Clone, Debug, Default)]
pub struct RequestParser {
    /// Arguments still to come; 0 between requests and within an inline request.
    remaining: u32,
    /// Where the next item begins, relative to the request.
    position: u32,
    /// One more than the length of the argument at `position`, when that is known; otherwise 0.
    bulk: u32,
    /// Bytes from `position` on that are known to hold no line end.
    scanned: u32,
}

impl RequestParser {
    /// Parses one request; see the contract above.
    ///
    /// # Errors
    /// What the client got wrong; answer with the message and close the connection.
    ///
    /// # Panics
    /// May panic when the input has become shorter since [`Parsed::Incomplete`].
    #[inline]
    pub fn parse(
        &mut self,
        input: &[u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        if self.remaining == 0 {
            match input {
                [b'*', count @ b'1'..=b'9', b'\r', b'\n', ..]
                    if u32::from(count - b'0') <= limits.arguments_max =>
                {
                    self.remaining = u32::from(count - b'0');
                    self.position = 4;
                    self.scanned = 0;
                }
                _ => {
                    if let Some(parsed) = self.parse_start(input, limits, spans)? {
                        return Ok(parsed);
                    }
                }
            }
        }
        self.parse_arguments(input, limits, spans)
    }

    /// Whether part of a request has been parsed already.
    #[inline]
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.remaining != 0 || self.scanned != 0
    }

    /// The argument that is incomplete, once its length is known: where it lies in the request, so
    /// that a large one can be received straight into its place.
    #[inline]
    #[must_use]
    pub const fn partial_argument(&self) -> Option<Span> {
        match self.bulk {
            0 => None,
            bulk => Some(Span {
                start: self.position,
                len: bulk - 1,
            }),
        }
    }

    /// Arguments of the current request that are still to come.
    #[inline]
    #[must_use]
    pub const fn arguments_remaining(&self) -> u32 {
        self.remaining
    }

    /// Forgets an incomplete request.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    #[inline]
    fn parse_arguments(
        &mut self,
        input: &[u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        let bulk_bytes_max = bulk_bytes_max(limits);
        let request_bytes_max = request_bytes_max(limits);
        let mut position = self.position as usize;
        let mut rest = &input[position..];
        let mut remaining = self.remaining;
        let mut known = self.bulk;
        while remaining > 0 {
            let (header, length) = if known != 0 {
                (0, (known - 1) as usize)
            } else if let Some(found) = short_bulk_header(rest) {
                found
            } else {
                if self.position != position as u32 {
                    *self = Self {
                        remaining,
                        position: position as u32,
                        bulk: 0,
                        scanned: 0,
                    };
                }
                match self.bulk_header(rest, limits)? {
                    Some(found) => found,
                    None => return Ok(Parsed::Incomplete { wanted: 1 }),
                }
            };
            let start = position + header;
            let end = start + length + 2;
            if length as u64 > bulk_bytes_max {
                return Err(bulk_too_long(length as u64, limits));
            }
            if end as u64 > request_bytes_max {
                return Err(ProtocolError::RequestTooLong);
            }
            let Some(after) = input.get(end..) else {
                *self = Self {
                    remaining,
                    position: start as u32,
                    bulk: length as u32 + 1,
                    scanned: 0,
                };
                return Ok(Parsed::Incomplete {
                    wanted: end - input.len(),
                });
            };
            spans.push(Span {
                start: start as u32,
                len: length as u32,
            });
            rest = after;
            position = end;
            known = 0;
            remaining -= 1;
        }
        *self = Self::default();
        Ok(Parsed::Request { consumed: position })
    }

    /// The first line of a request in all its forms. `None` when arguments follow.
    #[cold]
    fn parse_start(
        &mut self,
        input: &[u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Result<Option<Parsed>, ProtocolError> {
        match input.first() {
            None => Ok(Some(Parsed::Incomplete { wanted: 1 })),
            Some(b'*') => self.parse_count(input, limits),
            Some(_) => self.parse_inline(input, limits, spans).map(Some),
        }
    }

    fn parse_count(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Option<Parsed>, ProtocolError> {
        let Some(line) = self
            .line(input, limits)
            .map_err(|LineTooLong| ProtocolError::CountTooLong)?
        else {
            return Ok(Some(Parsed::Incomplete { wanted: 1 }));
        };
        let count = parse_integer(&line[1..]).ok_or(ProtocolError::InvalidCount)?;
        let consumed = line.len() + 2;
        let Ok(count @ 1..) = u64::try_from(count) else {
            return Ok(Some(Parsed::Empty { consumed }));
        };
        if limits.before_authentication
            && (UNAUTHENTICATED_ARGUMENTS_MAX + 1..COUNT_END).contains(&count)
        {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        if count > u64::from(limits.arguments_max.min(ARGUMENTS_MAX)) {
            return Err(ProtocolError::InvalidCount);
        }
        self.remaining = count as u32;
        self.position = consumed as u32;
        Ok(None)
    }

    /// Reads `$<length>\r\n` in all its forms, and gives its own length and the argument's.
    #[cold]
    fn bulk_header(
        &mut self,
        rest: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        let Some(line) = self
            .line(rest, limits)
            .map_err(|LineTooLong| ProtocolError::BulkCountTooLong)?
        else {
            return Ok(None);
        };
        let [b'$', digits @ ..] = line else {
            return Err(ProtocolError::ExpectedDollar(rest[0]));
        };
        let length = parse_integer(digits).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(ProtocolError::InvalidBulkLength)?;
        // Keeps the sums of the caller from overflowing.
        if length as u64 > bulk_bytes_max(limits) {
            return Err(bulk_too_long(length as u64, limits));
        }
        Ok(Some((line.len() + 2, length)))
    }

    /// The bytes before the first `\r`, once one more byte has arrived behind it.
    fn line<'a>(
        &mut self,
        rest: &'a [u8],
        limits: &Limits,
    ) -> Result<Option<&'a [u8]>, LineTooLong> {
        let known = self.scanned as usize;
        match memchr::memchr(b'\r', &rest[known..]) {
            Some(found) if known + found > limits.inline_bytes_max => Err(LineTooLong),
            Some(found) if known + found + 2 <= rest.len() => {
                self.scanned = 0;
                Ok(Some(&rest[..known + found]))
            }
            Some(found) => {
                self.scanned = (known + found) as u32;
                Ok(None)
            }
            None if rest.len() > limits.inline_bytes_max => Err(LineTooLong),
            None => {
                self.scanned = rest.len() as u32;
                Ok(None)
            }
        }
    }

    fn parse_inline(
        &mut self,
        input: &[u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        let known = self.scanned as usize;
        let Some(found) = memchr::memchr(b'\n', &input[known..]) else {
            if input.len() > limits.inline_bytes_max {
                return Err(ProtocolError::InlineTooLong);
            }
            self.scanned = input.len() as u32;
            return Ok(Parsed::Incomplete { wanted: 1 });
        };
        let end = known + found;
        if end > limits.inline_bytes_max {
            return Err(ProtocolError::InlineTooLong);
        }
        self.scanned = 0;
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        let consumed = end + 1;
        let before = spans.len();
        if inline::split_plain(line, spans) {
            return Ok(if spans.len() == before {
                Parsed::Empty { consumed }
            } else {
                Parsed::Request { consumed }
            });
        }
        let arguments = inline::split_arguments(line).ok_or(ProtocolError::UnbalancedQuotes)?;
        Ok(if arguments.as_args().is_empty() {
            Parsed::Empty { consumed }
        } else {
            Parsed::Quoted {
                consumed,
                arguments: Box::new(arguments),
            }
        })
    }
}

/// Parses up to nine arguments that lie at `position` of a request, if all have arrived and none is longer than 9,999
/// bytes; the length of the request. For a caller who knows what is before them, and whose limits
/// [`take_short_requests`](Limits::take_short_requests). `None` is for [`RequestParser::parse`]; some spans may have
/// been appended then.
#[inline]
#[must_use]
pub fn parse_short_arguments(
    request: &[u8],
    mut position: usize,
    count: u32,
    spans: &mut Vec<Span>,
) -> Option<usize> {
    debug_assert!(count <= SHORT_ARGUMENTS_MAX, "a known head has one digit");
    for _ in 0..count {
        let (header, length) = short_bulk_header(request.get(position..)?)?;
        let start = position + header;
        position = start + length + 2;
        if position > request.len() {
            return None;
        }
        spans.push(Span {
            start: start as u32,
            len: length as u32,
        });
    }
    Some(position)
}

/// Reads `$<length>\r\n` for lengths of at most four digits: its own length and the argument's.
/// `None` is for the long way.
///
/// Branches on the digits let the processor run ahead to the next argument; the same in arithmetic
/// on one word, without branches, took twice as long in `benches/hot_path.rs`.
#[inline(always)]
fn short_bulk_header(rest: &[u8]) -> Option<(usize, usize)> {
    let value = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
    };
    match *rest {
        [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] => Some((5, value(&[a, b]))),
        [b'$', a @ b'0'..=b'9', b'\r', b'\n', ..] => Some((4, value(&[a]))),
        [
            b'$',
            a @ b'1'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            b'\r',
            b'\n',
            ..,
        ] => Some((6, value(&[a, b, c]))),
        [
            b'$',
            a @ b'1'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            d @ b'0'..=b'9',
            b'\r',
            b'\n',
            ..,
        ] => Some((7, value(&[a, b, c, d]))),
        _ => None,
    }
}

/// From here on a number of arguments is invalid whoever sends it: the end of C's `int`.
const COUNT_END: u64 = 1 << 31;

/// A line without an end where there should long have been one.
struct LineTooLong;

#[inline]
fn bulk_bytes_max(limits: &Limits) -> u64 {
    if limits.before_authentication {
        limits.bulk_bytes_max.min(UNAUTHENTICATED_BULK_BYTES_MAX)
    } else {
        limits.bulk_bytes_max
    }
}

#[inline]
fn request_bytes_max(limits: &Limits) -> u64 {
    // Spans count in 32 bits, and `bulk` is one more than a length.
    limits.request_bytes_max.min(u64::from(u32::MAX - 1))
}

#[cold]
fn bulk_too_long(length: u64, limits: &Limits) -> ProtocolError {
    if length <= limits.bulk_bytes_max {
        ProtocolError::UnauthenticatedBulkLength
    } else {
        ProtocolError::InvalidBulkLength
    }
}

#[cfg(test)]
mod tests;
