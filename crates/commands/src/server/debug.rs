//! DEBUG: what test suites need.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use keyspace::{Deadline, NewValue, StringRef};
use resp::Args;

use super::ANYTIME;
use crate::command::{Command, Locks, flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::help::write_help;
use crate::limits::POPULATE_KEYS_MAX;
use crate::parse::{integer, is};

pub const DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    flags: flag::ADMIN | flag::NOSCRIPT | ANYTIME,
    since: "1.0.0",
    summary: "A container for commands that test suites need",
    complexity: "Depends on subcommand",
    syntax: "ERROR line | HELP | OBJECT key [FAST] | POPULATE count [prefix [size]] | PROTOCOL type \
             | SET-ACTIVE-EXPIRE <0 | 1> | SLEEP seconds",
    locks: Locks::Named(name_keys),
    run: debug,
    ..Command::BASE
};

type Run = fn(&mut Context<'_, '_>, Args<'_>) -> Result<(), CommandError>;

/// One subcommand. They are no rows of the table: Redis does not list them either.
struct Subcommand {
    name: &'static str,
    syntax: &'static str,
    summary: &'static str,
    /// The least and the most arguments, both names included.
    arguments: std::ops::RangeInclusive<usize>,
    run: Run,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "ERROR",
        syntax: "<line>",
        summary: "Returns an error with this line",
        arguments: 3..=3,
        run: error,
    },
    Subcommand {
        name: "OBJECT",
        syntax: "<key> [FAST]",
        summary: "Shows how the value of a key is stored",
        arguments: 3..=4,
        run: object,
    },
    Subcommand {
        name: "POPULATE",
        syntax: "<count> [<prefix> [<size>]]",
        summary: "Creates string keys `<prefix>:<number>`, where they do not exist",
        arguments: 3..=5,
        run: populate,
    },
    Subcommand {
        name: "PROTOCOL",
        syntax: "<type>",
        summary: "Returns a value of this type of the protocol",
        arguments: 3..=3,
        run: protocol,
    },
    Subcommand {
        name: "SET-ACTIVE-EXPIRE",
        syntax: "<0|1>",
        summary: "Turns the removal of expired keys that nobody asks for off or on",
        arguments: 3..=3,
        run: set_active_expire,
    },
    Subcommand {
        name: "SLEEP",
        syntax: "<seconds>",
        summary: "Stops the worker of this connection for some time, with decimals",
        arguments: 3..=3,
        run: sleep,
    },
];

fn debug(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let name = args.get(1);
    if args.len() == 2 && is(name, "help") {
        let lines = SUBCOMMANDS
            .iter()
            .map(|known| (known.name, known.syntax, known.summary));
        write_help(&mut context.reply, "debug", lines);
        return Ok(());
    }
    let known = SUBCOMMANDS
        .iter()
        .find(|known| is(name, known.name) && known.arguments.contains(&args.len()));
    match known {
        Some(known) => (known.run)(context, args),
        None => Err(CommandError::other(format_args!(
            "unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
            String::from_utf8_lossy(&name[..name.len().min(128)])
        ))),
    }
}

/// The keys of OBJECT and POPULATE.
fn name_keys(args: Args<'_>, database: u8, each: &mut dyn FnMut(u8, &[u8])) {
    let (Some(name), Some(first)) = (args.try_get(1), args.try_get(2)) else {
        return;
    };
    if is(name, "object") {
        each(database, first);
    } else if is(name, "populate")
        && let Ok(populate) = Populate::parse(args)
    {
        (0..populate.count).for_each(|number| each(database, &populate.key(number)));
    }
}

fn error(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    // It is a reply like any other: statistics do not count it as an error.
    context.reply.error(args.get(2));
    Ok(())
}

fn object(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 2);
    let Some(entry) = context.keys.peek(key) else {
        return Err(CommandError::NoSuchKey);
    };
    let idle_seconds = context.keys.idle_seconds(entry).unwrap_or(0);
    let stamp = (context.now_ms() / 1000).saturating_sub(idle_seconds) & 0xff_ffff;
    let text = format!(
        "Value at:{:#x} refcount:1 encoding:{} serializedlength:{} lru:{stamp} lru_seconds_idle:{idle_seconds}",
        entry.key().as_ptr().addr(),
        entry.encoding().name(),
        entry.string().map_or(0, StringRef::len) + 1,
    );
    context.reply.simple(&text);
    Ok(())
}

/// What DEBUG POPULATE is asked for.
struct Populate<'a> {
    count: u64,
    prefix: &'a [u8],
    size: Option<usize>,
}

impl<'a> Populate<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        const OUT_OF_RANGE: CommandError =
            CommandError::line("ERR value is out of range, must be positive");
        let positive = |argument| {
            let number = integer(argument).map_err(|_| OUT_OF_RANGE)?;
            u64::try_from(number).map_err(|_| OUT_OF_RANGE)
        };
        let count = positive(args.get(2))?;
        if count > POPULATE_KEYS_MAX {
            return Err(CommandError::other(format_args!(
                "at most {POPULATE_KEYS_MAX} keys can be created at once"
            )));
        }
        let size = args.try_get(4).map(positive).transpose()?;
        let size = size.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if size.is_some_and(|size| size > keyspace::limits::STRING_BYTES_MAX) {
            return Err(CommandError::StringTooLong);
        }
        Ok(Self {
            count,
            prefix: args.try_get(3).unwrap_or(b"key"),
            size,
        })
    }

    fn key(&self, number: u64) -> Vec<u8> {
        [self.prefix, format!(":{number}").as_bytes()].concat()
    }

    /// `value:<number>`, cut or filled with zero bytes to the size that is asked for.
    fn value(&self, number: u64) -> Vec<u8> {
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = self.size.filter(|size| *size > 0) {
            value.resize(size, 0);
        }
        value
    }
}

fn populate(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let populate = Populate::parse(args)?;
    let database = context.session.database;
    for number in 0..populate.count {
        let bytes = populate.key(number);
        let key = context.keys.key(database, &bytes);
        if context.keys.find(key).is_none() {
            let value = populate.value(number);
            context
                .keys
                .set(key, NewValue::Bytes(&value), Deadline::None);
        }
    }
    context.reply.ok();
    Ok(())
}

#[expect(clippy::approx_constant, reason = "Redis's value")]
fn protocol(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let reply = &mut context.reply;
    match args.get(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3.141),
        b"null" => reply.null(),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.attribute(1) {
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if !reply.is_resp3() {
                return Err(CommandError::line(
                    "ERR RESP2 is not supported by this command",
                ));
            }
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(CommandError::line(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn set_active_expire(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    // As C's `atoi`: what is not a number is 0.
    let is_on = integer(args.get(2)).unwrap_or(0) != 0;
    context.shared.active_expire.store(is_on, Relaxed);
    context.reply.ok();
    Ok(())
}

fn sleep(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let text = std::str::from_utf8(args.get(2)).unwrap_or_default();
    // As C's `strtod`: what is not a number is 0, and so is what lies in the past.
    let seconds = text.parse().unwrap_or(0.0);
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    context.keys.rest(|| std::thread::sleep(duration));
    context.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::{DEBUG, SUBCOMMANDS};
    use crate::testing::{TestServer, check, check_resp3};

    #[test]
    fn the_row_names_every_subcommand() {
        for subcommand in SUBCOMMANDS {
            let (name, syntax) = (subcommand.name, subcommand.syntax);
            let syntax = match syntax {
                "<0|1>" => "<0 | 1>".to_owned(),
                other => other.replace(['<', '>'], ""),
            };
            let usage = format!("{name} {syntax}");
            assert!(DEBUG.syntax.contains(&usage), "{usage}");
        }
    }

    #[test]
    fn subcommands_are_checked() {
        check(
            "DEBUG SLEEP
             DEBUG SLEEP 0 0
             DEBUG jmap
             DEBUG
             DEBUG SLEEP 0
             DEBUG sleep -1
             DEBUG ERROR \"MINE a b\"",
            "-ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP.
             -ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP.
             -ERR unknown subcommand or wrong number of arguments for 'jmap'. Try DEBUG HELP.
             -ERR wrong number of arguments for 'debug' command
             OK
             OK
             -MINE a b",
        );
    }

    #[test]
    fn keys_are_created_where_there_are_none() {
        check(
            r#"SET key:1 x
               DEBUG POPULATE 3
               MGET key:0 key:1 key:2 key:3
               DEBUG POPULATE 2 p 3
               DEBUG POPULATE 1 q 10
               MGET p:0 p:1 q:0
               DEBUG POPULATE x
               DEBUG POPULATE -1
               DEBUG POPULATE 1 p x
               DEBUG POPULATE 10000001"#,
            r"OK
              OK
              [value:0 x value:2 nil]
              OK
              OK
              [val val value:0\x00\x00\x00]
              -ERR value is out of range, must be positive
              -ERR value is out of range, must be positive
              -ERR value is out of range, must be positive
              -ERR at most 10000000 keys can be created at once",
        );
    }

    #[test]
    fn objects_are_shown() {
        let mut server = TestServer::new();
        let shown = server.run("SET k v\n+5000\nDEBUG OBJECT k");
        assert!(shown.starts_with("OK\nValue at:0x"), "{shown}");
        assert!(shown.contains(" refcount:1 encoding:embstr serializedlength:2 lru:"));
        assert!(shown.ends_with(" lru_seconds_idle:5"), "{shown}");
        check("DEBUG OBJECT missing", "-ERR no such key");
    }

    #[test]
    fn values_of_each_type_are_sent() {
        check_resp3(
            "DEBUG PROTOCOL map
             DEBUG PROTOCOL set
             DEBUG PROTOCOL attrib
             DEBUG PROTOCOL double
             DEBUG PROTOCOL x",
            "{:0 #f :1 #t :2 #f}
             ~[:0 :1 :2]
             |{key-popularity [key:123 :90]} Some real reply following the attribute
             ,3.141
             -ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        );
        check(
            "DEBUG PROTOCOL push",
            "-ERR RESP2 is not supported by this command",
        );
    }

    #[test]
    fn active_expiry_is_switched() {
        let mut server = TestServer::new();
        assert_eq!(server.run("DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
        assert!(!server.shared.active_expire.load(Relaxed));
        assert_eq!(server.run("DEBUG SET-ACTIVE-EXPIRE 1"), "OK");
        assert!(server.shared.active_expire.load(Relaxed));
    }
}
