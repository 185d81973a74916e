//! Replies with very many elements, which are written in steps, between which the worker serves other connections.
//!
//! The elements are those of the moment at which the command was executed: a snapshot, of which what is changed meanwhile
//! is copied. Inside a transaction, and where no reply is sent, a command answers at once.

use keyspace::{ElementsLeft, FieldsLeft};
use resp::{Output, ReplyWriter};

use crate::context::Context;
use crate::limits::REPLY_BYTES_MAX;
use crate::session::{Replies, Session};

/// Collections with more elements are answered in steps.
pub const STEP_ELEMENTS: usize = 8192;

/// What a reply shows of an element, given its name and value.
pub type ShowElement = fn(&mut ReplyWriter<'_>, &[u8], &[u8]);

/// The part of a reply that is not written yet.
pub struct Unfinished {
    left: Left,
    show: ShowElement,
}

/// What is to be shown.
pub enum Left {
    /// Elements as they are.
    Elements(ElementsLeft),
    /// Fields, of which some may be over.
    Fields(FieldsLeft),
}

impl Left {
    fn bytes(&self) -> usize {
        match self {
            Self::Elements(left) => left.bytes(),
            Self::Fields(left) => left.bytes(),
        }
    }

    fn step(&mut self, visit: impl FnMut(&[u8], &[u8])) -> bool {
        match self {
            Self::Elements(left) => left.step(STEP_ELEMENTS, visit),
            Self::Fields(left) => left.step(STEP_ELEMENTS, visit),
        }
    }
}

impl Context<'_, '_> {
    /// Leaves the elements of a reply whose head is written to later steps, if that may be.
    pub fn finish_later(&mut self, left: Option<Left>, show: ShowElement) -> bool {
        let may_be = self.session.executing == 0 && self.session.replies == Replies::On;
        let Some(left) = left.filter(|left| may_be && left.bytes() < REPLY_BYTES_MAX / 2) else {
            return false;
        };
        self.session.unfinished = Some(Box::new(Unfinished { left, show }));
        true
    }
}

impl Session {
    /// Writes the next part of an unfinished reply; whether the connection may go on with requests.
    pub fn continue_reply(&mut self, out: &mut Output) -> bool {
        let Some(unfinished) = &mut self.unfinished else {
            return true;
        };
        let mut reply = ReplyWriter::new(out, self.protocol);
        let show = unfinished.show;
        let is_done = unfinished.left.step(|name, value| {
            show(&mut reply, name, value);
        });
        if is_done {
            self.unfinished = None;
        }
        is_done
    }
}
