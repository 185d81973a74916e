//! How much TLS may take of a worker's time and memory.

use std::time::Duration;

/// How long a worker goes on with handshakes in one wake, but for the last step of one. One step is at most a signature
/// and a key exchange: some 0.2 ms with an ECDSA key, about 1 ms with an RSA key of 2048 bits.
pub const HANDSHAKE_BUDGET: Duration = Duration::from_micros(200);

/// What is kept of what has arrived until a handshake goes on, in bytes; then nothing more is received. Chains of
/// certificates are some kilobytes, and rustls takes no message of a handshake that is larger than this.
pub const HANDSHAKE_BYTES_MAX: usize = 64 << 10;

/// Replies that are encrypted at a time, in bytes; the rest follows when these have been sent, so that a large value
/// does not lie in memory a second time.
pub const ENCRYPTED_BYTES_MAX: usize = 256 << 10;

/// The most bytes of replies in one record, by the protocol.
pub const RECORD_BYTES_MAX: usize = 16 << 10;

/// What a record has besides its bytes: header, type, explicit nonce and tag, with some room.
pub const RECORD_EXTRA_BYTES: usize = 64;

/// What rustls keeps for an open connection besides its own struct, in bytes: two ciphers with their keys, secrets, the
/// peer's certificates.
pub const STATE_HEAP_BYTES: usize = 4 << 10;

/// Bytes of one file with certificates or a key.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// How often files are looked at for changes.
pub const FILES_LOOK: Duration = Duration::from_secs(1);

/// How long a client that was killed has to take that, in milliseconds.
pub const FAREWELL_MS_MAX: u64 = 1_000;
