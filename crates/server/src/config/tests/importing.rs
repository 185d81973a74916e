//! `--import-redis-conf`.

use std::fs;

use super::{Directory, start_in};
use crate::config::Start;

/// What comes of a redis.conf, without the first line, which names the file.
fn imported(text: &str) -> String {
    let directory = Directory::new();
    let path = directory.0.join("redis.conf");
    fs::write(&path, text).expect("the file is written");
    let path = path.to_str().expect("a path in UTF-8");
    let Ok(Start::Print(text)) = start_in(&directory, &[], &["--import-redis-conf", path]) else {
        panic!("nothing to print");
    };
    text.replace(path, "redis.conf")
}

#[test]
fn settings_are_carried_over_in_their_sections() {
    let text = "# a comment\nport 7000\nbind 127.0.0.1 -::1\nmaxmemory 2gb\nmaxmemory-policy allkeys-lfu\n\
                requirepass \"a \\\"b\\\"\"\nclient-output-buffer-limit normal 0 0 0\n\
                client-output-buffer-limit pubsub 64mb 8mb 30\ntcp-keepalive 0\nsave \"\"\nappendonly no\n";
    let expected = "# From redis.conf. `redistill --check-config` shows what it comes to.
# Everything was carried over.

[server]
bind = [\"127.0.0.1\", \"-::1\"] # redis.conf:3
port = 7000 # redis.conf:2
output_buffer_limits = \"normal 0 0 0 replica 256mb 64mb 60 pubsub 64mb 8mb 30\" # redis.conf:8

[performance]
tcp_keepalive = 0 # redis.conf:9

[memory]
max_memory = \"2gb\" # redis.conf:4
eviction_policy = \"allkeys-lfu\" # redis.conf:5

[security]
password = 'a \"b\"' # redis.conf:6
";
    assert_eq!(imported(text), expected);
}

#[test]
fn what_cannot_be_carried_over_is_named() {
    let text =
        imported("save 3600 1\nreplicaof 10.0.0.1 6379\nfrobnicate yes\nport x\nrequirepass \"a\n");
    let left: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("#   "))
        .collect();
    assert_eq!(
        left,
        [
            "#   redis.conf:1: save 3600 1: there is no persistence",
            "#   redis.conf:2: replicaof 10.0.0.1 6379: there is one server, without replicas and cluster",
            "#   redis.conf:3: frobnicate yes: there is no such setting",
            "#   redis.conf:4: port x: couldn't be parsed into an integer",
            "#   redis.conf:5: requirepass \"a: the quotes are not balanced",
        ]
    );
}

#[test]
fn defaults_of_redis_that_differ_are_written() {
    let text = imported("port 6379\n");
    assert!(
        text.contains("bind = [\"*\", \"-::*\"] # Redis's default"),
        "{text}"
    );
    assert!(
        text.contains("eviction_policy = \"noeviction\" # Redis's default"),
        "{text}"
    );
    assert!(
        text.contains("tcp_keepalive = 300 # Redis's default"),
        "{text}"
    );
}

#[test]
fn what_is_written_can_be_read() {
    let directory = Directory::new();
    let text =
        imported("maxmemory 75%\nmaxclients 100\nunixsocket /run/x.sock\nloglevel warning\n");
    fs::write(directory.0.join("redistill.toml"), &text).expect("the file is written");
    let Ok(Start::Serve { .. }) = start_in(&directory, &[], &[]) else {
        panic!("not readable:\n{text}");
    };
}

#[test]
fn files_are_included() {
    let directory = Directory::new();
    let included = directory.0.join("more.conf");
    fs::write(&included, "port 7001\n").expect("the file is written");
    let text = imported(&format!("include {}\n", included.display()));
    assert!(text.contains("port = 7001"), "{text}");
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    let directory = Directory::new();
    let path = directory.0.join("redis.conf");
    let path = path.to_str().expect("a path in UTF-8");
    fs::write(path, format!("include {path} {path}\n")).expect("the file is written");
    let result = start_in(&directory, &[], &["--import-redis-conf", path]);
    let error = result.expect_err("no end").to_string();
    assert!(error.contains("more than 100 files"), "{error}");
}

#[test]
fn users_and_renamed_commands_are_carried_over() {
    let text = imported(
        "user shop on >secret ~cart:* +@read\nuser default off\nrename-command FLUSHALL \"\"\n\
         rename-command CONFIG hidden\nrename-command FLUSHDB \"\"\n",
    );
    assert!(
        text.contains("disabled_commands = [\"flushall\", \"flushdb\"]"),
        "{text}"
    );
    let user = "[[security.users]]\nname = \"shop\"\nrules = \"on >secret ~cart:* +@read\"\n";
    assert!(text.contains(user), "{text}");
    assert!(text.contains("rename-command CONFIG hidden"), "{text}");
    let directory = Directory::new();
    fs::write(directory.0.join("redistill.toml"), &text).expect("the file is written");
    let Ok(Start::Serve { config, .. }) = start_in(&directory, &[], &[]) else {
        panic!("not readable:\n{text}");
    };
    assert_eq!(config.users().len(), 2);
}
