//! The values of the grammar's placeholders: keys, texts, numbers, deadlines, with what is odd among them.

use crate::random::Random;

/// A score: numbers of all kinds, small ones mostly.
fn score(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => float(random),
        1 => integer(random),
        2 => pick_text(
            random,
            &["inf", "-inf", "+inf", "nan", "-0", "1e300", "abc"],
        ),
        3..6 => format!("{}.5", random.between(-20, 20)).into_bytes(),
        _ => random.between(-20, 20).to_string().into_bytes(),
    }
}

/// A member of a collection: few different ones, so that they are met again, integers mostly, of all widths.
fn member(random: &mut Random) -> Vec<u8> {
    match random.below(24) {
        0..10 => random.between(-3, 12).to_string().into_bytes(),
        10..14 => random.between(-20, 200).to_string().into_bytes(),
        14..20 => format!("m{}", random.below(12)).into_bytes(),
        20 => integer(random),
        21 => vec![b'x'; random.below(80)],
        22 => float(random),
        _ => value(random),
    }
}

/// A number of degrees: mostly of few places, which are near each other, else anywhere up to `max` or on the edge.
fn degrees(random: &mut Random, max: &str, near: i64) -> Vec<u8> {
    let edge = max.parse::<f64>().expect("a number");
    match random.below(16) {
        0 => pick_text(
            random,
            &["nan", "inf", "abc", "", "0x10", "180.0000001", "-90"],
        ),
        1 => pick_text(random, &[max, "0", "-0", "66.5", "-80.5"]),
        2 => format!("-{max}").into_bytes(),
        3 => format!("{:.6}", edge - 0.0001 * random.below(9) as f64).into_bytes(),
        4..9 => {
            let part = random.next() as f64 / u64::MAX as f64 * 2.0 - 1.0;
            format!("{}", part * edge).into_bytes()
        }
        _ => {
            let hundredths = random.below(300) as f64 / 100.0;
            format!("{}", near as f64 + hundredths).into_bytes()
        }
    }
}

/// A distance of any size, from nothing to many times around the earth.
fn distance(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => pick_text(
            random,
            &["0", "-1", "nan", "inf", "abc", "", "1e300", "1e-300"],
        ),
        1 => float(random),
        _ => {
            let magnitude = 10_f64.powi(random.between(-2, 7) as i32);
            let first = random.between(1, 999) as f64 / 100.0;
            format!("{}", first * magnitude).into_bytes()
        }
    }
}

/// The value of a placeholder. Keys begin with the prefix; deadlines are all different.
pub fn make(random: &mut Random, name: &str, prefix: &[u8], deadlines: &mut i64) -> Vec<u8> {
    if let Some(key) = named_key(random, name) {
        return [prefix, &key].concat();
    }
    match name {
        "longitude" => degrees(random, "180", 13),
        "latitude" => degrees(random, "85.05112878", 36),
        "distance" => distance(random),
        "town" => match random.below(12) {
            0 => member(random),
            _ => format!("t{}", random.below(16)).into_bytes(),
        },
        "unit" => match random.below(20) {
            0 => pick_text(random, &["yd", "", "M", "KM", "Ft", "mI"]),
            _ => pick_text(random, &["m", "km", "ft", "mi"]),
        },
        "value" => value(random),
        "member" => member(random),
        "score" => score(random),
        "short_value" => {
            let mut value = value(random);
            value.truncate(3_000);
            value
        }
        "sample" => sample(random),
        "text_bound" => text_bound(random),
        "bound" => [&b"("[usize::from(random.once_in(2))..], &score(random)].concat(),
        "integer" => integer(random),
        "float" => float(random),
        "index" => match random.once_in(10) {
            true => integer(random),
            false => random.between(-15, 15).to_string().into_bytes(),
        },
        "offset" => match random.below(20) {
            0 => too_far(random),
            1 => b"536870912".to_vec(),
            2 => random.between(0, 5000).to_string().into_bytes(),
            _ => random.between(0, 30).to_string().into_bytes(),
        },
        "payload" => match random.below(8) {
            0 => value(random),
            1 => {
                let mut payload = random.pick(PAYLOADS).to_vec();
                let at = random.below(payload.len());
                payload[at] ^= 1;
                payload
            }
            _ => random.pick(PAYLOADS).to_vec(),
        },
        "bit" => match random.below(20) {
            0 => too_far(random),
            1 => random.between(0, 200_000).to_string().into_bytes(),
            _ => random.between(0, 130).to_string().into_bytes(),
        },
        "place" => format!("#{}", random.between(-1, 12)).into_bytes(),
        "width" => match random.below(20) {
            0 => pick_text(random, &["u64", "i65", "u0", "i0", "x8", "U8", "u", "i-1"]),
            1 => pick_text(random, &["i64", "u63", "i1", "u1"]),
            _ => {
                let sign = pick_text(random, &["i", "u"]);
                let bits = random.between(1, 63).to_string();
                [sign, bits.into_bytes()].concat()
            }
        },
        "seconds" => seconds(random, deadlines, 1),
        "milliseconds" => seconds(random, deadlines, 1000),
        "at" => at(random, 1),
        "atms" => at(random, 1000),
        "past" => pick_text(random, &["1", "0", "-1", "1000", "1500000000"]),
        "db" => match random.below(12) {
            0 => integer(random),
            1 => pick_text(random, &["15", "16", "-1", "abc"]),
            _ => few_databases(random),
        },
        "count" => match random.once_in(4) {
            true => integer(random),
            false => random.between(1, 100).to_string().into_bytes(),
        },
        "type" => pick_text(
            random,
            &["string", "STRING", "list", "set", "zset", "hash", "foo"],
        ),
        "pattern" => pattern(random),
        "name" => pick_text(
            random,
            &["me", "other", "", "with space", "a\nb", "default"],
        ),
        "parameter" => pick_text(random, PARAMETERS),
        other => panic!("no such placeholder: {other}"),
    }
}

/// Settings that both servers know under the same name with the same value.
const PARAMETERS: &[&str] = &[
    "timeout",
    "TCP-KEEPALIVE",
    "maxmemory",
    "maxmemory-policy",
    "save",
    "appendonly",
    "databases",
    "proto-max-bulk-len",
    "maxclients",
    "m[a]xmemory-sample?",
    "nosuch",
];

/// What DUMP gives of values of several types.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a",
    b"\x00\xc0\x0c\x0a\x00<*\xf8Q\x5c\x04\xbc\xd5",
    b"\x00\xc3\x094\x01aa\xe0'\x00\x01aa\x0a\x00c\xdd)\xd3L\x1a$n",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\x0a\x00\xa5\x02\x5c\xe2mnM\x1b",
    b"\x02\x01\x01a\x0a\x00b\x96\xe9~D\xd2\x1am",
    b"\x12\x01\x02\x1c\x1c\x00\x00\x00\x05\x00\x81a\x02\x01\x01\xdf\xfb\x02\xc3\xe8\x02\x88x1000000\x09\xff\x0a\x00\x05R_\xcc\xdc&q\x1b",
    b"\x11\x1c\x1c\x00\x00\x00\x06\x00\x81b\x02\x84-inf\x05\x81a\x02\x831.5\x04\x11\x01\x03\x01\xff\x0a\x00+\x14\x1c7\x9a\x00`\xaa",
    b"\x05\x03\x01b\x00\x00\x00\x00\x00\x00\xf0\x7f\x01a\x00\x00\x00\x00\x00\x00\xf8?\x01c\x00\x00\x00\x00\x00\x00\x00\x80\x0a\x00\xc8\x98\xfe$\xa57\x19\x8c",
    b"\x10\x17\x17\x00\x00\x00\x06\x00\x81f\x02\x81v\x02\x01\x01\xc1,\x02\x81g\x02\x80\x01\xff\x0a\x00U\xf8D\x97\x0f\xd3\x81\xfa",
    b"\x04\x02\xc0\x01\xc1,\x01\x01f\x01v\x0a\x00a?F\x19m\xb3b6",
    b"\x12\x02\x02\x0a\x0a\x00\x00\x00\x01\x00\x81x\x02\xff\x02\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff\x0a\x00e3\xaa\x92 8\xcc\x85",
];

/// Keys by what they are there for: mostly one of the few that commands of one type use, so that values grow, and otherwise
/// any key, so that types are mixed up.
fn named_key(random: &mut Random, name: &str) -> Option<Vec<u8>> {
    let first = match name {
        "key" => return Some(key(random)),
        // Members that all have one score, which have an order by their texts: no other command may touch these.
        "flat" => return Some(format!("flat{}", random.below(3)).into_bytes()),
        // LCS takes time in proportion to the product of two lengths.
        "short" => return Some(format!("short{}", random.below(3)).into_bytes()),
        "string" => 4,
        "list" => 6,
        "set" => 8,
        "hash" => 10,
        "zset" => 12,
        "bits" => 14,
        "sketch" => 15,
        _ => return None,
    };
    let of_type = if first < 14 { 2 } else { 1 };
    Some(match random.once_in(15) {
        true => key(random),
        false => format!("k{}", first + random.below(of_type)).into_bytes(),
    })
}

/// Mostly the first one, so that clients meet.
pub fn few_databases(random: &mut Random) -> Vec<u8> {
    let last = if random.once_in(4) { 2 } else { 0 };
    random.between(0, last).to_string().into_bytes()
}

/// Any of the keys.
pub fn key(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => b"".to_vec(),
        1 => b"bin\x00\xff\r\n".to_vec(),
        2 => vec![b'L'; 300],
        3 => b"other".to_vec(),
        number => format!("k{number}").into_bytes(),
    }
}

/// A text of any length and form.
pub fn value(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => b"".to_vec(),
        1..4 => random.between(-20, 20).to_string().into_bytes(),
        4 => integer(random),
        5 => decimal(random),
        6 => match random.once_in(12) {
            true => large_value(random),
            false => decimal(random),
        },
        7 => any_bytes(random),
        8 => {
            let length = *random.pick(&[43, 44, 45, 63, 64, 65, 200, 1000, 5000]);
            vec![b'a' + random.below(26) as u8; length]
        }
        9 => random
            .next()
            .to_string()
            .repeat(1 + random.below(4))
            .into_bytes(),
        10 => b"12345678901234567890".to_vec(),
        11 => pick_text(random, &["007", "-0", "+5", " 5", "5 ", "0x10"]),
        _ => format!("value-{}", random.below(50)).into_bytes(),
    }
}

/// Bytes of all values; zero is none of the first ones, because redis-server sorts texts up to there.
fn any_bytes(random: &mut Random) -> Vec<u8> {
    let length = random.below(40);
    (0..length)
        .map(|at| random.below(256).max(usize::from(at < 8)) as u8)
        .collect()
}

/// Longer than what is kept in an entry, and than what goes through a buffer at once.
fn large_value(random: &mut Random) -> Vec<u8> {
    let length = *random.pick(&[16_383, 16_384, 16_385, 40_000, 70_000, 140_000]);
    let byte = b'a' + random.below(26) as u8;
    let mut value = vec![byte; length];
    for _ in 0..random.below(4) {
        let at = random.below(length);
        value[at] = random.below(256) as u8;
    }
    value
}

/// An offset beyond what a string may have, or none: the largest that are valid make strings of hundreds of megabytes, and
/// then GET, DUMP and SORT take longer than a test waits.
fn too_far(random: &mut Random) -> Vec<u8> {
    const OFFSETS: &[&str] = &[
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-1",
        "abc",
        "",
        "1.0",
        " 1",
    ];
    pick_text(random, OFFSETS)
}

/// How many members, by chance: below zero with repetitions. None that makes a reply without end.
fn sample(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => pick_text(
            random,
            &["-9223372036854775808", "x", "", "1.0", "-0", "+1"],
        ),
        1 => pick_text(random, &["0", "4611686018427387904", "9223372036854775807"]),
        2..4 => random.between(-300, 300).to_string().into_bytes(),
        _ => random.between(-12, 12).to_string().into_bytes(),
    }
}

/// An end of a range by text.
fn text_bound(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0..2 => b"-".to_vec(),
        2..4 => b"+".to_vec(),
        4 if random.once_in(4) => pick_text(random, &["", "x", "-x", "++", " [a", "5"]),
        4..8 => [b"(", member(random).as_slice()].concat(),
        _ => [b"[", member(random).as_slice()].concat(),
    }
}

fn integer(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => b"9223372036854775807".to_vec(),
        1 => b"-9223372036854775808".to_vec(),
        2 => (random.next() as i64).to_string().into_bytes(),
        3 => pick_text(
            random,
            &["9223372036854775808", "abc", "", "1.0", " 1", "-", "0"],
        ),
        4 => random
            .between(-5_000_000_000, 5_000_000_000)
            .to_string()
            .into_bytes(),
        _ => random.between(-100, 100).to_string().into_bytes(),
    }
}

fn float(random: &mut Random) -> Vec<u8> {
    match random.below(14) {
        0 => pick_text(random, &["nan", "inf", "-inf", "abc", "", " 1", "1 ", "1e"]),
        1 => pick_text(random, &["1e3", "-2.5E2", "1e-5", "5.0e3", "1e17", "1e-17"]),
        2 => pick_text(random, &["0x1p3", "1e18", "-0x.8p2"]),
        // None that C's strtod finds out of range: redis-server 7.0 remembers that, and a later SORT fails there.
        3 => pick_text(random, &["1e300", "-1e300", "1e-300", "4e-308"]),
        _ => decimal(random),
    }
}

/// A number without an exponent: what is appended to an exponent could bring it out of range, see [`float`].
fn decimal(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0 => pick_text(random, &["0", "-0.0", ".5", "5.", "+1.5", "00.10"]),
        1 => format!("{}.{}", random.next() as i32, random.next()).into_bytes(),
        2..5 => random.between(-100, 100).to_string().into_bytes(),
        5 => format!("0.{:017}", random.next() % 100_000_000_000_000_000).into_bytes(),
        _ => {
            let cents = random.between(-100_000, 100_000);
            format!("{}", cents as f64 / 100.0).into_bytes()
        }
    }
}

/// A time to live: far away and used once, or not valid.
fn seconds(random: &mut Random, deadlines: &mut i64, unit: i64) -> Vec<u8> {
    match random.below(16) {
        0 => {
            const NOT_VALID: &[&str] = &[
                "0",
                "-1",
                "-100",
                "abc",
                "1.5",
                "",
                "9223372036854775807",
                "-9223372036854775808",
                "9223372036854775808",
            ];
            return pick_text(random, NOT_VALID);
        }
        // As milliseconds these are valid, and so near each other that it depends on the clock which is later.
        1 if unit == 1 => return pick_text(random, &["9223372036854775", "9223372036854776"]),
        _ => {}
    }
    *deadlines += 1;
    let seconds = 1000 + 100 * ((*deadlines * 7919) % 100_003);
    (seconds * unit).to_string().into_bytes()
}

/// A point in time in this century's end, few of them so that they meet, or not valid.
fn at(random: &mut Random, unit: i64) -> Vec<u8> {
    if random.once_in(10) {
        return pick_text(
            random,
            &["0", "-1", "abc", "9223372036854775807", "9223372036854775"],
        )
        .to_vec();
    }
    let fraction = *random.pick(&[0, 1, 499, 500, 999]) % unit;
    let time = (4_102_444_800 + random.between(0, 3)) * unit + fraction;
    time.to_string().into_bytes()
}

/// A glob over keys and members.
pub fn pattern(random: &mut Random) -> Vec<u8> {
    pick_text(
        random,
        &[
            "*", "k*", "k?", "k1*", "[k]*", "k[4-8]", "[^k]*", "k[^45]*", "*1*", "L*", "b*", "",
            "k1", "\\k*", "k[", "[a-z]??", "**", "*?*",
        ],
    )
}

fn pick_text(random: &mut Random, texts: &[&str]) -> Vec<u8> {
    random.pick(texts).as_bytes().to_vec()
}
