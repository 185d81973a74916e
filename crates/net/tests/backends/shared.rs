//! Sends with shared pieces.

use std::io::Read;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use net::{Backend, Outgoing};

use crate::harness::{Host, MORE_THAN_FITS, pattern, reset};

/// A send with shared pieces of all sizes, and what arrives when it is sent.
fn mixed(bytes_min: usize) -> (Outgoing, Vec<u8>) {
    let stream = pattern(bytes_min + (2 << 20));
    let mut outgoing = Outgoing::default();
    let mut place = 0;
    for round in 0.. {
        let own_bytes = [0, 3, 70_000][round % 3];
        let shared_bytes = [1, 0, 900_000, 16 << 10][round % 4];
        let (own, rest) = stream[place..].split_at(own_bytes);
        outgoing.bytes.extend_from_slice(own);
        let piece = Bytes::from(rest[..shared_bytes].to_vec());
        outgoing.shared.push((outgoing.bytes.len(), piece));
        place += own_bytes + shared_bytes;
        if place >= bytes_min {
            break;
        }
    }
    outgoing.bytes.extend_from_slice(&stream[place..place + 5]);
    (outgoing, stream[..place + 5].to_vec())
}

pub fn sends_shared_pieces_to_a_slow_reader<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    for bytes in [1000, MORE_THAN_FITS] {
        let (outgoing, expected) = mixed(bytes);
        assert_eq!(outgoing.len(), expected.len());
        let (own, held) = (outgoing.bytes.clone(), outgoing.shared.clone());
        host.backend.send(id, outgoing);
        if bytes == MORE_THAN_FITS {
            host.expect_nothing();
        }
        let reading = thread::spawn(move || {
            let mut bytes = vec![0; expected.len()];
            for chunk in bytes.chunks_mut(123_457) {
                client.read_exact(chunk).expect("read");
                thread::yield_now();
            }
            assert!(bytes == expected, "other bytes than were sent");
            client
        });
        assert!(host.expect_sent(id) == own, "changed");
        assert!(held.iter().all(|(_, piece)| is_only_ours(piece)));
        client = reading.join().expect("reader");
    }
    host.echo_once(client, id);
}

pub fn sends_more_pieces_than_one_call_takes<B: Backend>() {
    const PIECES: usize = 1100;
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    let stream = pattern(PIECES * 2);
    for pieces in [PIECES, 1024, 1023] {
        let shared = stream.chunks(2).take(pieces);
        host.backend.send(
            id,
            Outgoing {
                bytes: Vec::new(),
                shared: shared
                    .map(|piece| (0, Bytes::copy_from_slice(piece)))
                    .collect(),
            },
        );
        assert_eq!(host.expect_sent(id), b"");
        let mut bytes = vec![0; pieces * 2];
        client.read_exact(&mut bytes).expect("read");
        assert!(bytes == stream[..pieces * 2], "other bytes than were sent");
    }
    host.echo_once(client, id);
}

pub fn sends_shared_pieces_lazily<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    let piece = Bytes::from(b"shared".to_vec());
    let outgoing = Outgoing {
        bytes: b"()".to_vec(),
        shared: vec![(1, piece.clone()), (1, piece.clone())],
    };
    host.backend.send_lazily(id, outgoing);
    host.wait(Some(Duration::ZERO));
    let mut bytes = [0; 14];
    client.read_exact(&mut bytes).expect("read");
    assert_eq!(&bytes, b"(sharedshared)");
    assert_eq!(host.expect_sent(id), b"()");
    assert!(is_only_ours(&piece));
    host.echo_once(client, id);
}

pub fn lets_go_of_shared_pieces_after_a_reset<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    let (outgoing, _) = mixed(MORE_THAN_FITS);
    let held = outgoing.shared.clone();
    host.backend.send(id, outgoing);
    host.expect_nothing();
    client.read_exact(&mut [0; 100_000]).expect("read");
    reset(client);
    host.expect_failed(id);
    assert!(held.iter().all(|(_, piece)| is_only_ours(piece)));
    host.expect_nothing();
    host.close(id);
}

pub fn lets_go_of_shared_pieces_after_close<B: Backend>() {
    let mut host = Host::<B>::new();
    let (_client, id) = host.connect();
    let (outgoing, _) = mixed(MORE_THAN_FITS);
    let held = outgoing.shared.clone();
    host.backend.send(id, outgoing);
    host.expect_nothing();
    host.close(id);
    assert!(held.iter().all(|(_, piece)| is_only_ours(piece)));
    let (_client, id) = host.connect();
    let (outgoing, _) = mixed(MORE_THAN_FITS);
    let held = outgoing.shared.clone();
    host.backend.send(id, outgoing);
    host.expect_nothing();
    drop(host);
    assert!(held.iter().all(|(_, piece)| is_only_ours(piece)));
}

/// Whether the backend has let go of a piece. An empty one has no count.
fn is_only_ours(piece: &Bytes) -> bool {
    piece.is_empty() || piece.is_unique()
}
