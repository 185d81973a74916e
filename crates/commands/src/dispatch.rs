//! One command: its checks, its locks, its handler, its reply.

use std::sync::Arc;

use keyspace::{Busy, Group, Key, Locked, Plan, Room};
use resp::{Args, Output, OwnedArgs, ReplyWriter};

use crate::acl::{Followed, guard};
use crate::batch::{Batch, Item};
use crate::clients::Client;
use crate::command::{Answer, Locks, flag};
use crate::context::{Context, Hashed};
use crate::error::{CommandError, until_zero};
use crate::heads::Kind;
use crate::insight::{Executed, Watched};
use crate::limits::QUEUED_BYTES_MAX;
use crate::registry::{Registered, registry};
use crate::room;
use crate::server::wall_clock_us;
use crate::session::{Queued, Replies, Session, Transaction};
use crate::shared::Shared;
use crate::stats::{CommandStats, WorkerStats};
use crate::strings;

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It is done, its reply is written.
    Done,
    /// Another worker holds its keys, or memory is being freed: nothing has happened, try it again soon.
    Busy,
    /// CLIENT PAUSE holds it back: nothing has happened, try it again when the pause has ended.
    Paused,
    /// Too many wrong passwords came from its address: nothing has happened, try it again at [`Session::resumes_ms`].
    Delayed,
    /// The connection closes: flush what is written, execute no more.
    Close,
    /// Too much waits to be sent: nothing has happened, try it again when some of that is gone.
    Full,
    /// It is done, but its reply goes on later, see [`Session::continue_reply`].
    Unfinished,
}

/// The requests of one connection in a group, and how far they have been executed.
pub struct Requests<'b> {
    /// What they are part of.
    pub batch: &'b Batch,
    /// The requests, in order.
    pub items: &'b [Item],
    /// What they were parsed from.
    pub input: &'b [u8],
    /// What waits to be sent to the connection already.
    pub unsent: Unsent,
    /// How many of them have been executed.
    pub done: usize,
}

impl<'b> Requests<'b> {
    /// The one to execute next.
    #[inline]
    pub fn next(&self) -> Option<&'b Item> {
        self.items.get(self.done)
    }
}

/// What waits to be sent to a connection, besides what is being written.
#[derive(Clone, Copy)]
pub struct Unsent {
    /// Bytes.
    pub bytes: usize,
    /// With more than that many bytes nothing further is executed.
    pub bytes_max: usize,
}

impl Unsent {
    #[inline(always)]
    pub(crate) fn is_full(self, written_bytes: usize) -> bool {
        written_bytes + self.bytes > self.bytes_max
    }
}

/// Executes the commands of one worker.
pub struct Dispatcher<'d> {
    pub(crate) shared: &'d Shared,
    /// The worker's number, the index of its statistics.
    worker: usize,
    plan: &'d mut Plan,
    /// The buffer that the arguments lie in, if a large value among them may share it.
    pub buffer: Option<Arc<Vec<u8>>>,
    /// Whether somebody watches all commands.
    pub(crate) is_watched: bool,
}

/// A request as the batch has prepared it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The command, if there is one of that name.
    pub registered: Option<&'static Registered>,
    /// The arguments.
    pub args: Args<'a>,
    /// The hashes of its keys, if they are all in one spec.
    pub hashes: &'a [u64],
    /// The place of the first of them among those of the group.
    pub first_hash: usize,
}

impl<'d> Dispatcher<'d> {
    /// For a group that is executed now, by this worker. `plan` is reused from group to group.
    pub fn new(shared: &'d Shared, worker: usize, plan: &'d mut Plan) -> Self {
        shared.stats[worker].start_clock();
        Self {
            shared,
            worker,
            plan,
            buffer: None,
            is_watched: shared.insight.monitors.is_any(),
        }
    }

    /// Executes requests in order and appends their replies to `out`, until all are done or the flow is another one;
    /// `requests` knows how far it has come, after a panic too.
    ///
    /// # Panics
    /// When a handler has a defect. Nothing is half changed then, but the session and `out` are of no more use.
    #[inline]
    pub fn execute(
        &mut self,
        group: &mut Group<'_>,
        session: &mut Session,
        requests: &mut Requests<'_>,
        out: &mut Output,
    ) -> Flow {
        loop {
            if session.follow(&self.shared.acl) == Followed::Removed {
                return Flow::Close;
            }
            match requests.next().map(|item| item.kind) {
                Some(Kind::Read) => self.read_run(group, session, requests, out),
                Some(Kind::Store) => self.store_run(group, session, requests, out),
                Some(Kind::Single) => self.single_run(group, session, requests, out),
                Some(Kind::Other) | None => {}
            }
            let Some(item) = requests.next() else {
                return Flow::Done;
            };
            if requests.unsent.is_full(out.len()) {
                return Flow::Full;
            }
            let request = requests.batch.request(item, requests.input);
            match self.execute_one(group, session, request, out) {
                Flow::Done => requests.done += 1,
                flow => return flow,
            }
            if session.unfinished.is_some() {
                return Flow::Unfinished;
            }
        }
    }

    /// Executes what needs nothing but the entries of several keys, without locks; false when that cannot be.
    fn read_many(
        &self,
        group: &Group<'_>,
        session: &mut Session,
        request: Request<'_>,
        now_ms: u64,
        out: &mut Output,
    ) -> bool {
        let (Some(registered), args) = (request.registered, request.args) else {
            return false;
        };
        let Some(reader) = registered.many_reader else {
            return false;
        };
        let can_read = registered.takes(args.len())
            && request.hashes.len() == args.len() - registered.key_places.first
            && session.is_plain()
            && !self.is_watched
            && !self.shared.pause.is_active(now_ms);
        if !can_read {
            return false;
        }
        let (database, first) = (session.database, registered.key_places.first);
        let keys = request.hashes.iter().enumerate().map(|(at, hash)| {
            group.advance(request.first_hash + at);
            Key {
                database,
                bytes: args.get(first + at),
                hash: *hash,
            }
        });
        let Ok(entries) = group.read_all(keys, reader.touches && session.touches) else {
            return false;
        };
        session.last_command = registered.id as u32 + 1;
        session.commands += 1;
        let reply = &mut ReplyWriter::new(out, session.protocol);
        let execution = Execution::start(self.stats(), registered, reply);
        let result = (reader.answer)(&entries, reply);
        let insight = &self.shared.insight;
        let ended = execution.end(result, reply, insight.counts_times());
        if insight.notes(ended.spent_ns, args.request_bytes(), ended.reply_bytes) {
            let client = &session.client;
            insight.note(&ended.of(registered, args, client, now_ms));
        }
        true
    }

    /// Counts a run of executions that has just ended, and notes it if that is to be. `first` is its first request.
    #[inline]
    pub(crate) fn count_run(
        &self,
        session: &mut Session,
        registered: &'static Registered,
        run: Run<'_>,
        now_ms: u64,
    ) {
        let (stats, insight) = (self.stats(), &self.shared.insight);
        let executions = run.executions as u64;
        let command = stats.command(registered.id);
        let spent_ns = stats.count(command, executions, insight.counts_times());
        session.last_command = registered.id as u32 + 1;
        session.commands += executions;
        if insight.notes_run(spent_ns) {
            self.note_run(session, registered, run, spent_ns, now_ms);
        }
    }

    #[cold]
    fn note_run(
        &self,
        session: &Session,
        registered: &'static Registered,
        run: Run<'_>,
        spent_ns: u64,
        now_ms: u64,
    ) {
        let insight = &self.shared.insight;
        let args = run.first.args;
        // What a command of a longer run sends and gets is never large.
        let is_alone = run.executions == 1;
        let reply_bytes = if is_alone { run.reply_bytes } else { 0 };
        if insight.notes(spent_ns, args.request_bytes(), reply_bytes) {
            insight.note(&Executed {
                registered,
                args,
                client: &session.client,
                spent_ns,
                reply_bytes,
                others: run.executions - 1,
                now_ms,
            });
        }
    }

    fn execute_one(
        &mut self,
        group: &mut Group<'_>,
        session: &mut Session,
        request: Request<'_>,
        out: &mut Output,
    ) -> Flow {
        let now_ms = group.now_ms();
        group.advance(request.first_hash);
        if self.read_many(group, session, request, now_ms, out) {
            return Flow::Done;
        }
        let start = out.len();
        if session.replies == Replies::SkipNext {
            session.replies = Replies::Skip;
        }
        let flow = self.checked(group, session, request, now_ms, out);
        match session.replies {
            Replies::On | Replies::SkipNext => {}
            Replies::Off => out.truncate(start),
            Replies::Skip if matches!(flow, Flow::Busy | Flow::Paused | Flow::Delayed) => {
                session.replies = Replies::SkipNext;
            }
            Replies::Skip => {
                out.truncate(start);
                session.replies = Replies::On;
            }
        }
        flow
    }

    fn checked(
        &mut self,
        group: &mut Group<'_>,
        session: &mut Session,
        request: Request<'_>,
        now_ms: u64,
        out: &mut Output,
    ) -> Flow {
        if request.registered.is_none() && is_cross_protocol(request.args.name()) {
            return Flow::Close;
        }
        let registered = match check(self.shared, session, request, now_ms) {
            Ok(registered) => registered,
            Err(error) => return self.reject(session, request, &error, out),
        };
        if registered.command.has(flag::NO_AUTH)
            && guard::must_wait(self.shared, session, registered, request.args, now_ms)
        {
            return Flow::Delayed;
        }
        if self.shared.pause.is_active(now_ms) && self.waits(session, registered) {
            return Flow::Paused;
        }
        let is_queued = session.transaction.is_some() && !registered.command.has(flag::IMMEDIATE);
        match group.room() {
            Room::Enough => {}
            _ if !is_queued && !has_flag(session, registered, flag::DENYOOM) => {}
            Room::ByPrefix => match room::of_keys(group, session, registered, request.args) {
                Room::Enough | Room::ByPrefix => {}
                Room::None => {
                    return self.reject(session, request, &CommandError::OUT_OF_MEMORY, out);
                }
                Room::Soon if is_queued => {}
                Room::Soon => return Flow::Busy,
            },
            Room::None => return self.reject(session, request, &CommandError::OUT_OF_MEMORY, out),
            Room::Soon if is_queued => {}
            Room::Soon => return Flow::Busy,
        }
        if is_queued {
            return self.queue(session, registered, request.args, out);
        }
        let Ok(mut locked) = lock(self.plan, group, session, registered, request) else {
            return Flow::Busy;
        };
        locked.set_touches(session.touches);
        let hashed = Hashed {
            hashes: request.hashes,
            place: request.first_hash,
            ..registered.key_places
        };
        session.last_command = registered.id as u32 + 1;
        session.commands += 1;
        let reply_start = out.len();
        let mut context = Context {
            reply: ReplyWriter::new(out, session.protocol),
            session,
            keys: &mut locked,
            shared: self.shared,
            worker: self.worker,
            command: registered.full_name.as_str(),
            hashed,
            buffer: self.buffer.as_ref(),
            is_watched: self.is_watched,
            reply_start,
        };
        run(&mut context, registered, request.args);
        if session.closes {
            Flow::Close
        } else {
            Flow::Done
        }
    }

    /// Refuses a request before it runs. A transaction that it was meant for is broken.
    #[cold]
    fn reject(
        &self,
        session: &mut Session,
        request: Request<'_>,
        error: &CommandError,
        out: &mut Output,
    ) -> Flow {
        let stats = self.stats();
        if let Some(registered) = request.registered {
            stats.command(registered.id).rejected.add(1);
        }
        if let Some(transaction) = &mut session.transaction {
            transaction.broken = true;
        }
        let line = error.to_line();
        stats.count_error(&line);
        let mut reply = ReplyWriter::new(out, session.protocol);
        if request
            .registered
            .is_some_and(|registered| registered.command.name == "exec")
        {
            session.transaction = None;
            session.unwatch(self.shared);
            let line = line.strip_prefix(b"ERR ").unwrap_or(&line);
            reply.error([b"EXECABORT Transaction discarded because of: ", line].concat());
        } else {
            reply.error(&line);
        }
        Flow::Done
    }

    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn stats(&self) -> &WorkerStats {
        &self.shared.stats[self.worker]
    }

    /// Whether CLIENT PAUSE holds this command back.
    #[cold]
    fn waits(&self, session: &Session, registered: &Registered) -> bool {
        let writes = has_flag(session, registered, flag::WRITE);
        writes || !self.shared.pause.writes_only()
    }

    /// Keeps a command for EXEC.
    fn queue(
        &self,
        session: &mut Session,
        registered: &'static Registered,
        args: Args<'_>,
        out: &mut Output,
    ) -> Flow {
        let mut reply = ReplyWriter::new(out, session.protocol);
        let Some(transaction) = &mut session.transaction else {
            unreachable!("it was asked for before")
        };
        let args = OwnedArgs::from(args);
        transaction.bytes += args.allocated_bytes() + size_of::<Queued>();
        if transaction.bytes > QUEUED_BYTES_MAX {
            transaction.broken = true;
            transaction.queued.clear();
            reply.error("ERR the transaction is too large");
            session.closes = true;
            return Flow::Close;
        }
        transaction.queued.push(Queued { registered, args });
        reply.simple("QUEUED");
        Flow::Done
    }
}

/// Whether a command, or one that EXEC would run, has this flag.
#[cold]
fn has_flag(session: &Session, registered: &Registered, flag: u32) -> bool {
    match (registered.command.locks, &session.transaction) {
        (Locks::Transaction, Some(transaction)) => transaction
            .queued
            .iter()
            .any(|queued| queued.registered.command.has(flag)),
        _ => registered.command.has(flag),
    }
}

/// Takes the locks of a command.
#[inline]
fn lock<'g>(
    plan: &'g mut Plan,
    group: &'g mut Group<'_>,
    session: &Session,
    registered: &Registered,
    request: Request<'_>,
) -> Result<Locked<'g>, Busy> {
    if registered.has_one_key
        && let [hash] = request.hashes
    {
        return group.lock_one(session.database, *hash);
    }
    plan.clear();
    let keyspace = group.keyspace();
    let is_locked = match registered.command.locks {
        Locks::Transaction => plan_transaction(session, keyspace, plan),
        _ => plan_command(registered, request.args, session.database, keyspace, plan),
    };
    if is_locked {
        group.lock(plan)
    } else {
        Ok(group.lock_nothing())
    }
}

/// The checks before a command runs or is queued, in Redis's order.
#[inline(always)]
fn check(
    shared: &Shared,
    session: &Session,
    request: Request<'_>,
    now_ms: u64,
) -> Result<&'static Registered, CommandError> {
    let Request {
        registered, args, ..
    } = request;
    let Some(registered) = registered else {
        return Err(unknown_command(args));
    };
    if registered.is_container() && args.len() > 1 {
        return Err(unknown_subcommand(args));
    }
    if !registered.takes(args.len()) {
        return Err(CommandError::WrongArity(registered.full_name.clone()));
    }
    if !session.authenticated && !registered.command.has(flag::NO_AUTH) {
        return Err(CommandError::line("NOAUTH Authentication required."));
    }
    if session.transaction.is_some() && registered.command.has(flag::NO_MULTI) {
        return Err(CommandError::line(
            "ERR Command not allowed inside a transaction",
        ));
    }
    if !session.may_everything {
        guard::check(shared, session, registered, args, now_ms)?;
    }
    if session.feed.is_some() && registered.command.flags & (flag::READONLY | flag::WRITE) != 0 {
        // To Redis, who watches is a kind of replica.
        return Err(CommandError::line(
            "ERR Replica can't interact with the keyspace",
        ));
    }
    Ok(registered)
}

/// Whether a request is the beginning of one in HTTP, which a browser may have been made to send: it gets no reply.
fn is_cross_protocol(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// The most bytes of a name or of arguments that an error repeats.
const REPEATED_BYTES_MAX: usize = 128;

#[cold]
fn unknown_command(args: Args<'_>) -> CommandError {
    let mut beginning = Vec::new();
    for argument in args.tail(1).iter() {
        if beginning.len() >= REPEATED_BYTES_MAX {
            break;
        }
        let shown = repeated(argument, REPEATED_BYTES_MAX - beginning.len());
        beginning.extend_from_slice(&[b"'", shown, b"' "].concat());
    }
    let name = repeated(args.name(), REPEATED_BYTES_MAX);
    let parts: [&[u8]; 4] = [
        b"ERR unknown command '",
        name,
        b"', with args beginning with: ",
        &beginning,
    ];
    CommandError::Bytes(parts.concat())
}

#[cold]
fn unknown_subcommand(args: Args<'_>) -> CommandError {
    let name = repeated(args.get(1), REPEATED_BYTES_MAX);
    let container = args.name().to_ascii_uppercase();
    let parts: [&[u8]; 5] = [
        b"ERR unknown subcommand '",
        name,
        b"'. Try ",
        &container,
        b" HELP.",
    ];
    CommandError::Bytes(parts.concat())
}

/// The beginning of an argument as Redis repeats it.
fn repeated(argument: &[u8], bytes_max: usize) -> &[u8] {
    until_zero(&argument[..argument.len().min(bytes_max)])
}

/// Adds to the plan what a command locks; false when that is nothing.
fn plan_command(
    registered: &Registered,
    args: Args<'_>,
    database: u8,
    keyspace: &keyspace::Keyspace,
    plan: &mut Plan,
) -> bool {
    match registered.command.locks {
        Locks::Keys | Locks::Named(_) => {
            let mut has_keys = false;
            for_each_key(registered, args, database, |database, key| {
                has_keys = true;
                plan.add(keyspace, keyspace.key(database, key));
            });
            has_keys
        }
        Locks::Stepwise => false,
        Locks::NamedOrEverything(name_keys, means_others) if !means_others(args) => {
            name_keys(args, database, &mut |database, key| {
                plan.add(keyspace, keyspace.key(database, key));
            });
            true
        }
        Locks::Everything | Locks::NamedOrEverything(..) => {
            plan.add_everything();
            true
        }
        Locks::Transaction => unreachable!("EXEC is not queued"),
    }
}

/// Adds to the plan what EXEC locks. SELECT moves the commands after it to another database.
fn plan_transaction(session: &Session, keyspace: &keyspace::Keyspace, plan: &mut Plan) -> bool {
    let mut is_locked = false;
    for key in session.watching.iter().flat_map(|watching| &watching.keys) {
        plan.add(keyspace, key.as_key());
        is_locked = true;
    }
    let mut database = session.database;
    for Queued { registered, args } in session
        .transaction
        .iter()
        .flat_map(|transaction| &transaction.queued)
    {
        let args = args.as_args();
        if registered.command.name == "select" {
            database = crate::parse::database(args.get(1)).unwrap_or(database);
        }
        if matches!(registered.command.locks, Locks::Stepwise) {
            plan.add_everything();
            is_locked = true;
        } else {
            is_locked |= plan_command(registered, args, database, keyspace, plan);
        }
    }
    is_locked
}

/// Runs a command whose keys are locked.
#[inline(always)]
fn run(context: &mut Context<'_, '_>, registered: &'static Registered, args: Args<'_>) {
    let stats = &context.shared.stats[context.worker];
    let execution = Execution::start(stats, registered, &context.reply);
    let result = match registered.reader {
        None => (registered.command.run)(context, args),
        Some(reader) => {
            let key = context.key(args, registered.key_places.first);
            let now_ms = context.now_ms();
            let entry = if reader.touches {
                context.keys.read(key)
            } else {
                context.keys.inspect(key)
            };
            match reader.answer {
                Answer::Value => strings::write_value(entry, &mut context.reply),
                Answer::With(answer) => answer(entry, args, now_ms, &mut context.reply),
            }
        }
    };
    let insight = &context.shared.insight;
    let ended = execution.end(result, &mut context.reply, insight.counts_times());
    if insight.notes(ended.spent_ns, args.request_bytes(), ended.reply_bytes) {
        let (client, now_ms) = (&context.session.client, context.now_ms());
        insight.note(&ended.of(registered, args, client, now_ms));
    }
    if context.is_watched {
        show(context, registered, args);
    }
}

/// Shows a command to those who watch. Those for administrators are not shown.
#[cold]
fn show(context: &Context<'_, '_>, registered: &'static Registered, args: Args<'_>) {
    let hidden = flag::ADMIN | flag::SKIP_MONITOR;
    if registered.command.flags & hidden != 0 {
        return;
    }
    let watched = Watched {
        registered,
        args,
        client: &context.session.client,
        database: context.session.database,
        now_us: wall_clock_us(),
    };
    let shared = context.shared;
    shared
        .insight
        .monitors
        .show(&watched, |client| shared.process.wake_watcher(client));
}

/// Counts the keys of a sampled command, before it is executed and without knowing whether it will be. One that is tried
/// again because its keys were locked may be counted again, and after a SELECT in the same group it counts for the
/// database before.
#[cold]
#[inline(never)]
pub fn record_accesses(group: &Group<'_>, session: &Session, request: &Request<'_>) {
    if let Some(registered) = request.registered
        && session.authenticated
        && registered.takes(request.args.len())
    {
        for_each_key(
            registered,
            request.args,
            session.database,
            |database, key| {
                group.record_access(group.keyspace().key(database, key));
            },
        );
    }
}

/// Calls the function with the database and bytes of each key that the command locks, which takes so many
/// arguments.
fn for_each_key(
    registered: &Registered,
    args: Args<'_>,
    database: u8,
    mut each: impl FnMut(u8, &[u8]),
) {
    match registered.command.locks {
        Locks::Keys => {
            for spec in registered.command.keys {
                spec.for_each_place(args, |place| each(database, args.get(place)));
            }
        }
        Locks::Named(name_keys) | Locks::NamedOrEverything(name_keys, _) => {
            name_keys(args, database, &mut each);
        }
        Locks::Stepwise | Locks::Everything | Locks::Transaction => {}
    }
}

/// Executions of one command, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Run<'r> {
    /// How many there were; not 0.
    pub executions: usize,
    /// The first one's request.
    pub first: Request<'r>,
    /// The bytes of all replies.
    pub reply_bytes: usize,
}

/// One execution of a command, as it is counted.
pub(crate) struct Execution<'e> {
    stats: &'e WorkerStats,
    command: &'e CommandStats,
    started_ns: u64,
    reply_start: usize,
}

/// What there is to know of an execution that has ended.
struct Ended {
    spent_ns: u64,
    reply_bytes: usize,
}

impl Ended {
    fn of<'e>(
        &self,
        registered: &'static Registered,
        args: Args<'e>,
        client: &'e Client,
        now_ms: u64,
    ) -> Executed<'e> {
        Executed {
            registered,
            args,
            client,
            spent_ns: self.spent_ns,
            reply_bytes: self.reply_bytes,
            others: 0,
            now_ms,
        }
    }
}

impl<'e> Execution<'e> {
    /// One that is counted elsewhere, and whose reply begins there.
    pub fn new(stats: &'e WorkerStats, command: &'e CommandStats, reply_start: usize) -> Self {
        Self {
            stats,
            command,
            started_ns: stats.clock_ns(),
            reply_start,
        }
    }

    #[inline(always)]
    fn start(stats: &'e WorkerStats, registered: &Registered, reply: &ReplyWriter<'_>) -> Self {
        Self::new(stats, stats.command(registered.id), reply.len())
    }

    #[inline(always)]
    fn end(
        self,
        result: Result<(), CommandError>,
        reply: &mut ReplyWriter<'_>,
        counts_time: bool,
    ) -> Ended {
        if let Err(error) = result {
            self.fail(&error, reply);
        }
        let Self {
            stats,
            command,
            started_ns,
            reply_start,
        } = self;
        Ended {
            spent_ns: stats.count_since(started_ns, command, 1, counts_time),
            // A command may end what was written before it (CLIENT REPLY).
            reply_bytes: reply.len().saturating_sub(reply_start),
        }
    }

    /// Answers with the error instead of what has been written.
    #[cold]
    pub fn fail(&self, error: &CommandError, reply: &mut ReplyWriter<'_>) {
        reply.truncate(self.reply_start);
        let line = error.to_line();
        self.command.failed.add(1);
        self.stats.count_error(&line);
        reply.error(&line);
    }
}

/// Runs the commands of a transaction, whose keys are locked, and writes their replies.
pub(crate) fn run_queued(context: &mut Context<'_, '_>, transaction: &Transaction) {
    let (command, buffer) = (context.command, context.buffer.take());
    for Queued { registered, args } in &transaction.queued {
        context.command = registered.full_name.as_str();
        context.hashed = Hashed::default();
        let protocol = context.session.protocol;
        context.reply.set_protocol(protocol);
        context.session.follow(&context.shared.acl);
        if let Err(error) = guard::check_queued(context, registered, args.as_args()) {
            reject_queued(context, registered, &error);
            continue;
        }
        run(context, registered, args.as_args());
    }
    context.command = command;
    context.buffer = buffer;
}

/// Answers for a command of a transaction that its user may not run any more.
#[cold]
fn reject_queued(context: &mut Context<'_, '_>, registered: &Registered, error: &CommandError) {
    let stats = &context.shared.stats[context.worker];
    let line = error.to_line();
    stats.command(registered.id).rejected.add(1);
    stats.count_error(&line);
    context.reply.error(&line);
}

/// Finds the command of a request.
#[inline]
pub fn resolve(args: Args<'_>) -> Option<&'static Registered> {
    registry().resolve(args)
}
