//! What a service manager such as systemd is told: that the server is ready, rereads its configuration, ends, and is well.
//!
//! The protocol is that of `sd_notify(3)`: datagrams of lines to the unix socket that NOTIFY_SOCKET names.

use std::ffi::OsString;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that all is well.
    pub watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| {
            let address = address(&name)?;
            Some((UnixDatagram::unbound().ok()?, address))
        });
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC")
            .filter(|us| *us > 0 && is_ours && socket.is_some())
            .map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Connections are accepted.
    pub fn ready(&self, status: impl Display) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again; `ready` ends that.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    /// The server ends.
    pub fn stopping(&self, reason: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS=Shutting down: {reason}"));
    }

    /// All is well.
    pub fn is_well(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            // A service manager that has gone misses nothing.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

/// A path, or `@` and a name that is in no directory.
fn address(name: &OsString) -> Option<SocketAddr> {
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name).ok()
        }
        _ => SocketAddr::from_pathname(name).ok(),
    }
}

/// Tells whether each worker goes on.
#[derive(Debug, Default)]
pub struct Progress {
    wakes: Vec<u64>,
}

impl Progress {
    /// Whether every worker waits or has woken up since the last look. For each worker: whether it waits now, and how
    /// often it has woken up.
    pub fn is_made(&mut self, workers: impl Iterator<Item = (bool, u64)>) -> bool {
        let mut is_made = true;
        for (worker, (waits, wakes)) in workers.enumerate() {
            if self.wakes.len() <= worker {
                self.wakes.push(u64::MAX);
            }
            is_made &= waits || self.wakes[worker] != wakes;
            self.wakes[worker] = wakes;
        }
        is_made
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use super::{Progress, ServiceManager};

    #[test]
    fn workers_make_progress_when_they_wait_or_wake() {
        let mut progress = Progress::default();
        let mut look = |workers: [(bool, u64); 2]| progress.is_made(workers.into_iter());
        assert!(look([(false, 0), (true, 0)]), "the first look");
        assert!(look([(false, 1), (true, 0)]));
        assert!(!look([(false, 1), (true, 0)]), "the first one is stuck");
        assert!(look([(true, 1), (false, 5)]));
        assert!(!look([(true, 1), (false, 5)]));
        assert!(look([(true, 1), (false, 6)]));
    }

    fn manager(variables: &[(&str, &str)]) -> ServiceManager {
        ServiceManager::from_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let own = std::process::id().to_string();
        let socket = ("NOTIFY_SOCKET", "/nonexistent/socket");
        let watchdog = |variables: &[(&str, &str)]| manager(variables).watchdog;
        let usual = ("WATCHDOG_USEC", "2000000");
        assert_eq!(watchdog(&[socket, usual]), Some(Duration::from_secs(2)));
        assert_eq!(
            watchdog(&[socket, usual, ("WATCHDOG_PID", &own)]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(watchdog(&[socket, usual, ("WATCHDOG_PID", "1")]), None);
        assert_eq!(watchdog(&[socket, ("WATCHDOG_USEC", "x")]), None);
        assert_eq!(watchdog(&[usual]), None);
        manager(&[socket]).ready("nobody listens");
    }
}
