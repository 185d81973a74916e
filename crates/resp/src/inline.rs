//! Inline requests: a line of words, as a person types it into telnet.
//!
//! The rules are those of Redis's `sdssplitargs`. Words are separated by white space. Double quotes
//! may hold `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and `\` before any other byte; single quotes only
//! `\'`. A closing quote must be followed by white space or the end. A zero byte ends the line.

use crate::args::{OwnedArgs, Span};

/// Quotes that do not close, or that close in the middle of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unbalanced;

/// Splits a line into arguments by Redis's quoting rules; `None` when quotes are unbalanced.
#[must_use]
pub fn split_arguments(line: &[u8]) -> Option<OwnedArgs> {
    let mut arguments = OwnedArgs::new();
    split_quoted(line, &mut arguments).ok()?;
    Some(arguments)
}

/// Appends the words of a line without quotes to `spans`. `false`, and nothing appended, when there
/// is a quote and [`split_quoted`] has to do the work.
pub(crate) fn split_plain(line: &[u8], spans: &mut Vec<Span>) -> bool {
    let line = before_zero(line);
    if line.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
        return false;
    }
    let mut position = 0;
    loop {
        position += line[position..]
            .iter()
            .take_while(|byte| is_space(**byte))
            .count();
        if position == line.len() {
            return true;
        }
        let word = line[position..]
            .iter()
            .take_while(|byte| !ends_word(**byte))
            .count();
        spans.push(Span {
            start: position as u32,
            len: word as u32,
        });
        position += word;
    }
}

/// Appends the words of a line, with quotes and escapes resolved.
pub(crate) fn split_quoted(line: &[u8], arguments: &mut OwnedArgs) -> Result<(), Unbalanced> {
    let mut rest = before_zero(line);
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        arguments.begin();
        rest = word(rest, arguments)?;
    }
}

/// Reads one word into the last argument; gives what follows it.
fn word<'a>(mut rest: &'a [u8], arguments: &mut OwnedArgs) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [] => return Ok(rest),
            [b'"', tail @ ..] => return double_quoted(tail, arguments),
            [b'\'', tail @ ..] => return single_quoted(tail, arguments),
            [byte, ..] if ends_word(*byte) => return Ok(rest),
            [byte, tail @ ..] => {
                arguments.extend(&[*byte]);
                tail
            }
        }
    }
}

fn double_quoted<'a>(
    mut rest: &'a [u8],
    arguments: &mut OwnedArgs,
) -> Result<&'a [u8], Unbalanced> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(Unbalanced),
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hexadecimal(*high) << 4 | hexadecimal(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => (unescape(*escaped), tail),
            [b'"', tail @ ..] => return closed(tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        arguments.extend(&[byte]);
        rest = tail;
    }
}

fn single_quoted<'a>(
    mut rest: &'a [u8],
    arguments: &mut OwnedArgs,
) -> Result<&'a [u8], Unbalanced> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(Unbalanced),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [b'\'', tail @ ..] => return closed(tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        arguments.extend(&[byte]);
        rest = tail;
    }
}

fn closed(rest: &[u8]) -> Result<&[u8], Unbalanced> {
    match rest {
        [byte, ..] if !is_space(*byte) => Err(Unbalanced),
        _ => Ok(rest),
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// C's `isspace` in the "C" locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Redis ends a word at fewer bytes than it skips between words.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn before_zero(line: &[u8]) -> &[u8] {
    match memchr::memchr(0, line) {
        Some(zero) => &line[..zero],
        None => line,
    }
}
