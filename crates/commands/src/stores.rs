//! Runs of requests that store one value each, and nothing else: what such a run shares is looked up once.

use keyspace::{Group, Key, NewValue, Room};
use resp::{Output, ReplyWriter};

use crate::dispatch::{Dispatcher, Requests};
use crate::heads::Kind;
use crate::registry::Registered;
use crate::session::Session;

impl Dispatcher<'_> {
    /// Executes requests while they store one value, and nothing is in their way.
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
        while let Some(registered) = requests.next().and_then(|item| item.of_kind(Kind::Store)) {
            let command = self.stats().command(registered.id);
            let executed = command
                .count_run(|most| store_same(group, session, requests, registered, most, out));
            if executed == 0 {
                return;
            }
            session.last_command = registered.id as u32 + 1;
            session.commands += executed as u64;
        }
    }
}

/// Executes requests while they are for this command, `most` of them; how many. A function of its own, so that what the
/// loop needs stays in registers.
#[inline(never)]
fn store_same(
    group: &mut Group<'_>,
    session: &Session,
    requests: &mut Requests<'_>,
    registered: &'static Registered,
    most: usize,
    out: &mut Output,
) -> usize {
    let (batch, input, unsent) = (requests.batch, requests.input, requests.unsent);
    let (database, before) = (session.database, requests.done);
    let mut reply = ReplyWriter::new(out, session.protocol);
    for item in requests.items[before..].iter().take(most) {
        let is_next = item.is(Kind::Store, registered) && !unsent.is_full(reply.len());
        if !is_next || group.room() != Room::Enough {
            break;
        }
        let (place, hash) = batch.hash(item);
        group.advance(place);
        let key = Key {
            database,
            bytes: item.key(input),
            hash,
        };
        let value = NewValue::from_client(batch.last_argument(item, input));
        if group.set(key, value).is_err() {
            break;
        }
        reply.ok();
        requests.done += 1;
    }
    requests.done - before
}
