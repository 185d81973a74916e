//! Clients that mean harm or are broken. After each, other clients are served and the server's
//! memory is within bounds.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Reply, encode};
use crate::random::Random;
use crate::server::{Server, is_long_run};

const MB: u64 = 1 << 20;

/// Makes one test for each backend.
macro_rules! for_each_backend {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::server::{Server, Target};

            #[test]
            fn mio() {
                super::$name(&Server::start(Target::Mio));
            }

            #[test]
            fn io_uring() {
                if Target::IoUring.is_available() {
                    super::$name(&Server::start(Target::IoUring));
                }
            }
        }
    )*};
}

for_each_backend!(
    announced_bulk_string_and_silence,
    announced_bulk_string_before_authentication,
    announced_arguments_and_silence,
    half_sent_large_bulk_strings,
    endless_inline_line,
    endless_header_line,
    byte_by_byte,
    client_that_never_reads,
    client_that_never_reads_large_values,
    many_short_connections,
    long_pipelines,
    half_a_request_holds_no_reply_back,
    half_closed_connections_get_their_replies,
    garbage,
    one_reply_that_repeats_a_large_value,
    connections_that_are_reset,
    a_request_with_very_many_arguments,
);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).expect("a time limit");
    stream.set_write_timeout(timeout).expect("a time limit");
    stream
}

/// Others are served.
fn assert_serves(server: &Server) {
    let mut client = server.connect();
    assert_eq!(client.command_words("SET served yes").to_string(), "OK");
    assert_eq!(client.command_words("GET served").text(), "yes");
}

/// The server's memory has grown by at most so much.
fn assert_grown_at_most(server: &Server, before: u64, limit: u64) {
    let now = server.resident_bytes();
    assert!(
        now <= before + limit,
        "memory grew from {before} to {now} bytes, more than {limit}"
    );
}

/// Waits until the server has taken all that was sent: it answers `connection`'s own request, or
/// for those that cannot be answered, its counter of received bytes stands still.
fn settle(server: &Server) {
    let mut client = server.connect();
    let mut last = String::new();
    loop {
        let info = client.command_words("INFO stats").text();
        let line = info
            .lines()
            .find(|line| line.starts_with("total_net_input_bytes:"));
        let line = line.unwrap_or_default().to_owned();
        // Each question adds its own bytes.
        let number = |text: &str| {
            let digits = text.split(':').nth(1);
            digits.and_then(|digits| digits.parse::<u64>().ok())
        };
        let own = encode(&["INFO", "stats"]).len() as u64;
        if let (Some(now), Some(before)) = (number(&line), number(&last))
            && now <= before + own
        {
            return;
        }
        last = line;
        thread::sleep(Duration::from_millis(10));
    }
}

fn announced_bulk_string_and_silence(server: &Server) {
    assert_serves(server);
    let before = server.resident_bytes();
    let mut streams: Vec<TcpStream> = (0..50).map(|_| connect(server)).collect();
    for stream in &mut streams {
        let header = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nonly this";
        stream.write_all(header).expect("the header is sent");
    }
    settle(server);
    assert_grown_at_most(server, before, 16 * MB);
    assert_serves(server);
}

fn announced_bulk_string_before_authentication(server: &Server) {
    let mut client = server.connect();
    client.command_words("CONFIG SET requirepass secret");
    let mut stream = connect(server);
    stream
        .write_all(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n")
        .expect("sent");
    let mut reply = Vec::new();
    stream
        .read_to_end(&mut reply)
        .expect("an error and the end");
    let reply = String::from_utf8_lossy(&reply);
    assert_eq!(
        reply,
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
    client.command_words("CONFIG SET requirepass \"\"");
    assert_serves(server);
}

fn announced_arguments_and_silence(server: &Server) {
    assert_serves(server);
    let before = server.resident_bytes();
    let mut streams: Vec<TcpStream> = (0..50).map(|_| connect(server)).collect();
    for stream in &mut streams {
        let header = b"*1048576\r\n$3\r\nDEL\r\n$1\r\na\r\n";
        stream.write_all(header).expect("the header is sent");
    }
    settle(server);
    assert_grown_at_most(server, before, 16 * MB);
    assert_serves(server);
}

/// Memory grows with what has arrived, and comes back when the clients go.
fn half_sent_large_bulk_strings(server: &Server) {
    assert_serves(server);
    let before = server.resident_bytes();
    let part = vec![b'x'; 4 * MB as usize];
    let mut streams: Vec<TcpStream> = (0..10).map(|_| connect(server)).collect();
    for stream in &mut streams {
        let header = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$104857600\r\n";
        stream.write_all(header).expect("the header is sent");
        stream.write_all(&part).expect("a part is sent");
    }
    settle(server);
    // 40 MB have arrived; twice that is room for growing by doubling.
    assert_grown_at_most(server, before, 100 * MB);
    assert_serves(server);
    drop(streams);
    wait_for_clients(server, 1);
    assert_grown_at_most(server, before, 60 * MB);
    assert_serves(server);
}

/// Waits until no more than so many clients are connected, the asking one included.
fn wait_for_clients(server: &Server, count: usize) {
    let mut client = server.connect();
    let begin = Instant::now();
    loop {
        let list = client.command_words("CLIENT LIST").text();
        if list.lines().count() <= count {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "clients that went away are still there:\n{list}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn endless_inline_line(server: &Server) {
    assert_closed_after(
        server,
        b"a",
        "-ERR Protocol error: too big inline request\r\n",
    );
}

fn endless_header_line(server: &Server) {
    assert_closed_after(
        server,
        b"*1111111111111111",
        "-ERR Protocol error: too big mbulk count string\r\n",
    );
}

/// Sends the bytes again and again until the server has had enough; it must say why.
fn assert_closed_after(server: &Server, piece: &[u8], error: &str) {
    assert_serves(server);
    let before = server.resident_bytes();
    let mut stream = connect(server);
    let first = piece[..1].to_vec();
    let mut bytes = first;
    bytes.extend(piece[piece.len() - 1..].repeat(16 * 1024));
    let mut sent = 0;
    // Less than Redis's limit of 64 KB and a socket buffer may be sent before the answer.
    while sent < 64 * MB as usize {
        match stream.write(&bytes) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
        bytes[0] = piece[piece.len() - 1];
        if sent > 70 * 1024 && has_answer(&stream) {
            break;
        }
    }
    assert!(sent < 64 * MB as usize, "the server takes an endless line");
    let mut reply = Vec::new();
    // A reset may follow, because the server does not read what is still on its way.
    let _ = stream.read_to_end(&mut reply);
    if !reply.is_empty() {
        assert_eq!(String::from_utf8_lossy(&reply), error);
    }
    assert_grown_at_most(server, before, 16 * MB);
    assert_serves(server);
}

fn has_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("non-blocking");
    let peeked = stream.peek(&mut [0; 1]);
    stream.set_nonblocking(false).expect("blocking");
    !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn byte_by_byte(server: &Server) {
    let mut stream = connect(server);
    let mut request = encode(&["SET", "slow", "value\r\nwith line\r\n"]);
    request.extend(encode(&["GET", "slow"]));
    request.extend(b"PING\r\n");
    for byte in request {
        stream.write_all(&[byte]).expect("a byte is sent");
        // A turn for the server, so that it sees single bytes most times.
        thread::yield_now();
    }
    let mut client = Client::from_tcp(stream).expect("a client");
    let replies: Vec<String> = (0..3)
        .map(|_| client.read_reply().expect("a reply").to_string())
        .collect();
    assert_eq!(replies, ["OK", "\"value\\r\\nwith line\\r\\n\"", "PONG"]);
    assert_serves(server);
}

/// Sends requests as long as the server takes them, and never reads.
fn client_that_never_reads(server: &Server) {
    server
        .connect()
        .command(&["SET", "k", "x".repeat(1000).as_str()]);
    let request = encode(&["GET", "k"]).repeat(1000);
    never_read(server, &request, 64 * MB);
}

fn client_that_never_reads_large_values(server: &Server) {
    let value = "x".repeat(4 * MB as usize);
    server.connect().command(&["SET", "k", value.as_str()]);
    let request = encode(&["GET", "k"]).repeat(1000);
    never_read(server, &request, 128 * MB);
}

fn never_read(server: &Server, request: &[u8], limit: u64) {
    assert_serves(server);
    let before = server.resident_bytes();
    let mut streams: Vec<TcpStream> = (0..3).map(|_| connect(server)).collect();
    for stream in &mut streams {
        stream.set_nonblocking(true).expect("non-blocking");
    }
    let mut idle_turns = 0;
    let mut sent = 0;
    while idle_turns < 50 && sent < 64 * MB {
        let mut progress = false;
        for stream in &mut streams {
            if let Ok(count) = stream.write(request) {
                sent += count as u64;
                progress = true;
            }
        }
        idle_turns = if progress { 0 } else { idle_turns + 1 };
        assert_grown_at_most(server, before, limit);
        thread::sleep(Duration::from_millis(2));
    }
    assert_grown_at_most(server, before, limit);
    assert_serves(server);
}

fn many_short_connections(server: &Server) {
    let count = if is_long_run() { 20_000 } else { 2_000 };
    assert_serves(server);
    // The first connections warm up what is kept for reuse.
    let connect_and_go = |number: usize| {
        let mut stream = connect(server);
        match number % 4 {
            0 => {}
            1 => stream.write_all(b"PING\r\n").expect("sent"),
            2 => stream
                .write_all(b"*2\r\n$4\r\nECHO\r\n$100\r\nhalf")
                .expect("sent"),
            _ => {
                stream.write_all(b"PING\r\n").expect("sent");
                let mut reply = [0; 7];
                stream.read_exact(&mut reply).expect("a reply");
                assert_eq!(&reply, b"+PONG\r\n");
            }
        }
    };
    for number in 0..200 {
        connect_and_go(number);
    }
    wait_for_clients(server, 1);
    let before = server.resident_bytes();
    for number in 0..count {
        connect_and_go(number);
    }
    wait_for_clients(server, 1);
    assert_grown_at_most(server, before, 16 * MB);
    assert_serves(server);
    let info = server.connect().command_words("INFO stats").text();
    assert!(info.contains("rejected_connections:0"), "{info}");
}

fn long_pipelines(server: &Server) {
    const COMMANDS: usize = 100_000;
    assert_serves(server);
    let before = server.resident_bytes();
    let stream = connect(server);
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = thread::spawn(move || {
        let mut bytes = Vec::new();
        for number in 0..COMMANDS {
            let key = format!("key:{}", number % 100);
            match number % 3 {
                0 => bytes.extend(encode(&["SET", &key, &number.to_string()])),
                1 => bytes.extend(encode(&["ECHO", &number.to_string()])),
                _ => bytes.extend(b"PING\r\n"),
            }
        }
        writer.write_all(&bytes).expect("the pipeline is sent");
    });
    let mut client = Client::from_tcp(stream).expect("a client");
    for number in 0..COMMANDS {
        let reply = client.read_reply().expect("a reply").text();
        match number % 3 {
            0 => assert_eq!(reply, "OK"),
            1 => assert_eq!(reply, number.to_string()),
            _ => assert_eq!(reply, "PONG"),
        }
    }
    sender.join().expect("the sender");
    assert_grown_at_most(server, before, 32 * MB);
    assert_serves(server);
}

fn half_a_request_holds_no_reply_back(server: &Server) {
    let mut client = server.connect();
    let set = encode(&["SET", "k", "value"]);
    let get = encode(&["GET", "k"]);
    for cut in 1..get.len() {
        let mut bytes = set.clone();
        bytes.extend(b"PING\r\n");
        bytes.extend_from_slice(&get[..cut]);
        client.send(&bytes).expect("sent");
        assert_eq!(client.read_reply().expect("a reply").text(), "OK");
        assert_eq!(client.read_reply().expect("a reply").text(), "PONG");
        client.send(&get[cut..]).expect("sent");
        assert_eq!(client.read_reply().expect("a reply").text(), "value");
    }
    // The same before a large bulk string that goes straight into its allocation.
    let large = "y".repeat(3 * MB as usize);
    let request = encode(&["SET", "k", &large]);
    let mut bytes = b"PING\r\n".to_vec();
    bytes.extend_from_slice(&request[..1_000_000]);
    client.send(&bytes).expect("sent");
    assert_eq!(client.read_reply().expect("a reply").text(), "PONG");
    client.send(&request[1_000_000..]).expect("sent");
    assert_eq!(client.read_reply().expect("a reply").text(), "OK");
    let length = client.command_words("STRLEN k").integer();
    assert_eq!(length, Some(large.len() as i64));
}

/// A client that sends all it has and closes its side still gets the replies.
fn half_closed_connections_get_their_replies(server: &Server) {
    let mut stream = connect(server);
    let request = encode(&["PING"]).repeat(1000);
    stream.write_all(&request).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let mut replies = Vec::new();
    stream
        .read_to_end(&mut replies)
        .expect("the replies and the end");
    assert_eq!(replies, b"+PONG\r\n".repeat(1000));
    assert_serves(server);
}

fn garbage(server: &Server) {
    assert_serves(server);
    let before = server.resident_bytes();
    let mut random = Random::new(Random::seed_of_run());
    for _ in 0..if is_long_run() { 5_000 } else { 300 } {
        let mut stream = connect(server);
        let bytes = garbage_bytes(&mut random);
        // The server may close at the first byte that is wrong.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut replies = Vec::new();
        let _ = stream.read_to_end(&mut replies);
    }
    wait_for_clients(server, 1);
    assert_grown_at_most(server, before, 32 * MB);
    assert_serves(server);
}

/// Random bytes, or a good request with some bytes changed. Nothing that ends the server or opens
/// a pause: the words are fixed and the changes few.
fn garbage_bytes(random: &mut Random) -> Vec<u8> {
    let length = random.below(2000);
    match random.below(3) {
        0 => (0..length).map(|_| random.below(256) as u8).collect(),
        1 => {
            let alphabet = b"*$+-:123 \r\n\x00\"'ab";
            (0..length).map(|_| *random.pick(alphabet)).collect()
        }
        _ => {
            let mut bytes = encode(&["SET", "garbage", "value"]).repeat(1 + random.below(20));
            for _ in 0..1 + random.below(4) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] = random.below(256) as u8,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, random.below(256) as u8),
                }
            }
            bytes
        }
    }
}

/// One MGET that names a large value very often must not build a reply of gigabytes at once.
fn one_reply_that_repeats_a_large_value(server: &Server) {
    let mut client = server.connect();
    let value = "v".repeat(MB as usize);
    client.command(&["SET", "k", value.as_str()]);
    assert_serves(server);
    let before = server.resident_bytes();
    let mut words = vec!["MGET"];
    words.resize(2001, "k");
    let mut stream = connect(server);
    stream.write_all(&encode(&words)).expect("sent");
    settle(server);
    assert_grown_at_most(server, before, 128 * MB);
    assert_serves(server);
    drop(stream);
    assert_serves(server);
}

/// Connections that end with a reset while replies are on their way.
fn connections_that_are_reset(server: &Server) {
    server
        .connect()
        .command(&["SET", "k", "x".repeat(100_000).as_str()]);
    for number in 0..if is_long_run() { 5_000 } else { 300 } {
        let mut stream = connect(server);
        let request = encode(&["GET", "k"]).repeat(1 + number % 20);
        stream.write_all(&request).expect("sent");
        if number % 2 == 0 {
            // Unread bytes in the receive buffer turn the close into a reset.
            let _ = stream.read(&mut [0; 10]);
        }
        drop(stream);
    }
    wait_for_clients(server, 1);
    assert_serves(server);
}

/// As many arguments as a request may have, and they work.
fn a_request_with_very_many_arguments(server: &Server) {
    const KEYS: usize = 1_048_575;
    let mut client = server.connect();
    client.command_words("SET a 1");
    let mut bytes = format!("*{}\r\n$6\r\nEXISTS\r\n", KEYS + 1).into_bytes();
    bytes.extend(b"$1\r\na\r\n".repeat(KEYS));
    client.send(&bytes).expect("sent");
    let reply = client.read_reply().expect("a reply");
    assert_eq!(reply, Reply::Integer(KEYS as i64));
    assert_serves(server);
}
