//! Sparse registers: runs of equal ones, in one or two bytes each.
//!
//! ```text
//! 00nnnnnn            n + 1 registers of rank 0
//! 01nnnnnn nnnnnnnn   n + 1 registers of rank 0
//! 1vvvvvnn            n + 1 registers of rank v + 1
//! ```

use super::sketch::HEADER_BYTES;

/// The longest run of rank 0 that has one byte.
const SHORT_ZEROS_MAX: usize = 64;
/// The longest run of another rank.
const RUN_MAX: usize = 4;
/// The highest rank.
const RANK_MAX: u8 = 32;
const LONG_ZEROS: u8 = 0x40;
const VALUE: u8 = 0x80;
/// The runs that are looked at to merge some after a change.
const MERGED_MAX: usize = 5;

/// A run of registers.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The registers.
    pub len: usize,
    /// Their rank.
    pub rank: u8,
    /// The bytes that it takes.
    bytes: usize,
}

impl Run {
    /// The run that `bytes` begin with.
    fn first(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let low = usize::from(first & 0x3f);
        Some(match first {
            VALUE.. => Self {
                len: usize::from(first & 3) + 1,
                rank: (first >> 2 & 0x1f) + 1,
                bytes: 1,
            },
            LONG_ZEROS..VALUE => Self {
                len: (low << 8 | usize::from(bytes.get(1).copied().unwrap_or(0))) + 1,
                rank: 0,
                bytes: 2,
            },
            0..LONG_ZEROS => Self {
                len: low + 1,
                rank: 0,
                bytes: 1,
            },
        })
    }

    /// Whether it is rank 0 in two bytes.
    pub fn is_long(self) -> bool {
        self.bytes == 2
    }
}

/// The runs of sparse registers.
#[derive(Clone)]
pub struct Runs<'a>(&'a [u8]);

impl<'a> Runs<'a> {
    /// Those in these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let run = Run::first(self.0)?;
        self.0 = self.0.get(run.bytes..).unwrap_or(&[]);
        Some(run)
    }
}

fn value(rank: u8, len: usize) -> u8 {
    VALUE | (rank - 1) << 2 | (len - 1) as u8
}

/// Appends a run of rank 0.
pub fn push_zeros(to: &mut Vec<u8>, len: usize) {
    let bits = len - 1;
    if len > SHORT_ZEROS_MAX {
        to.push(LONG_ZEROS | (bits >> 8) as u8);
    }
    to.push(bits as u8);
}

/// What came of raising a register.
pub enum Outcome {
    /// It was lower.
    Raised,
    /// It was as high already.
    AsHigh,
    /// It would not be sparse any more.
    TooLarge,
    /// The runs do not cover the register.
    Corrupt,
}

/// Raises a register of a sparse HyperLogLog, header included, to a rank, and merges runs around it as Redis does.
pub fn raise(bytes: &mut Vec<u8>, index: usize, rank: u8, bytes_max: usize) -> Outcome {
    if rank > RANK_MAX {
        return Outcome::TooLarge;
    }
    let (mut at, mut first, mut before) = (HEADER_BYTES, 0, None);
    let run = loop {
        let Some(run) = Run::first(&bytes[at..]) else {
            return Outcome::Corrupt;
        };
        if index < first + run.len {
            break run;
        }
        before = Some(at);
        at = (at + run.bytes).min(bytes.len());
        first += run.len;
    };
    if run.rank >= rank {
        return Outcome::AsHigh;
    }
    if run.len == 1 && !run.is_long() {
        bytes[at] = value(rank, 1);
    } else {
        let (ahead, behind) = (index - first, first + run.len - 1 - index);
        let mut new = Vec::with_capacity(5);
        push_run(&mut new, run.rank, ahead);
        new.push(value(rank, 1));
        push_run(&mut new, run.rank, behind);
        let end = (at + run.bytes).min(bytes.len());
        if new.len() > run.bytes && bytes.len() + new.len() - run.bytes > bytes_max {
            return Outcome::TooLarge;
        }
        bytes.splice(at..end, new);
    }
    merge(bytes, before.unwrap_or(HEADER_BYTES));
    Outcome::Raised
}

fn push_run(to: &mut Vec<u8>, rank: u8, len: usize) {
    match (len, rank) {
        (0, _) => {}
        (_, 0) => push_zeros(to, len),
        _ => to.push(value(rank, len)),
    }
}

/// Merges runs of equal rank from a place on.
fn merge(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..MERGED_MAX {
        let Some(run) = bytes.get(at..).and_then(Run::first) else {
            return;
        };
        let next = bytes.get(at + 1..).and_then(Run::first);
        match next {
            Some(next)
                if run.rank != 0 && next.rank == run.rank && run.len + next.len <= RUN_MAX =>
            {
                bytes[at + 1] = value(run.rank, run.len + next.len);
                bytes.remove(at);
            }
            Some(_) | None => at += run.bytes,
        }
    }
}
