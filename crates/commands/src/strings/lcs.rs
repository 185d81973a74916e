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
        Some(entry) => string_value(&entry)?.bytes(&mut number_a),
    };
    let b: &[u8] = match context.keys.peek(key_b) {
        None => b"",
        Some(entry) => string_value(&entry)?.bytes(&mut number_b),
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

#[cfg(test)]
mod tests {
    use crate::testing::{TestServer, check, check_resp3, show};

    #[test]
    fn common_parts_are_found() {
        check(
            "MSET a ohmytext b mynewtext n 1234 m 3499
             LCS a b
             LCS a b LEN
             LCS a b IDX
             LCS a b IDX MINMATCHLEN 4
             LCS a b idx minmatchlen 4 withmatchlen
             LCS a b IDX MINMATCHLEN -5 WITHMATCHLEN
             LCS a b MINMATCHLEN 4 WITHMATCHLEN
             LCS a missing
             LCS missing missing LEN
             LCS a missing IDX
             LCS n m",
            "OK
             mytext
             :6
             [matches [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] len :6]
             [matches [[[:4 :7] [:5 :8]]] len :6]
             [matches [[[:4 :7] [:5 :8] :4]] len :6]
             [matches [[[:4 :7] [:5 :8] :4] [[:2 :3] [:0 :1] :2]] len :6]
             mytext
             \"\"
             :0
             [matches [] len :0]
             34",
        );
        check_resp3(
            "SET a ab\nLCS a a IDX",
            "OK\n{matches [[[:0 :1] [:0 :1]]] len :2}",
        );
    }

    #[test]
    fn options_are_checked() {
        check(
            "LCS a b LEN IDX
             LCS a b FOO
             LCS a b MINMATCHLEN
             LCS a b MINMATCHLEN x
             LCS a",
            "-ERR If you want both the length and indexes, please just use IDX.
             -ERR syntax error
             -ERR syntax error
             -ERR value is not an integer or out of range
             -ERR wrong number of arguments for 'lcs' command",
        );
    }

    #[test]
    fn long_strings_are_refused() {
        const LEN_MAX: usize = 11_584;
        let mut server = TestServer::new();
        let value = vec![b'x'; LEN_MAX];
        server.command(&[b"SET", b"a".as_slice(), &value]);
        assert_eq!(
            server.run("LCS a a LEN\nAPPEND a x\nLCS a a LEN\nLCS a missing LEN"),
            format!(
                ":{LEN_MAX}\n:{}\n-ERR Insufficient memory, transient memory for LCS exceeds \
                 proto-max-bulk-len\n:0",
                LEN_MAX + 1
            )
        );
        let reply = server.command(&["LCS", "a", "missing"]);
        assert_eq!(show(&reply), "\"\"");
    }
}
