//! Runs of requests that read one key each, which is what a cache gets most: what such a run shares is looked up once,
//! and no lock is taken.

use keyspace::{EntryRef, Group, Reads};
use resp::{Output, ReplyWriter};

use crate::batch::Item;
use crate::command::Answer;
use crate::dispatch::{Dispatcher, Execution, Requests};
use crate::error::CommandError;
use crate::heads::Kind;
use crate::registry::Registered;
use crate::session::Session;
use crate::stats::{CommandStats, WorkerStats};
use crate::strings;

impl Dispatcher<'_> {
    /// Executes requests for as long as they need nothing but the entry of one key.
    #[inline(never)]
    pub(crate) fn read_run(
        &self,
        group: &Group<'_>,
        session: &mut Session,
        requests: &mut Requests<'_>,
        out: &mut Output,
    ) {
        let now_ms = group.now_ms();
        if !session.is_plain() || self.shared.pause.is_active(now_ms) {
            return;
        }
        let (batch, input) = (requests.batch, requests.input);
        while let Some(registered) = requests.next().and_then(|item| item.of_kind(Kind::Read))
            && let Some(reader) = registered.reader
        {
            let same = Same {
                stats: self.stats(),
                reads: group.reads(session.database),
                registered,
                touches: reader.touches && session.touches,
            };
            let reply = &mut ReplyWriter::new(out, session.protocol);
            let executed = match reader.answer {
                Answer::Value => same.execute(requests, reply, |entry, _, reply| {
                    strings::write_value(entry, reply)
                }),
                Answer::With(answer) => same.execute(requests, reply, |entry, item, reply| {
                    answer(entry, batch.args(item, input), now_ms, reply)
                }),
            };
            if executed == 0 {
                return;
            }
            session.last_command = registered.id as u32 + 1;
            session.commands += executed as u64;
        }
    }
}

/// What requests for the same command have in common.
struct Same<'s> {
    stats: &'s WorkerStats,
    reads: Reads<'s>,
    registered: &'static Registered,
    touches: bool,
}

impl Same<'_> {
    /// Executes requests while they are for this command; how many. A function of its own, so that what the loop needs
    /// stays in registers.
    #[inline(never)]
    fn execute<'r>(
        &self,
        requests: &mut Requests<'r>,
        reply: &mut ReplyWriter<'_>,
        answer: impl Fn(
            Option<EntryRef<'_>>,
            &'r Item,
            &mut ReplyWriter<'_>,
        ) -> Result<(), CommandError>,
    ) -> usize {
        let (batch, input, unsent) = (requests.batch, requests.input, requests.unsent);
        let (stats, before) = (self.stats, requests.done);
        let command = stats.command(self.registered.id);
        let mut started = None;
        for item in &requests.items[before..] {
            let reply_start = reply.len();
            if !item.is(Kind::Read, self.registered) || unsent.is_full(reply_start) {
                break;
            }
            let (place, hash) = batch.hash(item);
            self.reads.advance(place);
            let Ok(entry) = self.reads.read(hash, item.key(input), self.touches) else {
                break;
            };
            if command.count() {
                started = CommandStats::start_time();
            }
            if let Err(error) = answer(entry, item, reply) {
                Execution::new(stats, command, reply_start).fail(&error, reply);
            }
            if started.is_some() {
                command.end(started.take());
            }
            requests.done += 1;
        }
        requests.done - before
    }
}
