//! COMMAND INFO of every command against redis-server's: arity, flags, key positions, ACL
//! categories, tips and key specifications; and what our own table says against what we do.

use std::fmt::Write as _;

use crate::client::{Client, Reply};
use crate::differences::Differences;
use crate::grammar::Grammar;
use crate::server::{Server, Target};

/// Every command and subcommand that redis-server 7.0 has as well.
pub const SHARED: &[&str] = &[
    "get set setnx setex psetex getset getdel getex mget mset msetnx append strlen getrange substr",
    "setrange incr decr incrby decrby incrbyfloat lcs",
    "setbit getbit bitcount bitpos bitop bitfield bitfield_ro pfadd pfcount pfmerge pfdebug pfselftest",
    "lpush rpush lpushx rpushx lpop rpop lmpop lmove rpoplpush llen lindex lrange lpos lset linsert lrem ltrim sort sort_ro",
    "hset hsetnx hmset hget hmget hgetall hdel hexists hlen hstrlen hkeys hvals hincrby hincrbyfloat hrandfield hscan",
    "zadd zrem zscore zmscore zincrby zcard zcount zlexcount zrange zrangestore zrangebyscore",
    "zrangebylex zrevrange zrevrangebyscore zrevrangebylex zremrangebyrank zremrangebyscore",
    "zremrangebylex zpopmin zpopmax zmpop zrandmember zunion zinter zdiff zunionstore zinterstore",
    "zdiffstore zintercard zscan",
    "geoadd geopos geodist geohash geosearch geosearchstore georadius georadius_ro georadiusbymember georadiusbymember_ro",
    "del unlink exists type touch expire pexpire expireat pexpireat ttl pttl expiretime",
    "pexpiretime persist keys scan randomkey rename renamenx copy move dbsize flushdb flushall",
    "swapdb dump restore object object|encoding object|refcount object|idletime object|freq object|help",
    "ping echo hello auth quit reset select client client|id client|info client|list",
    "client|setname client|getname client|kill client|reply client|pause client|unpause",
    "client|no-evict client|getredir client|help",
    "multi exec discard watch unwatch",
    "info config config|get config|set config|resetstat config|rewrite config|help",
    "command command|count command|info command|docs command|list command|getkeys",
    "command|getkeysandflags command|help time role memory memory|usage memory|stats memory|purge",
    "memory|doctor memory|help debug shutdown lolwut",
    "slowlog slowlog|get slowlog|len slowlog|reset slowlog|help monitor",
    "latency latency|doctor latency|graph latency|history latency|latest latency|reset",
    "latency|histogram latency|help module module|list module|help",
    "cluster cluster|info cluster|nodes cluster|slots cluster|shards cluster|myid cluster|help",
    "acl acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|list acl|load acl|log acl|save acl|setuser acl|users",
    "acl|whoami acl|help",
];

/// Commands that redis-server 7.0 does not have.
pub const NEWER: &[&str] = &[
    "hexpire hpexpire hexpireat hpexpireat httl hpttl hexpiretime hpexpiretime hpersist hgetex hsetex hgetdel",
    "msetex delex delifeq digest increx client|setinfo client|no-touch client|capa cache cache|curve cache|help",
    "commandlog commandlog|get commandlog|len commandlog|reset commandlog|help",
    "hotkeys hotkeys|get hotkeys|reset hotkeys|help bigkeys bigkeys|get bigkeys|reset bigkeys|help",
];

#[test]
fn command_info_is_as_in_redis() {
    if !Target::Redis.is_available() {
        return;
    }
    let redis = Server::start(Target::Redis);
    let ours = Server::start(Target::Mio);
    let differences = Differences::load();
    let (mut redis, mut ours) = (redis.connect(), ours.connect());
    let mut failures = String::new();
    for name in names(SHARED) {
        let words = ["COMMAND", "INFO", name].map(|word| word.as_bytes().to_vec());
        let (theirs, mine) = (redis.command(&words), ours.command(&words));
        let (Some(left), Some(right)) = (Entry::of(&theirs), Entry::of(&mine)) else {
            writeln!(failures, "{name}: redis {theirs}, ours {mine}").expect("a string grows");
            continue;
        };
        for (field, left, right) in left.compared_with(&right) {
            let words = [words.as_slice(), &[field.as_bytes().to_vec()]].concat();
            let simple = |text: &str| Reply::Simple(text.as_bytes().to_vec());
            if !differences.allow(&words, &simple(&left), &simple(&right)) {
                writeln!(failures, "{name} {field}:\n  redis {left}\n  ours  {right}")
                    .expect("a string grows");
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn newer_commands_are_in_the_table() {
    let server = Server::start(Target::Mio);
    let mut client = server.connect();
    for name in names(NEWER) {
        let reply = client.command(&["COMMAND", "INFO", name]);
        assert!(Entry::of(&reply).is_some(), "{name}: {reply}");
    }
}

#[test]
fn every_listed_command_has_information_and_documentation() {
    let server = Server::start(Target::Mio);
    let mut client = server.connect();
    let list = client.command_words("COMMAND LIST");
    let listed = list.elements().expect("an array");
    let count = client.command_words("COMMAND COUNT").integer();
    assert_eq!(count, i64::try_from(listed.len()).ok());
    for name in listed {
        let name = name.text();
        let info = client.command(&["COMMAND", "INFO", &name]);
        assert!(Entry::of(&info).is_some(), "{name}: {info}");
        let docs = client.command(&["COMMAND", "DOCS", &name]).to_string();
        for field in ["\"summary\", \"", "\"since\", \"", "\"group\", \""] {
            assert!(docs.contains(field), "{name}: {field}: {docs}");
        }
    }
}

/// A wrong number of arguments is refused exactly as the table says.
#[test]
fn arity_is_enforced() {
    let server = Server::start(Target::Mio);
    let mut client = server.connect();
    let names = names(SHARED).chain(names(NEWER));
    for name in names {
        let info = client.command(&["COMMAND", "INFO", name]);
        let entry = Entry::of(&info).unwrap_or_else(|| panic!("{name}: {info}"));
        let fewest = entry.arity.unsigned_abs() as usize;
        let mut counts = vec![fewest - 1];
        if entry.arity > 0 {
            counts.push(fewest + 1);
        }
        let own: Vec<&str> = name.split('|').collect();
        for count in counts.into_iter().filter(|count| *count >= own.len()) {
            let mut words = own.clone();
            words.resize(count, "x");
            let reply = client.command(&words).to_string();
            let expected = format!("wrong number of arguments for '{name}' command");
            // EXEC tells about its own arity in the form of an aborted transaction.
            assert!(reply.contains(&expected), "{words:?}: {reply}");
        }
    }
}

/// Every command that both servers have takes part in the random comparison.
#[test]
fn the_grammar_has_every_shared_command() {
    let grammar = Grammar::parse(include_str!("grammar.txt"));
    // The generator makes these itself, and lines of MONITOR would come between replies. PFSELFTEST takes a third of a second.
    let mut known: Vec<String> = ["quit", "reset", "monitor", "pfselftest"]
        .map(str::to_owned)
        .to_vec();
    known.extend(grammar.names().iter().map(|name| name.to_lowercase()));
    for name in names(SHARED) {
        let name = name.split('|').next().unwrap_or_default();
        assert!(known.iter().any(|known| known == name), "{name}");
    }
}

/// The names in lines of names.
pub fn names(lines: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    lines.iter().flat_map(|line| line.split(' '))
}

/// One entry of COMMAND INFO.
struct Entry {
    arity: i64,
    /// Names and texts of all fields, sets in order.
    fields: Vec<(&'static str, String)>,
}

impl Entry {
    /// The entry of a reply about one command.
    fn of(reply: &Reply) -> Option<Entry> {
        let [entry] = reply.elements()? else {
            return None;
        };
        let fields = entry.elements()?;
        let text = |index: usize| fields.get(index).map(Reply::to_string);
        let set = |index: usize| Some(fields.get(index)?.clone().sorted().to_string());
        Some(Entry {
            arity: fields.get(1)?.integer()?,
            fields: vec![
                ("name", text(0)?),
                ("arity", text(1)?),
                ("flags", set(2)?),
                ("first_key", text(3)?),
                ("last_key", text(4)?),
                ("key_step", text(5)?),
                ("categories", set(6)?),
                ("tips", set(7)?),
                ("key_specifications", text(8)?),
            ],
        })
    }

    fn compared_with(&self, other: &Entry) -> Vec<(&'static str, String, String)> {
        let pairs = self.fields.iter().zip(&other.fields);
        let different = pairs.filter(|(left, right)| left != right);
        different
            .map(|(left, right)| (left.0, left.1.clone(), right.1.clone()))
            .collect()
    }
}

/// The names that are listed above are spelt as redis-server spells them.
#[test]
fn the_lists_are_right() {
    if !Target::Redis.is_available() {
        return;
    }
    let server = Server::start(Target::Redis);
    let mut client: Client = server.connect();
    let known = |client: &mut Client, name| {
        Entry::of(&client.command(&["COMMAND", "INFO", name])).is_some()
    };
    assert!(names(SHARED).all(|name| known(&mut client, name)));
    assert!(names(NEWER).all(|name| !known(&mut client, name)));
}
