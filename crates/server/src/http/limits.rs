//! What one HTTP client may take of the server, and all of them together.

use std::time::Duration;

/// Connections at one time. For a further one the connection is closed that has waited longest for its client.
pub const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request: its first line and its headers.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Headers of a request.
pub const HEADERS_MAX: usize = 64;
/// Bytes of a request's target: path and query.
pub const TARGET_BYTES_MAX: usize = 1 << 10;
/// Requests of one connection; the answer to the last says that it closes.
pub const REQUESTS_MAX: u32 = 1000;
/// How long a request may take to arrive, from its first byte or the connection's beginning on.
pub const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long a connection may rest between two requests.
pub const IDLE_TIME: Duration = Duration::from_secs(30);
/// How long a client may take to read an answer.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long what a client still sends is thrown away after a refusal, so that it reads why.
pub const LINGER_TIME: Duration = Duration::from_secs(1);
/// Wrong passwords from one address in a minute; after them none is looked at until the minute is over.
pub const WRONG_PASSWORDS_MAX: u32 = 20;
/// Addresses whose wrong passwords are counted; when there are more, the oldest is forgotten.
pub const ADDRESSES_MAX: usize = 1024;
/// Bytes of an Authorization header that are looked at.
pub const AUTHORIZATION_BYTES_MAX: usize = 2 << 10;
/// Keys that a list of keys has at most.
pub const KEYS_MAX: usize = 256;
