//! Bits of byte strings: counting them, finding them, and integers of any width among them. Bit 0 is the highest of
//! the first byte, as Redis numbers them.

use std::ops::Range;

/// The bytes of the words that are counted together.
const BLOCK_BYTES: usize = 64;

/// The bit at a place; 0 behind the end.
pub fn bit(bytes: &[u8], at: usize) -> bool {
    let byte = bytes.get(at / 8).copied().unwrap_or(0);
    byte & mask(at) != 0
}

/// Sets the bit at a place, which must be there.
pub fn set_bit(bytes: &mut [u8], at: usize, is_set: bool) {
    let byte = &mut bytes[at / 8];
    if is_set {
        *byte |= mask(at);
    } else {
        *byte &= !mask(at);
    }
}

fn mask(at: usize) -> u8 {
    0x80 >> (at % 8)
}

/// The bits that are set in a range of bits, which must be there.
pub fn count(bytes: &[u8], range: Range<usize>) -> u64 {
    let Some((first, whole, last)) = split(bytes, range) else {
        return 0;
    };
    u64::from(first.count_ones()) + count_all(whole) + u64::from(last.count_ones())
}

/// The whole bytes of a range of bits, and what lies in the range of the bytes before and behind them; nothing when the
/// range is empty.
fn split(bytes: &[u8], range: Range<usize>) -> Option<(u8, &[u8], u8)> {
    if range.is_empty() {
        return None;
    }
    let (first, last) = (range.start / 8, (range.end - 1) / 8);
    let from_start = 0xff_u8 >> (range.start % 8);
    let to_end = 0xff_u8 << (7 - (range.end - 1) % 8);
    if first == last {
        return Some((bytes[first] & from_start & to_end, &[], 0));
    }
    let whole = &bytes[first + 1..last];
    Some((bytes[first] & from_start, whole, bytes[last] & to_end))
}

/// Carry-save addition of three words, bit by bit: the sums and the carries.
fn add(a: u64, b: u64, c: u64) -> (u64, u64) {
    let both = a ^ b;
    (both ^ c, a & b | both & c)
}

/// The bits that are set. Eight words become one that counts eightfold, so that few of them have to be counted out
/// (Harley and Seal's method, as in "Faster Population Counts Using AVX2 Instructions", <https://arxiv.org/abs/1611.07612>).
fn count_all(bytes: &[u8]) -> u64 {
    let mut blocks = bytes.chunks_exact(BLOCK_BYTES);
    let (mut ones, mut twos, mut fours, mut eights_count) = (0, 0, 0, 0);
    for block in &mut blocks {
        let mut words = [0; BLOCK_BYTES / 8];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        let (sum, twos_a) = add(ones, words[0], words[1]);
        let (sum, twos_b) = add(sum, words[2], words[3]);
        let (twos_sum, fours_a) = add(twos, twos_a, twos_b);
        let (sum, twos_a) = add(sum, words[4], words[5]);
        let (sum, twos_b) = add(sum, words[6], words[7]);
        let (twos_sum, fours_b) = add(twos_sum, twos_a, twos_b);
        let (fours_sum, eights) = add(fours, fours_a, fours_b);
        (ones, twos, fours) = (sum, twos_sum, fours_sum);
        eights_count += u64::from(eights.count_ones());
    }
    let rest = blocks.remainder().iter();
    let rest: u64 = rest.map(|byte| u64::from(byte.count_ones())).sum();
    let [ones, twos, fours] = [ones, twos, fours].map(|word: u64| u64::from(word.count_ones()));
    8 * eights_count + 4 * fours + 2 * twos + ones + rest
}

/// The first bit of a range that is `wanted`. The range must be there.
pub fn find(bytes: &[u8], range: Range<usize>, wanted: bool) -> Option<usize> {
    let (first, whole, last) = split(bytes, range.clone())?;
    // What is looked for becomes a set bit; what is outside of the range stays clear.
    let flipped = if wanted { 0 } else { 0xff };
    let from_start = 0xff_u8 >> (range.start % 8);
    let to_end = 0xff_u8 << (7 - (range.end - 1) % 8);
    let (first_byte, last_byte) = (range.start / 8, (range.end - 1) / 8);
    let within_first = match first_byte == last_byte {
        true => from_start & to_end,
        false => from_start,
    };
    let place = |byte_at: usize, byte: u8| byte_at * 8 + byte.leading_zeros() as usize;
    let found = (first ^ flipped) & within_first;
    if found != 0 {
        return Some(place(first_byte, found));
    }
    if let Some(at) = first_other(whole, flipped) {
        return Some(place(first_byte + 1 + at, whole[at] ^ flipped));
    }
    let found = (last ^ flipped) & to_end;
    (first_byte != last_byte && found != 0).then(|| place(last_byte, found))
}

/// The place of the first byte that is not this one, 64 of which are looked at together.
fn first_other(bytes: &[u8], same: u8) -> Option<usize> {
    let is_same = |block: &&[u8]| block.iter().fold(0, |any, byte| any | (byte ^ same)) == 0;
    let blocks = bytes.chunks_exact(BLOCK_BYTES).take_while(is_same).count();
    let rest = &bytes[blocks * BLOCK_BYTES..];
    let at = rest.iter().position(|byte| *byte != same)?;
    Some(blocks * BLOCK_BYTES + at)
}

/// Where the first bit and the width of a field put it among the bytes: the first of them, and how many bits of 16 bytes
/// come behind the field.
fn place_of(at: usize, width: u32) -> (usize, u32) {
    (at / 8, 128 - (at % 8) as u32 - width)
}

/// The unsigned integer of up to 64 bits at a place; what is behind the end is 0.
pub fn field(bytes: &[u8], at: usize, width: u32) -> u64 {
    let (first, below) = place_of(at, width);
    let there = bytes.get(first..).unwrap_or(&[]);
    let there = &there[..there.len().min(9)];
    let mut window = [0; 16];
    window[..there.len()].copy_from_slice(there);
    let mask = u64::MAX >> (64 - width);
    (u128::from_be_bytes(window) >> below) as u64 & mask
}

/// Writes the lower bits of an integer to a place, which must be there.
pub fn set_field(bytes: &mut [u8], at: usize, width: u32, value: u64) {
    let (first, below) = place_of(at, width);
    let end = (at + width as usize).div_ceil(8);
    let there = &mut bytes[first..end];
    let mut window = [0; 16];
    window[..there.len()].copy_from_slice(there);
    let mask = u128::from(u64::MAX >> (64 - width)) << below;
    let value = u128::from(value) << below & mask;
    let window = (u128::from_be_bytes(window) & !mask | value).to_be_bytes();
    there.copy_from_slice(&window[..there.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            match state % 5 {
                0 => 0,
                1 => 0xff,
                _ => (state >> 20) as u8,
            }
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn counting_and_finding_agree_with_looking_at_every_bit() {
        for len in [0, 1, 2, 7, 8, 9, 63, 64, 65, 66, 130, 200, 1025] {
            for seed in 1..4 {
                let mut bytes = sample(len, seed * 77);
                if seed == 3 {
                    // Long runs.
                    let end = bytes.len().saturating_sub(3);
                    bytes[..end].fill(0xff);
                }
                let bits: Vec<bool> = (0..len * 8).map(|at| bit(&bytes, at)).collect();
                let step = 1 + len / 9;
                for start in (0..=len * 8).step_by(step) {
                    for end in (start..=len * 8).step_by(step) {
                        let range = start..end;
                        let ones = bits[range.clone()].iter().filter(|bit| **bit).count();
                        assert_eq!(count(&bytes, range.clone()), ones as u64, "{range:?}");
                        for wanted in [false, true] {
                            let mut expected = range.clone();
                            let expected = expected.find(|at| bits[*at] == wanted);
                            assert_eq!(find(&bytes, range.clone(), wanted), expected);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn fields_are_the_bits_that_they_cover() {
        let bytes = sample(24, 5);
        for width in 1..=64 {
            for at in 0..200 {
                let bits = (at..at + width as usize).map(|at| u64::from(bit(&bytes, at)));
                let expected = bits.fold(0, |value, bit| value << 1 | bit);
                assert_eq!(field(&bytes, at, width), expected, "{width} bits at {at}");
                if at + width as usize > 24 * 8 {
                    continue;
                }
                let mut changed = bytes.clone();
                set_field(&mut changed, at, width, !expected);
                for other in 0..24 * 8 {
                    let is_within = (at..at + width as usize).contains(&other);
                    assert_eq!(bit(&changed, other), bit(&bytes, other) ^ is_within);
                }
            }
        }
    }
}
