//! The Redis serialization protocol, versions 2 and 3: bytes to requests, replies to bytes.
//!
//! The crate does no I/O and holds no connection. A server feeds what has arrived to a
//! [`RequestParser`] and appends replies with a [`ReplyWriter`]; clients and tests read replies with
//! [`parse_reply`]. Numbers are read and printed here exactly as Redis does it, because clients see
//! them ([`number`], [`double`], [`long_double`]).
//!
//! Specification: <https://redis.io/docs/latest/develop/reference/protocol-spec/>

mod args;
mod big;
mod client;
pub mod double;
mod float_text;
mod grisu;
mod inline;
pub mod limits;
pub mod long_double;
pub mod number;
mod output;
mod protocol_error;
mod reply_writer;
mod request;
mod rounding;

pub use args::{Args, ArgsIter, OwnedArgs, Span};
pub use client::{REPLY_DEPTH_MAX, Reply, ReplyError, encode_request, parse_reply, skip_reply};
pub use double::{
    DoubleText, format_double, format_double_17, parse_double, parse_double_leniently,
};
pub use inline::split_arguments;
pub use limits::Limits;
pub use number::parse_integer;
pub use output::Output;
pub use protocol_error::ProtocolError;
pub use reply_writer::{Deferred, Protocol, ReplyWriter};
pub use request::{Parsed, RequestParser, parse_short_arguments};
