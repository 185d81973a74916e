//! TLS, in the event loop of the workers.
//!
//! - `context`, `files`: settings to rustls's configuration: certificates, keys, authorities, versions.
//! - `reload`: what handshakes use now, and how it changes while the server runs.
//! - `sessions`: sessions that clients may resume.
//! - `stream`: one connection: records to bytes and back. It knows no sockets.
//! - `handshakes`: which handshakes a worker goes on with, and how much of its time they may take.
//! - `traffic`: the worker's side: what arrives and what is sent.
//! - `farewell`: what clients are told that are killed.
//! - `identity`: the user that a client's certificate names.
//! - `limits`: how much of everything.

mod context;
mod farewell;
mod files;
mod handshakes;
mod identity;
pub(crate) mod limits;
mod reload;
mod sessions;
mod stream;
mod traffic;

pub use context::seed_random;
pub use handshakes::Handshakes;
pub use reload::Tls;
pub use stream::Stream;

use crate::config::Settings;

/// What a connection speaks below RESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nothing.
    Plain,
    /// TLS.
    Tls,
}

/// The TCP ports to listen on.
pub fn ports(settings: &Settings) -> Vec<(u16, Transport)> {
    let main = if settings.security.tls_enabled {
        Transport::Tls
    } else {
        Transport::Plain
    };
    let ports = [
        (settings.server.port, main),
        (settings.security.tls_port, Transport::Tls),
    ];
    ports.into_iter().filter(|(port, _)| *port != 0).collect()
}

/// Whether some port speaks TLS.
pub fn is_wanted(settings: &Settings) -> bool {
    let mut ports = ports(settings).into_iter();
    ports.any(|(_, transport)| transport == Transport::Tls)
}
