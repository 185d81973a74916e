//! CPU time of the server's process, and of the own threads.
//!
//! On Linux the total comes from `/proc/PID/task/*/schedstat`, in nanoseconds, and only its split into user and
//! system time from the clock ticks of `/proc/PID/stat`.

use std::fs;
use std::io;

/// CPU time that a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessCpu {
    /// User and system, all threads, in nanoseconds.
    total_ns: u64,
    user_ticks: u64,
    system_ticks: u64,
}

/// CPU time between two readings, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuSpent {
    /// In the program's own code.
    pub user_ns: f64,
    /// In the kernel.
    pub system_ns: f64,
}

impl ProcessCpu {
    /// Reads the CPU time of a process.
    ///
    /// # Errors
    /// When the process is gone, or the system has no `/proc`.
    pub fn read(pid: u32) -> io::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        let (user_ticks, system_ticks) = ticks_of(&stat).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "cannot read /proc/PID/stat")
        })?;
        let ticks_ns =
            (user_ticks + system_ticks) * (1_000_000_000 / rustix::param::clock_ticks_per_second());
        let total_ns = threads_ns(pid).unwrap_or(ticks_ns);
        Ok(ProcessCpu {
            total_ns,
            user_ticks,
            system_ticks,
        })
    }

    /// What was used since `earlier`.
    pub fn since(&self, earlier: &ProcessCpu) -> CpuSpent {
        let total_ns = self.total_ns.saturating_sub(earlier.total_ns) as f64;
        let user = self.user_ticks.saturating_sub(earlier.user_ticks) as f64;
        let system = self.system_ticks.saturating_sub(earlier.system_ticks) as f64;
        let user_share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.5
        };
        CpuSpent {
            user_ns: total_ns * user_share,
            system_ns: total_ns * (1.0 - user_share),
        }
    }
}

impl CpuSpent {
    /// User and system together.
    pub fn total_ns(&self) -> f64 {
        self.user_ns + self.system_ns
    }
}

/// CPU time of the calling thread in nanoseconds.
pub fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The sum over the process's threads; `None` where the kernel does not tell.
fn threads_ns(pid: u32) -> Option<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
    }
    (total > 0).then_some(total)
}

/// utime and stime: fields 14 and 15 of `/proc/PID/stat`. The second field, the name in parentheses, may contain
/// anything.
fn ticks_of(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat[stat.rfind(')')? + 1..]
        .split_ascii_whitespace()
        .skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_strange_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 10 0 0 0 123 456 0 0 20 0 1 0 8 9 10";
        assert_eq!(ticks_of(stat), Some((123, 456)));
        assert_eq!(ticks_of("42 (x) S 1"), None);
    }

    #[test]
    fn the_total_is_split_by_ticks() {
        let before = ProcessCpu {
            total_ns: 1_000,
            user_ticks: 10,
            system_ticks: 10,
        };
        let after = ProcessCpu {
            total_ns: 5_000,
            user_ticks: 11,
            system_ticks: 13,
        };
        assert_eq!(
            after.since(&before),
            CpuSpent {
                user_ns: 1_000.0,
                system_ns: 3_000.0
            }
        );
    }
}
