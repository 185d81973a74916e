//! The descriptors that this process may have open.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Resource, Rlimit};

/// Raises the soft limit of open descriptors towards the hard one and tells what it is now.
///
/// A limit that is already higher than `wanted` stays. `u64::MAX` stands for no limit.
pub fn raise_limit(wanted: u64) -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = wanted.min(limit.maximum.unwrap_or(u64::MAX));
    let result = rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        },
    );
    // Some systems have another limit below the hard one; what counts is what is in force.
    if result.is_ok() { raised } else { current }
}

/// Descriptors held back, so that a process that has run out can still open a log file or accept a connection in
/// order to refuse it.
#[derive(Debug)]
pub struct Reserve {
    held: Vec<OwnedFd>,
    size: usize,
}

impl Reserve {
    /// Holds `size` descriptors.
    ///
    /// # Errors
    /// When the system does not have as many left.
    pub fn new(size: usize) -> io::Result<Reserve> {
        let mut reserve = Reserve {
            held: Vec::with_capacity(size),
            size,
        };
        reserve.refill()?;
        Ok(reserve)
    }

    /// How many are held now.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Lets one go, for somebody to use; false when none is left.
    pub fn release_one(&mut self) -> bool {
        self.held.pop().is_some()
    }

    /// Holds again as many as in the beginning.
    ///
    /// # Errors
    /// When the system does not have as many left; those that it had are held.
    pub fn refill(&mut self) -> io::Result<()> {
        while self.held.len() < self.size {
            let descriptor = match self.held.first() {
                Some(first) => first.as_fd().try_clone_to_owned()?,
                None => File::open("/dev/null")?.into(),
            };
            self.held.push(descriptor);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Reserve, raise_limit};

    #[test]
    fn the_limit_is_never_lowered() {
        let before = raise_limit(0);
        assert!(before > 0);
        assert!(raise_limit(before) >= before);
        assert!(raise_limit(u64::MAX) >= before);
    }

    #[test]
    fn the_reserve_is_refilled() {
        let mut reserve = Reserve::new(2).expect("descriptors");
        assert!(reserve.release_one() && reserve.release_one() && !reserve.release_one());
        assert_eq!(reserve.held(), 0);
        reserve.refill().expect("descriptors");
        assert_eq!(reserve.held(), 2);
    }
}
