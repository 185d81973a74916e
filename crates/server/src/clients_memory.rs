//! What connections take of the memory, and what becomes of those that take too much.
//!
//! A client's memory is its state, the requests that wait or arrive, what MULTI has queued, and the replies that wait.
//! Requests that wait in receive buffers do not count: there are only so many buffers, for all clients together, and who
//! has many of them is not received from for a while. Each worker keeps the sum for its own clients and shows it once per wake.
//!
//! A large value is sent from where the keyspace has it. While its key is there it is the keyspace's. When that is gone,
//! the value counts for one of the clients that read it slowly: those whose send was already under way at the last tick,
//! about a second ago. Until then a value costs them nothing, as one that many read while it is overwritten again and
//! again should not. The limit of replies that wait for one client, which is not about memory alone, counts large values
//! always, as Redis does.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use commands::clients::Client;
use commands::limits::FIRST_REPLY_BYTES;
use commands::shared::Shared;
use net::Backend;
use tracing::warn;

use crate::config::OutputLimit;
use crate::process::{Process, Traffic};
use crate::worker::Worker;

/// The memory of a client, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All of it.
    pub bytes: u64,
    /// That of clients that are never closed to make room.
    pub exempt_bytes: u64,
}

impl Counted {
    /// Of several clients one has changed.
    pub fn replace(&mut self, before: Counted, after: Counted) {
        self.bytes = self.bytes + after.bytes - before.bytes;
        self.exempt_bytes = self.exempt_bytes + after.exempt_bytes - before.exempt_bytes;
    }
}

impl<B: Backend> Worker<B> {
    /// Brings what others see of a connection's memory up to date, and the sum.
    pub(crate) fn account(&mut self, slot: usize) {
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        let client = &connection.session.client;
        for (shown, bytes) in [
            (&client.input_bytes, connection.input_bytes()),
            (&client.pooled_bytes, connection.pooled_bytes()),
            (&client.partial_bytes, connection.input.partial_bytes()),
            (&client.output_bytes, connection.unsent_bytes()),
            (&client.lent_bytes, connection.lent_bytes()),
            (&client.transport_bytes, connection.transport_bytes()),
        ] {
            shown.store(bytes as u64, Relaxed);
        }
        client
            .charged_bytes
            .store(connection.charged_bytes, Relaxed);
        let bytes = client.memory_bytes();
        let counted = Counted {
            bytes,
            exempt_bytes: if client.is_exempt() { bytes } else { 0 },
        };
        let before = std::mem::replace(&mut connection.counted, counted);
        self.counted.replace(before, counted);
    }

    /// Closes a connection for which more waits than it may. Clients that watch all commands are normal ones, as in Redis.
    pub(crate) fn keep_output_limit(&mut self, slot: usize) {
        let limit = self.settings.settings().server.output_buffer_limits.normal;
        let Some(connection) = self.connections[slot].as_deref_mut() else {
            return;
        };
        if limit == OutputLimit::default() {
            return;
        }
        let unsent_bytes = connection.unsent_bytes() as u64;
        let counted_bytes = unsent_bytes.saturating_sub(FIRST_REPLY_BYTES);
        let is_over_soft = limit.soft_bytes > 0 && counted_bytes >= limit.soft_bytes;
        let since_ms = connection.over_limit_since_ms.unwrap_or(self.now_ms);
        connection.over_limit_since_ms = is_over_soft.then_some(since_ms);
        let soft_ms = limit.soft_seconds.saturating_mul(1000);
        let is_over = (limit.hard_bytes > 0 && counted_bytes >= limit.hard_bytes)
            || (is_over_soft && self.now_ms - since_ms > soft_ms);
        if is_over && !connection.is_closed {
            let client = &connection.session.client;
            warn!(
                client = client.id,
                address = client.address,
                name = client.names.lock().name,
                unsent_bytes,
                "a client is closed: more waits for it than server.output_buffer_limits allow"
            );
            let stats = &self.shared.stats[self.index];
            stats.overflown_clients.add(1);
            self.close(slot);
        }
    }

    /// Looks, about once a second, for clients that have had time to read what was sent to them.
    pub(crate) fn look_for_slow_readers(&mut self) {
        let keyspace = Arc::clone(self.keyspace.keyspace());
        keyspace.begin_charging_removed(self.index);
        for slot in 0..self.connections.len() {
            let Some(connection) = self.connections[slot].as_deref_mut() else {
                continue;
            };
            let mut charged_bytes = 0;
            if connection.is_slow {
                let values = connection.lent_values();
                let bytes = values.map(|(address, _)| keyspace.charge_removed(self.index, address));
                charged_bytes = bytes.sum();
            }
            connection.is_slow = connection.sending > 0;
            if charged_bytes != connection.charged_bytes {
                connection.charged_bytes = charged_bytes;
                self.account(slot);
            }
            self.keep_output_limit(slot);
        }
    }

    /// Shows what the clients of this worker take, and sees to it that all clients keep to their budget.
    pub(crate) fn keep_clients_budget(&mut self) {
        let shown = &self.process.traffic[self.index];
        shown.clients_bytes.set(self.counted.bytes);
        shown.exempt_clients_bytes.set(self.counted.exempt_bytes);
        if self.clients_bytes_max > 0
            && self.process.evictable_clients_bytes() > self.clients_bytes_max
        {
            let stats = &self.shared.stats[self.index];
            let evicted = self
                .process
                .evict_clients(&self.shared, self.clients_bytes_max);
            stats.evicted_clients.add(evicted);
        }
    }
}

impl Process {
    /// What all clients take, in bytes, as of each worker's last wake.
    pub fn client_bytes(&self) -> u64 {
        let workers = self.traffic.iter();
        workers.map(|traffic| traffic.clients_bytes.get()).sum()
    }

    /// The same without those that are never closed to make room. As in Redis they do not count: otherwise one of them
    /// that takes everything would have all others closed, without an effect.
    fn evictable_clients_bytes(&self) -> u64 {
        let bytes = |traffic: &Traffic| {
            let exempt_bytes = traffic.exempt_clients_bytes.get();
            traffic.clients_bytes.get().saturating_sub(exempt_bytes)
        };
        self.traffic.iter().map(bytes).sum()
    }

    /// Has those clients closed that take most, until the others take no more than `bytes_max`. How many that were.
    fn evict_clients(&self, shared: &Shared, bytes_max: u64) -> u64 {
        // One worker is enough.
        let Some(_evicting) = self.evicting_clients.try_lock() else {
            return 0;
        };
        // Those that were killed before are on their way out.
        let clients = shared.clients.all().into_iter();
        let clients = clients.filter(|client| !client.killed.load(Relaxed) && !client.is_exempt());
        let mut clients: Vec<(u64, Arc<Client>)> = clients
            .map(|client| (client.memory_bytes(), client))
            .collect();
        let mut left_bytes: u64 = clients.iter().map(|(bytes, _)| bytes).sum();
        clients.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        let mut evicted = 0;
        for (bytes, client) in &clients {
            if left_bytes <= bytes_max {
                break;
            }
            if client.killed.swap(true, Relaxed) {
                continue;
            }
            warn!(
                client = client.id,
                address = client.address,
                name = client.names.lock().name,
                bytes,
                "a client is closed: all clients together take more than memory.max_memory_clients allows"
            );
            self.close_killed(client);
            left_bytes -= bytes;
            evicted += 1;
        }
        evicted
    }
}
