//! The status codes that are answered.

/// A status of RFC 9110, or of RFC 6585.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Here it is.
    Ok,
    /// That is no HTTP.
    BadRequest,
    /// The password is missing or wrong.
    Unauthorized,
    /// Not from there.
    Forbidden,
    /// There is no such path.
    NotFound,
    /// Only GET and HEAD.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// Requests have no body here.
    ContentTooLarge,
    /// The path is too long.
    UriTooLong,
    /// Too many wrong passwords.
    TooManyRequests,
    /// The headers are too many, or too long.
    HeadersTooLarge,
    /// A bug of ours.
    InternalServerError,
    /// Not now.
    ServiceUnavailable,
    /// Only HTTP/1.0 and 1.1.
    VersionNotSupported,
}

impl Status {
    /// Its code.
    pub fn code(self) -> u16 {
        self.line().0
    }

    /// Its name.
    pub fn reason(self) -> &'static str {
        self.line().1
    }

    fn line(self) -> (u16, &'static str) {
        match self {
            Self::Ok => (200, "OK"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::RequestTimeout => (408, "Request Timeout"),
            Self::ContentTooLarge => (413, "Content Too Large"),
            Self::UriTooLong => (414, "URI Too Long"),
            Self::TooManyRequests => (429, "Too Many Requests"),
            Self::HeadersTooLarge => (431, "Request Header Fields Too Large"),
            Self::InternalServerError => (500, "Internal Server Error"),
            Self::ServiceUnavailable => (503, "Service Unavailable"),
            Self::VersionNotSupported => (505, "HTTP Version Not Supported"),
        }
    }
}
