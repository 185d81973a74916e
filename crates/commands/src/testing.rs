//! Runs commands in process, for unit tests: `check("SET k v\nGET k", "OK\nv")`.
//!
//! A script has one inline command a line. `b> GET k` is one of connection b (without a name: a), `+1500` lets 1500 ms
//! pass; empty lines mean nothing. Every command answers one line, see [`show`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

use keyspace::{HugePages, Keyspace, Options, Plan, Worker};
use resp::{Limits, Output, Protocol, Reply, RequestParser, parse_reply};

use crate::acl::Acl;
use crate::batch::{Batch, Source};
use crate::clients::{Client, Origin};
use crate::dispatch::{Dispatcher, Flow, Requests, Unsent, record_accesses};
use crate::session::Session;
use crate::shared::{Facts, Process, Shared};

/// When the clock of a [`TestServer`] starts, in milliseconds of the Unix epoch.
pub const START_MS: u64 = 1_700_000_000_000;

/// Runs a script in RESP2 and compares its replies.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    compare(&mut TestServer::new(), script, expected);
}

/// Runs a script in RESP3 and compares its replies.
#[track_caller]
pub fn check_resp3(script: &str, expected: &str) {
    let mut server = TestServer::new();
    server.protocol = Protocol::Resp3;
    compare(&mut server, script, expected);
}

#[track_caller]
fn compare(server: &mut TestServer, script: &str, expected: &str) {
    let expected: Vec<&str> = lines(expected).collect();
    let mut replies = Vec::new();
    for line in lines(script) {
        if let Some(reply) = server.line(line) {
            let at = replies.len();
            let (reply, expected) = (show(&reply), expected.get(at).copied().unwrap_or("nothing"));
            assert_eq!(reply, expected, "reply {} to {line:?}", at + 1);
            replies.push(reply);
        }
    }
    assert_eq!(replies, expected, "replies");
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// A worker with a keyspace of four shards, and any number of connections.
pub struct TestServer {
    /// What its sessions share.
    pub shared: Shared,
    /// Now, in milliseconds of the Unix epoch. Moves only when the test says so.
    pub now_ms: u64,
    /// The protocol of connections that are made from now on.
    pub protocol: Protocol,
    sessions: BTreeMap<String, Session>,
    worker: Worker,
    plan: Plan,
}

impl TestServer {
    /// An empty server without a password.
    pub fn new() -> Self {
        Self::with(TestProcess::default())
    }

    /// An empty server of this process.
    pub fn with(process: TestProcess) -> Self {
        let keyspace = Keyspace::new(Options {
            num_shards: 4,
            workers_max: 1,
            seed: 1,
            huge_pages: HugePages::No,
        });
        Self {
            worker: keyspace.worker(),
            shared: Shared::new(keyspace, 1, Box::new(process)),
            now_ms: START_MS,
            protocol: Protocol::Resp2,
            sessions: BTreeMap::new(),
            plan: Plan::default(),
        }
    }

    /// Runs one line of a script; the reply, unless there is none.
    pub fn line(&mut self, line: &str) -> Option<Reply> {
        if let Some(ms) = line.strip_prefix('+') {
            self.now_ms += ms.trim().parse::<u64>().expect("`+` and milliseconds");
            return None;
        }
        let (name, command) = match line.split_once("> ") {
            Some((name, command)) if !name.contains(' ') => (name, command),
            _ => ("a", line),
        };
        let replies = self.send(name, format!("{command}\r\n").as_bytes());
        assert!(replies.len() <= 1, "{line:?} answers {replies:?}");
        replies.into_iter().next()
    }

    /// Runs one command of connection a, whatever its bytes are.
    pub fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        let mut input = Vec::new();
        resp::encode_request(arguments, &mut input);
        let mut replies = self.send("a", &input);
        assert_eq!(replies.len(), 1, "one reply");
        replies.remove(0)
    }

    /// Runs a script; all replies, one a line.
    pub fn run(&mut self, script: &str) -> String {
        let mut replies = Vec::new();
        for line in lines(script) {
            replies.extend(self.line(line).map(|reply| show(&reply)));
        }
        replies.join("\n")
    }

    /// The session of a connection, which is made when it is not there.
    pub fn session(&mut self, name: &str) -> &mut Session {
        if !self.sessions.contains_key(name) {
            let session = self.new_session();
            self.sessions.insert(name.to_owned(), session);
        }
        self.sessions.get_mut(name).expect("it was just made")
    }

    /// A connection's session that nobody has yet.
    pub fn new_session(&self) -> Session {
        let shared = &self.shared;
        let origin = Origin {
            address: format!("127.0.0.1:5000{}", shared.clients.count()),
            local_address: "127.0.0.1:6379".to_owned(),
            is_unix: false,
            descriptor: 8,
            state_bytes: 0,
        };
        let client = shared.clients.add(origin, 0, self.now_ms);
        let mut session = Session::new(client, &shared.acl);
        session.protocol = self.protocol;
        session
    }

    /// Sends bytes, which end with the end of a request; all replies.
    pub fn send(&mut self, name: &str, input: &[u8]) -> Vec<Reply> {
        let database = self.session(name).database;
        let session = self.sessions.get_mut(name).expect("it was just made");
        let mut batch = Batch::default();
        let source = Source {
            connection: 0,
            parser: &mut RequestParser::default(),
            partial: &mut Vec::new(),
            input,
            at: 0,
            database,
        };
        let mut group = self.worker.group(self.now_ms);
        batch.parse(
            source,
            &Limits::standard(),
            usize::MAX >> 1,
            group.keyspace(),
        );
        batch.look_ahead(&mut group);
        if let Some((_, item)) = batch.sampled(&group) {
            record_accesses(&group, session, &batch.request(item, input));
        }
        let mut out = Output::default();
        let mut dispatcher = Dispatcher::new(&self.shared, 0, &mut self.plan);
        let mut requests = Requests {
            batch: &batch,
            items: batch.runs().first().map_or(&[], |run| batch.items(run)),
            input,
            unsent: Unsent {
                bytes: 0,
                bytes_max: usize::MAX,
            },
            done: 0,
        };
        while let Some(item) = requests.next() {
            match dispatcher.execute(&mut group, session, &mut requests, &mut out) {
                Flow::Done => {}
                Flow::Unfinished => while !session.continue_reply(&mut out) {},
                Flow::Paused | Flow::Delayed | Flow::Close => requests.done += 1,
                flow => panic!("{flow:?}: {:?}", batch.request(item, input).args),
            }
        }
        parse_all(&out.to_vec())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        for session in self.sessions.values_mut() {
            session.end(&self.shared);
        }
    }
}

fn parse_all(mut out: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !out.is_empty() {
        let (reply, len) = parse_reply(out)
            .expect("replies are well-formed")
            .expect("replies are whole");
        replies.push(reply);
        out = &out[len..];
    }
    replies
}

/// A reply as tests write it: simple and bulk strings as they are (`""` when empty), `:1` an integer, `-ERR ...` an
/// error without spaces at its end, `nil`, `nil-array`, `#t`, `,1.5` a double, `[a :1]` an array, `{a :1}` a map, `~[a]` a set, `>[a]` a push,
/// `(123` a big number, `txt:...` a verbatim string.
pub fn show(reply: &Reply) -> String {
    let list = |replies: &[Reply]| replies.iter().map(show).collect::<Vec<_>>().join(" ");
    let map = |pairs: &[(Reply, Reply)]| {
        pairs
            .iter()
            .map(|(key, value)| format!("{} {}", show(key), show(value)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match reply {
        Reply::Simple(bytes) | Reply::Bulk(bytes) if bytes.is_empty() => "\"\"".to_owned(),
        Reply::Simple(bytes) | Reply::Bulk(bytes) => escape(bytes),
        Reply::Error(bytes) => format!("-{}", escape(bytes.trim_ascii_end())),
        Reply::Integer(value) => format!(":{value}"),
        Reply::NullBulk | Reply::Null => "nil".to_owned(),
        Reply::NullArray => "nil-array".to_owned(),
        Reply::Boolean(value) => if *value { "#t" } else { "#f" }.to_owned(),
        Reply::Double(text) => format!(",{text}"),
        Reply::BigNumber(digits) => format!("({digits}"),
        Reply::Verbatim { format, text } => format!("{}:{}", escape(format), escape(text)),
        Reply::Array(replies) => format!("[{}]", list(replies)),
        Reply::Set(replies) => format!("~[{}]", list(replies)),
        Reply::Push(replies) => format!(">[{}]", list(replies)),
        Reply::Map(pairs) => format!("{{{}}}", map(pairs)),
        Reply::Attribute { pairs, reply } => format!("|{{{}}} {}", map(pairs), show(reply)),
    }
}

/// What is not printable as in Rust; quotes and backslashes stay.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\'' | b'"' | b'\\' => text.push(char::from(byte)),
            _ => write!(text, "{}", byte.escape_ascii()).expect("strings take everything"),
        }
    }
    text
}

/// A process that only remembers what it is asked to do.
#[derive(Default)]
pub struct TestProcess {
    /// The text of its ACL file, if it has one.
    pub acl_file: Mutex<Option<Vec<u8>>>,
    /// The settings.
    pub settings: Mutex<BTreeMap<String, String>>,
    /// What it tells of itself.
    pub facts: Facts,
}

impl Process for TestProcess {
    fn config_get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let settings = self.settings.lock().expect("no test panics here");
        let is_asked = |name: &str| patterns.contains(&name.as_bytes());
        let asked = settings.iter().filter(|(name, _)| is_asked(name));
        asked
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn config_set(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), String> {
        let mut settings = self.settings.lock().expect("no test panics here");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        settings.extend(pairs.iter().map(|(name, value)| (text(name), text(value))));
        Ok(())
    }

    fn config_rewrite(&self, _: &Acl) -> Result<(), String> {
        Ok(())
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn reset_stats(&self) {}

    fn purge_memory(&self) {}

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), String> {
        bytes.fill(0xa5);
        Ok(())
    }

    fn read_acl_file(&self) -> Result<Option<(String, Vec<u8>)>, String> {
        let text = self.acl_file.lock().expect("no test panics here").clone();
        Ok(text.map(|text| ("users.acl".to_owned(), text)))
    }

    fn write_acl_file(&self, text: &[u8]) -> Result<bool, String> {
        let mut file = self.acl_file.lock().expect("no test panics here");
        Ok(file.replace(text.to_vec()).is_some())
    }

    fn report_wrong_passwords(&self, _: &str, _: u32) {}

    fn close_killed(&self, _: &Client) {}

    fn wake_all(&self) {}

    fn shutdown(&self, _: bool) {}
}

#[cfg(test)]
mod tests {
    use super::{TestServer, check, check_resp3};

    #[test]
    fn commands_answer() {
        check(
            "SET k v
             GET k
             b> GET missing
             SET \"a b\" \"\"
             GET \"a b\"
             NOSUCH
             PING x",
            "OK
             v
             nil
             OK
             \"\"
             -ERR unknown command 'NOSUCH', with args beginning with:
             x",
        );
        check_resp3("GET missing", "nil");
    }

    #[test]
    fn any_bytes_are_sent() {
        let mut server = TestServer::new();
        let value = vec![0xff; 100_000];
        server.command(&[b"SET", b"k".as_slice(), &value]);
        let reply = server.command(&["GET", "k"]);
        assert_eq!(reply, resp::Reply::Bulk(value));
    }
}
