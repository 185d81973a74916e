//! A group of requests of any number of connections: parsed, looked up, hashed, prefetched stage by stage.
//!
//! By the time the first command runs, the shards, buckets and entries of all of them are on their way into the cache.
//! A prefetch is only a hint: execution looks everything up again.

use std::ops::Range;

use keyspace::{Group, Keyspace};
use resp::{Args, Limits, OwnedArgs, Parsed, ProtocolError, RequestParser, Span};

use crate::command::KeySpec;
use crate::dispatch::{Request, resolve};
use crate::limits::{GROUP_COMMANDS_MAX, GROUP_KEYS_MAX};
use crate::registry::Registered;

/// Arguments for which room is kept from group to group.
const KEPT_ARGUMENTS_MAX: usize = 16 * 1024;

/// The requests of one group. Reused from group to group.
#[derive(Default)]
pub struct Batch {
    items: Vec<Item>,
    spans: Vec<Span>,
    /// The hashes of the keys of all requests.
    hashes: Vec<u64>,
    /// Inline requests with quotes, whose arguments are not in the input as they are.
    quoted: Vec<OwnedArgs>,
}

/// One request of the group.
pub struct Item {
    /// The caller's number of the connection.
    pub connection: u32,
    /// Where the request begins in the connection's input.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    place: Place,
    registered: Option<&'static Registered>,
    database: u8,
    hashes: Range<usize>,
}

enum Place {
    Input(Range<usize>),
    Quoted(usize),
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
    /// The input holds no further whole request; this many more bytes are wanted at least.
    Incomplete {
        /// At least so many bytes are missing.
        wanted: usize,
    },
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
        loop {
            if at == input.len() {
                return (at, Stop::Empty);
            }
            if self.items.len() >= items_max || self.is_full() {
                return (at, Stop::Enough);
            }
            let first_span = self.spans.len();
            if !partial.is_empty() {
                self.spans.append(partial);
            }
            let request = &input[at..];
            match parser.parse(request, limits, &mut self.spans) {
                Ok(Parsed::Request { consumed }) => {
                    let spans = first_span..self.spans.len();
                    let args = Args::new(request, &self.spans[spans.clone()]);
                    let (registered, hashes) = look_up(args, keyspace, &mut self.hashes);
                    let (start, end) = (at, at + consumed);
                    self.items.push(Item {
                        connection,
                        start,
                        end,
                        place: Place::Input(spans),
                        registered,
                        database,
                        hashes,
                    });
                    at = end;
                }
                Ok(Parsed::Quoted {
                    consumed,
                    arguments,
                }) => {
                    let args = arguments.as_args();
                    let (registered, hashes) = look_up(args, keyspace, &mut self.hashes);
                    let (start, end) = (at, at + consumed);
                    self.items.push(Item {
                        connection,
                        start,
                        end,
                        place: Place::Quoted(self.quoted.len()),
                        registered,
                        database,
                        hashes,
                    });
                    self.quoted.push(*arguments);
                    at = end;
                }
                Ok(Parsed::Empty { consumed }) => at += consumed,
                Ok(Parsed::Incomplete { wanted }) => {
                    partial.extend(self.spans.drain(first_span..));
                    return (at, Stop::Incomplete { wanted });
                }
                Err(error) => {
                    self.spans.truncate(first_span);
                    return (at, Stop::Error(error));
                }
            }
        }
    }

    /// Asks the processor for everything that the group's keys need. More keys than the limit would push each other
    /// out of the cache.
    #[inline]
    pub fn prefetch(&self, group: &Group<'_>) {
        let end = self.hashes.len().min(GROUP_KEYS_MAX);
        let mut start = 0;
        // Runs of requests on one database; mostly there is one.
        for run in self
            .items
            .chunk_by(|item, next| item.database == next.database)
        {
            if let [item, ..] = run {
                let run_end = run.last().map_or(start, |last| last.hashes.end).min(end);
                group.prefetch(item.database, &self.hashes[start..run_end]);
                start = run_end;
            }
        }
    }

    /// A request as it is executed. `input` is what it was parsed from.
    #[inline]
    pub fn request<'a>(&'a self, item: &'a Item, input: &'a [u8]) -> Request<'a> {
        let args = match &item.place {
            Place::Input(spans) => Args::new(&input[item.start..], &self.spans[spans.clone()]),
            Place::Quoted(at) => self.quoted[*at].as_args(),
        };
        Request {
            registered: item.registered,
            args,
            hashes: &self.hashes[item.hashes.clone()],
        }
    }
}

/// The command of a request, and where the hashes of its keys are now in `hashes`.
#[inline]
fn look_up(
    args: Args<'_>,
    keyspace: &Keyspace,
    hashes: &mut Vec<u64>,
) -> (Option<&'static Registered>, Range<usize>) {
    let registered = resolve(args);
    let first = hashes.len();
    match registered.and_then(|registered| registered.hashed) {
        Some(spec) if spec.find == KeySpec::ONE => {
            if let Some(key) = args.try_get(spec.begin) {
                hashes.push(keyspace.hash(key));
            }
        }
        Some(spec) => {
            spec.for_each_place(args, |place| hashes.push(keyspace.hash(args.get(place))));
        }
        None => {}
    }
    (registered, first..hashes.len())
}
