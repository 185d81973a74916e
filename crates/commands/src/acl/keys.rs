//! The keys of a request, and what it does with each.

use resp::Args;

use super::rule::access;
use crate::command::{Command, Find, KeySpec, key_flag};
use crate::parse::is;
use crate::registry::Registered;

/// One key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Its place among the arguments.
    pub place: usize,
    /// What is done with it, see [`access`].
    pub access: u8,
}

/// The keys of a request.
pub type RequestKeys = [RequestKey];

/// Finds the keys of a request. As in Redis, one whose count of keys is wrong has none: it fails.
pub fn keys_of(registered: &Registered, args: Args<'_>) -> Vec<RequestKey> {
    let mut keys = Vec::new();
    if !registered
        .command
        .keys
        .iter()
        .all(|spec| has_count(spec, args))
    {
        return keys;
    }
    for spec in registered.command.keys {
        let access = access_of(flags_for(registered.command, spec, args));
        spec.for_each_place(args, |place| keys.push(RequestKey { place, access }));
    }
    keys
}

/// Whether the operations of BITFIELD only read; what makes no sense counts as a change.
fn only_reads_bits(operations: Args<'_>) -> bool {
    let mut at = 0;
    while at < operations.len() {
        let left = operations.len() - at - 1;
        at += match operations.get(at) {
            word if is(word, "get") && left >= 2 => 3,
            word if is(word, "overflow") && left >= 1 => 2,
            _ => return false,
        };
    }
    true
}

/// Whether there are as many keys as a request says, and at least one.
fn has_count(spec: &KeySpec, args: Args<'_>) -> bool {
    let Find::Counted { step } = spec.find else {
        return true;
    };
    let count = args.try_get(spec.begin).and_then(resp::parse_integer);
    let count = count.and_then(|count| usize::try_from(count).ok());
    let keys_max = args.len().saturating_sub(spec.begin + 1) / step;
    count.is_some_and(|count| (1..=keys_max).contains(&count))
}

fn access_of(flags: u32) -> u8 {
    const CHANGES: u32 = key_flag::INSERT | key_flag::DELETE | key_flag::UPDATE;
    let reads = if flags & key_flag::ACCESS != 0 {
        access::READ
    } else {
        0
    };
    let writes = if flags & CHANGES != 0 {
        access::WRITE
    } else {
        0
    };
    reads | writes
}

/// What a request does with the keys of a spec, where that depends on the options: see [`key_flag`].
pub fn flags_for(command: &Command, spec: &KeySpec, args: Args<'_>) -> u32 {
    let flags = spec.flags & !key_flag::VARIABLE_FLAGS;
    if flags == spec.flags {
        return flags;
    }
    let has_option = |first: usize, words: &[&str]| {
        let options = args.tail(first);
        options
            .iter()
            .any(|argument| words.iter().any(|word| is(argument, word)))
    };
    match command.name {
        "set" if has_option(3, &["get"]) => key_flag::RW | key_flag::ACCESS | key_flag::UPDATE,
        "set" => key_flag::OW | key_flag::UPDATE,
        "delex" if has_option(2, &["ifeq", "ifne", "ifdeq", "ifdne"]) => {
            key_flag::RW | key_flag::DELETE
        }
        "delex" => key_flag::RM | key_flag::DELETE,
        "bitfield" if only_reads_bits(args.tail(2)) => key_flag::RO | key_flag::ACCESS,
        _ => flags,
    }
}
