//! The Redis serialization protocol, versions 2 and 3: bytes to requests, replies to bytes.
//!
//! The crate does no I/O and holds no connection. A server feeds what has arrived to a
//! [`RequestParser`] and appends replies with a [`ReplyWriter`]; clients and tests read replies with
//! [`parse_reply`]. Numbers are read and printed here exactly as Redis does it, because clients see
//! them ([`number`], [`double`]).
//!
//! Specification: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

mod args;
pub mod double;
mod inline;
mod limits;
pub mod number;
mod protocol_error;
mod reply_writer;
mod request;

pub use args::{Args, ArgsIter, OwnedArgs, Span};
pub use inline::split_arguments;
pub use limits::Limits;
pub use protocol_error::ProtocolError;
pub use reply_writer::{Deferred, Protocol, ReplyWriter};
pub use request::{Parsed, RequestParser};
