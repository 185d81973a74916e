//! `[[prefix]]`: what holds for keys that begin with certain bytes. An array of tables is no setting: it stands in the
//! file only, and what it says holds until the end of the process.

use std::collections::BTreeSet;

use keyspace::limits::PREFIXES_MAX;

use super::layers::Layers;
use super::nearest::nearest;
use super::source::Source;
use super::table::EvictionPolicy;
use super::value::{FromValue, Kind, Value};

/// The name of the tables.
pub const TABLES: &str = "prefix";
/// The name of their policies.
pub const POLICY: &str = "eviction_policy";

/// The smallest limit of a prefix, in bytes.
const MAX_MEMORY_MIN: u64 = 64 << 10;
const SECONDS_MAX: u64 = u32::MAX as u64;

/// A key that such a table may have.
pub struct PrefixRow {
    /// Its name.
    pub name: &'static str,
    /// Its type and limits.
    pub kind: Kind,
    /// What it does, for people.
    pub text: &'static str,
}

/// All of them.
pub static PREFIX_ROWS: &[PrefixRow] = &[
    PrefixRow {
        name: "match",
        kind: Kind::Text,
        text: "What the keys begin with. It must be there. Of several that match a key, the longest counts.",
    },
    PrefixRow {
        name: "max_memory",
        kind: Kind::Bytes {
            min: MAX_MEMORY_MIN,
            max: i64::MAX as u64,
        },
        text: "Most memory of the keys' entries, all databases together. At this limit keys of this prefix make room, and no others.",
    },
    PrefixRow {
        name: POLICY,
        kind: Kind::Words(EvictionPolicy::WORDS),
        text: "Which keys make room at max_memory; memory.eviction_policy when it is not given. With noeviction, writes \
               that need memory fail at the limit, and no key of the prefix goes when memory.max_memory is reached. The \
               s3fifo policies are for the whole server only, and with one of them a prefix can have no lfu policy.",
    },
    PrefixRow {
        name: "default_ttl",
        kind: Kind::Integer {
            min: 1,
            max: SECONDS_MAX,
        },
        text: "Seconds that a key lives which is stored without a time to live.",
    },
    PrefixRow {
        name: "max_ttl",
        kind: Kind::Integer {
            min: 1,
            max: SECONDS_MAX,
        },
        text: "Most seconds that a key lives. Longer times are cut to it, and a key that would have none gets it.",
    },
];

/// One of the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSettings {
    /// What the keys begin with.
    pub start: String,
    /// Most memory of their entries, in bytes.
    pub max_memory_bytes: Option<u64>,
    /// Which of them make room.
    pub policy: Option<EvictionPolicy>,
    /// Seconds that a key lives without a time to live of its own.
    pub default_ttl: Option<u64>,
    /// Most seconds that a key lives.
    pub max_ttl: Option<u64>,
    /// The table's place in the file.
    pub source: Option<Source>,
    /// That of its policy.
    pub policy_source: Option<Source>,
}

impl PrefixSettings {
    /// Takes the value of a row.
    pub fn set(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("match", Value::Text(text)) => self.start = text.clone(),
            ("max_memory", Value::Bytes(bytes)) => self.max_memory_bytes = Some(*bytes),
            (POLICY, Value::Word(_)) => {
                self.policy = Some(EvictionPolicy::from_value(value));
            }
            ("default_ttl", Value::Integer(seconds)) => self.default_ttl = Some(*seconds),
            ("max_ttl", Value::Integer(seconds)) => self.max_ttl = Some(*seconds),
            _ => unreachable!("a row of prefixes has another type"),
        }
    }

    /// What is wrong with the table as a whole.
    fn fault(&self) -> Option<&'static str> {
        let evicts = self
            .policy
            .is_some_and(|policy| policy != EvictionPolicy::NoEviction);
        match () {
            () if self.start.is_empty() => Some("match must be there and not be empty"),
            () if evicts && self.max_memory_bytes.is_none() => {
                Some("eviction_policy needs max_memory, unless it is noeviction")
            }
            () if self.default_ttl > self.max_ttl && self.max_ttl.is_some() => {
                Some("default_ttl must not be more than max_ttl")
            }
            () => None,
        }
    }
}

/// Notes what is wrong with the tables.
pub fn check(layers: &mut Layers) {
    let prefixes = std::mem::take(&mut layers.prefixes);
    let mut starts = BTreeSet::new();
    for (at, prefix) in prefixes.iter().enumerate() {
        let source = prefix.source.clone().unwrap_or(Source::Default);
        if let Some(fault) = prefix.fault() {
            layers.fault(&source, &format!("[[prefix]]: {fault}"));
        } else if !starts.insert(&prefix.start) {
            let start = &prefix.start;
            layers.fault(
                &source,
                &format!("[[prefix]]: match \"{start}\" stands there twice"),
            );
        } else if at == PREFIXES_MAX {
            let text = format!("[[prefix]]: there may be at most {PREFIXES_MAX} of them");
            layers.fault(&source, &text);
        }
    }
    layers.prefixes = prefixes;
}

/// Why a table cannot have this value, which is of the right type.
pub fn refusal(name: &str, value: &Value) -> Option<String> {
    let policy = (name == POLICY).then(|| EvictionPolicy::from_value(value))?;
    is_s3fifo(policy).then(|| {
        format!(
            "cannot be {}: that policy is for the whole server only (memory.eviction_policy); without \
             eviction_policy, keys of a prefix make room by their last access under it",
            shown(policy)
        )
    })
}

/// The prefix whose policy cannot be had while the whole server has this one, and why.
pub fn conflict(
    prefixes: &[PrefixSettings],
    of_all: EvictionPolicy,
) -> Option<(&PrefixSettings, String)> {
    let is_lfu = |prefix: &&PrefixSettings| {
        matches!(
            prefix.policy,
            Some(EvictionPolicy::AllkeysLfu | EvictionPolicy::VolatileLfu)
        )
    };
    let prefix = prefixes.iter().find(is_lfu).filter(|_| is_s3fifo(of_all))?;
    let text = format!(
        "prefix.eviction_policy of \"{}\" is {}, and memory.eviction_policy is {}, which keeps no count of accesses \
         for it: choose another one of the two",
        prefix.start,
        prefix.policy.map_or("", shown),
        shown(of_all)
    );
    Some((prefix, text))
}

fn is_s3fifo(policy: EvictionPolicy) -> bool {
    matches!(
        policy,
        EvictionPolicy::AllkeysS3Fifo | EvictionPolicy::VolatileS3Fifo
    )
}

fn shown(policy: EvictionPolicy) -> &'static str {
    EvictionPolicy::WORDS[policy as usize].shown()
}

/// The fault of a key that no row has.
pub fn unknown_key(key: &str) -> String {
    let text = format!("unknown key '{key}' in [[prefix]]");
    match nearest(key, PREFIX_ROWS.iter().map(|row| row.name)) {
        Some(name) => format!("{text}; did you mean '{name}'?"),
        None => text,
    }
}
