//! Numbers against tables of what redis-server 7.0 and Valkey 9.1 answer.

use proptest::prelude::{any, prop_assert_eq, proptest};
use resp::long_double::{IncrementError, LongDouble, increment};
use resp::{format_double, format_double_17, parse_double, parse_integer};

#[test]
fn integers() {
    let read = [
        ("0", 0),
        ("-1", -1),
        ("10", 10),
        ("999999999999999999", 999_999_999_999_999_999),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ];
    for (text, value) in read {
        assert_eq!(parse_integer(text.as_bytes()), Some(value), "{text}");
    }
    let refused = [
        "",
        "-",
        "+1",
        "-0",
        "00",
        "01",
        "-01",
        " 1",
        "1 ",
        "1a",
        "a",
        "1.0",
        "9223372036854775808",
        "-9223372036854775809",
        "9999999999999999999",
        "99999999999999999999",
        "1\0",
    ];
    for text in refused {
        assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
    }
}

/// INCRBYFLOAT of redis-server 7.0: value, increment, reply.
#[test]
fn increments() {
    let cases = [
        ("3.0", "1.1", "4.1"),
        ("10.5", "0.1", "10.6"),
        ("5.0e3", "200", "5200"),
        ("0.1", "0.2", "0.3"),
        ("1", "1e-17", "1.00000000000000001"),
        ("1", "5e-18", "1"),
        ("1", "5.1e-18", "1.00000000000000001"),
        ("0", "1e-18", "0"),
        ("0", "-1e-18", "0"),
        ("-1", "1", "0"),
        ("-0", "-0", "0"),
        ("1.5", "-1.5", "0"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("18446744073709551615", "0.5", "18446744073709551616"),
        ("18446744073709551614", "0.5", "18446744073709551614"),
        ("36893488147419103232", "1", "36893488147419103232"),
        ("1e30", "-1", "1000000000000000000024696061952"),
        ("1e30", "-1e30", "0"),
        ("1e40", "0", "9999999999999999999783686092270256259072"),
        (
            "123456789012345678901234567890",
            "0",
            "123456789012345678899921813504",
        ),
        ("0.00000000000000001", "0", "0.00000000000000001"),
        ("0.000000000000000005", "0", "0"),
        ("0.000000000000000015", "0", "0.00000000000000002"),
        ("0x10", "0", "16"),
        ("0X1.8p1", "0", "3"),
        ("0x.8", "0", "0.5"),
        ("0x1p-64", "1", "1"),
        ("+5", "+.5", "5.5"),
        ("5.", "0", "5"),
        (".5", "0", "0.5"),
        ("3.6e-4951", "1", "1"),
        ("1.8e-4951", "1", "not a float"),
        ("1.19e4932", "0", "not a float"),
        ("1.1e4932", "1.1e4932", "not finite"),
        ("-1.1e4932", "-1.1e4932", "not finite"),
        ("inf", "1", "not finite"),
        ("-Infinity", "1", "not finite"),
        ("1", "inf", "not finite"),
        ("nan", "1", "not a float"),
        (" 1", "1", "not a float"),
        ("1 ", "1", "not a float"),
        ("1", "abc", "not a float"),
        ("1", "0x", "not a float"),
        ("1", "1e", "not a float"),
        ("1", "1e+", "not a float"),
        ("1", "--1", "not a float"),
        ("1", "1_0", "not a float"),
        ("0e999999999999", "2.5", "2.5"),
        ("1e-999999999999", "0", "not a float"),
        ("0.1e1", "0.00000000000000000000000000000000000000001", "1"),
        (
            "1111111111111111111111111111111111111111",
            "0.5",
            "1111111111111111111111671891239418986496",
        ),
        ("999999999999999999.9", "0.1", "1000000000000000000"),
        ("-25405447", "-70.278666638e-32", "-25405447"),
        ("1", "\0", "not a float"),
    ];
    for (value, by, expected) in cases {
        let result = match increment(value.as_bytes(), by.as_bytes()) {
            Ok(sum) => sum,
            Err(IncrementError::NotAFloat) => "not a float".to_owned(),
            Err(IncrementError::NotFinite) => "not finite".to_owned(),
        };
        assert_eq!(result, expected, "{value:?} + {by:?}");
    }
    let large = increment(b"1e4932", b"0").expect("within range");
    assert!(
        large.starts_with("100000000000000000000601894938") && large.len() == 4933,
        "{large}"
    );
}

/// Scores: what ZADD was given, ZSCORE of Valkey 9.1, ZSCORE of redis-server 7.0.
#[test]
fn long_doubles_are_ordered_by_value() {
    let texts = [
        "-inf",
        "-1.18e4932",
        "-1e30",
        "-1.5",
        "-1",
        "-1e-4950",
        "0",
        "1e-4950",
        "3.4e-4932",
        "0.999999999999999999",
        "1",
        "1.5",
        "2",
        "18446744073709551616",
        "1.18e4932",
        "inf",
    ];
    let numbers: Vec<LongDouble> = texts
        .iter()
        .map(|text| LongDouble::parse(text.as_bytes()).expect("a number"))
        .collect();
    for (i, a) in numbers.iter().enumerate() {
        for (j, b) in numbers.iter().enumerate() {
            assert_eq!(a.cmp(b), i.cmp(&j), "{} and {}", texts[i], texts[j]);
        }
    }
    let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect("a number");
    assert_eq!(parse("-0"), LongDouble::ZERO);
    assert_eq!(parse("1"), LongDouble::ONE);
    assert_eq!(parse("1"), LongDouble::from(1));
    assert_eq!(-parse("1.5"), parse("-1.5"));
    assert!(LongDouble::MAX < parse("inf") && LongDouble::MAX > parse("1.18e4932"));
    assert_eq!(LongDouble::MIN, -LongDouble::MAX);
    assert_eq!(LongDouble::MAX.checked_add(LongDouble::MAX), None);
    assert_eq!(
        LongDouble::MAX.checked_add(LongDouble::ONE),
        Some(LongDouble::MAX)
    );
}

#[test]
fn doubles() {
    let cases = [
        ("0", "0", "0"),
        ("-0", "-0", "-0"),
        ("1", "1", "1"),
        ("-1", "-1", "-1"),
        ("0.1", "0.1", "0.10000000000000001"),
        ("0.25", "0.25", "0.25"),
        ("1e20", "1e+20", "1e+20"),
        ("1e21", "1e+21", "1e+21"),
        (
            "123456789012345680000",
            "123456789012345680000",
            "1.2345678901234568e+20",
        ),
        ("1e22", "1e+22", "1e+22"),
        (
            "4611686018427387904",
            "4611686018427387904",
            "4.6116860184273879e+18",
        ),
        (
            "4611686018427387905",
            "4611686018427387904",
            "4.6116860184273879e+18",
        ),
        (
            "9223372036854775807",
            "9223372036854776000",
            "9.2233720368547758e+18",
        ),
        (
            "-9223372036854775808",
            "-9223372036854776000",
            "-9.2233720368547758e+18",
        ),
        ("1.5", "1.5", "1.5"),
        ("0.000001", "0.000001", "9.9999999999999995e-07"),
        ("0.0000001", "1e-7", "9.9999999999999995e-08"),
        ("0.00000012", "1.2e-7", "1.1999999999999999e-07"),
        ("1e-7", "1e-7", "9.9999999999999995e-08"),
        ("1.25e-9", "1.25e-9", "1.25e-09"),
        ("123456.789", "123456.789", "123456.789"),
        (
            "3.0000000000000004",
            "3.0000000000000004",
            "3.0000000000000004",
        ),
        ("1e100", "1e+100", "1e+100"),
        (
            "1.7976931348623157e308",
            "1.7976931348623157e+308",
            "1.7976931348623157e+308",
        ),
        ("5e-324", "5e-324", "4.9406564584124654e-324"),
        ("-2.5e-10", "-2.5e-10", "-2.5000000000000002e-10"),
        ("1e-5", "0.00001", "1.0000000000000001e-05"),
        ("0.00001234", "1.234e-5", "1.234e-05"),
        (
            "12345678901234567",
            "12345678901234568",
            "12345678901234568",
        ),
        (
            "0.1234567890123456789",
            "0.12345678901234568",
            "0.12345678901234568",
        ),
        ("9007199254740993.5", "9007199254740994", "9007199254740994"),
        ("5e22", "49999999999999996000000", "4.9999999999999996e+22"),
        ("9.5e-7", "9.5e-7", "9.5000000000000001e-07"),
        ("1.2e17", "120000000000000000", "1.2e+17"),
        ("123e16", "1230000000000000000", "1.23e+18"),
        ("1.5e300", "1.5e+300", "1.5000000000000001e+300"),
        ("inf", "inf", "inf"),
        ("-INF", "-inf", "-inf"),
    ];
    for (text, shortest, seventeen) in cases {
        let value = parse_double(text.as_bytes()).expect(text);
        assert_eq!(format_double(value).as_str(), shortest, "{text}");
        assert_eq!(format_double_17(value).as_str(), seventeen, "{text}");
    }
    assert_eq!(format_double(f64::NAN).as_str(), "nan");
}

#[test]
fn doubles_in_other_forms() {
    let read = [
        ("+5", 5.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("1E3", 1000.0),
        ("0x10", 16.0),
        ("0X1.8p1", 3.0),
        ("-0x.8", -0.5),
        ("0x1.fffffffffffff8p0", 2.0),
        ("0x1p-1074", 5e-324),
        ("0x1.8p-1075", 5e-324),
        ("0x0p99999999999", 0.0),
        ("0e99999999999", 0.0),
        ("iNf", f64::INFINITY),
        ("+infinity", f64::INFINITY),
    ];
    for (text, value) in read {
        assert_eq!(parse_double(text.as_bytes()), Some(value), "{text}");
    }
    let refused = [
        "",
        "-",
        ".",
        "nan",
        "-nan",
        "nan(1)",
        " 1",
        "1 ",
        "1\0",
        "1e",
        "1e+",
        "1p3",
        "0x",
        "0x.",
        "0x1p",
        "++1",
        "1_0",
        "infinit",
        "1e400",
        "1e-400",
        "0x1p1024",
        "0x1p-1075",
        "0x1.fffffffffffff8p1023",
        "1f",
    ];
    for text in refused {
        assert_eq!(parse_double(text.as_bytes()), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn integers_read_as_printed(value: i64) {
        prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
    }

    #[test]
    fn doubles_read_as_printed(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        if !value.is_nan() {
            prop_assert_eq!(parse_double(&format_double(value)).map(f64::to_bits), Some(bits));
            prop_assert_eq!(parse_double(&format_double_17(value)).map(f64::to_bits), Some(bits));
        }
    }

    /// Below 8 the format has more digits than are printed.
    #[test]
    fn small_decimals_add_exactly(a in -40_000_i64..40_000, b in -40_000_i64..40_000) {
        let decimal = |value: i64| {
            let text = format!("{}{}.{:04}", if value < 0 { "-" } else { "" }, value.abs() / 10_000, value.abs() % 10_000);
            let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
            if value == 0 { "0".to_owned() } else { text }
        };
        prop_assert_eq!(increment(decimal(a).as_bytes(), decimal(b).as_bytes()), Ok(decimal(a + b)));
    }
}
