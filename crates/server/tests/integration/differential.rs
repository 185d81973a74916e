//! Random commands, answered by redis-server and by us, must get the same replies. On a difference
//! the sequence is shrunk to a minimal one and printed.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use crate::client::{Client, Reply, encode, encode_inline, escape};
use crate::comparison::{Comparison, name_of};
use crate::drawn;
use crate::generator::{CONNECTIONS, Form, Generator, PLAIN_CONNECTION, Step, Words};
use crate::grammar::Grammar;
use crate::random::Random;
use crate::server::{Server, Target, is_long_run};

/// Commands between two fresh starts; shrinking starts from at most so many.
const ROUND_COMMANDS: usize = 3000;
const SHORT_RUN_COMMANDS: usize = 6_000;
const LONG_RUN_COMMANDS: usize = 300_000;
/// After so many different findings a run ends.
const FINDINGS_MAX: usize = 12;
/// How often a sequence is played to make it shorter.
const SHRINKING_PLAYS_MAX: usize = 500;
const REPLY_SECONDS_MAX: u64 = 10;
const SHOWN_CHARACTERS_MAX: usize = 400;

/// With which every round begins. What is slow depends on the machine, so nothing is.
const COMMON_SETTINGS: &[&str] = &[
    "timeout 0 tcp-keepalive 60 proto-max-bulk-len 536870912 slowlog-log-slower-than -1",
    "hash-max-listpack-entries 512 hash-max-listpack-value 64 list-max-listpack-size -2",
    "set-max-intset-entries 512 zset-max-listpack-entries 128 zset-max-listpack-value 64",
    "hll-sparse-max-bytes 3000",
];

#[test]
fn mio_resp2() {
    run(Target::Mio, 2);
}

#[test]
fn mio_resp3() {
    run(Target::Mio, 3);
}

#[test]
fn io_uring_resp2() {
    run(Target::IoUring, 2);
}

#[test]
fn io_uring_resp3() {
    run(Target::IoUring, 3);
}

/// Two redis-servers must agree, or the comparison finds differences that are none.
#[test]
fn redis_with_itself() {
    run(Target::Redis, 2);
}

fn run(target: Target, protocol: u8) {
    if !target.is_available() || !Target::Redis.is_available() {
        return;
    }
    let grammar = Grammar::parse(include_str!("grammar.txt"));
    let seed = Random::seed_of_run();
    let limit = match is_long_run() {
        true => LONG_RUN_COMMANDS,
        false => SHORT_RUN_COMMANDS,
    };
    let pair = Pair::start(target, protocol);
    let mut findings: Vec<(String, String)> = Vec::new();
    let mut commands = 0;
    let mut round = 0;
    while commands < limit && findings.len() < FINDINGS_MAX {
        let mut generator = Generator::new(&grammar, seed.wrapping_add(round), protocol);
        round += 1;
        let steps = round_of(&mut generator);
        commands += steps.iter().map(commands_of).sum::<usize>();
        let Some(difference) = pair.play(&steps) else {
            continue;
        };
        // One finding for each command is enough at a time.
        if findings.iter().any(|(name, _)| *name == difference.name) {
            continue;
        }
        let shown = match pair.play(&steps[..=difference.step]) {
            Some(_) => show(&pair, &shrink(&pair, &steps[..=difference.step])),
            None => format!("(not seen again when it was repeated)\n{}", difference.text),
        };
        eprintln!("{target:?} RESP{protocol}: {shown}");
        findings.push((difference.name, shown));
    }
    let texts: Vec<&str> = findings.iter().map(|(_, shown)| shown.as_str()).collect();
    assert!(
        findings.is_empty(),
        "{target:?}, RESP{protocol}, REDISTILL_SEED={seed}, {} differences in {commands} commands:\n{}",
        findings.len(),
        texts.join("\n")
    );
    println!("{target:?}, RESP{protocol}: {commands} commands answered the same (seed {seed})");
}

fn round_of(generator: &mut Generator) -> Vec<Step> {
    let mut steps = generator.settings();
    let mut commands = 0;
    while commands < ROUND_COMMANDS {
        let more = generator.steps();
        commands += more.iter().map(commands_of).sum::<usize>();
        steps.extend(more);
    }
    steps
}

fn commands_of(step: &Step) -> usize {
    match step {
        Step::Commands { commands, .. } | Step::Silent { commands, .. } => commands.len(),
        Step::ScanLoop { .. } | Step::Reconnect { .. } | Step::Draw { .. } => 1,
        Step::Exchange { .. } => 2,
        Step::Sleep { .. } | Step::OwnSetting { .. } => 0,
    }
}

/// Where the servers disagreed.
struct Difference {
    /// The index of the step.
    step: usize,
    /// The command's name.
    name: String,
    text: String,
}

/// redis-server and the server under test.
struct Pair {
    redis: Server,
    ours: Server,
    protocol: u8,
    comparison: Comparison,
}

impl Pair {
    fn start(target: Target, protocol: u8) -> Pair {
        Pair {
            redis: Server::start(Target::Redis),
            // Wrong passwords are among the commands.
            ours: Server::start_with(target, own_flags(target)),
            protocol,
            comparison: Comparison::new(),
        }
    }

    /// Plays the steps on empty servers with new connections.
    fn play(&self, steps: &[Step]) -> Option<Difference> {
        for server in [&self.redis, &self.ours] {
            let mut client = server.connect();
            client.command_words("FLUSHALL");
            let reply = client.command_words(&format!("CONFIG SET {}", COMMON_SETTINGS.join(" ")));
            assert_eq!(reply.to_string(), "OK", "settings are as they were");
            client.command_words("DEBUG SET-ACTIVE-EXPIRE 1");
            client.command_words("CLIENT UNPAUSE");
        }
        let connect = |_| self.connect();
        let mut connections: Vec<Connection> = (0..=CONNECTIONS).map(connect).collect();
        for (index, step) in steps.iter().enumerate() {
            if let Err((name, text)) = self.step(&mut connections, step) {
                return Some(Difference {
                    step: index,
                    name,
                    text,
                });
            }
        }
        None
    }

    fn connect(&self) -> Connection {
        Connection::new(&self.redis, &self.ours, self.protocol)
    }

    fn step(&self, connections: &mut [Connection], step: &Step) -> Result<(), (String, String)> {
        match step {
            Step::Sleep { ms } => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Commands {
                connection,
                commands,
                form,
            } => connections[*connection].commands(&self.comparison, commands, *form)?,
            Step::Silent {
                connection,
                commands,
            } => connections[*connection].silent(&self.comparison, commands)?,
            Step::ScanLoop {
                connection,
                head,
                options,
            } => connections[*connection].scan_loop(&self.comparison, head, options)?,
            Step::Draw { command } => connections[PLAIN_CONNECTION].draw(command)?,
            Step::Exchange { key } => connections[PLAIN_CONNECTION].exchange(key)?,
            Step::OwnSetting { name, value } if self.ours.target.is_ours() => {
                let words = ["CONFIG", "SET", name, value];
                let reply = connections[PLAIN_CONNECTION].ours.command(&words);
                assert_eq!(reply.to_string(), "OK", "{words:?}");
            }
            Step::OwnSetting { .. } => {}
            Step::Reconnect { connection } => {
                let quit = vec![b"QUIT".to_vec()];
                connections[*connection].commands(&self.comparison, &[quit], Form::Arrays)?;
                connections[*connection] = self.connect();
            }
        }
        Ok(())
    }
}

/// Flags that only our server has.
fn own_flags(target: Target) -> &'static [&'static str] {
    match target {
        Target::Mio | Target::IoUring => &["--security.auth_delay_max", "0"],
        Target::Redis => &[],
    }
}

/// The same connection to both servers.
pub struct Connection {
    redis: Client,
    ours: Client,
    /// The commands of the open transaction.
    queued: Vec<Words>,
}

impl Connection {
    /// Connects to both.
    pub fn new(redis: &Server, ours: &Server, protocol: u8) -> Connection {
        let connect = |server: &Server| {
            let mut client = match protocol {
                2 => server.connect(),
                protocol => server.connect_protocol(protocol),
            };
            client.set_timeout(Duration::from_secs(REPLY_SECONDS_MAX));
            client
        };
        Connection {
            redis: connect(redis),
            ours: connect(ours),
            queued: Vec::new(),
        }
    }

    /// Sends the commands to both and compares the replies.
    ///
    /// # Errors
    /// The command's name and what differed.
    pub fn commands(
        &mut self,
        comparison: &Comparison,
        commands: &[Words],
        form: Form,
    ) -> Result<(), (String, String)> {
        let encode_one = |words: &Words| match form {
            Form::Inline => encode_inline(words),
            Form::Arrays | Form::Split(_) => encode(words),
        };
        let bytes: Vec<u8> = commands.iter().flat_map(encode_one).collect();
        let middle = match form {
            Form::Split(part) => bytes.len() * usize::from(part) / 256,
            Form::Arrays | Form::Inline => 0,
        };
        // A server that closed is noticed when its reply is missing.
        let _ = self.redis.send(&bytes);
        for part in [&bytes[..middle], &bytes[middle..]] {
            if !part.is_empty() {
                let _ = self.ours.send(part);
            }
        }
        for words in commands {
            let (redis, ours) = self.reply(comparison, words)?;
            let is_random_key = commands.len() == 1 && name_of(words) == "randomkey";
            if let (true, Reply::Bulk(redis), Reply::Bulk(ours)) = (is_random_key, redis, ours) {
                self.both_exist(words, &redis, &ours)?;
            }
        }
        Ok(())
    }

    fn reply(
        &mut self,
        comparison: &Comparison,
        words: &Words,
    ) -> Result<(Reply, Reply), (String, String)> {
        let text = |reply: &io::Result<Reply>| match reply {
            Ok(reply) => shorten(&reply.to_string()),
            Err(error) => format!("no reply: {error}"),
        };
        match (self.redis.read_reply(), self.ours.read_reply()) {
            (Ok(redis), Ok(ours)) if comparison.same(words, &self.queued, &redis, &ours) => {
                self.follow(words, &redis);
                Ok((redis, ours))
            }
            (redis, ours) => Err(self.difference(words, &text(&redis), &text(&ours))),
        }
    }

    /// Keeps track of the transaction.
    fn follow(&mut self, words: &Words, reply: &Reply) {
        match (reply, name_of(words).as_str()) {
            (Reply::Simple(text), _) if text == b"QUEUED" => self.queued.push(words.clone()),
            // EXEC with an argument aborts, DISCARD with one does nothing.
            (_, "exec") => self.queued.clear(),
            (_, "discard" | "reset") if words.len() == 1 => self.queued.clear(),
            _ => {}
        }
    }

    fn both_exist(
        &mut self,
        words: &Words,
        redis: &[u8],
        ours: &[u8],
    ) -> Result<(), (String, String)> {
        let exists = |client: &mut Client, key: &[u8]| {
            client.command(&[b"EXISTS".as_slice(), key]) == Reply::Integer(1)
        };
        let both = exists(&mut self.redis, redis) && exists(&mut self.ours, ours);
        match both {
            true => Ok(()),
            false => Err(self.difference(words, &escape(redis), "a key that does not exist")),
        }
    }

    fn difference(&self, words: &Words, redis: &str, ours: &str) -> (String, String) {
        let shown = show_words(words);
        let queue = match (name_of(words).as_str(), self.queued.is_empty()) {
            ("exec", false) => {
                let shown: Vec<String> = self.queued.iter().map(show_words).collect();
                format!("\n  queued: {}", shown.join("; "))
            }
            _ => String::new(),
        };
        let text = format!("{shown}{queue}\n  redis: {redis}\n  ours:  {ours}");
        // Unknown commands have random names, but one reason.
        match redis.contains("unknown command") {
            true => ("unknown command".to_owned(), text),
            false => (name_of(words), text),
        }
    }

    /// Commands whose replies are turned off; left out inside a transaction, which would queue them.
    fn silent(
        &mut self,
        comparison: &Comparison,
        commands: &[Words],
    ) -> Result<(), (String, String)> {
        let reply_mode = |mode: &str| vec![b"CLIENT".to_vec(), b"REPLY".to_vec(), mode.into()];
        self.commands(comparison, &[vec![b"DISCARD".to_vec()]], Form::Arrays)?;
        let mut all = vec![reply_mode("OFF")];
        all.extend_from_slice(commands);
        let bytes: Vec<u8> = all.iter().flat_map(|words| encode(words)).collect();
        // A server that closed is noticed when its reply is missing.
        let _ = self.redis.send(&bytes);
        let _ = self.ours.send(&bytes);
        self.commands(comparison, &[reply_mode("ON")], Form::Arrays)
    }

    /// Goes through both until the end; they must find the same.
    fn scan_loop(
        &mut self,
        comparison: &Comparison,
        head: &Words,
        options: &Words,
    ) -> Result<(), (String, String)> {
        self.commands(comparison, &[vec![b"DISCARD".to_vec()]], Form::Arrays)?;
        let redis = scan_all(&mut self.redis, head, options);
        let ours = scan_all(&mut self.ours, head, options);
        if redis == ours {
            return Ok(());
        }
        let mut words = head.clone();
        words.push(b"(whole loop)".to_vec());
        words.extend_from_slice(options);
        Err(self.difference(&words, &shorten(&redis), &shorten(&ours)))
    }

    /// A command that draws by chance.
    fn draw(&mut self, command: &Words) -> Result<(), (String, String)> {
        drawn::compare(&mut self.redis, &mut self.ours, command)
            .map_err(|[redis, ours]| self.difference(command, &shorten(&redis), &shorten(&ours)))
    }

    /// What each has under a key goes to the other one.
    fn exchange(&mut self, key: &[u8]) -> Result<(), (String, String)> {
        let deadline = self.redis.command(&[b"PEXPIRETIME".as_slice(), key]);
        let deadline = deadline.integer().unwrap_or(0).max(0).to_string();
        let mut clients = [&mut self.redis, &mut self.ours];
        let [redis, ours] = clients
            .each_mut()
            .map(|client| client.command(&[b"DUMP".as_slice(), key]));
        let (Reply::Bulk(redis), Reply::Bulk(ours)) = (redis, ours) else {
            return Ok(());
        };
        let mut replies = Vec::new();
        for (client, payload) in clients.into_iter().zip([&ours, &redis]) {
            let words: [&[u8]; 6] = [
                b"RESTORE",
                key,
                deadline.as_bytes(),
                payload,
                b"REPLACE",
                b"ABSTTL",
            ];
            replies.push(client.command(&words).to_string());
        }
        match replies.iter().all(|reply| reply == "OK") {
            true => Ok(()),
            false => {
                let words = vec![b"RESTORE".to_vec(), key.to_vec()];
                Err(self.difference(&words, &replies[0], &replies[1]))
            }
        }
    }
}

/// All elements of a loop in order, or what went wrong.
fn scan_all(client: &mut Client, head: &Words, options: &Words) -> String {
    let mut cursor = b"0".to_vec();
    let mut found: Vec<String> = Vec::new();
    let in_pairs = ["hscan", "zscan"].contains(&name_of(head).as_str());
    loop {
        let mut words = head.clone();
        words.push(cursor);
        words.extend_from_slice(options);
        let reply = client.command(&words);
        let Some([Reply::Bulk(next), Reply::Array(page)]) = reply.elements() else {
            return reply.to_string();
        };
        match in_pairs {
            true => found.extend(drawn::pairs_of(page).iter().map(|pair| format!("{pair:?}"))),
            false => found.extend(page.iter().map(Reply::to_string)),
        }
        if next == b"0" {
            found.sort();
            found.dedup();
            return found.join(" ");
        }
        cursor = next.clone();
    }
}

/// Leaves out steps, then commands of pipelines, as long as a difference remains.
fn shrink(pair: &Pair, steps: &[Step]) -> Vec<Step> {
    let mut minimal = steps.to_vec();
    let mut size = minimal.len().div_ceil(2);
    let mut plays = 0;
    loop {
        let mut at = 0;
        while at < minimal.len() {
            plays += 1;
            if plays > SHRINKING_PLAYS_MAX {
                return minimal;
            }
            let mut fewer = minimal.clone();
            fewer.drain(at..(at + size).min(minimal.len()));
            match pair.play(&fewer) {
                Some(difference) => {
                    fewer.truncate(difference.step + 1);
                    minimal = fewer;
                }
                None => at += size,
            }
        }
        if size == 1 {
            return shrink_pipelines(pair, minimal);
        }
        size = size.div_ceil(2);
    }
}

fn shrink_pipelines(pair: &Pair, mut minimal: Vec<Step>) -> Vec<Step> {
    for index in 0..minimal.len() {
        let mut at = 0;
        loop {
            let mut fewer = minimal.clone();
            match &mut fewer[index] {
                Step::Commands { commands, form, .. } if commands.len() > 1 => {
                    if at >= commands.len() {
                        break;
                    }
                    commands.remove(at);
                    *form = Form::Arrays;
                }
                Step::Silent { commands, .. } if at < commands.len() => {
                    commands.remove(at);
                }
                _ => break,
            }
            match pair.play(&fewer) {
                Some(difference) if difference.step + 1 == fewer.len() => minimal = fewer,
                _ => at += 1,
            }
        }
    }
    minimal
}

/// The minimal sequence, in the notation of the cases, and how it ends.
fn show(pair: &Pair, steps: &[Step]) -> String {
    let mut shown = String::new();
    for step in steps {
        let line = match step {
            Step::Commands {
                connection,
                commands,
                form,
            } => {
                let commands: Vec<String> = commands.iter().map(show_words).collect();
                let form = match form {
                    Form::Arrays => String::new(),
                    other => format!("   ({other:?})"),
                };
                format!("{connection}> {}{form}", commands.join("; "))
            }
            Step::Silent {
                connection,
                commands,
            } => {
                let commands: Vec<String> = commands.iter().map(show_words).collect();
                format!("{connection}> replies off: {}", commands.join("; "))
            }
            Step::ScanLoop {
                connection,
                head,
                options,
            } => {
                let (head, options) = (show_words(head), show_words(options));
                format!("{connection}> {head} (whole loop) {options}")
            }
            Step::Draw { command } => format!("{PLAIN_CONNECTION}> {}", show_words(command)),
            Step::Exchange { key } => {
                format!("{PLAIN_CONNECTION}> DUMP and RESTORE {}", escape(key))
            }
            Step::OwnSetting { name, value } => format!("ours> CONFIG SET {name} {value}"),
            Step::Reconnect { connection } => format!("{connection}> QUIT and connect again"),
            Step::Sleep { ms } => format!("sleep {ms}"),
        };
        writeln!(shown, "{line}").expect("a string grows");
    }
    match pair.play(steps) {
        Some(difference) => shown + &difference.text,
        None => shown + "  (not seen again when it was repeated)",
    }
}

fn show_words(words: &Words) -> String {
    let shown = words.iter().map(|word| {
        let text = escape(word);
        match word.is_empty() || text.contains(' ') || text.contains('\\') {
            true => format!("\"{text}\""),
            false => text,
        }
    });
    shorten(&shown.collect::<Vec<_>>().join(" "))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
