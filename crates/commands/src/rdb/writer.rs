//! Lengths and strings as RDB has them.

use keyspace::Item;

use super::lzf;

/// Strings up to this length, in bytes, are not compressed.
const PLAIN_MAX: usize = 20;
/// Integers with more digits have no short form.
const DIGITS_MAX: usize = 11;

/// Appends a length.
pub fn length(len: usize, to: &mut Vec<u8>) {
    match len {
        0..0x40 => to.push(len as u8),
        0x40..0x4000 => to.extend_from_slice(&(0x4000 | len as u16).to_be_bytes()),
        _ => match u32::try_from(len) {
            Ok(len) => {
                to.push(0x80);
                to.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                to.push(0x81);
                to.extend_from_slice(&(len as u64).to_be_bytes());
            }
        },
    }
}

/// Appends a string in its shortest form.
pub fn string(bytes: &[u8], to: &mut Vec<u8>) {
    if bytes.len() <= DIGITS_MAX
        && let Item::Integer(integer) = Item::from_client(bytes)
        && short_integer(integer, to)
    {
        return;
    }
    if bytes.len() > PLAIN_MAX
        && let Some(compressed) = lzf::compress(bytes, bytes.len() - 4)
    {
        to.push(0xc3);
        length(compressed.len(), to);
        length(bytes.len(), to);
        to.extend_from_slice(&compressed);
        return;
    }
    plain(bytes, to);
}

/// Appends the digits of an integer in their shortest form.
pub fn integer(integer: i64, to: &mut Vec<u8>) {
    if !short_integer(integer, to) {
        plain(keyspace::Number::new().digits(integer), to);
    }
}

fn plain(bytes: &[u8], to: &mut Vec<u8>) {
    length(bytes.len(), to);
    to.extend_from_slice(bytes);
}

/// Appends an integer of up to 32 bits; false when it has more.
fn short_integer(integer: i64, to: &mut Vec<u8>) -> bool {
    if let Ok(integer) = i8::try_from(integer) {
        to.push(0xc0);
        to.extend_from_slice(&integer.to_le_bytes());
    } else if let Ok(integer) = i16::try_from(integer) {
        to.push(0xc1);
        to.extend_from_slice(&integer.to_le_bytes());
    } else if let Ok(integer) = i32::try_from(integer) {
        to.push(0xc2);
        to.extend_from_slice(&integer.to_le_bytes());
    } else {
        return false;
    }
    true
}
