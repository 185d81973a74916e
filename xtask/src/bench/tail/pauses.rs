//! Times at which the machine lets nothing run on a core, however urgent: in a virtual machine the host takes the
//! processor away. Watchers at the highest real-time priority notice; what is measured then says nothing about a server.

use std::process::{Child, Command, Stdio};

use super::super::options::Options;
use super::super::servers::Binaries;

/// Above the prober's.
const PRIORITY: u32 = 99;

/// Watchers at work, one on each core.
pub struct Watchers(Vec<Child>);

impl Watchers {
    /// Starts them on the server's core and the client's, for so many seconds.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(seconds: f64, options: &Options, binaries: &Binaries) -> Result<Self, String> {
        let cores = [options.server_core, options.client_core];
        let watchers = cores.map(|core| {
            let mut command = Command::new("chrt");
            command
                .args(["-f", &PRIORITY.to_string(), "taskset", "-c"])
                .arg(core.to_string())
                .arg(&binaries.client)
                .args(["--pauses", "--duration", &seconds.to_string()])
                .stdout(Stdio::piped());
            command.spawn().map_err(|error| error.to_string())
        });
        watchers.into_iter().collect::<Result<_, _>>().map(Watchers)
    }

    /// Waits for what they have noticed.
    ///
    /// # Errors
    /// When one has failed.
    pub fn end(self) -> Result<Pauses, String> {
        let mut pauses = Vec::new();
        for child in self.0 {
            let output = child
                .wait_with_output()
                .map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout);
            for line in text.lines() {
                let (from, to) = line.split_once(' ').ok_or("a watcher has failed")?;
                let [from, to] = [from, to].map(|number| number.parse::<u64>().ok());
                pauses.push(from.zip(to).ok_or("a watcher has failed")?);
            }
        }
        pauses.sort_unstable();
        Ok(Pauses(pauses))
    }
}

/// When cores were away: from and to, in microseconds of the monotonic clock, in order.
#[derive(Debug)]
pub struct Pauses(Vec<(u64, u64)>);

impl Pauses {
    /// Whether a request that was due then, and took that long, was under way while a core was away, or within as long
    /// after that: what has come meanwhile has to be caught up with.
    pub fn explain(&self, due_us: u64, took_us: u64) -> bool {
        let done_us = due_us + took_us;
        self.0
            .iter()
            .take_while(|(from, _)| *from <= done_us)
            .any(|(from, to)| due_us <= to + (to - from))
    }

    /// How long they were, all together, in microseconds.
    pub fn total_us(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Pauses;

    #[test]
    fn a_pause_explains_what_was_under_way_and_what_had_to_wait() {
        let pauses = Pauses(vec![(100, 110), (1_000, 1_500)]);
        assert!(pauses.explain(90, 30));
        assert!(pauses.explain(1_400, 20));
        assert!(pauses.explain(1_990, 700));
        assert!(!pauses.explain(500, 499));
        assert!(!pauses.explain(2_001, 700));
        assert_eq!(pauses.total_us(), 510);
    }
}
