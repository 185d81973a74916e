//! Unsafe code stands only in the files named here, each of which has a reason to need it and tests
//! that try it.

use super::{SourceFile, has_word};

/// The files that may hold unsafe code. A line here is a decision: say in the file why it is needed.
const UNSAFE_FILES: &[&str] = &[
    "crates/keyspace/src/access.rs",
    "crates/keyspace/src/access/collections.rs",
    "crates/keyspace/src/ahead.rs",
    "crates/keyspace/src/collections/element.rs",
    "crates/keyspace/src/collections/partition.rs",
    "crates/keyspace/src/collections/ranked_elements.rs",
    "crates/keyspace/src/entry.rs",
    "crates/keyspace/src/expiry/records.rs",
    "crates/keyspace/src/models.rs",
    "crates/keyspace/src/prefetch.rs",
    "crates/keyspace/src/quiescence.rs",
    "crates/keyspace/src/read.rs",
    "crates/keyspace/src/shared.rs",
    "crates/keyspace/src/slab.rs",
    "crates/keyspace/src/slab/class_pages.rs",
    "crates/keyspace/src/slab/local.rs",
    "crates/keyspace/src/slab/memory.rs",
    "crates/keyspace/src/slab/page.rs",
    "crates/keyspace/src/slab/pool.rs",
    "crates/keyspace/src/slab/tests.rs",
    "crates/keyspace/src/table.rs",
    "crates/keyspace/src/table/bucket.rs",
    "crates/keyspace/src/table/deadlines.rs",
    "crates/keyspace/src/table/fields.rs",
    "crates/keyspace/src/table/growth.rs",
    "crates/keyspace/src/table/walk.rs",
    "crates/keyspace/src/whole.rs",
    "crates/net/src/fill.rs",
    "crates/net/src/uring.rs",
    "crates/net/src/uring/buffer_ring.rs",
    "crates/net/src/uring/receive.rs",
    "crates/net/src/uring/ring.rs",
    "crates/net/src/uring/send.rs",
    "crates/server/src/memory.rs",
];

/// What unsafe code begins with.
const STARTS: [&str; 5] = ["{", "fn ", "impl", "extern", "trait"];

/// Adds a problem where the file holds unsafe code and may not.
pub fn check(file: &SourceFile, problems: &mut Vec<String>) {
    if !file.is_rust() || UNSAFE_FILES.contains(&file.path.as_str()) {
        return;
    }
    for (number, line) in file.code_lines().filter(|(_, line)| is_unsafe(line)) {
        problems.push(format!(
            "{}:{number}: unsafe code outside the files that xtask/src/tree/safety.rs names: {}",
            file.path,
            line.trim()
        ));
    }
}

/// Adds a problem for each name in the list that no file has.
pub fn check_list(files: &[SourceFile], problems: &mut Vec<String>) {
    for path in UNSAFE_FILES {
        if !files.iter().any(|file| file.path == *path) {
            problems.push(format!(
                "xtask/src/tree/safety.rs names {path}, which is not there"
            ));
        }
    }
}

fn is_unsafe(line: &str) -> bool {
    let keyword = concat!("un", "safe");
    let allows = line.contains("allow(") && has_word(line, concat!("un", "safe_code"));
    let starts = line.split(keyword).skip(1).any(|rest| {
        let rest = rest.trim_start();
        STARTS.iter().any(|start| rest.starts_with(start))
    });
    allows || (has_word(line, keyword) && starts)
}

#[cfg(test)]
mod tests {
    use super::is_unsafe;

    #[test]
    fn unsafe_code_is_seen() {
        for line in [
            "{ x }",
            "fn x() {}",
            "impl Send for X {}",
            "extern \"C\" {}",
        ] {
            assert!(
                is_unsafe(&format!("    pub {} {line}", concat!("un", "safe"))),
                "{line}"
            );
        }
        assert!(is_unsafe(concat!("#![allow(un", "safe_code)]")));
        assert!(!is_unsafe("let unsafety = 1;"));
        assert!(!is_unsafe("#![deny(unsafe_code)]"));
    }
}
