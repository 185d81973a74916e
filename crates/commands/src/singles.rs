//! Runs of short requests for the same command, each on one key under its lock: what such a run shares is looked up
//! once.

use keyspace::{AHEAD, Group, Key, Locked, Room};
use resp::{Output, ReplyWriter};

use crate::batch::Item;
use crate::command::flag;
use crate::context::{Context, Hashed};
use crate::dispatch::{Dispatcher, Execution, Requests, Run};
use crate::heads::Kind;
use crate::registry::Registered;
use crate::session::Session;

impl Dispatcher<'_> {
    /// Executes requests while they are of this kind, and nothing is in their way.
    #[inline(never)]
    pub(crate) fn single_run(
        &self,
        group: &mut Group<'_>,
        session: &mut Session,
        requests: &mut Requests<'_>,
        out: &mut Output,
    ) {
        let now_ms = group.now_ms();
        if !session.is_plain() || self.is_watched || self.shared.pause.is_active(now_ms) {
            return;
        }
        let (batch, input) = (requests.batch, requests.input);
        while let Some(registered) = requests.next().and_then(|item| item.of_kind(Kind::Single)) {
            let (first, reply_start) = (requests.done, out.len());
            let most = self.shared.insight.run_commands_max();
            let executions = self.execute_same(group, session, requests, registered, most, out);
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

    /// Executes requests while they are for this command, `most` of them; how many.
    fn execute_same(
        &self,
        group: &mut Group<'_>,
        session: &mut Session,
        requests: &mut Requests<'_>,
        registered: &'static Registered,
        most: usize,
        out: &mut Output,
    ) -> usize {
        let (batch, input, unsent) = (requests.batch, requests.input, requests.unsent);
        let (stats, before) = (self.stats(), requests.done);
        let command = stats.command(registered.id);
        let needs_room = registered.command.has(flag::DENYOOM);
        let mut known = before;
        for item in requests.items[before..].iter().take(most) {
            let reply_start = out.len();
            if !item.is(Kind::Single, registered) || unsent.is_full(reply_start) {
                break;
            }
            if needs_room && group.room() != Room::Enough {
                break;
            }
            let (place, hash) = batch.hash(item);
            group.advance(place);
            let Ok(mut locked) = group.lock_one(session.database, hash) else {
                break;
            };
            locked.set_touches(session.touches);
            if registered.command.element > 0 && requests.done >= known {
                let key = Key {
                    database: session.database,
                    bytes: item.key(input),
                    hash,
                };
                known = requests.done + look_ahead(&locked, key, registered, requests);
            }
            let mut context = Context {
                reply: ReplyWriter::new(out, session.protocol),
                session,
                keys: &mut locked,
                shared: self.shared,
                worker: self.worker(),
                command: registered.full_name.as_str(),
                hashed: Hashed {
                    hashes: &[hash],
                    place,
                    ..registered.key_places
                },
                buffer: self.buffer.as_ref(),
                is_watched: false,
                reply_start,
            };
            let result = (registered.command.run)(&mut context, batch.args(item, input));
            if let Err(error) = result {
                Execution::new(stats, command, reply_start).fail(&error, &mut context.reply);
            }
            requests.done += 1;
        }
        requests.done - before
    }
}

/// Looks ahead to the elements that the next requests for this command name, as long as they are for the key that is
/// locked; how many those are, not 0.
fn look_ahead(
    locked: &Locked<'_>,
    key: Key<'_>,
    registered: &'static Registered,
    requests: &Requests<'_>,
) -> usize {
    let (batch, input) = (requests.batch, requests.input);
    let is_same = |item: &&Item| item.is(Kind::Single, registered) && item.key(input) == key.bytes;
    let items = requests.items[requests.done..].iter().take(AHEAD);
    let same = items.clone().take_while(is_same).count();
    if same > 1 {
        let element = registered.command.element;
        let names = items.take(same);
        locked.look_ahead_within(key, names.map(|item| batch.args(item, input).get(element)));
    }
    same
}
