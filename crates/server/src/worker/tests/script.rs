//! Random requests of one client, with the replies that a simple model gives.

use std::collections::HashMap;

use super::random::Random;

/// Keys of each client.
const KEYS: usize = 6;

/// What one client sends, and what it is to be answered.
#[derive(Default)]
pub struct Script {
    /// The requests, one after the other.
    pub bytes: Vec<u8>,
    /// All replies.
    pub replies: Vec<u8>,
    /// Where each request ends, and its replies.
    ends: Vec<(usize, usize)>,
}

impl Script {
    /// `requests` random requests on keys that begin with `prefix`, with values of up to `value_bytes_max`.
    pub fn random(
        random: &mut Random,
        prefix: &str,
        requests: usize,
        value_bytes_max: usize,
    ) -> Script {
        let mut script = Script::default();
        let mut model = Model::default();
        for _ in 0..requests {
            let arguments = random_arguments(random, prefix, value_bytes_max);
            let is_inline = arguments.iter().all(|argument| is_plain(argument));
            if is_inline && random.once_in(3) {
                script.bytes.extend(arguments.join(&b' '));
                let line_end: &[u8] = random.pick(&[b"\r\n", b"\n"]);
                script.bytes.extend(line_end);
            } else {
                resp::encode_request(&arguments, &mut script.bytes);
            }
            model.execute(&arguments, &mut script.replies);
            script.end_request();
            if random.once_in(20) {
                let nothing: &[u8] = random.pick(&[b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n"]);
                script.bytes.extend(nothing);
            }
        }
        script
    }

    /// Adds one request and its reply.
    pub fn push(&mut self, arguments: &[&[u8]], reply: &[u8]) {
        resp::encode_request(arguments, &mut self.bytes);
        self.replies.extend(reply);
        self.end_request();
    }

    /// Puts a PING before everything else.
    pub fn begin_with_ping(&mut self) {
        let (request, reply) = (b"PING\r\n", b"+PONG\r\n");
        self.bytes.splice(0..0, *request);
        self.replies.splice(0..0, *reply);
        for (end, replies) in &mut self.ends {
            *end += request.len();
            *replies += reply.len();
        }
        self.ends.insert(0, (request.len(), reply.len()));
    }

    /// Adds a request that is a protocol error.
    pub fn fail(&mut self, request: &[u8], message: &[u8]) {
        self.bytes.extend(request);
        self.replies.extend(b"-ERR Protocol error: ");
        self.replies.extend(message);
        self.replies.extend(b"\r\n");
        self.end_request();
    }

    fn end_request(&mut self) {
        self.ends.push((self.bytes.len(), self.replies.len()));
    }

    /// What is answered when only the first `bytes` bytes are sent.
    pub fn replies_to(&self, bytes: usize) -> &[u8] {
        let complete = self.ends.iter().rev().find(|(end, _)| *end <= bytes);
        &self.replies[..complete.map_or(0, |(_, replies)| *replies)]
    }
}

/// Whether an argument can stand in an inline request as it is.
fn is_plain(argument: &[u8]) -> bool {
    let is_short = (1..100).contains(&argument.len());
    is_short && argument.iter().all(u8::is_ascii_alphanumeric)
}

fn random_arguments(random: &mut Random, prefix: &str, value_bytes_max: usize) -> Vec<Vec<u8>> {
    let mut key = || format!("{prefix}{}", random.below(KEYS)).into_bytes();
    let (first, second, third) = (key(), key(), key());
    let number = random.below(1000).to_string().into_bytes();
    match random.below(14) {
        0 | 1 => vec![b"SET".into(), first, value(random, value_bytes_max)],
        2 => vec![b"SET".into(), first, number],
        3 | 4 => vec![b"get".into(), first],
        5 | 6 => vec![b"INCR".into(), first],
        7 => vec![b"APPEND".into(), first, value(random, value_bytes_max)],
        8 => vec![b"MGET".into(), first, second, third],
        9 => vec![b"PING".into()],
        10 => vec![b"ECHO".into(), value(random, value_bytes_max)],
        11 => vec![b"MULTI".into()],
        12 => vec![b"EXEC".into()],
        _ => vec![b"GET".into(), first, second],
    }
}

/// Most values are short, or words that fit an inline request.
fn value(random: &mut Random, bytes_max: usize) -> Vec<u8> {
    let limit = random.pick(&[1, 20, 20, 20, 300, 300, bytes_max]);
    let bytes = random.below(limit.min(bytes_max) + 1);
    let is_word = random.once_in(2);
    let mut byte = || random.below(256) as u8;
    (0..bytes)
        .map(|_| if is_word { b'a' + byte() % 26 } else { byte() })
        .collect()
}

/// Strings as Redis has them, for one client.
#[derive(Default)]
struct Model {
    values: HashMap<Vec<u8>, Vec<u8>>,
    queued: Option<Vec<Vec<Vec<u8>>>>,
    has_queued_error: bool,
}

impl Model {
    fn execute(&mut self, arguments: &[Vec<u8>], out: &mut Vec<u8>) {
        if arguments[0] == b"GET" && arguments.len() != 2 {
            self.has_queued_error = self.queued.is_some();
            return out.extend(b"-ERR wrong number of arguments for 'get' command\r\n");
        }
        match (arguments[0].as_slice(), self.queued.as_mut()) {
            (b"MULTI", Some(_)) => out.extend(b"-ERR MULTI calls can not be nested\r\n"),
            (b"MULTI", None) => {
                self.queued = Some(Vec::new());
                out.extend(b"+OK\r\n");
            }
            (b"EXEC", _) => self.execute_queued(out),
            (_, Some(queued)) => {
                queued.push(arguments.to_vec());
                out.extend(b"+QUEUED\r\n");
            }
            (_, None) => self.execute_now(arguments, out),
        }
    }

    fn execute_queued(&mut self, out: &mut Vec<u8>) {
        let has_error = std::mem::take(&mut self.has_queued_error);
        let Some(queued) = self.queued.take() else {
            return out.extend(b"-ERR EXEC without MULTI\r\n");
        };
        if has_error {
            return out.extend(b"-EXECABORT Transaction discarded because of previous errors.\r\n");
        }
        out.extend(format!("*{}\r\n", queued.len()).bytes());
        for arguments in queued {
            self.execute_now(&arguments, out);
        }
    }

    fn execute_now(&mut self, arguments: &[Vec<u8>], out: &mut Vec<u8>) {
        match arguments {
            [name] if name == b"PING" => out.extend(b"+PONG\r\n"),
            [name, value] if name == b"ECHO" => bulk(Some(value), out),
            [name, key, value] if name == b"SET" => {
                self.values.insert(key.clone(), value.clone());
                out.extend(b"+OK\r\n");
            }
            [name, key] if name == b"get" => bulk(self.values.get(key), out),
            [name, key] if name == b"INCR" => self.increment(key, out),
            [name, key, value] if name == b"APPEND" => {
                let whole = self.values.entry(key.clone()).or_default();
                whole.extend(value);
                integer(whole.len() as i64, out);
            }
            [name, keys @ ..] if name == b"MGET" => {
                out.extend(format!("*{}\r\n", keys.len()).bytes());
                keys.iter().for_each(|key| bulk(self.values.get(key), out));
            }
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn increment(&mut self, key: &[u8], out: &mut Vec<u8>) {
        let number = match self.values.get(key) {
            None => Some(0),
            Some(value) => integer_of(value),
        };
        match number {
            None => out.extend(b"-ERR value is not an integer or out of range\r\n"),
            Some(i64::MAX) => out.extend(b"-ERR increment or decrement would overflow\r\n"),
            Some(number) => {
                let text = (number + 1).to_string().into_bytes();
                self.values.insert(key.to_vec(), text);
                integer(number + 1, out);
            }
        }
    }
}

/// Only what Redis would write itself is an integer to it.
fn integer_of(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn bulk(value: Option<&Vec<u8>>, out: &mut Vec<u8>) {
    match value {
        None => out.extend(b"$-1\r\n"),
        Some(value) => {
            out.extend(format!("${}\r\n", value.len()).bytes());
            out.extend(value);
            out.extend(b"\r\n");
        }
    }
}

fn integer(number: i64, out: &mut Vec<u8>) {
    out.extend(format!(":{number}\r\n").bytes());
}
