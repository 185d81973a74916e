//! The generated pages in docs/ are what the code generates now. `cargo xtask docs` writes them: it
//! runs these tests with REDISTILL_BLESS=1.

use std::fs;
use std::path::Path;

#[track_caller]
fn check(page: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    if std::env::var_os("REDISTILL_BLESS").is_some() {
        fs::write(&path, expected).expect("the page is written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/{page} is out of date: run `cargo xtask docs`"
    );
}

#[test]
fn configuration() {
    check("configuration.md", &redistill::config::documentation());
}

#[test]
fn metrics() {
    check("metrics.md", &redistill::http::metrics_documentation());
}

#[test]
fn commands() {
    check("commands.md", &commands::documentation());
}
