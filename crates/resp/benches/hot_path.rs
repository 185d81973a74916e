//! Nanoseconds of what every request goes through: `cargo bench -p resp`. The best of many rounds,
//! since noise only adds.

use std::hint::black_box;
use std::time::Instant;

use resp::{
    Args, Limits, Output, Parsed, Protocol, ReplyWriter, RequestParser, encode_request, skip_reply,
};

const BATCH: usize = 128;
const ROUNDS: usize = 20_000;

fn main() {
    let key = b"key:000000012345";
    parse("parse GET, 16-byte key", &[b"GET", key]);
    parse(
        "parse SET, 16-byte key, 64-byte value",
        &[b"SET", key, &[b'v'; 64]],
    );
    parse(
        "parse SET, 16-byte key, 1-KB value",
        &[b"SET", key, &[b'v'; 1024]],
    );
    write("write OK", |writer| writer.ok());
    write("write 64-byte bulk", |writer| {
        writer.bulk(black_box(&[b'v'; 64]));
    });
    write("write 1-KB bulk", |writer| {
        writer.bulk(black_box(&[b'v'; 1024]));
    });
    write("write null", |writer| writer.null());
    write("write integer", |writer| writer.integer(black_box(123_456)));
    write("write bulk integer", |writer| {
        writer.bulk_integer(black_box(123_456));
    });
    write("write double", |writer| writer.double(black_box(0.1)));
    let mut reply = Output::default();
    ReplyWriter::new(&mut reply, Protocol::Resp2).bulk(&[b'v'; 64]);
    let reply = reply.to_vec();
    measure("skip 64-byte bulk", || {
        for _ in 0..BATCH {
            black_box(skip_reply(black_box(&reply)).is_ok());
        }
    });
    measure("INCRBYFLOAT 3.0 1.1", || {
        for _ in 0..BATCH {
            black_box(resp::long_double::increment(black_box(b"3.0"), black_box(b"1.1")).is_ok());
        }
    });
}

fn parse(name: &str, arguments: &[&[u8]]) {
    let mut input = Vec::new();
    for _ in 0..BATCH {
        encode_request(arguments, &mut input);
    }
    let limits = Limits::standard();
    let mut spans = Vec::new();
    measure(name, || {
        let mut parser = RequestParser::default();
        spans.clear();
        let mut rest = black_box(input.as_slice());
        let mut bytes = 0;
        while let Ok(Parsed::Request { consumed }) = parser.parse(rest, &limits, &mut spans) {
            let first = spans.len() - arguments.len();
            bytes += Args::new(rest, &spans[first..]).name().len();
            rest = &rest[consumed..];
        }
        assert_eq!(black_box(bytes), BATCH * arguments[0].len());
    });
}

fn write(name: &str, reply: impl Fn(&mut ReplyWriter<'_>)) {
    let mut out = Output::from(Vec::with_capacity(1 << 18));
    measure(name, || {
        out.clear();
        let mut writer = ReplyWriter::new(&mut out, black_box(Protocol::Resp2));
        for _ in 0..BATCH {
            reply(&mut writer);
        }
        black_box(&out);
    });
}

fn measure(name: &str, mut batch: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        batch();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:40} {:6.1} ns", best * 1e9 / BATCH as f64);
}
