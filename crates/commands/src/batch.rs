//! A group of requests of any number of connections: parsed, looked up, hashed, prefetched stage by stage.
//!
//! While a command runs, the buckets and entries of those that come soon after it are on their way into the cache.
//! A prefetch is only a hint: execution looks everything up again.

use std::ops::Range;

use keyspace::{Group, Keyspace};
use resp::{Args, Limits, OwnedArgs, Parsed, ProtocolError, RequestParser, Span};

use crate::dispatch::{Request, resolve};
use crate::heads::{Heads, Kind, NAME_START};
use crate::limits::{GROUP_COMMANDS_MAX, GROUP_KEYS_MAX};
use crate::registry::Registered;

/// Arguments for which room is kept from group to group.
const KEPT_ARGUMENTS_MAX: usize = 16 * 1024;

/// The requests of one group. Reused from group to group.
#[derive(Default)]
pub struct Batch {
    runs: Vec<Run>,
    items: Vec<Item>,
    heads: Heads,
    spans: Vec<Span>,
    /// The hashes of the keys of all requests.
    hashes: Vec<u64>,
    /// Inline requests with quotes, whose arguments are not in the input as they are.
    quoted: Vec<OwnedArgs>,
}

/// The requests of one connection in a group.
pub struct Run {
    /// The caller's number of the connection.
    pub connection: u32,
    items: Range<usize>,
}

/// One request of the group.
pub struct Item {
    registered: Option<&'static Registered>,
    /// Where the request begins in the connection's input, which is below 4 GB.
    start: u32,
    database: u8,
    pub(crate) kind: Kind,
    arguments: Places,
    hashes: Places,
    /// Its only key in the connection's input, unless the kind is another one.
    key: Span,
}

impl Item {
    /// Where the request begins in the connection's input.
    #[inline]
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// Its command, if it is of this kind.
    #[inline(always)]
    pub(crate) fn of_kind(&self, kind: Kind) -> Option<&'static Registered> {
        self.registered.filter(|_| self.kind == kind)
    }

    /// Whether it is of this kind and has this command.
    #[inline(always)]
    pub(crate) fn is(&self, kind: Kind, registered: &'static Registered) -> bool {
        let own = self.registered.map_or(std::ptr::null(), std::ptr::from_ref);
        self.kind == kind && std::ptr::eq(own, registered)
    }

    /// Its only key.
    #[inline(always)]
    pub(crate) fn key<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        self.key.of(input)
    }

    /// The name of its command, for messages.
    pub fn command_name(&self) -> &str {
        self.registered
            .map_or("?", |registered| registered.full_name.as_str())
    }
}

/// A part of one of the group's vectors. Groups are far below 2^32 arguments.
#[derive(Clone, Copy)]
struct Places {
    start: u32,
    end: u32,
}

impl Places {
    /// Arguments that are not in the input: those at this place among the quoted ones.
    fn quoted(at: usize) -> Self {
        Self {
            start: at as u32,
            end: u32::MAX,
        }
    }

    /// From `start` to the end of `vector`.
    #[inline]
    fn since<T>(start: usize, vector: &[T]) -> Self {
        Self {
            start: start as u32,
            end: vector.len() as u32,
        }
    }

    #[inline]
    fn of<T>(self, vector: &[T]) -> &[T] {
        &vector[self.start as usize..self.end as usize]
    }
}

/// One connection's input, as far as it has been parsed.
pub struct Source<'a> {
    /// The caller's number of the connection.
    pub connection: u32,
    /// Its parser.
    pub parser: &'a mut RequestParser,
    /// The spans of a request that was incomplete.
    pub partial: &'a mut Vec<Span>,
    /// What it has sent.
    pub input: &'a [u8],
    /// How much of that has been parsed.
    pub at: usize,
    /// The selected database.
    pub database: u8,
}

/// Why parsing a connection's input has stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The group is full, or the connection has had its turn.
    Enough,
    /// The input holds no further whole request.
    Incomplete,
    /// The input is used up.
    Empty,
    /// The client does not speak the protocol: answer the requests before, then this, and close.
    Error(ProtocolError),
}

impl Batch {
    /// Empties the group.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.items.clear();
        self.spans.clear();
        self.hashes.clear();
        self.quoted.clear();
        // One request can have a million arguments; the next ones do not.
        self.spans.shrink_to(KEPT_ARGUMENTS_MAX);
        self.hashes.shrink_to(KEPT_ARGUMENTS_MAX);
    }

    /// The runs of requests, in the order in which they were parsed.
    #[inline]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The request that is sampled of this group, if one is, with its run.
    #[inline]
    pub fn sampled(&self, group: &Group<'_>) -> Option<(&Run, &Item)> {
        let at = group.sample_one_of(self.items.len())?;
        let mut runs = self.runs.iter();
        let run = runs.find(|run| run.items.contains(&at))?;
        Some((run, &self.items[at]))
    }

    /// The requests of a run, in order.
    #[inline]
    pub fn items(&self, run: &Run) -> &[Item] {
        &self.items[run.items.clone()]
    }

    /// Whether the group has as many requests as it can.
    pub fn is_full(&self) -> bool {
        self.items.len() >= GROUP_COMMANDS_MAX || self.hashes.len() >= GROUP_KEYS_MAX
    }

    /// Parses up to `requests_max` requests of one connection into the group, as its next run: how many, the place up to
    /// which its input has been parsed, and why that is not further.
    #[inline]
    pub fn parse(
        &mut self,
        source: Source<'_>,
        limits: &Limits,
        requests_max: usize,
        keyspace: &Keyspace,
    ) -> (usize, usize, Stop) {
        let (connection, first) = (source.connection, self.items.len());
        let (at, stop) = self.parse_items(source, limits, requests_max, keyspace);
        let items = first..self.items.len();
        let requests = items.len();
        self.runs.push(Run { connection, items });
        (requests, at, stop)
    }

    #[inline]
    fn parse_items(
        &mut self,
        source: Source<'_>,
        limits: &Limits,
        requests_max: usize,
        keyspace: &Keyspace,
    ) -> (usize, Stop) {
        let Source {
            parser,
            partial,
            input,
            mut at,
            database,
            ..
        } = source;
        let items_max = GROUP_COMMANDS_MAX.min(self.items.len() + requests_max);
        let takes_short = limits.take_short_requests();
        loop {
            if takes_short && !parser.is_partial() {
                at = self.parse_known(input, at, items_max, database, keyspace);
            }
            if at == input.len() {
                return (at, Stop::Empty);
            }
            if self.items.len() >= items_max || self.is_full() {
                return (at, Stop::Enough);
            }
            let first_span = self.spans.len();
            self.spans.append(partial);
            let request = &input[at..];
            let (consumed, registered, arguments) =
                match parser.parse(request, limits, &mut self.spans) {
                    Ok(Parsed::Incomplete { .. }) => {
                        partial.extend(self.spans.drain(first_span..));
                        return (at, Stop::Incomplete);
                    }
                    Ok(Parsed::Empty { consumed }) => {
                        at += consumed;
                        continue;
                    }
                    Ok(Parsed::Request { consumed }) => {
                        let spans = Places::since(first_span, &self.spans);
                        (consumed, self.resolve(spans, request), spans)
                    }
                    Ok(Parsed::Quoted {
                        consumed,
                        arguments,
                    }) => {
                        let registered = resolve(arguments.as_args());
                        let place = Places::quoted(self.quoted.len());
                        self.quoted.push(*arguments);
                        (consumed, registered, place)
                    }
                    Err(error) => {
                        self.spans.truncate(first_span);
                        return (at, Stop::Error(error));
                    }
                };
            let first_hash = self.hashes.len();
            if let Some(registered) = registered {
                let args = args_at(arguments, &self.spans, &self.quoted, request);
                push_hashes(registered, args, database, keyspace, &mut self.hashes);
            }
            self.items.push(Item {
                registered,
                start: at as u32,
                database,
                // Those that come often begin like others before them, and are parsed above.
                kind: Kind::Other,
                arguments,
                hashes: Places::since(first_hash, &self.hashes),
                key: Span { start: 0, len: 0 },
            });
            at += consumed;
        }
    }

    /// Parses requests for as long as they begin as one did lately, have one key and nothing but short arguments; the
    /// place of the next one. A function of its own, so that what the loop needs stays in registers.
    #[inline(never)]
    fn parse_known(
        &mut self,
        input: &[u8],
        mut at: usize,
        items_max: usize,
        database: u8,
        keyspace: &Keyspace,
    ) -> usize {
        let Self {
            items,
            heads,
            spans,
            hashes,
            ..
        } = self;
        let shards = keyspace.shards(database);
        let items_left = items_max.saturating_sub(items.len());
        let keys_left = GROUP_KEYS_MAX.saturating_sub(hashes.len());
        let mut last = None;
        for _ in 0..items_left.min(keys_left) {
            let request = &input[at..];
            let Some(head) = heads.find(request, last) else {
                break;
            };
            last = Some(head);
            let first_span = spans.len();
            spans.push(Span {
                start: NAME_START as u32,
                len: head.name_len,
            });
            let first = NAME_START + head.name_len as usize + 2;
            let consumed = resp::parse_short_arguments(request, first, head.arguments, spans);
            let Some((consumed, &key)) = consumed.zip(spans.get(first_span + head.key_place))
            else {
                spans.truncate(first_span);
                break;
            };
            let hash = keyspace.hash(key.of(request));
            shards.prefetch(hash, head.kind == Kind::Read);
            let first_hash = hashes.len();
            hashes.push(hash);
            items.push(Item {
                registered: Some(head.registered),
                start: at as u32,
                database,
                kind: head.kind,
                arguments: Places::since(first_span, spans),
                hashes: Places::since(first_hash, hashes),
                key: Span {
                    start: at as u32 + key.start,
                    ..key
                },
            });
            at += consumed;
        }
        at
    }

    /// Finds the command of a request, and remembers it for the ones that begin like it.
    #[inline]
    fn resolve(&mut self, spans: Places, request: &[u8]) -> Option<&'static Registered> {
        let args = Args::new(request, spans.of(&self.spans));
        let registered = resolve(args)?;
        // Which subcommand it is would depend on more than the head.
        if registered.has_one_key && !registered.is_subcommand() {
            let name = self.spans[spans.start as usize];
            self.heads.learn(request, registered, name, args.len());
        }
        Some(registered)
    }

    /// Tells the group which keys come. To be called before anything is executed.
    #[inline]
    pub fn look_ahead<'b>(&'b self, group: &mut Group<'b>) {
        if let Some(first) = self.items.first() {
            group.look_ahead(first.database, &self.hashes);
        }
    }

    /// The hash of the only key of a request, and its place among those of the group.
    #[inline(always)]
    pub(crate) fn hash(&self, item: &Item) -> (usize, u64) {
        let place = item.hashes.start as usize;
        (place, self.hashes[place])
    }

    /// The last argument of a request that was not quoted. `input` is what it was parsed from.
    #[inline(always)]
    pub(crate) fn last_argument<'a>(&self, item: &Item, input: &'a [u8]) -> &'a [u8] {
        let last = self.spans[item.arguments.end as usize - 1];
        last.of(&input[item.start()..])
    }

    /// The arguments of a request. `input` is what it was parsed from.
    #[inline]
    pub(crate) fn args<'a>(&'a self, item: &Item, input: &'a [u8]) -> Args<'a> {
        let request = &input[item.start()..];
        args_at(item.arguments, &self.spans, &self.quoted, request)
    }

    /// A request as it is executed. `input` is what it was parsed from.
    #[inline]
    pub fn request<'a>(&'a self, item: &'a Item, input: &'a [u8]) -> Request<'a> {
        Request {
            registered: item.registered,
            args: self.args(item, input),
            hashes: item.hashes.of(&self.hashes),
            first_hash: item.hashes.start as usize,
        }
    }
}

/// The arguments of a request; `request` is the input from its first byte on.
#[inline]
fn args_at<'a>(
    arguments: Places,
    spans: &'a [Span],
    quoted: &'a [OwnedArgs],
    request: &'a [u8],
) -> Args<'a> {
    if arguments.end == u32::MAX {
        quoted[arguments.start as usize].as_args()
    } else {
        Args::new(request, arguments.of(spans))
    }
}

/// Appends the hashes of a request's keys, if all are in one spec, and asks the processor for their shards.
#[inline]
fn push_hashes(
    registered: &Registered,
    args: Args<'_>,
    database: u8,
    keyspace: &Keyspace,
    hashes: &mut Vec<u64>,
) {
    let shards = keyspace.shards(database);
    let mut push = |key| {
        let hash = keyspace.hash(key);
        shards.prefetch(hash, registered.reader.is_some());
        hashes.push(hash);
    };
    if registered.has_one_key {
        if let Some(key) = args.try_get(registered.key_places.first) {
            push(key);
        }
    } else if let Some(spec) = &registered.hashed {
        spec.for_each_place(args, |place| push(args.get(place)));
    }
}
