//! The tests that can be run: which requests they send and which replies they expect.

use crate::encode::{Argument, Template};
use crate::replies::Shape;

/// One test: requests of one kind, or of two kinds in a random mix.
#[derive(Clone, Debug)]
pub struct Workload {
    /// For reports.
    pub name: String,
    /// The request, or the two requests of a mix.
    pub templates: Vec<Template>,
    /// The shape of the reply to each.
    pub shapes: Vec<Shape>,
    /// Of a mix: requests of the first kind in 2^32.
    pub first_share: u32,
}

/// Keys and values of the requests.
#[derive(Clone, Debug)]
pub struct Data {
    /// What every key begins with.
    pub key_prefix: String,
    /// Bytes of a key, prefix included.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
}

#[derive(Clone, Copy)]
enum Reply {
    Ok,
    Pong,
    Integer,
    Value,
    Values(usize),
    Any,
}

struct Test {
    name: &'static str,
    /// The words of the request, in which KEY and VALUE stand for `Data`'s.
    request: &'static str,
    reply: Reply,
}

const fn test(name: &'static str, request: &'static str, reply: Reply) -> Test {
    Test {
        name,
        request,
        reply,
    }
}

/// The tests of redis-benchmark, under its names.
const TESTS: &[Test] = &[
    test("ping_inline", "", Reply::Pong),
    test("ping_mbulk", "PING", Reply::Pong),
    test("set", "SET KEY VALUE", Reply::Ok),
    test("get", "GET KEY", Reply::Value),
    test("incr", "INCR counter:__rand_int__", Reply::Integer),
    test(
        "mset",
        "MSET KEY VALUE KEY VALUE KEY VALUE KEY VALUE KEY VALUE KEY VALUE KEY VALUE KEY VALUE KEY VALUE KEY VALUE",
        Reply::Ok,
    ),
    test(
        "mget",
        "MGET KEY KEY KEY KEY KEY KEY KEY KEY KEY KEY",
        Reply::Values(10),
    ),
    test("del", "DEL KEY", Reply::Integer),
    test("exists", "EXISTS KEY", Reply::Integer),
    test("expire", "EXPIRE KEY 3600", Reply::Integer),
    test("setex", "SETEX KEY 3600 VALUE", Reply::Ok),
    test("lpush", "LPUSH mylist VALUE", Reply::Integer),
    test("rpush", "RPUSH mylist VALUE", Reply::Integer),
    test("lpop", "LPOP mylist", Reply::Any),
    test("rpop", "RPOP mylist", Reply::Any),
    test("sadd", "SADD myset element:__rand_int__", Reply::Integer),
    test(
        "hset",
        "HSET myhash element:__rand_int__ VALUE",
        Reply::Integer,
    ),
    test("spop", "SPOP myset", Reply::Any),
    test("zadd", "ZADD myzset 0 element:__rand_int__", Reply::Integer),
    test("zpopmin", "ZPOPMIN myzset", Reply::Any),
    test("lrange_100", "LRANGE mylist 0 99", Reply::Any),
];

/// The names that `named` knows.
pub fn names() -> Vec<&'static str> {
    let mut names = vec!["ping"];
    names.extend(TESTS.iter().map(|test| test.name));
    names
}

/// The workloads behind a name, letters of either case; `ping` stands for two, as in redis-benchmark.
pub fn named(name: &str, data: &Data) -> Option<Vec<Workload>> {
    let name = name.to_ascii_lowercase();
    let wanted = if name == "ping" {
        vec!["ping_inline", "ping_mbulk"]
    } else {
        vec![name.as_str()]
    };
    wanted.into_iter().map(|name| single(name, data)).collect()
}

/// SETs and GETs in the ratio `sets` to `gets`.
pub fn mix(sets: u32, gets: u32, data: &Data) -> Option<Workload> {
    let (set, get) = (single("set", data)?, single("get", data)?);
    let share = f64::from(sets) / (f64::from(sets) + f64::from(gets));
    Some(Workload {
        name: format!("SET:GET {sets}:{gets}"),
        templates: [set.templates, get.templates].concat(),
        shapes: [set.shapes, get.shapes].concat(),
        first_share: (share * f64::from(u32::MAX)) as u32,
    })
}

/// A command of the user's own, in which `__rand_int__` is replaced by a random key number.
pub fn command(words: &[String]) -> Workload {
    let arguments: Vec<Argument> = words
        .iter()
        .map(|word| Argument::parse(word.as_bytes()))
        .collect();
    Workload {
        name: words.join(" "),
        templates: vec![Template::command(&arguments)],
        shapes: vec![Shape::Any],
        first_share: 0,
    }
}

fn single(name: &str, data: &Data) -> Option<Workload> {
    let test = TESTS.iter().find(|test| test.name == name)?;
    let template = if test.request.is_empty() {
        Template::raw(b"PING\r\n")
    } else {
        let arguments: Vec<Argument> = test
            .request
            .split(' ')
            .map(|word| data.argument(word))
            .collect();
        Template::command(&arguments)
    };
    let shape = match test.reply {
        Reply::Ok => Shape::Line("+OK"),
        Reply::Pong => Shape::Line("+PONG"),
        Reply::Integer => Shape::Integer,
        Reply::Value => Shape::Bulk(data.value_bytes),
        Reply::Values(count) => Shape::BulkArray {
            count,
            value_bytes: data.value_bytes,
        },
        Reply::Any => Shape::Any,
    };
    Some(Workload {
        name: name.to_ascii_uppercase(),
        templates: vec![template],
        shapes: vec![shape],
        first_share: 0,
    })
}

impl Data {
    fn argument(&self, word: &str) -> Argument {
        match word {
            "KEY" => Argument::key(&self.key_prefix, self.key_bytes),
            "VALUE" => Argument::fixed(vec![b'x'; self.value_bytes]),
            other => Argument::parse(other.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Data {
        Data {
            key_prefix: "key:".into(),
            key_bytes: 16,
            value_bytes: 3,
        }
    }

    #[test]
    fn every_name_is_known() {
        for name in names() {
            let workloads = named(&name.to_ascii_uppercase(), &data()).unwrap();
            assert_eq!(
                workloads.len(),
                if name == "ping" { 2 } else { 1 },
                "{name}"
            );
        }
        assert!(named("nothing", &data()).is_none());
    }

    #[test]
    fn requests_have_keys_and_values() {
        let set = &named("set", &data()).unwrap()[0];
        let request = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$3\r\nxxx\r\n";
        assert_eq!(set.templates[0].len(), request.len());
        assert_eq!(set.templates[0].keys(), 1);
        assert_eq!(named("mset", &data()).unwrap()[0].templates[0].keys(), 10);
    }

    #[test]
    fn a_mix_has_both_requests() {
        let workload = mix(1, 3, &data()).unwrap();
        assert_eq!(workload.shapes, [Shape::Line("+OK"), Shape::Bulk(3)]);
        assert!((f64::from(workload.first_share) / f64::from(u32::MAX) - 0.25).abs() < 1e-6);
    }
}
