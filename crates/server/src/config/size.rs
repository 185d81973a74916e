//! Byte sizes as people write them: `512mb`, `4gb`, `16k`. The units are Redis's, so that a line of
//! a redis.conf means here what it means there: `k` is 1000 and `kb` is 1024.

/// Parses a size in bytes. Units, in any case: none or `b` (1), `k` (10^3), `kb` (2^10), `m` (10^6),
/// `mb` (2^20), `g` (10^9), `gb` (2^30). `None` when the text is not a whole number followed by one
/// of them. A size too large for 64 bits becomes `u64::MAX`, which the limits of a setting refuse.
pub fn parse(text: &str) -> Option<u64> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    if digits.is_empty() {
        return None;
    }
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let count = digits.parse::<u64>().unwrap_or(u64::MAX);
    Some(count.saturating_mul(factor))
}

/// Writes a size with the largest binary unit that divides it: 16384 as `16kb`, 1000 as `1000`.
pub fn format(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match UNITS
        .iter()
        .find(|(unit_bytes, _)| bytes != 0 && bytes.is_multiple_of(*unit_bytes))
    {
        Some((unit_bytes, unit)) => format!("{}{unit}", bytes / unit_bytes),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn sizes_read_as_in_redis() {
        let cases = [
            ("0", Some(0)),
            ("100", Some(100)),
            ("7b", Some(7)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("2M", Some(2_000_000)),
            ("2Mb", Some(2 << 20)),
            ("4g", Some(4_000_000_000)),
            ("4GB", Some(4 << 30)),
            ("99999999999999999999", Some(u64::MAX)),
            ("99999999999gb", Some(u64::MAX)),
            ("", None),
            ("gb", None),
            ("-1", None),
            ("1.5gb", None),
            ("1 gb", None),
            ("1tb", None),
            ("0x10", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (16384, "16kb"),
            (512 << 20, "512mb"),
            (1 << 30, "1gb"),
            (1025, "1025"),
        ] {
            assert_eq!(format(bytes), text);
            assert_eq!(parse(text), Some(bytes));
        }
    }
}
