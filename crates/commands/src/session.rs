//! What a connection is to the commands: its database, protocol, transaction and settings.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use keyspace::{WatchedKey, Watcher};
use resp::{OwnedArgs, Protocol};

use crate::acl::{Acl, User};
use crate::clients::{Client, client_flag};
use crate::insight::Feed;
use crate::registry::Registered;
use crate::shared::Shared;
use crate::unfinished::Unfinished;

/// The state of one connection. Only its worker has it; what others may see is in its [`Client`].
pub struct Session {
    /// What other connections may see of it.
    pub client: Arc<Client>,
    /// The selected database.
    pub database: u8,
    /// The version of the protocol.
    pub protocol: Protocol,
    /// Whether the client may run commands that need authentication.
    pub authenticated: bool,
    /// Whether nothing is denied to it, so that it needs no check.
    pub may_everything: bool,
    /// Whether it has logged in, or did not have to when it connected.
    pub(crate) is_logged_in: bool,
    /// Whom its permissions are of.
    pub user: Arc<User>,
    /// The changes of users that it has seen.
    pub(crate) acl_generation: u64,
    /// When it may try to log in again, in milliseconds of the Unix epoch, if that was put off.
    pub resumes_ms: u64,
    /// Whether reading a key counts as an access (CLIENT NO-TOUCH turns it off).
    pub touches: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// Whether the client follows redirections (CLIENT CAPA).
    pub follows_redirects: bool,
    /// Whether replies are sent.
    pub replies: Replies,
    /// The connection is closed once the replies so far are sent.
    pub closes: bool,
    /// The id of the last command plus one; 0 before the first.
    pub last_command: u32,
    /// Commands executed.
    pub commands: u64,
    /// Commands of the transaction that EXEC executes now, plus one; 0 outside EXEC.
    pub executing: u32,
    /// The open MULTI.
    pub transaction: Option<Box<Transaction>>,
    /// The watched keys.
    pub watching: Option<Box<Watching>>,
    /// All commands of all connections (MONITOR).
    pub feed: Option<Arc<Feed>>,
    /// A reply that is written in steps; nothing is executed until it is finished.
    pub unfinished: Option<Box<Unfinished>>,
}

impl Session {
    /// Whether its commands are executed at once and answered.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.may_everything
            && self.transaction.is_none()
            && self.feed.is_none()
            && self.replies == Replies::On
    }
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// Every reply is sent.
    On,
    /// None is.
    Off,
    /// That of the next command is not.
    SkipNext,
    /// That of this command is not.
    Skip,
}

/// The commands between MULTI and EXEC.
#[derive(Default)]
pub struct Transaction {
    /// The commands, in order.
    pub queued: Vec<Queued>,
    /// A command was refused: EXEC will fail.
    pub broken: bool,
    /// Bytes of the queued commands.
    pub bytes: usize,
}

/// One command between MULTI and EXEC.
pub struct Queued {
    /// The command.
    pub registered: &'static Registered,
    /// Its arguments.
    pub args: OwnedArgs,
}

/// WATCH.
#[derive(Default)]
pub struct Watching {
    /// Becomes dirty when a key changes.
    pub watcher: Arc<Watcher>,
    /// The keys.
    pub keys: Vec<WatchedKey>,
}

impl Session {
    /// A new connection's session.
    pub fn new(client: Arc<Client>, acl: &Acl) -> Self {
        // The generation first: a change in between is then seen by the first request.
        let acl_generation = acl.generation();
        let user = acl.default_user();
        let is_open = user.is_open();
        Self {
            client,
            database: 0,
            protocol: Protocol::Resp2,
            authenticated: is_open,
            may_everything: is_open && user.may_everything(),
            is_logged_in: is_open,
            user,
            acl_generation,
            resumes_ms: 0,
            touches: true,
            no_evict: false,
            follows_redirects: false,
            replies: Replies::On,
            closes: false,
            last_command: 0,
            executing: 0,
            commands: 0,
            transaction: None,
            watching: None,
            feed: None,
            unfinished: None,
        }
    }

    /// Lets other connections see what this one has come to.
    pub fn publish(&self) {
        let client = &self.client;
        client.database.store(self.database, Relaxed);
        client.protocol.store(self.protocol.version(), Relaxed);
        client.last_command.store(self.last_command, Relaxed);
        client.commands.store(self.commands, Relaxed);
        let queued = self
            .transaction
            .as_ref()
            .map_or(self.executing, |transaction| {
                transaction.queued.len() as u32 + 1
            });
        client.queued.store(queued, Relaxed);
        let queued_bytes = self
            .transaction
            .as_ref()
            .map_or(0, |transaction| transaction.bytes);
        client.queued_bytes.store(queued_bytes as u64, Relaxed);
        let watched = self
            .watching
            .as_ref()
            .map_or(0, |watching| watching.keys.len());
        client.watched.store(watched as u32, Relaxed);
        let is_dirty = self
            .watching
            .as_ref()
            .is_some_and(|watching| watching.watcher.is_dirty());
        let flags = [
            (self.no_evict, client_flag::NO_EVICT),
            (!self.touches, client_flag::NO_TOUCH),
            (self.closes, client_flag::CLOSING),
            (is_dirty, client_flag::DIRTY),
            (self.follows_redirects, client_flag::REDIRECT),
            (self.feed.is_some(), client_flag::MONITOR),
        ];
        let set = flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, flag)| flag);
        client.flags.store(set.sum(), Relaxed);
    }

    /// Ends all watches.
    pub fn unwatch(&mut self, shared: &Shared) {
        let Some(watching) = self.watching.take() else {
            return;
        };
        for key in &watching.keys {
            shared.keyspace.unwatch(key, &watching.watcher);
        }
    }

    /// Ends MONITOR.
    pub fn stop_watching_commands(&mut self, shared: &Shared) {
        if let Some(feed) = self.feed.take() {
            shared.insight.monitors.remove(&feed);
        }
    }

    /// Ends the session; every connection's session must end so.
    pub fn end(&mut self, shared: &Shared) {
        self.unwatch(shared);
        self.stop_watching_commands(shared);
        self.transaction = None;
        shared.clients.remove(&self.client);
    }
}
