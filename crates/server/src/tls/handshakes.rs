//! Handshakes of one worker: which of them go on, and how much of its time they may take. Each wake goes on with some,
//! in the order in which bytes came, until `limits::HANDSHAKE_BUDGET` is used up; one more than `security.tls_handshakes_max`
//! allows waits, unanswered, until another has ended. So a storm of new connections is served as fast as the worker can
//! besides its other clients, and takes no more memory than so many handshakes do.

use std::collections::VecDeque;
use std::time::Instant;

use net::{Backend, Socket};
use tracing::{debug, warn};

use super::Transport;
use super::identity;
use super::limits::HANDSHAKE_BUDGET;
use super::stream::{Stage, Stream};
use crate::worker::Worker;

/// What a worker knows of its handshakes.
#[derive(Default)]
pub struct Handshakes {
    /// Connections that were accepted, and are to be opened.
    accepted: VecDeque<Socket>,
    /// Connections that have something to go on with.
    ready: VecDeque<u32>,
    /// Connections that have not begun.
    waiting: VecDeque<u32>,
    /// Handshakes that have begun and not ended.
    begun: usize,
    /// TLS connections that are not open yet.
    pub(super) unfinished: usize,
    /// TLS connections that were killed and have been told so.
    pub(super) killed: usize,
    /// For records that are being decrypted; empty.
    pub(super) scratch: Vec<u8>,
}

impl Handshakes {
    /// Has a connection opened when there is time: even that, some thousand times in one wake, would hold others up.
    pub fn accept(&mut self, socket: Socket) {
        self.accepted.push_back(socket);
    }

    /// A new connection's TLS.
    pub fn open(&mut self, now_ms: u64) -> Box<Stream> {
        self.unfinished += 1;
        Box::new(Stream::new(now_ms))
    }

    /// Whether the next wake has something to do.
    pub fn has_work(&self, begun_max: usize) -> bool {
        !self.ready.is_empty()
            || !self.accepted.is_empty()
            || (!self.waiting.is_empty() && self.begun < begun_max)
    }

    /// Has a connection go on.
    pub(super) fn push(&mut self, slot: usize, stage: Stage) {
        match stage {
            Stage::New => self.waiting.push_back(slot as u32),
            Stage::Handshake | Stage::Open | Stage::Failed => self.ready.push_back(slot as u32),
        }
    }

    /// A connection has closed.
    pub fn forget(&mut self, stream: &Stream) {
        self.killed -= usize::from(stream.killed_ms.is_some());
        match stream.stage {
            Stage::New => self.unfinished -= 1,
            Stage::Handshake => {
                self.begun -= 1;
                self.unfinished -= 1;
            }
            Stage::Open | Stage::Failed => {}
        }
    }

    fn next(&mut self, begun_max: usize) -> Option<u32> {
        let ready = self.ready.pop_front();
        if ready.is_some() || self.begun >= begun_max {
            return ready;
        }
        self.waiting.pop_front()
    }
}

impl<B: Backend> Worker<B> {
    /// How many handshakes this worker goes on with at a time.
    pub(crate) fn handshakes_max(&self) -> usize {
        let all = self.settings.settings().security.tls_handshakes_max;
        (all / self.process.workers).max(1)
    }

    /// Goes on with handshakes for as long as a wake may take.
    pub(crate) fn run_handshakes(&mut self) {
        let begun_max = self.handshakes_max();
        if !self.handshakes.has_work(begun_max) {
            return;
        }
        let began = Instant::now();
        while let Some(socket) = self.handshakes.accepted.pop_front() {
            self.open(socket, Transport::Tls);
            if began.elapsed() >= HANDSHAKE_BUDGET {
                break;
            }
        }
        while let Some(slot) = self.handshakes.next(begun_max) {
            self.shake_hands(slot as usize);
            if began.elapsed() >= HANDSHAKE_BUDGET {
                break;
            }
        }
    }

    /// One step of a handshake: what can be done with what has arrived.
    fn shake_hands(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let Some(tls) = connection.tls.as_deref_mut() else {
            return;
        };
        // Another connection may have the slot by now.
        if !tls.is_queued || connection.is_closed {
            return;
        }
        tls.is_queued = false;
        if tls.stage == Stage::New {
            let Some(current) = self.process.tls.as_ref().map(|tls| tls.current()) else {
                return self.close(slot);
            };
            self.handshakes.begun += 1;
            // What has not begun does not go on either.
            if let Err(error) = tls.begin(current) {
                warn!(%error, "a TLS handshake cannot begin");
            }
        }
        let result = connection.input.receive_plain(|plain| tls.go_on(plain));
        let stage = tls.stage;
        if stage != Stage::Handshake {
            self.handshakes.begun -= 1;
            self.handshakes.unfinished -= 1;
        }
        if stage == Stage::Open {
            let auth = self.settings.settings().security.tls_auth_clients_user;
            identity::log_in(
                &mut connection.session,
                &self.shared.acl,
                tls.certificates(),
                auth,
            );
        }
        self.received_records(slot, result);
    }

    /// Closes connections whose handshake takes too long; about once a second.
    pub(crate) fn close_slow_handshakes(&mut self) {
        if self.handshakes.unfinished == 0 {
            return;
        }
        let timeout_s = self.settings.settings().security.tls_handshake_timeout;
        for slot in 0..self.connections.len() {
            let Some(connection) = self.connections[slot].as_deref() else {
                continue;
            };
            let Some(tls) = connection.tls.as_deref() else {
                continue;
            };
            let age_ms = self.now_ms.saturating_sub(tls.opened_ms);
            if tls.stage != Stage::Open && age_ms > u64::from(timeout_s) * 1000 {
                debug!(
                    address = connection.session.client.address,
                    "a TLS handshake takes too long"
                );
                self.close(slot);
            }
        }
    }
}
