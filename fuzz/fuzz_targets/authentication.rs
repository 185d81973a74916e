//! Requests before authentication: no bytes do harm; nothing but AUTH, HELLO, RESET and QUIT is answered with anything
//! but an error; replies are short; and a session is somebody's only after a right password, and always after one.

#![no_main]

use std::cell::RefCell;

use commands::batch::{Batch, Source, Stop};
use commands::clients::{Client, Origin};
use commands::dispatch::{Dispatcher, Flow, Requests, Unsent};
use commands::session::Session;
use commands::shared::{Facts, Process, Shared};
use keyspace::{HugePages, Keyspace, Options, Plan, Worker};
use libfuzzer_sys::fuzz_target;
use resp::{Args, Limits, Output, Reply, RequestParser, Span, encode_request, parse_reply};

/// Users, and the rules that make them.
const USERS: &[(&[u8], &str)] = &[
    (b"alice", "on >wonder >land ~a* +get"),
    (b"all", "on >everything ~* &* +@all"),
    (b"off", "off >closed ~* +@all"),
    (b"none", "on ~* +@all"),
    (b"open", "on nopass ~* +@all"),
];
/// Who gets in by which passwords.
const RIGHT: &[(&[u8], &[u8])] = &[
    (b"default", b"secret"),
    (b"alice", b"wonder"),
    (b"alice", b"land"),
    (b"all", b"everything"),
];
/// What bytes from `FIRST_WORD` on stand for in a script of words.
const WORDS: &[&str] = &[
    "AUTH",
    "HELLO",
    "SETNAME",
    "2",
    "3",
    "default",
    "secret",
    "alice",
    "wonder",
    "land",
    "all",
    "everything",
    "off",
    "closed",
    "none",
    "open",
    "RESET",
    "QUIT",
    "GET",
    "SET",
    "MULTI",
    "EXEC",
    "CLIENT",
    "REPLY",
    "OFF",
    "ACL",
    "WHOAMI",
    "MONITOR",
    "CONFIG",
    "INFO",
    "PING",
    "hello",
    "auth",
];
const FIRST_WORD: u8 = 0x80;
/// The longest reply, in bytes: an error that repeats some of a request, or what HELLO says.
const REPLY_BYTES_MAX: usize = 1024;
/// So long after an input, wrong passwords in it are forgotten, in milliseconds.
const FORGOTTEN_MS: u64 = 120_000;

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::new());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    SERVER.with_borrow_mut(|server| {
        if kind % 2 == 0 {
            server.talk(bytes);
        } else {
            server.talk(&from_words(bytes));
        }
    });
});

/// Requests, one a line, each of words between spaces.
fn from_words(script: &[u8]) -> Vec<u8> {
    let mut input = Vec::new();
    for line in script.split(|byte| *byte == b'\n') {
        let words: Vec<Vec<u8>> = line.split(|byte| *byte == b' ').map(from_word).collect();
        encode_request(&words, &mut input);
    }
    input
}

fn from_word(bytes: &[u8]) -> Vec<u8> {
    let mut word = Vec::new();
    for &byte in bytes {
        let known = byte.checked_sub(FIRST_WORD).map(usize::from);
        match known.and_then(|at| WORDS.get(at)) {
            Some(known) => word.extend_from_slice(known.as_bytes()),
            None => word.push(byte),
        }
    }
    word
}

/// A worker with users and passwords, which stays from input to input.
struct Server {
    shared: Shared,
    worker: Worker,
    plan: Plan,
    now_ms: u64,
}

impl Server {
    fn new() -> Server {
        let keyspace = Keyspace::new(Options {
            num_shards: 4,
            workers_max: 1,
            seed: 1,
            huge_pages: HugePages::No,
        });
        let worker = keyspace.worker();
        let shared = Shared::new(keyspace, 1, Box::new(Nothing));
        shared.acl.set_default_password(Some(b"secret"));
        for (name, rules) in USERS {
            let words = rules.split(' ').map(str::as_bytes);
            shared.acl.set_user(name, words).expect("rules are right");
        }
        Server {
            shared,
            worker,
            plan: Plan::default(),
            now_ms: 1_700_000_000_000,
        }
    }

    /// One connection that sends this.
    fn talk(&mut self, input: &[u8]) {
        let origin = Origin {
            address: "192.0.2.1:50000".to_owned(),
            local_address: "192.0.2.2:6379".to_owned(),
            is_unix: false,
            descriptor: 8,
            state_bytes: 0,
        };
        let client = self.shared.clients.add(origin, 0, self.now_ms);
        let mut session = Session::new(client, &self.shared.acl);
        let (mut parser, mut partial, mut at) = (RequestParser::default(), Vec::new(), 0);
        while !session.closes
            && self.take_turn(&mut session, &mut parser, &mut partial, input, &mut at)
        {}
        session.end(&self.shared);
        assert_eq!(self.shared.keyspace.keys(0), 0);
        self.now_ms += FORGOTTEN_MS;
    }

    /// Parses and executes one request, as a worker does before authentication; whether there may be more.
    fn take_turn(
        &mut self,
        session: &mut Session,
        parser: &mut RequestParser,
        partial: &mut Vec<Span>,
        input: &[u8],
        at: &mut usize,
    ) -> bool {
        let mut batch = Batch::default();
        let source = Source {
            connection: 0,
            parser,
            partial,
            input,
            at: *at,
            database: session.database,
        };
        let limits = Limits::before_authentication();
        let (_, end, stop) = batch.parse(source, &limits, 1, &self.shared.keyspace);
        *at = end;
        let items = batch.runs().first().map_or(&[][..], |run| batch.items(run));
        if let Some(item) = items.first() {
            let flow = self.execute(session, &batch, items, input);
            let request = batch.request(item, input);
            if flow == Flow::Close {
                return false;
            }
            if session.authenticated {
                assert!(is_allowed(request.args));
                session.log_out(&self.shared.acl);
                assert!(!session.authenticated);
            }
        }
        stop == Stop::Enough
    }

    fn execute(
        &mut self,
        session: &mut Session,
        batch: &Batch,
        items: &[commands::batch::Item],
        input: &[u8],
    ) -> Flow {
        let args = batch.request(&items[0], input).args;
        let mut out = Output::default();
        let mut requests = Requests {
            batch,
            items,
            input,
            unsent: Unsent {
                bytes: 0,
                bytes_max: usize::MAX,
            },
            done: 0,
        };
        let flow = loop {
            let mut group = self.worker.group(self.now_ms);
            let mut dispatcher = Dispatcher::new(&self.shared, 0, &mut self.plan);
            let flow = dispatcher.execute(&mut group, session, &mut requests, &mut out);
            if flow != Flow::Delayed {
                break flow;
            }
            // An attempt that waits has neither an answer nor an effect.
            assert!(out.is_empty() && !session.authenticated);
            assert!(session.resumes_ms > self.now_ms);
            self.now_ms = session.resumes_ms;
        };
        assert!(matches!(flow, Flow::Done | Flow::Close), "{flow:?}");
        check_reply(args, &out.to_vec(), session.authenticated);
        flow
    }
}

fn is(args: Args<'_>, name: &str) -> bool {
    args.name().eq_ignore_ascii_case(name.as_bytes())
}

/// A request is answered by nothing, when the connection closes, or by one short reply.
fn check_reply(args: Args<'_>, bytes: &[u8], is_authenticated: bool) {
    assert!(bytes.len() <= REPLY_BYTES_MAX);
    if is(args, "auth") && is_allowed(args) {
        assert!(is_authenticated, "a right password opens");
    }
    if bytes.is_empty() {
        return assert!(is(args, "post") || is(args, "host:"));
    }
    let parsed = parse_reply(bytes).expect("replies are well-formed");
    let (reply, length) = parsed.expect("replies are whole");
    assert_eq!(length, bytes.len());
    match reply {
        Reply::Error(line) => {
            let codes: [&[u8]; 4] = [b"ERR ", b"NOAUTH ", b"WRONGPASS ", b"NOPROTO "];
            // As in Redis, EXEC has an error of its own around the reason.
            let reason = line.strip_prefix(b"EXECABORT Transaction discarded because of: ");
            let is_coded = codes.iter().any(|code| line.starts_with(code));
            assert!(is_coded || (is(args, "exec") && reason.is_some()));
            assert!(!is_authenticated);
        }
        Reply::Simple(text) if is(args, "auth") => assert!(is_authenticated && text == b"OK"),
        Reply::Simple(text) if is(args, "reset") => assert_eq!(text, b"RESET"),
        Reply::Simple(text) if is(args, "quit") => assert_eq!(text, b"OK"),
        Reply::Array(_) | Reply::Map(_) if is(args, "hello") => assert!(is_authenticated),
        reply => panic!("{reply:?}"),
    }
}

/// Whether a request has a right password where one may be.
fn is_allowed(args: Args<'_>) -> bool {
    let words: Vec<&[u8]> = args.iter().collect();
    let is_right =
        |name: &[u8], password: &[u8]| name == b"open" || RIGHT.contains(&(name, password));
    match words[..] {
        [_, password] if is(args, "auth") => is_right(b"default", password),
        [_, name, password] if is(args, "auth") => is_right(name, password),
        _ if is(args, "hello") => words
            .windows(3)
            .any(|three| three[0].eq_ignore_ascii_case(b"auth") && is_right(three[1], three[2])),
        _ => false,
    }
}

/// A process that can do nothing: nobody is allowed to ask it.
struct Nothing;

const NOBODY: &str = "nobody has authenticated";

impl Process for Nothing {
    fn config_get(&self, _: &[&[u8]]) -> Vec<(String, String)> {
        unreachable!("{NOBODY}")
    }

    fn config_set(&self, _: &[(&[u8], &[u8])]) -> Result<(), String> {
        unreachable!("{NOBODY}")
    }

    fn config_rewrite(&self) -> Result<(), String> {
        unreachable!("{NOBODY}")
    }

    fn facts(&self) -> Facts {
        unreachable!("{NOBODY}")
    }

    fn reset_stats(&self) {
        unreachable!("{NOBODY}")
    }

    fn purge_memory(&self) {
        unreachable!("{NOBODY}")
    }

    fn fill_random(&self, _: &mut [u8]) -> Result<(), String> {
        unreachable!("{NOBODY}")
    }

    fn read_acl_file(&self) -> Result<Option<(String, Vec<u8>)>, String> {
        unreachable!("{NOBODY}")
    }

    fn write_acl_file(&self, _: &[u8]) -> Result<bool, String> {
        unreachable!("{NOBODY}")
    }

    fn report_wrong_passwords(&self, _: &str, _: u32) {}

    fn close_killed(&self, _: &Client) {
        unreachable!("{NOBODY}")
    }

    fn wake_all(&self) {
        unreachable!("{NOBODY}")
    }

    fn shutdown(&self, _: bool) {
        unreachable!("{NOBODY}")
    }
}
