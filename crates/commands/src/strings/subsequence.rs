//! The longest common subsequence of two strings, 64 cells of its table at a time.
//!
//! Row i of the classic table L holds, in column j, the length for the first i bytes of `a` and the first j bytes of
//! `b`. Neighbours in a row differ by 0 or 1, so a row is a bit for each column, and the next one takes an addition
//! (Crochemore, Iliopoulos, Pinzon, Reid: A fast and practical bit-vector algorithm for the longest common subsequence
//! problem, 2001). A bit is 0 where L grows. That is also all that Redis's way back through the table asks for.

/// A stretch of bytes that are the same in both strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where it begins in the first string.
    pub a: usize,
    /// Where it begins in the second string.
    pub b: usize,
    /// Its bytes.
    pub len: usize,
}

/// The length of the longest common subsequence.
pub fn length(a: &[u8], b: &[u8]) -> usize {
    let masks = Masks::new(a, b);
    let mut row = vec![u64::MAX; masks.words];
    for byte in a {
        advance(&mut row, masks.of(*byte));
    }
    row.iter().map(|word| word.count_zeros() as usize).sum()
}

/// The longest common subsequence, as its matches from the last to the first. Of several that are as long, the one
/// that Redis finds.
pub fn matches(a: &[u8], b: &[u8]) -> Vec<Match> {
    let table = Table::new(a, b);
    let mut matches: Vec<Match> = Vec::new();
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            match matches.last_mut() {
                Some(last) if last.a == i && last.b == j => {
                    last.a -= 1;
                    last.b -= 1;
                    last.len += 1;
                }
                _ => matches.push(Match {
                    a: i - 1,
                    b: j - 1,
                    len: 1,
                }),
            }
            i -= 1;
            j -= 1;
        } else if table.grows_at(i, j) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    matches
}

/// Every row of the table but the first, which is all zeros.
struct Table {
    bits: Vec<u8>,
    row_bytes: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let masks = Masks::new(a, b);
        let row_bytes = b.len().div_ceil(8);
        let mut bits = Vec::with_capacity(a.len() * row_bytes + size_of::<u64>());
        let mut row = vec![u64::MAX; masks.words];
        for byte in a {
            advance(&mut row, masks.of(*byte));
            let end = bits.len() + row_bytes;
            for word in &row {
                bits.extend_from_slice(&word.to_le_bytes());
            }
            bits.truncate(end);
        }
        Self { bits, row_bytes }
    }

    /// Whether the length in row i grows from column j - 1 to column j. Where the bytes differ, the length then comes
    /// from the row above.
    fn grows_at(&self, i: usize, j: usize) -> bool {
        let byte = self.bits[(i - 1) * self.row_bytes + (j - 1) / 8];
        byte >> ((j - 1) % 8) & 1 == 0
    }
}

/// For each byte value of the first string, a bit for each place of the second that has it.
struct Masks {
    bits: Vec<u64>,
    /// Where the mask of a byte value begins in `bits`; those that are not needed share an empty one.
    starts: [usize; 256],
    words: usize,
}

impl Masks {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let words = b.len().div_ceil(64);
        let mut bits = vec![0; words];
        let mut starts = [0; 256];
        for byte in a {
            let start = &mut starts[usize::from(*byte)];
            if *start == 0 {
                *start = bits.len();
                bits.resize(bits.len() + words, 0);
            }
        }
        for (at, byte) in b.iter().enumerate() {
            let start = starts[usize::from(*byte)];
            if start != 0 {
                bits[start + at / 64] |= 1 << (at % 64);
            }
        }
        Self {
            bits,
            starts,
            words,
        }
    }

    fn of(&self, byte: u8) -> &[u64] {
        let start = self.starts[usize::from(byte)];
        &self.bits[start..start + self.words]
    }
}

/// From one row to the next, whose byte has this mask.
fn advance(row: &mut [u64], mask: &[u64]) {
    let mut carry = false;
    for (word, mask) in row.iter_mut().zip(mask) {
        let (sum, overflow) = word.overflowing_add(*word & mask);
        let (sum, overflow_of_carry) = sum.overflowing_add(u64::from(carry));
        carry = overflow || overflow_of_carry;
        *word = sum | *word & !mask;
    }
}

#[cfg(test)]
mod tests {
    use super::{Match, length, matches};
    use proptest::prelude::{ProptestConfig, prop, proptest};

    /// Redis's algorithm, as plainly as it can be written.
    fn model(a: &[u8], b: &[u8]) -> (usize, Vec<Match>) {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let mut matches: Vec<Match> = Vec::new();
        let (mut i, mut j, mut is_open) = (a.len(), b.len(), false);
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                i -= 1;
                j -= 1;
                if is_open {
                    let last = matches.last_mut().expect("it is open");
                    (last.a, last.b, last.len) = (i, j, last.len + 1);
                } else {
                    matches.push(Match { a: i, b: j, len: 1 });
                    is_open = true;
                }
            } else {
                is_open = false;
                if table[i - 1][j] > table[i][j - 1] {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
        }
        (table[a.len()][b.len()], matches)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn it_finds_what_redis_finds(
            a in prop::collection::vec(b'a'..b'e', 0..200),
            b in prop::collection::vec(b'a'..b'f', 0..200),
        ) {
            let (expected_length, expected_matches) = model(&a, &b);
            assert_eq!(length(&a, &b), expected_length);
            assert_eq!(length(&b, &a), expected_length);
            assert_eq!(matches(&a, &b), expected_matches);
        }
    }

    #[test]
    fn edges_of_words_and_bytes() {
        for len in [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129] {
            let text: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert_eq!(length(&text, &text), len);
            let whole = Match { a: 0, b: 0, len };
            let expected: Vec<Match> = (len > 0).then_some(whole).into_iter().collect();
            assert_eq!(matches(&text, &text), expected);
            assert_eq!(matches(&text, &[0xff; 70]), []);
            assert_eq!(matches(&[0xff; 70], &text), []);
        }
    }
}
