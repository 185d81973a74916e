//! Receiving: one multishot receive for each connection, which takes a buffer only when bytes arrive.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use io_uring::opcode;
use io_uring::types::Fd;

use crate::backend::{Buffer, Event};

use super::connection::Receiving;
use super::ring::{Completion, Operation, Tag};
use super::{Uring, buffer_ring};

impl Uring {
    /// Starts receiving if this connection should and does not.
    pub(super) fn arm_receive(&mut self, slot: u32) {
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        if !connection.wants_to_receive() {
            return;
        }
        connection.receiving = Receiving::Armed;
        let descriptor = Fd(connection.descriptor.as_raw_fd());
        let entry = opcode::RecvMulti::new(descriptor, buffer_ring::GROUP).build();
        let tag = Tag {
            operation: Operation::Receive,
            index: slot,
        };
        // SAFETY: the descriptor stays while the receive is in flight; the buffers stay with the kernel until it
        // completes with them, and the pool stays until nothing is in flight.
        unsafe { self.ring.push(entry, tag) };
    }

    pub(super) fn cancel_receive(&mut self, slot: u32) {
        if let Some(connection) = self.connections.at_mut(slot)
            && connection.receiving == Receiving::Armed
        {
            connection.receiving = Receiving::Cancelling;
            self.ring.cancel(Tag {
                operation: Operation::Receive,
                index: slot,
            });
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
            if is_healthy && completion.result > 0 {
                let (index, length) = (index.into(), completion.result as u32);
                let buffer = Buffer { index, length };
                events.push(Event::Received { id, buffer });
            } else {
                self.buffers.give_back(index);
            }
        }
        match completion.result {
            0 if is_healthy => {
                connection.is_ended = true;
                events.push(Event::EndOfStream { id });
            }
            0.. => {}
            error if error == -libc::ENOBUFS => {
                self.buffers.missed();
                if is_healthy && !completion.more {
                    connection.receiving = Receiving::Starved;
                    self.starved.push_back(id);
                }
            }
            error if [-libc::ECANCELED, -libc::EINTR, -libc::EAGAIN].contains(&error) => {}
            error if is_healthy => {
                connection.has_failed = true;
                let error = io::Error::from_raw_os_error(-error);
                events.push(Event::Failed { id, error });
            }
            _ => {}
        }
        if !completion.more {
            self.arm_receive(slot);
            self.finish_close(slot, events);
        }
    }
}
