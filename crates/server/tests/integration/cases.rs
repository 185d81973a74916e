//! Runs the data-driven cases of `cases/*.txt` against our server over each backend and against
//! redis-server, with the same expectations.
//!
//! The format, line by line:
//! - `# ...` comment; empty lines mean nothing.
//! - `== title` begins a case: the data is flushed and all connections are new.
//! - `@resp3` in a case: its connections speak RESP3 (`HELLO 3`).
//! - `@source URL` in a case: the behaviour is newer than redis-server 7.0 and comes from that
//!   document, so the case runs against our server only.
//! - `@needs RPUSH` in a case: it is left out where the server does not know that command.
//! - `> SET k v` sends a command on connection a; `b> GET k` on connection b, and so on. Words are
//!   split as in Redis's inline syntax, with double quotes and `\r \n \t \xHH`.
//! - `raw> PING\r\n` (`b-raw>` on connection b) sends the bytes, with `\r \n \t \\ \xHH` replaced.
//! - `sleep 20` lets 20 ms pass, for time to live only.
//! - any other line expects one reply of the connection used last, in the form of
//!   [`crate::client::Reply`], or one of: `~ glob` (`*` and `?`) on that text, `in 1..9` for an
//!   integer within both bounds, `sorted [...]` for elements in any order, `closed`, `silent`
//!   (nothing is read; for commands without a reply).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::{Client, Reply, encode, split_words, unescape};
use crate::server::{Server, Target};

/// Makes the tests of one file of cases: one for each target.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::server::Target;

            #[test]
            fn mio() {
                super::run_file(stringify!($name), Target::Mio);
            }

            #[test]
            fn io_uring() {
                super::run_file(stringify!($name), Target::IoUring);
            }

            #[test]
            fn redis() {
                super::run_file(stringify!($name), Target::Redis);
            }
        }
    )*};
}

cases!(
    strings,
    strings_new,
    bitmaps_new,
    encodings,
    every_type,
    hashes_new,
    sets_new,
    sorted_sets_new,
    geo,
    geo_new,
    keys,
    expiry,
    connection,
    connection_new,
    transactions,
    scan,
    configuration,
    introspection,
    introspection_new,
    insight,
    errors,
    protocol,
    wrong_type,
);

#[derive(Clone, Debug)]
enum Line {
    Command { connection: String, text: String },
    Raw { connection: String, text: String },
    Sleep { ms: u64 },
    Expect { text: String },
}

struct Case {
    title: String,
    resp3: bool,
    source: Option<String>,
    needs: Option<String>,
    /// Each with its number in the file, from 1.
    lines: Vec<(usize, Line)>,
}

fn run_file(name: &str, target: Target) {
    if !target.is_available() {
        return;
    }
    let path = file_path(name);
    let text = std::fs::read_to_string(&path).expect("the file of cases");
    if bless(target) {
        let blessed = bless_text(&text);
        std::fs::write(&path, blessed).expect("the file of cases is written");
        return;
    }
    let server = Server::start(target);
    let mut failures = String::new();
    for case in parse(&text) {
        if case.source.is_some() && !target.is_ours() {
            continue;
        }
        if case
            .needs
            .as_ref()
            .is_some_and(|name| !knows(&server, name))
        {
            continue;
        }
        let played = Run::new(&server, case.resp3).and_then(|mut run| run.case(&case));
        if let Err(failure) = played {
            write!(failures, "\n{name}.txt: {}: {failure}", case.title).expect("a string grows");
        }
    }
    assert!(failures.is_empty(), "{target:?}:{failures}");
}

fn knows(server: &Server, command: &str) -> bool {
    let info = server.connect().command(&["COMMAND", "INFO", command]);
    let entries = info.elements().unwrap_or_default();
    matches!(entries, [Reply::Array(_)])
}

fn file_path(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/integration/cases")
        .join(format!("{name}.txt"))
}

fn bless(target: Target) -> bool {
    target == Target::Redis && std::env::var_os("REDISTILL_BLESS").is_some()
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("== ") {
            cases.push(Case {
                title: title.to_owned(),
                resp3: false,
                source: None,
                needs: None,
                lines: Vec::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            assert!(line.is_empty() || line.starts_with('#'), "no case: {line}");
            continue;
        };
        if line == "@resp3" {
            case.resp3 = true;
        } else if let Some(source) = line.strip_prefix("@source ") {
            case.source = Some(source.to_owned());
        } else if let Some(command) = line.strip_prefix("@needs ") {
            case.needs = Some(command.to_owned());
        } else if let Some(parsed) = parse_line(line) {
            case.lines.push((index + 1, parsed));
        }
    }
    cases
}

fn parse_line(line: &str) -> Option<Line> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Some(ms) = line.strip_prefix("sleep ") {
        let ms = ms.parse().expect("milliseconds");
        return Some(Line::Sleep { ms });
    }
    // "> x", "b> x", "raw> x", "b-raw> x": what is before the sign names the connection.
    let marked = line.split_once('>').filter(|(mark, _)| {
        let lower = |c: char| c.is_ascii_lowercase() || c == '-';
        mark.len() <= 5 && mark.chars().all(lower)
    });
    let Some((mark, text)) = marked.filter(|(_, text)| text.starts_with(' ')) else {
        let text = line.to_owned();
        return Some(Line::Expect { text });
    };
    let text = text[1..].to_owned();
    let name = |mark: &str| if mark.is_empty() { "a" } else { mark }.to_owned();
    Some(match mark.strip_suffix("raw") {
        Some(mark) => Line::Raw {
            connection: name(mark.trim_end_matches('-')),
            text,
        },
        None => Line::Command {
            connection: name(mark),
            text,
        },
    })
}

/// One case on its way.
struct Run<'a> {
    server: &'a Server,
    resp3: bool,
    clients: BTreeMap<String, Client>,
    last: String,
}

impl<'a> Run<'a> {
    fn new(server: &'a Server, resp3: bool) -> Result<Run<'a>, String> {
        let mut client = server.connect();
        // A case that failed may have left a password or a pause behind.
        let commands =
            "AUTH secret\r\nCONFIG SET requirepass \"\"\r\nCLIENT UNPAUSE\r\nFLUSHALL\r\n";
        let sent = client.send(commands.as_bytes());
        let replies = sent.and_then(|()| (0..4).map(|_| client.read_reply()).collect());
        let replies: Vec<Reply> = replies.map_err(|error| format!("no fresh start: {error}"))?;
        if replies[3].to_string() != "OK" {
            return Err(format!("no fresh start: {}", replies[3]));
        }
        Ok(Run {
            server,
            resp3,
            clients: BTreeMap::new(),
            last: "a".to_owned(),
        })
    }

    fn client(&mut self, name: &str) -> &mut Client {
        self.last = name.to_owned();
        let (server, resp3) = (self.server, self.resp3);
        self.clients
            .entry(name.to_owned())
            .or_insert_with(|| match resp3 {
                true => server.connect_protocol(3),
                false => server.connect(),
            })
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        let mut command = String::new();
        for (number, line) in &case.lines {
            match line {
                Line::Expect { text } => self
                    .expect(text)
                    .map_err(|got| format!("line {number}: {command}\n  {got}"))?,
                other => {
                    if let Line::Command { text, .. } | Line::Raw { text, .. } = other {
                        command.clone_from(text);
                    }
                    self.act(other)
                        .map_err(|error| format!("line {number}: {command}\n  {error}"))?;
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::Sleep { ms } => std::thread::sleep(Duration::from_millis(*ms)),
            Line::Expect { .. } => {}
            Line::Command { connection, text } => {
                let request = encode(&split_words(text));
                let sent = self.client(connection).send(&request);
                sent.map_err(|error| error.to_string())?;
            }
            Line::Raw { connection, text } => {
                let bytes = unescape(text);
                // A server that has already seen an error may have closed.
                let _ = self.client(connection).send(&bytes);
            }
        }
        Ok(())
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        let last = self.last.clone();
        let client = self.client(&last);
        if expected == "silent" {
            return Ok(());
        }
        let reply = match client.read_reply() {
            Ok(reply) => reply,
            Err(error) => {
                let closed = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
                if expected == "closed" && closed.contains(&error.kind()) {
                    return Ok(());
                }
                return Err(format!("expected: {expected}\n  but: {error}"));
            }
        };
        if matches_expectation(expected, &reply) {
            return Ok(());
        }
        Err(format!("expected: {expected}\n  replied:  {reply}"))
    }
}

fn matches_expectation(expected: &str, reply: &Reply) -> bool {
    let text = reply.to_string();
    if let Some(glob) = expected.strip_prefix("~ ") {
        return glob_matches(glob.as_bytes(), text.as_bytes());
    }
    if let Some(range) = expected.strip_prefix("in ") {
        let (low, high) = range.split_once("..").expect("low..high");
        let bounds = low.parse().expect("a number")..=high.parse::<i64>().expect("a number");
        return reply
            .integer()
            .is_some_and(|number| bounds.contains(&number));
    }
    if let Some(sorted) = expected.strip_prefix("sorted ") {
        return sorted == reply.clone().sorted().to_string();
    }
    expected == text
}

/// Whether `text` matches `glob`, where `*` stands for any bytes and `?` for one.
pub fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    match glob.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob_matches(rest, &text[skip..])),
        Some((byte, rest)) => text.split_first().is_some_and(|(first, after)| {
            (*byte == b'?' || byte == first) && glob_matches(rest, after)
        }),
    }
}

/// The same cases, with redis-server's reply below each command that had none.
fn bless_text(text: &str) -> String {
    let server = Server::start(Target::Redis);
    let mut run = Run::new(&server, false).expect("a fresh start");
    let mut blessed = String::new();
    let mut skip = true;
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        writeln!(blessed, "{line}").expect("a string grows");
        if line.starts_with("== ") {
            let following = || lines[index + 1..].iter().take_while(|l| l.starts_with('@'));
            skip = following().any(|attribute| attribute.starts_with("@source"));
            let resp3 = following().any(|attribute| *attribute == "@resp3");
            run = Run::new(&server, resp3).expect("a fresh start");
            continue;
        }
        let Some(parsed) = parse_line(line).filter(|_| !skip && !line.starts_with('@')) else {
            continue;
        };
        run.act(&parsed).expect("a connection");
        let next = lines.get(index + 1).and_then(|line| parse_line(line));
        let expected = matches!(next, Some(Line::Expect { .. }));
        match &parsed {
            Line::Sleep { .. } => {}
            // What was expected already is read, and not judged.
            Line::Expect { text } if text == "silent" => {}
            Line::Expect { .. } => drop(run.expect("")),
            Line::Command { .. } | Line::Raw { .. } if expected => {}
            Line::Command { .. } => blessed.push_str(&run.shown_reply()),
            Line::Raw { .. } => blessed.push_str(&run.shown_replies()),
        }
    }
    blessed
}

impl Run<'_> {
    fn shown_reply(&mut self) -> String {
        let last = self.last.clone();
        match self.client(&last).read_reply() {
            Ok(reply) => format!("{reply}\n"),
            Err(_) => "closed\n".to_owned(),
        }
    }

    /// All replies until the connection closes or is silent.
    fn shown_replies(&mut self) -> String {
        let last = self.last.clone();
        let client = self.client(&last);
        client.set_timeout(Duration::from_millis(100));
        let mut shown = String::new();
        loop {
            match client.read_reply() {
                Ok(reply) => writeln!(shown, "{reply}").expect("a string grows"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return shown,
                Err(_) => return shown + "closed\n",
            }
        }
    }
}

#[test]
fn globs_match() {
    assert!(glob_matches(b"(error) ERR *", b"(error) ERR syntax error"));
    assert!(glob_matches(b"*b*d", b"abcd"));
    assert!(!glob_matches(b"a?", b"a"));
}
