//! Runs the program against a small server that can be told to misbehave.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use bench::report::Summary;

/// How the server behaves.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    /// Stores what it is told.
    Proper,
    /// Answers every GET with two bytes more than were stored.
    LongValues,
    /// Refuses to store.
    ReadOnly,
    /// Answers something that is no reply.
    Nonsense,
    /// Closes connections after the first request.
    Closing,
}

type Store = Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>;

/// Starts a server and returns its port. It ends with the test's process.
fn serve(behaviour: Behaviour) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = Store::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let store = store.clone();
            // A client that goes away is none of the server's business.
            thread::spawn(move || converse(&stream, behaviour, &store).ok());
        }
    });
    port
}

fn converse(stream: &TcpStream, behaviour: Behaviour, store: &Store) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    let mut output = Vec::new();
    loop {
        let request = read_request(&mut input)?;
        answer(&request, behaviour, store, &mut output);
        if input.buffer().is_empty() {
            let mut stream = stream;
            stream.write_all(&output)?;
            output.clear();
        }
        if behaviour == Behaviour::Closing {
            return Ok(());
        }
    }
}

fn read_request(input: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let head = read_line(input)?;
    let Some(count) = head.strip_prefix('*') else {
        return Ok(head
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect());
    };
    let mut request = Vec::new();
    for _ in 0..count.parse().unwrap() {
        let length: usize = read_line(input)?[1..].parse().unwrap();
        let mut argument = vec![0; length + 2];
        input.read_exact(&mut argument)?;
        argument.truncate(length);
        request.push(argument);
    }
    Ok(request)
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn answer(request: &[Vec<u8>], behaviour: Behaviour, store: &Store, output: &mut Vec<u8>) {
    let mut store = store.lock().unwrap();
    let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
    match (behaviour, words.as_slice()) {
        (Behaviour::Nonsense, _) => output.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\n"),
        (Behaviour::ReadOnly, [b"SET", ..]) => output.extend_from_slice(b"-READONLY no\r\n"),
        (_, [b"SET", key, value]) => {
            store.insert(key.to_vec(), value.to_vec());
            output.extend_from_slice(b"+OK\r\n");
        }
        (_, [b"GET", key]) => match store.get(*key) {
            Some(value) => {
                let mut value = value.clone();
                if behaviour == Behaviour::LongValues {
                    value.extend_from_slice(b"..");
                }
                output.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                output.extend_from_slice(&value);
                output.extend_from_slice(b"\r\n");
            }
            None => output.extend_from_slice(b"$-1\r\n"),
        },
        (_, [b"PING"]) => output.extend_from_slice(b"+PONG\r\n"),
        (_, [b"AUTH", b"secret"]) => output.extend_from_slice(b"+OK\r\n"),
        (_, [b"AUTH", ..]) => output.extend_from_slice(b"-WRONGPASS no\r\n"),
        _ => output.extend_from_slice(b"-ERR unknown command\r\n"),
    }
}

fn run(port: u16, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_redistill-benchmark"))
        .args(["-p", &port.to_string()])
        .args(line.split_whitespace())
        .output()
        .unwrap()
}

/// Runs with `--json` and expects success.
fn summaries(port: u16, line: &str) -> Vec<Summary> {
    let output = run(port, &format!("--json {line}"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{line}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs and expects a failing exit with `message` in what is printed.
fn check_failure(behaviour: Behaviour, line: &str, message: &str) {
    let output = run(serve(behaviour), line);
    assert_eq!(output.status.code(), Some(1), "{line}");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(message), "'{message}' is not in: {text}");
}

#[test]
fn every_prefilled_key_is_found() {
    let found = summaries(
        serve(Behaviour::Proper),
        "--prefill -c 4 -P 5 -n 1003 -r 300 -d 9 -t get,set,ping",
    );
    let names: Vec<&str> = found.iter().map(|summary| summary.test.as_str()).collect();
    assert_eq!(names, ["GET", "SET", "PING_INLINE", "PING_MBULK"]);
    assert!(found.iter().all(|summary| summary.requests == 1003));
    assert_eq!((found[0].hits, found[0].misses), (1003, 0));
}

#[test]
fn keys_that_are_not_there_are_misses() {
    let found = summaries(serve(Behaviour::Proper), "-c 3 -n 100 -r 10 -t get");
    assert_eq!((found[0].hits, found[0].misses), (0, 100));
}

#[test]
fn requests_are_shared_among_threads() {
    let port = serve(Behaviour::Proper);
    let found = summaries(
        port,
        "--threads 3 -c 7 -P 4 -n 1001 -r 50 -d 40000 -t set,get --zipf 1.1",
    );
    assert!(found.iter().all(|summary| summary.requests == 1001));
}

#[test]
fn a_mix_has_hits_for_its_gets() {
    let found = summaries(
        serve(Behaviour::Proper),
        "--prefill -c 3 -P 10 -n 1000 -r 20 --ratio 1:3",
    );
    assert_eq!(found[0].test, "SET:GET 1:3");
    assert!((650..850).contains(&found[0].hits), "{}", found[0].hits);
}

#[test]
fn an_open_loop_sends_all_its_requests() {
    let found = summaries(
        serve(Behaviour::Proper),
        "-c 5 -n 300 -P 3 --rate 20000 -t set",
    );
    assert_eq!(found[0].requests, 300);
    assert!(
        found[0].requests_per_s < 22_000.0,
        "{}",
        found[0].requests_per_s
    );
}

#[test]
fn a_duration_ends_the_run() {
    let found = summaries(serve(Behaviour::Proper), "-c 2 --duration 0.05 -t set");
    assert!(found[0].requests > 0);
}

#[test]
fn csv_has_a_header_and_a_line_for_each_test() {
    let output = run(serve(Behaviour::Proper), "--csv -c 2 -n 10");
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
}

#[test]
fn bad_replies_and_connections_fail_the_run() {
    let wrong = "0 errors, 50 replies of the wrong shape or length; the first: $5";
    check_failure(
        Behaviour::LongValues,
        "--prefill -c 2 -n 50 -r 10 -d 3 -t get",
        wrong,
    );
    check_failure(
        Behaviour::ReadOnly,
        "-c 2 -n 50 -t set",
        "50 errors, 0 replies",
    );
    check_failure(
        Behaviour::ReadOnly,
        "-c 2 -n 50 -t ping --prefill",
        "-READONLY no",
    );
    check_failure(Behaviour::Proper, "-n 10 GETT x", "-ERR unknown command");
    check_failure(
        Behaviour::Nonsense,
        "-n 10",
        "something that is no reply: HTTP/1.1 400",
    );
    check_failure(
        Behaviour::Closing,
        "-c 2 -n 10",
        "the server closed the connection",
    );
    check_failure(
        Behaviour::Proper,
        "-n 10 -a wrong",
        "AUTH was answered with -WRONGPASS no",
    );
    check_failure(
        Behaviour::Proper,
        "-n 10 --server-pid 4294967295 -q",
        "/proc/4294967295/stat",
    );
}

#[test]
fn a_password_is_sent() {
    assert_eq!(
        summaries(serve(Behaviour::Proper), "-n 10 -c 2 -a secret -t set")[0].requests,
        10
    );
}
