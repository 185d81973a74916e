//! One answer, and its bytes.

use std::fmt::Write;

use super::request::Method;
use super::status::Status;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: Status,
    /// The type of its body.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What it says.
    pub body: String,
}

/// The type of JSON.
pub const JSON: &str = "application/json; charset=utf-8";
/// The type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The type of Prometheus's text format.
pub const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The type of a page.
pub const HTML: &str = "text/html; charset=utf-8";

impl Response {
    /// A body of this type.
    pub fn new(content_type: &'static str, body: String) -> Self {
        Self {
            status: Status::Ok,
            content_type,
            headers: Vec::new(),
            body,
        }
    }

    /// A status, with its name as the body.
    pub fn of_status(status: Status) -> Self {
        Self::text(status, status.reason())
    }

    /// A status and a line about it.
    pub fn text(status: Status, line: &str) -> Self {
        let headers = match status {
            Status::MethodNotAllowed => vec![("Allow", "GET, HEAD".to_owned())],
            _ => Vec::new(),
        };
        Self {
            status,
            headers,
            ..Self::new(TEXT, format!("{line}\n"))
        }
    }

    /// With another status.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// With one more header.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer to a request of this method, as it is sent. `closes`: it is the connection's last.
    pub fn bytes(&self, method: Method, closes: bool) -> Vec<u8> {
        let mut text = String::with_capacity(256 + self.body.len());
        let (code, reason) = (self.status.code(), self.status.reason());
        let (content_type, length) = (self.content_type, self.body.len());
        let connection = if closes { "close" } else { "keep-alive" };
        // A string takes everything.
        let _ = write!(
            text,
            "HTTP/1.1 {code} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Connection: {connection}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        );
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text += "\r\n";
        match method {
            Method::Get => text += &self.body,
            Method::Head => {}
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, Response, Status};

    #[test]
    fn head_is_get_without_the_body() {
        let response = Response::text(Status::MethodNotAllowed, "only GET").with_header("X-A", "b");
        let get = response.bytes(Method::Get, false);
        let head = response.bytes(Method::Head, false);
        let text = String::from_utf8(get).expect("text");
        assert_eq!(
            text.strip_suffix("only GET\n").map(str::as_bytes),
            Some(&*head)
        );
        for line in [
            "HTTP/1.1 405 Method Not Allowed\r\n",
            "Content-Length: 9\r\n",
            "Allow: GET, HEAD\r\n",
            "Connection: keep-alive\r\n",
            "X-A: b\r\n\r\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let last = String::from_utf8(response.bytes(Method::Get, true)).expect("text");
        assert!(last.contains("Connection: close\r\n"));
    }
}
