//! The table of intended differences from redis-server 7.0: `differences.toml`, the one home of
//! them, from which the documents are made as well.
//!
//! Each entry says to readers what differs (`commands`, `redis`, `redistill`), why (`reason`) and
//! where that comes from (`source`). Entries with `request` (one glob or an array of them, in lower
//! case), `redis_reply` and `our_reply` (globs over the textual forms) also let the tests pass.

use crate::cases::glob_matches;
use crate::client::{Reply, escape};
use crate::generator::Words;

struct Difference {
    requests: Vec<String>,
    redis_reply: String,
    our_reply: String,
}

/// The entries that apply to single replies.
pub struct Differences {
    entries: Vec<Difference>,
}

impl Differences {
    /// Reads the checked-in table.
    ///
    /// # Panics
    /// When the table is not of its form.
    pub fn load() -> Differences {
        let mut entries = Vec::new();
        for table in &tables() {
            let text = |name: &str| table.get(name).and_then(|item| item.as_str());
            if let Some(request) = table.get("request") {
                let one = request.as_str().map(|text| vec![text.to_owned()]);
                let several = || {
                    let array = request.as_array().expect("a glob or an array of them");
                    let texts = array.iter().map(|item| item.as_str().expect("a glob"));
                    texts.map(str::to_owned).collect()
                };
                entries.push(Difference {
                    requests: one.unwrap_or_else(several),
                    redis_reply: text("redis_reply").expect("redis_reply").to_owned(),
                    our_reply: text("our_reply").expect("our_reply").to_owned(),
                });
            }
        }
        Differences { entries }
    }

    /// Whether these replies to this request are meant to differ.
    pub fn allow(&self, words: &Words, redis: &Reply, ours: &Reply) -> bool {
        let request = words.iter().map(|word| escape(word)).collect::<Vec<_>>();
        let request = request.join(" ").to_lowercase();
        let (redis, ours) = (redis.to_string(), ours.to_string());
        self.entries.iter().any(|entry| {
            let mut requests = entry.requests.iter();
            requests.any(|glob| glob_matches(glob.as_bytes(), request.as_bytes()))
                && glob_matches(entry.redis_reply.as_bytes(), redis.as_bytes())
                && glob_matches(entry.our_reply.as_bytes(), ours.as_bytes())
        })
    }
}

fn tables() -> Vec<toml_edit::Table> {
    let document: toml_edit::DocumentMut = include_str!("differences.toml")
        .parse()
        .expect("differences.toml is TOML");
    let entries = document
        .get("difference")
        .and_then(|item| item.as_array_of_tables());
    entries
        .expect("[[difference]] entries")
        .iter()
        .cloned()
        .collect()
}

#[test]
fn every_difference_says_what_and_why() {
    for table in &tables() {
        for name in ["commands", "redis", "redistill", "reason", "source"] {
            let text = table.get(name).and_then(|item| item.as_str());
            assert!(text.is_some_and(|text| !text.is_empty()), "{name}: {table}");
        }
        let matching = ["request", "redis_reply", "our_reply"];
        let count = matching.iter().filter(|name| table.contains_key(name));
        assert!([0, 3].contains(&count.count()), "{table}");
    }
}
