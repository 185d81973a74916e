//! The cases, each generic over the backend.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use net::{
    Backend, Event, Listener, ListenerId, ListenerOptions, Options, Peer, Socket, SocketOptions,
};

use crate::harness::{Host, MORE_THAN_FITS, pattern, reset};

pub fn echoes_over_tcp<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    host.echo_once(client, id);
}

pub fn echoes_over_ipv6<B: Backend>() {
    let mut host = Host::<B>::new();
    let address = host.listen_on("[::1]:0");
    let client = TcpStream::connect(address).expect("connect");
    let Event::Accepted { socket, .. } = host.next() else {
        panic!("not accepted")
    };
    assert_eq!(
        socket.peer(),
        Peer::Tcp(client.local_addr().expect("address"))
    );
    assert_eq!(socket.local(), Peer::Tcp(address));
    socket
        .set_options(&SocketOptions::default())
        .expect("options");
    let id = host.backend.open(socket).expect("open");
    host.echo_once(client, id);
}

pub fn echoes_over_a_unix_socket<B: Backend>() {
    let mut host = Host::<B>::new();
    let path = std::env::temp_dir().join(format!("net-{}-{}", B::NAME, std::process::id()));
    let options = ListenerOptions {
        unix_mode: Some(0o700),
        ..ListenerOptions::default()
    };
    let listener = Listener::unix(&path, &options).expect("listen");
    host.backend.listen(listener).expect("register");
    let client = UnixStream::connect(&path).expect("connect");
    let id = host.accept();
    host.echo_once(client, id);
    host.backend.stop_listening();
    host.expect_nothing();
    drop(host);
    assert!(!path.exists(), "the socket's file goes with its listener");
}

pub fn tells_listeners_apart<B: Backend>() {
    let mut host = Host::<B>::new();
    let addresses = [host.listen(), host.listen(), host.listen()];
    for index in [2, 0, 1, 2] {
        let client = TcpStream::connect(addresses[index]).expect("connect");
        let event = host.next();
        let Event::Accepted { listener, socket } = event else {
            panic!("not accepted: {event:?}")
        };
        assert_eq!(listener, ListenerId(index as u32));
        assert_eq!(
            socket.peer(),
            Peer::Tcp(client.local_addr().expect("address"))
        );
    }
}

pub fn stops_listening<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    let address = host.listen();
    host.backend.stop_listening();
    host.expect_nothing();
    let error = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    host.echo_once(client, id);
    let again = host.listen();
    let client = TcpStream::connect(again).expect("connect");
    let id = host.accept();
    host.echo_once(client, id);
}

pub fn moves_a_socket_to_another_backend<B: Backend>() {
    let mut acceptor = Host::<B>::new();
    let address = acceptor.listen();
    let mut client = TcpStream::connect(address).expect("connect");
    client.write_all(b"early").expect("write");
    let Event::Accepted { socket, .. } = acceptor.next() else {
        panic!("not accepted")
    };
    thread::spawn(move || {
        let mut other = Host::<B>::new();
        let id = other.backend.open(socket).expect("open");
        other.expect_bytes(id, b"early");
        other.echo_once(client, id);
    })
    .join()
    .expect("the other backend");
}

pub fn refuses_more_connections_than_configured<B: Backend>() {
    let mut host = Host::<B>::with(&Options {
        connections_max: 1,
        ..Options::default()
    });
    let address = host.listen();
    let kept = TcpStream::connect(address).expect("connect");
    let id = host.accept();
    let mut refused = TcpStream::connect(address).expect("connect");
    let Event::Accepted { socket, .. } = host.next() else {
        panic!("not accepted")
    };
    let error = host.backend.open(socket).expect_err("one is open already");
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert_eq!(refused.read(&mut [0]).expect("closed in order"), 0);
    host.echo_once(kept, id);
    let next = TcpStream::connect(address).expect("connect");
    let id = host.accept();
    host.echo_once(next, id);
}

/// An echo with small buffers: every boundary is somewhere in the middle.
pub fn carries_much_in_both_directions<B: Backend>() {
    let mut host = Host::<B>::with(&Options {
        buffer_bytes: 1000,
        buffers_max: 5,
        ..Options::default()
    });
    let (mut client, id) = host.connect();
    let bytes = pattern(4 << 20);
    let expected = bytes.clone();
    let mut writer = client.try_clone().expect("clone");
    let writing = thread::spawn(move || {
        for chunk in bytes.chunks(77_777) {
            writer.write_all(chunk).expect("write");
        }
        writer.shutdown(Shutdown::Write).expect("shutdown");
    });
    let reading = thread::spawn(move || {
        let mut echoed = Vec::new();
        client.read_to_end(&mut echoed).expect("read");
        assert!(echoed == expected, "other bytes than were sent");
    });
    let mut waiting = Vec::new();
    let mut is_sending = false;
    let mut has_ended = false;
    while !has_ended || is_sending || !waiting.is_empty() {
        match host.next() {
            Event::Received { buffer, .. } => {
                waiting.extend_from_slice(host.backend.bytes(&buffer));
                host.backend.recycle(buffer);
            }
            Event::Sent { .. } => is_sending = false,
            Event::EndOfStream { .. } => has_ended = true,
            event => panic!("unexpected: {event:?}"),
        }
        if !is_sending && !waiting.is_empty() {
            host.backend.send(id, std::mem::take(&mut waiting));
            is_sending = true;
        }
    }
    host.close(id);
    writing.join().expect("writer");
    reading.join().expect("reader");
}

pub fn finishes_a_send_when_the_peer_reads<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    host.backend.send(id, pattern(MORE_THAN_FITS));
    host.expect_nothing();
    // The other direction is not held up.
    client.write_all(b"meanwhile").expect("write");
    host.expect_bytes(id, b"meanwhile");
    let reading = thread::spawn(move || {
        let mut bytes = vec![0; MORE_THAN_FITS];
        client.read_exact(&mut bytes).expect("read");
        assert!(
            bytes == pattern(MORE_THAN_FITS),
            "other bytes than were sent"
        );
        client
    });
    assert!(host.expect_sent(id) == pattern(MORE_THAN_FITS), "changed");
    let client = reading.join().expect("reader");
    host.echo_once(client, id);
}

pub fn aborts_a_blocked_send_on_close<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    host.backend.send(id, pattern(MORE_THAN_FITS));
    host.expect_nothing();
    host.close(id);
    let mut bytes = Vec::new();
    // The end may come as a reset.
    let _ = client.read_to_end(&mut bytes);
    assert!(bytes.len() < MORE_THAN_FITS && pattern(MORE_THAN_FITS).starts_with(&bytes));
    host.expect_nothing();
}

pub fn closes_with_a_send_just_begun<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    host.backend.send(id, b"last words".to_vec());
    host.close(id);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).expect("read");
    assert!(b"last words".starts_with(&bytes[..]));
    host.expect_nothing();
}

pub fn reports_lazy_sends_with_the_next_event<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    for round in 0..10u8 {
        host.backend.send_lazily(id, vec![round; 10]);
        host.wait(Some(Duration::ZERO));
        assert_eq!(host.expect_sent(id), [round; 10]);
        let mut bytes = [0; 10];
        client.read_exact(&mut bytes).expect("read");
        assert_eq!(bytes, [round; 10]);
    }
    // One that blocks is reported by itself when it is done.
    host.backend.send_lazily(id, pattern(MORE_THAN_FITS));
    host.expect_nothing();
    let reading = thread::spawn(move || {
        let mut bytes = vec![0; MORE_THAN_FITS];
        client.read_exact(&mut bytes).expect("read");
    });
    assert!(host.expect_sent(id) == pattern(MORE_THAN_FITS), "changed");
    reading.join().expect("reader");
}

pub fn sends_after_the_peer_has_finished_writing<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    client.write_all(b"request").expect("write");
    client.shutdown(Shutdown::Write).expect("shutdown");
    host.expect_bytes(id, b"request");
    host.expect_end(id);
    host.expect_nothing();
    host.backend.send(id, b"reply".to_vec());
    host.expect_sent(id);
    host.close(id);
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("read");
    assert_eq!(reply, b"reply");
}

pub fn reports_a_reset_once<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    reset(client);
    host.expect_failed(id);
    host.backend.send(id, b"into the void".to_vec());
    host.expect_nothing();
    host.close(id);
}

pub fn reports_a_send_to_nobody<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, id) = host.connect();
    host.backend.send(id, pattern(MORE_THAN_FITS));
    host.expect_nothing();
    reset(client);
    host.expect_failed(id);
    host.expect_nothing();
    host.close(id);
}

pub fn reports_nothing_after_close_but_closed<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    client.write_all(b"unread").expect("write");
    host.backend.send(id, b"reply".to_vec());
    host.close(id);
    host.expect_nothing();
}

pub fn ignores_stale_ids<B: Backend>() {
    let mut host = Host::<B>::new();
    let (client, stale) = host.connect();
    host.close(stale);
    drop(client);
    let (client, id) = host.connect();
    assert_eq!(stale.slot(), id.slot());
    assert_ne!(stale.generation(), id.generation());
    host.backend.send(stale, b"to nobody".to_vec());
    host.backend.pause(stale);
    host.backend.resume(stale);
    host.backend.close(stale);
    host.expect_nothing();
    host.echo_once(client, id);
}

pub fn pauses_and_resumes<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    host.backend.pause(id);
    host.expect_nothing();
    client.write_all(b"first").expect("write");
    host.expect_nothing();
    host.backend.resume(id);
    host.expect_bytes(id, b"first");
    for round in 0..100 {
        host.backend.pause(id);
        if round % 3 == 0 {
            host.wait(Some(Duration::ZERO));
        }
        client.write_all(b"second").expect("write");
        if round % 2 == 0 {
            host.backend.resume(id);
            host.backend.pause(id);
        }
        host.backend.resume(id);
        host.expect_bytes(id, b"second");
    }
    host.echo_once(client, id);
}

pub fn reports_the_end_after_a_pause<B: Backend>() {
    let mut host = Host::<B>::new();
    let (mut client, id) = host.connect();
    host.backend.pause(id);
    host.expect_nothing();
    client.write_all(b"last").expect("write");
    drop(client);
    host.expect_nothing();
    host.backend.resume(id);
    host.expect_bytes(id, b"last");
    host.expect_end(id);
    host.close(id);
}

pub fn stops_receiving_without_buffers<B: Backend>() {
    const BUFFERS: usize = 3;
    const BYTES: usize = 100;
    let mut host = Host::<B>::with(&Options {
        buffer_bytes: BYTES,
        buffers_max: BUFFERS as u32,
        ..Options::default()
    });
    let (mut client, id) = host.connect();
    let bytes = pattern(BYTES * BUFFERS * 4);
    client.write_all(&bytes).expect("write");
    let mut received = Vec::new();
    while received.len() < bytes.len() {
        let mut held = Vec::new();
        for _ in 0..BUFFERS {
            match host.next() {
                Event::Received { buffer, .. } => held.push(buffer),
                event => panic!("not received: {event:?}"),
            }
        }
        host.expect_nothing();
        for buffer in &held {
            received.extend_from_slice(host.backend.bytes(buffer));
        }
        held.into_iter()
            .for_each(|buffer| host.backend.recycle(buffer));
    }
    assert!(received == bytes, "other bytes than were sent");
    host.echo_once(client, id);
}

pub fn tells_what_its_buffers_take<B: Backend>() {
    let options = Options::default();
    let total = |host: &Host<B>| {
        let memory = host.backend.receive_memory();
        memory.allocated_bytes + memory.mapped_bytes
    };
    let mut host = Host::<B>::with(&options);
    assert_eq!(total(&host), 0, "memory is touched on first use");
    let (client, id) = host.connect();
    host.echo_once(client, id);
    let bytes = total(&host);
    assert!((1..=8 * options.buffer_bytes).contains(&bytes), "{bytes}");
}

pub fn wakes_from_another_thread<B: Backend>() {
    let mut host = Host::<B>::new();
    let waker = host.backend.waker();
    let (asked, asks) = std::sync::mpsc::channel();
    let waking = thread::spawn(move || {
        while asks.recv().is_ok() {
            waker.wake();
        }
    });
    for _ in 0..200 {
        asked.send(()).expect("the other thread");
        loop {
            let mut events = Vec::new();
            host.backend.wait(None, &mut events).expect("wait");
            if !events.is_empty() {
                assert!(matches!(events[..], [Event::Woken]), "{events:?}");
                break;
            }
        }
    }
    drop(asked);
    waking.join().expect("the other thread");
    host.expect_nothing();
}

pub fn coalesces_wakes<B: Backend>() {
    let mut host = Host::<B>::new();
    for _ in 0..3 {
        host.backend.waker().wake();
    }
    assert!(matches!(host.next(), Event::Woken));
    host.expect_nothing();
}

pub fn drops_with_everything_in_flight<B: Backend>() {
    let mut host = Host::<B>::new();
    let address = host.listen();
    let clients: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).expect("connect"))
        .collect();
    let ids: Vec<_> = clients.iter().map(|_| host.accept()).collect();
    for id in &ids[..10] {
        host.backend.send(*id, pattern(MORE_THAN_FITS));
    }
    host.expect_nothing();
    for mut client in &clients {
        client.write_all(b"unread").expect("write");
    }
    host.next();
    host.backend.send(ids[10], b"not submitted yet".to_vec());
    let waker = host.backend.waker();
    drop(host);
    waker.wake();
    for mut client in clients {
        // Ends with the end or a reset, not with a timeout.
        let mut bytes = Vec::new();
        if let Err(error) = client.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
}

/// Clients that pipeline messages of random sizes; every reply has the bytes of its request.
pub fn serves_many_connections<B: Backend>() {
    const CLIENTS: usize = 200;
    const ROUNDS: usize = 30;
    let mut host = Host::<B>::with(&Options {
        buffer_bytes: 512,
        buffers_max: 32,
        ..Options::default()
    });
    let address = host.listen();
    let driving = thread::spawn(move || {
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|_| TcpStream::connect(address).expect("connect"))
            .collect();
        let bytes = pattern(CLIENTS * ROUNDS + 3000);
        for round in 0..ROUNDS {
            let message = |index: usize| {
                let start = round * CLIENTS + index;
                &bytes[start..start + 1 + (start * 7919) % 2999]
            };
            for (index, client) in clients.iter_mut().enumerate() {
                client.write_all(message(index)).expect("write");
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let mut reply = vec![0; message(index).len()];
                client.read_exact(&mut reply).expect("read");
                assert!(reply == message(index), "client {index} got other bytes");
            }
        }
    });
    let mut waiting: HashMap<_, Vec<u8>> = HashMap::new();
    let mut sending = std::collections::HashSet::new();
    let mut closed = 0;
    while closed < CLIENTS {
        let mut touched = Vec::new();
        match host.next() {
            Event::Accepted { socket, .. } => {
                host.backend.open(socket).expect("open");
            }
            Event::Received { id, buffer } => {
                waiting
                    .entry(id)
                    .or_default()
                    .extend_from_slice(host.backend.bytes(&buffer));
                host.backend.recycle(buffer);
                touched.push(id);
            }
            Event::Sent { id, .. } => {
                sending.remove(&id);
                touched.push(id);
            }
            Event::EndOfStream { id } => host.backend.close(id),
            Event::Closed { .. } => closed += 1,
            event => panic!("unexpected: {event:?}"),
        }
        for id in touched {
            if !sending.contains(&id)
                && let Some(bytes) = waiting.remove(&id)
            {
                sending.insert(id);
                if bytes.len() % 2 == 0 {
                    host.backend.send(id, bytes);
                } else {
                    host.backend.send_lazily(id, bytes);
                }
            }
        }
    }
    driving.join().expect("clients");
}

pub fn acts_on_more_connections_than_fit_into_a_queue<B: Backend>() {
    const CONNECTIONS: usize = 1500;
    net::descriptors::raise_limit(10_000);
    let mut host = Host::<B>::new();
    let mut pairs = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, server) = UnixStream::pair().expect("a pair of sockets");
        let socket = Socket::from_descriptor(server).expect("a socket");
        pairs.push((client, host.backend.open(socket).expect("open")));
    }
    for (index, (_, id)) in pairs.iter().enumerate() {
        host.backend.send_lazily(*id, index.to_le_bytes().to_vec());
    }
    for _ in 0..CONNECTIONS {
        let event = host.next_or_late();
        assert!(matches!(event, Event::Sent { .. }), "{event:?}");
    }
    for (index, (client, _)) in pairs.iter_mut().enumerate() {
        let mut bytes = [0; size_of::<usize>()];
        client.read_exact(&mut bytes).expect("read");
        assert_eq!(bytes, index.to_le_bytes());
        client.write_all(b"request").expect("write");
    }
    for _ in 0..CONNECTIONS {
        match host.next() {
            Event::Received { buffer, .. } => host.backend.recycle(buffer),
            event => panic!("not received: {event:?}"),
        }
    }
    for (_, id) in &pairs {
        host.backend.close(*id);
    }
    for _ in 0..CONNECTIONS {
        let event = host.next();
        assert!(matches!(event, Event::Closed { .. }), "{event:?}");
    }
    host.expect_nothing();
}

pub fn refuses_options_out_of_range<B: Backend>() {
    let default = Options::default;
    let out_of_range = [
        Options {
            buffer_bytes: 63,
            ..default()
        },
        Options {
            buffers_max: 0,
            ..default()
        },
        Options {
            buffers_max: u32::MAX,
            ..default()
        },
        Options {
            connections_max: 0,
            ..default()
        },
        Options {
            connections_max: u32::MAX,
            ..default()
        },
    ];
    for options in out_of_range {
        let error = B::new(&options).err().expect("out of range");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let mut host = Host::<B>::new();
    let error = host
        .backend
        .listen(Listener::simulated(1))
        .expect_err("not a real listener");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
