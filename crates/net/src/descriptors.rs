//! The descriptors that this process may have open.

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

#[cfg(test)]
mod tests {
    use super::raise_limit;

    #[test]
    fn the_limit_is_never_lowered() {
        let before = raise_limit(0);
        assert!(before > 0);
        assert!(raise_limit(before) >= before);
        assert!(raise_limit(u64::MAX) >= before);
    }
}
