//! The connections of the whole process, as CLIENT LIST, KILL and INFO see them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use keyspace::WatchedKey;
use parking_lot::Mutex;

use crate::acl::DEFAULT_USER;
use crate::registry::registry;

/// What everybody may see of one connection. Its worker brings the counters up to date once per wake.
#[derive(Debug)]
pub struct Client {
    /// Its number, never used again.
    pub id: u64,
    /// The worker that serves it.
    pub worker: usize,
    /// The peer, as `ip:port` (`[ip]:port` for IPv6) or the path of the unix socket with `:0`.
    pub address: String,
    /// Our end.
    pub local_address: String,
    /// Whether it came through the unix socket.
    pub is_unix: bool,
    /// The descriptor.
    pub descriptor: i32,
    /// Bytes of its state, whatever it does.
    pub state_bytes: u64,
    /// When it connected, in milliseconds of the Unix epoch.
    pub created_ms: u64,
    /// When it last sent something, in milliseconds of the Unix epoch.
    pub active_ms: AtomicU64,
    /// The selected database.
    pub database: AtomicU8,
    /// The version of the protocol, 2 or 3.
    pub protocol: AtomicU8,
    /// See [`client_flag`].
    pub flags: AtomicU32,
    /// Commands in its transaction plus one; 0 when there is none.
    pub queued: AtomicU32,
    /// Bytes of the commands in its transaction.
    pub queued_bytes: AtomicU64,
    /// Keys that it watches.
    pub watched: AtomicU32,
    /// The last command's id plus one; 0 before the first.
    pub last_command: AtomicU32,
    /// Bytes of requests that wait.
    pub input_bytes: AtomicU64,
    /// Those of them that lie in receive buffers, which all clients share, and so do not count as this client's memory.
    pub pooled_bytes: AtomicU64,
    /// Bytes of what is known of a request that is not whole.
    pub partial_bytes: AtomicU64,
    /// Bytes of replies that wait.
    pub output_bytes: AtomicU64,
    /// Those of them that are sent from where the keyspace has them, and so do not count as this client's memory.
    pub lent_bytes: AtomicU64,
    /// Memory of large values that are kept for it alone: their keys are gone.
    pub charged_bytes: AtomicU64,
    /// Bytes of what encrypts its connection, if something does.
    pub transport_bytes: AtomicU64,
    /// Commands executed.
    pub commands: AtomicU64,
    /// Bytes received.
    pub received_bytes: AtomicU64,
    /// Bytes sent.
    pub sent_bytes: AtomicU64,
    /// Its place among the connections of its worker.
    pub slot: AtomicU32,
    /// It is to be closed by its worker.
    pub killed: AtomicBool,
    /// Its user.
    pub user: Mutex<ClientUser>,
    /// What it says about itself.
    pub names: Mutex<Names>,
}

impl Client {
    /// Bytes of what is kept for it: its state, requests and replies that wait, its transaction.
    #[inline]
    pub fn memory_bytes(&self) -> u64 {
        let replies = self.output_bytes.load(Relaxed);
        let replies = replies.saturating_sub(self.lent_bytes.load(Relaxed))
            + self.charged_bytes.load(Relaxed);
        let copied = self.input_bytes.load(Relaxed);
        let copied = copied.saturating_sub(self.pooled_bytes.load(Relaxed));
        let requests = copied + self.partial_bytes.load(Relaxed);
        let watched = u64::from(self.watched.load(Relaxed)) * size_of::<WatchedKey>() as u64;
        let state = self.state_bytes + self.transport_bytes.load(Relaxed);
        state + requests + replies + self.queued_bytes.load(Relaxed) + watched
    }

    /// Its last command; none before the first.
    pub fn command(&self) -> Option<&'static str> {
        let place = (self.last_command.load(Relaxed) as usize).checked_sub(1)?;
        let registered = registry().all().get(place)?;
        Some(registered.full_name.as_str())
    }

    /// Whether it is never closed to make room (CLIENT NO-EVICT).
    pub fn is_exempt(&self) -> bool {
        self.flags.load(Relaxed) & client_flag::NO_EVICT != 0
    }
}

/// The user of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUser {
    /// See [`crate::acl::User::id`].
    pub id: u64,
    /// Its name.
    pub name: Vec<u8>,
}

impl Default for ClientUser {
    fn default() -> Self {
        Self {
            id: 0,
            name: DEFAULT_USER.to_vec(),
        }
    }
}

/// What a client says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO LIB-NAME.
    pub library: String,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: String,
}

/// Flags of [`Client::flags`].
pub mod client_flag {
    /// CLIENT NO-EVICT.
    pub const NO_EVICT: u32 = 1 << 0;
    /// CLIENT NO-TOUCH.
    pub const NO_TOUCH: u32 = 1 << 1;
    /// It closes after its reply.
    pub const CLOSING: u32 = 1 << 2;
    /// A watched key has changed.
    pub const DIRTY: u32 = 1 << 3;
    /// It follows redirections.
    pub const REDIRECT: u32 = 1 << 4;
    /// It watches all commands.
    pub const MONITOR: u32 = 1 << 5;
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// See [`Client::address`].
    pub address: String,
    /// See [`Client::local_address`].
    pub local_address: String,
    /// See [`Client::is_unix`].
    pub is_unix: bool,
    /// See [`Client::descriptor`].
    pub descriptor: i32,
    /// Bytes that the process keeps for every connection, besides [`Client`].
    pub state_bytes: usize,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Clients {
    last_id: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
}

impl Clients {
    /// Registers a connection.
    pub fn add(&self, origin: Origin, worker: usize, now_ms: u64) -> Arc<Client> {
        let Origin {
            address,
            local_address,
            is_unix,
            descriptor,
            state_bytes,
        } = origin;
        let texts = address.len() + local_address.len();
        let state_bytes = (state_bytes + size_of::<Client>() + texts) as u64;
        let client = Arc::new(Client {
            id: self.last_id.fetch_add(1, Relaxed) + 1,
            worker,
            address,
            local_address,
            is_unix,
            descriptor,
            state_bytes,
            created_ms: now_ms,
            active_ms: AtomicU64::new(now_ms),
            database: AtomicU8::new(0),
            protocol: AtomicU8::new(2),
            flags: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            queued_bytes: AtomicU64::new(0),
            watched: AtomicU32::new(0),
            last_command: AtomicU32::new(0),
            input_bytes: AtomicU64::new(0),
            pooled_bytes: AtomicU64::new(0),
            partial_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            lent_bytes: AtomicU64::new(0),
            charged_bytes: AtomicU64::new(0),
            transport_bytes: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            slot: AtomicU32::new(0),
            killed: AtomicBool::new(false),
            user: Mutex::default(),
            names: Mutex::default(),
        });
        self.connected.lock().insert(client.id, Arc::clone(&client));
        client
    }

    /// Forgets a connection that has ended.
    pub fn remove(&self, client: &Client) {
        self.connected.lock().remove(&client.id);
    }

    /// All connections, by id.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }

    /// The connection with this id.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.connected.lock().get(&id).cloned()
    }

    /// The number of connections.
    pub fn count(&self) -> usize {
        self.connected.lock().len()
    }
}
