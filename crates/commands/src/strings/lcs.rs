//! LCS: the longest common subsequence of two values.

use keyspace::{Key, Number};
use resp::Args;

use super::subsequence::{Match, length, matches};
use crate::context::{Context, string_value};
use crate::error::CommandError;
use crate::limits::LCS_TABLE_BYTES_MAX;
use crate::parse::{integer, is};

/// The options of LCS.
struct LcsOptions {
    reply: LcsReply,
    match_bytes_min: usize,
    match_lengths: MatchLengths,
}

/// What LCS answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LcsReply {
    /// The common subsequence.
    Text,
    /// Its length (LEN).
    Length,
    /// Where its parts are (IDX), and its length.
    Matches,
}

/// Whether matches come with their length (WITHMATCHLEN).
#[derive(Clone, Copy, PartialEq, Eq)]
enum MatchLengths {
    Shown,
    Hidden,
}

impl LcsOptions {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let (mut has_length, mut has_matches) = (false, false);
        let (mut match_bytes_min, mut match_lengths) = (0, MatchLengths::Hidden);
        let mut rest = args.tail(3).iter();
        while let Some(option) = rest.next() {
            if is(option, "IDX") {
                has_matches = true;
            } else if is(option, "LEN") {
                has_length = true;
            } else if is(option, "WITHMATCHLEN") {
                match_lengths = MatchLengths::Shown;
            } else if is(option, "MINMATCHLEN") {
                let min = integer(rest.next().ok_or(CommandError::Syntax)?)?;
                match_bytes_min = usize::try_from(min).unwrap_or(0);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let reply = match (has_length, has_matches) {
            (false, false) => LcsReply::Text,
            (true, false) => LcsReply::Length,
            (false, true) => LcsReply::Matches,
            (true, true) => {
                return Err(CommandError::line(
                    "ERR If you want both the length and indexes, please just use IDX.",
                ));
            }
        };
        Ok(Self {
            reply,
            match_bytes_min,
            match_lengths,
        })
    }
}

pub fn lcs(context: &mut Context<'_, '_>, args: Args<'_>) -> Result<(), CommandError> {
    let (key_a, key_b) = (context.key(args, 1), context.key(args, 2));
    check_string(context, key_a)?;
    check_string(context, key_b)?;
    let options = LcsOptions::parse(args)?;
    let (mut number_a, mut number_b) = (Number::new(), Number::new());
    let a: &[u8] = match context.keys.peek(key_a) {
        None => b"",
        Some(entry) => string_value(&entry)?.string_bytes(&mut number_a),
    };
    let b: &[u8] = match context.keys.peek(key_b) {
        None => b"",
        Some(entry) => string_value(&entry)?.string_bytes(&mut number_b),
    };
    check_table(a.len(), b.len(), context.shared.string_bytes_max())?;
    let reply = &mut context.reply;
    match options.reply {
        LcsReply::Length => reply.integer(length(a, b) as i64),
        LcsReply::Text => {
            let parts = matches(a, b);
            let parts = parts.iter().rev();
            let text: Vec<u8> = parts
                .flat_map(|part| &a[part.a..][..part.len])
                .copied()
                .collect();
            reply.bulk(&text);
        }
        LcsReply::Matches => reply_matches(reply, &matches(a, b), &options),
    }
    Ok(())
}

/// Counts a read of a key; fails when its value is no string.
fn check_string(context: &mut Context<'_, '_>, key: Key<'_>) -> Result<(), CommandError> {
    match context.keys.read(key) {
        Some(entry) if string_value(&entry).is_err() => Err(CommandError::line(
            "ERR The specified keys must contain string values",
        )),
        Some(_) | None => Ok(()),
    }
}

/// Fails when Redis's table, which has 4 bytes a cell, would be too large: this bounds our time and memory too.
fn check_table(a_len: usize, b_len: usize, string_bytes_max: usize) -> Result<(), CommandError> {
    let bytes = (a_len as u128 + 1) * (b_len as u128 + 1) * 4;
    if bytes > string_bytes_max.min(LCS_TABLE_BYTES_MAX) as u128 {
        return Err(CommandError::line(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    Ok(())
}

fn reply_matches(reply: &mut resp::ReplyWriter<'_>, parts: &[Match], options: &LcsOptions) {
    let is_shown = |part: &&Match| part.len >= options.match_bytes_min;
    let has_lengths = options.match_lengths == MatchLengths::Shown;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(parts.iter().filter(is_shown).count());
    for part in parts.iter().filter(is_shown) {
        reply.array(2 + usize::from(has_lengths));
        for start in [part.a, part.b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + part.len - 1) as i64);
        }
        if has_lengths {
            reply.integer(part.len as i64);
        }
    }
    reply.bulk(b"len");
    let len: usize = parts.iter().map(|part| part.len).sum();
    reply.integer(len as i64);
}
