//! What a row of the command table says. Everything that is known about a command derives from its row: dispatch,
//! COMMAND, locks, prefetching, docs/commands.md.

use keyspace::EntryRef;
use resp::{Args, ReplyWriter};

use crate::context::Context;
use crate::error::CommandError;
use crate::parse::is;

/// What a command does when its checks have passed. The reply of a handler that fails is dropped and its error sent
/// instead.
pub type Handler = fn(&mut Context<'_, '_>, Args<'_>) -> Result<(), CommandError>;

/// A command that reads one key and needs nothing but its entry: it takes no lock where that is possible.
#[derive(Clone, Copy)]
pub struct Reader {
    /// Whether reading counts as an access.
    pub touches: bool,
    /// Answers, given the key's entry if there is one, the arguments, and now in milliseconds of the Unix epoch.
    pub answer: Answer,
}

/// See [`Reader::answer`].
#[derive(Clone, Copy)]
pub enum Answer {
    /// With the value. Most requests want that, so it is no call through a pointer.
    Value,
    /// With what this makes of the entry.
    With(AnswerWith),
}

/// See [`Reader::answer`].
pub type AnswerWith =
    fn(Option<EntryRef<'_>>, Args<'_>, u64, &mut ReplyWriter<'_>) -> Result<(), CommandError>;

impl Reader {
    /// Reads the value and answers with it.
    pub const VALUE: Option<Self> = Some(Self {
        touches: true,
        answer: Answer::Value,
    });

    /// Reads the value.
    pub const fn of_value(answer: AnswerWith) -> Option<Self> {
        Some(Self {
            touches: true,
            answer: Answer::With(answer),
        })
    }

    /// Asks about the key.
    pub const fn of_key(answer: AnswerWith) -> Option<Self> {
        Some(Self {
            touches: false,
            answer: Answer::With(answer),
        })
    }
}

/// How a command that reads several keys answers without locks, which are what its handler needs.
#[derive(Clone, Copy)]
pub struct ManyReader {
    /// Whether reading counts as an access.
    pub touches: bool,
    /// Answers, given the keys' entries as they were at one moment, in the order of the keys.
    pub answer: fn(&[Option<EntryRef<'_>>], &mut ReplyWriter<'_>) -> Result<(), CommandError>,
}

/// One command or subcommand.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its name in lower case; a subcommand's without its parent's.
    pub name: &'static str,
    /// The number of arguments, the name included; at least that many when negative.
    pub arity: i32,
    /// See [`flag`].
    pub flags: u32,
    /// Where its keys are. Those of all specs are locked while it runs.
    pub keys: &'static [KeySpec],
    /// Categories beyond those that follow from flags, without `@`.
    pub categories: &'static [&'static str],
    /// Hints for clients, as COMMAND INFO lists them.
    pub tips: &'static [&'static str],
    /// The group of the documents.
    pub group: Group,
    /// The version of Redis (or Valkey) that has it first.
    pub since: &'static str,
    /// One sentence without its full stop.
    pub summary: &'static str,
    /// The order of its run time.
    pub complexity: &'static str,
    /// Its arguments, as the documents write them.
    pub syntax: &'static str,
    /// What it locks.
    pub locks: Locks,
    /// What it does, unless it is a reader. A container's own handler runs when none of its subcommands is named.
    pub run: Handler,
    /// What it does with the entry of its only key.
    pub reader: Option<Reader>,
    /// What it does where no lock is needed for its keys.
    pub many_reader: Option<ManyReader>,
    /// With so many arguments, the name included, it does nothing but store the last one as the value of its only key,
    /// without a deadline, and answer OK; 0 when it always does something else.
    pub stores: usize,
    /// The argument that names an element of the collection under its only key, or the first one; 0 if none does.
    pub element: usize,
    /// Its subcommands.
    pub subcommands: &'static [Command],
}

impl Command {
    /// What a row is where the table does not say otherwise.
    pub const BASE: Command = Command {
        name: "",
        arity: 1,
        flags: 0,
        keys: &[],
        categories: &[],
        tips: &[],
        group: Group::Server,
        since: "1.0.0",
        summary: "",
        complexity: "O(1)",
        syntax: "",
        locks: Locks::Keys,
        run: not_a_handler,
        reader: None,
        many_reader: None,
        stores: 0,
        element: 0,
        subcommands: &[],
    };

    /// Whether a flag is set.
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether so many arguments, the name included, are right.
    #[inline]
    pub const fn takes(&self, arguments: usize) -> bool {
        let arguments = arguments as i64;
        if self.arity >= 0 {
            arguments == self.arity as i64
        } else {
            arguments >= -(self.arity as i64)
        }
    }
}

fn not_a_handler(_: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    unreachable!("a test checks that every row has a handler")
}

/// Calls the function with the database and bytes of each key, given the arguments and the selected database.
pub type NameKeys = fn(Args<'_>, u8, &mut dyn FnMut(u8, &[u8]));

/// What a command locks before it runs.
#[derive(Clone, Copy)]
pub enum Locks {
    /// The shards of its keys, in the selected database.
    Keys,
    /// Those that this function names: for keys in other databases.
    Named(NameKeys),
    /// As [`Locks::Named`], or the whole keyspace when the second function says that other keys are meant.
    NamedOrEverything(NameKeys, fn(Args<'_>) -> bool),
    /// Nothing, and it goes through the keyspace shard by shard. In a transaction that means everything.
    Stepwise,
    /// The whole keyspace.
    Everything,
    /// What the queued commands and the watched keys of the session need (EXEC).
    Transaction,
}

/// Where keys are among the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// What is done with them, see [`key_flag`].
    pub flags: u32,
    /// The place of the first key (for [`Find::Counted`] of the count, for
    /// [`Find::Keyword`] of the first option).
    pub begin: usize,
    /// The others.
    pub find: Find,
    /// What the flags do not say; mostly empty.
    pub notes: &'static str,
}

/// How the keys of a spec are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// From the beginning to `last`, relative to it (negative: from the end of the arguments), every `step`th.
    Range {
        /// The last key.
        last: i32,
        /// The distance of one key to the next.
        step: usize,
    },
    /// A count, and so many keys after it.
    Counted {
        /// The distance of one key to the next.
        step: usize,
    },
    /// They derive from what is in other keys (BY and GET of SORT): they are not among the arguments.
    Derived,
    /// Behind the last STORE among the options of SORT.
    Stored,
    /// Behind the last time that this word is an option, from the beginning on. Clients look for the first time, which is
    /// the same unless an option is given twice.
    Keyword {
        /// The word.
        word: &'static str,
        /// All options that a key follows, this one included.
        options: &'static [&'static str],
    },
}

impl KeySpec {
    /// How a single key is found.
    pub const ONE: Find = Find::Range { last: 0, step: 1 };

    /// One key at `begin`.
    pub const fn one(begin: usize, flags: u32) -> Self {
        Self {
            flags,
            begin,
            find: Find::Range { last: 0, step: 1 },
            notes: "",
        }
    }

    /// All arguments from `begin` on, every `step`th.
    pub const fn all(begin: usize, step: usize, flags: u32) -> Self {
        Self {
            flags,
            begin,
            find: Find::Range { last: -1, step },
            notes: "",
        }
    }

    /// A count at `begin` and so many keys, every `step`th.
    pub const fn counted(begin: usize, step: usize, flags: u32) -> Self {
        Self {
            flags,
            begin,
            find: Find::Counted { step },
            notes: "",
        }
    }

    /// The key behind one of these options, of which the first may be at `begin`.
    pub const fn keyword(
        begin: usize,
        word: &'static str,
        options: &'static [&'static str],
        flags: u32,
    ) -> Self {
        Self {
            flags,
            begin,
            find: Find::Keyword { word, options },
            notes: "",
        }
    }

    /// The same with notes.
    pub const fn noted(self, notes: &'static str) -> Self {
        Self { notes, ..self }
    }

    /// The place of the first key.
    #[inline]
    pub const fn first_place(&self) -> usize {
        match self.find {
            Find::Range { .. } | Find::Derived | Find::Stored | Find::Keyword { .. } => self.begin,
            Find::Counted { .. } => self.begin + 1,
        }
    }

    /// The distance of one key to the next.
    #[inline]
    pub const fn step(&self) -> usize {
        match self.find {
            Find::Range { step, .. } | Find::Counted { step } => step,
            Find::Derived | Find::Stored | Find::Keyword { .. } => 1,
        }
    }

    /// Calls `each` with the place of every key that is there.
    pub fn for_each_place(&self, args: Args<'_>, mut each: impl FnMut(usize)) {
        let count = args.len();
        let (first, end, step) = match self.find {
            Find::Range { last, step } if last >= 0 => {
                (self.begin, self.begin + last as usize + 1, step)
            }
            Find::Range { last, step } => (
                self.begin,
                count - (last.unsigned_abs() as usize - 1).min(count),
                step,
            ),
            Find::Counted { step } => {
                let keys = args
                    .try_get(self.begin)
                    .and_then(resp::parse_integer)
                    .unwrap_or(0);
                let first = self.begin + 1;
                let keys = usize::try_from(keys).unwrap_or(0).min(count);
                (first, first + keys * step, step)
            }
            Find::Derived => return,
            Find::Stored => {
                let place = crate::keys::sort_destination(args);
                return place.into_iter().for_each(each);
            }
            Find::Keyword { word, options } => {
                let place = place_behind(args, self.begin, word, options);
                return place.into_iter().for_each(each);
            }
        };
        let mut place = first;
        while place < end.min(count) {
            each(place);
            place += step;
        }
    }
}

/// See [`Find::Keyword`].
fn place_behind(args: Args<'_>, begin: usize, word: &str, options: &[&str]) -> Option<usize> {
    let (mut place, mut at) = (None, begin);
    while at + 1 < args.len() {
        let argument = args.get(at);
        at += 1;
        if options.iter().any(|option| is(argument, option)) {
            if is(argument, word) {
                place = Some(at);
            }
            at += 1;
        }
    }
    place
}

/// Flags of commands, as COMMAND INFO names them.
pub mod flag {
    /// Changes data.
    pub const WRITE: u32 = 1 << 0;
    /// Reads data.
    pub const READONLY: u32 = 1 << 1;
    /// May need memory; refused when the limit is reached.
    pub const DENYOOM: u32 = 1 << 2;
    /// For administrators.
    pub const ADMIN: u32 = 1 << 3;
    /// Not from scripts.
    pub const NOSCRIPT: u32 = 1 << 4;
    /// Allowed while data is loaded.
    pub const LOADING: u32 = 1 << 5;
    /// Allowed on stale replicas.
    pub const STALE: u32 = 1 << 6;
    /// Constant or logarithmic time.
    pub const FAST: u32 = 1 << 7;
    /// Allowed before authentication.
    pub const NO_AUTH: u32 = 1 << 8;
    /// Refused inside MULTI.
    pub const NO_MULTI: u32 = 1 << 9;
    /// Allowed while a script runs too long.
    pub const ALLOW_BUSY: u32 = 1 << 10;
    /// Not shown by MONITOR.
    pub const SKIP_MONITOR: u32 = 1 << 11;
    /// Not kept in the slow log.
    pub const SKIP_SLOWLOG: u32 = 1 << 12;
    /// Keys are not in fixed places.
    pub const MOVABLE_KEYS: u32 = 1 << 13;
    /// Works without a database being loaded asynchronously.
    pub const NO_ASYNC_LOADING: u32 = 1 << 14;
    /// Executed at once inside MULTI instead of being queued.
    pub const IMMEDIATE: u32 = 1 << 15;

    /// The names of those that COMMAND INFO shows.
    pub const NAMES: &[(u32, &str)] = &[
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (NOSCRIPT, "noscript"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MULTI, "no_multi"),
        (MOVABLE_KEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
        (NO_ASYNC_LOADING, "no_async_loading"),
    ];
}

/// Flags of key specs, as COMMAND INFO names them.
pub mod key_flag {
    /// Only read.
    pub const RO: u32 = 1 << 0;
    /// Read and written.
    pub const RW: u32 = 1 << 1;
    /// Overwritten.
    pub const OW: u32 = 1 << 2;
    /// Removed.
    pub const RM: u32 = 1 << 3;
    /// Its value is returned or copied.
    pub const ACCESS: u32 = 1 << 4;
    /// Its value is changed by what it was.
    pub const UPDATE: u32 = 1 << 5;
    /// Data is added.
    pub const INSERT: u32 = 1 << 6;
    /// Data is removed.
    pub const DELETE: u32 = 1 << 7;
    /// Which of these it is depends on the arguments.
    pub const VARIABLE_FLAGS: u32 = 1 << 8;

    /// Their names.
    pub const NAMES: &[(u32, &str)] = &[
        (RO, "RO"),
        (RW, "RW"),
        (OW, "OW"),
        (RM, "RM"),
        (ACCESS, "access"),
        (UPDATE, "update"),
        (INSERT, "insert"),
        (DELETE, "delete"),
        (VARIABLE_FLAGS, "variable_flags"),
    ];
}

/// The groups of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Strings.
    String,
    /// Hashes.
    Hash,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Strings as bits.
    Bitmap,
    /// Numbers of different elements, estimated.
    HyperLogLog,
    /// Positions on the earth.
    Geo,
    /// Keys of any type.
    Generic,
    /// Connections.
    Connection,
    /// Transactions.
    Transactions,
    /// The server itself.
    Server,
}

impl Group {
    /// All groups, in the order of the documents.
    pub const ALL: [Group; 12] = [
        Self::String,
        Self::Hash,
        Self::List,
        Self::Set,
        Self::SortedSet,
        Self::Bitmap,
        Self::HyperLogLog,
        Self::Geo,
        Self::Generic,
        Self::Connection,
        Self::Transactions,
        Self::Server,
    ];

    /// The name that COMMAND DOCS uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Bitmap => "bitmap",
            Self::HyperLogLog => "hyperloglog",
            Self::Geo => "geo",
            Self::Generic => "generic",
            Self::Connection => "connection",
            Self::Transactions => "transactions",
            Self::Server => "server",
        }
    }
}
