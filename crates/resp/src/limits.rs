//! How much a client may ask for before its request is refused.

/// The most arguments of a request.
pub const ARGUMENTS_MAX: u32 = 1_048_576;
/// The longest bulk string, unless configured otherwise (`proto-max-bulk-len`).
pub const BULK_BYTES_MAX: u64 = 512 << 20;
/// The longest line without its end: inline requests, and the counts of others.
pub const INLINE_BYTES_MAX: usize = 64 << 10;
/// The longest request (`client-query-buffer-limit`).
pub const REQUEST_BYTES_MAX: u64 = 1 << 30;
/// The most arguments of a request before authentication.
pub const UNAUTHENTICATED_ARGUMENTS_MAX: u64 = 10;
/// The longest bulk string before authentication.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16_384;

/// The most arguments of a request that `parse_short_arguments` takes.
pub(crate) const SHORT_ARGUMENTS_MAX: u32 = 9;
/// The longest argument that it takes.
pub(crate) const SHORT_ARGUMENT_BYTES_MAX: u64 = 9_999;

/// The limits that [`RequestParser::parse`](crate::RequestParser::parse) holds a request to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest bulk string, in bytes.
    pub bulk_bytes_max: u64,
    /// The most arguments of one request.
    pub arguments_max: u32,
    /// The longest line, in bytes: inline requests, and the counts of others.
    pub inline_bytes_max: usize,
    /// The longest request, in bytes. Spans have 32 bits, so values from 4 GB on mean 4 GB.
    pub request_bytes_max: u64,
    /// Whether the client still has to authenticate: the tighter limits of that state apply on top,
    /// with errors of their own.
    pub before_authentication: bool,
}

impl Limits {
    /// Redis's defaults for a client that may do what it likes.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            bulk_bytes_max: BULK_BYTES_MAX,
            arguments_max: ARGUMENTS_MAX,
            inline_bytes_max: INLINE_BYTES_MAX,
            request_bytes_max: REQUEST_BYTES_MAX,
            before_authentication: false,
        }
    }

    /// Redis's limits for a client that has not authenticated where a password is required.
    ///
    /// They hold for what is parsed, so a server that parses ahead must not go beyond an AUTH or HELLO
    /// with these limits before it has executed that.
    #[must_use]
    pub const fn before_authentication() -> Self {
        Self {
            before_authentication: true,
            ..Self::standard()
        }
    }

    /// Whether [`parse_short_arguments`](crate::parse_short_arguments) may be used: whatever it parses is within the
    /// limits.
    #[inline]
    #[must_use]
    pub const fn take_short_requests(&self) -> bool {
        !self.before_authentication
            && self.arguments_max >= SHORT_ARGUMENTS_MAX
            && self.bulk_bytes_max >= SHORT_ARGUMENT_BYTES_MAX
            && self.request_bytes_max
                >= (SHORT_ARGUMENTS_MAX as u64 + 1) * (SHORT_ARGUMENT_BYTES_MAX + 16)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::standard()
    }
}
