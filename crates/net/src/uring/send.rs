//! Sending: at once within the call that also sleeps, and what the socket has no room for a second time.
//!
//! A send of one buffer is the plain operation. One with shared pieces names them all in a message, and goes on with
//! another message where the limits of one end.
//!
//! Zero-copy sends (SENDMSG_ZC) were tried with `examples/large_cpu.rs`, messages of 1 MB over loopback: they took 1.3
//! to 1.7 times the CPU time. Over a network card they have not been measured.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;

use crate::backend::{ConnectionId, Event};
use crate::outgoing::{Outgoing, Unsent};

use super::Uring;
use super::connection::{Connection, Sending};
use super::ring::{Completion, Operation, Tag};

/// The most that one send operation is given; its length is a 32-bit number.
const SEND_BYTES_MAX: usize = 1 << 30;

/// The most pieces of one message: the kernel's limit (UIO_MAXIOV).
const PIECES_MAX: usize = 1024;

/// With MSG_WAITALL less than everything is a failure, which completes in spite of SKIP_SUCCESS.
const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;

/// The pieces of one operation, as the kernel wants to be told of them. Stays in its box until the operation has ended.
pub(super) struct Message {
    header: libc::msghdr,
    pieces: Vec<libc::iovec>,
}

impl Message {
    /// Names what is left of `unsent`, as far as one operation takes it; tells whether that is everything.
    fn new(unsent: &Unsent) -> (Box<Message>, bool) {
        let mut pieces = Vec::new();
        let mut room_bytes = SEND_BYTES_MAX;
        let mut is_all = true;
        for part in unsent.parts() {
            let bytes = part.len().min(room_bytes);
            if bytes < part.len() || pieces.len() == PIECES_MAX {
                is_all = false;
            }
            if bytes == 0 || pieces.len() == PIECES_MAX {
                break;
            }
            room_bytes -= bytes;
            pieces.push(libc::iovec {
                iov_base: part.as_ptr().cast_mut().cast(),
                iov_len: bytes,
            });
        }
        // SAFETY: zero is a valid value of all its fields.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = pieces.as_mut_ptr();
        header.msg_iovlen = pieces.len() as _;
        (Box::new(Message { header, pieces }), is_all)
    }
}

impl Uring {
    pub(super) fn start_send(&mut self, id: ConnectionId, outgoing: Outgoing) {
        assert!(!outgoing.is_empty(), "nothing to send");
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if !connection.is_healthy() {
            return;
        }
        assert!(connection.sending == Sending::Idle, "a send is in flight");
        connection.unsent = Unsent::new(outgoing);
        self.submit_send(id.slot, Sending::Immediate);
    }

    fn submit_send(&mut self, slot: u32, sending: Sending) {
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        let is_immediate = sending == Sending::Immediate;
        let (entry, is_immediate) = if connection.unsent.has_shared() {
            message(connection, is_immediate)
        } else {
            bytes(connection, is_immediate)
        };
        if is_immediate {
            connection.sending = Sending::Immediate;
            self.immediate.push(slot);
        } else {
            connection.sending = Sending::Blocked;
        }
        let tag = Tag {
            operation: Operation::Send,
            index: slot,
        };
        // SAFETY: descriptor, bytes, shared pieces and message stay in the slot while `sending` is not idle, and it
        // becomes so only when the send has completed. Nothing changes them meanwhile: `unsent` and `message` do only
        // after a completion. The slot may move; what it points to does not.
        unsafe { self.ring.push(entry, tag) };
    }

    pub(super) fn on_send(&mut self, completion: &Completion, events: &mut Vec<Event>) {
        let slot = completion.tag.index;
        let Some(id) = self.connections.id_at(slot) else {
            return;
        };
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        match completion.result {
            bytes if bytes >= 0 => connection.unsent.advance(bytes as usize),
            error if error == -libc::EAGAIN || error == -libc::EINTR => {}
            error => {
                connection.end_send();
                if connection.is_healthy() {
                    connection.has_failed = true;
                    let error = io::Error::from_raw_os_error(-error);
                    events.push(Event::Failed { id, error });
                }
                self.finish_close(slot, events);
                return;
            }
        }
        if !connection.is_healthy() {
            connection.end_send();
            self.finish_close(slot, events);
        } else if connection.unsent.is_done() {
            let buffer = connection.end_send();
            events.push(Event::Sent { id, buffer });
        } else {
            self.submit_send(slot, Sending::Blocked);
        }
    }

    /// Immediate sends of which nothing was heard have succeeded.
    pub(super) fn report_immediate(&mut self, events: &mut Vec<Event>) {
        self.sent_lazily = true;
        let mut immediate = std::mem::take(&mut self.immediate);
        for slot in immediate.drain(..) {
            let Some(id) = self.connections.id_at(slot) else {
                continue;
            };
            if let Some(connection) = self.connections.at_mut(slot)
                && connection.sending == Sending::Immediate
            {
                let buffer = connection.end_send();
                if connection.is_healthy() {
                    events.push(Event::Sent { id, buffer });
                }
                self.finish_close(slot, events);
            }
        }
        self.immediate = immediate;
    }
}

/// The operation for bytes without shared pieces, and whether it is immediate.
#[inline]
fn bytes(connection: &Connection, is_immediate: bool) -> (Entry, bool) {
    let descriptor = Fd(connection.descriptor.as_raw_fd());
    let rest = connection.unsent.rest();
    let bytes = rest.len().min(SEND_BYTES_MAX);
    let send = opcode::Send::new(descriptor, rest.as_ptr(), bytes as u32);
    if is_immediate && bytes == rest.len() {
        let flags = FLAGS | libc::MSG_DONTWAIT;
        let entry = send.flags(flags).build().flags(Flags::SKIP_SUCCESS);
        (entry, true)
    } else {
        (send.flags(FLAGS).build(), false)
    }
}

/// The operation for bytes and shared pieces, and whether it is immediate.
#[cold]
fn message(connection: &mut Connection, is_immediate: bool) -> (Entry, bool) {
    let descriptor = Fd(connection.descriptor.as_raw_fd());
    let (message, is_all) = Message::new(&connection.unsent);
    debug_assert!(!message.pieces.is_empty());
    let message = connection.message.insert(message);
    let send = opcode::SendMsg::new(descriptor, &raw const message.header);
    if is_immediate && is_all {
        let flags = FLAGS | libc::MSG_DONTWAIT;
        let entry = send.flags(flags as u32).build();
        (entry.flags(Flags::SKIP_SUCCESS), true)
    } else {
        (send.flags(FLAGS as u32).build(), false)
    }
}
