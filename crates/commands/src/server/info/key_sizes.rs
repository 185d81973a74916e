//! The sizes of values for INFO keysizes, in steps of powers of two as Redis 8 shows them.
//!
//! Redis counts with every change of a value. Here a worker looks at some keys when it is asked, and no command pays for
//! it: up to [`LOOKED_MAX`] keys of all databases together are counted exactly, of more keys as many as that are counted
//! and the numbers are those of all keys in proportion. Keys lie in the order of their hashes, which know nothing of
//! sizes, so those that come first are as good as any.

use keyspace::{DatabaseStats, Locked, ScanCursor, ValueKind};

/// Keys that are looked at each time, however many there are.
const LOOKED_MAX: usize = 8192;
/// Sizes from 2^63 on have a step too; the first is that of what is empty.
const STEPS: usize = 65;

/// The sizes of one type's values in one database: the bytes of strings, the elements of collections.
pub struct KeySizes {
    pub database: u8,
    pub kind: ValueKind,
    /// Keys by step: step 0 has empty values, step n sizes from 2^(n-1) to 2^n - 1.
    counts: [u64; STEPS],
}

impl KeySizes {
    /// The field's name after that of the database.
    pub fn name(&self) -> &'static str {
        match self.kind {
            ValueKind::String => "distrib_strings_sizes",
            ValueKind::Hash => "distrib_hashes_items",
            ValueKind::List => "distrib_lists_items",
            ValueKind::Set => "distrib_sets_items",
            ValueKind::SortedSet => "distrib_zsets_items",
        }
    }

    /// The field's value: `2=1,1K=7`, without steps that have no keys.
    pub fn text(&self) -> String {
        let steps = self.counts.iter().enumerate();
        let taken = steps.filter(|(_, count)| **count > 0);
        let parts = taken.map(|(step, count)| format!("{}={count}", label(step)));
        parts.collect::<Vec<_>>().join(",")
    }
}

/// The smallest size of a step, shortened by powers of 1024.
fn label(step: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match step.checked_sub(1) {
        None => "0".to_owned(),
        Some(power) => format!("{}{}", 1 << (power % 10), UNITS[power / 10]),
    }
}

fn step_of(size: usize) -> usize {
    (usize::BITS - size.leading_zeros()) as usize
}

/// Looks at the keys of the databases.
pub fn look(locked: &mut Locked<'_>, databases: &[DatabaseStats]) -> Vec<KeySizes> {
    let taken = databases.iter().filter(|stats| stats.keys > 0);
    let share = LOOKED_MAX / taken.count().max(1);
    let mut all = Vec::new();
    for (database, stats) in (0..).zip(databases) {
        if stats.keys == 0 {
            continue;
        }
        let mut of_kinds = ValueKind::ALL.map(|kind| KeySizes {
            database,
            kind,
            counts: [0; STEPS],
        });
        let mut looked = 0;
        let cursor = locked.scan(database, ScanCursor::default(), share, |entry| {
            looked += 1;
            of_kinds[entry.kind() as usize].counts[step_of(entry.size())] += 1;
        });
        for mut sizes in of_kinds {
            let counts = sizes.counts.iter_mut().filter(|count| **count > 0);
            let mut is_any = false;
            for count in counts {
                is_any = true;
                if cursor != ScanCursor::default() {
                    *count = in_proportion(*count, looked, stats.keys);
                }
            }
            if is_any {
                all.push(sizes);
            }
        }
    }
    all
}

/// What `count` of `looked` is of `keys`, and not nothing.
fn in_proportion(count: u64, looked: u64, keys: u64) -> u64 {
    let share =
        (u128::from(count) * u128::from(keys) + u128::from(looked / 2)) / u128::from(looked);
    u64::try_from(share).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::{LOOKED_MAX, in_proportion, label, step_of};
    use crate::testing::{TestServer, check};

    #[test]
    fn few_keys_are_counted_one_by_one() {
        check(
            "INFO keysizes
             SET empty \"\"
             SET one x
             SET two xx
             SET three xxx
             SET number -12345
             SETRANGE large 1023 x
             SETRANGE larger 99999 x
             SET gone xxxx PX 100
             +200
             INFO KEYSIZES
             SELECT 3
             SET other 12345678
             MULTI
             INFO keysizes
             EXEC
             DEL other
             APPEND two xx
             INFO keysizes",
            r"# Keysizes\r\n
              OK
              OK
              OK
              OK
              OK
              :1024
              :100000
              OK
              # Keysizes\r\ndb0_distrib_strings_sizes:0=1,1=1,2=2,4=1,1K=1,64K=1\r\n
              OK
              OK
              OK
              QUEUED
              [# Keysizes\r\ndb0_distrib_strings_sizes:0=1,1=1,2=2,4=1,1K=1,64K=1\r\ndb3_distrib_strings_sizes:8=1\r\n]
              :1
              :2
              # Keysizes\r\ndb0_distrib_strings_sizes:0=1,1=1,2=2,4=1,1K=1,64K=1\r\ndb3_distrib_strings_sizes:2=1\r\n",
        );
    }

    #[test]
    fn of_many_keys_some_are_looked_at() {
        let mut server = TestServer::new();
        let keys = 4 * LOOKED_MAX;
        for number in 0..keys {
            let value = if number % 4 == 0 { "xxxx" } else { "xx" };
            server.line(&format!("SET k{number} {value}"));
        }
        let text = server.run("INFO keysizes");
        let (_, counts) = text.split_once("sizes:").expect("a field");
        let counts = counts.trim_end_matches(r"\r\n").split(',');
        let counts: Vec<(&str, usize)> = counts
            .filter_map(|part| part.split_once('='))
            .map(|(label, count)| (label, count.parse().expect("a number")))
            .collect();
        let [("2", two), ("4", four)] = counts[..] else {
            panic!("{text}");
        };
        assert!((two + four).abs_diff(keys) <= 1, "{text}");
        assert!(four.abs_diff(keys / 4) < keys / 40, "{text}");
    }

    #[test]
    fn steps_are_powers_of_two() {
        for (size, name) in [
            (0, "0"),
            (1, "1"),
            (3, "2"),
            (4, "4"),
            (1023, "512"),
            (1024, "1K"),
            (512 << 20, "512M"),
            (usize::MAX, "8E"),
        ] {
            assert_eq!(label(step_of(size)), name);
        }
        assert_eq!(in_proportion(1, 3, 1), 1);
        assert_eq!(in_proportion(2, 3, 9), 6);
    }
}
