//! Requests and what comes of them. What breaks the protocol was checked against redis-server 7.0.

use super::{Limits, Parsed, RequestParser};
use crate::args::Args;
use crate::limits::{ARGUMENTS_MAX, INLINE_BYTES_MAX};

/// Parses everything as a server would and renders it: requests in brackets, `()` for nothing to
/// do, `...` for an incomplete rest, an error's message at the end.
fn render(input: &[u8], limits: &Limits) -> String {
    let mut parser = RequestParser::default();
    let mut rendered = Vec::new();
    let mut rest = input;
    loop {
        let mut spans = Vec::new();
        let consumed = match parser.parse(rest, limits, &mut spans) {
            Ok(Parsed::Request { consumed }) => {
                rendered.push(render_args(Args::new(rest, &spans)));
                consumed
            }
            Ok(Parsed::Quoted {
                consumed,
                arguments,
            }) => {
                rendered.push(render_args(arguments.as_args()));
                consumed
            }
            Ok(Parsed::Empty { consumed }) => {
                rendered.push("()".to_owned());
                consumed
            }
            Ok(Parsed::Incomplete { wanted }) => {
                assert!(wanted > 0);
                if !rest.is_empty() {
                    rendered.push("...".to_owned());
                }
                return rendered.join(" ");
            }
            Err(error) => {
                rendered.push(error.message().escape_ascii().to_string());
                return rendered.join(" ").replace("ERR Protocol error: ", "");
            }
        };
        assert!(consumed > 0);
        rest = &rest[consumed..];
    }
}

fn render_args(args: Args<'_>) -> String {
    let words: Vec<String> = args
        .iter()
        .map(|word| word.escape_ascii().to_string())
        .collect();
    format!("[{}]", words.join(","))
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    assert_eq!(render(input.as_ref(), &Limits::standard()), expected);
}

#[test]
fn requests() {
    check(b"", "");
    check(b"*1\r\n$4\r\nPING\r\n", "[PING]");
    check(
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\nhello\r\n\0 !!\r\n",
        "[SET,k,hello\\r\\n\\x00 !!]",
    );
    check(
        b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
        "[PING] [ECHO,]",
    );
    check(b"*1\r\n$0\r\n\r\nPING\r\n", "[] [PING]");
    let twelve = [b"*12\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(12)].concat();
    check(twelve, "[x,x,x,x,x,x,x,x,x,x,x,x]");
    let long = "y".repeat(70_000);
    check(format!("*1\r\n$70000\r\n{long}\r\n"), &format!("[{long}]"));
}

#[test]
fn line_ends_are_as_lenient_as_in_redis() {
    check(b"*1\rX$4\rXPINGXXPING\r\n", "[PING] [PING]");
    check(b"*1\r\n$4\r\nPING\n\nPING\r\n", "[PING] [PING]");
    check(b"*1\n$4\nPING\n\r\n", "invalid multibulk length");
}

#[test]
fn incomplete() {
    check(b"*", "...");
    check(b"*1", "...");
    check(b"*1\r", "...");
    check(b"*1\r\n", "...");
    check(b"*1\r\n$4\r\nPIN", "...");
    check(b"*1\r\n$4\r\nPING\r", "...");
    check(b"PING\r\nPING\r", "[PING] ...");
}

#[test]
fn nothing_to_do() {
    check(b"*0\r\nPING\r\n", "() [PING]");
    check(b"*-1\r\n*-5\r\nPING\r\n", "() () [PING]");
    check(b"\r\n\n  \r\nPING\r\n", "() () () [PING]");
}

#[test]
fn broken_counts() {
    for line in [
        "*a",
        "*",
        "* 1",
        "*+1",
        "*01",
        "*-0",
        "*1048577",
        "*2147483648",
        "*9223372036854775808",
    ] {
        check(format!("{line}\r\n"), "invalid multibulk length");
    }
    check(format!("*{}", "1".repeat(INLINE_BYTES_MAX - 1)), "...");
    check(
        format!("*{}", "1".repeat(INLINE_BYTES_MAX)),
        "too big mbulk count string",
    );
}

#[test]
fn broken_lengths() {
    for line in [
        "$-1",
        "$a",
        "$",
        "$04",
        "$+4",
        "$536870913",
        "$99999999999999999999",
    ] {
        check(format!("*1\r\n{line}\r\n"), "invalid bulk length");
    }
    check(b"*1\r\nx4\r\n", "expected \\'$\\', got \\'x\\'");
    check(b"*1\r\n\xff1\r\n", "expected \\'$\\', got \\'\\xff\\'");
    check(b"*1\r\n\r\n", "expected \\'$\\', got \\'\\r\\'");
    check(
        b"*2\r\n$4\r\nPING\r\n*1\r\n",
        "expected \\'$\\', got \\'*\\'",
    );
    check(
        format!("*1\r\n${}", "1".repeat(INLINE_BYTES_MAX - 1)),
        "...",
    );
    check(
        format!("*1\r\n${}", "1".repeat(INLINE_BYTES_MAX)),
        "too big bulk count string",
    );
}

#[test]
fn inline_requests() {
    check(b"PING\n", "[PING]");
    check(b"SET  k\tv \r\n", "[SET,k,v]");
    check(b"ECHO a\rb\r\n", "[ECHO,a,b]");
    check(b"\x0bECHO a\x0bb\r\n", "[ECHO,a\\x0bb]");
    check(b"$4\r\nPING\r\n", "[$4] [PING]");
    check("a".repeat(INLINE_BYTES_MAX), "...");
    check("a".repeat(INLINE_BYTES_MAX + 1), "too big inline request");
}

#[test]
fn inline_quotes() {
    check(b"ECHO \"a b\"\r\n", "[ECHO,a b]");
    check(b"ECHO \"\\x41\\x4\"\r\n", "[ECHO,Ax4]");
    check(
        b"ECHO \"\\n\\r\\t\\b\\a\\q\\\"\"\r\n",
        "[ECHO,\\n\\r\\t\\x08\\x07q\\\"]",
    );
    check(b"ECHO 'a\\'b\\n'\r\n", "[ECHO,a\\'b\\\\n]");
    check(b"ECHO foo\"bar\"\r\n", "[ECHO,foobar]");
    check(b"ECHO foo'bar'\r\n", "[ECHO,foobar]");
    check(b"ECHO \"\"\r\nPING\r\n", "[ECHO,] [PING]");
    check(b"ECHO \"a\"\x0bb\r\n", "[ECHO,a,b]");
    check(b"ECHO \\x41\r\n", "[ECHO,\\\\x41]");
    for line in [
        "\"a",
        "'a",
        "\"a\"b",
        "'a'b",
        "\"abc\\\"",
        "\"abc\\",
        "a\"b\"c",
    ] {
        check(format!("ECHO {line}\r\n"), "unbalanced quotes in request");
    }
}

#[test]
fn before_authentication() {
    let check = |input: &[u8], expected: &str| {
        assert_eq!(render(input, &Limits::before_authentication()), expected);
    };
    check(b"*10\r\n$1\r\n", "...");
    check(b"*11\r\n", "unauthenticated multibulk length");
    check(b"*2000000\r\n", "unauthenticated multibulk length");
    check(b"*2147483648\r\n", "invalid multibulk length");
    check(b"*1\r\n$16384\r\n", "...");
    check(b"*1\r\n$16385\r\n", "unauthenticated bulk length");
    check(b"*1\r\n$536870913\r\n", "invalid bulk length");
}

#[test]
fn request_limit() {
    let limits = Limits {
        request_bytes_max: 20,
        ..Limits::standard()
    };
    assert_eq!(
        render(b"*1\r\n$10\r\n0123456789\r\n", &limits),
        "too big request"
    );
    assert_eq!(render(b"*1\r\n$9\r\n012345678\r\n", &limits), "[012345678]");
}

#[test]
fn incomplete_wants_what_the_argument_needs() {
    let mut parser = RequestParser::default();
    let mut spans = Vec::new();
    let mut parse = |input: &[u8]| {
        let parsed = parser
            .parse(input, &Limits::standard(), &mut spans)
            .expect("valid so far");
        (
            parsed,
            parser.partial_argument().map(|span| (span.start, span.len)),
            parser.arguments_remaining(),
        )
    };
    assert_eq!(
        parse(b"*2\r\n"),
        (Parsed::Incomplete { wanted: 1 }, None, 2)
    );
    assert_eq!(
        parse(b"*2\r\n$100\r\nabc"),
        (Parsed::Incomplete { wanted: 99 }, Some((10, 100)), 2)
    );
}

/// A million arguments that arrive byte by byte: this does not end if it is quadratic.
#[test]
fn many_arguments_byte_by_byte() {
    let mut input = format!("*{ARGUMENTS_MAX}\r\n").into_bytes();
    for _ in 0..ARGUMENTS_MAX {
        input.extend_from_slice(b"$1\r\nx\r\n");
    }
    let (mut parser, mut spans) = (RequestParser::default(), Vec::new());
    for end in 0..input.len() {
        let parsed = parser.parse(&input[..end], &Limits::standard(), &mut spans);
        assert!(matches!(parsed, Ok(Parsed::Incomplete { .. })));
    }
    let parsed = parser.parse(&input, &Limits::standard(), &mut spans);
    assert_eq!(
        parsed,
        Ok(Parsed::Request {
            consumed: input.len()
        })
    );
    assert_eq!(spans.len(), ARGUMENTS_MAX as usize);
}
