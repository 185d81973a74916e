//! TLS for connections of the load generator: flags to rustls's configuration, the handshake, and a nonblocking stream.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Records are read from the socket in pieces of so many bytes.
const RAW_BYTES: usize = 64 << 10;

/// What the flags say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFlags {
    /// Authorities that the server's certificate may come from; those of the system if there is none.
    pub cacert: Option<PathBuf>,
    /// The client's certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The server's certificate may be anything.
    pub insecure: bool,
    /// The name that the server's certificate must have, in place of the host.
    pub sni: Option<String>,
}

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn new(flags: &TlsFlags, host: &str) -> Result<Tls, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if flags.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anything(provider)))
        } else {
            builder.with_root_certificates(authorities(flags.cacert.as_deref())?)
        };
        let config = match (&flags.cert, &flags.key) {
            (Some(cert), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| format!("{}: {error}", key.display()))?;
                builder
                    .with_client_auth_cert(certificates(cert)?, key)
                    .map_err(|error| format!("{}: {error}", cert.display()))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err("--cert and --key belong together".to_owned()),
        };
        let name = flags.sni.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("'{name}' is no name that a certificate can have"))?;
        Ok(Tls {
            config: Arc::new(config),
            name,
        })
    }

    /// A connection that has not begun.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn connection(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(io::Error::other)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.map_err(|error| failed(&error))
}

fn authorities(path: Option<&Path>) -> Result<RootCertStore, String> {
    /// Where Debian and its relatives keep them.
    const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(path.unwrap_or(Path::new(SYSTEM)))?);
    Ok(roots)
}

/// Makes the handshake, on a socket that may be made nonblocking after it.
///
/// # Errors
/// When the server refuses, or its certificate is not accepted.
pub fn shake_hands(tls: &Tls, socket: &mut TcpStream) -> io::Result<ClientConnection> {
    let mut connection = tls.connection()?;
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    Ok(connection)
}

/// A nonblocking connection.
#[derive(Debug)]
pub struct TlsStream {
    /// The socket.
    pub socket: mio::net::TcpStream,
    connection: ClientConnection,
    /// Where records arrive.
    raw: Box<[u8]>,
}

impl TlsStream {
    /// Of a connection whose handshake is over, and whose socket is nonblocking now.
    pub fn new(socket: TcpStream, connection: ClientConnection) -> TlsStream {
        TlsStream::of(mio::net::TcpStream::from_std(socket), connection)
    }

    /// Of a connection that may not have begun.
    pub fn of(socket: mio::net::TcpStream, connection: ClientConnection) -> TlsStream {
        TlsStream {
            socket,
            connection,
            raw: vec![0; RAW_BYTES].into_boxed_slice(),
        }
    }

    /// Whether there are records that the socket has not taken.
    pub fn has_unsent(&self) -> bool {
        self.connection.wants_write()
    }

    /// Gives the socket what it takes of the records that there are.
    fn push(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes records from the socket; whether there may be more.
    fn pull(&mut self) -> io::Result<bool> {
        let count = self.socket.read(&mut self.raw)?;
        let mut records = &self.raw[..count];
        if count == 0 {
            self.connection.read_tls(&mut records)?;
        }
        while !records.is_empty() {
            self.connection.read_tls(&mut records)?;
            self.connection
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        Ok(count == RAW_BYTES)
    }
}

impl Read for TlsStream {
    /// Fills `place` as far as what has arrived goes: who gets less has it all.
    fn read(&mut self, place: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        let mut has_more = true;
        loop {
            match self.connection.reader().read(&mut place[filled..]) {
                Ok(count) if count > 0 && filled + count < place.len() => filled += count,
                Ok(count) => return Ok(filled + count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if filled > 0 && !has_more {
                return Ok(filled);
            }
            match self.pull() {
                Ok(more) => has_more = more,
                Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => {
                    return Ok(filled);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let count = self.connection.writer().write(bytes)?;
        self.push()?;
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

/// Accepts any certificate of the server, for `--insecure`.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
