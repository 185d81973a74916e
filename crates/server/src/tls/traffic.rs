//! The worker's side of TLS: records that arrive become requests like any others, and replies leave in records.

use commands::clients::Client;
use net::{Backend, Buffer, ConnectionId, Outgoing};
use tracing::{debug, error};

use super::stream::{Fault, Received, Stage};
use crate::connection::Hold;
use crate::worker::Worker;

impl<B: Backend> Worker<B> {
    /// Takes what has arrived on a TLS connection that goes on.
    pub(crate) fn receive_records(&mut self, id: ConnectionId, buffer: Buffer) {
        let Self {
            connections,
            backend,
            handshakes,
            ..
        } = self;
        let found = connections.get_mut(id.slot());
        let connection = found.and_then(|connection| connection.as_deref_mut());
        let Some(connection) = connection else {
            return backend.recycle(buffer);
        };
        let Some(tls) = connection.tls.as_deref_mut() else {
            return backend.recycle(buffer);
        };
        let bytes = backend.bytes(&buffer);
        if tls.stage == Stage::Open {
            let scratch = &mut handshakes.scratch;
            let receive = |plain: &mut Vec<u8>| tls.receive(bytes, scratch, plain);
            let result = connection.input.receive_plain(receive);
            backend.recycle(buffer);
            return self.received_records(id.slot(), result);
        }
        let is_much = tls.keep(bytes);
        backend.recycle(buffer);
        // Requests may follow a handshake at once, more of them than are kept until its turn comes.
        if is_much && !connection.is_paused {
            connection.is_paused = true;
            backend.pause(id);
        }
        if !tls.is_queued && tls.stage != Stage::Failed {
            tls.is_queued = true;
            handshakes.push(id.slot(), tls.stage);
        }
        self.account(id.slot());
    }

    /// What came of records: bytes of requests, or an end.
    pub(super) fn received_records(
        &mut self,
        slot: usize,
        result: (usize, Result<Received, Fault>),
    ) {
        let (bytes, result) = result;
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let id = connection.id;
        match result {
            Ok(received) => connection.is_ended |= received.is_ended,
            Err(error) => {
                log(&error, &connection.session.client);
                connection.closes = true;
                connection.input.clear(&mut self.backend);
                self.make_dirty(slot);
                return self.account(slot);
            }
        }
        if bytes > 0 {
            self.count_received(id, bytes);
        }
        // What the handshake, or an update of keys, has to say.
        self.make_dirty(slot);
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if bytes == 0 && !connection.is_ended {
            return self.account(slot);
        }
        if connection.hold == Hold::None {
            if connection.input.is_much() && !connection.is_paused {
                connection.is_paused = true;
                self.backend.pause(id);
            }
            self.make_ready(slot);
        } else {
            self.pause_receiving(slot);
            self.account(slot);
        }
    }

    /// Sends records, if there are some and none are on their way: those of a handshake, and then replies.
    pub(crate) fn send_records(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let Some(tls) = connection.tls.as_deref() else {
            return;
        };
        if tls.is_sending || connection.is_closed {
            return;
        }
        let is_open = tls.stage == Stage::Open;
        let takes_replies = is_open && !tls.has_unencrypted() && !connection.output.is_empty();
        let replies = takes_replies.then(|| connection.begin_sending());
        let Some(tls) = connection.tls.as_deref_mut() else {
            return;
        };
        if let Some(Outgoing { bytes, shared }) = replies {
            tls.load(bytes, shared);
        }
        let mut free = None;
        if tls.has_unencrypted() {
            if !tls.has_buffer() {
                tls.lend(self.spare.pop().unwrap_or_default());
            }
            match tls.encrypt() {
                Ok(buffer) => free = buffer,
                Err(error) => {
                    log(&error, &connection.session.client);
                    return self.close(slot);
                }
            }
        } else if connection.output.is_empty() && connection.output.is_allocated() {
            let (buffer, _) = std::mem::take(&mut connection.output).into_parts();
            free = Some(buffer);
        }
        let has_more = tls.has_unencrypted();
        if connection.closes && !has_more && (!is_open || connection.output.is_empty()) {
            tls.say_goodbye();
        }
        match tls.take_outgoing() {
            Some(bytes) => {
                let outgoing = Outgoing::from(bytes);
                if has_more || connection.closes || connection.hold == Hold::Backpressure {
                    self.backend.send(connection.id, outgoing);
                } else {
                    self.backend.send_lazily(connection.id, outgoing);
                }
            }
            None if connection.closes => self.close(slot),
            None => {}
        }
        if let Some(buffer) = free {
            self.keep_buffer(buffer);
        }
        self.account(slot);
    }

    /// Whether more of the replies that are on their way has to be sent, now that records have been. It is, then.
    pub(crate) fn goes_on_sending(&mut self, slot: usize) -> bool {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return false;
        };
        let Some(tls) = connection.tls.as_deref_mut() else {
            return false;
        };
        tls.sent();
        let has_more = tls.has_unencrypted();
        if has_more {
            connection.is_slow = false;
            self.make_dirty(slot);
        }
        has_more
    }
}

/// Says why a connection ends.
fn log(fault: &Fault, client: &Client) {
    let address = &client.address;
    match fault {
        Fault::Tls(error) => debug!(%error, address, "TLS fails"),
        Fault::Panic => error!(
            client = client.id,
            address, "TLS has panicked; its connection is closed"
        ),
    }
}
