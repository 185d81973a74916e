//! CONFIG GET: the settings under Redis's names and under their paths, and the names that have one
//! value.

use super::store::Config;
use super::table::{CONSTANTS, ROWS};
use super::value::Value;

impl Config {
    /// The names that match one of the patterns, with their values. `glob` says whether a pattern
    /// matches a name; both come to it in lower case.
    ///
    /// As in Redis, a pattern without `[`, `*` or `?` is a name in any case and is answered as it was
    /// written, and no name is answered twice.
    pub fn get(
        &self,
        patterns: &[&[u8]],
        glob: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Vec<(String, String)> {
        let state = self.state.lock();
        let mut found: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: &str| {
            if !found.iter().any(|(known, _)| known == name) {
                found.push((name.to_owned(), value.to_owned()));
            }
        };
        for pattern in patterns {
            let lower = pattern.to_ascii_lowercase();
            let is_glob = pattern.iter().any(|byte| b"[*?".contains(byte));
            for (name, value) in names(&state.values, state.available_memory_bytes) {
                if is_glob && glob(&lower, name.as_bytes()) {
                    add(name, &value);
                } else if !is_glob && lower == name.as_bytes() {
                    add(&String::from_utf8_lossy(pattern), &value);
                }
            }
        }
        found
    }
}

/// Every name of CONFIG GET with its value: Redis's names, the fixed ones, then the paths.
fn names(
    values: &[Value],
    available_memory_bytes: u64,
) -> impl Iterator<Item = (&'static str, String)> {
    let rows = || ROWS.iter().zip(values);
    let redis = rows().flat_map(move |(row, value)| {
        let names = [row.redis, row.also].into_iter();
        names
            .filter(|name| !name.is_empty())
            .map(move |name| (name, value.redis(&row.kind, available_memory_bytes)))
    });
    let constants = CONSTANTS
        .iter()
        .map(|constant| (constant.name, constant.value.to_owned()));
    let paths = rows().map(|(row, value)| (row.path, value.plain()));
    redis.chain(constants).chain(paths)
}
