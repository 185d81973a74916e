//! When two replies to the same command count as the same: exactly, but for what no two servers
//! can have in common (process ids, clocks, the order of keys).

use crate::client::Reply;
use crate::differences::Differences;
use crate::generator::Words;

/// How far apart deadlines may be that two servers computed from their clocks, in milliseconds: as
/// long as a busy machine may take between the two, and less than lies between two deadlines.
const CLOCK_TOLERANCE_MS: i64 = 30_000;

/// Judges replies, with the table of intended differences.
pub struct Comparison {
    differences: Differences,
}

impl Comparison {
    /// With the checked-in table.
    pub fn new() -> Comparison {
        Comparison {
            differences: Differences::load(),
        }
    }

    /// Whether our reply may stand for redis-server's. `queued` are the commands of the transaction
    /// that this command executes.
    pub fn same(&self, words: &Words, queued: &[Words], redis: &Reply, ours: &Reply) -> bool {
        if let (Reply::Array(redis), Reply::Array(ours)) = (redis, ours)
            && name_of(words) == "exec"
            && redis.len() == ours.len()
            && redis.len() == queued.len()
        {
            let mut replies = queued.iter().zip(redis.iter().zip(ours));
            return replies.all(|(words, (redis, ours))| self.same(words, &[], redis, ours));
        }
        let kind = Kind::of(words);
        kind.same(redis, ours) || self.differences.allow(words, redis, ours)
    }
}

/// How the replies of a command are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Byte by byte.
    Exact,
    /// Array elements in any order.
    Unordered,
    /// Pairs of array elements or a map, in any order.
    UnorderedPairs,
    /// Only the type of the reply.
    Type,
    /// Milliseconds that depend on the clock.
    Milliseconds,
    /// Seconds that depend on the clock.
    Seconds,
    /// Cursor and keys of one SCAN call.
    Scan,
    /// Cursor and elements of one SSCAN call.
    ElementScan,
    /// Members by chance: as many, in the same form. Whether they are the right ones is judged by `drawn`.
    Drawn,
    /// Scores among the elements, which redis-server 7.0 prints with 17 digits.
    Scored,
    /// What DUMP gives: the bytes, but of what has no order.
    Dump,
    /// The reply of HELLO, without version and id.
    Hello,
    /// The line of CLIENT INFO.
    ClientInfo,
    /// The keyspace section of INFO.
    InfoKeyspace,
    /// The text of CLIENT HELP and others.
    Help,
}

impl Kind {
    fn of(words: &Words) -> Kind {
        let second = words.get(1).map(|word| lower(word)).unwrap_or_default();
        match (name_of(words).as_str(), second.as_str()) {
            ("sort" | "sort_ro", _) if is_unsorted(words) => Kind::Type,
            ("keys" | "smembers" | "sinter" | "sunion" | "sdiff", _) => Kind::Unordered,
            ("spop" | "hkeys" | "hvals", _) | ("command", "list") => Kind::Unordered,
            ("srandmember" | "hrandfield" | "zrandmember", _) => Kind::Drawn,
            ("hgetall", _) | ("config", "get") => Kind::UnorderedPairs,
            ("ttl" | "expiretime", _) => Kind::Seconds,
            ("pttl" | "pexpiretime", _) => Kind::Milliseconds,
            ("scan", _) => Kind::Scan,
            ("sscan" | "hscan", _) if words.get(2).is_some_and(|cursor| cursor == b"0") => {
                Kind::ElementScan
            }
            ("sscan" | "hscan", _) => Kind::Scan,
            ("dump", _) => Kind::Dump,
            ("zscan", _) => Kind::Scan,
            (name, _) if name.starts_with('z') => Kind::Scored,
            ("hello", _) => Kind::Hello,
            ("client", "info") => Kind::ClientInfo,
            ("info", "keyspace") => Kind::InfoKeyspace,
            (_, "help") => Kind::Help,
            ("randomkey" | "time" | "lolwut" | "info", _) => Kind::Type,
            ("client", "id" | "list") | ("command", "count") => Kind::Type,
            ("memory", "usage" | "stats" | "doctor") | ("command", "") | ("acl", "log") => {
                Kind::Type
            }
            ("object", "idletime") | ("acl", "genpass") | ("latency", "histogram") => Kind::Type,
            _ => Kind::Exact,
        }
    }

    fn same(self, redis: &Reply, ours: &Reply) -> bool {
        if redis == ours {
            return true;
        }
        if redis.is_error() || ours.is_error() {
            return false;
        }
        match self {
            Kind::Exact => false,
            Kind::Type => std::mem::discriminant(redis) == std::mem::discriminant(ours),
            Kind::Unordered => redis.clone().sorted() == ours.clone().sorted(),
            Kind::UnorderedPairs => pairs(redis).is_some() && pairs(redis) == pairs(ours),
            Kind::Milliseconds => near(redis, ours, CLOCK_TOLERANCE_MS),
            Kind::Seconds => near(redis, ours, CLOCK_TOLERANCE_MS / 1000),
            Kind::Scan => is_scan_reply(redis) && is_scan_reply(ours),
            Kind::ElementScan => same_scan(redis, ours),
            Kind::Drawn => same_form(redis, ours),
            Kind::Scored => same_scores(redis, ours),
            Kind::Dump => same_dump(redis, ours),
            Kind::Hello => hello(redis) == hello(ours),
            Kind::ClientInfo => client_info(redis) == client_info(ours),
            Kind::InfoKeyspace => info_keyspace(redis) == info_keyspace(ours),
            Kind::Help => help_head(redis).is_some() && help_head(redis) == help_head(ours),
        }
    }
}

/// Whether a SORT leaves elements in the order that they have, which for a set is any.
fn is_unsorted(words: &Words) -> bool {
    let mut pairs = words.windows(2);
    pairs.any(|pair| lower(&pair[0]) == "by" && !pair[1].contains(&b'*'))
}

/// The command's name in lower case.
pub fn name_of(words: &Words) -> String {
    words.first().map(|word| lower(word)).unwrap_or_default()
}

fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_lowercase()
}

/// Both are deadlines, and near each other. Negative numbers mean something and must be equal.
fn near(redis: &Reply, ours: &Reply, tolerance: i64) -> bool {
    match (redis.integer(), ours.integer()) {
        (Some(redis), Some(ours)) => {
            redis >= 0 && ours >= 0 && redis.abs_diff(ours) <= tolerance as u64
        }
        _ => false,
    }
}

/// The pairs of a map, or of an array of names and values, in order of their names.
fn pairs(reply: &Reply) -> Option<Vec<(Reply, Reply)>> {
    let mut pairs = match reply {
        Reply::Map(pairs) => pairs.clone(),
        Reply::Array(elements) => elements
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect(),
        _ => return None,
    };
    pairs.sort();
    Some(pairs)
}

/// Both are the same payload, or both are sets or hashes, which have no order, also when they have become small again, lists,
/// whose parts depend on the settings of redis-server and on their history there, or sorted sets, which SORT turns into their
/// large form there.
/// That values come back as they were is a test of `dump`.
fn same_dump(redis: &Reply, ours: &Reply) -> bool {
    const SORTED_SETS: [u8; 2] = [5, 17];
    const FORMS_OF_SEVERAL: [u8; 4] = [2, 4, 16, 18];
    match (redis, ours) {
        (Reply::Bulk(redis), Reply::Bulk(ours)) => {
            let form = |payload: &[u8]| payload.first().copied();
            let is_one_of =
                |payload, forms: &[u8]| form(payload).is_some_and(|form| forms.contains(&form));
            redis == ours
                || is_one_of(redis, &FORMS_OF_SEVERAL) && form(redis) == form(ours)
                || is_one_of(redis, &SORTED_SETS) && is_one_of(ours, &SORTED_SETS)
        }
        _ => redis == ours,
    }
}

/// The same but for how numbers are printed. Zero and its negative are two, but SORT makes a small sorted set large in
/// redis-server, which has a negative zero then.
fn same_scores(redis: &Reply, ours: &Reply) -> bool {
    let number = |reply: &Reply| match reply {
        Reply::Bulk(text) | Reply::Double(text) => {
            std::str::from_utf8(text).ok()?.parse::<f64>().ok()
        }
        _ => None,
    };
    let same = |redis: f64, ours: f64| {
        redis == ours && (redis.is_sign_negative() || !ours.is_sign_negative())
    };
    match (redis.elements(), ours.elements()) {
        (Some(redis), Some(ours)) => {
            redis.len() == ours.len()
                && redis
                    .iter()
                    .zip(ours)
                    .all(|(redis, ours)| redis == ours || same_scores(redis, ours))
        }
        _ => {
            let numbers = number(redis).zip(number(ours));
            redis == ours || numbers.is_some_and(|(redis, ours)| same(redis, ours))
        }
    }
}

/// The same but for the texts.
fn same_form(redis: &Reply, ours: &Reply) -> bool {
    match (redis.elements(), ours.elements()) {
        (Some(redis), Some(ours)) => {
            let mut pairs = redis.iter().zip(ours);
            redis.len() == ours.len() && pairs.all(|(redis, ours)| same_form(redis, ours))
        }
        _ => std::mem::discriminant(redis) == std::mem::discriminant(ours),
    }
}

/// Both are replies of a scan; when all has come at once, the same elements.
fn same_scan(redis: &Reply, ours: &Reply) -> bool {
    let all = |reply: &Reply| match reply.elements() {
        Some([Reply::Bulk(cursor), elements]) if cursor == b"0" => Some(elements.clone().sorted()),
        _ => None,
    };
    let is_same = match (all(redis), all(ours)) {
        (Some(redis), Some(ours)) => redis == ours,
        _ => true,
    };
    is_scan_reply(redis) && is_scan_reply(ours) && is_same
}

fn is_scan_reply(reply: &Reply) -> bool {
    match reply.elements() {
        Some([Reply::Bulk(cursor), Reply::Array(_)]) => cursor.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn hello(reply: &Reply) -> Option<Vec<(Reply, Reply)>> {
    let mut pairs = pairs(reply)?;
    pairs.retain(|(name, _)| !["version", "id"].contains(&name.text().as_str()));
    Some(pairs)
}

/// The fields of the line that do not depend on the process or the clock.
fn client_info(reply: &Reply) -> Vec<String> {
    let same = [
        "name", "db", "sub", "psub", "ssub", "multi", "flags", "cmd", "user", "resp",
    ];
    let text = reply.text();
    let fields = text.trim().split(' ').filter(|field| {
        let name = field.split('=').next();
        name.is_some_and(|name| same.contains(&name))
    });
    fields.map(str::to_owned).collect()
}

/// The lines of the section without the average time to live.
fn info_keyspace(reply: &Reply) -> Vec<String> {
    let text = reply.text();
    let line = |line: &str| line.split(",avg_ttl").next().unwrap_or_default().to_owned();
    text.lines().map(line).collect()
}

/// The first line; which subcommands follow is a matter of the server's version.
fn help_head(reply: &Reply) -> Option<&Reply> {
    reply.elements().and_then(|elements| elements.first())
}

#[test]
fn deadlines_may_be_near() {
    let words = vec![b"PTTL".to_vec(), b"k".to_vec()];
    let comparison = Comparison::new();
    let same =
        |redis, ours| comparison.same(&words, &[], &Reply::Integer(redis), &Reply::Integer(ours));
    assert!(same(100_000, 110_700));
    assert!(!same(100_000, 200_000));
    assert!(!same(-1, 0));
    assert!(!same(-2, -1));
}
