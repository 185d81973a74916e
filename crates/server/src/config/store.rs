//! The configuration of the running server: the current settings, who is told when they change, and
//! a cheap way for workers to see that they did.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::warn;

use super::declare::Row;
use super::prefixes::{self, PrefixSettings};
use super::set::ask;
use super::source::Source;
use super::table::{ROWS, Settings};
use super::users::UserSettings;
use super::value::Value;

/// The settings of the running server. CONFIG GET, SET and REWRITE are its methods `get`, `set` and
/// `rewrite`.
pub struct Config {
    /// Held while a change is checked and applied, so that changes come one after the other.
    pub(super) state: Mutex<State>,
    /// Held while the file is written.
    pub(super) rewriting: Mutex<()>,
    /// The absolute path of the file that was read.
    pub(super) path: Option<PathBuf>,
    /// The prefixes of keys. They do not change.
    prefixes: Vec<PrefixSettings>,
    /// The users that the file has. They do not change.
    users: Vec<UserSettings>,
    /// The settings of `state`, for everyone who only reads.
    current: Mutex<Arc<Settings>>,
    /// Counts the changes of `current`.
    version: AtomicU64,
}

/// The value of each row with its source, and who is told of changes.
pub(super) struct State {
    pub(super) values: Vec<Value>,
    pub(super) sources: Vec<Source>,
    /// What the file said when it was last read, over the defaults.
    pub(super) file_values: Vec<Value>,
    pub(super) hooks: Vec<Hook>,
    /// See [`Settings::available_memory_bytes`].
    pub(super) available_memory_bytes: u64,
}

/// Is told the settings before and after a change, before the change is made, and acts on it or
/// refuses it. When a later hook refuses, it is called again with the two exchanged.
pub type Hook = Box<dyn Fn(&Settings, &Settings) -> Result<(), Refusal> + Send>;

/// Why a hook refuses a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The path of the setting that cannot have its new value.
    pub path: &'static str,
    /// Why, as the end of a line that the client reads.
    pub reason: String,
}

impl Config {
    /// One value and source for each row, in the order of the rows; the absolute path of the file
    /// that was read, if one was; the memory that this process may use.
    pub(super) fn new(
        values: Vec<Value>,
        sources: Vec<Source>,
        path: Option<PathBuf>,
        available_memory_bytes: u64,
    ) -> Config {
        let settings = Settings::from_values(&values, available_memory_bytes);
        Config {
            state: Mutex::new(State {
                file_values: ROWS.iter().map(Row::default_value).collect(),
                values,
                sources,
                hooks: Vec::new(),
                available_memory_bytes,
            }),
            rewriting: Mutex::new(()),
            path,
            prefixes: Vec::new(),
            users: Vec::new(),
            current: Mutex::new(Arc::new(settings)),
            version: AtomicU64::new(0),
        }
    }

    /// With what the file has said.
    pub(super) fn with_file_values(self, file_values: Vec<Value>) -> Config {
        self.state.lock().file_values = file_values;
        self
    }

    /// With these prefixes of keys.
    pub(super) fn with_prefixes(self, prefixes: Vec<PrefixSettings>) -> Config {
        let checked = prefixes.clone();
        self.on_change(move |_, settings| {
            match prefixes::conflict(&checked, settings.memory.eviction_policy) {
                None => Ok(()),
                Some((_, reason)) => Err(Refusal {
                    path: "memory.eviction_policy",
                    reason,
                }),
            }
        });
        Config { prefixes, ..self }
    }

    /// With these users.
    pub(super) fn with_users(self, users: Vec<UserSettings>) -> Config {
        Config { users, ..self }
    }

    /// The users that the file has.
    pub fn users(&self) -> &[UserSettings] {
        &self.users
    }

    /// The prefixes of keys.
    pub fn prefixes(&self) -> &[PrefixSettings] {
        &self.prefixes
    }

    /// The current settings. A worker that asks often keeps a [`Watch`] instead.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.current.lock())
    }

    /// The current settings, to be refreshed when they change.
    pub fn watch(self: &Arc<Config>) -> Watch {
        // The version first: a change in between is then seen by the next refresh.
        let version = self.version.load(Ordering::Acquire);
        Watch {
            config: Arc::clone(self),
            version,
            settings: self.settings(),
        }
    }

    /// Adds a hook, which is called at each change from now on, after those that were there. A hook
    /// must not change the configuration.
    pub fn on_change(
        &self,
        hook: impl Fn(&Settings, &Settings) -> Result<(), Refusal> + Send + 'static,
    ) {
        self.state.lock().hooks.push(Box::new(hook));
    }

    /// Follows the memory that this process may use, which its control group can change.
    pub fn set_available_memory(&self, bytes: u64) {
        let mut state = self.state.lock();
        if state.available_memory_bytes == bytes {
            return;
        }
        let before = Settings::from_values(&state.values, state.available_memory_bytes);
        let after = Settings::from_values(&state.values, bytes);
        state.available_memory_bytes = bytes;
        if let Err(Refusal { path, reason }) = ask(&state.hooks, &before, &after) {
            warn!(
                path,
                reason, "a change of the memory that there is has no effect"
            );
            return;
        }
        self.publish(after);
    }

    /// The absolute path of the configuration file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Shows everyone the settings that `state` has now.
    pub(super) fn publish(&self, settings: Settings) {
        *self.current.lock() = Arc::new(settings);
        self.version.fetch_add(1, Ordering::Release);
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .field("settings", &self.settings())
            .finish_non_exhaustive()
    }
}

/// One reader's copy of the settings.
#[derive(Debug)]
pub struct Watch {
    config: Arc<Config>,
    version: u64,
    settings: Arc<Settings>,
}

impl Watch {
    /// Takes over what was changed, and says whether something was. Costs one atomic load when
    /// nothing was.
    pub fn refresh(&mut self) -> bool {
        let version = self.config.version.load(Ordering::Acquire);
        if version == self.version {
            return false;
        }
        self.version = version;
        self.settings = self.config.settings();
        true
    }

    /// The settings as of the last refresh.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }
}
