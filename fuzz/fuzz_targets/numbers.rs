//! Numbers: any text does no harm, and what is read is printed so that it reads as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::long_double::{LongDouble, increment};
use resp::{format_double, format_double_17, parse_double, parse_integer, split_arguments};

fuzz_target!(|text: &[u8]| {
    if let Some(value) = parse_integer(text) {
        assert_eq!(value.to_string().as_bytes(), text);
    }
    if let Some(value) = parse_double(text) {
        assert_eq!(
            parse_double(&format_double(value)).map(f64::to_bits),
            Some(value.to_bits())
        );
        assert_eq!(
            parse_double(&format_double_17(value)).map(f64::to_bits),
            Some(value.to_bits())
        );
        assert!(
            LongDouble::parse(text).is_some() || text.len() > resp::long_double::TEXT_BYTES_MAX
        );
    }
    if let Some(value) = LongDouble::parse(text).filter(|value| value.is_finite()) {
        let printed = value.to_string();
        assert_eq!(increment(printed.as_bytes(), b"0").as_ref(), Ok(&printed));
        let same = value
            .checked_add(LongDouble::ZERO)
            .expect("the value is finite");
        assert_eq!(same.to_string(), printed);
    }
    let mut parts = text.splitn(2, |byte| *byte == b' ');
    if let (Some(a), Some(b)) = (parts.next(), parts.next()) {
        assert_eq!(increment(a, b), increment(b, a));
    }
    let _ = split_arguments(text);
});
