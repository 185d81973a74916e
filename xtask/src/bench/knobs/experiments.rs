//! What is compared: for each knob some ways to start the server, and the loads under which they are measured.

use super::super::cells::{CONNECTIONS, Group, Operation};
use super::super::client::{Load, Requests};

/// One knob.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// On the command line, and in the marks of the document.
    pub name: &'static str,
    /// The keys that every server holds.
    pub group: Group,
    /// The ways to start the server. The first is the one that the others are compared with.
    pub setups: Vec<Setup>,
    /// What they are measured under.
    pub loads: Vec<Load>,
    /// Which setup is measured under which load.
    pub pairs: Pairs,
    /// Whether the table of memory is of interest.
    pub memory: bool,
}

/// Which setup is measured under which load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Each under each, against the first one.
    All,
    /// The first under the first, the second under the second, compared with nothing.
    InOrder,
}

/// A way to start the server.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// In the tables.
    pub name: &'static str,
    /// Flags. A path in them is one from the root of the project.
    pub flags: &'static str,
    /// An environment variable and its value.
    pub environment: Option<(&'static str, &'static str)>,
    /// Where it runs.
    pub cores: Cores,
}

/// The cores that a server may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// One, which the client does not use.
    Own,
    /// That one, and the client's.
    Both,
    /// Whatever the system gives it.
    Any,
}

/// All comparisons, in the guide's order.
pub fn all() -> Vec<Experiment> {
    vec![
        shards(),
        batch_size(),
        buffer_pool_size(),
        tcp_nodelay(),
        workers(),
        io_backend(),
        profiles(),
        huge_pages(),
        pinning(),
    ]
}

fn shards() -> Experiment {
    Experiment {
        memory: true,
        ..knob(
            "num_shards",
            vec![
                setup("2048", "--server.workers 1 --server.num_shards 2048"),
                setup("256", "--server.workers 1 --server.num_shards 256"),
                setup("4096", "--server.workers 1 --server.num_shards 4096"),
            ],
            vec![get(128), set(128)],
        )
    }
}

fn batch_size() -> Experiment {
    knob(
        "batch_size",
        vec![
            setup("256", "--server.workers 1 --server.batch_size 256"),
            setup("16", "--server.workers 1 --server.batch_size 16"),
            setup("64", "--server.workers 1 --server.batch_size 64"),
            setup("512", "--server.workers 1 --server.batch_size 512"),
        ],
        vec![get(16), get(128)],
    )
}

fn buffer_pool_size() -> Experiment {
    let many = |load| Load {
        connections: 500,
        ..load
    };
    Experiment {
        memory: true,
        ..knob(
            "buffer_pool_size",
            vec![
                setup("2048", "--server.workers 1 --server.buffer_pool_size 2048"),
                setup("64", "--server.workers 1 --server.buffer_pool_size 64"),
                setup("1024", "--server.workers 1 --server.buffer_pool_size 1024"),
                setup("4096", "--server.workers 1 --server.buffer_pool_size 4096"),
            ],
            vec![many(get(128)), many(set(128))],
        )
    }
}

fn tcp_nodelay() -> Experiment {
    let timed = Load {
        rate: Some(20_000),
        ..get(1)
    };
    knob(
        "tcp_nodelay",
        vec![
            setup("true", "--server.workers 1 --performance.tcp_nodelay true"),
            setup(
                "false",
                "--server.workers 1 --performance.tcp_nodelay false",
            ),
        ],
        vec![get(1), timed, get(128)],
    )
}

fn workers() -> Experiment {
    let shared = |setup| Setup {
        cores: Cores::Both,
        ..setup
    };
    knob(
        "workers",
        vec![
            setup("1 on a core of its own", "--server.workers 1"),
            setup("2 on that core", "--server.workers 2"),
            shared(setup(
                "2 on two cores, one shared with the client",
                "--server.workers 2",
            )),
        ],
        vec![get(1), get(128), set(128)],
    )
}

fn io_backend() -> Experiment {
    knob(
        "io_backend",
        vec![
            setup(
                "io_uring",
                "--server.workers 1 --server.io_backend io_uring",
            ),
            setup("mio", "--server.workers 1 --server.io_backend mio"),
        ],
        vec![get(1), get(16), get(128)],
    )
}

fn profiles() -> Experiment {
    let mixed = |sets, gets, pipeline| Load {
        requests: Requests::Mix(sets, gets),
        ..get(pipeline)
    };
    let at_a_rate = Load {
        rate: Some(20_000),
        ..mixed(1, 9, 1)
    };
    let many = Load {
        connections: 5000,
        ..mixed(1, 9, 1)
    };
    Experiment {
        pairs: Pairs::InOrder,
        ..knob(
            "profiles",
            vec![
                setup(
                    "read-heavy",
                    "--server.workers 1 --config docs/profiles/read-heavy.toml",
                ),
                setup(
                    "balanced",
                    "--server.workers 1 --config docs/profiles/balanced.toml",
                ),
                setup(
                    "write-heavy",
                    "--server.workers 1 --config docs/profiles/write-heavy.toml",
                ),
                setup(
                    "low-latency",
                    "--server.workers 1 --config docs/profiles/low-latency.toml",
                ),
                setup(
                    "high-connections",
                    "--server.workers 1 --config docs/profiles/high-connections.toml",
                ),
            ],
            vec![
                mixed(1, 9, 128),
                mixed(1, 1, 128),
                mixed(9, 1, 128),
                at_a_rate,
                many,
            ],
        )
    }
}

fn huge_pages() -> Experiment {
    Experiment {
        memory: true,
        group: Group {
            keys: 10_000_000,
            value_bytes: 64,
        },
        ..knob(
            "huge_pages",
            vec![
                setup("default", "--server.workers 1"),
                Setup {
                    environment: Some(("MALLOC_CONF", "thp:never")),
                    ..setup("thp:never", "--server.workers 1")
                },
            ],
            vec![get(128), set(128)],
        )
    }
}

fn pinning() -> Experiment {
    knob(
        "pinning",
        vec![
            setup("pinned to a core", "--server.workers 1"),
            Setup {
                cores: Cores::Any,
                ..setup("not pinned", "--server.workers 1")
            },
        ],
        vec![get(1), get(128)],
    )
}

/// Setups that are all compared with the first, with 1M keys.
fn knob(name: &'static str, setups: Vec<Setup>, loads: Vec<Load>) -> Experiment {
    Experiment {
        name,
        group: Group {
            keys: 1_000_000,
            value_bytes: 64,
        },
        setups,
        loads,
        pairs: Pairs::All,
        memory: false,
    }
}

fn setup(name: &'static str, flags: &'static str) -> Setup {
    Setup {
        name,
        flags,
        environment: None,
        cores: Cores::Own,
    }
}

fn get(pipeline: u32) -> Load {
    only(Operation::Get, pipeline)
}

fn set(pipeline: u32) -> Load {
    only(Operation::Set, pipeline)
}

fn only(operation: Operation, pipeline: u32) -> Load {
    Load {
        requests: Requests::Only(operation),
        pipeline,
        connections: CONNECTIONS,
        rate: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_pairs_fit() {
        let experiments = all();
        for (index, experiment) in experiments.iter().enumerate() {
            assert!(
                !experiments[..index]
                    .iter()
                    .any(|other| other.name == experiment.name)
            );
            assert!(experiment.setups.len() > 1 && !experiment.loads.is_empty());
            if experiment.pairs == Pairs::InOrder {
                assert_eq!(experiment.setups.len(), experiment.loads.len());
            }
        }
    }
}
