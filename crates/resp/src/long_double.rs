//! The x87 extended format in software, for INCRBYFLOAT and HINCRBYFLOAT.
//!
//! Redis adds `long double`s, which on x86-64 have a 64-bit mantissa, and prints them with 17 digits
//! after the point. Clients see the difference to a double: 3.0 + 1.1 is 4.1 and not
//! 4.09999999999999964.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::ops::Neg;

use crate::big::Big;
use crate::double::hexadecimal;
use crate::float_text::{Digits, FloatText, Magnitude};
use crate::rounding::{Exact, LONG_DOUBLE, Rounded};

/// The longest text that is read as a number, as in Redis.
pub const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

const FRACTION_DIGITS: u32 = 17;

/// A number in the x87 extended format. There is no not-a-number: parsing refuses it and
/// [`increment`] refuses what would make one.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble {
    negative: bool,
    magnitude: Rounded,
}

/// Why [`increment`] has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncrementError {
    /// The value or the increment is no number.
    NotAFloat,
    /// The sum would be infinite or not a number.
    NotFinite,
}

impl IncrementError {
    /// Redis's error line, without the leading `-`.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotAFloat => "ERR value is not a valid float",
            Self::NotFinite => "ERR increment would produce NaN or Infinity",
        }
    }
}

impl fmt::Display for IncrementError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.message())
    }
}

impl Error for IncrementError {}

/// `value + increment` as Redis computes and prints it.
///
/// # Errors
/// When one of the texts is no number, or the sum is not finite.
pub fn increment(value: &[u8], increment: &[u8]) -> Result<String, IncrementError> {
    let value = LongDouble::parse(value).ok_or(IncrementError::NotAFloat)?;
    let increment = LongDouble::parse(increment).ok_or(IncrementError::NotAFloat)?;
    let sum = value
        .checked_add(increment)
        .ok_or(IncrementError::NotFinite)?;
    Ok(sum.to_string())
}

impl LongDouble {
    /// Zero, which is what a missing value counts as.
    pub const ZERO: Self = Self {
        negative: false,
        magnitude: Rounded::Finite {
            mantissa: 0,
            exponent: LONG_DOUBLE.exponent_min,
        },
    };

    /// One.
    pub const ONE: Self = Self {
        negative: false,
        magnitude: Rounded::Finite {
            mantissa: 1 << 63,
            exponent: -63,
        },
    };

    /// The largest finite number.
    pub const MAX: Self = Self {
        negative: false,
        magnitude: Rounded::Finite {
            mantissa: u64::MAX,
            exponent: LONG_DOUBLE.exponent_end - 64,
        },
    };

    /// The smallest finite number, that is the negative of the largest.
    pub const MIN: Self = Self {
        negative: true,
        magnitude: Self::MAX.magnitude,
    };

    /// Reads a number by Redis's rules: whatever C's `strtold` takes, hexadecimal and "inf" included,
    /// but all of the text, without spaces before it, at most [`TEXT_BYTES_MAX`] long, and neither
    /// "nan" nor what overflows or vanishes.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let FloatText {
            negative,
            magnitude,
        } = FloatText::parse(text)?;
        let (exact, digits) = match magnitude {
            Magnitude::Infinity => {
                return Some(Self {
                    negative,
                    magnitude: Rounded::Infinite,
                });
            }
            Magnitude::Decimal(digits) => (decimal(digits), digits),
            Magnitude::Hexadecimal(digits) => (hexadecimal(digits), digits),
        };
        match exact.round(LONG_DOUBLE) {
            Rounded::Infinite => None,
            Rounded::Finite { mantissa: 0, .. } if !digits.is_zero() => None,
            magnitude => Some(Self {
                negative,
                magnitude,
            }),
        }
    }

    /// Whether the number is not an infinity.
    #[must_use]
    pub const fn is_finite(self) -> bool {
        matches!(self.magnitude, Rounded::Finite { .. })
    }

    /// Something that is ordered as the numbers are. A larger exponent is a larger number, since mantissas are
    /// normalized.
    const fn order(self) -> (i128, i128) {
        let (exponent, mantissa) = match self.magnitude {
            Rounded::Finite { mantissa: 0, .. } => (0, 0),
            Rounded::Finite { mantissa, exponent } => {
                let above_zero = exponent as i128 - LONG_DOUBLE.exponent_min as i128 + 1;
                (above_zero, mantissa as i128)
            }
            Rounded::Infinite => (i128::MAX, 0),
        };
        if self.negative {
            (-exponent, -mantissa)
        } else {
            (exponent, mantissa)
        }
    }

    /// The sum, rounded to nearest; `None` when it is not finite.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (
            Rounded::Finite {
                mantissa: a,
                exponent: ea,
            },
            Rounded::Finite {
                mantissa: b,
                exponent: eb,
            },
        ) = (self.magnitude, other.magnitude)
        else {
            return None;
        };
        let (large, small) = if ea >= eb {
            (self.negative, other.negative)
        } else {
            (other.negative, self.negative)
        };
        let (a, ea, b, eb) = if ea >= eb {
            (a, ea, b, eb)
        } else {
            (b, eb, a, ea)
        };
        // 63 bits below the larger number: more than one bit never cancels once any is cut off.
        let a = u128::from(a) << 63;
        let exponent = ea - 63;
        let shift = (ea - eb) as u32;
        let wide = u128::from(b) << 63;
        let b = wide.checked_shr(shift).unwrap_or(0);
        let more = if shift < 128 {
            b << shift != wide
        } else {
            wide != 0
        };
        let (negative, mantissa) = if large == small {
            (large, a + b)
        } else if a >= b {
            // What was cut off is taken away too.
            (large, a - b - u128::from(more))
        } else {
            (small, b - a)
        };
        // Equal numbers cancel to the positive zero.
        let negative = negative && (mantissa != 0 || large == small);
        let magnitude = Exact {
            mantissa,
            exponent,
            more,
        }
        .round(LONG_DOUBLE);
        matches!(magnitude, Rounded::Finite { .. }).then_some(Self {
            negative,
            magnitude,
        })
    }
}

impl Neg for LongDouble {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            negative: !self.negative,
            magnitude: self.magnitude,
        }
    }
}

/// By value: the two zeros are equal.
impl Ord for LongDouble {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for LongDouble {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LongDouble {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for LongDouble {}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        let mantissa = u128::from(value.unsigned_abs());
        Self {
            negative: value < 0,
            magnitude: Exact {
                mantissa,
                exponent: 0,
                more: false,
            }
            .round(LONG_DOUBLE),
        }
    }
}

/// As C's `%.17Lf`, without trailing zeros, and without the sign of a zero.
impl fmt::Display for LongDouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let Rounded::Finite { mantissa, exponent } = self.magnitude else {
            return write!(formatter, "{sign}inf");
        };
        if exponent >= 0 {
            let mut whole = Big::from_u64(mantissa);
            whole.shift_left(exponent as u32);
            return write!(formatter, "{sign}{}", whole.into_decimal());
        }
        let one = 10_u128.pow(FRACTION_DIGITS);
        let scaled = shift_right_to_even(u128::from(mantissa) * one, -exponent as u32);
        let (whole, fraction) = (scaled / one, scaled % one);
        match (whole, fraction) {
            (0, 0) => formatter.write_str("0"),
            (_, 0) => write!(formatter, "{sign}{whole}"),
            (_, _) => {
                let digits = format!("{fraction:017}");
                write!(formatter, "{sign}{whole}.{}", digits.trim_end_matches('0'))
            }
        }
    }
}

fn shift_right_to_even(value: u128, bits: u32) -> u128 {
    if bits >= 128 {
        // The value has at most 121 bits: less than half.
        return 0;
    }
    let kept = value >> bits;
    let half = 1_u128 << (bits - 1);
    let below = value & ((half << 1) - 1);
    kept + u128::from(below > half || below == half && kept & 1 == 1)
}

/// The value of decimal digits, as far as the format can tell.
fn decimal(digits: Digits<'_>) -> Exact {
    // The decimal exponents beyond which everything overflows or vanishes.
    const LEADING_MAX: i64 = 4_940;
    const LEADING_MIN: i64 = -4_960;
    let zero = Exact {
        mantissa: 0,
        exponent: 0,
        more: false,
    };
    let count = digits.significant().count();
    if count == 0 {
        return zero;
    }
    let exponent = digits.exponent - digits.fraction.len() as i64;
    let leading = exponent + count as i64;
    if leading > LEADING_MAX {
        return Exact {
            mantissa: 1,
            exponent: LONG_DOUBLE.exponent_end,
            more: false,
        };
    }
    if leading < LEADING_MIN {
        return zero;
    }
    let exponent = exponent as i32;
    if count <= 19 && (-18..=19).contains(&exponent) {
        let value = digits
            .significant()
            .fold(0, |sum: u64, digit| sum * 10 + u64::from(digit));
        return decimal_small(value, exponent);
    }
    let mut value = Big::from_decimal_digits(digits.significant());
    if exponent >= 0 {
        value.multiply_power_of_ten(exponent as u32);
        let (mantissa, exponent, more) = value.top();
        return Exact {
            mantissa,
            exponent: exponent as i32,
            more,
        };
    }
    let mut divisor = Big::from_u64(1);
    divisor.multiply_power_of_ten(exponent.unsigned_abs());
    quotient(value, divisor)
}

/// `value * 10^exponent` for exponents from -18 to 19; the value must not be 0.
fn decimal_small(value: u64, exponent: i32) -> Exact {
    let power = u128::from(10_u64.pow(exponent.unsigned_abs()));
    if exponent >= 0 {
        return Exact {
            mantissa: u128::from(value) * power,
            exponent: 0,
            more: false,
        };
    }
    let shift = 64 + value.leading_zeros();
    let dividend = u128::from(value) << shift;
    Exact {
        mantissa: dividend / power,
        exponent: -(shift as i32),
        more: !dividend.is_multiple_of(power),
    }
}

fn quotient(mut dividend: Big, mut divisor: Big) -> Exact {
    const BITS: u32 = LONG_DOUBLE.precision + 4;
    let (dividend_bits, divisor_bits) = (dividend.bits(), divisor.bits());
    dividend.shift_left(divisor_bits.saturating_sub(dividend_bits));
    divisor.shift_left(dividend_bits.saturating_sub(divisor_bits));
    let (mantissa, more) = dividend.divide_bits(&divisor, BITS);
    let exponent = dividend_bits as i32 - divisor_bits as i32 - BITS as i32;
    Exact {
        mantissa,
        exponent,
        more,
    }
}
