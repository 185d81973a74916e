//! LZF, the compression of strings in dumped values, with the choices of Marc Lehmann's LibLZF 3.6 as Redis has it, so
//! that both compress to the same bytes.
//!
//! ```text
//! 000nnnnn             n + 1 bytes follow as they are
//! nnnooooo oooooooo    n + 2 bytes that stood o + 1 bytes before, n from 1 to 6
//! 111ooooo nnnnnnnn oooooooo    n + 9 of them
//! ```

const HASH_BITS: u32 = 16;
const LITERALS_MAX: usize = 1 << 5;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = (1 << 8) + (1 << 3);
/// What is compared before the end of the longest match is looked at.
const COMPARED_AT_ONCE: usize = 16;

/// The most bytes that compressed ones can become: three of them a match of this length.
const EXPANSION_MAX: usize = MATCH_MAX / 3 + 1;

fn slot(bytes: &[u8], at: usize) -> usize {
    let hash = u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
    let mixed = (hash >> (24 - HASH_BITS)).wrapping_sub(hash.wrapping_mul(5));
    (mixed & ((1 << HASH_BITS) - 1)) as usize
}

/// Compresses bytes, if that takes at most `len_max`.
pub fn compress(bytes: &[u8], len_max: usize) -> Option<Vec<u8>> {
    let end = bytes.len();
    if end == 0 || len_max == 0 {
        return None;
    }
    // Places are kept plus one.
    let mut table = vec![0_u32; 1 << HASH_BITS];
    let mut out = vec![0];
    let (mut at, mut literals) = (0, 0);
    while at + 2 < end {
        let slot_at = slot(bytes, at);
        let before = std::mem::replace(&mut table[slot_at], at as u32 + 1) as usize;
        let matched = before.checked_sub(1).filter(|from| {
            *from > 0 && at - from - 1 < OFFSET_MAX && bytes[*from..from + 3] == bytes[at..at + 3]
        });
        let Some(from) = matched else {
            if out.len() >= len_max {
                return None;
            }
            literals = push_literal(&mut out, literals, bytes[at]);
            at += 1;
            continue;
        };
        if out.len() + 4 - usize::from(literals == 0) >= len_max {
            return None;
        }
        end_literals(&mut out, literals);
        let offset = at - from - 1;
        let len = match_len(bytes, from, at);
        match len - 2 {
            short @ 0..7 => out.push((offset >> 8) as u8 | (short << 5) as u8),
            long => {
                out.push((offset >> 8) as u8 | 7 << 5);
                out.push((long - 7) as u8);
            }
        }
        out.push(offset as u8);
        out.push(0);
        literals = 0;
        at += len;
        if at + 2 >= end {
            break;
        }
        for place in [at - 2, at - 1] {
            table[slot(bytes, place)] = place as u32 + 1;
        }
    }
    if out.len() + 3 > len_max {
        return None;
    }
    for byte in &bytes[at..] {
        literals = push_literal(&mut out, literals, *byte);
    }
    end_literals(&mut out, literals);
    Some(out)
}

/// How many bytes at two places are equal: at least three are.
fn match_len(bytes: &[u8], from: usize, at: usize) -> usize {
    let len_max = (bytes.len() - at - 2).min(MATCH_MAX);
    let is_equal = |len: usize| bytes[from + len] == bytes[at + len];
    let mut len = 2;
    if len_max > COMPARED_AT_ONCE {
        for _ in 0..COMPARED_AT_ONCE {
            len += 1;
            if !is_equal(len) {
                return len;
            }
        }
    }
    loop {
        len += 1;
        if len >= len_max || !is_equal(len) {
            return len;
        }
    }
}

/// Appends a byte as it is; how many of them there are in a row then.
fn push_literal(out: &mut Vec<u8>, literals: usize, byte: u8) -> usize {
    out.push(byte);
    if literals + 1 < LITERALS_MAX {
        return literals + 1;
    }
    end_literals(out, LITERALS_MAX);
    out.push(0);
    0
}

/// Writes the head of bytes that are as they are, or takes it away when there are none.
fn end_literals(out: &mut Vec<u8>, literals: usize) {
    match literals {
        0 => {
            out.pop();
        }
        _ => {
            let head = out.len() - literals - 1;
            out[head] = (literals - 1) as u8;
        }
    }
}

/// The bytes of which these are the compressed form; nothing when they are not, or when there are not `len` of them.
pub fn decompress(mut bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > bytes.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    while let Some((&head, rest)) = bytes.split_first() {
        bytes = rest;
        if usize::from(head) < LITERALS_MAX {
            let (literals, rest) = bytes.split_at_checked(usize::from(head) + 1)?;
            out.extend_from_slice(literals);
            bytes = rest;
        } else {
            let mut count = usize::from(head >> 5) + 2;
            if head >> 5 == 7 {
                let (&more, rest) = bytes.split_first()?;
                count += usize::from(more);
                bytes = rest;
            }
            let (&low, rest) = bytes.split_first()?;
            bytes = rest;
            let offset = usize::from(head & 0x1f) << 8 | usize::from(low);
            let from = out.len().checked_sub(offset + 1)?;
            if out.len() + count > len {
                return None;
            }
            for at in from..from + count {
                out.push(out[at]);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{compress, decompress};

    #[test]
    fn what_is_compressed_comes_back() {
        let mut state = 1_u64;
        for len in (1..300).chain([5_000, 70_000]) {
            for variety in [1, 2, 5, 60] {
                let bytes: Vec<u8> = (0..len)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
                        (state >> 40) as u8 % variety
                    })
                    .collect();
                let Some(compressed) = compress(&bytes, len) else {
                    continue;
                };
                assert!(compressed.len() <= len);
                assert_eq!(decompress(&compressed, len), Some(bytes));
                assert_eq!(decompress(&compressed, len + 1), None);
                assert_eq!(decompress(&compressed, len - 1), None);
            }
        }
    }

    #[test]
    fn what_is_not_compressed_is_refused() {
        assert_eq!(decompress(b"", 0), Some(Vec::new()));
        assert_eq!(decompress(b"\x00", 1), None);
        assert_eq!(decompress(b"\x20\x00", 3), None);
        assert_eq!(decompress(b"\x00a\x20\x01", 4), None);
        assert_eq!(decompress(b"\x00a\xe0", 4), None);
        assert_eq!(decompress(b"\x00a\x20\x00", usize::MAX), None);
        assert_eq!(decompress(b"\x00a\x20\x00", 4), Some(b"aaaa".to_vec()));
    }
}
