//! What the io_uring backend knows of one connection. Ten thousand idle ones are kept, so it is small.

use std::os::fd::OwnedFd;

use crate::fill::Fill;
use crate::outgoing::Unsent;

use super::send::Message;

/// One connection; its descriptor and send buffer stay until the kernel has finished with both.
pub(crate) struct Connection {
    pub(crate) descriptor: OwnedFd,
    pub(crate) receiving: Receiving,
    pub(crate) sending: Sending,
    /// So many receives take one pool buffer only.
    pub(crate) single_receives: u8,
    pub(crate) is_paused: bool,
    /// `EndOfStream` has been reported.
    pub(crate) is_ended: bool,
    pub(crate) has_failed: bool,
    /// The caller has closed it; `Closed` is due when no operation is in flight.
    pub(crate) is_closing: bool,
    /// What is being sent, and how much of it has been.
    pub(crate) unsent: Unsent,
    /// What the kernel is told of a send in several pieces.
    pub(crate) message: Option<Box<Message>>,
    /// What is being filled; the kernel may write to it while `receiving` is not idle.
    pub(crate) fill: Option<Box<Fill>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    Idle,
    /// A receive into pool buffers is in flight.
    Armed,
    /// A receive into the buffer of a fill is in flight.
    Filling,
    /// One of these is being cancelled.
    Cancelling,
    /// It has ended for lack of buffers and is to be armed again when there are some.
    Starved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Idle,
    /// Submitted so that it ends at once, with a completion only if something is left.
    Immediate,
    /// Waits in the kernel for room.
    Blocked,
}

impl Connection {
    pub(crate) fn new(descriptor: OwnedFd) -> Connection {
        Connection {
            descriptor,
            receiving: Receiving::Idle,
            sending: Sending::Idle,
            single_receives: 0,
            is_paused: false,
            is_ended: false,
            has_failed: false,
            is_closing: false,
            unsent: Unsent::default(),
            message: None,
            fill: None,
        }
    }

    /// Whether a receive is to be armed.
    pub(crate) fn wants_to_receive(&self) -> bool {
        self.receiving == Receiving::Idle && !self.is_paused && !self.is_ended && self.is_healthy()
    }

    /// Whether its events are to be reported.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.has_failed && !self.is_closing
    }

    /// Whether the kernel may still use its descriptor or memory.
    pub(crate) fn is_in_flight(&self) -> bool {
        let is_receiving = match self.receiving {
            Receiving::Armed | Receiving::Filling | Receiving::Cancelling => true,
            Receiving::Idle | Receiving::Starved => false,
        };
        is_receiving || self.sending != Sending::Idle
    }

    /// Ends a send; the buffer is the caller's.
    #[inline]
    pub(crate) fn end_send(&mut self) -> Vec<u8> {
        self.sending = Sending::Idle;
        self.message = None;
        self.unsent.take()
    }

    /// Never frees what the kernel may still use.
    pub(crate) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.unsent));
        std::mem::forget(self.message.take());
        std::mem::forget(self.fill.take());
    }
}
