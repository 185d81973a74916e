//! A sequence of requests, and the file format of key ids.

use std::fs;
use std::path::Path;

use super::access_log;

/// Requests by key id, with a name for tables.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What tables call it.
    pub name: String,
    /// The key of each request. Ids are dense: they are numbered from 0 in the order of their first appearance.
    pub requests: Vec<u32>,
    /// How many different keys there are.
    pub keys: usize,
}

impl Trace {
    /// Numbers the keys densely.
    pub fn new(name: String, requests: impl IntoIterator<Item = u32>) -> Self {
        let mut numbers = std::collections::HashMap::new();
        let requests = requests.into_iter().map(|id| {
            let next = numbers.len() as u32;
            *numbers.entry(id).or_insert(next)
        });
        let requests = requests.collect();
        Trace {
            name,
            requests,
            keys: numbers.len(),
        }
    }

    /// Keeps the first requests only.
    pub fn shorten(&mut self, count: usize) {
        self.requests.truncate(count);
        // Ids are numbered by their first appearance.
        self.keys = self.requests.iter().max().map_or(0, |&id| id as usize + 1);
    }

    /// Reads a file: little-endian 32-bit key ids when its name ends in `.u32`, an access log otherwise.
    ///
    /// # Errors
    /// A sentence for the terminal.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let bytes = fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let name = path.file_stem().map_or_else(
            || shown.to_string(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        let trace = if path.extension().is_some_and(|extension| extension == "u32") {
            if !bytes.len().is_multiple_of(4) {
                return Err(format!("{shown} is not a sequence of 32-bit numbers"));
            }
            let (ids, _) = bytes.as_chunks::<4>();
            Trace::new(name, ids.iter().map(|&id| u32::from_le_bytes(id)))
        } else {
            Trace::new(name, access_log::key_ids(&bytes))
        };
        if trace.requests.is_empty() {
            return Err(format!("{shown} has no requests for keys"));
        }
        Ok(trace)
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;

    #[test]
    fn ids_are_numbered_by_first_appearance() {
        let trace = Trace::new("t".to_owned(), [9, 4, 9, 7]);
        assert_eq!(trace.requests, [0, 1, 0, 2]);
        assert_eq!(trace.keys, 3);
    }
}
