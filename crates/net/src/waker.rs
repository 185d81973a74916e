//! Ends a backend's `wait` from another thread, with a system call only when the backend sleeps.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// The backend's thread is working and will look at the state before it sleeps.
const AWAKE: u8 = 0;
/// The backend's thread is inside a system call that may sleep.
const ASLEEP: u8 = 1;
/// A wake was asked for and not reported yet.
const NOTIFIED: u8 = 2;

/// Wakes one backend. Clones wake the same one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: AtomicU8,
    signal: Signal,
}

/// How a sleeping thread is reached.
#[derive(Debug)]
pub(crate) enum Signal {
    Mio(mio::Waker),
    #[cfg(target_os = "linux")]
    EventDescriptor(std::os::fd::OwnedFd),
    /// A thread that parks: the one that sleeps now.
    Thread(Mutex<Option<Thread>>),
}

impl Signal {
    pub(crate) fn thread() -> Signal {
        Signal::Thread(Mutex::new(None))
    }
}

impl Waker {
    pub(crate) fn new(signal: Signal) -> Waker {
        Waker(Arc::new(Inner {
            state: AtomicU8::new(AWAKE),
            signal,
        }))
    }

    /// Makes the backend report one `Event::Woken`. What this thread wrote before is visible to the backend's
    /// thread then. Costs a system call only if the backend sleeps and nobody else has woken it.
    pub fn wake(&self) {
        // SeqCst: a caller's queue may itself use weaker orderings, and this is not a hot path.
        if self.0.state.swap(NOTIFIED, Ordering::SeqCst) != ASLEEP {
            return;
        }
        match &self.0.signal {
            // Neither can fail for lack of anything: the descriptor exists, its counter is far from full.
            Signal::Mio(waker) => waker.wake().expect("wake a poll that exists"),
            #[cfg(target_os = "linux")]
            Signal::EventDescriptor(descriptor) => {
                rustix::io::write(descriptor, &1u64.to_ne_bytes())
                    .expect("write to an eventfd that exists");
            }
            Signal::Thread(_) => self.nudge(),
        }
    }

    /// Ends `sleep`, or the next one, without an event.
    pub(crate) fn nudge(&self) {
        if let Signal::Thread(thread) = &self.0.signal
            && let Some(thread) = &*thread.lock().unwrap_or_else(PoisonError::into_inner)
        {
            thread.unpark();
        }
    }

    /// Puts a simulated backend's thread to sleep, between `falls_asleep` and `wakes_up`.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) {
        match timeout {
            Some(timeout) => std::thread::park_timeout(timeout),
            None => std::thread::park(),
        }
    }

    /// Tells which thread `sleep` will be called on. What happens from then on is not slept through.
    pub(crate) fn sleeps_on_this_thread(&self) {
        if let Signal::Thread(thread) = &self.0.signal {
            let current = std::thread::current();
            *thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
        }
    }

    /// Called by the backend before a system call that may sleep: false when a wake is due and it must not sleep.
    #[inline]
    pub(crate) fn falls_asleep(&self) -> bool {
        self.0
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Called by the backend after that: true when `Event::Woken` is due.
    #[inline]
    pub(crate) fn wakes_up(&self) -> bool {
        self.0.state.swap(AWAKE, Ordering::SeqCst) == NOTIFIED
    }
}

#[cfg(test)]
mod tests {
    use super::{Signal, Waker};

    #[test]
    fn wakes_are_coalesced_and_never_lost() {
        let waker = Waker::new(Signal::thread());
        assert!(waker.falls_asleep());
        assert!(!waker.wakes_up());
        waker.wake();
        waker.wake();
        assert!(
            !waker.falls_asleep(),
            "a wake before sleeping must prevent the sleep"
        );
        assert!(waker.wakes_up());
        assert!(!waker.wakes_up(), "two wakes are one event");
        assert!(waker.falls_asleep());
        waker.wake();
        assert!(waker.wakes_up());
    }
}
