//! Values in Redis's format of files (RDB), as DUMP and RESTORE exchange them: a byte for the form, the value, the version
//! in 2 bytes, the CRC of all that in 8.
//!
//! What is written is of a version that Redis 7.0 reads, in the form that Redis 7.0 would write; only a hash of which
//! fields have deadlines is in that of Redis 7.4, which is the first to have them. What is read may come from
//! any version up to 8.0. It may also be anything else: every length is checked, and memory grows with what has been
//! read, never with what is announced.

mod crc64;
mod dump;
mod items;
mod lzf;
mod packed;
mod reader;
mod restore;
#[cfg(test)]
mod tests;
mod value;
mod writer;

pub use dump::DUMP;
pub use items::Items;
pub use restore::RESTORE;
pub use value::Value;

use crate::error::CommandError;
use crc64::crc64;

/// The version of what is written: that of Redis 7.0.
const VERSION: u16 = 10;
/// The newest version that is read: that of Redis 8.0.
const VERSION_MAX: u16 = 12;
/// The bytes behind a value: version and CRC.
const FOOTER_BYTES: usize = 10;

const BAD_FOOTER: CommandError =
    CommandError::line("ERR DUMP payload version or checksum are wrong");
const BAD_VALUE: CommandError = CommandError::line("ERR Bad data format");

/// The value of a payload.
///
/// # Errors
/// When it was damaged, is too new, or is no value at all.
pub fn read_payload(payload: &[u8]) -> Result<Value<'_>, CommandError> {
    let (value, footer) = payload
        .split_last_chunk::<FOOTER_BYTES>()
        .ok_or(BAD_FOOTER)?;
    let (summed, sum) = payload.split_last_chunk().ok_or(BAD_FOOTER)?;
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    if version > VERSION_MAX || crc64(summed) != u64::from_le_bytes(*sum) {
        return Err(BAD_FOOTER);
    }
    Value::read(value).ok_or(BAD_VALUE)
}

/// Puts version and CRC behind a value.
pub fn seal(value: &mut Vec<u8>) {
    // Only one form that is written is newer than Redis 7.0.
    let version = match value.first() {
        Some(&value::form::HASH_TIMED) => VERSION_MAX,
        _ => VERSION,
    };
    value.extend_from_slice(&version.to_le_bytes());
    let sum = crc64(value);
    value.extend_from_slice(&sum.to_le_bytes());
}
