//! The pause after accepting has failed, so that a process without descriptors does not spin.

use std::time::{Duration, Instant};

use crate::backend::ACCEPT_RETRY;

/// Reads the clock only while a pause lasts.
#[derive(Default)]
pub(crate) struct AcceptPause {
    until: Option<Instant>,
}

impl AcceptPause {
    /// Begins, unless it lasts already.
    pub(crate) fn begin(&mut self) {
        if self.until.is_none() {
            self.until = Some(Instant::now() + ACCEPT_RETRY);
        }
    }

    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    pub(crate) fn lasts(&self) -> bool {
        self.until.is_some()
    }

    /// Ends the pause if its time has come; true when it did.
    pub(crate) fn expire(&mut self) -> bool {
        let expired = self.until.is_some_and(|until| until <= Instant::now());
        if expired {
            self.until = None;
        }
        expired
    }

    /// The timeout of a wait that must not outlast the pause.
    pub(crate) fn limit(&self, timeout: Option<Duration>) -> Option<Duration> {
        let Some(until) = self.until else {
            return timeout;
        };
        let rest = until.saturating_duration_since(Instant::now());
        Some(timeout.map_or(rest, |timeout| timeout.min(rest)))
    }
}
