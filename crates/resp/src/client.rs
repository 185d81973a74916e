//! The client's side of the protocol, for the load generator and for tests: requests to bytes, bytes
//! to replies.

use std::error::Error;
use std::fmt;

use crate::number::parse_integer;

/// How deep replies may be nested for [`parse_reply`].
pub const REPLY_DEPTH_MAX: usize = 128;

/// The most values for which room is made before they have arrived.
const VALUES_RESERVED_MAX: usize = 1024;

/// Appends a request as an array of bulk strings.
pub fn encode_request<A: AsRef<[u8]>>(arguments: &[A], out: &mut Vec<u8>) {
    line(out, b'*', arguments.len());
    for argument in arguments {
        let argument = argument.as_ref();
        line(out, b'$', argument.len());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

fn line(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A reply of either protocol, as exactly as it was written: the nulls of RESP2 and RESP3 differ, and
/// doubles keep their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+`
    Simple(Vec<u8>),
    /// `-`, without that sign. Also `!`, RESP3's error of any bytes.
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*`
    Array(Vec<Reply>),
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `#`
    Boolean(bool),
    /// `,`: its text.
    Double(String),
    /// `(`: its digits.
    BigNumber(String),
    /// `=`
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// What follows the format and its colon.
        text: Vec<u8>,
    },
    /// `%`
    Map(Vec<(Reply, Reply)>),
    /// `~`
    Set(Vec<Reply>),
    /// `>`
    Push(Vec<Reply>),
    /// `|`, with the reply that it belongs to.
    Attribute {
        /// The attributes.
        pairs: Vec<(Reply, Reply)>,
        /// What they are attributes of.
        reply: Box<Reply>,
    },
}

impl Reply {
    /// Whether this is an error.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// Whether this is one of the three nulls.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullBulk | Self::NullArray)
    }
}

/// Bytes that are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A reply begins with a byte that is no type.
    UnknownType(u8),
    /// A length or a number is none, or a line is not ended by `\r\n`.
    Malformed,
    /// Replies are nested deeper than [`REPLY_DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => {
                write!(formatter, "'{}' is no type of reply", byte.escape_ascii())
            }
            Self::Malformed => formatter.write_str("malformed reply"),
            Self::TooDeep => formatter.write_str("reply nested too deep"),
        }
    }
}

impl Error for ReplyError {}

/// Reads the reply at the beginning of `input`: it and its length in bytes, or `None` if it is not
/// complete. Starts from the beginning on every call; [`skip_reply`] is the cheap way to wait.
///
/// # Errors
/// When the bytes are no reply.
pub fn parse_reply(input: &[u8]) -> Result<Option<(Reply, usize)>, ReplyError> {
    let mut reader = Reader { rest: input };
    Ok(reader
        .reply(REPLY_DEPTH_MAX)?
        .map(|reply| (reply, input.len() - reader.rest.len())))
}

/// The length in bytes of the reply at the beginning of `input`, or `None` if it is not complete.
/// Allocates nothing, and does not look at what texts and numbers hold.
///
/// # Errors
/// When the bytes are no reply.
pub fn skip_reply(input: &[u8]) -> Result<Option<usize>, ReplyError> {
    let mut reader = Reader { rest: input };
    let mut pending = 1_u64;
    while pending > 0 {
        let Some(head) = reader.head()? else {
            return Ok(None);
        };
        pending -= 1;
        match head {
            Head::Line(..) | Head::Nothing(_) => {}
            Head::Bytes(_, len) => {
                if reader.bytes(len)?.is_none() {
                    return Ok(None);
                }
            }
            Head::Aggregate(kind, len) => {
                let values = (len as u64)
                    .checked_mul(kind.values_each())
                    .ok_or(ReplyError::Malformed)?;
                let values = values + u64::from(kind == Kind::Attribute);
                pending = pending.checked_add(values).ok_or(ReplyError::Malformed)?;
            }
        }
    }
    Ok(Some(input.len() - reader.rest.len()))
}

/// The first line of a reply.
enum Head<'a> {
    /// All of it, after the type.
    Line(u8, &'a [u8]),
    /// The type, and how many bytes follow.
    Bytes(u8, usize),
    /// What kind of aggregate, and how many values or pairs follow.
    Aggregate(Kind, usize),
    /// A null of RESP2, with the type that it is a null of.
    Nothing(u8),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Set,
    Push,
    Map,
    Attribute,
}

impl Kind {
    const fn values_each(self) -> u64 {
        match self {
            Self::Array | Self::Set | Self::Push => 1,
            Self::Map | Self::Attribute => 2,
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn head(&mut self) -> Result<Option<Head<'a>>, ReplyError> {
        let Some(&tag) = self.rest.first() else {
            return Ok(None);
        };
        let kind = match tag {
            b'+' | b'-' | b':' | b',' | b'(' | b'#' | b'_' => {
                return Ok(self.line()?.map(|line| Head::Line(tag, &line[1..])));
            }
            b'$' | b'!' | b'=' => None,
            b'*' => Some(Kind::Array),
            b'~' => Some(Kind::Set),
            b'>' => Some(Kind::Push),
            b'%' => Some(Kind::Map),
            b'|' => Some(Kind::Attribute),
            other => return Err(ReplyError::UnknownType(other)),
        };
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let len = parse_integer(&line[1..]).ok_or(ReplyError::Malformed)?;
        if len == -1 && matches!(tag, b'$' | b'*') {
            return Ok(Some(Head::Nothing(tag)));
        }
        let len = usize::try_from(len).map_err(|_| ReplyError::Malformed)?;
        Ok(Some(match kind {
            Some(kind) => Head::Aggregate(kind, len),
            None => Head::Bytes(tag, len),
        }))
    }

    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, ReplyError> {
        let Some(head) = self.head()? else {
            return Ok(None);
        };
        match head {
            Head::Line(tag, line) => scalar(tag, line).map(Some),
            Head::Nothing(b'$') => Ok(Some(Reply::NullBulk)),
            Head::Nothing(_) => Ok(Some(Reply::NullArray)),
            Head::Bytes(tag, len) => {
                let Some(bytes) = self.bytes(len)? else {
                    return Ok(None);
                };
                match tag {
                    b'=' => verbatim(bytes).map(Some),
                    b'!' => Ok(Some(Reply::Error(bytes.to_vec()))),
                    _ => Ok(Some(Reply::Bulk(bytes.to_vec()))),
                }
            }
            Head::Aggregate(kind, len) => {
                let depth = depth.checked_sub(1).ok_or(ReplyError::TooDeep)?;
                self.aggregate(kind, len, depth)
            }
        }
    }

    fn aggregate(
        &mut self,
        kind: Kind,
        len: usize,
        depth: usize,
    ) -> Result<Option<Reply>, ReplyError> {
        Ok(match kind {
            Kind::Array => self.values(len, depth)?.map(Reply::Array),
            Kind::Set => self.values(len, depth)?.map(Reply::Set),
            Kind::Push => self.values(len, depth)?.map(Reply::Push),
            Kind::Map => self.pairs(len, depth)?.map(Reply::Map),
            Kind::Attribute => {
                let Some(pairs) = self.pairs(len, depth)? else {
                    return Ok(None);
                };
                let reply = self.reply(depth)?.map(Box::new);
                reply.map(|reply| Reply::Attribute { pairs, reply })
            }
        })
    }

    fn values(&mut self, len: usize, depth: usize) -> Result<Option<Vec<Reply>>, ReplyError> {
        // Not what is announced.
        let mut values = Vec::with_capacity(len.min(VALUES_RESERVED_MAX));
        for _ in 0..len {
            match self.reply(depth)? {
                Some(value) => values.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(values))
    }

    fn pairs(
        &mut self,
        len: usize,
        depth: usize,
    ) -> Result<Option<Vec<(Reply, Reply)>>, ReplyError> {
        let mut pairs = Vec::with_capacity(len.min(VALUES_RESERVED_MAX));
        for _ in 0..len {
            let Some(key) = self.reply(depth)? else {
                return Ok(None);
            };
            let Some(value) = self.reply(depth)? else {
                return Ok(None);
            };
            pairs.push((key, value));
        }
        Ok(Some(pairs))
    }

    /// Takes a line; gives it without its end.
    fn line(&mut self) -> Result<Option<&'a [u8]>, ReplyError> {
        let Some(end) = memchr::memchr(b'\r', self.rest) else {
            return Ok(None);
        };
        let (line, rest) = self.rest.split_at(end);
        match rest {
            [_] => Ok(None),
            [_, b'\n', rest @ ..] => {
                self.rest = rest;
                Ok(Some(line))
            }
            _ => Err(ReplyError::Malformed),
        }
    }

    /// Takes bytes and the line end after them.
    fn bytes(&mut self, len: usize) -> Result<Option<&'a [u8]>, ReplyError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Ok(None);
        };
        match rest {
            [] | [b'\r'] => Ok(None),
            [b'\r', b'\n', rest @ ..] => {
                self.rest = rest;
                Ok(Some(bytes))
            }
            _ => Err(ReplyError::Malformed),
        }
    }
}

fn scalar(tag: u8, line: &[u8]) -> Result<Reply, ReplyError> {
    let text = || {
        str::from_utf8(line)
            .map(str::to_owned)
            .map_err(|_| ReplyError::Malformed)
    };
    Ok(match (tag, line) {
        (b'+', _) => Reply::Simple(line.to_vec()),
        (b'-', _) => Reply::Error(line.to_vec()),
        (b':', _) => Reply::Integer(parse_integer(line).ok_or(ReplyError::Malformed)?),
        (b',', _) => Reply::Double(text()?),
        (b'(', _) => Reply::BigNumber(text()?),
        (b'#', b"t") => Reply::Boolean(true),
        (b'#', b"f") => Reply::Boolean(false),
        (b'_', b"") => Reply::Null,
        _ => return Err(ReplyError::Malformed),
    })
}

fn verbatim(bytes: &[u8]) -> Result<Reply, ReplyError> {
    match bytes {
        [a, b, c, b':', text @ ..] => Ok(Reply::Verbatim {
            format: [*a, *b, *c],
            text: text.to_vec(),
        }),
        _ => Err(ReplyError::Malformed),
    }
}
