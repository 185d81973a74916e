//! Access logs of a live server: what MONITOR prints, or plain lines such as `GET key`.
//!
//! ```text
//! 1764000000.123456 [0 127.0.0.1:50000] "GET" "user:1"
//! GET user:1
//! ```
//!
//! Only reads count as requests: the write that follows a miss is part of that request. Other lines are skipped.

use std::collections::HashMap;

/// Where a command has the keys that it reads.
#[derive(Clone, Copy)]
enum Keys {
    First,
    All,
}

/// The commands that read a key to answer from it. A cache in front of a database is asked by one of these.
const READS: &[(&str, Keys)] = &[
    ("get", Keys::First),
    ("getex", Keys::First),
    ("getrange", Keys::First),
    ("substr", Keys::First),
    ("strlen", Keys::First),
    ("hget", Keys::First),
    ("hgetall", Keys::First),
    ("hmget", Keys::First),
    ("lrange", Keys::First),
    ("smembers", Keys::First),
    ("sismember", Keys::First),
    ("zrange", Keys::First),
    ("zscore", Keys::First),
    ("exists", Keys::All),
    ("mget", Keys::All),
    ("touch", Keys::All),
];

/// The ids of the keys that the log's commands read, in order. Keys of different databases are different.
pub fn key_ids(log: &[u8]) -> Vec<u32> {
    let mut numbers: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut ids = Vec::new();
    for line in log.split(|&byte| byte == b'\n') {
        let (database, command) = split_monitor(line);
        let words = words(command);
        let Some((name, arguments)) = words.split_first() else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let Some((_, keys)) = READS.iter().find(|(read, _)| read.as_bytes() == name) else {
            continue;
        };
        let count = match keys {
            Keys::First => 1,
            Keys::All => arguments.len(),
        };
        for key in arguments.iter().take(count) {
            let next = numbers.len() as u32;
            let full = [database, b" ", key].concat();
            ids.push(*numbers.entry(full).or_insert(next));
        }
    }
    ids
}

/// The database's number and the command of a line of MONITOR; other lines are the command itself.
fn split_monitor(line: &[u8]) -> (&[u8], &[u8]) {
    let split = || {
        let open = line.iter().position(|&byte| byte == b'[')?;
        let is_time = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b' ');
        if open == 0 || !line[..open].iter().all(is_time) {
            return None;
        }
        let space = open + line[open..].iter().position(|&byte| byte == b' ')?;
        let close = space + line[space..].windows(2).position(|pair| pair == b"] ")?;
        Some((&line[open + 1..space], &line[close + 2..]))
    };
    split().unwrap_or((b"0", line))
}

/// The words of a command, with or without quotes.
fn words(mut text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    loop {
        text = text.trim_ascii_start();
        match text.first() {
            None => return words,
            Some(b'"') => {
                let (word, rest) = quoted(&text[1..]);
                words.push(word);
                text = rest;
            }
            Some(_) => {
                let end = text.iter().position(u8::is_ascii_whitespace);
                let (word, rest) = text.split_at(end.unwrap_or(text.len()));
                words.push(word.to_vec());
                text = rest;
            }
        }
    }
}

/// What stands up to the closing quote, and what follows it. Escapes are those that MONITOR writes.
fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => {
                let (byte, length) = escape(&text[at..]);
                word.push(byte);
                at += length;
            }
            _ => word.push(byte),
        }
    }
    (word, &text[at.min(text.len())..])
}

/// The byte that is meant by what follows a backslash, and the length of that.
fn escape(text: &[u8]) -> (u8, usize) {
    match text {
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'a', ..] => (7, 1),
        [b'b', ..] => (8, 1),
        [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            (hex(*high) << 4 | hex(*low), 3)
        }
        [other, ..] => (*other, 1),
        [] => (b'\\', 0),
    }
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::{key_ids, words};

    #[test]
    fn monitor_lines() {
        let log = b"OK\n\
            1339518083.107412 [0 127.0.0.1:60866] \"GET\" \"a\"\n\
            1339518083.107413 [0 127.0.0.1:60866] \"set\" \"a\" \"1\"\n\
            1339518083.107414 [0 [::1]:60866] \"mget\" \"b\" \"a\"\n\
            1339518083.107415 [3 unix:/tmp/s] \"get\" \"a\"\r\n\
            1339518083.107416 [0 lua] \"get\" \"b\"\n";
        assert_eq!(key_ids(log), [0, 1, 0, 2, 1]);
    }

    #[test]
    fn plain_lines() {
        assert_eq!(
            key_ids(b"GET a\nget b\nDEL a\n\nGET\nGET \"a\"\n"),
            [0, 1, 0]
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(
            words(br#""a\"b\\\x00\n" c "open\x0"#),
            [b"a\"b\\\0\n".to_vec(), b"c".to_vec(), b"openx0".to_vec()]
        );
    }
}
