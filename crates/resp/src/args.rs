//! The arguments of a request: borrowed from the read buffer, or owned.

use std::fmt;
use std::iter::FusedIterator;

/// Where an argument lies, relative to the first byte of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The number of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes of this span.
    ///
    /// # Panics
    /// When the span was made for another, longer buffer.
    #[inline]
    #[must_use]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &buffer[start..start + self.len as usize]
    }
}

/// The arguments of one request, its name first, borrowed from the buffer that was parsed.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// `buffer` begins at the request's first byte; `spans` are those of this request alone.
    #[inline]
    #[must_use]
    pub const fn new(buffer: &'a [u8], spans: &'a [Span]) -> Self {
        Self { buffer, spans }
    }

    /// The number of arguments, the name included.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no argument at all. Not true for anything that was parsed as a request.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`; 0 is the command's name.
    ///
    /// # Panics
    /// When there are not that many: arity is checked before a handler runs.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> &'a [u8] {
        self.spans[index].of(self.buffer)
    }

    /// The argument at `index`, if there are that many.
    #[inline]
    #[must_use]
    pub fn try_get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| span.of(self.buffer))
    }

    /// The command's name as the client wrote it; empty if there is no argument.
    #[inline]
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.try_get(0).unwrap_or_default()
    }

    /// All arguments, the name first.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> ArgsIter<'a> {
        ArgsIter {
            buffer: self.buffer,
            spans: self.spans.iter(),
        }
    }

    /// The arguments from `index` on; none if there are not that many.
    #[inline]
    #[must_use]
    pub fn tail(&self, index: usize) -> Self {
        Self {
            buffer: self.buffer,
            spans: self.spans.get(index..).unwrap_or_default(),
        }
    }

    /// The bytes of the request from its first argument on, as it was sent or, where it was quoted, as it is kept.
    #[inline]
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => (last.start + last.len - first.start) as usize,
            _ => 0,
        }
    }

    /// The bytes of all arguments together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;

    #[inline]
    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(
                self.iter()
                    .map(|argument| argument.escape_ascii().to_string()),
            )
            .finish()
    }
}

/// Goes through [`Args`].
#[derive(Clone, Debug)]
pub struct ArgsIter<'a> {
    buffer: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.spans.next().map(|span| span.of(self.buffer))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl DoubleEndedIterator for ArgsIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| span.of(self.buffer))
    }
}

impl ExactSizeIterator for ArgsIter<'_> {}
impl FusedIterator for ArgsIter<'_> {}

/// Arguments that outlive the read buffer, such as those of a queued command. The bytes lie one
/// argument after the other in a single allocation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    /// No arguments yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Appends an argument.
    ///
    /// # Panics
    /// When all arguments together reach 4 GB, which no request does.
    pub fn push(&mut self, argument: &[u8]) {
        self.begin();
        self.extend(argument);
    }

    /// The arguments.
    #[inline]
    #[must_use]
    pub fn as_args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }

    /// Bytes allocated, for the memory statistics.
    #[must_use]
    pub fn allocated_bytes(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Begins an empty argument at the end.
    pub(crate) fn begin(&mut self) {
        let start = u32::try_from(self.bytes.len()).expect("a request is shorter than 4 GB");
        self.spans.push(Span { start, len: 0 });
    }

    /// Lengthens the last argument.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let last = self.spans.last_mut().expect("an argument was begun");
        self.bytes.extend_from_slice(bytes);
        let len = self.bytes.len() - last.start as usize;
        last.len = u32::try_from(len).expect("a request is shorter than 4 GB");
    }
}

impl From<Args<'_>> for OwnedArgs {
    fn from(args: Args<'_>) -> Self {
        let mut owned = Self {
            bytes: Vec::with_capacity(args.bytes()),
            spans: Vec::with_capacity(args.len()),
        };
        for argument in args {
            owned.push(argument);
        }
        owned
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for OwnedArgs {
    fn from_iter<I: IntoIterator<Item = A>>(arguments: I) -> Self {
        let mut owned = Self::new();
        for argument in arguments {
            owned.push(argument.as_ref());
        }
        owned
    }
}

impl fmt::Debug for OwnedArgs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_args().fmt(formatter)
    }
}
