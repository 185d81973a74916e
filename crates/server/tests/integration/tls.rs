//! TLS: real handshakes against the executable, over both backends.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion, version,
};

use crate::certificates::{Authority, Identity, KeyForm};
use crate::client::{Client, Reply, encode};
use crate::server::{Launch, Server, Target, free_port, make_directory};
use crate::waiting;

const PATIENCE: Duration = Duration::from_secs(20);
const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A server that speaks TLS on a port beside the plain one.
struct World {
    server: Server,
    authority: Authority,
    port: u16,
}

/// Runs a test against our server with each backend that there is.
fn for_each_backend(flags: &[&str], test: impl Fn(&World)) {
    for target in [Target::Mio, Target::IoUring] {
        if target.is_available() {
            test(&World::start(target, flags));
        }
    }
}

impl World {
    fn start(target: Target, flags: &[&str]) -> World {
        let authority = Authority::new();
        let directory = make_directory();
        authority.issue("server").write(&directory);
        authority.write(&directory.join("authority.crt"));
        let port = free_port();
        let tls_port = port.to_string();
        let mut all = vec!["--security.tls_port", &tls_port];
        all.extend(["--security.tls_cert_path", "server.crt"]);
        all.extend(["--security.tls_key_path", "server.key"]);
        if !flags.contains(&"--security.tls_auth_clients") {
            all.extend(["--security.tls_auth_clients", "no"]);
        }
        all.extend(flags);
        let launch = Launch {
            flags: &all,
            directory,
            ..Launch::new(target)
        };
        World {
            server: launch.start(),
            authority,
            port,
        }
    }

    /// What a client uses that trusts the authority.
    fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        self.config_as(versions, None)
    }

    fn config_as(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certificates = vec![identity.certificate.der().clone()];
                let builder = builder.with_client_auth_cert(certificates, identity.key());
                builder.expect("a certificate")
            }
        }
    }

    fn stream(&self, config: &Arc<ClientConfig>) -> Stream {
        stream(self.port, config)
    }

    fn client(&self) -> Client {
        let config = Arc::new(self.config(&VERSIONS));
        Client::from_tls(self.stream(&config))
    }
}

fn stream(port: u16, config: &Arc<ClientConfig>) -> Stream {
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    socket.set_nodelay(true).expect("no delay");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    StreamOwned::new(connection, socket)
}

/// Makes the handshake and asks one thing; the reply.
fn ask(stream: &mut Stream, words: &[&str]) -> std::io::Result<String> {
    stream.write_all(&encode(words))?;
    let mut reply = [0; 200];
    let count = stream.read(&mut reply)?;
    if count == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&reply[..count]).into_owned())
}

fn shown(stream: &Stream) -> CertificateDer<'static> {
    let chain = stream.conn.peer_certificates().expect("certificates");
    chain[0].clone().into_owned()
}

#[test]
fn both_versions_are_spoken_beside_a_plain_port() {
    for_each_backend(&[], |world| {
        for version in VERSIONS {
            let config = Arc::new(world.config(&[version]));
            let mut stream = world.stream(&config);
            assert_eq!(
                ask(&mut stream, &["SET", "a", "1"]).expect("a reply"),
                "+OK\r\n"
            );
            assert_eq!(stream.conn.protocol_version(), Some(version.version));
            let mut client = Client::from_tls(stream);
            assert_eq!(client.command_words("GET a").to_string(), "\"1\"");
            let plain = world.server.connect().command_words("GET a");
            assert_eq!(plain.to_string(), "\"1\"");
        }
    });
}

/// Shows settings: security.tls_protocols
#[test]
fn versions_can_be_left_out() {
    for (protocols, accepted) in [
        ("TLSv1.2", [true, false]),
        ("TLSv1.3", [false, true]),
        ("TLSv1.2 TLSv1.3", [true, true]),
    ] {
        for_each_backend(&[], |world| {
            let mut client = world.server.connect();
            let reply = client.command(&["CONFIG", "SET", "tls-protocols", protocols]);
            assert_eq!(reply.to_string(), "OK");
            let answers = VERSIONS.map(|version| {
                let config = Arc::new(world.config(&[version]));
                ask(&mut world.stream(&config), &["PING"]).is_ok()
            });
            assert_eq!(answers, accepted, "{protocols}");
        });
    }
}

/// Shows settings: security.tls_enabled
#[test]
fn the_main_port_may_be_encrypted() {
    for target in [Target::Mio, Target::IoUring] {
        if !target.is_available() {
            continue;
        }
        let world = World::start(target, &["--security.tls_enabled", "true"]);
        let config = Arc::new(world.config(&VERSIONS));
        for port in [world.server.port, world.port] {
            let mut client = Client::from_tls(stream(port, &config));
            let info = client.command_words("INFO server").text();
            let line = format!("tcp_port:{}\r\n", world.server.port);
            assert!(info.contains(&line), "{info}");
        }
        let mut plain = socket(world.server.port);
        plain.write_all(b"PING\r\n").expect("sent");
        assert!(is_closed(&plain));
    }
}

/// Shows settings: security.tls_port, security.tls_cert_path
#[test]
fn there_may_be_no_plain_port() {
    let (directory, authority) = (make_directory(), Authority::new());
    authority.issue("server").write(&directory);
    let port = free_port();
    let tls_port = port.to_string();
    let flags = [
        "--security.tls_port",
        &tls_port,
        "--security.tls_cert_path",
        "server.crt",
        "--security.tls_key_path",
        "server.key",
        "--security.tls_auth_clients",
        "no",
    ];
    let launch = Launch {
        flags: &flags,
        port: Some("0"),
        directory,
        ..Launch::new(Target::Mio)
    };
    let world = World {
        server: launch.spawn(),
        authority,
        port,
    };
    waiting::until(PATIENCE, "it listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let info = world.client().command_words("INFO server").text();
    assert!(info.contains(&format!("tcp_port:{port}\r\n")), "{info}");
}

/// Shows settings: security.tls_auth_clients, security.tls_ca_cert_path, security.tls_ca_cert_dir
#[test]
fn certificates_of_clients_are_asked_for_as_set() {
    for_each_backend(&[], |world| {
        let set = |name: &str, value: &str| {
            let reply = world
                .server
                .connect()
                .command(&["CONFIG", "SET", name, value]);
            assert_eq!(reply.to_string(), "OK", "{name} {value}");
        };
        let directory = world.server.directory();
        let authorities = directory.join("authorities");
        fs::create_dir(&authorities).expect("a directory");
        fs::write(authorities.join("readme"), "no certificate").expect("a file");
        world.authority.write(&authorities.join("one.pem"));
        let ours = world.authority.issue("client");
        let others = Authority::new().issue("client");
        let answers = |identity: Option<&Identity>| {
            VERSIONS.map(|version| {
                let config = Arc::new(world.config_as(&[version], identity));
                ask(&mut world.stream(&config), &["PING"]).is_ok()
            })
        };
        for (name, path) in [
            ("tls-ca-cert-file", directory.join("authority.crt")),
            ("tls-ca-cert-dir", authorities),
        ] {
            set("tls-auth-clients", "no");
            set("tls-ca-cert-file", "");
            set("tls-ca-cert-dir", "");
            set(name, path.to_str().expect("UTF-8"));
            for (asked, none, other) in [
                ("no", true, true),
                ("optional", true, false),
                ("yes", false, false),
            ] {
                set("tls-auth-clients", asked);
                assert_eq!(answers(None), [none; 2], "{asked}, none");
                assert_eq!(answers(Some(&ours)), [true; 2], "{asked}, ours");
                assert_eq!(answers(Some(&others)), [other; 2], "{asked}, another's");
            }
        }
    });
}

/// Shows settings: security.tls_auth_clients_user
#[test]
fn a_certificate_names_its_user() {
    let flags = [
        "--security.tls_auth_clients",
        "optional",
        "--security.tls_ca_cert_path",
        "authority.crt",
        "--security.password",
        "secret",
    ];
    for_each_backend(&flags, |world| {
        let mut admin = world.server.connect();
        admin.command(&["AUTH", "secret"]);
        for (name, state) in [("reporting", "on"), ("retired", "off")] {
            let reply = admin.command(&["ACL", "SETUSER", name, state, "+get", "~report:*"]);
            assert_eq!(reply.to_string(), "OK");
        }
        for (user, name, expected) in [
            ("off", "default", "-NOAUTH"),
            ("CN", "default", "+PONG"),
            ("CN", "nobody", "-NOAUTH"),
            ("CN", "retired", "-NOAUTH"),
            ("CN", "reporting", "-NOPERM this user has no permissions"),
        ] {
            let reply = admin.command(&["CONFIG", "SET", "tls-auth-clients-user", user]);
            assert_eq!(reply.to_string(), "OK");
            let identity = world.authority.issue(name);
            for version in VERSIONS {
                let config = Arc::new(world.config_as(&[version], Some(&identity)));
                // The second one resumes the session of the first.
                for _ in 0..2 {
                    let reply = ask(&mut world.stream(&config), &["PING"]).expect("a reply");
                    assert!(reply.starts_with(expected), "{user} {name}: {reply}");
                }
            }
        }
    });
}

/// Shows settings: security.tls_session_caching, security.tls_session_cache_size, security.tls_session_cache_timeout
#[test]
fn sessions_are_resumed() {
    for_each_backend(&[], |world| {
        let kinds = |config: &Arc<ClientConfig>| {
            [0, 1].map(|_| {
                let mut stream = world.stream(config);
                ask(&mut stream, &["PING"]).expect("a reply");
                stream.conn.handshake_kind().expect("a handshake")
            })
        };
        let set = |name: &str, value: &str| {
            let reply = world
                .server
                .connect()
                .command(&["CONFIG", "SET", name, value]);
            assert_eq!(reply.to_string(), "OK");
        };
        let full = |kind: HandshakeKind| kind != HandshakeKind::Resumed;
        for version in VERSIONS {
            let config = || Arc::new(world.config(&[version]));
            assert_eq!(kinds(&config()).map(full), [true, false], "{version:?}");
            set("tls-session-caching", "no");
            assert_eq!(kinds(&config()).map(full), [true, true], "{version:?}");
            set("tls-session-caching", "yes");
            // Only the last one is kept.
            set("tls-session-cache-size", "1");
            let (one, other) = (config(), config());
            assert!(full(kinds(&one)[0]));
            assert_eq!(kinds(&other).map(full), [true, false], "{version:?}");
            assert!(full(kinds(&one)[0]), "{version:?}");
            set("tls-session-cache-size", "20480");
            set("tls-session-cache-timeout", "1");
            let config = config();
            assert!(full(kinds(&config)[0]));
            thread::sleep(Duration::from_millis(1100));
            assert!(full(kinds(&config)[0]), "{version:?}");
            set("tls-session-cache-timeout", "300");
        }
    });
}

/// Shows settings: security.tls_key_path
#[test]
fn keys_come_in_three_forms() {
    let world = World::start(Target::Mio, &[]);
    for form in [KeyForm::Pkcs8, KeyForm::Pkcs1, KeyForm::Sec1] {
        let identity = world.authority.issue_with("server", form);
        identity.write_in_form(world.server.directory(), form);
        // The same name again reads the file again.
        let mut admin = world.server.connect();
        let reply = admin.command(&["CONFIG", "SET", "tls-key-file", "server.key"]);
        assert_eq!(reply.to_string(), "OK", "{form:?}");
        let config = Arc::new(world.config(&VERSIONS));
        let mut stream = world.stream(&config);
        ask(&mut stream, &["PING"]).expect("a reply");
        assert_eq!(shown(&stream), *identity.certificate.der(), "{form:?}");
    }
}

/// Points the link `current` to a directory, at once, as Kubernetes does with its volumes.
fn point(directory: &Path, to: &str) {
    let new = directory.join("new");
    std::os::unix::fs::symlink(to, &new).expect("a link");
    fs::rename(new, directory.join("current")).expect("a link in place");
}

/// Clients that ask all the time, half of them over new connections, until told to stop; how often they asked.
fn ask_until<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    world: &'scope World,
    stop: &'scope AtomicBool,
    asked: &'scope AtomicU64,
) {
    for number in 0..4 {
        scope.spawn(move || {
            let config = Arc::new(world.config(&VERSIONS));
            let mut stream = world.stream(&config);
            while !stop.load(Ordering::Relaxed) {
                if number % 2 == 0 {
                    stream = world.stream(&Arc::new(world.config(&VERSIONS)));
                }
                let reply = ask(&mut stream, &["PING"]).expect("no request fails");
                assert_eq!(reply, "+PONG\r\n");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

#[test]
fn certificates_are_rotated_under_load() {
    for_each_backend(&[], |world| {
        let directory = world.server.directory().to_owned();
        let shows = |identity: &Identity| {
            let mut stream = world.stream(&Arc::new(world.config(&VERSIONS)));
            ask(&mut stream, &["PING"]).expect("a reply");
            shown(&stream) == *identity.certificate.der()
        };
        let write = |name: &str| {
            let identity = world.authority.issue(name);
            fs::create_dir_all(directory.join(name)).expect("a directory");
            identity.write(&directory.join(name));
            identity
        };
        let identities = ["first", "second", "third"].map(write);
        let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            let _stops = Stops(&stop);
            ask_until(scope, world, &stop, &asked);
            point(&directory, "first");
            let set = ["CONFIG", "SET", "tls-cert-file", "current/server.crt"];
            let set = [&set[..], &["tls-key-file", "current/server.key"]].concat();
            let reply = world.server.connect().command(&set);
            assert_eq!(reply.to_string(), "OK");
            assert!(shows(&identities[0]));
            for (name, identity) in [("second", &identities[1]), ("third", &identities[2])] {
                point(&directory, name);
                waiting::until(PATIENCE, name, || shows(identity));
            }
            world.server.signal(Signal::HUP);
            waiting::until(PATIENCE, "the signal", || {
                let log = world.server.log();
                log.contains("certificates and keys were read again")
            });
            assert!(shows(&identities[2]));
            // What cannot be used is logged, and the old stays.
            fs::create_dir(directory.join("broken")).expect("a directory");
            fs::write(directory.join("broken/server.crt"), "broken").expect("a file");
            point(&directory, "broken");
            waiting::until(PATIENCE, "it is logged", || {
                world.server.log().contains("cannot be used")
            });
            assert!(shows(&identities[2]));
            let before = asked.load(Ordering::Relaxed);
            waiting::until(PATIENCE, "they go on", || {
                asked.load(Ordering::Relaxed) > before + 20
            });
        });
    });
}

/// Sets a flag when it goes, so that a failed assertion does not leave the threads of a scope running.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_by_config_set() {
    for_each_backend(&[], |world| {
        let mut client = world.client();
        for (name, value) in [
            ("tls-cert-file", "missing.crt"),
            ("tls-key-file", "authority.crt"),
            ("tls-cert-file", "authority.crt"),
            ("tls-auth-clients", "yes"),
        ] {
            let reply = client.command(&["CONFIG", "SET", name, value]).to_string();
            let expected = format!(
                "(error) ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS \
                 configuration. Check server logs."
            );
            assert_eq!(reply, expected);
        }
        assert_eq!(world.client().command_words("PING").to_string(), "PONG");
        let reply = client.command_words("CONFIG GET tls-cert-file").to_string();
        assert_eq!(reply, "[\"tls-cert-file\", \"server.crt\"]");
    });
}

#[test]
fn what_cannot_be_served_stops_the_start() {
    let directory = make_directory();
    let authority = Authority::new();
    authority.issue("server").write(&directory);
    authority.write(&directory.join("other.crt"));
    let flags = |certificate: &'static str, clients: &'static str| {
        let mut flags = vec!["--security.tls_port", "1"];
        flags.extend(["--security.tls_cert_path", certificate]);
        flags.extend(["--security.tls_key_path", "server.key"]);
        flags.extend(["--security.tls_auth_clients", clients]);
        flags
    };
    for (flags, expected) in [
        (flags("missing.crt", "no"), "missing.crt"),
        (flags("server.key", "no"), "no certificate in server.key"),
        (flags("other.crt", "no"), "cannot be used together"),
        (flags("server.crt", "yes"), "tls_ca_cert_path"),
        (vec!["--security.tls_port", "1"], "security.tls_cert_path"),
    ] {
        let launch = Launch {
            flags: &flags,
            directory: directory.clone(),
            ..Launch::new(Target::Mio)
        };
        let mut server = launch.spawn();
        assert!(!server.wait_for_end(PATIENCE).success());
        let log = server.log();
        assert!(log.contains(expected), "{expected}: {log}");
        // The directory goes with the server.
        fs::create_dir_all(&directory).expect("a directory");
        drop(server);
        fs::create_dir_all(&directory).expect("a directory");
        authority.issue("server").write(&directory);
        authority.write(&directory.join("other.crt"));
    }
}

/// Whether the server closes a connection, whatever it says before.
fn is_closed(mut socket: &TcpStream) -> bool {
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn socket(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// The first bytes that a client sends.
fn client_hello(world: &World) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let config = Arc::new(world.config(&VERSIONS));
    let mut connection = ClientConnection::new(config, name).expect("a client");
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).expect("bytes");
    bytes
}

#[test]
fn who_makes_no_handshake_is_closed() {
    for_each_backend(&[], |world| {
        let mut client = world.client();
        let hello = client_hello(world);
        let mut broken = hello.clone();
        broken[20..60].fill(0xff);
        let huge = [&[0x16, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff][..], &[7; 80_000]].concat();
        for bytes in [
            &b"PING\r\n"[..],
            b"*1\r\n$4\r\nPING\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            &[0; 100],
            &[0xff; 100_000],
            &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3],
            &[0x17, 3, 3, 0, 1, 0],
            &broken,
            &huge,
        ] {
            let mut socket = socket(world.port);
            // It may be closed before it has sent everything.
            let _ = socket.write_all(bytes);
            let _ = socket.shutdown(Shutdown::Write);
            assert!(is_closed(&socket), "{:?}", &bytes[..6]);
            assert_eq!(client.command_words("PING").to_string(), "PONG");
        }
        // At any byte of a handshake.
        for length in (0..hello.len()).step_by(37) {
            let mut socket = socket(world.port);
            socket.write_all(&hello[..length]).expect("sent");
            drop(socket);
        }
        assert_eq!(client.command_words("PING").to_string(), "PONG");
        waiting::until(PATIENCE, "they are gone", || {
            client.command_words("CLIENT LIST").text().lines().count() == 1
        });
    });
}

/// Shows settings: security.tls_handshake_timeout
#[test]
fn a_slow_handshake_is_ended_and_a_fast_one_is_not_held_up() {
    for_each_backend(&["--security.tls_handshake_timeout", "1"], |world| {
        let hello = client_hello(world);
        let sockets: Vec<TcpStream> = [0, 1, 100, hello.len()]
            .into_iter()
            .map(|length| {
                let mut socket = socket(world.port);
                socket.write_all(&hello[..length]).expect("sent");
                socket
            })
            .collect();
        let mut client = world.client();
        assert_eq!(client.command_words("PING").to_string(), "PONG");
        for socket in &sockets {
            assert!(is_closed(socket));
        }
        assert_eq!(client.command_words("PING").to_string(), "PONG");
    });
}

/// Shows settings: security.tls_handshakes_max
#[test]
fn handshakes_wait_for_their_turn() {
    for_each_backend(&["--security.tls_handshakes_max", "2"], |world| {
        let hello = client_hello(world);
        // One for each worker, begun and not ended.
        let mut begun: Vec<TcpStream> = (0..2).map(|_| socket(world.port)).collect();
        for socket in &mut begun {
            socket.write_all(&hello).expect("sent");
            socket.read_exact(&mut [0; 5]).expect("an answer");
        }
        let mut waiting = socket(world.port);
        waiting.write_all(&hello).expect("sent");
        let short = Some(Duration::from_millis(300));
        waiting.set_read_timeout(short).expect("a timeout");
        let kind = waiting.read(&mut [0; 5]).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::WouldBlock));
        drop(begun);
        waiting.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        waiting.read_exact(&mut [0; 5]).expect("an answer");
    });
}

#[test]
fn large_values_come_and_go() {
    for_each_backend(&[], |world| {
        let (mut client, mut plain) = (world.client(), world.server.connect());
        for bytes in [
            0,
            1,
            16_000,
            16_384,
            16_385,
            40_000,
            100_000,
            262_144,
            300_000,
            1 << 20,
            20 << 20,
        ] {
            let value: Vec<u8> = (0..bytes as u64)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8)
                .collect();
            let reply = client.command(&[&b"SET"[..], b"key", &value]);
            assert_eq!(reply.to_string(), "OK");
            for client in [&mut client, &mut plain] {
                assert!(client.command(&["GET", "key"]) == Reply::Bulk(value.clone()));
            }
            let request = encode(&["GET", "key"]).repeat(3);
            client.send(&request).expect("sent");
            for _ in 0..3 {
                assert!(client.read_reply().expect("a reply") == Reply::Bulk(value.clone()));
            }
        }
    });
}

#[test]
fn pipelines_are_answered_as_over_the_plain_port() {
    for_each_backend(&[], |world| {
        let requests: Vec<Vec<u8>> = (0..20_000)
            .map(|number| {
                let (key, value) = (format!("key:{}", number % 100), "v".repeat(number % 700));
                match number % 5 {
                    0 => encode(&["SET", &key, &value]),
                    1 | 2 => encode(&["GET", &key]),
                    3 => encode(&["INCR", "counter"]),
                    _ => encode(&["MGET", &key, "missing", &key]),
                }
            })
            .collect();
        let bytes = requests.concat();
        let answers = |client: &mut Client, piece_bytes: usize| {
            client.command_words("FLUSHALL");
            let mut replies = Vec::new();
            // As much as fits on the way is sent before anything is read.
            for piece in bytes.chunks(piece_bytes) {
                client.send(piece).expect("sent");
            }
            for _ in 0..requests.len() {
                replies.push(client.read_reply().expect("a reply"));
            }
            replies
        };
        let mut plain = world.server.connect();
        plain.command_words("CONFIG SET server.output_buffer_pause_bytes 100mb");
        let expected = answers(&mut plain, bytes.len());
        for piece_bytes in [bytes.len(), 50_000, 1_000] {
            assert!(answers(&mut world.client(), piece_bytes) == expected);
        }
    });
}

#[test]
fn who_does_not_read_is_not_read_from() {
    for_each_backend(&[], |world| {
        let mut client = world.client();
        client.command(&["SET", "key", &"v".repeat(100_000)]);
        let request = encode(&["GET", "key"]);
        // Some hundred megabytes of replies, of which the server holds only what it may.
        let count = 3_000;
        client.send(&request.repeat(count)).expect("sent");
        let mut admin = world.server.connect();
        let mut most = 0;
        for _ in 0..20 {
            let list = admin.command_words("CLIENT LIST").text();
            let fields = list.split_whitespace();
            let memory = fields.filter_map(|field| field.strip_prefix("tot-mem="));
            let memory = memory.filter_map(|bytes| bytes.parse::<usize>().ok());
            most = most.max(memory.max().unwrap_or(0));
        }
        assert!(most > 0 && most < 4 << 20, "{most}");
        for _ in 0..count {
            let Reply::Bulk(value) = client.read_reply().expect("a reply") else {
                panic!("no value");
            };
            assert_eq!(value.len(), 100_000);
        }
    });
}

#[test]
fn the_limit_of_replies_holds() {
    for_each_backend(&[], |world| {
        let mut admin = world.server.connect();
        admin.command(&["SET", "key", &"v".repeat(1 << 20)]);
        let limit = "normal 20mb 0 0";
        admin.command(&["CONFIG", "SET", "client-output-buffer-limit", limit]);
        admin.command_words("CONFIG SET server.output_buffer_pause_bytes 100mb");
        let mut client = world.client();
        client
            .send(&encode(&["GET", "key"]).repeat(60))
            .expect("sent");
        waiting::until(PATIENCE, "it is closed", || {
            admin.command_words("CLIENT LIST").text().lines().count() == 1
        });
    });
}

#[test]
fn the_memory_of_encryption_is_the_clients() {
    for_each_backend(&[], |world| {
        let memory = |client: &mut Client| {
            let info = client.command_words("CLIENT INFO").text();
            let mut fields = info.split_whitespace();
            let field = fields.find_map(|field| field.strip_prefix("tot-mem="));
            field
                .expect("the field")
                .parse::<usize>()
                .expect("a number")
        };
        let (mut encrypted, mut plain) = (world.client(), world.server.connect());
        let (more, less) = (memory(&mut encrypted), memory(&mut plain));
        assert!(more > less + 4096, "{more} {less}");
    });
}

#[test]
fn a_connection_ends_in_order() {
    for_each_backend(&[], |world| {
        for version in VERSIONS {
            let config = Arc::new(world.config(&[version]));
            // The server ends it: reading to the end works only when the end was announced.
            let mut stream = world.stream(&config);
            let requests = [encode(&["PING"]), encode(&["QUIT"])].concat();
            stream.write_all(&requests).expect("sent");
            let mut replies = Vec::new();
            stream.read_to_end(&mut replies).expect("an orderly end");
            assert_eq!(replies, b"+PONG\r\n+OK\r\n");
            // The client ends its side: everything before is answered.
            let mut stream = world.stream(&config);
            stream
                .write_all(&encode(&["PING"]).repeat(5_000))
                .expect("sent");
            stream.conn.send_close_notify();
            stream.flush().expect("sent");
            let mut replies = Vec::new();
            stream.read_to_end(&mut replies).expect("an orderly end");
            assert_eq!(replies, b"+PONG\r\n".repeat(5_000));
            // And without a word.
            let mut stream = world.stream(&config);
            stream.write_all(&encode(&["PING"])).expect("sent");
            stream.sock.shutdown(Shutdown::Write).expect("shut down");
            let mut replies = Vec::new();
            stream.read_to_end(&mut replies).expect("an orderly end");
            assert_eq!(replies, b"+PONG\r\n");
        }
    });
}

#[test]
fn who_is_killed_or_breaks_the_protocol_is_told_that_it_ends() {
    for_each_backend(&[], |world| {
        for version in VERSIONS {
            let config = Arc::new(world.config(&[version]));
            let mut killed = world.stream(&config);
            let id = ask(&mut killed, &["CLIENT", "ID"]).expect("an id");
            let id = id.trim_start_matches(':').trim_end();
            let kill = format!("CLIENT KILL ID {id}");
            assert_eq!(world.client().command_words(&kill).to_string(), "1");
            let rest = killed.read_to_end(&mut Vec::new());
            assert_eq!(rest.expect("an orderly end"), 0);
            let mut wrong = world.stream(&config);
            wrong.write_all(b"*abc\r\n").expect("sent");
            let mut replies = String::new();
            wrong.read_to_string(&mut replies).expect("an orderly end");
            assert_eq!(replies, "-ERR Protocol error: invalid multibulk length\r\n");
            // A kill does not wait for who does not read.
            let mut lazy = world.client();
            let value = "x".repeat(4 << 20);
            assert_eq!(lazy.command(&["SET", "k", &value]).to_string(), "OK");
            let id = lazy.command_words("CLIENT ID").to_string();
            let get = encode(&["GET", "k"]).repeat(10);
            lazy.send(&get).expect("sent");
            let mut other = world.client();
            waiting::until(PATIENCE, "replies wait", || {
                let list = other.command_words(&format!("CLIENT LIST ID {id}"));
                list.to_string().contains("cmd=get")
            });
            other.command_words(&format!("CLIENT KILL ID {id}"));
            waiting::until(PATIENCE, "it is gone", || {
                let list = other.command_words(&format!("CLIENT LIST ID {id}"));
                list.text().is_empty()
            });
        }
    });
}

#[test]
fn broken_records_end_the_connection() {
    for_each_backend(&[], |world| {
        let config = Arc::new(world.config(&VERSIONS));
        let mut stream = world.stream(&config);
        ask(&mut stream, &["PING"]).expect("a reply");
        stream.sock.write_all(&[0x17, 3, 3, 0, 20]).expect("sent");
        stream.sock.write_all(&[7; 20]).expect("sent");
        assert!(stream.read_to_end(&mut Vec::new()).is_err());
        assert_eq!(world.client().command_words("PING").to_string(), "PONG");
    });
}

#[test]
fn idle_clients_are_closed_in_order() {
    for_each_backend(&[], |world| {
        let config = Arc::new(world.config(&VERSIONS));
        let mut stream = world.stream(&config);
        ask(&mut stream, &["CONFIG", "SET", "timeout", "1"]).expect("a reply");
        stream.read_to_end(&mut Vec::new()).expect("an orderly end");
    });
}

#[test]
fn too_many_clients_are_closed() {
    for_each_backend(&["--server.max_connections", "3"], |world| {
        let config = Arc::new(world.config(&VERSIONS));
        let mut clients = Vec::new();
        // The connections that have found out whether it listens may still be there.
        waiting::until(PATIENCE, "there is room for three", || {
            let mut stream = world.stream(&config);
            if ask(&mut stream, &["PING"]).is_ok() {
                clients.push(stream);
            }
            clients.len() == 3
        });
        assert!(is_closed(&socket(world.port)));
        clients.pop();
        waiting::until(PATIENCE, "there is room again", || {
            ask(&mut world.stream(&config), &["PING"]).is_ok()
        });
    });
}
