//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! EXEC locks the keys of all queued commands and of all watched keys at once, so nobody sees half of it.

use resp::Args;

use crate::command::{Command, Group, KeySpec, Locks, flag, key_flag};
use crate::context::Context;
use crate::dispatch::run_queued;
use crate::error::CommandError;
use crate::session::Watching;

const TRANSACTION: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::ALLOW_BUSY;

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "multi",
        arity: 1,
        flags: TRANSACTION | flag::FAST | flag::IMMEDIATE,
        group: Group::Transactions,
        categories: &["transaction"],
        since: "1.2.0",
        summary: "Starts a transaction",
        run: multi,
        ..Command::BASE
    },
    Command {
        name: "exec",
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::SKIP_SLOWLOG | flag::IMMEDIATE,
        group: Group::Transactions,
        categories: &["transaction"],
        since: "1.2.0",
        summary: "Executes all commands in a transaction",
        complexity: "Depends on commands in the transaction",
        locks: Locks::Transaction,
        run: exec,
        ..Command::BASE
    },
    Command {
        name: "discard",
        arity: 1,
        flags: TRANSACTION | flag::FAST | flag::IMMEDIATE,
        group: Group::Transactions,
        categories: &["transaction"],
        since: "2.0.0",
        summary: "Discards a transaction",
        complexity: "O(N), when N is the number of queued commands",
        run: discard,
        ..Command::BASE
    },
    Command {
        name: "watch",
        arity: -2,
        flags: TRANSACTION | flag::FAST | flag::IMMEDIATE,
        keys: &[KeySpec::all(1, 1, key_flag::RO)],
        group: Group::Transactions,
        categories: &["transaction"],
        since: "2.2.0",
        summary: "Monitors changes to keys to determine the execution of a transaction",
        complexity: "O(1) for every key",
        syntax: "key [key ...]",
        run: watch,
        ..Command::BASE
    },
    Command {
        name: "unwatch",
        arity: 1,
        flags: TRANSACTION | flag::FAST,
        group: Group::Transactions,
        categories: &["transaction"],
        since: "2.2.0",
        summary: "Forgets about watched keys of a transaction",
        run: unwatch,
        ..Command::BASE
    },
];

fn multi(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    if context.session.transaction.is_some() {
        return Err(CommandError::line("ERR MULTI calls can not be nested"));
    }
    context.session.transaction = Some(Box::default());
    context.reply.ok();
    Ok(())
}

fn exec(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    let Some(transaction) = context.session.transaction.take() else {
        return Err(CommandError::line("ERR EXEC without MULTI"));
    };
    let is_dirty = has_changed(context);
    context.session.unwatch(context.shared);
    if transaction.broken {
        return Err(CommandError::line(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    if is_dirty {
        context.reply.null_array();
        return Ok(());
    }
    context.reply.array(transaction.queued.len());
    context.session.executing = transaction.queued.len() as u32 + 1;
    run_queued(context, &transaction);
    context.session.executing = 0;
    Ok(())
}

/// Whether a watched key has changed or expired.
fn has_changed(context: &mut Context<'_, '_>) -> bool {
    let Some(watching) = &context.session.watching else {
        return false;
    };
    for key in &watching.keys {
        // Removes the key or fields if their time is up, which marks the watcher.
        context.keys.expire_fields(key.as_key());
    }
    watching.watcher.is_dirty()
}

fn discard(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    if context.session.transaction.take().is_none() {
        return Err(CommandError::line("ERR DISCARD without MULTI"));
    }
    context.session.unwatch(context.shared);
    context.reply.ok();
    Ok(())
}

fn watch(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    if context.session.transaction.is_some() {
        return Err(CommandError::line("ERR WATCH inside MULTI is not allowed"));
    }
    let database = context.session.database;
    let watching: &mut Watching = context.session.watching.get_or_insert_default();
    for bytes in args.tail(1).iter() {
        let is_watched =
            |key: &keyspace::WatchedKey| key.database == database && *key.bytes == *bytes;
        if !watching.keys.iter().any(is_watched) {
            let key = context.keys.key(database, bytes);
            watching
                .keys
                .push(context.keys.watch(key, &watching.watcher));
        }
    }
    context.reply.ok();
    Ok(())
}

fn unwatch(context: &mut Context<'_, '_>, _: Args<'_>) -> Result<(), CommandError> {
    context.session.unwatch(context.shared);
    context.reply.ok();
    Ok(())
}
