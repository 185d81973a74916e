//! Runs of requests that store one value each, and nothing else: what such a run shares is looked up once.

use keyspace::{Group, Key, NewValue, Room};
use resp::{Output, ReplyWriter};

use crate::dispatch::{Dispatcher, Requests, Run};
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
        let now_ms = group.now_ms();
        let is_held = self.is_watched || self.shared.pause.is_active(now_ms);
        // A value that is received in place may be shared, not copied.
        if !session.is_plain() || is_held || self.buffer.is_some() {
            return;
        }
        let (batch, input) = (requests.batch, requests.input);
        while let Some(registered) = requests.next().and_then(|item| item.of_kind(Kind::Store)) {
            let (first, reply_start) = (requests.done, out.len());
            let most = self.shared.insight.run_commands_max();
            let executions = store_same(group, session, requests, registered, most, out);
            if executions == 0 {
                return;
            }
            let run = Run {
                executions,
                first: batch.request(&requests.items[first], input),
                reply_bytes: out.len() - reply_start,
            };
            self.count_run(session, registered, run, now_ms);
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
