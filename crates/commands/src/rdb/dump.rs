//! DUMP: a value in the form that Redis 7.0 would give it.

use bytes::Bytes;
use keyspace::{
    Contents, Direction, Encoding, Hash, Item, Key, List, Number, Set, SortedSet, StringRef,
    ValueKind,
};
use resp::{Args, format_double_17};

use super::packed::{Listpack, write_intset};
use super::value::form;
use super::{seal, writer};
use crate::command::{Command, Group, KeySpec, flag, key_flag};
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::limits::SHARED_BYTES_MIN;

/// DUMP.
pub const DUMP: Command = Command {
    name: "dump",
    arity: 2,
    flags: flag::READONLY,
    keys: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
    categories: &["keyspace"],
    tips: &["nondeterministic_output"],
    group: Group::Generic,
    since: "2.6.0",
    summary: "Returns a value in a form that RESTORE makes the same value of, here or in Redis",
    complexity: "O(N) where N is the size of the value",
    syntax: "key",
    run: dump,
    ..Command::BASE
};

/// The bytes of a part of a list, as `list-max-listpack-size` has them by default.
const LIST_PART_BYTES_MAX: usize = 8192;
/// What Redis adds to the bytes of an element when it looks whether that still fits.
const ELEMENT_BYTES_MORE: usize = 8;
/// A part of a list that is a listpack.
const PACKED: usize = 2;

fn dump(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let key = context.key(args, 1);
    let Some(entry) = context.keys.read(key) else {
        context.reply.null();
        return Ok(());
    };
    let mut payload = Vec::new();
    match entry.kind() {
        ValueKind::String => {
            payload.push(form::STRING);
            match string_value(&entry)? {
                StringRef::Integer(integer) => writer::integer(integer, &mut payload),
                StringRef::Bytes(bytes) => writer::string(bytes, &mut payload),
            }
        }
        ValueKind::Set => {
            let is_intset = entry.encoding() == Encoding::Intset;
            dump_set(context, key, is_intset, &mut payload)?;
        }
        ValueKind::SortedSet => {
            let is_packed = entry.encoding() == Encoding::Listpack;
            dump_sorted_set(context, key, is_packed, &mut payload)?;
        }
        ValueKind::List => dump_list(context, key, &mut payload)?,
        ValueKind::Hash => {
            let encoding = entry.encoding();
            dump_hash(context, key, encoding, &mut payload)?;
        }
    }
    seal(&mut payload);
    context.check_reply(payload.len())?;
    if payload.len() >= SHARED_BYTES_MIN {
        context.reply.bulk_shared(Bytes::from(payload));
    } else {
        context.reply.bulk(&payload);
    }
    Ok(())
}

fn dump_set(
    context: &Context<'_, '_>,
    key: Key<'_>,
    is_intset: bool,
    to: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let Some(set) = context.keys.peek_collection::<Set>(key)? else {
        return Ok(());
    };
    if is_intset {
        let integers = set.members().filter_map(|member| match member {
            Item::Integer(integer) => Some(integer),
            Item::Bytes(_) => None,
        });
        to.push(form::SET_INTSET);
        writer::string(&write_intset(&integers.collect::<Vec<_>>()), to);
        return Ok(());
    }
    to.push(form::SET);
    writer::length(set.len(), to);
    let mut number = Number::new();
    for member in set.members() {
        writer::string(member.bytes(&mut number), to);
    }
    Ok(())
}

fn dump_sorted_set(
    context: &Context<'_, '_>,
    key: Key<'_>,
    is_packed: bool,
    to: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let Some(set) = context.keys.peek_collection::<SortedSet>(key)? else {
        return Ok(());
    };
    if is_packed {
        let mut members = Listpack::default();
        for (member, score) in set.members() {
            members.push(member);
            members.push(Item::from_client(format_double_17(score).as_bytes()));
        }
        to.push(form::SORTED_SET_LISTPACK);
        writer::string(&members.finish(), to);
        return Ok(());
    }
    to.push(form::SORTED_SET);
    writer::length(set.len(), to);
    let mut number = Number::new();
    // As Redis, which reads them quicker that way.
    for (member, score) in set.range(0..set.len(), Direction::Backward) {
        writer::string(member.bytes(&mut number), to);
        to.extend_from_slice(&score.to_le_bytes());
    }
    Ok(())
}

fn dump_list(
    context: &Context<'_, '_>,
    key: Key<'_>,
    to: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let Some(list) = context.keys.peek_collection::<List>(key)? else {
        return Ok(());
    };
    to.push(form::LIST_LISTPACKS);
    let (mut parts, mut count) = (Vec::new(), 0);
    let mut part = Listpack::default();
    let mut finish = |part: &mut Listpack| {
        writer::length(PACKED, &mut parts);
        writer::string(&std::mem::take(part).finish(), &mut parts);
        count += 1;
    };
    for element in Contents::elements_from(list, 0) {
        let len = part.len() + element.len() + ELEMENT_BYTES_MORE;
        if len > LIST_PART_BYTES_MAX && !part.is_empty() {
            finish(&mut part);
        }
        part.push(element);
    }
    finish(&mut part);
    writer::length(count, to);
    to.extend_from_slice(&parts);
    Ok(())
}

fn dump_hash(
    context: &Context<'_, '_>,
    key: Key<'_>,
    encoding: Encoding,
    to: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let Some(hash) = context.keys.peek_collection::<Hash>(key)? else {
        return Ok(());
    };
    let now_ms = context.now_ms();
    let mut first_ms = None;
    hash.for_each(now_ms, |field| {
        let both = [first_ms, field.deadline_ms];
        first_ms = both.into_iter().flatten().min();
        true
    });
    let mut number = Number::new();
    if first_ms.is_none() && encoding != Encoding::Hashtable {
        let mut fields = Listpack::default();
        hash.for_each(now_ms, |field| {
            fields.push(field.name);
            fields.push(field.value);
            true
        });
        to.push(form::HASH_LISTPACK);
        writer::string(&fields.finish(), to);
        return Ok(());
    }
    match first_ms {
        None => to.push(form::HASH),
        Some(first_ms) => {
            to.push(form::HASH_TIMED);
            to.extend_from_slice(&first_ms.to_le_bytes());
        }
    }
    writer::length(hash.count(now_ms), to);
    hash.for_each(now_ms, |field| {
        if let Some(first_ms) = first_ms {
            let after = field.deadline_ms.map_or(0, |at_ms| at_ms - first_ms + 1);
            writer::length(after as usize, to);
        }
        writer::string(field.name.bytes(&mut number), to);
        writer::string(field.value.bytes(&mut number), to);
        true
    });
    Ok(())
}
