//! Amounts of memory that may depend on another: bytes, a percentage of it, or `auto`.

use super::size;

/// What `auto` takes of the memory that there is. The rest is for the kernel, and for what the limit can lag behind.
const AUTO_PERCENT: u32 = 75;
/// What people write for it.
const AUTO: &str = "auto";

/// What a percentage is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// The memory that this process may use: the limit of its control group, else the machine's memory. `auto` is
    /// allowed.
    AvailableMemory,
    /// `memory.max_memory`.
    MaxMemory,
}

/// An amount of memory as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Portion {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths.
    Percent(u32),
    /// What the server thinks right.
    Auto,
}

impl Portion {
    /// Reads `512mb`, `75%` or, where it is allowed, `auto`. A percentage may be larger than 100 here. None when it is
    /// none of them.
    pub fn parse(text: &str, whole: Whole) -> Option<Portion> {
        if whole == Whole::AvailableMemory && text.eq_ignore_ascii_case(AUTO) {
            return Some(Portion::Auto);
        }
        let Some(percent) = text.strip_suffix('%') else {
            return size::parse(text).map(Portion::Bytes);
        };
        if percent.is_empty() || !percent.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        match percent.parse().unwrap_or(u32::MAX) {
            0 => Some(Portion::Bytes(0)),
            percent => Some(Portion::Percent(percent)),
        }
    }

    /// The bytes that it is of so many.
    pub fn of(self, whole_bytes: u64) -> u64 {
        let percent = match self {
            Portion::Bytes(bytes) => return bytes,
            Portion::Percent(percent) => percent,
            Portion::Auto => AUTO_PERCENT,
        };
        let bytes = u128::from(whole_bytes) * u128::from(percent) / 100;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// As it is written: bytes as a number.
    pub fn plain(self) -> String {
        match self {
            Portion::Bytes(bytes) => bytes.to_string(),
            Portion::Percent(percent) => format!("{percent}%"),
            Portion::Auto => AUTO.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Portion, Whole};

    #[test]
    fn portions_are_bytes_percentages_or_auto() {
        use Portion::{Auto, Bytes, Percent};
        for (text, of_available, of_limit) in [
            ("512mb", Some(Bytes(512 << 20)), Some(Bytes(512 << 20))),
            ("0", Some(Bytes(0)), Some(Bytes(0))),
            ("75%", Some(Percent(75)), Some(Percent(75))),
            ("0%", Some(Bytes(0)), Some(Bytes(0))),
            ("Auto", Some(Auto), None),
            ("", None, None),
            ("%", None, None),
            ("-5%", None, None),
            ("+5%", None, None),
            ("1.5%", None, None),
            ("5 %", None, None),
        ] {
            let parsed = Portion::parse(text, Whole::AvailableMemory);
            assert_eq!(parsed, of_available, "{text:?}");
            assert_eq!(Portion::parse(text, Whole::MaxMemory), of_limit, "{text:?}");
        }
    }

    #[test]
    fn portions_are_of_something() {
        assert_eq!(Portion::Bytes(7).of(1000), 7);
        assert_eq!(Portion::Percent(10).of(1000), 100);
        assert_eq!(Portion::Auto.of(1000), 750);
        assert_eq!(Portion::Percent(100).of(u64::MAX), u64::MAX);
    }
}
