//! What the reply writer writes, in both protocols, and that the reply parser reads it back.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use resp::{
    Output, Protocol, REPLY_DEPTH_MAX, Reply, ReplyError, ReplyWriter, parse_reply, skip_reply,
};

/// Checks what is written in RESP2 and in RESP3.
#[track_caller]
fn check(write: impl Fn(&mut ReplyWriter<'_>), resp2: &str, resp3: &str) {
    for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
        let mut out = Output::default();
        write(&mut ReplyWriter::new(&mut out, protocol));
        assert_eq!(
            out.to_vec().escape_ascii().to_string(),
            expected.as_bytes().escape_ascii().to_string(),
            "{protocol:?}"
        );
    }
}

#[test]
fn scalars() {
    check(|w| w.ok(), "+OK\r\n", "+OK\r\n");
    check(|w| w.simple("PONG"), "+PONG\r\n", "+PONG\r\n");
    check(
        |w| w.error("ERR a\r\nb\n\r\n"),
        "-ERR a  b\r\n",
        "-ERR a  b\r\n",
    );
    check(|w| w.null(), "$-1\r\n", "_\r\n");
    check(|w| w.null_array(), "*-1\r\n", "_\r\n");
    check(|w| w.boolean(true), ":1\r\n", "#t\r\n");
    check(|w| w.boolean(false), ":0\r\n", "#f\r\n");
    check(|w| w.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
    check(
        |w| w.double(f64::NEG_INFINITY),
        "$4\r\n-inf\r\n",
        ",-inf\r\n",
    );
    check(|w| w.big_number("123"), "$3\r\n123\r\n", "(123\r\n");
    check(
        |w| w.verbatim("txt", b"Some"),
        "$4\r\nSome\r\n",
        "=8\r\ntxt:Some\r\n",
    );
    check(|w| w.raw(b":1\r\n"), ":1\r\n", ":1\r\n");
    check(
        |w| w.bulk_display(format_args!("{}-{}", 12, "abcdefgh")),
        "$11\r\n12-abcdefgh\r\n",
        "$11\r\n12-abcdefgh\r\n",
    );
    check(|w| w.bulk_display(""), "$0\r\n\r\n", "$0\r\n\r\n");
}

#[test]
fn integers_and_lengths_of_every_size() {
    for value in [0, 9, 10, 99, 100, 12_345, -1, -10, i64::MAX, i64::MIN] {
        let line = format!(":{value}\r\n");
        check(|w| w.integer(value), &line, &line);
        let text = value.to_string();
        let bulk = format!("${}\r\n{text}\r\n", text.len());
        check(|w| w.bulk_integer(value), &bulk, &bulk);
    }
    for len in [0, 9, 10, 99, 100, 999, 1000, 123_456] {
        let bulk = format!("${len}\r\n{}\r\n", "x".repeat(len));
        check(|w| w.bulk("x".repeat(len).as_bytes()), &bulk, &bulk);
        check(
            |w| w.array(len),
            &format!("*{len}\r\n"),
            &format!("*{len}\r\n"),
        );
        check(
            |w| w.map(len),
            &format!("*{}\r\n", len * 2),
            &format!("%{len}\r\n"),
        );
        check(
            |w| w.set(len),
            &format!("*{len}\r\n"),
            &format!("~{len}\r\n"),
        );
        check(
            |w| w.push(len),
            &format!("*{len}\r\n"),
            &format!(">{len}\r\n"),
        );
    }
}

#[test]
fn attributes_are_left_out_of_resp2() {
    let write = |w: &mut ReplyWriter<'_>| {
        if w.attribute(1) {
            w.simple("ttl");
            w.integer(3600);
        }
        w.integer(5);
    };
    check(write, ":5\r\n", "|1\r\n+ttl\r\n:3600\r\n:5\r\n");
}

#[test]
fn deferred_lengths() {
    let write = |w: &mut ReplyWriter<'_>| {
        w.ok();
        let outer = w.begin_array();
        let inner = w.begin_array();
        (0..12).for_each(|_| w.integer(1));
        w.end_array(inner, 12);
        let set = w.begin_array();
        w.end_set(set, 0);
        let map = w.begin_array();
        w.integer(1);
        w.integer(2);
        w.end_map(map, 1);
        w.end_array(outer, 3);
    };
    let ones = ":1\r\n".repeat(12);
    check(
        write,
        &format!("+OK\r\n*3\r\n*12\r\n{ones}*0\r\n*2\r\n:1\r\n:2\r\n"),
        &format!("+OK\r\n*3\r\n*12\r\n{ones}~0\r\n%1\r\n:1\r\n:2\r\n"),
    );
}

#[test]
fn what_was_written_can_be_taken_back() {
    let mut out = Output::default();
    let mut writer = ReplyWriter::new(&mut out, Protocol::Resp2);
    writer.ok();
    let before = writer.len();
    writer.array(3);
    writer.truncate(before);
    writer.error("ERR no");
    assert_eq!(out.to_vec(), b"+OK\r\n-ERR no\r\n");
}

#[test]
fn broken_replies() {
    let cases = [
        ("x\r\n", ReplyError::UnknownType(b'x')),
        ("+OK\rx", ReplyError::Malformed),
        ("$-2\r\n", ReplyError::Malformed),
        ("$a\r\n", ReplyError::Malformed),
        ("%-1\r\n", ReplyError::Malformed),
        ("$1\r\nabc\r\n", ReplyError::Malformed),
        (
            "%9223372036854775807\r\n%9223372036854775807\r\n",
            ReplyError::Malformed,
        ),
    ];
    for (input, error) in cases {
        assert_eq!(skip_reply(input.as_bytes()), Err(error), "{input:?}");
    }
    for input in [":a\r\n", "#x\r\n", "_x\r\n", ",\u{80}\r\n", "=2\r\ntx\r\n"] {
        let broken = if input.starts_with(',') {
            b",\xff\r\n".as_slice()
        } else {
            input.as_bytes()
        };
        assert_eq!(parse_reply(broken), Err(ReplyError::Malformed), "{input:?}");
    }
    let deep = "*1\r\n".repeat(REPLY_DEPTH_MAX + 1);
    assert_eq!(parse_reply(deep.as_bytes()), Err(ReplyError::TooDeep));
    assert_eq!(parse_reply(b"*1000000000\r\n:1\r\n"), Ok(None));
}

fn reply() -> impl Strategy<Value = Reply> {
    let text = || vec(b' '..=b'~', 0..12);
    let leaf = prop_oneof![
        text().prop_map(Reply::Simple),
        text().prop_map(Reply::Error),
        any::<i64>().prop_map(Reply::Integer),
        vec(any::<u8>(), 0..120).prop_map(Reply::Bulk),
        proptest::sample::select(vec![
            Reply::Null,
            Reply::Boolean(true),
            Reply::Boolean(false)
        ]),
        any::<f64>().prop_map(|value| Reply::Double(resp::format_double(value).to_string())),
        "-?[1-9][0-9]{0,30}".prop_map(Reply::BigNumber),
        vec(any::<u8>(), 0..40).prop_map(|text| Reply::Verbatim {
            format: *b"txt",
            text
        }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let pairs = || vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            vec(inner.clone(), 0..12).prop_map(Reply::Array),
            vec(inner.clone(), 0..6).prop_map(Reply::Set),
            vec(inner.clone(), 0..6).prop_map(Reply::Push),
            pairs().prop_map(Reply::Map),
            (pairs(), inner.clone()).prop_map(|(pairs, reply)| Reply::Attribute {
                pairs,
                reply: Box::new(reply)
            }),
        ]
    })
}

fn write(writer: &mut ReplyWriter<'_>, reply: &Reply) {
    let pairs_of = |writer: &mut ReplyWriter<'_>, pairs: &[(Reply, Reply)]| {
        for (key, value) in pairs {
            write(writer, key);
            write(writer, value);
        }
    };
    match reply {
        Reply::Simple(text) => writer.simple(str::from_utf8(text).expect("generated as ASCII")),
        Reply::Error(text) => writer.error(text),
        Reply::Integer(value) => writer.integer(*value),
        Reply::Bulk(bytes) => writer.bulk(bytes),
        Reply::NullBulk | Reply::Null => writer.null(),
        Reply::NullArray => writer.null_array(),
        Reply::Boolean(value) => writer.boolean(*value),
        Reply::Double(text) => writer.double(text.parse().expect("was printed from a double")),
        Reply::BigNumber(digits) => writer.big_number(digits),
        Reply::Verbatim { text, .. } => writer.verbatim("txt", text),
        Reply::Array(values) => {
            let array = writer.begin_array();
            values.iter().for_each(|value| write(writer, value));
            writer.end_array(array, values.len());
        }
        Reply::Set(values) => {
            writer.set(values.len());
            values.iter().for_each(|value| write(writer, value));
        }
        Reply::Push(values) => {
            writer.push(values.len());
            values.iter().for_each(|value| write(writer, value));
        }
        Reply::Map(pairs) => {
            writer.map(pairs.len());
            pairs_of(writer, pairs);
        }
        Reply::Attribute { pairs, reply } => {
            assert!(writer.attribute(pairs.len()));
            pairs_of(writer, pairs);
            write(writer, reply);
        }
    }
}

proptest! {
    #[test]
    fn replies_read_as_written(reply in reply()) {
        let mut out = Output::default();
        write(&mut ReplyWriter::new(&mut out, Protocol::Resp3), &reply);
        let out = out.to_vec();
        prop_assert_eq!(parse_reply(&out), Ok(Some((reply, out.len()))));
        prop_assert_eq!(skip_reply(&out), Ok(Some(out.len())));
        for end in 0..out.len() {
            prop_assert_eq!(parse_reply(&out[..end]), Ok(None));
            prop_assert_eq!(skip_reply(&out[..end]), Ok(None));
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in vec(proptest::sample::select(b"*$%~>|+-:,#_=!(1 2\r\ntx".as_slice()), 0..60)) {
        if let Ok(Some((_, len))) = parse_reply(&bytes) {
            prop_assert_eq!(skip_reply(&bytes), Ok(Some(len)));
        }
        prop_assert!(skip_reply(&bytes).is_err() || parse_reply(&bytes) != Ok(None) || skip_reply(&bytes) == Ok(None));
    }
}
