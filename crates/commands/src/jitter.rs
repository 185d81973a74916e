//! `memory.ttl_jitter_percent`: times to live that clients ask for are spread, so that they do not all end at once.

use keyspace::Key;

use crate::context::Context;

impl Context<'_, '_> {
    /// A deadline that was given relative to now, moved back by a random part of what is left until then. One that has
    /// passed stays.
    #[inline]
    pub fn with_jitter(&self, deadline_ms: u64, key: Key<'_>) -> u64 {
        let keyspace = &self.shared.keyspace;
        keyspace.spread_deadline(deadline_ms, key, self.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestServer;

    #[test]
    fn relative_times_are_shortened_and_absolute_ones_are_not() {
        let mut server = TestServer::new();
        server.shared.keyspace.set_ttl_jitter(10);
        let mut left = Vec::new();
        for line in [
            "SET k v EX 1000",
            "SET k v PX 1000001",
            "SETEX k 1002 v",
            "PSETEX k 1003000 v",
            "EXPIRE k 1004",
            "PEXPIRE k 1005000",
            "GETEX k EX 1006",
            "GETEX k PX 1007000",
            "MSETEX 1 k v EX 1008",
        ] {
            server.run(line);
            let answer = server.run("PTTL k");
            let pttl: u64 = answer[1..].parse().expect("a time");
            assert!((900_000..=1_008_000).contains(&pttl), "{line}: {pttl}");
            left.push(pttl);
        }
        assert!(left.iter().any(|pttl| *pttl < 1_000_000), "{left:?}");
        for line in [
            "SET k v EXAT 1700001000",
            "EXPIREAT k 1700001000",
            "GETEX k PXAT 1700001000000",
        ] {
            server.run(line);
            assert_eq!(server.run("PTTL k"), ":1000000", "{line}");
        }
        server.run("EXPIRE k -1");
        assert_eq!(server.run("EXISTS k"), ":0");
    }
}
