//! Runs the program against a server that speaks TLS and answers PING, with a certificate made for the test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::{fs, thread};

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const REQUEST_BYTES: usize = b"*1\r\n$4\r\nPING\r\n".len();

/// Starts a server; its port, and the file of its certificate. It ends with the test's process.
fn serve(name: &str) -> (u16, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, certificate.pem()).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private.into())
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            thread::spawn(move || answer(StreamOwned::new(connection, socket)));
        }
    });
    (port, path)
}

fn answer(mut stream: StreamOwned<ServerConnection, std::net::TcpStream>) {
    let (mut input, mut waiting) = ([0; 65536], 0);
    while let Ok(count) = stream.read(&mut input)
        && count > 0
    {
        waiting += count;
        let replies = b"+PONG\r\n".repeat(waiting / REQUEST_BYTES);
        waiting %= REQUEST_BYTES;
        if stream.write_all(&replies).is_err() {
            return;
        }
    }
}

fn run(port: u16, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_redistill-benchmark"))
        .args(["-q", "-p", &port.to_string(), "--tls"])
        .args(flags)
        .output()
        .unwrap()
}

#[test]
fn requests_go_over_tls() {
    let (port, path) = serve("requests.pem");
    let file = path.to_str().unwrap();
    for trust in [&["--cacert", file][..], &["--insecure"]] {
        for pipeline in ["1", "500"] {
            let flags = ["-t", "ping_mbulk", "-n", "20000", "-c", "8", "-P", pipeline];
            let output = run(port, &[trust, &flags].concat());
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{output:?}");
            assert!(text.contains("20,000 requests"), "{text}");
        }
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused() {
    let (port, _) = serve("not-trusted.pem");
    let (_, other) = serve("other.pem");
    let output = run(port, &["--cacert", other.to_str().unwrap(), "-n", "10"]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("certificate"), "{text}");
}

#[test]
fn a_burst_opens_all_connections() {
    let (port, _) = serve("burst.pem");
    let output = run(port, &["--insecure", "--burst", "50"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("50 connections answered, 0 failed"), "{text}");
}
