//! The table of settings keeps its own promises.

use std::collections::HashSet;

use crate::config::value::Kind;
use crate::config::{CONSTANTS, ROWS, SECTIONS, Settings, Value, documentation};

#[test]
fn every_default_is_valid() {
    for row in ROWS {
        row.kind
            .parse(row.default)
            .unwrap_or_else(|fault| panic!("{}: {fault}", row.path));
    }
}

#[test]
fn the_limits_of_a_row_fit_its_field() {
    let limit = |pick: fn(u64, u64) -> u64| -> Vec<Value> {
        ROWS.iter()
            .map(|row| match row.kind {
                Kind::Integer { min, max } | Kind::PowerOfTwo { min, max } => {
                    Value::Integer(pick(min, max))
                }
                Kind::Bytes { min, max } => Value::Bytes(pick(min, max)),
                _ => row.default_value(),
            })
            .collect()
    };
    Settings::from_values(&limit(|min, _| min), 0);
    Settings::from_values(&limit(|_, max| max), 0);
}

#[test]
fn every_word_has_its_variant() {
    for (index, row) in ROWS.iter().enumerate() {
        let Kind::Words(words) = row.kind else {
            continue;
        };
        for word in words {
            let mut values: Vec<Value> = ROWS.iter().map(|row| row.default_value()).collect();
            values[index] = Value::Word(word.name);
            Settings::from_values(&values, 0);
        }
    }
}

#[test]
fn no_name_is_used_twice() {
    let mut names = HashSet::new();
    for row in ROWS {
        assert!(names.insert(row.path), "{}", row.path);
        assert!(
            row.redis.is_empty() || names.insert(row.redis),
            "{}",
            row.redis
        );
        assert!(
            row.also.is_empty() || names.insert(row.also),
            "{}",
            row.also
        );
        assert!(row.env.is_empty() || names.insert(row.env), "{}", row.env);
    }
    for constant in CONSTANTS {
        assert!(names.insert(constant.name), "{}", constant.name);
    }
    let mut letters: HashSet<char> = HashSet::from(['c', 'h', 'v']);
    for letter in ROWS.iter().filter_map(|row| row.short) {
        assert!(letters.insert(letter), "-{letter}");
    }
}

#[test]
fn names_are_in_lower_case_and_texts_are_sentences() {
    for row in ROWS {
        assert_eq!(row.path, row.path.to_ascii_lowercase());
        assert_eq!(row.redis, row.redis.to_ascii_lowercase());
        assert!(row.text.ends_with('.'), "{}", row.path);
        assert!(SECTIONS.iter().any(|(name, _)| *name == row.section));
    }
}

#[test]
fn what_a_row_writes_it_reads_back() {
    for row in ROWS {
        let value = row.default_value();
        let toml = toml_edit::Item::Value(value.toml());
        assert_eq!(row.kind.from_toml(&toml), Ok(value), "{}", row.path);
    }
}

#[test]
fn every_setting_is_documented() {
    let text = documentation();
    for row in ROWS {
        assert!(
            text.contains(&format!("\n### {}\n", row.path)),
            "{}",
            row.path
        );
    }
}
