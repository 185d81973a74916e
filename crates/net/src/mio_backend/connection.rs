//! One connection of the readiness backend: what it reads and writes when its socket is ready.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

use crate::backend::{Buffer, ConnectionId, Event};
use crate::buffer_pool::BufferPool;
use crate::fill::Fill;
use crate::outgoing::Unsent;

/// Reads of one connection in one wait, so that a flood on one does not starve the others.
const READS_PER_WAIT: usize = 4;

/// Pieces given to one write: as many as systems take (IOV_MAX).
const SEND_PARTS_MAX: usize = 1024;

#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// There is no such flag here; Rust programs ignore SIGPIPE.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// What is known of one connection.
pub(super) struct Connection {
    pub(super) descriptor: OwnedFd,
    pub(super) sending: Sending,
    /// The socket may have bytes, or its end.
    pub(super) is_readable: bool,
    /// The peer has closed its writing side, so that a short read is not the last.
    pub(super) is_ending: bool,
    /// The id is in `readable`.
    pub(super) is_queued: bool,
    pub(super) is_paused: bool,
    /// `EndOfStream` has been reported: nothing is to be read any more.
    pub(super) is_ended: bool,
    pub(super) has_failed: bool,
    /// So many waits read one buffer only.
    pub(super) single_receives: u8,
    pub(super) fill: Option<Box<Fill>>,
    pub(super) unsent: Unsent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Idle,
    /// The socket has no room; the rest follows when it has.
    Blocked,
    /// All is written, `Sent` is due.
    Complete,
}

impl Connection {
    pub(super) fn new(descriptor: OwnedFd) -> Connection {
        Connection {
            descriptor,
            sending: Sending::Idle,
            is_readable: false,
            is_ending: false,
            is_queued: false,
            is_paused: false,
            is_ended: false,
            has_failed: false,
            single_receives: 0,
            fill: None,
            unsent: Unsent::default(),
        }
    }

    /// Queues the connection for reading if it should be read and is not queued yet.
    pub(super) fn enqueue(&mut self, id: ConnectionId, readable: &mut VecDeque<ConnectionId>) {
        let wants = self.is_readable && !self.is_paused && !self.is_ended && !self.has_failed;
        if wants && !self.is_queued {
            self.is_queued = true;
            readable.push_back(id);
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn write(&mut self) -> Result<(), Errno> {
        while !self.unsent.is_done() {
            match self.write_once() {
                Ok(bytes) => self.unsent.advance(bytes),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.sending = Sending::Blocked;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.sending = Sending::Complete;
        Ok(())
    }

    fn write_once(&self) -> Result<usize, Errno> {
        if !self.unsent.has_shared() {
            return rustix::net::send(&self.descriptor, self.unsent.rest(), SEND_FLAGS);
        }
        let parts = self.unsent.parts().map(IoSlice::new).take(SEND_PARTS_MAX);
        let parts: Vec<IoSlice> = parts.collect();
        let mut nothing_else = SendAncillaryBuffer::default();
        rustix::net::sendmsg(&self.descriptor, &parts, &mut nothing_else, SEND_FLAGS)
    }

    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.sending = Sending::Idle;
        self.unsent = Unsent::default();
        self.fill = None;
    }

    /// Reads what this wait may.
    pub(super) fn read(
        &mut self,
        id: ConnectionId,
        buffers: &mut BufferPool,
        events: &mut Vec<Event>,
    ) {
        let reads_max = if self.single_receives > 0 {
            1
        } else {
            READS_PER_WAIT
        };
        for _ in 0..reads_max {
            if !self.is_readable || self.is_paused || self.has_failed {
                return;
            }
            if self.fill.is_some() {
                self.read_into_fill(id, events);
            } else if !self.read_into_pool(id, buffers, events) {
                return;
            }
        }
    }

    fn read_into_fill(&mut self, id: ConnectionId, events: &mut Vec<Event>) {
        let Some(fill) = &mut self.fill else {
            return;
        };
        let asked_bytes = fill.step_bytes();
        let result = fill.receive(&self.descriptor);
        if let Some(filled) = self.fill.take_if(|fill| fill.is_full()) {
            let buffer = filled.into_buffer();
            events.push(Event::Filled { id, buffer });
        }
        self.note_receive(id, result, asked_bytes, events);
    }

    /// False when there is no buffer.
    fn read_into_pool(
        &mut self,
        id: ConnectionId,
        buffers: &mut BufferPool,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(index) = buffers.take() else {
            return false;
        };
        let space = buffers.space(index);
        let asked_bytes = space.len();
        let received = rustix::net::recv(&self.descriptor, space, RecvFlags::empty());
        let result = received.map(|(bytes, _)| bytes);
        if let Ok(bytes @ 1..) = result {
            self.single_receives = self.single_receives.saturating_sub(1);
            let (start, length) = (0, bytes as u32);
            let buffer = Buffer {
                index,
                start,
                length,
            };
            events.push(Event::Received { id, buffer });
        } else {
            buffers.give_back(index);
        }
        self.note_receive(id, result, asked_bytes, events);
        true
    }

    /// What a read tells about what follows.
    fn note_receive(
        &mut self,
        id: ConnectionId,
        result: Result<usize, Errno>,
        asked_bytes: usize,
        events: &mut Vec<Event>,
    ) {
        match result {
            Ok(0) => {
                self.is_readable = false;
                self.is_ended = true;
                self.fill = None;
                events.push(Event::EndOfStream { id });
            }
            // A short read has emptied the socket: news of what comes later comes later.
            Ok(bytes) => self.is_readable = bytes == asked_bytes || self.is_ending,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => self.is_readable = false,
            Err(error) => {
                self.is_readable = false;
                self.fail();
                let error = error.into();
                events.push(Event::Failed { id, error });
            }
        }
    }
}
