//! RESTORE: a key from what DUMP gave.

use keyspace::{Built, Deadline, End, Hash, Key, List, NewValue, Set, SharedBytes, SortedSet};
use resp::Args;

use super::{BAD_VALUE, Items, Value, read_payload};
use crate::command::{Command, Group, KeySpec, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::limits::SHARED_BYTES_MIN;
use crate::parse::{integer, is};

/// RESTORE.
pub const RESTORE: Command = Command {
    name: "restore",
    arity: -4,
    flags: flag::WRITE | flag::DENYOOM,
    keys: &[KeySpec::one(1, key_flag::OW | key_flag::UPDATE)],
    categories: &["keyspace", "dangerous"],
    group: Group::Generic,
    since: "2.6.0",
    summary: "Creates a key from what DUMP returned, here or in Redis",
    complexity: "O(N) where N is the size of the value; O(N*log(N)) for sorted sets",
    syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    run: restore,
    ..Command::BASE
};

/// How much the key was used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    Unsaid,
    IdleSeconds(u64),
    Frequency(u8),
}

struct Options {
    replaces: bool,
    is_absolute: bool,
    usage: Usage,
}

fn restore(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let options = parse(args.tail(4))?;
    let key = context.key(args, 1);
    if !options.replaces && context.keys.find(key).is_some() {
        return Err(CommandError::line(
            "BUSYKEY Target key name already exists.",
        ));
    }
    let ttl_ms = integer(args.get(2))?;
    if ttl_ms < 0 {
        return Err(CommandError::other("Invalid TTL value, must be >= 0"));
    }
    let value = read_payload(args.get(3))?;
    let now_ms = context.now_ms().cast_signed();
    // A sum beyond 64 bits is in the past, as in Redis.
    let deadline_ms = match ttl_ms {
        0 => None,
        _ if options.is_absolute => Some(ttl_ms),
        _ => Some(ttl_ms.wrapping_add(now_ms)),
    };
    let deadline = match deadline_ms {
        None => Deadline::None,
        Some(deadline_ms) if deadline_ms <= now_ms => {
            check(context, &value)?;
            context.keys.remove(key);
            context.reply.ok();
            return Ok(());
        }
        Some(deadline_ms) => Deadline::At(deadline_ms.cast_unsigned()),
    };
    store(context, key, value, deadline)?;
    match options.usage {
        Usage::Unsaid => {}
        Usage::IdleSeconds(seconds) => context.keys.set_idle_seconds(key, seconds),
        Usage::Frequency(frequency) => context.keys.set_frequency(key, frequency),
    }
    context.reply.ok();
    Ok(())
}

fn parse(args: Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options {
        replaces: false,
        is_absolute: false,
        usage: Usage::Unsaid,
    };
    let mut rest = args.iter();
    while let Some(option) = rest.next() {
        match (option, options.usage) {
            _ if is(option, "replace") => options.replaces = true,
            _ if is(option, "absttl") => options.is_absolute = true,
            (_, Usage::Unsaid | Usage::IdleSeconds(_)) if is(option, "idletime") => {
                let seconds = integer(rest.next().ok_or(CommandError::Syntax)?)?;
                let seconds = u64::try_from(seconds)
                    .map_err(|_| CommandError::other("Invalid IDLETIME value, must be >= 0"))?;
                options.usage = Usage::IdleSeconds(seconds);
            }
            (_, Usage::Unsaid | Usage::Frequency(_)) if is(option, "freq") => {
                let frequency = integer(rest.next().ok_or(CommandError::Syntax)?)?;
                let frequency = u8::try_from(frequency).map_err(|_| {
                    CommandError::other("Invalid FREQ value, must be >= 0 and <= 255")
                })?;
                options.usage = Usage::Frequency(frequency);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(options)
}

/// Fails as [`store`] does, and stores nothing.
fn check(context: &mut Context<'_, '_>, value: &Value<'_>) -> Result<(), CommandError> {
    match value {
        Value::String(bytes) if bytes.len() > context.shared.string_bytes_max() => Err(BAD_VALUE),
        Value::String(_) | Value::List(_) => Ok(()),
        Value::Set(members) => set_of(context, members).map(drop),
        Value::Hash(fields, deadlines) => hash_of(context, fields, deadlines).map(drop),
        Value::SortedSet(members, scores) => sorted_set_of(context, members, scores).map(drop),
    }
}

fn store(
    context: &mut Context<'_, '_>,
    key: Key<'_>,
    value: Value<'_>,
    deadline: Deadline,
) -> Result<(), CommandError> {
    match value {
        Value::String(bytes) if bytes.len() > context.shared.string_bytes_max() => {
            return Err(BAD_VALUE);
        }
        Value::String(bytes) if bytes.len() >= SHARED_BYTES_MIN => {
            let shared = SharedBytes::from(bytes.into_owned());
            let value = NewValue::Shared(&shared);
            context.keys.set(key, value, deadline);
        }
        Value::String(bytes) => {
            let value = NewValue::from_client(&bytes);
            context.keys.set(key, value, deadline);
        }
        Value::List(elements) => {
            let list = context.keys.build_collection::<List>(|list| {
                for element in elements.iter() {
                    list.push(End::Back, element);
                }
            });
            context.keys.store_collection(key, list, deadline);
        }
        Value::Set(members) => {
            let set = set_of(context, &members)?;
            context.keys.store_collection(key, set, deadline);
        }
        Value::Hash(fields, deadlines) => {
            let hash = hash_of(context, &fields, &deadlines)?;
            context.keys.store_collection(key, hash, deadline);
        }
        Value::SortedSet(members, scores) => {
            let set = sorted_set_of(context, &members, &scores)?;
            context.keys.store_collection(key, set, deadline);
        }
    }
    Ok(())
}

/// The set of these members, none of which may come twice.
fn set_of(context: &Context<'_, '_>, members: &Items) -> Result<Built<Set>, CommandError> {
    let mut is_twice = false;
    let set = context.keys.build_collection::<Set>(|set| {
        is_twice = !members.iter().all(|member| set.add(member));
    });
    if is_twice { Err(BAD_VALUE) } else { Ok(set) }
}

/// The sorted set of these members, none of which may come twice.
fn sorted_set_of(
    context: &Context<'_, '_>,
    members: &Items,
    scores: &[f64],
) -> Result<Built<SortedSet>, CommandError> {
    let mut is_twice = false;
    let set = context.keys.build_collection::<SortedSet>(|set| {
        set.expect(members.iter());
        for (member, score) in members.iter().zip(scores) {
            is_twice |= set.contents().score(member).is_some();
            set.set(member, *score);
        }
    });
    if is_twice { Err(BAD_VALUE) } else { Ok(set) }
}

/// The hash of these fields, none of which may come twice, without those whose time is up.
fn hash_of(
    context: &Context<'_, '_>,
    fields: &Items,
    deadlines: &[u64],
) -> Result<Built<Hash>, CommandError> {
    let now_ms = context.now_ms();
    let mut is_twice = false;
    let hash = context.keys.build_collection::<Hash>(|hash| {
        let mut deadlines = deadlines.iter();
        for (name, value) in fields.pairs() {
            let deadline = match deadlines.next() {
                None | Some(0) => Deadline::None,
                Some(deadline_ms) if *deadline_ms <= now_ms => continue,
                Some(deadline_ms) => Deadline::At(*deadline_ms),
            };
            is_twice |= !hash.set(name, value, deadline, now_ms);
        }
    });
    if is_twice { Err(BAD_VALUE) } else { Ok(hash) }
}
