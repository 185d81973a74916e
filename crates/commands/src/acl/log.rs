//! ACL LOG: what was denied lately.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// How long after the last one the same denial is counted with those before, in milliseconds.
const SAME_MS_MAX: u64 = 60_000;
/// How many entries are looked through for the same denial.
const COMPARED_MAX: usize = 10;

/// What was denied, newest first.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: Mutex<Entries>,
    /// All denials since the start, by their reason.
    counts: [AtomicU64; Reason::ALL.len()],
}

#[derive(Debug, Default)]
struct Entries {
    list: VecDeque<LogEntry>,
    last_id: u64,
}

/// One kind of denial, and how often it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub id: u64,
    /// How often.
    pub count: u64,
    /// What was denied.
    pub denial: Denial,
    /// When it happened first, in milliseconds of the Unix epoch.
    pub created_ms: u64,
    /// When it happened last.
    pub updated_ms: u64,
    /// The line of CLIENT LIST of whoever it happened to last.
    pub client: String,
}

/// What was denied, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What stood against it.
    pub reason: Reason,
    /// Where it happened.
    pub scene: Scene,
    /// The command or key.
    pub object: Vec<u8>,
    /// The user's name.
    pub user: Vec<u8>,
}

/// Why something was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The command is not allowed.
    Command,
    /// The key is not.
    Key,
    /// The password was wrong, or the user may not log in.
    Authentication,
}

impl Reason {
    /// All of them.
    const ALL: [Self; 3] = [Self::Command, Self::Key, Self::Authentication];

    /// As Redis words it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Authentication => "auth",
        }
    }
}

/// Where something was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Outside of a transaction.
    TopLevel,
    /// In a transaction.
    Transaction,
}

impl Scene {
    /// As Redis words it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Transaction => "multi",
        }
    }
}

impl AclLog {
    /// Notes a denial. The log keeps `entries_max` entries.
    pub fn add(&self, denial: Denial, client: String, now_ms: u64, entries_max: usize) {
        self.counts[denial.reason as usize].fetch_add(1, Relaxed);
        let Entries { list, last_id } = &mut *self.entries.lock();
        let same = list.iter().take(COMPARED_MAX).position(|entry| {
            entry.denial == denial && entry.updated_ms.abs_diff(now_ms) <= SAME_MS_MAX
        });
        let entry = match same.and_then(|at| list.remove(at)) {
            Some(entry) => LogEntry {
                count: entry.count + 1,
                updated_ms: now_ms,
                client,
                ..entry
            },
            None => {
                *last_id += 1;
                LogEntry {
                    id: *last_id - 1,
                    count: 1,
                    denial,
                    created_ms: now_ms,
                    updated_ms: now_ms,
                    client,
                }
            }
        };
        list.push_front(entry);
        list.truncate(entries_max);
    }

    /// The newest entries, at most so many.
    pub fn newest(&self, count: usize) -> Vec<LogEntry> {
        self.entries
            .lock()
            .list
            .iter()
            .take(count)
            .cloned()
            .collect()
    }

    /// How often something was denied for this reason since the start.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize].load(Relaxed)
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.entries.lock().list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{AclLog, Denial, Reason, Scene};

    fn denial(object: &str) -> Denial {
        Denial {
            reason: Reason::Command,
            scene: Scene::TopLevel,
            object: object.into(),
            user: b"u".to_vec(),
        }
    }

    #[test]
    fn the_same_is_counted_for_a_minute() {
        let log = AclLog::default();
        let add = |object, now_ms| log.add(denial(object), "c".to_owned(), now_ms, 3);
        add("get", 0);
        add("set", 1);
        add("get", 60_000);
        let shown = |count| {
            let entries = log.newest(count);
            let shown = entries.iter().map(|entry| {
                let object = String::from_utf8_lossy(&entry.denial.object).into_owned();
                (entry.id, object, entry.count, entry.created_ms)
            });
            shown.collect::<Vec<_>>()
        };
        let name = str::to_owned;
        assert_eq!(shown(9), [(0, name("get"), 2, 0), (1, name("set"), 1, 1)]);
        add("get", 120_001);
        assert_eq!(shown(1), [(2, name("get"), 1, 120_001)]);
        add("a", 120_001);
        assert_eq!(shown(9).len(), 3);
        log.clear();
        assert_eq!(shown(9), []);
        assert_eq!(log.count(Reason::Command), 5);
        assert_eq!(log.count(Reason::Key), 0);
    }
}
