//! Receiving straight into a buffer of the caller.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use net::{Backend, ConnectionId, Event, Options};

use crate::harness::{Host, pattern, reset};

/// A small pool, so that what goes through it shows its seams.
fn small_pool() -> Options {
    Options {
        buffer_bytes: 1000,
        buffers_max: 8,
        ..Options::default()
    }
}

/// Room for `until` bytes, and more, which must stay untouched.
fn room(has: &[u8], until: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(until + 100);
    buffer.extend_from_slice(has);
    buffer
}

/// A connection whose client has just sent `bytes`, which nobody has looked for yet.
fn connect_and_write<B: Backend>(host: &mut Host<B>, bytes: &[u8]) -> (TcpStream, ConnectionId) {
    let (mut client, id) = host.connect();
    client.write_all(bytes).expect("write");
    (client, id)
}

pub fn fills_whole<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    for bytes in [1, 1000, 100_000, 5 << 20] {
        let stream = pattern(bytes + 4);
        host.backend
            .fill(id, room(&stream[..4], stream.len()), stream.len());
        let expected = stream.clone();
        let writing = thread::spawn(move || {
            client.write_all(&stream[4..]).expect("write");
            client
        });
        assert!(host.expect_filled(id) == expected, "other bytes");
        assert_eq!(host.backend.filled_bytes(id), 0);
        client = writing.join().expect("writer");
    }
    host.echo_once(client, id);
}

pub fn fills_in_trickles<B: Backend>() {
    const PIECE: usize = 700;
    const PIECES: usize = 50;
    let mut host = Host::<B>::with(&small_pool());
    let (mut client, id) = host.connect();
    let stream = pattern(PIECE * PIECES);
    host.backend.fill(id, room(b"", stream.len()), stream.len());
    for (index, piece) in stream.chunks(PIECE).enumerate() {
        assert_eq!(host.backend.filled_bytes(id), index * PIECE);
        client.write_all(piece).expect("write");
        if index + 1 < PIECES {
            while host.backend.filled_bytes(id) < (index + 1) * PIECE {
                host.expect_nothing();
            }
        }
    }
    assert!(host.expect_filled(id) == stream, "other bytes");
    host.echo_once(client, id);
}

/// As a server does it: the head comes as received, what it has of the body is copied, the rest is filled.
pub fn fills_after_what_was_received<B: Backend>() {
    let mut host = Host::<B>::with(&small_pool());
    let (client, id) = host.connect();
    serve_bodies(
        &mut host,
        client,
        id,
        &[3000, 900, 200_000, 20, 1 << 20, 50_000],
    );
}

pub fn fills_one_after_the_other<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    serve_bodies(&mut host, client, id, &[300_000; 20]);
}

/// The client sends bodies, each after four bytes that tell its length, all at once.
fn serve_bodies<B: Backend>(
    host: &mut Host<B>,
    mut client: TcpStream,
    id: ConnectionId,
    bodies: &[usize],
) {
    let all = bodies.to_vec();
    let writing = thread::spawn(move || {
        for bytes in all {
            client
                .write_all(&(bytes as u32).to_le_bytes())
                .expect("write");
            client.write_all(&pattern(bytes)).expect("write");
        }
        client
    });
    let mut waiting: Vec<u8> = Vec::new();
    let mut served = 0;
    while served < bodies.len() {
        // As a worker does: everything that one wait has reported is looked at before a fill.
        for event in host.next_all() {
            match event {
                Event::Received { buffer, .. } => {
                    waiting.extend_from_slice(host.backend.bytes(&buffer));
                    host.backend.recycle(buffer);
                }
                Event::Filled { buffer, .. } => {
                    assert!(waiting.is_empty(), "Filled comes before what follows");
                    assert!(buffer == pattern(bodies[served]), "body {served}");
                    served += 1;
                }
                event => panic!("unexpected: {event:?}"),
            }
        }
        while let Some((head, body)) = waiting.split_first_chunk::<4>()
            && host.backend.filled_bytes(id) == 0
        {
            let bytes = u32::from_le_bytes(*head) as usize;
            assert_eq!(bytes, bodies[served]);
            if body.len() >= bytes {
                assert!(body[..bytes] == pattern(bytes), "body {served}");
                served += 1;
                waiting.drain(..4 + bytes);
            } else {
                host.backend.fill(id, room(body, bytes), bytes);
                waiting.clear();
            }
        }
    }
    let client = writing.join().expect("writer");
    host.echo_once(client, id);
}

/// A fill that begins when the caller holds all buffers.
pub fn fills_without_pool_buffers<B: Backend>() {
    let options = Options {
        buffers_max: 2,
        ..small_pool()
    };
    let mut host = Host::<B>::with(&options);
    let (mut client, id) = host.connect();
    let stream = pattern(50_000);
    client.write_all(&stream).expect("write");
    let (Event::Received { buffer: first, .. }, Event::Received { buffer: second, .. }) =
        (host.next(), host.next())
    else {
        panic!("not received")
    };
    host.expect_nothing();
    let mut begin = host.backend.bytes(&first).to_vec();
    begin.extend_from_slice(host.backend.bytes(&second));
    host.backend
        .fill(id, room(&begin, stream.len()), stream.len());
    assert!(host.expect_filled(id) == stream, "other bytes");
    host.backend.recycle(first);
    host.backend.recycle(second);
    host.echo_once(client, id);
}

/// The next request follows at once, in the same piece.
pub fn receives_what_follows_a_fill<B: Backend>() {
    for filled in [1, 999, 1000, 1001, 2500, 6000, 100_000] {
        let mut host = Host::<B>::with(&small_pool());
        let stream = pattern(filled + 5000);
        let (client, id) = connect_and_write(&mut host, &stream);
        host.backend.fill(id, room(b"", filled), filled);
        assert!(host.expect_filled(id) == stream[..filled], "other bytes");
        host.expect_bytes(id, &stream[filled..]);
        host.echo_once(client, id);
    }
}

pub fn ends_in_the_middle_of_a_fill<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = connect_and_write(&mut host, &[b'x'; 10_000]);
    host.backend.fill(id, room(b"", 20_000), 20_000);
    while host.backend.filled_bytes(id) < 10_000 {
        host.expect_nothing();
    }
    client.shutdown(Shutdown::Write).expect("shutdown");
    host.expect_end(id);
    assert_eq!(host.backend.filled_bytes(id), 0);
    host.expect_nothing();
    host.close(id);
    // The end as `finish_receiving` makes it.
    let (_client, id) = connect_and_write(&mut host, &[b'x'; 10_000]);
    host.backend.fill(id, room(b"", 20_000), 20_000);
    host.backend.finish_receiving(id);
    host.expect_end(id);
    host.expect_nothing();
    host.close(id);
}

pub fn is_reset_in_the_middle_of_a_fill<B: Backend>() {
    let mut host = Host::<B>::new();
    for waits in [false, true] {
        let (client, id) = connect_and_write(&mut host, &[b'x'; 10_000]);
        host.backend.fill(id, room(b"", 20_000), 20_000);
        if waits {
            host.expect_nothing();
        }
        reset(client);
        host.expect_failed(id);
        assert_eq!(host.backend.filled_bytes(id), 0);
        host.backend.fill(id, room(b"", 10), 10);
        host.expect_nothing();
        host.close(id);
    }
}

pub fn pauses_and_resumes_a_fill<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    let stream = pattern(60_000);
    let (first, second) = stream.split_at(30_000);
    host.backend.fill(id, room(b"", stream.len()), stream.len());
    host.expect_nothing();
    host.backend.pause(id);
    host.expect_nothing();
    client.write_all(first).expect("write");
    host.expect_nothing();
    assert_eq!(host.backend.filled_bytes(id), 0);
    host.backend.resume(id);
    host.backend.pause(id);
    host.backend.resume(id);
    while host.backend.filled_bytes(id) < first.len() {
        host.expect_nothing();
    }
    host.backend.pause(id);
    client.write_all(second).expect("write");
    host.backend.resume(id);
    assert!(host.expect_filled(id) == stream, "other bytes");
    // A fill that begins in a pause.
    host.backend.pause(id);
    host.backend.fill(id, room(b"", 5), 5);
    client.write_all(b"fills, and follows").expect("write");
    host.expect_nothing();
    host.backend.resume(id);
    assert_eq!(host.expect_filled(id), b"fills");
    host.expect_bytes(id, b", and follows");
    host.echo_once(client, id);
}

pub fn closes_in_the_middle_of_a_fill<B: Backend>() {
    let mut host = Host::<B>::new();
    for waits in [false, true] {
        let (mut client, id) = connect_and_write(&mut host, &[b'x'; 10_000]);
        host.backend.fill(id, room(b"", 1 << 20), 1 << 20);
        if waits {
            host.expect_nothing();
        }
        host.close(id);
        // Nobody writes to the buffer any more.
        let _ = client.write_all(&[b'y'; 10_000]);
        host.expect_nothing();
    }
    // The end of a fill, and a close before it is reported.
    let (_client, id) = connect_and_write(&mut host, &[b'x'; 10_000]);
    host.backend.fill(id, room(b"", 10_000), 10_000);
    host.close(id);
    host.expect_nothing();
}

pub fn drops_in_the_middle_of_fills<B: Backend>() {
    let mut host = Host::<B>::new();
    let mut clients = Vec::new();
    for index in 0..9 {
        let (client, id) = host.connect();
        host.backend.fill(id, room(b"", 1 << 20), 1 << 20);
        if index % 3 > 0 {
            host.expect_nothing();
        }
        if index % 3 > 1 {
            (&client).write_all(&[b'x'; 10_000]).expect("write");
        }
        clients.push(client);
    }
    drop(host);
    for mut client in clients {
        let error = client.read(&mut [0]).err().map(|error| error.kind());
        assert!(matches!(error, None | Some(ErrorKind::ConnectionReset)));
    }
}

pub fn fills_nothing_after_the_end<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    client.shutdown(Shutdown::Write).expect("shutdown");
    host.expect_end(id);
    host.backend.fill(id, room(b"", 10), 10);
    assert_eq!(host.backend.filled_bytes(id), 0);
    host.expect_nothing();
    host.close(id);
    host.backend.fill(id, room(b"", 10), 10);
    host.wait(Some(Duration::ZERO));
    host.expect_nothing();
}

pub fn refuses_fills_that_cannot_be<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    let mut panics = |has: &[u8], until: usize| {
        let mut buffer = Vec::with_capacity(16);
        buffer.extend_from_slice(has);
        let until = if until > 16 {
            buffer.capacity() + 1
        } else {
            until
        };
        let fill = || host.backend.fill(id, buffer, until);
        catch_unwind(AssertUnwindSafe(fill)).is_err()
    };
    assert!(panics(b"", 0));
    assert!(panics(b"four", 4));
    assert!(panics(b"", 17));
    assert!(!panics(b"", 6));
    assert!(panics(b"", 6), "one is under way");
    (&client).write_all(b"filled").expect("write");
    assert_eq!(host.expect_filled(id), b"filled");
    host.echo_once(client, id);
}
