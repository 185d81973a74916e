//! Shares of executions in percent, as the setting `latency-tracking-info-percentiles` names them.

use std::fmt;

/// A share between 0 and 100 %, exact to a millionth of a percent, as Redis prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentile {
    millionths: u32,
}

const ONE: u32 = 1_000_000;

impl Percentile {
    /// What INFO tells when nothing else is asked for.
    pub const USUAL: [Self; 3] = [Self::of(50 * ONE), Self::of(99 * ONE), Self::of(99_900_000)];

    const fn of(millionths: u32) -> Self {
        Self { millionths }
    }

    /// Reads a decimal number; `None` when it is not one from 0 to 100.
    pub fn parse(text: &str) -> Option<Self> {
        let percent: f64 = text.parse().ok()?;
        let is_number = text.starts_with(|first: char| first.is_ascii_digit() || first == '.');
        if !is_number || !(0.0..=100.0).contains(&percent) {
            return None;
        }
        Some(Self::of((percent * f64::from(ONE)).round() as u32))
    }

    /// In percent.
    pub fn percent(self) -> f64 {
        f64::from(self.millionths) / f64::from(ONE)
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.millionths / ONE, self.millionths % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::Percentile;

    #[test]
    fn numbers_are_read_and_shown() {
        for (text, shown) in [
            ("50", "50"),
            ("99.9", "99.9"),
            ("99.90", "99.9"),
            ("0", "0"),
            ("100.0", "100"),
            ("99.999999", "99.999999"),
        ] {
            let percentile = Percentile::parse(text).expect("a percentage");
            assert_eq!(percentile.to_string(), shown);
        }
        for text in ["", "x", "-1", "100.1", "NaN", "+5", "1 2", "inf"] {
            assert_eq!(Percentile::parse(text), None, "{text}");
        }
        let shown = Percentile::USUAL.map(|percentile| percentile.to_string());
        assert_eq!(shown.join(" "), "50 99 99.9");
    }
}
