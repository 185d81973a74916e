//! The generated pages of docs/. The test `documents` of the server compares them with what the code
//! generates, and writes them when it is told to.

use crate::workspace;

/// Writes the pages.
pub fn write() -> Result<(), String> {
    let mut command = workspace::cargo(TEST)?;
    command.env("REDISTILL_BLESS", "1");
    workspace::run(command)
}

/// The arguments of the test.
const TEST: &[&str] = &["test", "--package", "redistill", "--test", "documents"];
