//! Natural numbers of any size, with the few operations that exact conversions need.

use std::cmp::Ordering;

const DECIMAL_CHUNK: u32 = 1_000_000_000;
const DECIMAL_CHUNK_DIGITS: usize = 9;

/// A natural number: 32 bits a limb, lowest first, the last one not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Big {
    limbs: Vec<u32>,
}

impl Big {
    pub(crate) fn from_u64(value: u64) -> Self {
        let mut big = Self {
            limbs: vec![value as u32, (value >> 32) as u32],
        };
        big.trim();
        big
    }

    /// Reads the values of decimal digits.
    pub(crate) fn from_decimal_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut big = Self { limbs: Vec::new() };
        let (mut chunk, mut scale) = (0, 1);
        for digit in digits {
            chunk = chunk * 10 + u32::from(digit);
            scale *= 10;
            if scale == DECIMAL_CHUNK {
                big.multiply_add(scale, chunk);
                (chunk, scale) = (0, 1);
            }
        }
        big.multiply_add(scale, chunk);
        big
    }

    pub(crate) fn multiply_power_of_ten(&mut self, mut exponent: u32) {
        while exponent >= DECIMAL_CHUNK_DIGITS as u32 {
            self.multiply_add(DECIMAL_CHUNK, 0);
            exponent -= DECIMAL_CHUNK_DIGITS as u32;
        }
        self.multiply_add(10_u32.pow(exponent), 0);
    }

    pub(crate) fn shift_left(&mut self, bits: u32) {
        let (limbs, bits) = ((bits / 32) as usize, bits % 32);
        if bits > 0 {
            let mut carry = 0;
            for limb in &mut self.limbs {
                let shifted = u64::from(*limb) << bits | carry;
                *limb = shifted as u32;
                carry = shifted >> 32;
            }
            self.limbs.push(carry as u32);
            self.trim();
        }
        if !self.limbs.is_empty() {
            self.limbs.splice(0..0, std::iter::repeat_n(0, limbs));
        }
    }

    pub(crate) fn bits(&self) -> u32 {
        match self.limbs.last() {
            Some(last) => self.limbs.len() as u32 * 32 - last.leading_zeros(),
            None => 0,
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The highest 128 bits, the number of bits below them, and whether any of those is set.
    pub(crate) fn top(&self) -> (u128, u32, bool) {
        let below = self.bits().saturating_sub(128);
        let (limbs, bits) = ((below / 32) as usize, below % 32);
        let mut top = 0_u128;
        for (index, limb) in self.limbs[limbs..].iter().enumerate() {
            let limb = u128::from(*limb);
            match index {
                0 => top |= limb >> bits,
                _ => top |= limb << (32 * index as u32 - bits),
            }
        }
        let lost = self.limbs[..limbs].iter().any(|limb| *limb != 0)
            || self
                .limbs
                .get(limbs)
                .is_some_and(|limb| limb & ((1 << bits) - 1) != 0);
        (top, below, lost)
    }

    /// `self / divisor` to `count` bits after an integer part that is 0 or 1, and whether there is a
    /// remainder. Both numbers must have the same number of bits.
    pub(crate) fn divide_bits(mut self, divisor: &Self, count: u32) -> (u128, bool) {
        debug_assert_eq!(self.bits(), divisor.bits());
        let mut quotient = 0;
        for step in 0..=count {
            if step > 0 {
                self.shift_left(1);
            }
            quotient <<= 1;
            if self.compare(divisor) != Ordering::Less {
                self.subtract(divisor);
                quotient |= 1;
            }
        }
        (quotient, !self.is_zero())
    }

    pub(crate) fn into_decimal(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.is_zero() {
            chunks.push(self.divide_small(DECIMAL_CHUNK));
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:09}"));
        }
        text
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_limbs = || self.limbs.iter().rev().cmp(other.limbs.iter().rev());
        self.limbs.len().cmp(&other.limbs.len()).then_with(by_limbs)
    }

    /// `other` must not be the larger one.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let (value, first) = limb.overflowing_sub(other.limbs.get(index).copied().unwrap_or(0));
            let (value, second) = value.overflowing_sub(u32::from(borrow));
            *limb = value;
            borrow = first || second;
        }
        self.trim();
    }

    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.limbs {
            let value = u64::from(*limb) * u64::from(factor) + carry;
            *limb = value as u32;
            carry = value >> 32;
        }
        self.limbs.push(carry as u32);
        self.trim();
    }

    /// Divides, and gives the remainder.
    fn divide_small(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0;
        for limb in self.limbs.iter_mut().rev() {
            let value = remainder << 32 | u64::from(*limb);
            *limb = (value / u64::from(divisor)) as u32;
            remainder = value % u64::from(divisor);
        }
        self.trim();
        remainder as u32
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }
}
