//! Receiving: one multishot receive for each connection, which takes a pool buffer only when bytes arrive.
//!
//! For a fill that one is cancelled, what it still brings is copied, and the rest is received by plain operations
//! straight into the caller's buffer. After a fill, receives of one pool buffer follow for a while, each armed when the
//! caller has seen what the one before has brought, so that the next fill has nothing to cancel and little to copy.
//!
//! Measured with `examples/large_cpu.rs`, messages of 1 MB, on a machine that others used too: with a multishot receive
//! armed after every fill, the CPU time is 1.2 to 1.35 times as much. MSG_WAITALL with steps of 1 MB saves about 10 %
//! (-1 to 19 %), with steps of 256 KB hardly anything. It is not used: a step would show no progress before its end.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use io_uring::opcode;
use io_uring::squeue::Flags;
use io_uring::types::Fd;

use crate::backend::{Buffer, ConnectionId, Event};
use crate::fill::{Fill, SINGLE_RECEIVES};

use super::connection::Receiving;
use super::ring::{Completion, Operation, Tag};
use super::{Uring, buffer_ring};

impl Uring {
    pub(super) fn start_fill(&mut self, id: ConnectionId, fill: Fill) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.is_ended || !connection.is_healthy() {
            return;
        }
        assert!(connection.fill.is_none(), "a fill is under way");
        connection.fill = Some(Box::new(fill));
        connection.single_receives = SINGLE_RECEIVES;
        if connection.receiving == Receiving::Starved {
            // This needs none of the buffers that it waits for.
            connection.receiving = Receiving::Idle;
        }
        self.cancel_receive(id.slot);
        self.arm_receive(id.slot);
    }

    /// Starts receiving if this connection should and does not.
    pub(super) fn arm_receive(&mut self, slot: u32) {
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        if !connection.wants_to_receive() {
            return;
        }
        let descriptor = Fd(connection.descriptor.as_raw_fd());
        let mut operation = Operation::Receive;
        connection.receiving = Receiving::Armed;
        let entry = if let Some(fill) = &mut connection.fill {
            operation = Operation::Fill;
            connection.receiving = Receiving::Filling;
            opcode::Recv::new(descriptor, fill.space(), fill.step_bytes() as u32).build()
        } else if connection.single_receives > 0 {
            connection.single_receives -= 1;
            let bytes = self.buffers.buffer_bytes() as u32;
            opcode::Recv::new(descriptor, std::ptr::null_mut(), bytes)
                .buf_group(buffer_ring::GROUP)
                .build()
                .flags(Flags::BUFFER_SELECT)
        } else {
            opcode::RecvMulti::new(descriptor, buffer_ring::GROUP).build()
        };
        let tag = Tag {
            operation,
            index: slot,
        };
        // SAFETY: the descriptor stays while the receive is in flight. Pool buffers stay with the kernel until it
        // completes with them, and the pool stays until nothing is in flight. A fill's buffer has room for a step, is
        // not touched while `receiving` says that the kernel writes to it, and stays as long.
        unsafe { self.ring.push(entry, tag) };
    }

    pub(super) fn cancel_receive(&mut self, slot: u32) {
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        let operation = match connection.receiving {
            Receiving::Armed => Operation::Receive,
            Receiving::Filling => Operation::Fill,
            Receiving::Idle | Receiving::Cancelling | Receiving::Starved => return,
        };
        connection.receiving = Receiving::Cancelling;
        self.ring.cancel(Tag {
            operation,
            index: slot,
        });
    }

    /// Arms the receives that have waited for the caller to see what came before.
    #[inline]
    pub(super) fn receive_for_deferred(&mut self) {
        while let Some(id) = self.deferred.pop() {
            if self.connections.contains(id) {
                self.arm_receive(id.slot);
            }
        }
    }

    /// Lets those who had no buffer try again, not more of them than there are buffers now.
    pub(super) fn receive_for_starved(&mut self) {
        for _ in 0..self.starved.len().min(self.buffers.offered() as usize) {
            let Some(id) = self.starved.pop_front() else {
                return;
            };
            if let Some(connection) = self.connections.get_mut(id)
                && connection.receiving == Receiving::Starved
            {
                connection.receiving = Receiving::Idle;
                self.arm_receive(id.slot);
            }
        }
    }

    pub(super) fn on_receive(&mut self, completion: &Completion, events: &mut Vec<Event>) {
        let slot = completion.tag.index;
        let id = self.connections.id_at(slot);
        let (Some(id), Some(connection)) = (id, self.connections.at_mut(slot)) else {
            debug_assert!(false, "a receive outlived its connection");
            return;
        };
        if !completion.more {
            connection.receiving = Receiving::Idle;
        }
        let is_healthy = connection.is_healthy();
        if let Some(index) = completion.buffer {
            self.buffers.taken();
            let mut buffer = Buffer {
                index: index.into(),
                start: 0,
                length: completion.result.max(0) as u32,
            };
            if is_healthy && let Some(fill) = &mut connection.fill {
                buffer.skip(fill.copy_from(self.buffers.bytes(&buffer)));
                if let Some(buffer) = connection.take_filled() {
                    events.push(Event::Filled { id, buffer });
                }
            }
            if is_healthy && !buffer.is_empty() {
                events.push(Event::Received { id, buffer });
            } else {
                self.buffers.give_back(index);
            }
        }
        if completion.result == -libc::ENOBUFS {
            self.buffers.missed();
            // A fill goes on without.
            if is_healthy && !completion.more && connection.fill.is_none() {
                connection.receiving = Receiving::Starved;
                self.starved.push_back(id);
            }
        } else if let Some(event) = connection.end_of_receive(id, completion.result) {
            events.push(event);
        }
        if !completion.more {
            self.receive_on(id, events);
        }
    }

    pub(super) fn on_fill(&mut self, completion: &Completion, events: &mut Vec<Event>) {
        let slot = completion.tag.index;
        let id = self.connections.id_at(slot);
        let (Some(id), Some(connection)) = (id, self.connections.at_mut(slot)) else {
            debug_assert!(false, "a receive outlived its connection");
            return;
        };
        connection.receiving = Receiving::Idle;
        if let Some(fill) = &mut connection.fill
            && completion.result > 0
        {
            // SAFETY: the kernel has written so many bytes, and was asked for at most `step_bytes`.
            unsafe { fill.received(completion.result as usize) };
        }
        if connection.is_healthy()
            && let Some(buffer) = connection.take_filled()
        {
            events.push(Event::Filled { id, buffer });
        }
        if let Some(event) = connection.end_of_receive(id, completion.result) {
            events.push(event);
        }
        self.receive_on(id, events);
    }

    /// What follows the end of an operation that has received.
    fn receive_on(&mut self, id: ConnectionId, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.is_ended || !connection.is_healthy() {
            connection.fill = None;
        }
        if connection.fill.is_none() && connection.single_receives > 0 {
            self.deferred.push(id);
        } else {
            self.arm_receive(id.slot);
        }
        self.finish_close(id.slot, events);
    }
}

impl super::connection::Connection {
    /// The buffer of a fill that has got everything.
    fn take_filled(&mut self) -> Option<Vec<u8>> {
        let filled = self.fill.take_if(|fill| fill.is_full())?;
        Some(filled.into_buffer())
    }

    /// The event of a receive's result other than bytes, if it has one.
    #[inline]
    fn end_of_receive(&mut self, id: ConnectionId, result: i32) -> Option<Event> {
        const HARMLESS: [i32; 3] = [-libc::ECANCELED, -libc::EINTR, -libc::EAGAIN];
        if result > 0 || !self.is_healthy() || HARMLESS.contains(&result) {
            return None;
        }
        if result == 0 {
            self.is_ended = true;
            return Some(Event::EndOfStream { id });
        }
        self.has_failed = true;
        let error = io::Error::from_raw_os_error(-result);
        Some(Event::Failed { id, error })
    }
}
