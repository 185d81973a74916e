//! Clients that are killed: by TLS they are told that nothing more comes, so that they need not take it for an attack.

use std::sync::atomic::Ordering::Relaxed;

use net::Backend;

use super::limits::FAREWELL_MS_MAX;
use super::stream::Stage;
use crate::worker::Worker;

impl<B: Backend> Worker<B> {
    /// Closes clients that were killed, if some were.
    pub(crate) fn close_killed(&mut self) {
        if !std::mem::take(&mut self.looks_for_killed) {
            return;
        }
        for slot in 0..self.connections.len() {
            let Some(connection) = self.connections[slot].as_deref() else {
                continue;
            };
            if connection.session.client.killed.load(Relaxed) && !connection.is_closed {
                self.kill(slot);
            }
        }
    }

    /// Closes a client that was killed. What waits for it is dropped. One that speaks TLS is told first, unless records
    /// are on their way to it, which it may never take.
    pub(crate) fn kill(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let stream = connection.tls.as_deref_mut();
        let stream = stream.filter(|tls| tls.stage == Stage::Open && connection.filling.is_none());
        let Some(stream) = stream else {
            return self.close(slot);
        };
        if stream.killed_ms.is_some() {
            return;
        }
        if stream.is_sending || stream.has_unencrypted() {
            return self.close(slot);
        }
        stream.killed_ms = Some(self.now_ms);
        self.handshakes.killed += 1;
        connection.closes = true;
        connection.output.clear();
        connection.input.clear(&mut self.backend);
        self.pause_receiving(slot);
        self.send_records(slot);
    }

    /// Closes clients that were killed, were told and do not take that; about once a second.
    pub(crate) fn close_told(&mut self) {
        if self.handshakes.killed == 0 {
            return;
        }
        for slot in 0..self.connections.len() {
            let connection = self.connections[slot].as_deref();
            let stream = connection.and_then(|connection| connection.tls.as_deref());
            let killed_ms = stream.and_then(|stream| stream.killed_ms);
            let age_ms = killed_ms.map_or(0, |killed_ms| self.now_ms.saturating_sub(killed_ms));
            if age_ms > FAREWELL_MS_MAX {
                self.close(slot);
            }
        }
    }
}
