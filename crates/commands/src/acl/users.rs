//! All users, for all sessions. Sessions see changes through the generation, one load for each run of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::failures::Failures;
use super::file;
use super::log::AclLog;
use super::password::PasswordHash;
use super::selector::ChannelsDefault;
use super::user::{DEFAULT_USER, Fault, User};

/// The users, and what was denied to them.
#[derive(Debug)]
pub struct Acl {
    /// Counts the changes of users.
    generation: AtomicU64,
    state: Mutex<State>,
    /// What was denied.
    pub log: AclLog,
    /// The entries that the log keeps (`acllog-max-len`).
    pub log_entries_max: AtomicUsize,
    /// Who tried wrong passwords.
    pub failures: Failures,
}

#[derive(Debug)]
struct State {
    users: BTreeMap<Vec<u8>, Arc<User>>,
    last_id: u64,
    channels_default: ChannelsDefault,
    /// Of the user `default`, where no rule says otherwise (`requirepass`).
    default_password: Option<Vec<u8>>,
}

/// Entries of ACL LOG when nothing else is configured.
const LOG_ENTRIES_DEFAULT: usize = 128;
/// The id of the user `default`.
const DEFAULT_ID: u64 = 0;

impl Default for Acl {
    fn default() -> Self {
        let user = Arc::new(User::open_default(DEFAULT_ID));
        Self {
            generation: AtomicU64::new(0),
            state: Mutex::new(State {
                users: BTreeMap::from([(DEFAULT_USER.to_vec(), user)]),
                last_id: DEFAULT_ID,
                channels_default: ChannelsDefault::Reset,
                default_password: None,
            }),
            log: AclLog::default(),
            log_entries_max: AtomicUsize::new(LOG_ENTRIES_DEFAULT),
            failures: Failures::default(),
        }
    }
}

impl Acl {
    /// How often users have changed. Whoever has seen another number must ask for its user again.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The user of new connections.
    pub fn default_user(&self) -> Arc<User> {
        self.state.lock().default_user()
    }

    /// Whether new connections need no password.
    pub fn is_open(&self) -> bool {
        self.default_user().is_open()
    }

    /// The user of that name.
    pub fn user(&self, name: &[u8]) -> Option<Arc<User>> {
        self.state.lock().users.get(name).cloned()
    }

    /// All users by name.
    pub fn users(&self) -> Vec<Arc<User>> {
        self.state.lock().users.values().cloned().collect()
    }

    /// What a user has become; nothing if it was removed.
    pub fn current(&self, user: &User) -> Option<Arc<User>> {
        self.user(&user.name)
            .filter(|current| current.id == user.id)
    }

    /// The user, if that is its password and it may log in.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        // Before the name is looked at, which nobody should find out by the time that it takes.
        let hash = PasswordHash::of(password);
        self.user(name).filter(|user| user.accepts(&hash))
    }

    /// Changes a user, or makes a new one.
    ///
    /// # Errors
    /// The rule that is refused. Then nothing has changed.
    pub fn set_user<'w>(
        &self,
        name: &[u8],
        rules: impl Iterator<Item = &'w [u8]>,
    ) -> Result<(), Fault> {
        self.change(|state| {
            let user = state.user_or_new(name).changed(rules)?;
            state.put(user);
            Ok(())
        })
    }

    /// Makes a user anew from what the configuration says of it.
    ///
    /// # Errors
    /// The rule that is refused. Then nothing has changed.
    pub fn define_user<'w>(
        &self,
        name: &[u8],
        rules: impl Iterator<Item = &'w [u8]>,
    ) -> Result<(), Fault> {
        self.change(|state| {
            let user = state.user_or_new(name);
            let blank = User::new(user.id, name, state.channels_default);
            state.put(blank.changed(rules)?);
            Ok(())
        })
    }

    /// Removes users; those that were there.
    pub fn remove_users<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> Vec<Arc<User>> {
        self.change(|state| names.filter_map(|name| state.users.remove(name)).collect())
    }

    /// Gives the user `default` this password, or lets it in without one.
    pub fn set_default_password(&self, password: Option<&[u8]>) {
        self.change(|state| {
            state.default_password = password.map(<[u8]>::to_vec);
            let user = state.default_user().with_password(password);
            state.put(user);
        });
    }

    /// Which channels new users and selectors have (`acl-pubsub-default`).
    pub fn set_channels_default(&self, channels: ChannelsDefault) {
        self.change(|state| {
            state.channels_default = channels;
            for user in state.users.values_mut() {
                let changed = User::clone(user).with_channels_default(channels);
                *user = Arc::new(changed);
            }
        });
    }

    /// Takes over the users of an ACL file, and no others; those that are gone. `name` is the file's name in messages.
    ///
    /// # Errors
    /// Everything that is wrong with the file, in one line. Then nothing has changed.
    pub fn load(&self, name: &str, text: &[u8]) -> Result<Vec<Arc<User>>, Vec<u8>> {
        self.change(|state| {
            let channels = state.channels_default;
            let users = file::parse(name, text, |name| {
                User::new(state.user_or_new(name).id, name, channels)
            })?;
            let mut before = std::mem::take(&mut state.users);
            let password = state.default_password.as_deref();
            let default = User::open_default(DEFAULT_ID).with_channels_default(channels);
            state.put(default.with_password(password));
            for user in users {
                state.put(user);
            }
            before.retain(|name, _| !state.users.contains_key(name));
            Ok(before.into_values().collect())
        })
    }

    /// The text of an ACL file that makes these users.
    pub fn file_text(&self) -> Vec<u8> {
        let users = self.users();
        file::text(users.iter().map(AsRef::as_ref))
    }

    /// Changes users, and lets sessions know.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        self.generation.fetch_add(1, Ordering::Release);
        result
    }
}

impl State {
    fn default_user(&self) -> Arc<User> {
        let user = self.users.get(DEFAULT_USER);
        Arc::clone(user.expect("the user default is never removed"))
    }

    /// The user of that name, or one that is not there yet.
    fn user_or_new(&mut self, name: &[u8]) -> Arc<User> {
        if let Some(user) = self.users.get(name) {
            return Arc::clone(user);
        }
        self.last_id += 1;
        Arc::new(User::new(self.last_id, name, self.channels_default))
    }

    fn put(&mut self, user: User) {
        self.users.insert(user.name.clone(), Arc::new(user));
    }
}
