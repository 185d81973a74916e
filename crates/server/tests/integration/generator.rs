//! Makes random sequences of steps for the comparison with redis-server: valid and broken commands
//! on several connections, over few keys, so that they meet.
//!
//! Time is controlled by choice: relative deadlines are at least 1000 seconds away and never equal,
//! absolute ones lie far in the future or in the past. Keys that really expire appear only in
//! [`Generator::expiring_unit`], which waits until they are gone and then touches them.

use std::ops::Range;

use crate::grammar::Grammar;
use crate::placeholders::{few_databases, key, make, pattern, value};
use crate::random::Random;

/// A command: its words.
pub type Words = Vec<Vec<u8>>;

/// How a step's commands go over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As arrays of bulk strings, in one write.
    Arrays,
    /// As inline commands, in one write.
    Inline,
    /// As arrays, in two writes that meet at this part (of 256) of the bytes.
    Split(u8),
}

/// One step on one of the connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends commands and reads as many replies.
    Commands {
        /// The number of the connection.
        connection: usize,
        /// What is sent, as a pipeline.
        commands: Vec<Words>,
        /// How it is sent.
        form: Form,
    },
    /// Turns replies off, sends commands, and turns replies on again.
    Silent {
        /// The number of the connection.
        connection: usize,
        /// What is sent without replies.
        commands: Vec<Words>,
    },
    /// SCANs, or goes through a collection, until the cursor is 0.
    ScanLoop {
        /// The number of the connection.
        connection: usize,
        /// The words before the cursor.
        head: Words,
        /// The options behind the cursor.
        options: Words,
    },
    /// A command that draws by chance, judged by what the key has; on the [`PLAIN_CONNECTION`].
    Draw {
        /// The command.
        command: Words,
    },
    /// DUMPs a key of both servers and RESTOREs each of the two in the other one; on the [`PLAIN_CONNECTION`].
    Exchange {
        /// The key.
        key: Vec<u8>,
    },
    /// Changes a setting of our server that redis-server 7.0 does not have.
    OwnSetting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// Sends QUIT and connects again.
    Reconnect {
        /// The number of the connection.
        connection: usize,
    },
    /// Lets time pass.
    Sleep {
        /// How much.
        ms: u64,
    },
}

/// How much goes as inline commands at most: escapes make it longer, and from 64 KB on it depends on how it arrives whether
/// redis-server takes it.
const INLINE_BYTES_MAX: usize = 8_000;

/// Commands that draw by chance; `K` is a key with what the command asks for, `N` a count.
const DRAWS: &[(&str, &str)] = &[
    ("SADD", "SPOP K"),
    ("SADD", "SPOP K N"),
    ("SADD", "SPOP K N"),
    ("SADD", "SRANDMEMBER K"),
    ("SADD", "SRANDMEMBER K N"),
    ("HSET", "HRANDFIELD K"),
    ("HSET", "HRANDFIELD K N"),
    ("HSET", "HRANDFIELD K N WITHVALUES"),
    ("ZADD", "ZRANDMEMBER K"),
    ("ZADD", "ZRANDMEMBER K N"),
    ("ZADD", "ZRANDMEMBER K N WITHSCORES"),
];

/// Settings of when collections change their form; sets have one that redis-server 7.0 does not have.
const FORM_SETTINGS: &[(&str, &[&str])] = &[
    ("hash-max-listpack-entries", &["512", "8", "0"]),
    ("hash-max-listpack-value", &["64", "8"]),
    ("list-max-listpack-size", &["-2", "4", "-1"]),
    ("set-max-intset-entries", &["512", "8", "0"]),
    ("zset-max-listpack-entries", &["128", "8", "0"]),
    ("zset-max-listpack-value", &["64", "8"]),
    ("hll-sparse-max-bytes", &["3000", "100", "0"]),
];

/// Connections that take part, without [`PLAIN_CONNECTION`].
pub const CONNECTIONS: usize = 4;
/// A further connection that is never in a transaction.
pub const PLAIN_CONNECTION: usize = CONNECTIONS;

/// Single-key commands for keys that have expired; `K` is the key.
const ON_EXPIRED: &[&str] = &[
    "GET K",
    "SET K v KEEPTTL",
    "SET K v NX",
    "SET K v XX",
    "SET K v GET",
    "SETNX K v",
    "GETSET K v",
    "GETDEL K",
    "GETEX K",
    "GETEX K PERSIST",
    "APPEND K v",
    "STRLEN K",
    "GETRANGE K 0 -1",
    "SETRANGE K 1 x",
    "INCR K",
    "INCRBYFLOAT K 1.5",
    "MGET K K",
    "MSETNX K 1",
    "LCS K K",
    "DEL K",
    "UNLINK K",
    "TYPE K",
    "TOUCH K",
    "EXPIRE K 100000",
    "EXPIRE K 100000 XX",
    "TTL K",
    "PTTL K",
    "EXPIRETIME K",
    "PERSIST K",
    "RENAME K other",
    "RENAME other K",
    "RENAMENX other K",
    "COPY K other",
    "COPY other K",
    "MOVE K 3",
    "OBJECT ENCODING K",
    "KEYS *",
];

/// What [`Generator::run`] repeats, and what comes in between; `K`, `V` and `D` are a key, a value and a database.
const IN_RUNS: &[&str] = &[
    "GET K",
    "GET K",
    "get K",
    "SET K V",
    "SET K V",
    "Set K V",
    "STRLEN K",
    "TTL K",
    "TYPE K",
    "INCR K",
    "APPEND K V",
];
const BETWEEN_RUNS: &[&str] = &[
    "SELECT D",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH K",
    "UNWATCH",
    "SWAPDB D D",
    "FLUSHDB",
    "DEL K K",
    "MGET K K",
    "MSET K V K V",
    "RENAME K K",
    "SET K V EXAT 4102444800",
    "SET K V KEEPTTL",
    "SET K V GET",
    "EXPIREAT K 1",
    "EXPIREAT K 4102444800",
    "PERSIST K",
    "GET",
    "GET K K",
    "SET K",
    "NOSUCH K",
    "PING",
    "CLIENT NO-EVICT ON",
];

/// Words that replace or join others in broken commands. No small positive numbers and no words
/// that set deadlines, because those could make a key expire at an uncertain moment.
const JUNK: &[&[u8]] = &[
    b"",
    b"foo",
    b"-1",
    b"0",
    b"-0",
    b"1.5",
    b"+1",
    b" 1",
    b"with\x00zero",
    b"\xff\xfe",
    b"9223372036854775809",
    b"-9223372036854775809",
    b"nan",
    b"NX",
    b"xx",
    b"GT",
    b"GET",
    b"KEEPTTL",
    b"PERSIST",
    b"REPLACE",
    b"MATCH",
    b"IDX",
    b"line\r\nbreak",
];

/// Commands that are not broken at random, because a variant could end the server or a connection.
/// HELLO, because 7.0 sets the name before it has read the options that follow.
const NEVER_BROKEN: &[&[u8]] = &[b"SHUTDOWN", b"DEBUG", b"CONFIG", b"CLIENT", b"HELLO"];

/// Makes steps from a seed.
pub struct Generator<'a> {
    grammar: &'a Grammar,
    random: Random,
    protocol: u8,
    /// Makes deadlines different.
    deadlines: i64,
    /// Begins every key.
    prefix: String,
}

impl<'a> Generator<'a> {
    /// A generator for connections that speak this version of RESP.
    pub fn new(grammar: &'a Grammar, seed: u64, protocol: u8) -> Generator<'a> {
        Generator {
            grammar,
            random: Random::new(seed),
            protocol,
            deadlines: 0,
            prefix: String::new(),
        }
    }

    /// The same with keys of its own, which all begin like this.
    pub fn with_prefix(self, prefix: &str) -> Generator<'a> {
        let prefix = prefix.to_owned();
        Generator { prefix, ..self }
    }

    /// The next steps: mostly one, several where they belong together.
    pub fn steps(&mut self) -> Vec<Step> {
        let connection = self.random.below(CONNECTIONS);
        match self.random.below(1000) {
            0..2 => self.expiring_unit(),
            2..6 => self.already_expired_unit(),
            6..16 => vec![self.silent(connection)],
            16..30 => vec![self.scan_loop(connection)],
            30..34 => self.reconnect(connection),
            34..40 => self.reset(connection),
            40..60 => self.draw(),
            60..70 => vec![self.exchange()],
            _ => vec![self.commands(connection)],
        }
    }

    fn commands(&mut self, connection: usize) -> Step {
        let count = match self.random.below(10) {
            0 => 2 + self.random.below(20),
            _ => 1,
        };
        let mut commands = match self.random.once_in(100) {
            true => self.run(),
            false => (0..count).map(|_| self.command()).collect(),
        };
        self.look_at(&mut commands);
        let bytes_of = |words: &Words| words.iter().map(Vec::len).sum::<usize>();
        let may_be_inline = commands.iter().map(bytes_of).sum::<usize>() <= INLINE_BYTES_MAX;
        let form = match self.random.below(20) {
            0 | 1 if may_be_inline => Form::Inline,
            2..5 => Form::Split(self.random.below(256) as u8),
            _ => Form::Arrays,
        };
        Step::Commands {
            connection,
            commands,
            form,
        }
    }

    /// How a value is kept now and then, and what it is as a whole, after what has been done to it.
    fn look_at(&mut self, commands: &mut Vec<Words>) {
        let Some(key) = commands.last().and_then(|words| words.get(1)).cloned() else {
            return;
        };
        let question: &[&[u8]] = match self.random.below(60) {
            0..10 => &[b"OBJECT", b"ENCODING"],
            10 => &[b"DUMP"],
            _ => return,
        };
        let mut words: Words = question.iter().map(|word| word.to_vec()).collect();
        words.push(key);
        commands.push(words);
    }

    /// Few commands again and again, as caches get them, and between them some that change what the next ones meet.
    pub fn run(&mut self) -> Vec<Words> {
        let mut commands = Vec::new();
        for _ in 0..2 + self.random.below(10) {
            let template = *self.random.pick(IN_RUNS);
            for _ in 0..self.random.below(12) {
                commands.push(self.words_of(template));
            }
            let template = *self.random.pick(BETWEEN_RUNS);
            commands.push(self.words_of(template));
        }
        commands
    }

    fn words_of(&mut self, template: &str) -> Words {
        let (random, prefix) = (&mut self.random, self.prefix.as_bytes());
        let deadlines = &mut self.deadlines;
        let words = template.split(' ').map(|word| match word {
            "K" => make(random, "string", prefix, deadlines),
            "V" => value(random),
            "D" => few_databases(random),
            other => other.as_bytes().to_vec(),
        });
        words.collect()
    }

    /// The next command by itself.
    pub fn command(&mut self) -> Words {
        let (deadlines, prefix) = (&mut self.deadlines, self.prefix.as_bytes());
        let mut words = self.grammar.command(&mut self.random, &mut |random, name| {
            make(random, name, prefix, deadlines)
        });
        if self.random.once_in(12) {
            // Words that move could become keys, and those must be this generator's own.
            let is_free = self.prefix.is_empty() && !keeps_its_words(&words);
            let kinds = if is_free { 0..7 } else { 4..7 };
            change(&mut self.random, &mut words, kinds);
        }
        words
    }

    /// A key that expires within the unit.
    fn expiring_unit(&mut self) -> Vec<Step> {
        let key = key(&mut self.random);
        let value = value(&mut self.random);
        let on_plain = |commands: Vec<Words>| Step::Commands {
            connection: PLAIN_CONNECTION,
            commands,
            form: Form::Arrays,
        };
        let set = vec![
            b"SET".to_vec(),
            key.clone(),
            value,
            b"PX".to_vec(),
            b"2".to_vec(),
        ];
        let template = *self.random.pick(ON_EXPIRED);
        let words = template.split(' ').map(|word| match word {
            "K" => key.clone(),
            other => other.as_bytes().to_vec(),
        });
        vec![
            on_plain(vec![set]),
            Step::Sleep { ms: 12 },
            on_plain(vec![words.collect()]),
            on_plain(vec![vec![b"EXISTS".to_vec(), key]]),
        ]
    }

    /// A key that is set with a deadline in the past.
    fn already_expired_unit(&mut self) -> Vec<Step> {
        let key = key(&mut self.random);
        let option = *self.random.pick(&["EXAT", "PXAT"]);
        let set = vec![
            b"SET".to_vec(),
            key.clone(),
            value(&mut self.random),
            option.as_bytes().to_vec(),
            b"1".to_vec(),
        ];
        vec![Step::Commands {
            connection: PLAIN_CONNECTION,
            commands: vec![set, vec![b"GET".to_vec(), key]],
            form: Form::Arrays,
        }]
    }

    fn silent(&mut self, connection: usize) -> Step {
        let count = 1 + self.random.below(3);
        let commands = (0..count).map(|_| {
            loop {
                let command = self.command();
                let name = command[0].to_ascii_uppercase();
                // Transactions would queue the CLIENT REPLY that ends the step.
                if name != b"MULTI" && name != b"CLIENT" && name != b"HELLO" {
                    return command;
                }
            }
        });
        Step::Silent {
            connection,
            commands: commands.collect(),
        }
    }

    fn scan_loop(&mut self, connection: usize) -> Step {
        let name = *self.random.pick(&["SCAN", "SSCAN", "HSCAN", "ZSCAN"]);
        let placeholder = match name {
            "SSCAN" => "set",
            "HSCAN" => "hash",
            _ => "zset",
        };
        let mut head = vec![name.as_bytes().to_vec()];
        if name != "SCAN" {
            head.push(self.made(placeholder));
        }
        let mut options: Words = Vec::new();
        if self.random.once_in(2) {
            options.push(b"COUNT".to_vec());
            options.push(self.random.between(1, 30).to_string().into_bytes());
        }
        if self.random.once_in(3) {
            options.push(b"MATCH".to_vec());
            options.push(pattern(&mut self.random));
        }
        if self.random.once_in(4) && name == "SCAN" {
            let kind = *self.random.pick(&["string", "list", "set", "hash", "zset"]);
            options.extend(["TYPE", kind].map(|word| word.as_bytes().to_vec()));
        }
        Step::ScanLoop {
            connection,
            head,
            options,
        }
    }

    fn made(&mut self, placeholder: &str) -> Vec<u8> {
        let prefix = self.prefix.as_bytes();
        make(&mut self.random, placeholder, prefix, &mut self.deadlines)
    }

    /// Members by chance, mostly of a key that has just been filled.
    fn draw(&mut self) -> Vec<Step> {
        let (filler, template) = *self.random.pick(DRAWS);
        let key = key(&mut self.random);
        let words = template.split(' ').map(|word| match word {
            "K" => key.clone(),
            "N" => self.made("sample"),
            other => other.as_bytes().to_vec(),
        });
        let draw = Step::Draw {
            command: words.collect(),
        };
        if self.random.once_in(4) {
            return vec![draw];
        }
        let mut fill = vec![filler.as_bytes().to_vec(), key.clone()];
        let max = *self.random.pick(&[4, 30, 800]);
        for _ in 0..=self.random.below(max) {
            match filler {
                "HSET" => fill.extend([self.made("member"), self.made("value")]),
                "ZADD" => fill.extend([self.made("index"), self.made("member")]),
                _ => fill.push(self.made("member")),
            }
        }
        let fill = Step::Commands {
            connection: PLAIN_CONNECTION,
            commands: vec![vec![b"DEL".to_vec(), key], fill],
            form: Form::Arrays,
        };
        vec![fill, draw]
    }

    fn exchange(&mut self) -> Step {
        let placeholder = *self.random.pick(&["list", "set", "hash", "zset", "key"]);
        let key = self.made(placeholder);
        Step::Exchange { key }
    }

    /// What a round begins with: when collections change their form.
    pub fn settings(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (name, values) in FORM_SETTINGS {
            let value = *self.random.pick(values);
            let words = ["CONFIG", "SET", name, value].map(|word| word.as_bytes().to_vec());
            steps.push(Step::Commands {
                connection: PLAIN_CONNECTION,
                commands: vec![words.to_vec()],
                form: Form::Arrays,
            });
        }
        let value = *self.random.pick(&["128", "8", "0"]);
        steps.push(Step::OwnSetting {
            name: "set-max-listpack-entries",
            value,
        });
        steps
    }

    fn reconnect(&mut self, connection: usize) -> Vec<Step> {
        let mut steps = vec![Step::Reconnect { connection }];
        steps.extend(self.hello(connection));
        steps
    }

    fn reset(&mut self, connection: usize) -> Vec<Step> {
        let reset = Step::Commands {
            connection,
            commands: vec![vec![b"RESET".to_vec()]],
            form: Form::Arrays,
        };
        let mut steps = vec![reset];
        steps.extend(self.hello(connection));
        steps
    }

    fn hello(&self, connection: usize) -> Option<Step> {
        let version = self.protocol.to_string().into_bytes();
        (self.protocol != 2).then(|| Step::Commands {
            connection,
            commands: vec![vec![b"HELLO".to_vec(), version]],
            form: Form::Arrays,
        })
    }
}

/// Whether other words could draw by chance, give members of a `flat` key several scores, or mean an option that 7.0 does
/// not have.
fn keeps_its_words(words: &Words) -> bool {
    const NAMES: &[&[u8]] = &[b"SPOP", b"ZRANK", b"ZREVRANK"];
    NAMES.contains(&words[0].as_slice()) || words.iter().any(|word| word.starts_with(b"flat"))
}

/// Breaks a command, or changes the case of its words, in one of these ways.
fn change(random: &mut Random, words: &mut Words, kinds: Range<usize>) {
    if NEVER_BROKEN.contains(&words[0].as_slice()) {
        return;
    }
    let at = 1 + random.below(words.len());
    match kinds.start + random.below(kinds.len()) {
        0 if at < words.len() => drop(words.remove(at)),
        1 if at < words.len() => words.insert(at, words[at].clone()),
        2 => words.insert(at, random.pick(JUNK).to_vec()),
        3 if at < words.len() => words[at] = random.pick(JUNK).to_vec(),
        4 => words.truncate(1),
        5 => words[0] = [b"zz", words[0].as_slice()].concat(),
        _ => {
            let lower = random.once_in(2);
            let options = words.iter_mut().filter(|word| word.len() < 12);
            for word in options.filter(|word| word.iter().all(u8::is_ascii_uppercase)) {
                if lower || random.once_in(2) {
                    word.make_ascii_lowercase();
                }
            }
        }
    }
}
