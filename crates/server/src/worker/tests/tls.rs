//! Encrypted clients over the simulated network: records come in pieces, late, or not to their end.

use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, LazyLock};

use net::simulation::{Client, Faults};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::random::Random;
use super::script::Script;
use super::world::{Fate, World};
use super::{for_seeds, slow};
use crate::tls::limits::FAREWELL_MS_MAX;

const NAME: &str = "localhost";
/// A name for which no certificate is found: looking for one panics.
const UNLUCKY_NAME: &str = "unlucky.example";
/// Wakes after which something is stuck.
const WAKES_MAX: usize = 200_000;

/// The certificate of all servers here.
static CERTIFICATE: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> = LazyLock::new(|| {
    let names = [NAME, UNLUCKY_NAME].map(str::to_owned);
    rcgen::generate_simple_self_signed(names).expect("a certificate")
});

/// Finds the certificate, or panics.
#[derive(Debug)]
struct Resolver(Arc<CertifiedKey>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        assert_ne!(hello.server_name(), Some(UNLUCKY_NAME), "on purpose");
        Some(Arc::clone(&self.0))
    }
}

fn server_config() -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificate = CERTIFICATE.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(CERTIFICATE.signing_key.serialize_der().into());
    let key = CertifiedKey::from_der(vec![certificate], key, &provider).expect("a key");
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("versions");
    let resolver = Arc::new(Resolver(Arc::new(key)));
    Arc::new(builder.with_no_client_auth().with_cert_resolver(resolver))
}

fn client_config(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CERTIFICATE.cert.der().clone();
    roots.add(certificate).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A client that writes its script in pieces, in records.
struct Encrypted {
    client: Client,
    tls: ClientConnection,
    script: Script,
    fate: Fate,
    /// It does something once in so many wakes.
    pace: usize,
    /// Bytes of the script that it has written.
    written: usize,
    /// Bytes of records that it has looked at.
    taken: usize,
    /// Replies so far.
    replies: Vec<u8>,
    /// It has said, or done, all that it will.
    has_ended: bool,
    /// The server has told it that nothing more comes.
    was_told: bool,
}

impl Encrypted {
    fn new(world: &mut World, name: &'static str, script: Script) -> Encrypted {
        let version = world.random.pick(&[&TLS12, &TLS13]);
        let name = ServerName::try_from(name).expect("a name");
        let tls = ClientConnection::new(client_config(version), name);
        Encrypted {
            client: world.connect(),
            tls: tls.expect("a client"),
            script,
            fate: Fate::Stays,
            pace: world.random.pick(&[1, 3, 20]),
            written: 0,
            taken: 0,
            replies: Vec::new(),
            has_ended: false,
            was_told: false,
        }
    }

    /// Takes what has come, and perhaps writes a piece or does what it does after the last one.
    fn act(&mut self, random: &mut Random) {
        if !random.once_in(self.pace) {
            return;
        }
        self.read();
        let rest = &self.script.bytes[self.written..];
        if !self.tls.is_handshaking() && !rest.is_empty() {
            let most = random.pick(&[1, 10, 100, 5_000]);
            let bytes = 1 + random.below(rest.len().min(most));
            self.written += self.tls.writer().write(&rest[..bytes]).expect("room");
        } else if rest.is_empty() && !self.has_ended {
            self.has_ended = true;
            match self.fate {
                Fate::Stays => {}
                Fate::Finishes => self.tls.send_close_notify(),
                Fate::Resets | Fate::Vanishes => return self.client.reset(),
            }
        }
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).expect("memory");
        }
        // A record may come in two parts.
        let (first, second) = records.split_at(random.below(records.len() + 1));
        self.client.write(first);
        self.client.write(second);
    }

    fn read(&mut self) {
        let received = self.client.received();
        let mut records = &received[self.taken..];
        self.taken = received.len();
        while !records.is_empty() {
            let count = self.tls.read_tls(&mut records).expect("memory");
            self.tls.process_new_packets().expect("right records");
            match self.tls.reader().read_to_end(&mut self.replies) {
                Ok(_) => self.was_told = true,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            if count == 0 {
                break;
            }
        }
    }

    fn is_done(&self) -> bool {
        match self.fate {
            _ if self.client.is_closed() => self.taken == self.client.received().len(),
            Fate::Stays => self.replies.len() >= self.script.replies.len(),
            Fate::Finishes | Fate::Resets | Fate::Vanishes => false,
        }
    }
}

/// Lets clients and worker go on until every client is done.
fn run(world: &mut World, clients: &mut [Encrypted]) {
    for _ in 0..WAKES_MAX {
        for client in &mut *clients {
            client.act(&mut world.random);
        }
        world.wake(1);
        if clients.iter().all(Encrypted::is_done) {
            return;
        }
    }
    panic!("nothing moves any more");
}

fn clients(world: &mut World, faults: &Faults) -> Vec<Encrypted> {
    let bytes_max = super::value_bytes_max(faults).min(40_000);
    (0..1 + world.random.below(4))
        .map(|index| {
            let requests = world.random.pick(&[1, 10, 30]);
            let prefix = format!("client{index}key");
            let script = Script::random(&mut world.random, &prefix, requests, bytes_max);
            Encrypted::new(world, NAME, script)
        })
        .collect()
}

/// Ends all clients; nothing may be left of them.
fn end(mut world: World, clients: Vec<Encrypted>) {
    drop(clients);
    world.end(&[]);
}

#[test]
fn encrypted_clients_get_their_replies_and_nothing_after() {
    for_seeds(30, |seed| {
        let faults = slow(seed);
        let mut world = World::encrypted(seed, faults.clone(), server_config());
        let mut clients = clients(&mut world, &faults);
        for client in &mut clients {
            client.fate = world
                .random
                .pick(&[Fate::Stays, Fate::Finishes, Fate::Resets]);
        }
        run(&mut world, &mut clients);
        for client in &mut clients {
            let expected = &client.script.replies;
            match client.fate {
                Fate::Resets | Fate::Vanishes => assert!(expected.starts_with(&client.replies)),
                Fate::Stays => assert!(&client.replies == expected && !client.was_told),
                Fate::Finishes => assert!(&client.replies == expected && client.was_told),
            }
        }
        end(world, clients);
    });
}

#[test]
fn broken_encrypted_connections_leave_nothing_behind() {
    for_seeds(30, |seed| {
        let faults = Faults {
            resets_per_mille: 1 + seed as u32 % 20,
            ..slow(seed)
        };
        let mut world = World::encrypted(seed, faults.clone(), server_config());
        let mut clients = clients(&mut world, &faults);
        run(&mut world, &mut clients);
        for client in &clients {
            assert!(client.script.replies.starts_with(&client.replies));
        }
        end(world, clients);
    });
}

#[test]
fn a_panic_in_tls_ends_one_connection() {
    for_seeds(5, |seed| {
        let faults = slow(seed);
        let mut world = World::encrypted(seed, faults.clone(), server_config());
        let mut clients = clients(&mut world, &faults);
        let unlucky = Encrypted::new(&mut world, UNLUCKY_NAME, Script::default());
        clients.push(Encrypted {
            fate: Fate::Finishes,
            has_ended: true,
            ..unlucky
        });
        run(&mut world, &mut clients);
        let unlucky = clients.pop().expect("the last one");
        assert!(unlucky.client.is_closed());
        assert!(unlucky.client.received().is_empty());
        for client in &clients {
            assert!(client.replies == client.script.replies && !client.client.is_closed());
        }
        end(world, clients);
    });
}

#[test]
fn who_is_killed_and_does_not_take_that_is_closed() {
    let mut world = World::encrypted(1, Faults::none(), server_config());
    let mut script = Script::default();
    script.push(&[b"PING"], b"+PONG\r\n");
    let mut clients = [Encrypted::new(&mut world, NAME, script)];
    run(&mut world, &mut clients);
    // The last reply is known to have been sent.
    world.wake(20);
    let [Encrypted { client, .. }] = &clients;
    client.limit_reading(Some(0));
    world.worker.kill(0);
    world.worker.kill(0);
    world.worker.now_ms += FAREWELL_MS_MAX;
    world.worker.close_told();
    world.wake(10);
    assert!(!client.is_closed());
    world.worker.now_ms += 1;
    world.worker.close_told();
    world.wake(10);
    assert!(client.is_closed());
    world.end(&[]);
}
