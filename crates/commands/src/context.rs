//! What a handler works with: its session, its locked keys, its reply.

use std::sync::Arc;

use keyspace::{Deadline, EntryRef, Key, Locked, NewValue, SharedBytes, StringRef};
use resp::{Args, ReplyWriter};

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
    /// The keys whose hashes are known.
    pub(crate) hashed: Hashed<'c>,
    /// The buffer that the arguments lie in, if a large value among them may share it.
    pub(crate) buffer: Option<&'c Arc<Vec<u8>>>,
    /// Whether somebody watches all commands.
    pub(crate) is_watched: bool,
    /// The length of the reply buffer before this command.
    pub(crate) reply_start: usize,
}

/// The hashes of keys that are among the arguments at regular places.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hashed<'c> {
    /// The place of the first key.
    pub first: usize,
    /// The distance of one key to the next.
    pub step: usize,
    /// The hashes.
    pub hashes: &'c [u64],
    /// The place of the first of them among those of the group.
    pub place: usize,
}

impl Hashed<'_> {
    /// Which of the hashes is that of the key at this place of the arguments.
    #[inline]
    fn index(self, at: usize) -> Option<usize> {
        let distance = at.checked_sub(self.first)?;
        if self.step == 1 {
            return Some(distance);
        }
        let is_key = distance.is_multiple_of(self.step);
        distance.checked_div(self.step).filter(|_| is_key)
    }
}

impl Context<'_, '_> {
    /// The key at a place of the arguments, in the selected database.
    #[inline]
    pub fn key<'k>(&self, args: Args<'k>, at: usize) -> Key<'k> {
        let database = self.session.database;
        let bytes = args.get(at);
        if let [hash] = *self.hashed.hashes
            && at == self.hashed.first
        {
            return Key {
                database,
                bytes,
                hash,
            };
        }
        self.key_of_several(database, bytes, at)
    }

    #[inline(never)]
    fn key_of_several<'k>(&self, database: u8, bytes: &'k [u8], at: usize) -> Key<'k> {
        let index = self.hashed.index(at);
        match index.and_then(|index| Some((index, *self.hashed.hashes.get(index)?))) {
            Some((index, hash)) => {
                self.keys.advance(self.hashed.place + index);
                Key {
                    database,
                    bytes,
                    hash,
                }
            }
            None => self.keys.key(database, bytes),
        }
    }

    /// Stores a value that a client sent, whatever the key was before.
    #[inline]
    pub fn set(&mut self, key: Key<'_>, bytes: &[u8], deadline: Deadline) {
        if let Some(buffer) = self.buffer
            && let Some(shared) = SharedBytes::within(buffer, bytes)
        {
            return self.keys.set(key, NewValue::Shared(&shared), deadline);
        }
        self.keys.set(key, NewValue::from_client(bytes), deadline);
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
pub fn string_value<'e>(entry: &EntryRef<'e>) -> Result<StringRef<'e>, CommandError> {
    entry.string().ok_or(CommandError::WrongType)
}
