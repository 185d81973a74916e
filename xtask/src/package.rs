//! `cargo xtask package`: the Debian package, with the manual page and the completions of shells.

use crate::workspace::{cargo, run};

/// Where what cargo-deb packs is put together.
const DIRECTORY: &str = "target/package";

/// Builds the package, which then lies in target/debian.
///
/// # Errors
/// When something does not build, or cargo-deb is missing.
pub fn build() -> Result<(), String> {
    let files = ["run", "--quiet", "--package", "redistill", "--example", "package_files", "--", DIRECTORY];
    run(cargo(&files)?)?;
    let binaries = ["build", "--release", "--locked", "--package", "redistill", "--package", "redistill-benchmark"];
    run(cargo(&binaries)?)?;
    run(cargo(&["deb", "--package", "redistill", "--no-build"])?)
        .map_err(|error| format!("{error} (cargo install cargo-deb)"))
}
