//! Passwords of users, of which only the SHA-256 hashes are kept.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// The hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordHash([u8; HASH_BYTES]);

impl PasswordHash {
    /// Of a password.
    pub fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// From 64 hexadecimal digits in lower case.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        if digits.len() != 2 * HASH_BYTES {
            return None;
        }
        let mut hash = [0; HASH_BYTES];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// Its digits.
    pub fn to_hex(self) -> String {
        to_hex(&self.0)
    }

    /// Whether two hashes are the same, in a time that does not tell where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Bytes as hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::PasswordHash;

    #[test]
    fn a_hash_is_written_as_redis_does() {
        let hash = PasswordHash::of(b"x");
        let digits = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(hash.to_hex(), digits);
        assert_eq!(PasswordHash::parse(digits.as_bytes()), Some(hash));
        assert!(hash.is(&PasswordHash::of(b"x")) && !hash.is(&PasswordHash::of(b"y")));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let digits = PasswordHash::of(b"x").to_hex();
        let upper = digits.to_uppercase();
        for wrong in ["", "zz", &digits[1..], &format!("{digits}0"), &upper] {
            assert_eq!(PasswordHash::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
