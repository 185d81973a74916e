//! MONITOR: every command of every worker, as lines for those who watch.
//!
//! Workers append lines to the feed of each watcher; the watcher's own worker takes them from there to its connection.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use resp::Args;

use super::redaction::shown;
use crate::clients::Client;
use crate::registry::Registered;

/// The most that waits in a feed until its worker takes it. A worker that is held up for longer loses its watchers.
const FEED_BYTES_MAX: usize = 32 << 20;

/// All who watch.
#[derive(Default)]
pub struct Monitors {
    count: AtomicUsize,
    feeds: Mutex<Vec<Arc<Feed>>>,
}

/// The lines for one watcher.
pub struct Feed {
    /// Who watches.
    pub client: Arc<Client>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    are_too_many: bool,
}

/// One executed command, as watchers see it.
pub(crate) struct Watched<'w> {
    pub registered: &'static Registered,
    pub args: Args<'w>,
    pub client: &'w Client,
    /// The database that was selected.
    pub database: u8,
    /// Now, in microseconds of the Unix epoch.
    pub now_us: u64,
}

impl Monitors {
    /// Whether somebody watches.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// A client watches from now on.
    pub(crate) fn add(&self, client: &Arc<Client>) -> Arc<Feed> {
        let feed = Arc::new(Feed {
            client: Arc::clone(client),
            lines: Mutex::default(),
        });
        let mut feeds = self.feeds.lock();
        feeds.push(Arc::clone(&feed));
        self.count.store(feeds.len(), Relaxed);
        feed
    }

    /// A client watches no more.
    pub(crate) fn remove(&self, feed: &Arc<Feed>) {
        let mut feeds = self.feeds.lock();
        feeds.retain(|other| !Arc::ptr_eq(other, feed));
        self.count.store(feeds.len(), Relaxed);
    }

    /// The feeds of those that this worker serves.
    pub fn of_worker(&self, worker: usize) -> Vec<Arc<Feed>> {
        let feeds = self.feeds.lock();
        let own = feeds.iter().filter(|feed| feed.client.worker == worker);
        own.cloned().collect()
    }

    /// Shows everybody a command. `wake` is called for each watcher that had been shown everything before.
    pub(crate) fn show(&self, watched: &Watched<'_>, mut wake: impl FnMut(&Client)) {
        let line = line(watched);
        for feed in &*self.feeds.lock() {
            if feed.push(&line) {
                wake(&feed.client);
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let feeds = self.feeds.lock();
        let bytes = feeds.iter().map(|feed| {
            size_of::<Feed>() + size_of::<Arc<Feed>>() + feed.lines.lock().bytes.capacity()
        });
        bytes.sum()
    }
}

impl Feed {
    /// Appends a line; whether it is the first one.
    fn push(&self, line: &[u8]) -> bool {
        let mut lines = self.lines.lock();
        let is_first = lines.bytes.is_empty() && !lines.are_too_many;
        if lines.bytes.len() + line.len() > FEED_BYTES_MAX {
            lines.are_too_many = true;
            lines.bytes = Vec::new();
        }
        if !lines.are_too_many {
            lines.bytes.extend_from_slice(line);
        }
        is_first
    }

    /// What has come; `None` when that was too much, and the watcher is to be closed.
    pub fn take(&self) -> Option<Vec<u8>> {
        let mut lines = self.lines.lock();
        (!lines.are_too_many).then(|| std::mem::take(&mut lines.bytes))
    }
}

/// The line of a command, in Redis's form.
fn line(watched: &Watched<'_>) -> Vec<u8> {
    let Watched {
        registered,
        args,
        client,
        database,
        now_us,
    } = watched;
    let (seconds, microseconds) = (now_us / 1_000_000, now_us % 1_000_000);
    let mut line = format!("+{seconds}.{microseconds:06} [{database} ");
    if client.is_unix {
        let path = client.address.strip_suffix(":0");
        line += "unix:";
        line += path.unwrap_or(&client.address);
    } else {
        line += &client.address;
    }
    line.push(']');
    for argument in shown(registered, *args) {
        line += " \"";
        argument
            .iter()
            .for_each(|byte| push_escaped(&mut line, *byte));
        line.push('"');
    }
    line += "\r\n";
    line.into_bytes()
}

/// A byte as Redis shows it between quotes.
fn push_escaped(text: &mut String, byte: u8) {
    match byte {
        b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
        b'\n' => *text += "\\n",
        b'\r' => *text += "\\r",
        b'\t' => *text += "\\t",
        0x07 => *text += "\\a",
        0x08 => *text += "\\b",
        b' '..=b'~' => text.push(char::from(byte)),
        _ => {
            // A string takes everything.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::push_escaped;

    #[test]
    fn bytes_are_escaped() {
        let mut text = String::new();
        for byte in *b"a b\"\\\n\r\t\x07\x08\x00\x7f\xff~" {
            push_escaped(&mut text, byte);
        }
        assert_eq!(text, r#"a b\"\\\n\r\t\a\b\x00\x7f\xff~"#);
    }
}
