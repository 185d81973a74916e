//! Replies: from values to bytes, in either version of the protocol.

use std::fmt::{Display, Write};

use bytes::Bytes;

use crate::double;
use crate::output::Output;

/// The version of the protocol that a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// What every connection begins with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

impl Protocol {
    /// The number that HELLO knows it by.
    #[must_use]
    pub const fn version(self) -> u8 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// An aggregate whose length is not known yet: hand it back to the `end_` method that fits.
#[derive(Debug)]
#[must_use = "the reply is broken until the aggregate is ended"]
pub struct Deferred {
    at: usize,
}

/// Appends replies to a buffer.
///
/// What RESP3 added is written in RESP2 as Redis does it: maps are flat arrays, sets and pushes are
/// arrays, doubles and big numbers and verbatim strings are bulk strings, booleans are integers.
#[derive(Debug)]
pub struct ReplyWriter<'a> {
    out: &'a mut Output,
    protocol: Protocol,
}

impl<'a> ReplyWriter<'a> {
    /// Appends to `out`, whose content stays.
    #[inline]
    pub fn new(out: &'a mut Output, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The version of the protocol.
    #[inline]
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the client speaks RESP3.
    #[inline]
    #[must_use]
    pub const fn is_resp3(&self) -> bool {
        matches!(self.protocol, Protocol::Resp3)
    }

    /// Replies from here on use this version: HELLO answers in the version it switches to.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Bytes in the buffer, earlier replies included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether the buffer is empty.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back everything after the first `len` bytes of the buffer.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.own().extend_from_slice(b"+OK\r\n");
    }

    /// A simple string. It must not hold a line end.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        debug_assert!(
            !text.contains(['\r', '\n']),
            "a simple string is one line: {text:?}"
        );
        self.out.own().reserve(text.len() + 3);
        self.out.own().push(b'+');
        self.out.own().extend_from_slice(text.as_bytes());
        self.out.own().extend_from_slice(b"\r\n");
    }

    /// An error, its code included: `ERR syntax error`. Line ends at its end are dropped and others
    /// become spaces, as in Redis, since errors quote what clients send.
    #[cold]
    pub fn error(&mut self, line: impl AsRef<[u8]>) {
        let mut line = line.as_ref();
        while let [head @ .., b'\r' | b'\n'] = line {
            line = head;
        }
        self.out.own().push(b'-');
        self.out.own().extend(line.iter().map(|byte| {
            if matches!(byte, b'\r' | b'\n') {
                b' '
            } else {
                *byte
            }
        }));
        self.out.own().extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match value {
            0..=9 => self
                .out
                .own()
                .extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']),
            _ => self.line(b':', itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.bulk_in_place(bytes);
    }

    /// A bulk string, written where this is called: for a loop that writes little else.
    #[inline(always)]
    pub fn bulk_in_place(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.out.own().extend_from_slice(bytes);
        self.out.own().extend_from_slice(b"\r\n");
    }

    /// A bulk string that is sent from where it is.
    pub fn bulk_shared(&mut self, bytes: Bytes) {
        self.header(b'$', bytes.len());
        self.out.push_shared(bytes);
        self.out.own().extend_from_slice(b"\r\n");
    }

    /// A bulk string that is an integer in decimal.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A bulk string of whatever can be displayed. Built in place.
    pub fn bulk_display(&mut self, value: impl Display) {
        let start = self.out.own().len();
        // Writing into a vector does not fail; a Display that gives up has written what it has.
        let _ = write!(Appender(self.out.own()), "{value}");
        let header = Header::new(b'$', self.out.own().len() - start);
        self.out.replace(start, 0, header.bytes());
        self.out.own().extend_from_slice(b"\r\n");
    }

    /// The value that is not there: `$-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.own().extend_from_slice(b"$-1\r\n"),
            Protocol::Resp3 => self.out.own().extend_from_slice(b"_\r\n"),
        }
    }

    /// The array that is not there: `*-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.own().extend_from_slice(b"*-1\r\n"),
            Protocol::Resp3 => self.out.own().extend_from_slice(b"_\r\n"),
        }
    }

    /// An array; `len` values follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// A map; `pairs` keys, each with its value, follow.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', pairs * 2),
            Protocol::Resp3 => self.header(b'%', pairs),
        }
    }

    /// A set; `len` values follow.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.header(self.tag(b'~'), len);
    }

    /// A message that is no reply; `len` values follow.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.header(self.tag(b'>'), len);
    }

    /// An attribute of the reply after it; `pairs` keys, each with its value, follow. RESP2 has none:
    /// then nothing is written and the answer is `false`, and the caller leaves out the pairs.
    #[inline]
    #[must_use = "in RESP2 the pairs must be left out"]
    pub fn attribute(&mut self, pairs: usize) -> bool {
        if self.is_resp3() {
            self.header(b'|', pairs);
        }
        self.is_resp3()
    }

    /// A double, printed as Redis 7.2 and later do.
    pub fn double(&mut self, value: f64) {
        self.double_text(double::format_double(value).as_str());
    }

    /// A double that is printed already: those of Redis's `long double`.
    pub fn double_text(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// An integer of any size, in decimal.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// A text for people, with its format in three letters: `txt` or `mkd`.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3, "the format has three letters");
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.own().extend_from_slice(format.as_bytes());
                self.out.own().push(b':');
                self.out.own().extend_from_slice(text);
                self.out.own().extend_from_slice(b"\r\n");
            }
        }
    }

    /// True or false; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        self.out
            .own()
            .extend_from_slice(match (self.protocol, value) {
                (Protocol::Resp2, true) => b":1\r\n",
                (Protocol::Resp2, false) => b":0\r\n",
                (Protocol::Resp3, true) => b"#t\r\n",
                (Protocol::Resp3, false) => b"#f\r\n",
            });
    }

    /// Begins an aggregate whose length comes out while its values are written. Such aggregates may
    /// nest, and are ended in the reverse order.
    pub fn begin_array(&mut self) -> Deferred {
        let at = self.out.own().len();
        self.header(b'*', 0);
        Deferred { at }
    }

    /// The aggregate was an array of `len` values.
    pub fn end_array(&mut self, deferred: Deferred, len: usize) {
        self.end(deferred, b'*', len);
    }

    /// The aggregate was a set of `len` values.
    pub fn end_set(&mut self, deferred: Deferred, len: usize) {
        self.end(deferred, self.tag(b'~'), len);
    }

    /// The aggregate was a map of `pairs` keys with their values.
    pub fn end_map(&mut self, deferred: Deferred, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.end(deferred, b'*', pairs * 2),
            Protocol::Resp3 => self.end(deferred, b'%', pairs),
        }
    }

    /// Bytes as they are: whole replies that were made elsewhere, or the parts of a large one.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.own().extend_from_slice(bytes);
    }

    fn end(&mut self, Deferred { at }: Deferred, tag: u8, len: usize) {
        let header = Header::new(tag, len);
        // Room was made for one digit: only longer counts move the values.
        self.out.replace(at, 4, header.bytes());
    }

    fn tag(&self, resp3: u8) -> u8 {
        match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => resp3,
        }
    }

    fn line(&mut self, tag: u8, text: &[u8]) {
        self.out.own().reserve(text.len() + 3);
        self.out.own().push(tag);
        self.out.own().extend_from_slice(text);
        self.out.own().extend_from_slice(b"\r\n");
    }

    /// One copy of known size for the lengths that are common.
    #[inline(always)]
    fn header(&mut self, tag: u8, len: usize) {
        let Some((text, text_len)) = SHORT_HEADERS.get(len) else {
            return self.long_header(tag, len);
        };
        let out = self.out.own();
        let end = out.len() + usize::from(*text_len);
        let text = u64::from_le_bytes(*text) | u64::from(tag);
        out.extend_from_slice(&text.to_le_bytes());
        out.truncate(end);
    }

    #[inline(never)]
    fn long_header(&mut self, tag: u8, len: usize) {
        self.out
            .own()
            .extend_from_slice(Header::new(tag, len).bytes());
    }
}

/// Headers without their tag, as they are copied, and how long they are.
static SHORT_HEADERS: [([u8; 8], u8); 1000] = {
    let mut headers = [([0; 8], 0); 1000];
    let mut len = 0;
    while len < headers.len() {
        let digits = [len / 100, len / 10 % 10, len % 10];
        let unused = if len < 10 {
            2
        } else if len < 100 {
            1
        } else {
            0
        };
        let mut at = 1;
        let (text, text_len) = &mut headers[len];
        while at + unused <= digits.len() {
            text[at] = b'0' + digits[at + unused - 1] as u8;
            at += 1;
        }
        text[at] = b'\r';
        text[at + 1] = b'\n';
        *text_len = at as u8 + 2;
        len += 1;
    }
    headers
};

/// A tag, a length, a line end.
struct Header {
    bytes: [u8; 24],
    len: usize,
}

impl Header {
    fn new(tag: u8, len: usize) -> Self {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(len).as_bytes();
        let mut bytes = [0; 24];
        bytes[0] = tag;
        bytes[1..=digits.len()].copy_from_slice(digits);
        bytes[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
        Self {
            bytes,
            len: digits.len() + 3,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Lets `write!` append to bytes.
struct Appender<'a>(&'a mut Vec<u8>);

impl Write for Appender<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
