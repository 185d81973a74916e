//! Programs that the gate needs and that are no crates: looked for, and installed by apt-get where that is possible.

use std::process::{Command, Stdio};

use crate::workspace::is_set;

/// A program outside of this workspace.
pub struct Program {
    /// What is called.
    pub name: &'static str,
    /// The packages of Debian that have it.
    pub packages: &'static [&'static str],
    /// What it is for, behind "the gate".
    pub purpose: &'static str,
    /// The variable that accepts its absence.
    pub without: &'static str,
}

impl Program {
    /// Makes sure that it is there; false when it is to be done without.
    pub fn ensure(&self) -> Result<bool, String> {
        let Self {
            name,
            packages,
            purpose,
            without,
        } = self;
        if is_set(without) {
            println!("{without} is set: the gate goes without {name}");
            return Ok(false);
        }
        if self.is_installed() {
            return Ok(true);
        }
        println!("{name} is missing: trying to install it by apt-get");
        install(packages);
        if self.is_installed() {
            return Ok(true);
        }
        let packages = packages.join(" ");
        Err(format!(
            "{name} is missing, and the gate {purpose}. Install it (Debian: apt-get install {packages}), or set \
             {without}=1 to skip what needs it."
        ))
    }

    fn is_installed(&self) -> bool {
        succeeds(
            Command::new(self.name)
                .arg("--version")
                .stdout(Stdio::null()),
        )
    }
}

/// Installs by apt-get, as root or by a sudo that asks for no password. Whether that worked shows
/// when the program is looked for again.
fn install(packages: &[&str]) {
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
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    // The lists of packages may be there already, and may be what cannot be had: try both ways.
    let _ = apt_get(&["update"]);
    let _ = apt_get(&arguments);
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
