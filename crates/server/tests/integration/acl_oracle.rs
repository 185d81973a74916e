//! Random rules and requests are judged as redis-server judges them: ACL SETUSER accepts and refuses the same, ACL DRYRUN
//! allows and denies the same, ACL GETUSER and LIST show the same.

use std::collections::BTreeSet;

use crate::client::{Client, Reply, encode};
use crate::command_table::{NEWER, SHARED, names};
use crate::random::Random;
use crate::server::{Server, Target, is_long_run};

/// Rules and requests that are judged; a long run has ten times as many.
const JUDGED_MIN: usize = 10_000;
/// Requests that are judged after each change of the user.
const REQUESTS: usize = 20;
const RULES_MAX: usize = 8;
/// After so many changes the user begins anew.
const CHANGES_MAX: usize = 6;

const CATEGORIES: &[&str] = &[
    "all",
    "read",
    "write",
    "string",
    "keyspace",
    "fast",
    "slow",
    "dangerous",
    "admin",
    "connection",
    "transaction",
    "set",
    "nosuch",
    "",
];
const PATTERNS: &[&str] = &["*", "k*", "k1", "?1", "[kr]*", "r*", "w*", "", "x", "k\\*"];
const KEYS: &[&str] = &["k1", "k2", "r1", "w1", "x", "", "k*", "0"];
const WORDS: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    "reset",
    "allkeys",
    "resetkeys",
    "allchannels",
    "resetchannels",
    "allcommands",
    "nocommands",
    "clearselectors",
    "sanitize-payload",
    "skip-sanitize-payload",
    "ON",
    "AllKeys",
    "bogus",
    "",
    " on",
    "+",
    "-",
    "~",
    "%",
    "%~",
    "&",
    ">",
    "<",
    "#",
    "!",
    "(",
    ")",
    "()",
    "@",
    "+@",
    "%x~k",
    "%RRR~k",
    "+get|",
    "|",
];

type Words = Vec<String>;

struct Generator {
    random: Random,
    /// What both servers have: names with `|`, and the fewest arguments.
    commands: Vec<(String, i64)>,
}

impl Generator {
    fn rules(&mut self) -> Words {
        let count = 1 + self.random.below(RULES_MAX);
        let mut rules: Words = (0..count).map(|_| self.rule()).collect();
        // Most users should allow something, and most changes be accepted.
        if self.random.once_in(3) {
            rules.insert(0, "+@all".to_owned());
        }
        rules
    }

    fn rule(&mut self) -> String {
        match self.random.below(20) {
            0 => (*self.random.pick(WORDS)).to_owned(),
            1 => self.password(),
            2 => format!("&{}", self.random.pick(PATTERNS)),
            3 => self.selector(),
            4..6 => ["resetkeys", "allkeys", "allchannels", "nopass", "on"][self.random.below(5)]
                .to_owned(),
            _ => self.selector_rule(),
        }
    }

    fn selector(&mut self) -> String {
        let count = self.random.below(4);
        let rules: Words = (0..count).map(|_| self.selector_rule()).collect();
        format!("({})", rules.join(" "))
    }

    fn selector_rule(&mut self) -> String {
        let sign = *self.random.pick(&["+", "+", "-"]);
        match self.random.below(8) {
            0 | 1 => format!("{sign}@{}", self.random.pick(&CATEGORIES[..12])),
            2 if self.random.once_in(8) => format!("{sign}@{}", self.random.pick(CATEGORIES)),
            2..5 => format!("{sign}{}", self.command().0),
            5 => self.first_argument(),
            _ => {
                let access = *self
                    .random
                    .pick(&["~", "~", "%R~", "%W~", "%RW~", "%wr~", "%r~"]);
                format!("{access}{}", self.random.pick(PATTERNS))
            }
        }
    }

    fn first_argument(&mut self) -> String {
        let (name, argument) = (self.command().0, *self.random.pick(KEYS));
        match self.random.once_in(4) {
            true => format!("+{name}|{argument}"),
            false => format!("+get|{argument}"),
        }
    }

    fn password(&mut self) -> String {
        let sign = *self.random.pick(&[">", "<"]);
        match self.random.once_in(4) {
            true => format!("#{:064x}", self.random.below(3)),
            false => format!("{sign}p{}", self.random.below(3)),
        }
    }

    fn command(&mut self) -> (String, i64) {
        self.random.pick(&self.commands).clone()
    }

    /// A command with as many arguments as it takes, or nearly.
    fn request(&mut self) -> Words {
        let (name, arity) = self.command();
        let mut words: Words = name.split('|').map(str::to_owned).collect();
        let mut count = arity.unsigned_abs() as usize;
        if arity < 0 {
            count += self.random.below(4);
        }
        if self.random.once_in(20) {
            count += 1;
        }
        while words.len() < count {
            words.push((*self.random.pick(KEYS)).to_owned());
        }
        if name == "set" && self.random.once_in(2) {
            words.push("GET".to_owned());
        }
        words
    }
}

/// Both servers, asked the same.
struct Pair {
    redis: Client,
    ours: Client,
}

impl Pair {
    fn ask(&mut self, requests: &[Words]) -> Vec<(Reply, Reply)> {
        let redis = ask(&mut self.redis, requests);
        redis
            .into_iter()
            .zip(ask(&mut self.ours, requests))
            .collect()
    }
}

fn ask(client: &mut Client, requests: &[Words]) -> Vec<Reply> {
    let bytes: Vec<u8> = requests.iter().flat_map(|words| encode(words)).collect();
    client.send(&bytes).expect("the requests are sent");
    let replies = requests.iter().map(|words| match client.read_reply() {
        Ok(reply) => reply,
        Err(error) => panic!("{words:?}: {error}"),
    });
    replies.collect()
}

fn words(line: &[&str], more: &[String]) -> Words {
    let line = line.iter().map(|word| (*word).to_owned());
    line.chain(more.iter().cloned()).collect()
}

#[test]
fn rules_and_requests_are_judged_as_in_redis() {
    if !Target::Redis.is_available() {
        return;
    }
    let (redis, ours) = (Server::start(Target::Redis), Server::start(Target::Mio));
    let seed = Random::seed_of_run();
    let mut pair = Pair {
        redis: redis.connect(),
        ours: ours.connect(),
    };
    let mut generator = Generator {
        random: Random::new(seed),
        commands: shared_commands(&mut pair.ours),
    };
    let judged_max = match is_long_run() {
        true => 10 * JUDGED_MIN,
        false => JUDGED_MIN,
    };
    let (mut judged, mut allowed, mut changes) = (0, 0, Vec::new());
    while judged < judged_max {
        if changes.len() == CHANGES_MAX {
            pair.ask(&[words(&["ACL", "DELUSER", "u"], &[])]);
            changes.clear();
        }
        let rules = generator.rules();
        let mut requests = vec![words(&["ACL", "SETUSER", "u"], &rules)];
        changes.push(rules);
        for _ in 0..REQUESTS {
            requests.push(words(&["ACL", "DRYRUN", "u"], &generator.request()));
        }
        let replies = pair.ask(&requests);
        for (request, (redis, ours)) in requests.iter().zip(&replies) {
            // redis-server sees no keys at all where those of one of several places are missing, and lets anybody write.
            if request.len() == 5 && ["pfmerge", "bitop"].contains(&request[3].as_str()) {
                continue;
            }
            let context = format!("REDISTILL_SEED={seed}\n{changes:?}\n{request:?}");
            assert_eq!(ours.to_string(), redis.to_string(), "{context}");
            allowed += usize::from(request[1] == "DRYRUN" && ours.text() == "OK");
        }
        judged += replies.len();
        compare_shown(
            &mut pair,
            &generator.commands,
            &format!("REDISTILL_SEED={seed}\n{changes:?}"),
        );
    }
    println!(
        "{judged} rules and requests judged the same, {allowed} requests allowed (seed {seed})"
    );
    assert!(allowed > judged / 10, "{allowed} of {judged} were allowed");
}

/// Compares what GETUSER and LIST show of the user.
fn compare_shown(pair: &mut Pair, commands: &[(String, i64)], context: &str) {
    let requests = [
        words(&["ACL", "GETUSER", "u"], &[]),
        words(&["ACL", "LIST"], &[]),
    ];
    let replies = pair.ask(&requests);
    let (redis, ours) = &replies[0];
    // The first change of a user may have been refused, so that it does not exist.
    if let (Some(left), Some(right)) = (redis.elements(), ours.elements()) {
        compare_fields(pair, commands, left, right, context);
    } else {
        assert_eq!(ours.to_string(), redis.to_string(), "{context}");
    }
    let lines = |reply: &Reply| -> Vec<Vec<String>> {
        let lines = reply.elements().expect("an array").iter();
        lines.map(|line| without_commands(&line.text())).collect()
    };
    assert_eq!(lines(&replies[1].1), lines(&replies[1].0), "{context}");
}

fn compare_fields(
    pair: &mut Pair,
    commands: &[(String, i64)],
    redis: &[Reply],
    ours: &[Reply],
    context: &str,
) {
    assert_eq!(redis.len(), ours.len(), "{context}");
    for (pair_of_redis, pair_of_ours) in redis.chunks(2).zip(ours.chunks(2)) {
        let name = pair_of_redis[0].text();
        assert_eq!(pair_of_ours[0].text(), name, "{context}");
        let (left, right) = (&pair_of_redis[1], &pair_of_ours[1]);
        match name.as_str() {
            "commands" => compare_commands(pair, commands, &left.text(), &right.text(), context),
            "selectors" => {
                let selectors = [left, right].map(|reply| reply.elements().expect("an array"));
                assert_eq!(selectors[0].len(), selectors[1].len(), "{context}");
                for (left, right) in selectors[0].iter().zip(selectors[1]) {
                    let [left, right] = [left, right].map(|it| it.elements().expect("an array"));
                    compare_fields(pair, commands, left, right, context);
                }
            }
            _ => assert_eq!(plain(&right.to_string()), left.to_string(), "{context}"),
        }
    }
}

/// The rules of commands are the same, but for the order of single commands, which is any in Redis. Where the best
/// categories are others because there are other commands in them, the rules must mean the same.
fn compare_commands(
    pair: &mut Pair,
    commands: &[(String, i64)],
    redis: &str,
    ours: &str,
    context: &str,
) {
    let parts = |text: &str| -> (Vec<String>, BTreeSet<String>) {
        let (categories, single): (Vec<&str>, Vec<&str>) = text
            .split(' ')
            .partition(|rule| rule.get(1..2) == Some("@"));
        let own = categories.into_iter().map(str::to_owned).collect();
        (own, single.into_iter().map(str::to_owned).collect())
    };
    if parts(redis) == parts(ours) {
        return;
    }
    let newer: BTreeSet<&str> = names(NEWER).collect();
    let rules = |text: &str| -> Words {
        let known = text.split(' ').filter(|rule| !newer.contains(&rule[1..]));
        known.map(str::to_owned).collect()
    };
    let mut requests = vec![
        words(
            &["ACL", "SETUSER", "redis", "reset", "allkeys"],
            &rules(redis),
        ),
        words(
            &["ACL", "SETUSER", "ours", "reset", "allkeys"],
            &rules(ours),
        ),
    ];
    for user in ["redis", "ours"] {
        for (name, arity) in commands {
            let mut request: Words = name.split('|').map(str::to_owned).collect();
            request.resize(
                (arity.unsigned_abs() as usize).max(request.len()),
                "x".to_owned(),
            );
            requests.push(words(&["ACL", "DRYRUN", user], &request));
        }
    }
    requests.push(words(&["ACL", "DELUSER", "redis", "ours"], &[]));
    let replies = ask(&mut pair.redis, &requests);
    assert_eq!(
        (replies[0].text(), replies[1].text()),
        ("OK".into(), "OK".into()),
        "{context}\n{ours}"
    );
    let (of_redis, of_ours) = replies[2..replies.len() - 1].split_at(commands.len());
    assert_eq!(of_ours, of_redis, "{context}\nredis {redis}\nours  {ours}");
}

/// A line of ACL LIST without the rules for commands.
fn without_commands(line: &str) -> Vec<String> {
    let words = line.split(' ');
    let others = words.map(|word| word.trim_start_matches('(').trim_end_matches(')'));
    others
        .filter(|word| !word.starts_with(['+', '-']))
        .map(plain)
        .collect()
}

/// A rule as Redis shows it: it has one form for all keys and for the pattern that fits all keys.
fn plain(rule: &str) -> String {
    rule.replace("%RW~*", "~*")
}

/// What both servers have, with the arity of each.
fn shared_commands(client: &mut Client) -> Vec<(String, i64)> {
    let mut shared = Vec::new();
    for name in names(SHARED) {
        let info = client.command(&["COMMAND", "INFO", name]);
        let arity = info
            .elements()
            .and_then(|infos| infos[0].elements()?[1].integer());
        shared.push((name.to_owned(), arity.expect(name)));
    }
    shared
}
