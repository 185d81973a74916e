//! One HTTP request, from the bytes of a connection: what of it matters here, and what is refused.
//!
//! The grammar of lines and headers is httparse's; the rest follows RFC 9110 and RFC 9112.

use std::str;

use super::limits::{AUTHORIZATION_BYTES_MAX, HEADERS_MAX, REQUEST_BYTES_MAX, TARGET_BYTES_MAX};
use super::status::Status;

/// What of a request matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// GET or HEAD.
    pub method: Method,
    /// The path of the target, as it was sent.
    pub path: String,
    /// What follows the `?`; empty without one.
    pub query: String,
    /// The Authorization header; none when it is not text.
    pub authorization: Option<String>,
    /// Whether the client wants to send more requests.
    pub keeps_alive: bool,
}

/// What may be asked: nothing here changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Headers and body.
    Get,
    /// Headers only.
    Head,
}

/// What the bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a request.
    Incomplete,
    /// A request, and how many bytes it takes.
    Request(Request, usize),
    /// What is answered, after which the connection closes: nobody knows where the next request begins.
    Refused(Status),
}

impl Request {
    /// The value of a field of the query, such as the 5 of `count=5`.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.query.split('&').filter_map(|it| it.split_once('='));
        fields
            .filter(|(field, _)| *field == name)
            .map(|(_, value)| value)
            .next()
    }
}

/// Finds the first request of what a connection has sent.
pub fn parse(input: &[u8]) -> Parsed {
    let seen = &input[..input.len().min(REQUEST_BYTES_MAX)];
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(seen) {
        Ok(httparse::Status::Complete(bytes)) => match check(&request) {
            Ok(request) => Parsed::Request(request, bytes),
            Err(status) => Parsed::Refused(status),
        },
        Ok(httparse::Status::Partial) if input.len() < REQUEST_BYTES_MAX => Parsed::Incomplete,
        Ok(httparse::Status::Partial) if request.version.is_none() => {
            Parsed::Refused(Status::UriTooLong)
        }
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Parsed::Refused(Status::HeadersTooLarge)
        }
        Err(httparse::Error::Version) => Parsed::Refused(Status::VersionNotSupported),
        Err(_) => Parsed::Refused(Status::BadRequest),
    }
}

/// Takes over what matters of a whole request, or says why it is refused.
fn check(request: &httparse::Request<'_, '_>) -> Result<Request, Status> {
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Status::BadRequest);
    };
    let header = |name: &str| {
        let mut found = request
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        (found.next().map(|header| header.value), found.next())
    };
    let is_modern = version >= 1;
    // One Host header is what a request of HTTP/1.1 must have.
    if !matches!(
        (header("host"), is_modern),
        ((Some(_), None), _) | ((None, _), false)
    ) {
        return Err(Status::BadRequest);
    }
    if target.len() > TARGET_BYTES_MAX {
        return Err(Status::UriTooLong);
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => return Err(Status::MethodNotAllowed),
    };
    let has_body = header("transfer-encoding").0.is_some()
        || !matches!(header("content-length"), (None | Some(b"0"), None));
    if has_body {
        return Err(Status::ContentTooLarge);
    }
    let target = origin_form(target).ok_or(Status::BadRequest)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let authorization = header("authorization")
        .0
        .filter(|value| value.len() <= AUTHORIZATION_BYTES_MAX)
        .and_then(|value| str::from_utf8(value).ok());
    Ok(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: authorization.map(str::to_owned),
        keeps_alive: is_kept_alive(request, is_modern),
    })
}

/// The path and query of a target, which a proxy may have sent with scheme and host before.
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return Some(target);
    }
    let rest = target.strip_prefix("http://")?;
    rest.find('/').map(|start| &rest[start..])
}

/// Connections of HTTP/1.1 stay open unless the client says otherwise, older ones the other way round.
fn is_kept_alive(request: &httparse::Request<'_, '_>, is_modern: bool) -> bool {
    let connection = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("connection"));
    let mut words = connection.flat_map(|header| header.value.split(|byte| *byte == b','));
    let wanted: &[u8] = if is_modern { b"close" } else { b"keep-alive" };
    let is_said = words.any(|word| word.trim_ascii().eq_ignore_ascii_case(wanted));
    is_said != is_modern
}

#[cfg(test)]
mod tests {
    use super::{Method, Parsed, Request, Status, parse};
    use crate::http::limits::{HEADERS_MAX, REQUEST_BYTES_MAX};

    fn request(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Parsed::Request(request, bytes) => {
                assert_eq!(bytes, text.len(), "{text}");
                request
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[track_caller]
    fn refused(text: &str, status: Status) {
        assert_eq!(parse(text.as_bytes()), Parsed::Refused(status), "{text}");
    }

    #[test]
    fn requests_are_understood() {
        let found = request("GET /cache/hotkeys?count=5&x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(
            (found.method, found.path.as_str()),
            (Method::Get, "/cache/hotkeys")
        );
        assert_eq!((found.field("count"), found.field("x")), (Some("5"), None));
        assert!(found.keeps_alive && found.authorization.is_none());
        let found =
            request("HEAD http://a:1/health HTTP/1.1\nhost: a\nAUTHORIZATION: Bearer x\n\n");
        assert_eq!(
            (found.method, found.path.as_str()),
            (Method::Head, "/health")
        );
        assert_eq!(found.authorization.as_deref(), Some("Bearer x"));
    }

    #[test]
    fn connections_stay_or_go() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
                false,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: te, close\r\n\r\n",
                false,
            ),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
        ] {
            assert_eq!(request(text).keeps_alive, expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (text, status) in [
            ("\0\r\n\r\n", Status::BadRequest),
            ("GET\r\n\r\n", Status::BadRequest),
            ("GET / HTTP/1.1\r\n\r\n", Status::BadRequest),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                Status::BadRequest,
            ),
            ("GET health HTTP/1.0\r\n\r\n", Status::BadRequest),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nx y: 1\r\n\r\n",
                Status::BadRequest,
            ),
            ("GET / HTTP/2.0\r\n\r\n", Status::VersionNotSupported),
            ("POST / HTTP/1.0\r\n\r\n", Status::MethodNotAllowed),
            (
                "GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\n",
                Status::ContentTooLarge,
            ),
            (
                "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
                Status::ContentTooLarge,
            ),
            (
                "GET / HTTP/1.0\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
                Status::ContentTooLarge,
            ),
        ] {
            refused(text, status);
        }
    }

    #[test]
    fn sizes_are_limited() {
        let long = "a".repeat(REQUEST_BYTES_MAX);
        refused(&format!("GET /{long}"), Status::UriTooLong);
        refused(
            &format!("GET /{} HTTP/1.0\r\n\r\n", &long[..2000]),
            Status::UriTooLong,
        );
        refused(
            &format!("GET / HTTP/1.0\r\na: {long}"),
            Status::HeadersTooLarge,
        );
        let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
        refused(
            &format!("GET / HTTP/1.0\r\n{many}\r\n"),
            Status::HeadersTooLarge,
        );
    }

    #[test]
    fn every_beginning_is_incomplete() {
        let text = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Parsed::Incomplete, "{end}");
        }
        let Parsed::Request(_, bytes) = parse(format!("{text}GET /").as_bytes()) else {
            panic!("a request is there");
        };
        assert_eq!(bytes, text.len());
    }
}
