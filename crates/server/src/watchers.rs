//! Connections that watch all commands (MONITOR): what workers have noted for them is sent.

use std::sync::atomic::Ordering::Relaxed;

use commands::insight::Feed;
use net::Backend;
use resp::ReplyWriter;
use tracing::warn;

use crate::worker::Worker;

impl<B: Backend> Worker<B> {
    /// Puts what has come for them into the output of this worker's watchers.
    pub(crate) fn show_commands(&mut self) {
        for feed in self.shared.insight.monitors.of_worker(self.index) {
            self.show_feed(&feed);
        }
    }

    fn show_feed(&mut self, feed: &Feed) {
        let slot = feed.client.slot.load(Relaxed) as usize;
        let Some(connection) = self
            .connections
            .get_mut(slot)
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        if connection.session.client.id != feed.client.id || connection.closes {
            return;
        }
        match feed.take() {
            Some(lines) => {
                let protocol = connection.session.protocol;
                ReplyWriter::new(&mut connection.output, protocol).raw(&lines);
                self.make_dirty(slot);
                self.account(slot);
                self.keep_output_limit(slot);
            }
            None => {
                let client = feed.client.id;
                warn!(
                    client,
                    "a client is closed: its worker could not show it all commands in time"
                );
                self.shared.stats[self.index].overflown_clients.add(1);
                self.close(slot);
            }
        }
    }
}
