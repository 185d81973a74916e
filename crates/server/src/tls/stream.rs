//! TLS of one connection: records that arrive become bytes, bytes become records to send. It knows no sockets.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus, WriteTraffic,
};

use super::limits::{
    ENCRYPTED_BYTES_MAX, HANDSHAKE_BYTES_MAX, RECORD_BYTES_MAX, RECORD_EXTRA_BYTES,
    STATE_HEAP_BYTES,
};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has been looked at.
    New,
    /// The handshake is under way.
    Handshake,
    /// Requests and replies.
    Open,
    /// Broken; at most an alert is sent.
    Failed,
}

/// TLS of one connection.
pub struct Stream {
    /// How far it is.
    pub stage: Stage,
    /// When it was accepted, in milliseconds of the Unix epoch.
    pub opened_ms: u64,
    /// When it was told that nothing more comes because it was killed, in milliseconds of the Unix epoch.
    pub killed_ms: Option<u64>,
    /// It is in the queue of handshakes that go on.
    pub is_queued: bool,
    /// The backend sends records of it.
    pub is_sending: bool,
    connection: Option<Box<UnbufferedServerConnection>>,
    /// The beginning of a record, or what has not been looked at.
    incoming: Vec<u8>,
    /// Records to send.
    outgoing: Vec<u8>,
    /// Bytes of the records that the backend sends.
    sending_bytes: usize,
    /// Replies that are on their way into records.
    unencrypted: Unencrypted,
    has_said_goodbye: bool,
}

/// Why a connection cannot go on.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// What the peer sent, or what rustls could not do.
    Tls(rustls::Error),
    /// rustls has a defect.
    Panic,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Tls(error) => error.fmt(formatter),
            Fault::Panic => formatter.write_str("a panic"),
        }
    }
}

impl From<rustls::Error> for Fault {
    fn from(error: rustls::Error) -> Fault {
        Fault::Tls(error)
    }
}

/// What came of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The peer sends nothing more.
    pub is_ended: bool,
}

impl Stream {
    /// A connection that was accepted now.
    pub fn new(now_ms: u64) -> Stream {
        Stream {
            stage: Stage::New,
            opened_ms: now_ms,
            killed_ms: None,
            is_queued: false,
            is_sending: false,
            connection: None,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            sending_bytes: 0,
            unencrypted: Unencrypted::default(),
            has_said_goodbye: false,
        }
    }

    /// Keeps what has arrived before the end of the handshake; whether that is much.
    pub fn keep(&mut self, bytes: &[u8]) -> bool {
        self.incoming.extend_from_slice(bytes);
        self.incoming.len() > HANDSHAKE_BYTES_MAX
    }

    /// Begins the handshake.
    pub fn begin(&mut self, config: Arc<ServerConfig>) -> Result<(), Fault> {
        self.stage = Stage::Failed;
        let connection = guarded(|| UnbufferedServerConnection::new(config))??;
        self.connection = Some(Box::new(connection));
        self.stage = Stage::Handshake;
        Ok(())
    }

    /// Goes on with what was kept. Requests that came with the end of the handshake are appended to `plain`.
    pub fn go_on(&mut self, plain: &mut Vec<u8>) -> Result<Received, Fault> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let (taken, result) = self.process(&mut incoming, plain);
        incoming.drain(..taken);
        if !incoming.is_empty() {
            self.incoming = incoming;
        }
        result
    }

    /// Appends to `plain` what the records in `bytes`, and what was kept before them, hold. `scratch` is empty, before
    /// and after.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        scratch: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<Received, Fault> {
        if !self.incoming.is_empty() {
            self.incoming.extend_from_slice(bytes);
            return self.go_on(plain);
        }
        // Decrypting needs bytes that may be changed; those of the backend may not. Mostly whole records come at once,
        // and nothing is kept for this connection.
        scratch.extend_from_slice(bytes);
        let (taken, result) = self.process(scratch, plain);
        self.incoming.extend_from_slice(&scratch[taken..]);
        scratch.clear();
        result
    }

    /// How many of `incoming` have been used up, and what came of them.
    fn process(
        &mut self,
        incoming: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> (usize, Result<Received, Fault>) {
        let bytes = incoming.len();
        guarded(|| self.process_records(incoming, plain)).unwrap_or_else(|fault| {
            self.give_up();
            (bytes, Err(fault))
        })
    }

    /// After a panic rustls is asked nothing more, and nothing more is sent.
    fn give_up(&mut self) {
        self.stage = Stage::Failed;
        self.connection = None;
        self.outgoing = Vec::new();
        self.unencrypted = Unencrypted::default();
    }

    fn process_records(
        &mut self,
        incoming: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> (usize, Result<Received, Fault>) {
        let mut received = Received::default();
        let mut at = 0;
        let Some(connection) = &mut self.connection else {
            return (at, Err(rustls::Error::HandshakeNotComplete.into()));
        };
        loop {
            let UnbufferedStatus { discard, state, .. } =
                connection.process_tls_records(&mut incoming[at..]);
            let mut discard = discard;
            let state = match state {
                Ok(state) => state,
                Err(fault) => {
                    self.stage = Stage::Failed;
                    // Nothing follows an alert.
                    self.unencrypted = Unencrypted::default();
                    take_alert(connection, &mut self.outgoing);
                    return (incoming.len(), Err(fault.into()));
                }
            };
            let mut goes_on = true;
            match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(record) => encode(record, &mut self.outgoing),
                ConnectionState::TransmitTlsData(transmitted) => transmitted.done(),
                ConnectionState::PeerClosed => received.is_ended = true,
                ConnectionState::Closed => {
                    received.is_ended = true;
                    goes_on = false;
                }
                ConnectionState::WriteTraffic(_) => {
                    self.stage = Stage::Open;
                    goes_on = false;
                }
                // Early data is not offered, and other states do not exist.
                _ => goes_on = false,
            }
            at += discard;
            if !goes_on {
                return (at, Ok(received));
            }
        }
    }

    /// Takes replies over, for `encrypt`. All from before have been encrypted.
    pub fn load(&mut self, bytes: Vec<u8>, shared: Vec<(usize, Bytes)>) {
        debug_assert!(self.unencrypted.is_done());
        self.unencrypted = Unencrypted {
            bytes,
            at: 0,
            shared: shared.into(),
            in_shared: 0,
        };
    }

    /// Whether there are replies that are not in records yet.
    pub fn has_unencrypted(&self) -> bool {
        !self.unencrypted.is_done()
    }

    /// Makes records of replies, of as many as are sent at a time. When all are in records, their buffer comes back.
    pub fn encrypt(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        if self.unencrypted.is_done() {
            return Ok(None);
        }
        let mut left = ENCRYPTED_BYTES_MAX;
        while left > 0
            && let Some(part) = self.unencrypted.part(left)
        {
            let bytes = part.len();
            let room = room_for(bytes);
            let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
            let connection = &mut self.connection;
            let written = guarded(|| {
                write(connection, incoming, outgoing, room, |traffic, place| {
                    traffic.encrypt(part, place)
                })
            });
            if written.is_err() {
                self.give_up();
            }
            written??;
            self.unencrypted.advance(bytes);
            left -= bytes;
        }
        if self.unencrypted.is_done() {
            let done = std::mem::take(&mut self.unencrypted);
            return Ok(Some(done.bytes));
        }
        Ok(None)
    }

    /// Tells the peer that nothing more comes, once; only an open connection can.
    pub fn say_goodbye(&mut self) {
        if self.stage != Stage::Open || self.has_said_goodbye {
            return;
        }
        self.has_said_goodbye = true;
        let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
        let (connection, room) = (&mut self.connection, room_for(0));
        let written = guarded(|| {
            write(connection, incoming, outgoing, room, |traffic, place| {
                traffic.queue_close_notify(place)
            })
        });
        // Who cannot be told is told by the end of the connection.
        if written.is_err() {
            self.give_up();
        }
    }

    /// Gives these bytes of a buffer that is used again, if it has none of its own.
    pub fn lend(&mut self, spare: Vec<u8>) {
        debug_assert!(spare.is_empty());
        if self.outgoing.capacity() == 0 {
            self.outgoing = spare;
        }
    }

    /// Whether it has a buffer for records.
    pub fn has_buffer(&self) -> bool {
        self.outgoing.capacity() > 0
    }

    /// The records to send now, if there are some.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        if self.outgoing.is_empty() {
            return None;
        }
        self.is_sending = true;
        self.sending_bytes = self.outgoing.capacity();
        Some(std::mem::take(&mut self.outgoing))
    }

    /// The records have been sent.
    pub fn sent(&mut self) {
        self.is_sending = false;
        self.sending_bytes = 0;
    }

    /// The certificates that the client has shown, its own first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        let connection = self.connection.as_ref();
        let shown = connection.and_then(|connection| connection.peer_certificates());
        shown.unwrap_or_default()
    }

    /// Bytes that it takes, those of replies and requests left out, which others count.
    pub fn memory_bytes(&self) -> usize {
        let state = self.connection.as_ref().map_or(0, |_| {
            size_of::<UnbufferedServerConnection>() + STATE_HEAP_BYTES
        });
        size_of::<Stream>()
            + state
            + self.incoming.capacity()
            + self.outgoing.capacity()
            + self.sending_bytes
    }
}

/// Puts into `outgoing` what tells the peer why the connection ends. While rustls has something to send, it looks at
/// nothing that has arrived; after a fault it must not.
fn take_alert(connection: &mut UnbufferedServerConnection, outgoing: &mut Vec<u8>) {
    while connection.wants_write() {
        match connection.process_tls_records(&mut []).state {
            Ok(ConnectionState::EncodeTlsData(record)) => encode(record, outgoing),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while traffic.next_record().is_some() {}
            }
            _ => return,
        }
    }
}

fn encode(mut record: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut Vec<u8>) {
    let start = outgoing.len();
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
        record.encode(&mut [])
    else {
        return;
    };
    outgoing.resize(start + required_size, 0);
    let written = record.encode(&mut outgoing[start..]).unwrap_or(0);
    outgoing.truncate(start + written);
}

/// Calls rustls. A panic there is a fault of this connection, and of no other.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Fault::Panic)
}

/// Appends what `make` writes, records that rustls has been waiting to send included; `room` is about how much that is.
/// `incoming` is the beginning of a record or of a message, of which rustls may have looked at some.
fn write(
    connection: &mut Option<Box<UnbufferedServerConnection>>,
    incoming: &mut [u8],
    outgoing: &mut Vec<u8>,
    room: usize,
    mut make: impl FnMut(
        &mut WriteTraffic<'_, ServerConnectionData>,
        &mut [u8],
    ) -> Result<usize, EncryptError>,
) -> Result<(), rustls::Error> {
    let connection = connection
        .as_mut()
        .ok_or(rustls::Error::HandshakeNotComplete)?;
    let mut room = room;
    loop {
        match connection.process_tls_records(incoming).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let start = outgoing.len();
                outgoing.resize(start + room, 0);
                let made = make(&mut traffic, &mut outgoing[start..]);
                outgoing.truncate(start + made.as_ref().map_or(0, |written| *written));
                match made {
                    Ok(_) => return Ok(()),
                    Err(EncryptError::InsufficientSize(InsufficientSizeError {
                        required_size,
                    })) if required_size > room => room = required_size,
                    Err(error) => return Err(rustls::Error::General(error.to_string())),
                }
            }
            ConnectionState::EncodeTlsData(record) => encode(record, outgoing),
            ConnectionState::TransmitTlsData(transmitted) => transmitted.done(),
            ConnectionState::PeerClosed => {}
            _ => return Err(rustls::Error::HandshakeNotComplete),
        }
    }
}

/// What records of so many bytes take at most.
fn room_for(bytes: usize) -> usize {
    bytes + (bytes / RECORD_BYTES_MAX + 2) * RECORD_EXTRA_BYTES
}

/// Replies that are on their way into records: bytes, with shared pieces in between.
#[derive(Default)]
struct Unencrypted {
    bytes: Vec<u8>,
    /// How many of `bytes` are in records.
    at: usize,
    /// Shared pieces of which something is left, each with the number of bytes before it.
    shared: VecDeque<(usize, Bytes)>,
    /// How much of the first of them is in records.
    in_shared: usize,
}

impl Unencrypted {
    fn is_done(&self) -> bool {
        self.at == self.bytes.len() && self.shared.is_empty()
    }

    /// The next bytes that lie together, at most so many. Shared pieces are not empty.
    fn part(&self, bytes_max: usize) -> Option<&[u8]> {
        let until = self.until();
        let part = if self.at < until {
            &self.bytes[self.at..until]
        } else {
            &self.shared.front()?.1[self.in_shared..]
        };
        Some(&part[..part.len().min(bytes_max)])
    }

    /// So many bytes more are in records; they lie together.
    fn advance(&mut self, bytes: usize) {
        if self.at < self.until() {
            self.at += bytes;
            return;
        }
        self.in_shared += bytes;
        if let Some((_, piece)) = self.shared.front()
            && piece.len() == self.in_shared
        {
            self.shared.pop_front();
            self.in_shared = 0;
        }
    }

    /// Where the next shared piece begins, or the bytes end.
    fn until(&self) -> usize {
        self.shared.front().map_or(self.bytes.len(), |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What leaves, in pieces of so many bytes.
    fn leaves(bytes: &[u8], shared: &[(usize, &'static [u8])], bytes_max: usize) -> Vec<u8> {
        let mut unencrypted = Unencrypted {
            bytes: bytes.to_vec(),
            shared: shared
                .iter()
                .map(|(at, piece)| (*at, Bytes::from_static(piece)))
                .collect(),
            ..Unencrypted::default()
        };
        let mut all = Vec::new();
        while let Some(part) = unencrypted.part(bytes_max) {
            assert!((1..=bytes_max).contains(&part.len()));
            all.extend_from_slice(part);
            let length = part.len();
            unencrypted.advance(length);
        }
        assert!(unencrypted.is_done());
        all
    }

    #[test]
    fn replies_leave_in_their_order() {
        for bytes_max in 1..12 {
            let shared: [(usize, &'static [u8]); 4] =
                [(0, b"one"), (3, b"two"), (3, b"three"), (7, b"four")];
            assert_eq!(
                leaves(b"abcdefg", &shared, bytes_max),
                b"oneabctwothreedefgfour"
            );
            assert_eq!(leaves(b"abc", &[], bytes_max), b"abc");
            assert_eq!(leaves(b"", &[(0, b"abc")], bytes_max), b"abc");
            assert_eq!(leaves(b"", &[], bytes_max), b"");
        }
    }
}
