//! `[[prefix]]` in the file.

use super::{printed, refused, served, start_with};
use crate::config::table::EvictionPolicy;

#[test]
fn prefixes_are_read() {
    let file = "
[[prefix]]
match = \"session:\"
max_memory = \"64mb\"
eviction_policy = \"volatile-ttl\"
default_ttl = 60
max_ttl = 60

[[prefix]]
match = \"s\"
";
    let (config, _) = served(start_with(Some(file), &[], &[]));
    let [session, s] = config.prefixes() else {
        panic!("there are two");
    };
    assert_eq!(session.start, "session:");
    assert_eq!(session.max_memory_bytes, Some(64 << 20));
    assert_eq!(session.policy, Some(EvictionPolicy::VolatileTtl));
    assert_eq!((session.default_ttl, session.max_ttl), (Some(60), Some(60)));
    assert_eq!((s.start.as_str(), s.policy, s.max_ttl), ("s", None, None));
    let inline = "prefix = [{ match = \"a\" }, { match = \"b\", max_ttl = 1 }]\n";
    let (config, _) = served(start_with(Some(inline), &[], &[]));
    assert_eq!(config.prefixes().len(), 2);
    let shown = printed(start_with(Some(file), &[], &["--check-config"]));
    for part in [
        "[[prefix]]                                   # redistill.toml:2\nmatch = \"session:\"\n",
        "max_memory = \"64mb\"\neviction_policy = \"volatile-ttl\"\ndefault_ttl = 60\nmax_ttl = 60\n",
        "# redistill.toml:9\nmatch = \"s\"\n",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn faults_name_their_line() {
    for (file, expected) in [
        (
            "[[prefix]]\nmatch = \"a\"\nmax_memroy = 1\n",
            "redistill.toml:3: unknown key 'max_memroy' in [[prefix]]; did you mean 'max_memory'?",
        ),
        (
            "[[prefix]]\nmatch = \"a\"\nmax_memory = \"1kb\"\n",
            "redistill.toml:3: prefix.max_memory must be between 65536 and 9223372036854775807 inclusive",
        ),
        (
            "[[prefix]]\nmax_ttl = 1\n",
            "redistill.toml:1: [[prefix]]: match must be there and not be empty",
        ),
        (
            "[[prefix]]\nmatch = \"a\"\n[[prefix]]\nmatch = \"a\"\n",
            "redistill.toml:3: [[prefix]]: match \"a\" stands there twice",
        ),
        (
            "[[prefix]]\nmatch = \"a\"\neviction_policy = \"allkeys-lfu\"\n",
            "redistill.toml:1: [[prefix]]: eviction_policy needs max_memory, unless it is noeviction",
        ),
        (
            "[[prefix]]\nmatch = \"a\"\ndefault_ttl = 2\nmax_ttl = 1\n",
            "redistill.toml:1: [[prefix]]: default_ttl must not be more than max_ttl",
        ),
        (
            "[prefix]\nmatch = \"a\"\n",
            "redistill.toml:1: [[prefix]] is an array of tables",
        ),
        (
            "[[prefixes]]\nmatch = \"a\"\n",
            "redistill.toml:1: unknown section or key 'prefixes'; did you mean [[prefix]]?",
        ),
        (
            "[[prefix]]\nmatch = 1\n",
            "redistill.toml:2: prefix.match must be a string, not an integer",
        ),
        (
            "[[prefix]]\nmatch = \"a\"\nmax_memory = \"1mb\"\neviction_policy = \"allkeys-s3fifo\"\n",
            "redistill.toml:4: prefix.eviction_policy cannot be allkeys-s3fifo: that policy is for the whole server only \
             (memory.eviction_policy); without eviction_policy, keys of a prefix make room by their last access under it",
        ),
        (
            "[memory]\neviction_policy = \"allkeys-s3fifo\"\n[[prefix]]\nmatch = \"a\"\nmax_memory = \"1mb\"\n\
             eviction_policy = \"volatile-lfu\"\n",
            "redistill.toml:6: prefix.eviction_policy of \"a\" is volatile-lfu, and memory.eviction_policy is \
             allkeys-s3fifo, which keeps no count of accesses for it: choose another one of the two",
        ),
    ] {
        let errors = refused(start_with(Some(file), &[], &[]));
        assert_eq!(errors.first().map(String::as_str), Some(expected), "{file}");
    }
    let many: String = (0..65)
        .map(|number| format!("[[prefix]]\nmatch = \"{number}:\"\n"))
        .collect();
    assert_eq!(
        refused(start_with(Some(&many), &[], &[])),
        ["redistill.toml:129: [[prefix]]: there may be at most 64 of them"]
    );
}

#[test]
fn the_policy_of_all_has_to_go_with_those_of_prefixes() {
    let prefix = |policy: &str| {
        format!("[[prefix]]\nmatch = \"a\"\nmax_memory = \"1mb\"\neviction_policy = \"{policy}\"\n")
    };
    let set = |config: &crate::config::Config, policy: &str| {
        config.set(&[(b"maxmemory-policy".as_slice(), policy.as_bytes())])
    };
    let (config, _) = served(start_with(Some(&prefix("allkeys-lfu")), &[], &[]));
    assert_eq!(set(&config, "volatile-lru"), Ok(()));
    let error = set(&config, "volatile-s3fifo").expect_err("it does not go");
    let expected = "ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - prefix.eviction_policy of \
                    \"a\" is allkeys-lfu, and memory.eviction_policy is volatile-s3fifo, which keeps no count";
    assert!(error.starts_with(expected), "{error}");
    let (config, _) = served(start_with(Some(&prefix("volatile-ttl")), &[], &[]));
    assert_eq!(set(&config, "allkeys-s3fifo"), Ok(()));
}
