//! A HyperLogLog as the string that Redis makes of it, byte by byte: 16,384 registers, each of which keeps the highest
//! rank of the elements that fall to it.
//!
//! ```text
//! "HYLL" | encoding 1: 0 dense, 1 sparse | 0 0 0 | cardinality 8, the highest bit: stale | registers
//! ```
//!
//! Dense registers are numbers of 6 bits, the lowest first. Sparse ones are runs, see [`sparse`](super::sparse).

use super::estimate::{Histogram, estimate};
use super::hash::hash;
use super::sparse::{self, Outcome, Runs};
use crate::error::CommandError;

/// The registers of each HyperLogLog.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// The bits of a hash that choose the register.
const INDEX_BITS: u32 = 14;
/// The bits of a hash that give the rank: the place of the first that is set among them.
pub const RANK_BITS: usize = 64 - INDEX_BITS as usize;
/// The bytes before the registers.
pub const HEADER_BYTES: usize = 16;
/// The length of a dense one.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const STALE: u8 = 0x80;

/// Sparse registers that do not add up.
pub const CORRUPT: CommandError = CommandError::line("INVALIDOBJ Corrupted HLL object detected");
const NOT_ONE: CommandError =
    CommandError::line("WRONGTYPE Key is not a valid HyperLogLog string value.");

/// The highest rank of each register, as they are put together from several sketches.
pub type Ranks = [u8; REGISTERS];

/// How registers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Dense,
    Sparse,
}

/// A HyperLogLog that is read.
#[derive(Clone, Copy)]
pub struct Sketch<'a> {
    bytes: &'a [u8],
    form: Form,
}

impl<'a> Sketch<'a> {
    /// The one that a string is.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(bytes: &'a [u8]) -> Result<Self, CommandError> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
            return Err(NOT_ONE);
        }
        let form = match bytes[ENCODING_AT] {
            DENSE if bytes.len() == DENSE_BYTES => Form::Dense,
            SPARSE => Form::Sparse,
            _ => return Err(NOT_ONE),
        };
        Ok(Self { bytes, form })
    }

    /// How its registers are kept.
    pub fn form(self) -> Form {
        self.form
    }

    /// Its sparse registers.
    pub fn runs(self) -> Runs<'a> {
        Runs::new(&self.bytes[HEADER_BYTES..])
    }

    /// Whether a register has this rank or a higher one.
    pub fn has(self, (index, rank): (usize, u8)) -> bool {
        match self.form {
            Form::Dense => dense_rank(self.bytes, index) >= rank,
            Form::Sparse => {
                let mut first = 0;
                let covering = self.runs().find(|run| {
                    first += run.len;
                    index < first
                });
                covering.is_some_and(|run| run.rank >= rank)
            }
        }
    }

    /// The cardinality, if it has not become stale.
    pub fn cached(self) -> Option<u64> {
        let cached = self.bytes[8..HEADER_BYTES].first_chunk();
        let cached = u64::from_le_bytes(*cached?);
        (cached >> 63 == 0).then_some(cached)
    }

    /// The cardinality, from the registers.
    ///
    /// # Errors
    /// When they do not add up.
    pub fn cardinality(self) -> Result<u64, CommandError> {
        let mut histogram: Histogram = [0; 64];
        match self.form {
            Form::Dense => {
                for rank in dense_ranks(self.bytes) {
                    histogram[usize::from(rank)] += 1;
                }
            }
            Form::Sparse => {
                let mut sum = 0;
                for run in self.runs() {
                    histogram[usize::from(run.rank)] += run.len as u32;
                    sum += run.len;
                }
                if sum != REGISTERS {
                    return Err(CORRUPT);
                }
            }
        }
        Ok(estimate(&histogram))
    }

    /// Raises each of the ranks to that of this one.
    ///
    /// # Errors
    /// When its registers do not add up.
    pub fn merge_into(self, ranks: &mut Ranks) -> Result<(), CommandError> {
        match self.form {
            Form::Dense => {
                for (rank, own) in ranks.iter_mut().zip(dense_ranks(self.bytes)) {
                    *rank = own.max(*rank);
                }
            }
            Form::Sparse => {
                let mut at = 0;
                for run in self.runs() {
                    if run.rank != 0 {
                        let covered = ranks.get_mut(at..at + run.len).ok_or(CORRUPT)?;
                        for rank in covered {
                            *rank = run.rank.max(*rank);
                        }
                    }
                    at += run.len;
                }
                if at != REGISTERS {
                    return Err(CORRUPT);
                }
            }
        }
        Ok(())
    }
}

/// The estimate of these ranks.
pub fn cardinality_of(ranks: &Ranks) -> u64 {
    let mut histogram: Histogram = [0; 64];
    for rank in ranks {
        histogram[usize::from(*rank)] += 1;
    }
    estimate(&histogram)
}

/// The registers of a dense one.
fn dense_ranks(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let (triples, _) = bytes[HEADER_BYTES..].as_chunks::<3>();
    triples.iter().flat_map(|[a, b, c]| {
        let bits = u32::from_le_bytes([*a, *b, *c, 0]);
        [0, 6, 12, 18].map(|shift| (bits >> shift) as u8 & 0x3f)
    })
}

/// An empty one: sparse, and known to have no elements.
pub fn empty() -> Vec<u8> {
    let mut bytes = [MAGIC, &[SPARSE]].concat();
    bytes.resize(HEADER_BYTES, 0);
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// The register and the rank of an element.
pub fn place_of(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let index = hash as usize & (REGISTERS - 1);
    // The bit behind the hash ends the search.
    let rest = hash >> INDEX_BITS | 1 << RANK_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// Raises a register to a rank; whether it was lower. A sparse one becomes dense when the rank is too high or it would
/// have more than `sparse_bytes_max` bytes.
///
/// # Errors
/// When its registers do not add up.
pub fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_bytes_max: usize,
) -> Result<bool, CommandError> {
    if bytes[ENCODING_AT] == DENSE {
        return Ok(raise_dense(bytes, index, rank));
    }
    match sparse::raise(bytes, index, rank, sparse_bytes_max) {
        Outcome::Raised => {
            invalidate(bytes);
            Ok(true)
        }
        Outcome::AsHigh => Ok(false),
        Outcome::Corrupt => Err(CORRUPT),
        Outcome::TooLarge => {
            make_dense(bytes)?;
            Ok(raise_dense(bytes, index, rank))
        }
    }
}

/// The two bytes that a register lies in: where they are, what they are, and how many bits come below it.
fn window(bytes: &[u8], index: usize) -> (usize, u16, u32) {
    let bit = index * 6;
    let at = HEADER_BYTES + bit / 8;
    let both = [bytes[at], bytes.get(at + 1).copied().unwrap_or(0)];
    (at, u16::from_le_bytes(both), (bit % 8) as u32)
}

fn dense_rank(bytes: &[u8], index: usize) -> u8 {
    let (_, word, shift) = window(bytes, index);
    (word >> shift) as u8 & 0x3f
}

fn raise_dense(bytes: &mut [u8], index: usize, rank: u8) -> bool {
    let (at, word, shift) = window(bytes, index);
    if dense_rank(bytes, index) >= rank {
        return false;
    }
    let word = word & !(0x3f << shift) | u16::from(rank) << shift;
    let window = word.to_le_bytes();
    bytes[at] = window[0];
    if let Some(next) = bytes.get_mut(at + 1) {
        *next = window[1];
    }
    true
}

/// Makes a sparse one dense.
///
/// # Errors
/// When its registers do not add up.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), CommandError> {
    if bytes[ENCODING_AT] == DENSE {
        return Ok(());
    }
    let mut dense = bytes[..HEADER_BYTES].to_vec();
    dense[ENCODING_AT] = DENSE;
    dense.resize(DENSE_BYTES, 0);
    let mut at = 0;
    for run in Runs::new(&bytes[HEADER_BYTES..]) {
        if run.rank != 0 {
            if at + run.len > REGISTERS {
                return Err(CORRUPT);
            }
            for index in at..at + run.len {
                raise_dense(&mut dense, index, run.rank);
            }
        }
        at += run.len;
    }
    if at != REGISTERS {
        return Err(CORRUPT);
    }
    *bytes = dense;
    Ok(())
}

/// Marks the cardinality as stale.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[HEADER_BYTES - 1] |= STALE;
}

/// Keeps the cardinality.
pub fn keep_cardinality(bytes: &mut [u8], cardinality: u64) {
    bytes[8..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
}
