//! What the threads do: configurations, and the commands of one thread.

use std::sync::atomic::AtomicU64;

use bench::keys::{KeyOrder, KeyPicker};

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;
/// Commands of a load; a thread begins again at its end. More than caches hold.
const COMMANDS: usize = 1 << 20;

/// Which keys are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keys {
    Uniform,
    Zipf,
    One,
}

impl Keys {
    /// In the table.
    pub fn text(self) -> &'static str {
        match self {
            Keys::Uniform => "uniform",
            Keys::Zipf => "zipf 0.99",
            Keys::One => "one key",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Configuration {
    /// Which keys.
    pub keys: Keys,
    /// How many of 100 commands are writes.
    pub writes_percent: u64,
    /// Whether each thread has a keyspace of its own.
    pub is_apart: bool,
}

impl Configuration {
    /// All that are measured.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for keys in [Keys::Uniform, Keys::Zipf, Keys::One] {
            for writes_percent in [0, 5, 50] {
                all.push(Configuration {
                    keys,
                    writes_percent,
                    is_apart: false,
                });
            }
        }
        for (keys, writes_percent) in [(Keys::Uniform, 0), (Keys::Uniform, 50), (Keys::One, 0)] {
            all.push(Configuration {
                keys,
                writes_percent,
                is_apart: true,
            });
        }
        all
    }

    /// The commands of one thread.
    pub fn load(self, keys: usize, seed: u64) -> Load {
        let order = match self.keys {
            Keys::Uniform | Keys::One => KeyOrder::Uniform,
            Keys::Zipf => KeyOrder::Zipf(0.99),
        };
        let range = match self.keys {
            Keys::Uniform | Keys::Zipf => keys as u64,
            Keys::One => 1,
        };
        let cursor = AtomicU64::new(0);
        let mut picker = KeyPicker::new(order, range, &cursor, seed);
        let commands = (0..COMMANDS).map(|_| {
            let key = key(picker.pick() as usize);
            let is_write = picker.random().below(100) < self.writes_percent;
            Command { key, is_write }
        });
        Load {
            commands: commands.collect(),
        }
    }
}

/// One command.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its key.
    pub key: [u8; KEY_BYTES],
    /// Whether it writes.
    pub is_write: bool,
}

/// The commands of one thread, as requests lie in its buffers.
pub struct Load {
    /// In order.
    pub commands: Vec<Command>,
}

/// The name of a key.
pub fn key(mut number: usize) -> [u8; KEY_BYTES] {
    let mut key = *b"key:000000000000";
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    key
}
