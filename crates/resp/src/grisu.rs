//! Doubles to few decimal digits, by the Grisu2 algorithm.
//!
//! Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", PLDI 2010.
//! Grisu2 always gives digits that read back as the same double, but once in about a thousand not
//! the fewest or the nearest. Redis 7.2 and later print with it (in the form of the fpconv library),
//! so a better algorithm would give other digits than they do.

use crate::double::DoubleText;

/// A number `fraction * 2^exponent`.
#[derive(Clone, Copy)]
struct Float {
    fraction: u64,
    exponent: i32,
}

/// The digits of a positive finite double, and the power of ten of the last one.
pub(crate) fn shortest(value: f64) -> (DoubleText, i32) {
    let (value, low, high) = boundaries(value);
    let (power, power_exponent) = power_of_ten(high.exponent);
    let value = value.multiply(power);
    let low = low.multiply(power).fraction + 1;
    let mut high = high.multiply(power);
    high.fraction -= 1;
    let window = Window {
        delta: high.fraction - low,
        distance: high.fraction - value.fraction,
    };
    let (digits, exponent) = generate(high, window);
    (digits, exponent - power_exponent)
}

/// How far below the highest number that still reads as the value one may go, and where the value is.
#[derive(Clone, Copy)]
struct Window {
    delta: u64,
    distance: u64,
}

/// The value and the midpoints to its neighbours, all with the exponent of the upper one.
fn boundaries(value: f64) -> (Float, Float, Float) {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const HIDDEN: u64 = 1 << FRACTION_BITS;
    let bits = value.to_bits();
    let stored = (bits >> FRACTION_BITS) as i32;
    let fraction = bits & (HIDDEN - 1);
    let value = match stored {
        0 => Float {
            fraction,
            exponent: -1074,
        },
        _ => Float {
            fraction: fraction | HIDDEN,
            exponent: stored - 1075,
        },
    };
    let high = Float {
        fraction: (value.fraction << 1) + 1,
        exponent: value.exponent - 1,
    }
    .normalized();
    // Below a power of two the neighbour is twice as near.
    let shift = if value.fraction == HIDDEN { 2 } else { 1 };
    let low = Float {
        fraction: (value.fraction << shift) - 1,
        exponent: value.exponent - shift,
    };
    (value.normalized(), low.with_exponent(high.exponent), high)
}

impl Float {
    fn normalized(self) -> Self {
        let shift = self.fraction.leading_zeros();
        Self {
            fraction: self.fraction << shift,
            exponent: self.exponent - shift as i32,
        }
    }

    fn with_exponent(self, exponent: i32) -> Self {
        Self {
            fraction: self.fraction << (self.exponent - exponent),
            exponent,
        }
    }

    fn multiply(self, other: Self) -> Self {
        let product = u128::from(self.fraction) * u128::from(other.fraction);
        let rounded = (product + (1 << 63)) >> 64;
        Self {
            fraction: rounded as u64,
            exponent: self.exponent + other.exponent + 64,
        }
    }
}

/// Cuts the digits of `high` as soon as what is left lies in the window.
fn generate(high: Float, window: Window) -> (DoubleText, i32) {
    let mut digits = Vec17::default();
    let point = -high.exponent as u32;
    let unit = 1_u64 << point;
    let mut whole = high.fraction >> point;
    let mut part = high.fraction & (unit - 1);
    for power in (0..10).rev() {
        let divisor = 10_u64.pow(power);
        digits.push((whole / divisor) as u8);
        whole %= divisor;
        let rest = (whole << point) + part;
        if rest <= window.delta {
            digits.approach(window, rest, divisor << point);
            return (digits.text(), power as i32);
        }
    }
    let Window {
        mut delta,
        mut distance,
    } = window;
    let mut power = 0;
    loop {
        part *= 10;
        delta *= 10;
        distance = distance.wrapping_mul(10);
        power -= 1;
        digits.push((part >> point) as u8);
        part &= unit - 1;
        if part < delta {
            digits.approach(Window { delta, distance }, part, unit);
            return (digits.text(), power);
        }
    }
}

/// The digits so far, without leading zeros.
#[derive(Default)]
struct Vec17 {
    digits: [u8; 18],
    len: usize,
}

impl Vec17 {
    fn push(&mut self, digit: u8) {
        if digit != 0 || self.len > 0 {
            self.digits[self.len] = b'0' + digit;
            self.len += 1;
        }
    }

    /// Lowers the last digit while that comes nearer to the value and stays in the window.
    fn approach(&mut self, Window { delta, distance }: Window, mut rest: u64, unit: u64) {
        while rest < distance
            && delta - rest >= unit
            && (rest + unit < distance || distance - rest > rest + unit - distance)
        {
            self.digits[self.len - 1] -= 1;
            rest += unit;
        }
    }

    fn text(&self) -> DoubleText {
        let mut text = DoubleText::new();
        text.push(&self.digits[..self.len]);
        text
    }
}

/// The power of ten that brings a number with this exponent into reach of [`generate`].
fn power_of_ten(exponent: i32) -> (Float, i32) {
    const REACH: std::ops::RangeInclusive<i32> = -60..=-32;
    let estimate = (-f64::from(exponent + POWERS.len() as i32) * std::f64::consts::LOG10_2) as i32;
    let mut index = ((estimate - POWERS_FIRST) / POWERS_STEP) as usize;
    loop {
        let (fraction, power_exponent) = POWERS[index];
        let product_exponent = exponent + power_exponent + 64;
        if product_exponent < *REACH.start() {
            index += 1;
        } else if product_exponent > *REACH.end() {
            index -= 1;
        } else {
            let power = Float {
                fraction,
                exponent: power_exponent,
            };
            return (power, POWERS_FIRST + index as i32 * POWERS_STEP);
        }
    }
}

const POWERS_FIRST: i32 = -348;
const POWERS_STEP: i32 = 8;

/// `10^-348`, `10^-340` and so on as `fraction * 2^exponent`, to nearest.
#[rustfmt::skip]
const POWERS: [(u64, i32); 87] = [
    (0xfa8fd5a0081c0288, -1220),
    (0xbaaee17fa23ebf76, -1193),
    (0x8b16fb203055ac76, -1166),
    (0xcf42894a5dce35ea, -1140),
    (0x9a6bb0aa55653b2d, -1113),
    (0xe61acf033d1a45df, -1087),
    (0xab70fe17c79ac6ca, -1060),
    (0xff77b1fcbebcdc4f, -1034),
    (0xbe5691ef416bd60c, -1007),
    (0x8dd01fad907ffc3c, -980),
    (0xd3515c2831559a83, -954),
    (0x9d71ac8fada6c9b5, -927),
    (0xea9c227723ee8bcb, -901),
    (0xaecc49914078536d, -874),
    (0x823c12795db6ce57, -847),
    (0xc21094364dfb5637, -821),
    (0x9096ea6f3848984f, -794),
    (0xd77485cb25823ac7, -768),
    (0xa086cfcd97bf97f4, -741),
    (0xef340a98172aace5, -715),
    (0xb23867fb2a35b28e, -688),
    (0x84c8d4dfd2c63f3b, -661),
    (0xc5dd44271ad3cdba, -635),
    (0x936b9fcebb25c996, -608),
    (0xdbac6c247d62a584, -582),
    (0xa3ab66580d5fdaf6, -555),
    (0xf3e2f893dec3f126, -529),
    (0xb5b5ada8aaff80b8, -502),
    (0x87625f056c7c4a8b, -475),
    (0xc9bcff6034c13053, -449),
    (0x964e858c91ba2655, -422),
    (0xdff9772470297ebd, -396),
    (0xa6dfbd9fb8e5b88f, -369),
    (0xf8a95fcf88747d94, -343),
    (0xb94470938fa89bcf, -316),
    (0x8a08f0f8bf0f156b, -289),
    (0xcdb02555653131b6, -263),
    (0x993fe2c6d07b7fac, -236),
    (0xe45c10c42a2b3b06, -210),
    (0xaa242499697392d3, -183),
    (0xfd87b5f28300ca0e, -157),
    (0xbce5086492111aeb, -130),
    (0x8cbccc096f5088cc, -103),
    (0xd1b71758e219652c, -77),
    (0x9c40000000000000, -50),
    (0xe8d4a51000000000, -24),
    (0xad78ebc5ac620000, 3),
    (0x813f3978f8940984, 30),
    (0xc097ce7bc90715b3, 56),
    (0x8f7e32ce7bea5c70, 83),
    (0xd5d238a4abe98068, 109),
    (0x9f4f2726179a2245, 136),
    (0xed63a231d4c4fb27, 162),
    (0xb0de65388cc8ada8, 189),
    (0x83c7088e1aab65db, 216),
    (0xc45d1df942711d9a, 242),
    (0x924d692ca61be758, 269),
    (0xda01ee641a708dea, 295),
    (0xa26da3999aef774a, 322),
    (0xf209787bb47d6b85, 348),
    (0xb454e4a179dd1877, 375),
    (0x865b86925b9bc5c2, 402),
    (0xc83553c5c8965d3d, 428),
    (0x952ab45cfa97a0b3, 455),
    (0xde469fbd99a05fe3, 481),
    (0xa59bc234db398c25, 508),
    (0xf6c69a72a3989f5c, 534),
    (0xb7dcbf5354e9bece, 561),
    (0x88fcf317f22241e2, 588),
    (0xcc20ce9bd35c78a5, 614),
    (0x98165af37b2153df, 641),
    (0xe2a0b5dc971f303a, 667),
    (0xa8d9d1535ce3b396, 694),
    (0xfb9b7cd9a4a7443c, 720),
    (0xbb764c4ca7a44410, 747),
    (0x8bab8eefb6409c1a, 774),
    (0xd01fef10a657842c, 800),
    (0x9b10a4e5e9913129, 827),
    (0xe7109bfba19c0c9d, 853),
    (0xac2820d9623bf429, 880),
    (0x80444b5e7aa7cf85, 907),
    (0xbf21e44003acdd2d, 933),
    (0x8e679c2f5e44ff8f, 960),
    (0xd433179d9c8cb841, 986),
    (0x9e19db92b4e31ba9, 1013),
    (0xeb96bf6ebadf77d9, 1039),
    (0xaf87023b9bf0ee6b, 1066),
];
