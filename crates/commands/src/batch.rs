//! A group of requests of any number of connections: parsed, looked up, hashed, prefetched stage by stage.
//!
//! By the time the first command runs, the buckets and entries of all of them are on their way into the cache.
//! A prefetch is only a hint: execution looks everything up again.

use keyspace::{Group, Keyspace};
use resp::{Args, Limits, OwnedArgs, Parsed, ProtocolError, RequestParser, Span};

use crate::dispatch::{Request, resolve};
use crate::heads::{Heads, NAME_START};
use crate::limits::{GROUP_COMMANDS_MAX, GROUP_KEYS_MAX};
use crate::registry::Registered;

/// Arguments for which room is kept from group to group.
const KEPT_ARGUMENTS_MAX: usize = 16 * 1024;

/// The requests whose entries are asked for at once, while as many before them are executed. All of a group at once
/// would overflow the processor's queue of cache misses, which made looking up twice as slow; one at a time, it would
/// translate one address after the other where they are not in the TLB.
/// (`cargo run --release -p keyspace --example lookup_cpu`)
const ENTRIES_AHEAD: usize = 8;

/// The requests of one group. Reused from group to group.
#[derive(Default)]
pub struct Batch {
    items: Vec<Item>,
    heads: Heads,
    spans: Vec<Span>,
    /// The hashes of the keys of all requests.
    hashes: Vec<u64>,
    /// Inline requests with quotes, whose arguments are not in the input as they are.
    quoted: Vec<OwnedArgs>,
}

/// One request of the group.
pub struct Item {
    /// Where the request begins in the connection's input.
    pub start: usize,
    /// The caller's number of the connection.
    pub connection: u32,
    database: u8,
    registered: Option<&'static Registered>,
    arguments: Arguments,
    hashes: Places,
}

impl Item {
    /// The name of its command, for messages.
    pub fn command_name(&self) -> &str {
        self.registered
            .map_or("?", |registered| registered.full_name.as_str())
    }
}

/// Where the arguments of a request are.
enum Arguments {
    /// In the input; their spans.
    Input(Places),
    /// Among the quoted ones.
    Quoted(u32),
}

/// A part of one of the group's vectors. Groups are far below 2^32 arguments.
#[derive(Clone, Copy)]
struct Places {
    start: u32,
    end: u32,
}

impl Places {
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
        self.items.clear();
        self.spans.clear();
        self.hashes.clear();
        self.quoted.clear();
        // One request can have a million arguments; the next ones do not.
        self.spans.shrink_to(KEPT_ARGUMENTS_MAX);
        self.hashes.shrink_to(KEPT_ARGUMENTS_MAX);
    }

    /// The requests, in the order in which they were parsed.
    #[inline]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Whether the group has as many requests as it can.
    pub fn is_full(&self) -> bool {
        self.items.len() >= GROUP_COMMANDS_MAX || self.hashes.len() >= GROUP_KEYS_MAX
    }

    /// Parses up to `requests_max` requests of one connection into the group; the place up to which its input has
    /// been parsed, and why that is not further.
    #[inline]
    pub fn parse(
        &mut self,
        source: Source<'_>,
        limits: &Limits,
        requests_max: usize,
        keyspace: &Keyspace,
    ) -> (usize, Stop) {
        let Source {
            connection,
            parser,
            partial,
            input,
            mut at,
            database,
        } = source;
        let items_max = GROUP_COMMANDS_MAX.min(self.items.len() + requests_max);
        let takes_short = limits.take_short_requests();
        loop {
            if at == input.len() {
                return (at, Stop::Empty);
            }
            if self.items.len() >= items_max || self.is_full() {
                return (at, Stop::Enough);
            }
            let first_span = self.spans.len();
            let request = &input[at..];
            let known = if takes_short && !parser.is_partial() {
                self.parse_known(request)
            } else {
                None
            };
            let (consumed, registered, arguments) = if let Some((consumed, registered)) = known {
                let spans = Places::since(first_span, &self.spans);
                (consumed, Some(registered), Arguments::Input(spans))
            } else {
                self.spans.truncate(first_span);
                self.spans.append(partial);
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
                        let registered = self.resolve(spans, request);
                        (consumed, registered, Arguments::Input(spans))
                    }
                    Ok(Parsed::Quoted {
                        consumed,
                        arguments,
                    }) => {
                        let registered = resolve(arguments.as_args());
                        self.quoted.push(*arguments);
                        let place = self.quoted.len() as u32 - 1;
                        (consumed, registered, Arguments::Quoted(place))
                    }
                    Err(error) => {
                        self.spans.truncate(first_span);
                        return (at, Stop::Error(error));
                    }
                }
            };
            let first_hash = self.hashes.len();
            if let Some(registered) = registered {
                let args = args_at(&arguments, &self.spans, &self.quoted, request);
                push_hashes(registered, args, keyspace, &mut self.hashes);
            }
            self.items.push(Item {
                start: at,
                connection,
                database,
                registered,
                arguments,
                hashes: Places::since(first_hash, &self.hashes),
            });
            at += consumed;
        }
    }

    /// Parses a request that begins as one did lately and has nothing but short arguments: its length and its command.
    #[inline]
    fn parse_known(&mut self, request: &[u8]) -> Option<(usize, &'static Registered)> {
        let head = self.heads.find(request)?;
        self.spans.push(Span {
            start: NAME_START as u32,
            len: head.name_len,
        });
        let first = NAME_START + head.name_len as usize + 2;
        let consumed =
            resp::parse_short_arguments(request, first, head.arguments, &mut self.spans)?;
        Some((consumed, head.registered))
    }

    /// Finds the command of a request, and remembers it for the ones that begin like it.
    #[inline]
    fn resolve(&mut self, spans: Places, request: &[u8]) -> Option<&'static Registered> {
        let args = Args::new(request, spans.of(&self.spans));
        let registered = resolve(args)?;
        // Which subcommand it is depends on more than the head.
        if registered.command.subcommands.is_empty() && !registered.is_subcommand() {
            let name = self.spans[spans.start as usize];
            self.heads.learn(request, registered, name, args.len());
        }
        Some(registered)
    }

    /// Asks the processor for the buckets of all keys, and for the entries of the requests that come first.
    #[inline]
    pub fn prefetch_first(&self, group: &Group<'_>) {
        let end = self.hashes.len().min(GROUP_KEYS_MAX);
        let mut start = 0;
        // Runs of requests on one database; mostly there is one.
        let runs = self
            .items
            .chunk_by(|item, next| item.database == next.database);
        for run in runs {
            if let [item, ..] = run {
                let run_end = run.last().map_or(start, |last| last.hashes.end as usize);
                let run_end = run_end.min(end);
                group.prefetch_buckets(item.database, &self.hashes[start..run_end]);
                start = run_end;
            }
        }
        self.prefetch_entries(group, 0);
    }

    /// Asks the processor for entries of requests that will be executed soon. To be called before request `at` is
    /// executed.
    #[inline]
    pub fn prefetch_ahead(&self, group: &Group<'_>, at: usize) {
        if at.is_multiple_of(ENTRIES_AHEAD) {
            self.prefetch_entries(group, at + ENTRIES_AHEAD);
        }
    }

    #[inline]
    fn prefetch_entries(&self, group: &Group<'_>, first: usize) {
        for item in self.items.iter().skip(first).take(ENTRIES_AHEAD) {
            let hashes = item.hashes.of(&self.hashes);
            // More would push each other out of the cache.
            let hashes = hashes.get(..GROUP_KEYS_MAX).unwrap_or(hashes);
            group.prefetch_entries(item.database, hashes);
        }
    }

    /// A request as it is executed. `input` is what it was parsed from.
    #[inline]
    pub fn request<'a>(&'a self, item: &'a Item, input: &'a [u8]) -> Request<'a> {
        let request = &input[item.start..];
        Request {
            registered: item.registered,
            args: args_at(&item.arguments, &self.spans, &self.quoted, request),
            hashes: item.hashes.of(&self.hashes),
        }
    }
}

/// The arguments of a request; `request` is the input from its first byte on.
#[inline]
fn args_at<'a>(
    arguments: &Arguments,
    spans: &'a [Span],
    quoted: &'a [OwnedArgs],
    request: &'a [u8],
) -> Args<'a> {
    match arguments {
        Arguments::Input(places) => Args::new(request, places.of(spans)),
        Arguments::Quoted(at) => quoted[*at as usize].as_args(),
    }
}

/// Appends the hashes of a request's keys, if all are in one spec.
#[inline]
fn push_hashes(
    registered: &Registered,
    args: Args<'_>,
    keyspace: &Keyspace,
    hashes: &mut Vec<u64>,
) {
    let mut push = |key| hashes.push(keyspace.hash(key));
    if registered.has_one_key {
        if let Some(key) = args.try_get(registered.key_places.first) {
            push(key);
        }
    } else if let Some(spec) = &registered.hashed {
        spec.for_each_place(args, |place| push(args.get(place)));
    }
}
