//! redis-server, with which the tests compare: found, or installed where that is possible.

use std::process::{Command, Stdio};

use crate::workspace::is_set;

/// Set to accept that redis-server is missing.
const WITHOUT: &str = "REDISTILL_WITHOUT_REDIS";

/// Makes sure that redis-server is there, or that its absence is accepted.
pub fn ensure() -> Result<(), String> {
    if is_set(WITHOUT) {
        println!("{WITHOUT} is set: nothing is compared with redis-server");
        return Ok(());
    }
    if is_installed() {
        return Ok(());
    }
    println!("redis-server is missing: trying to install it by apt-get");
    install();
    if is_installed() {
        return Ok(());
    }
    Err(format!(
        "redis-server is missing, and the tests compare with it. Install it (Debian: apt-get install \
         redis-server redis-tools), or set {WITHOUT}=1 to skip what needs it."
    ))
}

fn is_installed() -> bool {
    succeeds(
        Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null()),
    )
}

/// Installs by apt-get, as root or by a sudo that asks for no password. Whether that worked shows
/// when redis-server is looked for again.
fn install() {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let apt_get = |arguments: &[&str]| {
        let mut command = if is_root {
            Command::new("env")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.args(["--non-interactive", "env"]);
            sudo
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        succeeds(command.args(arguments).stdin(Stdio::null()))
    };
    let packages = [
        "install",
        "--yes",
        "--no-install-recommends",
        "redis-server",
        "redis-tools",
    ];
    // The lists of packages may be there already, and may be what cannot be had: try both ways.
    let _ = apt_get(&["update"]);
    let _ = apt_get(&packages);
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
