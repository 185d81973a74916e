//! The settings of memory, which depend on the memory that there is.

use super::{Directory, served, start_in, start_with};
use crate::access::configured;
use crate::config::table::find;
use crate::config::{Config, OutputLimit, Portion, ROWS, Source};

const MB: u64 = 1 << 20;

/// A configuration with these texts of settings, where there are 1000 MB.
fn config_with(texts: &[(&str, &str)]) -> Config {
    let value = |index: usize| {
        let given = texts.iter().find(|(path, _)| *path == ROWS[index].path);
        let text = given.map_or(ROWS[index].default, |(_, text)| text);
        let value = ROWS[index].kind.parse(text).expect("a valid text");
        value.over(&ROWS[index].default_value())
    };
    let values = (0..ROWS.len()).map(value).collect();
    let sources = vec![Source::Default; ROWS.len()];
    Config::new(values, sources, None, 1000 * MB)
}

fn get(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()], |_, _| false);
    found.into_iter().map(|(_, value)| value).collect()
}

fn set(config: &Config, name: &str, value: &str) -> Result<(), String> {
    config.set(&[(name.as_bytes(), value.as_bytes())])
}

#[test]
fn a_limit_follows_the_memory_that_there_is() {
    for (text, at_first, later) in [
        ("0", 0, 0),
        ("512mb", 512 * MB, 512 * MB),
        ("50%", 500 * MB, 1000 * MB),
        ("auto", 750 * MB, 1500 * MB),
    ] {
        let config = config_with(&[("memory.max_memory", text)]);
        assert_eq!(get(&config, "maxmemory"), at_first.to_string());
        let limits = config.settings().memory_limits();
        assert_eq!(limits.max_memory_bytes, at_first);
        config.set_available_memory(2000 * MB);
        assert_eq!(get(&config, "maxmemory"), later.to_string(), "{text}");
        let limits = config.settings().memory_limits();
        assert_eq!(limits.max_memory_bytes, later, "{text}");
    }
    let config = config_with(&[("memory.max_memory", "auto")]);
    assert_eq!(get(&config, "memory.max_memory"), "auto");
}

#[test]
fn who_watches_sees_the_memory_change() {
    let config = std::sync::Arc::new(config_with(&[("memory.max_memory", "50%")]));
    let mut watch = config.watch();
    config.set_available_memory(1000 * MB);
    assert!(!watch.refresh(), "it is as it was");
    config.set_available_memory(500 * MB);
    assert!(watch.refresh());
    let limits = watch.settings().memory_limits();
    assert_eq!(limits.max_memory_bytes, 250 * MB);
    assert_eq!(limits.clients_bytes_max, 12 * MB + MB / 2);
}

#[test]
fn every_form_of_a_limit_is_read() {
    let (_, row) = find("maxmemory").expect("a setting");
    for (toml, expected) in [
        ("1048576", Portion::Bytes(MB)),
        ("\"4gb\"", Portion::Bytes(4 << 30)),
        ("\"75%\"", Portion::Percent(75)),
        ("\"auto\"", Portion::Auto),
    ] {
        let item: toml_edit::Item = toml.parse().expect("TOML");
        let value = row.kind.from_toml(&item).expect("a limit");
        assert_eq!(value, crate::config::Value::Portion(expected));
        let written = toml_edit::Item::Value(value.toml());
        assert_eq!(row.kind.from_toml(&written), Ok(value));
    }
    for toml in ["-1", "1.5", "\"101%\"", "\"x\"", "true"] {
        let item: toml_edit::Item = toml.parse().expect("TOML");
        row.kind.from_toml(&item).expect_err(toml);
    }
}

#[test]
fn the_budget_of_clients_is_set_as_in_redis() {
    let config = config_with(&[]);
    for (text, shown) in [
        ("5%", "5%"),
        ("0%", "0"),
        ("1mb", "1048576"),
        ("100%", "100%"),
    ] {
        assert_eq!(set(&config, "maxmemory-clients", text), Ok(()));
        assert_eq!(get(&config, "maxmemory-clients"), shown);
    }
    let failed = "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - ";
    for (text, reason) in [
        ("101%", "percentage argument must be less or equal to 100"),
        ("-5%", "argument must be a memory or percent value"),
        ("auto", "argument must be a memory or percent value"),
    ] {
        let expected = Err(format!("{failed}{reason}"));
        assert_eq!(set(&config, "maxmemory-clients", text), expected, "{text}");
    }
}

#[test]
fn output_limits_are_given_for_some_classes() {
    let config = config_with(&[]);
    let name = "client-output-buffer-limit";
    assert_eq!(set(&config, name, "normal 1mb 512kb 3"), Ok(()));
    let shown = "normal 1048576 524288 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
    assert_eq!(get(&config, name), shown);
    let limits = config.settings().server.output_buffer_limits;
    let normal = OutputLimit {
        hard_bytes: MB,
        soft_bytes: MB / 2,
        soft_seconds: 3,
    };
    assert_eq!(limits.normal, normal);
    assert_eq!(limits.replica.soft_seconds, 60);
    let file = "[server]\noutput_buffer_limits = [\"normal 1mb 0 0\", \"pubsub 0 0 0\"]\n";
    let flags = ["--client-output-buffer-limit", "normal 2mb 0 0"];
    let (config, _) = served(start_with(Some(file), &[], &flags));
    let limits = config.settings().server.output_buffer_limits;
    assert_eq!(limits.normal.hard_bytes, 2 * MB);
    assert_eq!(limits.pubsub, OutputLimit::default());
    assert_eq!(limits.replica.hard_bytes, 256 * MB);
}

#[test]
fn output_limits_are_rewritten() {
    let directory = Directory::new();
    let path = directory.0.join("redistill.toml");
    std::fs::write(
        &path,
        "[server]\noutput_buffer_limits = \"normal 1mb 0 0\" # mine\n",
    )
    .expect("the file is written");
    let (config, _) = served(start_in(&directory, &[], &[]));
    let name = "client-output-buffer-limit";
    assert_eq!(set(&config, name, "pubsub 0 0 0"), Ok(()));
    assert_eq!(config.rewrite(&configured(&config.settings())), Ok(()));
    let text = std::fs::read_to_string(&path).expect("the file is there");
    let line =
        "output_buffer_limits = \"normal 1mb 0 0 replica 256mb 64mb 60 pubsub 0 0 0\" # mine\n";
    assert_eq!(text, format!("[server]\n{line}"));
}
