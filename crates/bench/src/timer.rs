//! A timer that wakes a poll, exact to some microseconds where that of the poll itself is to a millisecond.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

/// A timer that reports as an event of a poll.
#[derive(Debug)]
pub struct Timer {
    #[cfg(target_os = "linux")]
    descriptor: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Timer {
    /// Makes the timer and registers it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd;

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let mut source = mio::unix::SourceFd(&descriptor.as_raw_fd());
        registry.register(&mut source, token, mio::Interest::READABLE)?;
        Ok(Timer { descriptor })
    }

    /// Reports once, after `delay`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(&self, delay: Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // Zero would stop it.
        let delay = delay.max(Duration::from_nanos(1));
        let times = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: delay.as_secs() as i64,
                tv_nsec: i64::from(delay.subsec_nanos()),
            },
        };
        // Each expiry is an edge of its own, so it need not be read.
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl Timer {
    /// There is none here.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: &Registry, _: Token) -> io::Result<Self> {
        let text = "sleeping between requests needs Linux";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    /// Nothing: there is none.
    ///
    /// # Errors
    /// Never.
    pub fn start(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}
