//! COMMAND and COMMAND INFO.

use resp::{Args, ReplyWriter};

use super::find;
use crate::command::{Find, KeySpec, flag, key_flag};
use crate::context::Context;
use crate::error::CommandError;
use crate::registry::{Registered, registry};

/// COMMAND without a subcommand.
pub fn all(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.reply.array(registry().commands().count());
    for registered in registry().commands() {
        write_info(&mut context.reply, registered);
    }
    Ok(())
}

/// COMMAND INFO.
pub fn named(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let names = args.tail(2);
    if names.is_empty() {
        return all(context, args);
    }
    context.reply.array(names.len());
    for name in names.iter() {
        match find(name) {
            Some(registered) => write_info(&mut context.reply, registered),
            None => context.reply.null(),
        }
    }
    Ok(())
}

fn write_info(reply: &mut ReplyWriter<'_>, registered: &Registered) {
    let command = registered.command;
    let places = Places::of(command.keys);
    reply.array(10);
    reply.bulk(registered.full_name.as_bytes());
    reply.integer(command.arity.into());
    let movable = if places.are_movable {
        flag::MOVABLE_KEYS
    } else {
        0
    };
    write_flags(reply, command.flags | movable, flag::NAMES);
    for place in [places.first, places.last, places.step] {
        reply.integer(place);
    }
    let categories: Vec<String> = command
        .all_categories()
        .map(|category| format!("@{category}"))
        .collect();
    reply.set(categories.len());
    categories
        .iter()
        .for_each(|category| reply.simple(category));
    reply.set(command.tips.len());
    command
        .tips
        .iter()
        .for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.keys.len());
    command
        .keys
        .iter()
        .for_each(|spec| write_key_spec(reply, spec));
    let subcommands = registry().subcommands(registered);
    reply.set(subcommands.len());
    for subcommand in subcommands {
        write_info(reply, subcommand);
    }
}

/// The names of those flags that are set.
pub fn write_flags(reply: &mut ReplyWriter<'_>, flags: u32, names: &[(u32, &str)]) {
    let set = || names.iter().filter(|(flag, _)| flags & flag != 0);
    reply.set(set().count());
    set().for_each(|(_, name)| reply.simple(name));
}

fn write_key_spec(reply: &mut ReplyWriter<'_>, spec: &KeySpec) {
    if spec.notes.is_empty() {
        reply.map(3);
    } else {
        reply.map(4);
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    write_flags(reply, spec.flags, key_flag::NAMES);
    reply.bulk(b"begin_search");
    match spec.find {
        Find::Range { .. } | Find::Counted { .. } => {
            write_search(reply, "index", &[("index", spec.begin as i64)]);
        }
        Find::Keyword { word, .. } => write_keyword(reply, word, spec.begin as i64),
        Find::Derived | Find::Stored => write_search(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step } => write_range(reply, last, step),
        Find::Keyword { .. } => write_range(reply, 0, 1),
        Find::Counted { step } => {
            let spec = [("keynumidx", 0), ("firstkey", 1), ("keystep", step as i64)];
            write_search(reply, "keynum", &spec);
        }
        Find::Derived | Find::Stored => write_search(reply, "unknown", &[]),
    }
}

fn write_range(reply: &mut ReplyWriter<'_>, last: i32, step: usize) {
    let spec = [
        ("lastkey", last.into()),
        ("keystep", step as i64),
        ("limit", 0),
    ];
    write_search(reply, "range", &spec);
}

fn write_keyword(reply: &mut ReplyWriter<'_>, word: &str, begin: i64) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(b"keyword");
    reply.bulk(b"spec");
    reply.map(2);
    reply.bulk(b"keyword");
    reply.bulk(word.as_bytes());
    reply.bulk(b"startfrom");
    reply.integer(begin);
}

fn write_search(reply: &mut ReplyWriter<'_>, kind: &str, spec: &[(&str, i64)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(spec.len());
    for (name, value) in spec {
        reply.bulk(name.as_bytes());
        reply.integer(*value);
    }
}

/// The keys of a command in the form that clients knew before key specs: one range.
#[derive(Default)]
struct Places {
    first: i64,
    /// From the end of the arguments when negative.
    last: i64,
    step: i64,
    /// Not all keys are in the range.
    are_movable: bool,
}

impl Places {
    /// As Redis does it: a single range as it is, else what adjoining ranges cover.
    fn of(specs: &[KeySpec]) -> Self {
        let mut places = Self::default();
        for spec in specs {
            let Find::Range { last, step } = spec.find else {
                places.are_movable = true;
                continue;
            };
            let first = spec.begin as i64;
            let last = i64::from(last);
            let last = if last >= 0 { first + last } else { last };
            let adjoins = places.first == 0 || places.last == first - 1;
            if specs.len() > 1 && (step != 1 || !adjoins) {
                places.are_movable = true;
                continue;
            }
            if places.first == 0 {
                places.first = first;
            }
            places.last = last;
            places.step = step as i64;
        }
        places
    }
}
