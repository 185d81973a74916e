//! ACL LOG.

use resp::{Args, ReplyWriter};

use super::too_many;
use crate::acl::log::LogEntry;
use crate::context::Context;
use crate::error::CommandError;
use crate::parse::{integer, is};

/// Entries that are shown when nothing else is asked for.
const SHOWN_DEFAULT: usize = 10;

/// ACL LOG.
pub fn log(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let log = &context.shared.acl.log;
    let count = match (args.try_get(2), args.len()) {
        (None, _) => SHOWN_DEFAULT,
        (Some(word), 3) if is(word, "RESET") => {
            log.clear();
            context.reply.ok();
            return Ok(());
        }
        (Some(count), 3) => usize::try_from(integer(count)?).unwrap_or(0),
        _ => return Err(too_many(args)),
    };
    let (entries, now_ms) = (log.newest(count), context.now_ms());
    context.reply.array(entries.len());
    for entry in &entries {
        show(&mut context.reply, entry, now_ms);
    }
    Ok(())
}

fn show(reply: &mut ReplyWriter<'_>, entry: &LogEntry, now_ms: u64) {
    let denial = &entry.denial;
    let texts: [(&[u8], &[u8]); 4] = [
        (b"reason", denial.reason.word().as_bytes()),
        (b"context", denial.scene.word().as_bytes()),
        (b"object", &denial.object),
        (b"username", &denial.user),
    ];
    let numbers: [(&[u8], u64); 3] = [
        (b"entry-id", entry.id),
        (b"timestamp-created", entry.created_ms),
        (b"timestamp-last-updated", entry.updated_ms),
    ];
    reply.map(10);
    reply.bulk(b"count");
    reply.integer(entry.count.cast_signed());
    for (name, text) in texts {
        reply.bulk(name);
        reply.bulk(text);
    }
    reply.bulk(b"age-seconds");
    reply.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(entry.client.as_bytes());
    for (name, number) in numbers {
        reply.bulk(name);
        reply.integer(number.cast_signed());
    }
}
