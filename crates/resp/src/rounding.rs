//! Rounding of exact binary values to a floating point format, to nearest, ties to even.

/// A binary floating point format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Bits of the mantissa, at most 64.
    pub precision: u32,
    /// The exponent of the last bit of the smallest numbers.
    pub exponent_min: i32,
    /// Values from two to the power of this on are infinite.
    pub exponent_end: i32,
}

/// IEEE 754 double precision.
pub(crate) const DOUBLE: Format = Format {
    precision: 53,
    exponent_min: -1074,
    exponent_end: 1024,
};
/// The x87 extended format, `long double` of C on x86-64.
pub(crate) const LONG_DOUBLE: Format = Format {
    precision: 64,
    exponent_min: -16_445,
    exponent_end: 16_384,
};

/// `mantissa * 2^exponent`, and with `more` something less than one unit of the mantissa besides.
/// A mantissa with `more` has at least two bits more than any format's precision, or is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact {
    pub mantissa: u128,
    pub exponent: i32,
    pub more: bool,
}

/// `mantissa * 2^exponent` in a format. The mantissa's highest bit is set, or the exponent is the
/// smallest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounded {
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
}

impl Exact {
    pub(crate) fn round(self, format: Format) -> Rounded {
        let Self {
            mantissa,
            exponent,
            more,
        } = self;
        let bits = 128 - mantissa.leading_zeros();
        let exponent_fit =
            (exponent + bits as i32 - format.precision as i32).max(format.exponent_min);
        let dropped = exponent_fit - exponent;
        let mut exponent = exponent_fit;
        let mut mantissa = match dropped {
            ..=0 if mantissa == 0 => 0,
            ..=0 => mantissa << -dropped,
            1..128 => {
                let kept = mantissa >> dropped;
                let half = 1 << (dropped - 1);
                let below = mantissa & ((half << 1) - 1);
                let up = below > half || below == half && (more || kept & 1 == 1);
                kept + u128::from(up)
            }
            // At most half of the smallest number; the tie goes to 0, which is even.
            128 => u128::from(mantissa > 1 << 127 || mantissa == 1 << 127 && more),
            _ => 0,
        };
        if mantissa >> format.precision != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
        if mantissa == 0 {
            exponent = format.exponent_min;
        }
        let bits = 128 - mantissa.leading_zeros() as i32;
        if exponent + bits > format.exponent_end {
            return Rounded::Infinite;
        }
        Rounded::Finite {
            mantissa: mantissa as u64,
            exponent,
        }
    }
}
