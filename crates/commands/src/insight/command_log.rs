//! The last commands that were slow or large, with the beginning of their arguments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::Executed;
use super::redaction::shown;

/// The most arguments that are kept of a command, as in Redis: of more, the last one says how many are missing.
const ARGUMENTS_MAX: usize = 32;
/// The most bytes that are kept of an argument, as in Redis.
const ARGUMENT_BYTES_MAX: usize = 128;

/// A log of commands; the newest push out the oldest.
#[derive(Default)]
pub struct CommandLog {
    entries_max: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    /// The newest first.
    entries: VecDeque<Arc<LoggedCommand>>,
}

/// One command of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommand {
    /// Its number, never used again.
    pub id: u64,
    /// When it was executed, in seconds of the Unix epoch.
    pub at_s: u64,
    /// Microseconds that it took, or bytes.
    pub value: u64,
    /// The beginning of its arguments.
    pub arguments: Vec<Vec<u8>>,
    /// Who has sent it.
    pub address: String,
    /// What that client called itself.
    pub name: String,
}

impl CommandLog {
    pub(super) fn set_entries_max(&self, entries_max: usize) {
        self.entries_max.store(entries_max, Relaxed);
    }

    pub(super) fn add(&self, executed: &Executed<'_>, value: u64) {
        let entries_max = self.entries_max.load(Relaxed);
        let mut entry = LoggedCommand {
            id: 0,
            at_s: executed.now_ms / 1000,
            value,
            arguments: arguments(executed),
            address: executed.client.address.clone(),
            name: executed.client.names.lock().name.clone(),
        };
        let mut state = self.state.lock();
        entry.id = state.next_id;
        state.next_id += 1;
        state.entries.push_front(Arc::new(entry));
        state.entries.truncate(entries_max);
    }

    /// The newest entries, at most so many, the newest first.
    pub fn newest(&self, count: usize) -> Vec<Arc<LoggedCommand>> {
        self.state
            .lock()
            .entries
            .iter()
            .take(count)
            .cloned()
            .collect()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries. Numbers go on.
    pub fn reset(&self) {
        self.state.lock().entries = VecDeque::new();
    }

    pub(super) fn bytes(&self) -> usize {
        let state = self.state.lock();
        let entries: usize = state.entries.iter().map(|entry| entry.bytes()).sum();
        entries + state.entries.capacity() * size_of::<Arc<LoggedCommand>>()
    }
}

impl LoggedCommand {
    fn bytes(&self) -> usize {
        let arguments = self.arguments.iter();
        let arguments: usize = arguments
            .map(|argument| size_of::<Vec<u8>>() + argument.capacity())
            .sum();
        size_of::<Self>() + arguments + self.address.capacity() + self.name.capacity()
    }
}

/// What is kept of the arguments. Of a run there is the first command, and how many there were besides it.
fn arguments(executed: &Executed<'_>) -> Vec<Vec<u8>> {
    let all = shown(executed.registered, executed.args);
    let count = all.len();
    let kept_max = if count > ARGUMENTS_MAX {
        ARGUMENTS_MAX - 1
    } else {
        count
    };
    let mut kept: Vec<Vec<u8>> = all.take(kept_max).map(beginning).collect();
    if count > kept_max {
        let missing = count - kept_max;
        kept.push(format!("... ({missing} more arguments)").into_bytes());
    }
    if executed.others > 0 {
        let others = executed.others;
        kept.push(format!("... (and {others} more commands like it)").into_bytes());
    }
    kept
}

fn beginning(argument: &[u8]) -> Vec<u8> {
    if argument.len() <= ARGUMENT_BYTES_MAX {
        return argument.to_vec();
    }
    let missing = argument.len() - ARGUMENT_BYTES_MAX;
    let note = format!("... ({missing} more bytes)");
    [&argument[..ARGUMENT_BYTES_MAX], note.as_bytes()].concat()
}
