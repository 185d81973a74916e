//! Whatever a client gives to RESTORE is a value or is refused, and takes no more memory than it can unfold to.

#![no_main]

use commands::rdb::{Value, read_payload, seal};
use libfuzzer_sys::fuzz_target;

/// What a byte of LZF can unfold to, and more.
const EXPANSION_MAX: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_payload(bytes);
    let mut payload = bytes.to_vec();
    seal(&mut payload);
    let items = match read_payload(&payload) {
        Err(_) => return,
        Ok(Value::String(string)) => {
            assert!(string.len() <= bytes.len() * EXPANSION_MAX);
            return;
        }
        Ok(Value::SortedSet(members, scores)) => {
            assert_eq!(members.len(), scores.len());
            assert!(scores.iter().all(|score| !score.is_nan()));
            members
        }
        Ok(Value::Hash(fields, deadlines)) => {
            assert!(deadlines.is_empty() || deadlines.len() * 2 == fields.len());
            fields
        }
        Ok(Value::List(items) | Value::Set(items)) => items,
    };
    assert!(!items.is_empty());
    let total: usize = items.iter().map(<[u8]>::len).sum();
    assert!(total <= bytes.len() * EXPANSION_MAX * 20);
});
