//! Where and when it was measured, with which versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::servers::Binaries;

/// Facts for the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The day, UTC.
    pub date: String,
    /// The processor's name.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// The kernel's version.
    pub kernel: String,
    /// TCP's congestion control, which loopback connections pay for too.
    pub congestion_control: String,
    /// The compiler.
    pub rustc: String,
    /// The commit that was built.
    pub commit: String,
    /// The reference.
    pub redis: String,
    /// This server.
    pub redistill: String,
}

impl Machine {
    /// Asks the system and the programs; what does not answer stays "unknown".
    pub fn read(root: &Path, binaries: &Binaries) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let system = |name: &str| {
            fs::read_to_string(format!("/proc/sys/{name}"))
                .map_or_else(|_| unknown(), |text| trimmed(&text))
        };
        let root = root.display().to_string();
        Machine {
            date: answer("date", &["-u", "+%Y-%m-%d"]),
            processor: field(&cpuinfo, "model name").unwrap_or_else(unknown),
            cores: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_gib: kibibytes(&meminfo, "MemTotal").unwrap_or(0.0) / f64::from(1 << 20),
            kernel: system("kernel/osrelease"),
            congestion_control: system("net/ipv4/tcp_congestion_control"),
            rustc: answer("rustc", &["--version"]),
            commit: answer("git", &["-C", &root, "rev-parse", "--short", "HEAD"]),
            redis: answer(&binaries.redis.display().to_string(), &["--version"]),
            redistill: answer(&binaries.redistill.display().to_string(), &["--version"]),
        }
    }

    /// Where and when, for a line under a table.
    pub fn in_one_line(&self) -> String {
        format!(
            "{}, {} cores, Linux {}, {}, commit {}.",
            self.processor, self.cores, self.kernel, self.date, self.commit
        )
    }
}

/// Memory that can be used without swapping, in bytes.
pub fn available_bytes() -> f64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    kibibytes(&meminfo, "MemAvailable").map_or(0.0, |kibibytes| kibibytes * 1024.0)
}

/// The value of a line `name : value`.
pub fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// The number of a line `name: 123 kB`.
pub fn kibibytes(text: &str, name: &str) -> Option<f64> {
    field(text, name)?
        .trim_end_matches("kB")
        .trim()
        .parse()
        .ok()
}

fn answer(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success());
    output
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(unknown, |text| trimmed(&text))
}

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: AMD EPYC\nMemTotal:       24 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("AMD EPYC"));
        assert_eq!(kibibytes(text, "MemTotal"), Some(24.0));
        assert_eq!(field(text, "name"), None);
    }
}
