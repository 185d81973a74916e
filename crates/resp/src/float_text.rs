//! The texts that C's `strtod` and `strtold` take for a floating point number, all of the text and
//! without white space before it, as Redis demands.

/// A text that has the form of a number. Its value may still be out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FloatText<'a> {
    pub negative: bool,
    pub magnitude: Magnitude<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Magnitude<'a> {
    Infinity,
    /// The digits without their point, times ten to the power of the exponent.
    Decimal(Digits<'a>),
    /// The digits without their point, times two to the power of the exponent.
    Hexadecimal(Digits<'a>),
}

/// The digits before and after the point. At least one of them is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits<'a> {
    pub whole: &'a [u8],
    pub fraction: &'a [u8],
    /// As written after `e` or `p`; far values are clamped, but stay out of every range.
    pub exponent: i64,
}

/// Clamps exponents where they overflow any format, however many digits there are.
const EXPONENT_MAX: i64 = 1 << 40;

impl<'a> FloatText<'a> {
    /// `None` for anything but a number; "nan" is none.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let magnitude =
            if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
                Magnitude::Infinity
            } else if let [b'0', b'x' | b'X', digits @ ..] = text {
                Magnitude::Hexadecimal(Digits::parse(digits, u8::is_ascii_hexdigit, b'p')?)
            } else {
                Magnitude::Decimal(Digits::parse(text, u8::is_ascii_digit, b'e')?)
            };
        Some(Self {
            negative,
            magnitude,
        })
    }
}

impl<'a> Digits<'a> {
    fn parse(text: &'a [u8], is_digit: fn(&u8) -> bool, exponent_letter: u8) -> Option<Self> {
        let (whole, rest) = split_digits(text, is_digit);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest, is_digit),
            rest => (Default::default(), rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [letter, exponent @ ..] if letter.to_ascii_lowercase() == exponent_letter => {
                parse_exponent(exponent)?
            }
            _ => return None,
        };
        Some(Self {
            whole,
            fraction,
            exponent,
        })
    }

    /// The digits' values, without leading zeros.
    pub(crate) fn significant(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        self.whole
            .iter()
            .chain(self.fraction)
            .map(|digit| match digit {
                b'0'..=b'9' => digit - b'0',
                _ => (digit | 0x20) - b'a' + 10,
            })
            .skip_while(|digit| *digit == 0)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.significant().next().is_none()
    }
}

fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| is_digit(byte)).count())
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent = digits.iter().fold(0, |sum: i64, digit| {
        (sum * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX)
    });
    Some(if negative { -exponent } else { exponent })
}
