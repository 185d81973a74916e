//! Runs of requests that store one value each, and nothing else: what such a run shares is looked up once.

use keyspace::{Group, Key, NewValue, Room};
use resp::{Output, ReplyWriter};

use crate::dispatch::{Dispatcher, Requests};
use crate::heads::Kind;
use crate::session::Session;
use crate::stats::CommandStats;

impl Dispatcher<'_> {
    /// Executes requests while they store one value with the same command, and nothing is in their way. A function of
    /// its own, so that what the loop needs stays in registers.
    #[inline(never)]
    pub(crate) fn store_run(
        &self,
        group: &mut Group<'_>,
        session: &mut Session,
        requests: &mut Requests<'_>,
        out: &mut Output,
    ) {
        let is_paused = self.shared.pause.is_active(group.now_ms());
        // A value that is received in place may be shared, not copied.
        if !session.is_plain() || is_paused || self.buffer.is_some() {
            return;
        }
        let Some(registered) = requests.next().and_then(|item| item.of_kind(Kind::Store)) else {
            return;
        };
        let (batch, input, unsent) = (requests.batch, requests.input, requests.unsent);
        let command = self.stats().command(registered.id);
        let reply = &mut ReplyWriter::new(out, session.protocol);
        let (database, before) = (session.database, requests.done);
        let mut started = None;
        for item in &requests.items[before..] {
            let is_next = item.is(Kind::Store, registered) && !unsent.is_full(reply.len());
            if !is_next || group.room() != Room::Enough {
                break;
            }
            let (place, hash) = batch.hash(item);
            group.advance(place);
            if command.is_timed() {
                started = CommandStats::start_time();
            }
            let key = Key {
                database,
                bytes: item.key(input),
                hash,
            };
            let value = NewValue::from_client(batch.last_argument(item, input));
            if group.set(key, value).is_err() {
                break;
            }
            command.calls.add(1);
            reply.ok();
            if started.is_some() {
                command.end(started.take());
            }
            requests.done += 1;
        }
        if requests.done > before {
            session.last_command = registered.id as u32 + 1;
            session.commands += (requests.done - before) as u64;
        }
    }
}
