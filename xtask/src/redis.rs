//! redis-server, with which the tests compare.

use crate::packages::Program;

const REDIS: Program = Program {
    name: "redis-server",
    packages: &["redis-server", "redis-tools"],
    purpose: "compares with it",
    without: "REDISTILL_WITHOUT_REDIS",
};

/// Makes sure that redis-server is there, or that its absence is accepted.
pub fn ensure() -> Result<(), String> {
    REDIS.ensure().map(drop)
}
