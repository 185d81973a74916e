//! `cargo xtask package`: the Debian package, with the manual page and the completions of shells. `cargo xtask walk`: a walk
//! through its installation.

use std::fs;
use std::process::Command;

use crate::workspace::{cargo, run};

/// Where what cargo-deb packs is put together.
const DIRECTORY: &str = "target/package";
/// Where cargo-deb puts the packages.
const PACKAGES: &str = "target/debian";

/// Builds the package, which then lies in target/debian.
///
/// # Errors
/// When something does not build, or cargo-deb is missing.
pub fn build() -> Result<(), String> {
    let files = [
        "run",
        "--quiet",
        "--package",
        "redistill",
        "--example",
        "package_files",
        "--",
        DIRECTORY,
    ];
    run(cargo(&files)?)?;
    let binaries = [
        "build",
        "--release",
        "--locked",
        "--package",
        "redistill",
        "--package",
        "redistill-benchmark",
    ];
    run(cargo(&binaries)?)?;
    run(cargo(&["deb", "--package", "redistill", "--no-build"])?)
        .map_err(|error| format!("{error} (cargo install cargo-deb)"))
}

/// Builds the package, installs it on this machine and goes through deploy/walk.sh.
///
/// # Errors
/// When a step of the walk fails, or what it needs is missing.
pub fn walk() -> Result<(), String> {
    build()?;
    let entries = fs::read_dir(PACKAGES).map_err(|error| format!("{PACKAGES}: {error}"))?;
    let mut packages: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    packages.sort_by_key(|path| {
        fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    });
    let newest = packages.last().ok_or("there is no package")?;
    let mut command = Command::new("deploy/walk.sh");
    command.arg(format!("./{}", newest.display()));
    run(command)
}
