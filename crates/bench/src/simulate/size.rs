//! Cache sizes on the command line: entries, or a share of the trace's keys.

use std::fmt;
use std::str::FromStr;

/// A cache's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// That many entries.
    Entries(usize),
    /// Percent of the different keys of a trace.
    Percent(f64),
}

impl Size {
    /// The size in entries for a trace with that many keys; at least 1.
    pub fn entries(self, keys: usize) -> usize {
        match self {
            Size::Entries(entries) => entries.max(1),
            Size::Percent(percent) => ((keys as f64 * percent / 100.0).round() as usize).max(1),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(Size::Percent),
            None => text.parse().ok().map(Size::Entries),
        };
        let fits = |size: &Size| match *size {
            Size::Entries(entries) => (1..u32::MAX as usize).contains(&entries),
            Size::Percent(percent) => percent > 0.0 && percent <= 100.0,
        };
        size.filter(fits).ok_or_else(|| {
            format!("'{text}' is no size: give a number of entries, or a percentage as 0.1%")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Entries(entries) => write!(formatter, "{entries}"),
            Size::Percent(percent) => write!(formatter, "{percent} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes() {
        assert_eq!("0.1%".parse(), Ok(Size::Percent(0.1)));
        assert_eq!("500".parse(), Ok(Size::Entries(500)));
        assert_eq!(Size::Percent(1.0).entries(44_178), 442);
        assert_eq!(Size::Percent(0.1).entries(100), 1);
        for wrong in ["", "%", "0", "-1%", "101%", "x", "NaN%"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
