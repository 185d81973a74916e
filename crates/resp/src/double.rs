//! Doubles as Redis reads and prints them.

use std::fmt::{self, Write};
use std::ops::Deref;

use crate::float_text::{Digits, FloatText, Magnitude};
use crate::grisu;
use crate::number::parse_integer;
use crate::rounding::{DOUBLE, Exact, Rounded};

/// Reads a double by Redis's rules: whatever C's `strtod` takes, hexadecimal and "inf" included, but
/// all of the text, without spaces before it, and neither "nan" nor what overflows or vanishes.
#[must_use]
pub fn parse_double(text: &[u8]) -> Option<f64> {
    // Short integers are the common scores, and exact.
    if text.len() <= 15
        && let Some(integer) = parse_integer(text)
    {
        return Some(integer as f64);
    }
    let FloatText {
        negative,
        magnitude,
    } = FloatText::parse(text)?;
    let value = match magnitude {
        Magnitude::Infinity => f64::INFINITY,
        Magnitude::Decimal(digits) => {
            let unsigned = text.strip_prefix(b"-").unwrap_or(text);
            let value = str::from_utf8(unsigned).ok()?.parse::<f64>().ok()?;
            in_range(value, digits)?
        }
        Magnitude::Hexadecimal(digits) => match hexadecimal(digits).round(DOUBLE) {
            Rounded::Finite { mantissa, exponent } => in_range(scale(mantissa, exponent), digits)?,
            Rounded::Infinite => return None,
        },
    };
    Some(if negative { -value } else { value })
}

/// Reads a double as C's `strtod` does where Redis takes its result as it is: white space may come before it, nothing at
/// all is 0, a zero byte ends it, and what is out of range is infinite or 0. Still all of the text, and not "nan".
#[must_use]
pub fn parse_double_leniently(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = &text[text.iter().take_while(|byte| is_space(byte)).count()..];
    if let Some(value) = parse_double(text) {
        return Some(value);
    }
    let number = FloatText::parse(text)?;
    let unsigned = match number.magnitude {
        Magnitude::Infinity => f64::INFINITY,
        Magnitude::Decimal(_) => {
            let unsigned = text.strip_prefix(b"-").unwrap_or(text);
            str::from_utf8(unsigned).ok()?.parse::<f64>().ok()?
        }
        Magnitude::Hexadecimal(digits) => match hexadecimal(digits).round(DOUBLE) {
            Rounded::Finite { mantissa, exponent } => scale(mantissa, exponent),
            Rounded::Infinite => f64::INFINITY,
        },
    };
    Some(if number.negative { -unsigned } else { unsigned })
}

fn in_range(value: f64, digits: Digits<'_>) -> Option<f64> {
    (value.is_finite() && (value != 0.0 || digits.is_zero())).then_some(value)
}

/// `mantissa * 2^exponent`, which is a double.
fn scale(mantissa: u64, exponent: i32) -> f64 {
    let fraction_bits = DOUBLE.precision - 1;
    if mantissa >> fraction_bits == 0 {
        return f64::from_bits(mantissa);
    }
    let biased = (exponent - DOUBLE.exponent_min + 1) as u64;
    f64::from_bits(biased << fraction_bits | mantissa & ((1 << fraction_bits) - 1))
}

/// The value of hexadecimal digits, as far as any format can tell.
pub(crate) fn hexadecimal(digits: Digits<'_>) -> Exact {
    let mut exact = Exact {
        mantissa: 0,
        exponent: 0,
        more: false,
    };
    let mut exponent = digits.exponent - 4 * digits.fraction.len() as i64;
    for digit in digits.significant() {
        if exact.mantissa >> 124 == 0 {
            exact.mantissa = exact.mantissa << 4 | u128::from(digit);
        } else {
            exact.more |= digit != 0;
            exponent += 4;
        }
    }
    exact.exponent = exponent.clamp(-1_000_000, 1_000_000) as i32;
    exact
}

/// A number's text, kept in place.
#[derive(Clone, Copy)]
pub struct DoubleText {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
}

impl DoubleText {
    const BYTES_MAX: usize = 32;

    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; Self::BYTES_MAX],
            len: 0,
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    pub(crate) fn push_zeros(&mut self, count: usize) {
        self.push(&b"00000000000000000000000"[..count]);
    }
}

impl Deref for DoubleText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for DoubleText {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for DoubleText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for DoubleText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

impl Write for DoubleText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if usize::from(self.len) + text.len() > Self::BYTES_MAX {
            return Err(fmt::Error);
        }
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The text of a double as Redis 7.2 and later and Valkey print it: the few digits that tell it from
/// its neighbours.
#[must_use]
pub fn format_double(value: f64) -> DoubleText {
    let mut text = DoubleText::new();
    if special(value, &mut text) {
        return text;
    }
    // Integers in the range that Redis takes for safe.
    let limit = (1_i64 << 62) as f64;
    if (-limit..=limit).contains(&value) && value.fract() == 0.0 {
        text.push(itoa::Buffer::new().format(value as i64).as_bytes());
        return text;
    }
    if value < 0.0 {
        text.push(b"-");
    }
    let (digits, exponent) = grisu::shortest(value.abs());
    write_digits(digits.as_bytes(), exponent, &mut text);
    text
}

/// The text of a double as Redis printed it before 7.2: C's `%.17g`.
#[must_use]
pub fn format_double_17(value: f64) -> DoubleText {
    let mut text = DoubleText::new();
    if special(value, &mut text) {
        return text;
    }
    let mut scientific = DoubleText::new();
    // 24 bytes at most: sign, 17 digits, point, `e-308`.
    let _ = write!(scientific, "{:.16e}", value.abs());
    let (mantissa, exponent) = scientific.as_str().split_once('e').unwrap_or_default();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mut digits = [b'0'; 17];
    digits[0] = mantissa.as_bytes()[0];
    digits[1..].copy_from_slice(&mantissa.as_bytes()[2..]);
    let count = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(1, |last| last + 1);
    let digits = &digits[..count];
    if value < 0.0 {
        text.push(b"-");
    }
    if (-4..17).contains(&exponent) {
        write_plain(digits, exponent, &mut text);
    } else {
        write_mantissa(digits, &mut text);
        let _ = write!(
            text,
            "e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        );
    }
    text
}

/// Not a number, the infinities, and the zeros, which have a sign.
fn special(value: f64, text: &mut DoubleText) -> bool {
    let word: &[u8] = if value.is_nan() {
        b"nan"
    } else if value.is_infinite() {
        if value > 0.0 { b"inf" } else { b"-inf" }
    } else if value == 0.0 {
        if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        }
    } else {
        return false;
    };
    text.push(word);
    true
}

/// Lays out `digits * 10^exponent` as the fpconv library does.
fn write_digits(digits: &[u8], exponent: i32, text: &mut DoubleText) {
    let count = digits.len() as i32;
    // The exponent of the first digit.
    let leading = exponent + count - 1;
    if exponent >= 0 && leading.abs() < count + 7 {
        text.push(digits);
        text.push_zeros(exponent as usize);
    } else if exponent < 0 && (exponent > -7 || leading.abs() < 4) {
        write_plain(digits, leading, text);
    } else {
        write_mantissa(digits, text);
        let sign = if leading < 0 { '-' } else { '+' };
        let _ = write!(text, "e{sign}{}", leading.abs());
    }
}

/// Without an exponent: the first digit stands for `10^leading`.
fn write_plain(digits: &[u8], leading: i32, text: &mut DoubleText) {
    if leading < 0 {
        text.push(b"0.");
        text.push_zeros((-leading - 1) as usize);
        text.push(digits);
        return;
    }
    let whole = leading as usize + 1;
    if digits.len() <= whole {
        text.push(digits);
        text.push_zeros(whole - digits.len());
    } else {
        text.push(&digits[..whole]);
        text.push(b".");
        text.push(&digits[whole..]);
    }
}

fn write_mantissa(digits: &[u8], text: &mut DoubleText) {
    text.push(&digits[..1]);
    if digits.len() > 1 {
        text.push(b".");
        text.push(&digits[1..]);
    }
}
