//! What a handler works with: its session, its locked keys, its reply.

use keyspace::{EntryRef, Key, Locked, ValueKind, ValueRef};
use resp::{Args, ReplyWriter};

use crate::command::KeySpec;
use crate::error::CommandError;
use crate::limits::REPLY_BYTES_MAX;
use crate::session::Session;
use crate::shared::Shared;

/// One command's world.
pub struct Context<'c, 'g> {
    /// The connection.
    pub session: &'c mut Session,
    /// The keys, locked.
    pub keys: &'c mut Locked<'g>,
    /// The reply.
    pub reply: ReplyWriter<'c>,
    /// What all sessions share.
    pub shared: &'c Shared,
    /// The worker that executes it.
    pub worker: usize,
    /// The command's name for error messages: `get`, `client|list`.
    pub command: &'static str,
    /// The spec of the keys whose hashes are known, and the hashes.
    pub(crate) hashed: Option<(KeySpec, &'c [u64])>,
    /// The length of the reply buffer before this command.
    pub(crate) reply_start: usize,
}

impl Context<'_, '_> {
    /// The key at a place of the arguments, in the selected database.
    #[inline]
    pub fn key<'k>(&self, args: Args<'k>, at: usize) -> Key<'k> {
        let database = self.session.database;
        let bytes = args.get(at);
        match self.known_hash(at) {
            Some(hash) => Key {
                database,
                bytes,
                hash,
            },
            None => self.keys.key(database, bytes),
        }
    }

    /// The hash of the key at a place of the arguments, if it was taken before.
    #[inline]
    fn known_hash(&self, at: usize) -> Option<u64> {
        let (spec, hashes) = self.hashed?;
        let first = spec.first_place();
        let step = spec.step();
        let index = at.checked_sub(first)?;
        if step == 1 {
            return hashes.get(index).copied();
        }
        (index.is_multiple_of(step)).then(|| hashes.get(index / step).copied())?
    }

    /// Now, in milliseconds of the Unix epoch.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.keys.now_ms()
    }

    /// Fails when the reply so far, with `more` bytes, is too long. For commands that can answer with much more than
    /// they are asked.
    #[inline]
    pub fn check_reply(&self, more: usize) -> Result<(), CommandError> {
        check_reply(&self.reply, self.reply_start, more)
    }

    /// The error for a wrong number of arguments.
    pub fn wrong_arity(&self) -> CommandError {
        CommandError::WrongArity(self.command.to_owned())
    }
}

/// Fails when the reply from `start` on, with `more` bytes, is too long.
#[inline]
pub fn check_reply(reply: &ReplyWriter<'_>, start: usize, more: usize) -> Result<(), CommandError> {
    let bytes = reply.len() - start;
    if bytes.saturating_add(more) > REPLY_BYTES_MAX {
        Err(CommandError::ReplyTooLong)
    } else {
        Ok(())
    }
}

/// The value of a string entry.
#[inline]
pub fn string_value<'e>(entry: &EntryRef<'e>) -> Result<ValueRef<'e>, CommandError> {
    let value = entry.value();
    match value.kind() {
        ValueKind::String => Ok(value),
    }
}
