//! Makes random sequences of steps for the comparison with redis-server: valid and broken commands
//! on several connections, over few keys, so that they meet.
//!
//! Time is controlled by choice: relative deadlines are at least 1000 seconds away and never equal,
//! absolute ones lie far in the future or in the past. Keys that really expire appear only in
//! [`Generator::expiring_unit`], which waits until they are gone and then touches them.

use std::ops::Range;

use crate::grammar::Grammar;
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
    /// SCANs until the cursor is 0.
    ScanLoop {
        /// The number of the connection.
        connection: usize,
        /// The options behind the cursor.
        options: Words,
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
    b"abc\x00def",
    b"\xff\xfe",
    b"99999999999999999999",
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
            _ => vec![self.commands(connection)],
        }
    }

    fn commands(&mut self, connection: usize) -> Step {
        let count = match self.random.below(10) {
            0 => 2 + self.random.below(20),
            _ => 1,
        };
        let commands = match self.random.once_in(40) {
            true => self.run(),
            false => (0..count).map(|_| self.command()).collect(),
        };
        let form = match self.random.below(20) {
            0 | 1 => Form::Inline,
            2..5 => Form::Split(self.random.below(256) as u8),
            _ => Form::Arrays,
        };
        Step::Commands {
            connection,
            commands,
            form,
        }
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
        let words = template.split(' ').map(|word| match word {
            "K" => [prefix, &key(random)].concat(),
            "V" => value(random),
            "D" => random.between(0, 2).to_string().into_bytes(),
            other => other.as_bytes().to_vec(),
        });
        words.collect()
    }

    /// The next command by itself.
    pub fn command(&mut self) -> Words {
        let (deadlines, prefix) = (&mut self.deadlines, self.prefix.as_bytes());
        let mut words = self
            .grammar
            .command(&mut self.random, &mut |random, name| match name {
                "key" => [prefix, &key(random)].concat(),
                other => make(random, other, deadlines),
            });
        if self.random.once_in(8) {
            // Words that move could become keys, and those must be this generator's own.
            let kinds = if self.prefix.is_empty() { 0..7 } else { 4..7 };
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
        let mut options: Words = Vec::new();
        if self.random.once_in(2) {
            options.push(b"COUNT".to_vec());
            options.push(self.random.between(1, 30).to_string().into_bytes());
        }
        if self.random.once_in(3) {
            options.push(b"MATCH".to_vec());
            options.push(pattern(&mut self.random));
        }
        if self.random.once_in(4) {
            options.push(b"TYPE".to_vec());
            options.push(b"string".to_vec());
        }
        Step::ScanLoop {
            connection,
            options,
        }
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

/// The value of a placeholder of the grammar.
/// A score: numbers of all kinds, small ones mostly.
fn score(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => float(random),
        1 => integer(random),
        2 => pick_text(
            random,
            &["inf", "-inf", "+inf", "nan", "-0", "1e300", "abc"],
        ),
        3..6 => format!("{}.5", random.between(-20, 20)).into_bytes(),
        _ => random.between(-20, 20).to_string().into_bytes(),
    }
}

/// A member of a collection: few different ones, integers mostly, of all widths.
fn member(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0..7 => random.between(-20, 200).to_string().into_bytes(),
        7..9 => format!("m{}", random.below(40)).into_bytes(),
        9 => integer(random),
        10 => vec![b'x'; random.below(80)],
        _ => value(random),
    }
}

/// A number of degrees: mostly of few places, which are near each other, else anywhere up to `max` or on the edge.
fn degrees(random: &mut Random, max: &str, near: i64) -> Vec<u8> {
    let edge = max.parse::<f64>().expect("a number");
    match random.below(16) {
        0 => pick_text(
            random,
            &["nan", "inf", "abc", "", "0x10", "180.0000001", "-90"],
        ),
        1 => pick_text(random, &[max, "0", "-0", "66.5", "-80.5"]),
        2 => format!("-{max}").into_bytes(),
        3 => format!("{:.6}", edge - 0.0001 * random.below(9) as f64).into_bytes(),
        4..9 => {
            let part = random.next() as f64 / u64::MAX as f64 * 2.0 - 1.0;
            format!("{}", part * edge).into_bytes()
        }
        _ => {
            let hundredths = random.below(300) as f64 / 100.0;
            format!("{}", near as f64 + hundredths).into_bytes()
        }
    }
}

/// A distance of any size, from nothing to many times around the earth.
fn distance(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => pick_text(
            random,
            &["0", "-1", "nan", "inf", "abc", "", "1e300", "1e-300"],
        ),
        1 => float(random),
        _ => {
            let magnitude = 10_f64.powi(random.between(-2, 7) as i32);
            let first = random.between(1, 999) as f64 / 100.0;
            format!("{}", first * magnitude).into_bytes()
        }
    }
}

fn make(random: &mut Random, name: &str, deadlines: &mut i64) -> Vec<u8> {
    match name {
        "longitude" => degrees(random, "180", 13),
        "latitude" => degrees(random, "85.05112878", 36),
        "distance" => distance(random),
        "town" => match random.below(12) {
            0 => member(random),
            _ => format!("t{}", random.below(16)).into_bytes(),
        },
        "unit" => match random.below(20) {
            0 => pick_text(random, &["yd", "", "M", "KM", "Ft", "mI"]),
            _ => pick_text(random, &["m", "km", "ft", "mi"]),
        },
        "value" => value(random),
        "member" => member(random),
        "score" => score(random),
        "bound" => [&b"("[usize::from(random.once_in(2))..], &score(random)].concat(),
        "integer" => integer(random),
        "float" => float(random),
        "index" => match random.once_in(10) {
            true => integer(random),
            false => random.between(-15, 15).to_string().into_bytes(),
        },
        "offset" => match random.below(20) {
            0 => integer(random),
            1 => b"536870912".to_vec(),
            2 => random.between(0, 5000).to_string().into_bytes(),
            _ => random.between(0, 30).to_string().into_bytes(),
        },
        "payload" => match random.below(8) {
            0 => value(random),
            1 => {
                let mut payload = random.pick(PAYLOADS).to_vec();
                let at = random.below(payload.len());
                payload[at] ^= 1;
                payload
            }
            _ => random.pick(PAYLOADS).to_vec(),
        },
        "bit" => match random.below(20) {
            0 => integer(random),
            1 => random.between(0, 200_000).to_string().into_bytes(),
            _ => random.between(0, 130).to_string().into_bytes(),
        },
        "place" => format!("#{}", random.between(-1, 12)).into_bytes(),
        "width" => match random.below(20) {
            0 => pick_text(random, &["u64", "i65", "u0", "i0", "x8", "U8", "u", "i-1"]),
            1 => pick_text(random, &["i64", "u63", "i1", "u1"]),
            _ => {
                let sign = pick_text(random, &["i", "u"]);
                let bits = random.between(1, 63).to_string();
                [sign, bits.into_bytes()].concat()
            }
        },
        "seconds" => seconds(random, deadlines, 1),
        "milliseconds" => seconds(random, deadlines, 1000),
        "at" => at(random, 1),
        "atms" => at(random, 1000),
        "past" => pick_text(random, &["1", "0", "-1", "1000", "1500000000"]),
        "db" => match random.below(12) {
            0 => integer(random),
            1 => pick_text(random, &["15", "16", "-1", "abc"]),
            _ => random.between(0, 2).to_string().into_bytes(),
        },
        "count" => match random.once_in(4) {
            true => integer(random),
            false => random.between(1, 100).to_string().into_bytes(),
        },
        "type" => pick_text(random, &["string", "STRING", "list", "zset", "foo"]),
        "pattern" => pattern(random),
        "name" => pick_text(
            random,
            &["me", "other", "", "with space", "a\nb", "default"],
        ),
        "parameter" => pick_text(random, PARAMETERS),
        other => panic!("no such placeholder: {other}"),
    }
}

/// Settings that both servers know under the same name with the same value.
const PARAMETERS: &[&str] = &[
    "timeout",
    "TCP-KEEPALIVE",
    "maxmemory",
    "maxmemory-policy",
    "save",
    "appendonly",
    "databases",
    "proto-max-bulk-len",
    "maxclients",
    "m[a]xmemory-sample?",
    "nosuch",
];

/// What DUMP gives of values of several types.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a",
    b"\x00\xc0\x0c\x0a\x00<*\xf8Q\x5c\x04\xbc\xd5",
    b"\x00\xc3\x094\x01aa\xe0'\x00\x01aa\x0a\x00c\xdd)\xd3L\x1a$n",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\x0a\x00\xa5\x02\x5c\xe2mnM\x1b",
    b"\x02\x01\x01a\x0a\x00b\x96\xe9~D\xd2\x1am",
    b"\x12\x01\x02\x1c\x1c\x00\x00\x00\x05\x00\x81a\x02\x01\x01\xdf\xfb\x02\xc3\xe8\x02\x88x1000000\x09\xff\x0a\x00\x05R_\xcc\xdc&q\x1b",
];

fn key(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => b"".to_vec(),
        1 => b"bin\x00\xff\r\n".to_vec(),
        2 => vec![b'L'; 300],
        3 => b"other".to_vec(),
        number => format!("k{number}").into_bytes(),
    }
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => b"".to_vec(),
        1..4 => random.between(-20, 20).to_string().into_bytes(),
        4 => integer(random),
        5 | 6 => float(random),
        7 => (0..random.below(40))
            .map(|_| random.below(256) as u8)
            .collect(),
        8 => {
            let length = *random.pick(&[43, 44, 45, 63, 64, 65, 200, 1000, 5000]);
            vec![b'a' + random.below(26) as u8; length]
        }
        9 => random
            .next()
            .to_string()
            .repeat(1 + random.below(4))
            .into_bytes(),
        10 => b"12345678901234567890".to_vec(),
        11 => pick_text(random, &["007", "-0", "+5", " 5", "5 ", "1e5", "0x10"]),
        _ => format!("value-{}", random.below(50)).into_bytes(),
    }
}

fn integer(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => b"9223372036854775807".to_vec(),
        1 => b"-9223372036854775808".to_vec(),
        2 => (random.next() as i64).to_string().into_bytes(),
        3 => pick_text(
            random,
            &["9223372036854775808", "abc", "", "1.0", " 1", "-", "0"],
        ),
        4 => random
            .between(-5_000_000_000, 5_000_000_000)
            .to_string()
            .into_bytes(),
        _ => random.between(-100, 100).to_string().into_bytes(),
    }
}

fn float(random: &mut Random) -> Vec<u8> {
    match random.below(14) {
        0 => pick_text(random, &["nan", "inf", "-inf", "abc", "", " 1", "1 ", "1e"]),
        1 => pick_text(random, &["1e3", "-2.5E2", "1e-5", "5.0e3", "1e17", "1e-17"]),
        2 => pick_text(random, &["0", "-0.0", ".5", "5.", "+1.5", "0x1p3", "00.10"]),
        3 => pick_text(random, &["1e308", "-1e308", "1e4000", "1e-400", "1e5000"]),
        4 => format!("{}.{}", random.next() as i32, random.next()).into_bytes(),
        5..8 => random.between(-100, 100).to_string().into_bytes(),
        8 => format!("0.{:017}", random.next() % 100_000_000_000_000_000).into_bytes(),
        _ => {
            let cents = random.between(-100_000, 100_000);
            format!("{}", cents as f64 / 100.0).into_bytes()
        }
    }
}

/// A time to live: far away and used once, or not valid.
fn seconds(random: &mut Random, deadlines: &mut i64, unit: i64) -> Vec<u8> {
    if random.once_in(8) {
        return pick_text(
            random,
            &[
                "0",
                "-1",
                "-100",
                "abc",
                "1.5",
                "",
                "9223372036854775807",
                "-9223372036854775808",
                "9223372036854775",
                "9223372036854776",
                "9223372036854775808",
            ],
        );
    }
    *deadlines += 1;
    let seconds = 1000 + 100 * ((*deadlines * 7919) % 100_003);
    (seconds * unit).to_string().into_bytes()
}

/// A point in time in this century's end, few of them so that they meet, or not valid.
fn at(random: &mut Random, unit: i64) -> Vec<u8> {
    if random.once_in(10) {
        return pick_text(
            random,
            &["0", "-1", "abc", "9223372036854775807", "9223372036854775"],
        )
        .to_vec();
    }
    let fraction = *random.pick(&[0, 1, 499, 500, 999]) % unit;
    let time = (4_102_444_800 + random.between(0, 3)) * unit + fraction;
    time.to_string().into_bytes()
}

fn pattern(random: &mut Random) -> Vec<u8> {
    pick_text(
        random,
        &[
            "*", "k*", "k?", "k1*", "[k]*", "k[4-8]", "[^k]*", "k[^45]*", "*1*", "L*", "b*", "",
            "k1", "\\k*", "k[", "[a-z]??", "**", "*?*",
        ],
    )
}

fn pick_text(random: &mut Random, texts: &[&str]) -> Vec<u8> {
    random.pick(texts).as_bytes().to_vec()
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
