//! Runs of requests that read one key each, which is what a cache gets most: what such a run shares is looked up once,
//! and no lock is taken.

use keyspace::{EntryRef, Group, Reads};
use resp::{Output, Protocol, ReplyWriter};

use crate::batch::Item;
use crate::command::Answer;
use crate::dispatch::{Dispatcher, Execution, Requests, Run};
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
        if !session.is_plain() || self.is_watched || self.shared.pause.is_active(now_ms) {
            return;
        }
        let (batch, input) = (requests.batch, requests.input);
        while let Some(registered) = requests.next().and_then(|item| item.of_kind(Kind::Read))
            && let Some(reader) = registered.reader
        {
            let (stats, protocol) = (self.stats(), session.protocol);
            let command = stats.command(registered.id);
            let same = Same {
                stats,
                command,
                reads: group.reads(session.database),
                registered,
                touches: reader.touches && session.touches,
                protocol,
            };
            let (first, reply_start) = (requests.done, out.len());
            let most = self.shared.insight.run_commands_max();
            let executions = match reader.answer {
                Answer::Value => same.execute(requests, most, out, |entry, _, reply| {
                    strings::write_short_value(entry, reply)
                }),
                Answer::With(answer) => same.execute(requests, most, out, |entry, item, reply| {
                    answer(entry, batch.args(item, input), now_ms, reply)
                }),
            };
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

/// What requests for the same command have in common.
struct Same<'s> {
    stats: &'s WorkerStats,
    command: &'s CommandStats,
    reads: Reads<'s>,
    registered: &'static Registered,
    touches: bool,
    protocol: Protocol,
}

impl Same<'_> {
    /// Executes requests while they are for this command, `most` of them; how many. A function of its own, so that what
    /// the loop needs stays in registers.
    #[inline(never)]
    fn execute<'r>(
        &self,
        requests: &mut Requests<'r>,
        most: usize,
        out: &mut Output,
        answer: impl Fn(
            Option<EntryRef<'_>>,
            &'r Item,
            &mut ReplyWriter<'_>,
        ) -> Result<(), CommandError>,
    ) -> usize {
        let (batch, input, unsent) = (requests.batch, requests.input, requests.unsent);
        let (registered, before) = (self.registered, requests.done);
        let mut reply = ReplyWriter::new(out, self.protocol);
        for item in requests.items[before..].iter().take(most) {
            let reply_start = reply.len();
            if !item.is(Kind::Read, registered) || unsent.is_full(reply_start) {
                break;
            }
            let (place, hash) = batch.hash(item);
            self.reads.advance(place);
            let Ok(entry) = self.reads.read(hash, item.key(input), self.touches) else {
                break;
            };
            if let Err(error) = answer(entry, item, &mut reply) {
                Execution::new(self.stats, self.command, reply_start).fail(&error, &mut reply);
            }
            requests.done += 1;
        }
        requests.done - before
    }
}
